//go:build cgo

package tsc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
)

// A Conn is a tls.Conn that knows its [Attempt].
type Conn struct {
	*tls.Conn
	attempt *Attempt
}

// Client is tls.Client with the sessions of a config: for a connection that stands, before the
// handshake, as in protocols that begin in clear text. Say Established or Failed afterwards.
func (c *Config) Client(raw net.Conn, endpoint Endpoint) *Conn {
	attempt := c.Begin(endpoint)
	return &Conn{Conn: tls.Client(raw, attempt.TLSConfig()), attempt: attempt}
}

// Established says that the connection is a success: TLS and the application's own login are done.
// What the server sent is published for others, and what it still sends goes straight into the cache.
// The error may be ignored, see [Attempt.Established].
func (c *Conn) Established() error {
	state := c.ConnectionState()
	if !state.HandshakeComplete {
		return ErrWrongState
	}
	return c.attempt.Established(state)
}

// Failed says that the attempt failed by err: after the handshake, the login. What the server sent is
// discarded. It doesn't close the connection. The error that it returns may be ignored.
func (c *Conn) Failed(err error) error {
	why := HandshakeFailed
	var timeout net.Error
	switch {
	case c.ConnectionState().HandshakeComplete:
		why = LoginFailed
	case errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		// Cancelled, too: people give up when a server is silent.
		why = TimedOut
	}
	return c.attempt.Failed(why)
}

// SessionReused says whether the handshake is done and was a resumed one.
func (c *Conn) SessionReused() bool { return c.ConnectionState().DidResume }

// Info tells what became of the connection's attempt so far.
func (c *Conn) Info() (Info, error) { return c.attempt.Info() }

// Close closes the connection, and with it the attempt.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.attempt.Close()
	return err
}
