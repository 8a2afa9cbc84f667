package tsc

// #include "bridge.h"
import "C"

import (
	"crypto/tls"
	"strings"
	"sync/atomic"
	"unsafe"
)

// A View is a tls.ClientSessionCache for all connections of one config to one endpoint, for drivers that let a
// tls.Config be chosen per endpoint but not per connection. Prefer a [Dialer] or an [Attempt] where one can be
// used: crypto/tls doesn't tell a cache which connection is asking, so with a View
//
//   - what crypto/tls hands over, when the server was verified, is published at once, also for attempts:
//     there is no "established",
//   - nobody knows which session brought which, so all of an endpoint's count as one lineage, and
//     Stats.Resumed and Stats.Refused don't count,
//   - nobody waits for tickets, and nobody learns how a connection ended; if a handshake fails to which a
//     session was offered, all of the endpoint's sessions are dropped.
type View struct {
	of       *generation
	tls      *tls.Config // with the endpoint's name
	endpoint Endpoint
	// The length of the last session: for how much Get makes room.
	length atomic.Int64
}

// ForEndpoint returns the View of an endpoint. Views of one config and endpoint share their sessions,
// so one may be made whenever it is needed. [View.TLSConfig] gives the tls.Config to use it with; in
// another one than the config's it would offer what was verified by other rules.
//
// After [Config.Rotate] a View from before offers and keeps nothing: make another.
//
// It fails with ErrInvalidArgument if the endpoint has no host, and with ErrTooLarge if a name is over
// 255 bytes.
func (c *Config) ForEndpoint(endpoint Endpoint) (*View, error) {
	// Asking for the number checks config and endpoint, by the library's rules.
	if _, err := c.Available(endpoint); err != nil && err != ErrClosed {
		return nil, err
	}
	g := c.generation()
	endpoint = g.complete(endpoint)
	v := &View{of: g, tls: clone(g.tls), endpoint: endpoint}
	v.tls.ServerName = endpoint.ServerName
	v.tls.ClientSessionCache = v
	return v, nil
}

// TLSConfig returns a clone of the config's tls.Config with the endpoint's server name and this View in it,
// for a driver that takes one tls.Config for each endpoint.
func (v *View) TLSConfig() *tls.Config {
	if v == nil || v.tls == nil {
		return &tls.Config{}
	}
	return clone(v.tls)
}

// acquire is to be followed by release of the generation's handle. If crypto/tls knows the connection by
// another name than the endpoint's, that name is what it verifies: so a View that serves connections to two
// servers by mistake doesn't mix them.
func (v *View) acquire(name string) (given C.tsc_endpoint, err error) {
	if v == nil || v.of == nil {
		return given, ErrInvalidArgument
	}
	if v.of.over.Load() || v.of.handle.acquire() == nil {
		return given, ErrClosed
	}
	endpoint := v.endpoint
	if !strings.EqualFold(name, endpoint.ServerName) {
		endpoint.Verification += "\x00" + name
	}
	if given, err = endpoint.c(); err != nil {
		v.of.handle.release()
	}
	return given, err
}

// Get is called by crypto/tls when it makes a ClientHello.
func (v *View) Get(name string) (*tls.ClientSessionState, bool) {
	endpoint, err := v.acquire(name)
	if err != nil {
		return nil, false
	}
	defer v.of.handle.release()
	for room := max(int(v.length.Load()), 2<<10); ; {
		buf := make([]byte, room)
		got := C.tscgo_config_get(v.of.c(), endpoint,
			(*C.uint8_t)(unsafe.Pointer(&buf[0])), C.size_t(room))
		switch failure(got.status) {
		case nil:
			session := decodeSession(buf[:got.count])
			return session, session != nil
		case tooSmall:
			room = int(got.count)
		default:
			return nil, false
		}
	}
}

// Put is called by crypto/tls with each session that a server sends, and with nil when a session that
// was offered did harm.
func (v *View) Put(name string, state *tls.ClientSessionState) {
	endpoint, err := v.acquire(name)
	if err != nil {
		return
	}
	defer v.of.handle.release()
	if state == nil {
		C.tscgo_config_remove(v.of.c(), endpoint)
		return
	}
	if session, ok := encodeSession(state); ok {
		v.length.Store(int64(len(session.bytes)))
		C.tscgo_config_put(v.of.c(), endpoint, C.uint32_t(session.version),
			C.uint32_t(session.lifetime), (*C.uint8_t)(unsafe.Pointer(&session.bytes[0])),
			C.size_t(len(session.bytes)))
		session.wipe()
	}
}
