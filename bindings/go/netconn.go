//go:build cgo

package tsc

import "net"

// AttemptOf returns the attempt of a connection that comes from a [Dialer] or [Config.Client], or nil; the
// *tls.Conn will do. It answers [Attempt.Info] until the connection is closed, and takes a fatal alert that
// came later: attempt.Failed(tsc.FailureOf(conn, err)).
func AttemptOf(conn net.Conn) *Attempt {
	for {
		switch c := conn.(type) {
		case interface{ ofAttempt() *Attempt }:
			return c.ofAttempt()
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// telling returns a connection that tells the attempt when it is closed. It has all methods of the usual two
// types of the net package, among them SyscallConn, by which drivers look whether a connection lives.
func telling(raw net.Conn, attempt *Attempt) net.Conn {
	switch raw := raw.(type) {
	case nil:
		return nil
	case *net.TCPConn:
		return &tcpConn{raw, attempt}
	case *net.UnixConn:
		return &unixConn{raw, attempt}
	}
	return &otherConn{raw, attempt}
}

type tcpConn struct {
	*net.TCPConn
	attempt *Attempt
}

type unixConn struct {
	*net.UnixConn
	attempt *Attempt
}

type otherConn struct {
	net.Conn
	attempt *Attempt
}

func (c *tcpConn) Close() error {
	defer c.attempt.connClosed()
	return c.TCPConn.Close()
}

func (c *unixConn) Close() error {
	defer c.attempt.connClosed()
	return c.UnixConn.Close()
}

func (c *otherConn) Close() error {
	defer c.attempt.connClosed()
	return c.Conn.Close()
}

func (c *tcpConn) ofAttempt() *Attempt   { return c.attempt }
func (c *unixConn) ofAttempt() *Attempt  { return c.attempt }
func (c *otherConn) ofAttempt() *Attempt { return c.attempt }

// NetConn returns the connection that the caller made.
func (c *tcpConn) NetConn() net.Conn   { return c.TCPConn }
func (c *unixConn) NetConn() net.Conn  { return c.UnixConn }
func (c *otherConn) NetConn() net.Conn { return c.Conn }
