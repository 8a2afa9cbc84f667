//go:build cgo

package tsc

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// A Conn is a tls.Conn that knows its [Attempt]. Its field Conn is the *tls.Conn for those that look for
// that type; it may be closed in place of the Conn, and says nothing of an alert that comes by itself.
type Conn struct {
	*tls.Conn
	attempt     *Attempt
	established atomic.Bool
	alerted     atomic.Bool
}

// Client is tls.Client with the sessions of a config: for an established network connection, before the
// handshake, as in protocols that begin in clear text. Call Established or Failed afterwards.
//
// As tls.Client, it sends no server name if the tls.Config says InsecureSkipVerify and neither that nor the
// endpoint has a name.
func (c *Config) Client(raw net.Conn, endpoint Endpoint) *Conn {
	attempt := c.Begin(endpoint)
	config := attempt.TLSConfig()
	if config.ServerName == "" && raw != nil && raw.RemoteAddr() == nil {
		// Without a name, crypto/tls wants the address.
		config.ClientSessionCache = nil
	}
	return &Conn{Conn: tls.Client(telling(raw, attempt), config), attempt: attempt}
}

// Established reports that the connection is a success: TLS and the application's own login are done. What the
// server sent is published for others, and what it still sends goes straight into the cache. You may ignore
// the error, see [Attempt.Established].
func (c *Conn) Established() error {
	state := c.ConnectionState()
	if !state.HandshakeComplete {
		return ErrWrongState
	}
	err := c.attempt.Established(state)
	if err == nil {
		c.established.Store(true)
		c.tellAlert()
	}
	return err
}

// Failed reports that the attempt failed with err, see [FailureOf]. What the server sent is discarded. Failed
// doesn't close the connection. You may ignore the error that it returns.
func (c *Conn) Failed(err error) error {
	seen := FailureOf(c, err)
	seen.Alert = seen.Alert || c.alerted.Load()
	return c.attempt.Failed(seen)
}

// Read is that of tls.Conn. If a fatal alert comes on a connection that was established, what it brought
// is dropped.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && isAlert(err) && !c.alerted.Swap(true) {
		c.tellAlert()
	}
	return n, err
}

func (c *Conn) tellAlert() {
	if c.alerted.Load() && c.established.Load() {
		c.attempt.Failed(Failure{Alert: true})
	}
}

// SessionReused says whether the handshake is done and was a resumed one.
func (c *Conn) SessionReused() bool { return c.ConnectionState().DidResume }

// Info returns what has become of the connection's attempt so far.
func (c *Conn) Info() (Info, error) { return c.attempt.Info() }

// Close closes the connection, and with it the attempt, whether or not there was a verdict.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.attempt.Close()
	return err
}
