package tsc

// #include "bridge.h"
import "C"

import (
	"crypto/tls"
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// A View is a tls.ClientSessionCache for all connections of one config to one endpoint, for drivers
// that let a tls.Config be chosen per endpoint but not per connection. Prefer a [Dialer] or an
// [Attempt] where one can be used: crypto/tls doesn't tell a cache which connection it speaks of, so
// with a View
//
//   - what crypto/tls hands over, when the server was verified, is published at once: there is no
//     "established",
//   - there is no lineage: each session begins its own, and Stats.Resumed and Stats.Refused don't
//     count,
//   - nobody waits for tickets, and there is no breaker; if a handshake fails to which a session was
//     offered, all of the endpoint's sessions are dropped.
//
// Sessions of a View and of attempts are apart.
type View struct {
	config *Config
	of     *generation
	tls    *tls.Config // with the endpoint's name
	key    string
	// The length of the last session: for how much Get makes room.
	length atomic.Int64
}

// ForEndpoint gives the View of an endpoint. Views of one config and endpoint share their sessions,
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
	place := []string{endpoint.Host, string(binary.AppendUvarint(nil, uint64(endpoint.Port)))}
	if endpoint.Group != "" {
		place = []string{endpoint.Group}
	}
	// Each part with its length, so that no two lists of parts look alike.
	var key []byte
	for _, part := range append([]string{g.name, endpoint.Verification, endpoint.ServerName}, place...) {
		key = binary.AppendUvarint(key, uint64(len(part)))
		key = append(key, part...)
	}
	v := &View{config: c, of: g, tls: g.tls.Clone(), key: string(key)}
	v.tls.ServerName = endpoint.ServerName
	v.tls.ClientSessionCache = v
	return v, nil
}

// TLSConfig gives a clone of the config's tls.Config with the endpoint's server name and this View in it,
// for a driver that takes one tls.Config for each endpoint.
func (v *View) TLSConfig() *tls.Config {
	if v == nil || v.tls == nil {
		return &tls.Config{}
	}
	return v.tls.Clone()
}

// The name that crypto/tls knows the connection by is added, so that a View that serves connections to
// two servers by mistake doesn't mix them.
func (v *View) keyOf(name string) string { return v.key + name }

// acquire is to be followed by v.config.cache.handle.release.
func (v *View) acquire() (*C.tsc_cache, error) {
	if v == nil || v.config == nil {
		return nil, ErrInvalidArgument
	}
	if v.of.over.Load() {
		return nil, ErrClosed
	}
	return v.config.cache.acquire()
}

// Get is called by crypto/tls when it makes a ClientHello.
func (v *View) Get(name string) (*tls.ClientSessionState, bool) {
	cache, err := v.acquire()
	if err != nil {
		return nil, false
	}
	defer v.config.cache.handle.release()
	key := v.keyOf(name)
	for room := max(int(v.length.Load()), 2<<10); ; {
		buf := make([]byte, room)
		got := C.tscgo_get(cache, bytesOf(key), C.size_t(len(key)),
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
	cache, err := v.acquire()
	if err != nil {
		return
	}
	defer v.config.cache.handle.release()
	key := v.keyOf(name)
	if state == nil {
		C.tsc_remove(cache, bytesOf(key), C.size_t(len(key)))
		return
	}
	if session, ok := encodeSession(state); ok {
		v.length.Store(int64(len(session.bytes)))
		C.tscgo_put(cache, bytesOf(key), C.size_t(len(key)), C.uint32_t(session.version),
			C.uint32_t(session.lifetime), (*C.uint8_t)(unsafe.Pointer(&session.bytes[0])),
			C.size_t(len(session.bytes)))
		session.wipe()
	}
}
