package tsc

// #include "bridge.h"
import "C"

import (
	"context"
	"math"
	"net"
	"strings"
)

// An Endpoint is the server that a session is for. Host and server name are compared ignoring ASCII case. No
// name is longer than 255 bytes.
type Endpoint struct {
	// The host to dial, a name or an address; the path of a Unix socket.
	Host string
	// 1 to 65535, or 0 where there is none, as for a Unix socket.
	Port int
	// The name that the server's certificate is checked against. Empty: that of the tls.Config, or
	// else the host.
	ServerName string
	// A label that replaces host and port: endpoints with the same group and server name share sessions on
	// purpose. Empty is right unless the servers are known to share their ticket keys.
	Group string
	// Whatever else decides, on this connection alone, whom it trusts and which identity it uses: for
	// example the identity that a VerifyPeerCertificate of its own expects. A session is offered only to
	// connections with the same bytes. Empty where the Config says all.
	Verification string
}

// c borrows the strings: what it gives is for one call.
func (e *Endpoint) c() (c C.tsc_endpoint, err error) {
	if e.Port < 0 || int64(e.Port) > math.MaxUint32 {
		return c, ErrInvalidArgument
	}
	c.host, c.host_len = bytesOf(e.Host), C.size_t(len(e.Host))
	c.server_name, c.server_name_len = bytesOf(e.ServerName), C.size_t(len(e.ServerName))
	c.group, c.group_len = bytesOf(e.Group), C.size_t(len(e.Group))
	c.verification, c.verification_len = bytesOf(e.Verification), C.size_t(len(e.Verification))
	c.port = C.uint32_t(e.Port)
	return c, nil
}

// endpointOf takes apart what net.Dialer takes.
func endpointOf(ctx context.Context, network, addr string) (Endpoint, error) {
	if strings.HasPrefix(network, "unix") {
		return Endpoint{Host: addr}, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return Endpoint{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	return Endpoint{Host: host, Port: port}, err
}
