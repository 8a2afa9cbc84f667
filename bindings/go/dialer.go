//go:build cgo

package tsc

import (
	"context"
	"net"
	"strings"
	"time"
)

// A Dialer dials TLS connections that resume the sessions which earlier connections to the same endpoint
// received. Don't change its fields once it is in use; any number of goroutines may use it then.
type Dialer struct {
	// The config whose sessions and tls.Config it uses. Required.
	Config *Config
	// Dials the network; nil is the zero net.Dialer. Its Timeout doesn't bound the handshake; the
	// context does.
	NetDialer *net.Dialer
	// How long a connection may wait for a session that another one is about to receive. 0: it doesn't
	// wait. Waiting pays where a pool opens many connections at once.
	MaxWait time.Duration
	// A label that replaces host and port, see [Endpoint]. Nearly always empty.
	Group string
}

// DialContext connects and does the handshake, as tls.Dialer.DialContext does; as there, the net.Conn is a
// *tls.Conn, which http.Transport and net/smtp look for. It reports "established" right after the handshake,
// so it is for drivers without a login of their own. [AttemptOf] finds the connection's attempt.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.DialStaged(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn.Established()
	return conn.Conn, nil
}

// DialStaged connects and does the handshake. What the server sends is published only when the caller calls
// [Conn.Established] after its login. If the login fails, the caller calls [Conn.Failed]. Either way it closes
// the connection in the end.
//
// Errors are those of the network and of crypto/tls; trouble in the cache is not an error. ErrInvalidArgument
// means that the Dialer has no Config.
func (d *Dialer) DialStaged(ctx context.Context, network, addr string) (*Conn, error) {
	if d.Config == nil {
		return nil, ErrInvalidArgument
	}
	netDialer := d.NetDialer
	if netDialer == nil {
		netDialer = new(net.Dialer)
	}
	raw, err := netDialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	endpoint, err := endpointOf(ctx, network, addr)
	if err != nil {
		raw.Close()
		return nil, err
	}
	endpoint.Group = d.Group
	// As tls.Dialer does: the host is the name, also where nobody checks it.
	endpoint.ServerName = d.Config.generation().tls.ServerName
	if endpoint.ServerName == "" && !strings.HasPrefix(network, "unix") {
		endpoint.ServerName = endpoint.Host
	}
	conn := d.Config.Client(raw, endpoint)
	if err := conn.attempt.Wait(ctx, d.MaxWait); err != nil {
		conn.Failed(err)
		conn.Close()
		return nil, err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Failed(err)
		conn.Close()
		return nil, err
	}
	return conn, nil
}
