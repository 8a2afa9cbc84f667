package tsc

// #include "bridge.h"
import "C"

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"unsafe"
)

// An Attempt is one connection attempt's view of the cache, for drivers that make their own tls.Conn: what it
// offers, what it receives, how it ended. It is the tls.ClientSessionCache of that one connection, and ignores
// the key that crypto/tls passes.
//
//	attempt := config.Begin(endpoint)
//	conn := tls.Client(raw, attempt.TLSConfig())
//	err := conn.HandshakeContext(ctx)           // and a login
//	attempt.Established(conn.ConnectionState()) // or attempt.Failed(tsc.FailureOf(conn, err))
//	…
//	attempt.Close() // with the connection
//
// A driver that forgets Established sees Stats.Unfinished grow and the cache stay empty.
type Attempt struct {
	tls       *tls.Config
	from      *tls.Config // what tls was made of, with this name
	name      string
	mayChange bool
	shares    bool  // with other processes
	err       error // why there is no handle
	handle    handle
	// Held while a session is lent or a verdict ends the lending. Nothing waits for it, since its holder
	// may be calling OnEvent: a call that finds it held fails with ErrWrongState.
	lent sync.Mutex
	// crypto/tls has asked for a session, which it does right before it sends the ClientHello.
	asked atomic.Bool
	// crypto/tls gave up the session that was offered.
	dropped atomic.Bool
	// There was a verdict; the network connection is closed. After both, the attempt closes itself.
	ended, gone atomic.Bool
}

// Begin begins an attempt. It never fails: if there is trouble (a closed config, a name that is too long), the
// attempt offers nothing, and its Established returns the error. Close it.
func (c *Config) Begin(endpoint Endpoint) *Attempt {
	g := c.generation()
	held, err := c.acquire()
	if err == nil {
		g = held
		defer g.handle.release()
	}
	// A caller that says itself what the connection verifies may change the tls.Config accordingly.
	a := &Attempt{tls: clone(g.tls), mayChange: endpoint.Verification != ""}
	endpoint = g.complete(endpoint)
	a.tls.ServerName = endpoint.ServerName
	a.tls.ClientSessionCache = a
	a.from, a.name = g.tls, endpoint.ServerName
	if a.err = err; err == nil {
		a.shares = g.cache.shares
		a.err = a.begin(g, endpoint)
	}
	return a
}

func (a *Attempt) begin(g *generation, endpoint Endpoint) error {
	given, err := endpoint.c()
	if err != nil {
		return err
	}
	made := C.tscgo_attempt_new(g.c(), given)
	if err := failure(made.status); err != nil {
		return err
	}
	open(a, &a.handle, unsafe.Pointer(made.attempt), func(ptr unsafe.Pointer) {
		C.tsc_attempt_free((*C.tsc_attempt)(ptr))
	})
	return nil
}

func (a *Attempt) acquire() (*C.tsc_attempt, error) {
	if a == nil {
		return nil, ErrInvalidArgument
	}
	if a.err != nil {
		return nil, a.err
	}
	if ptr := a.handle.acquire(); ptr != nil {
		return (*C.tsc_attempt)(ptr), nil
	}
	return nil, ErrClosed
}

// TLSConfig returns the tls.Config for this one connection: the config's, with the endpoint's server
// name and this attempt in it.
//
// Don't change in it what decides whom the connection trusts or which identity it uses. If you do, the
// connection offers nothing and keeps nothing, unless Endpoint.Verification was given, which then has to tell
// such connections apart. A change of a clone of it is not noticed.
func (a *Attempt) TLSConfig() *tls.Config { return a.tls }

// Get is called by crypto/tls when it makes the ClientHello.
func (a *Attempt) Get(string) (*tls.ClientSessionState, bool) {
	if a == nil {
		return nil, false
	}
	a.asked.Store(true)
	if !a.isAsMade() {
		return nil, false
	}
	bytes, err := a.offer()
	if err != nil {
		return nil, false
	}
	// What can't be parsed is spent, and takes its lineage along when the attempt is established.
	session := decodeSession(bytes)
	return session, session != nil
}

// isAsMade says whether the caller has left the tls.Config as it was. crypto/tls reads it meanwhile, and
// nobody may write to it.
func (a *Attempt) isAsMade() bool {
	return a.mayChange || a.tls == nil || a.tls.ServerName == a.name && unchanged(a.tls, a.from)
}

// offer returns a copy of the session: the library's is lent until the verdict, and crypto/tls keeps
// parts of what it parses. crypto/tls tells nobody when the ClientHello is written, so the session counts
// as sent at once.
func (a *Attempt) offer() ([]byte, error) {
	attempt, err := a.acquire()
	if err != nil {
		return nil, err
	}
	defer a.handle.release()
	if !a.lent.TryLock() {
		return nil, ErrWrongState
	}
	defer a.lent.Unlock()
	got := C.tscgo_attempt_offer(attempt)
	if err := failure(got.status); err != nil {
		return nil, err
	}
	return C.GoBytes(unsafe.Pointer(got.session.data), C.int(got.session.len)), nil
}

// Put is called by crypto/tls with each session that the server sends, and with nil when it gives up
// the one that was offered.
func (a *Attempt) Put(_ string, state *tls.ClientSessionState) {
	if a == nil {
		return
	}
	if state == nil {
		// The handshake failed, or it goes on without the session because a certificate has expired.
		// Which it was is known later: by the verdict, or if there is none by Close.
		a.dropped.Store(true)
		return
	}
	if session, ok := encodeSession(state); ok && a.isAsMade() {
		a.receive(session)
		session.wipe()
	}
}

func (a *Attempt) receive(session session) error {
	attempt, err := a.acquire()
	if err != nil {
		return err
	}
	defer a.handle.release()
	return failure(C.tscgo_attempt_receive(attempt, C.uint32_t(session.version),
		C.uint32_t(session.lifetime), (*C.uint8_t)(unsafe.Pointer(&session.bytes[0])),
		C.size_t(len(session.bytes))))
}

// Established reports that the handshake and the application's own login are done. What was received is
// published, and what still arrives goes straight into the cache. You may ignore the error: the cache could
// not be used, or the outcome was reported before (ErrWrongState).
func (a *Attempt) Established(state tls.ConnectionState) error {
	var notAfter C.int64_t
	if len(state.PeerCertificates) > 0 {
		notAfter = C.int64_t(state.PeerCertificates[0].NotAfter.Unix())
	}
	var resumed C.int32_t
	if state.DidResume {
		resumed = 1
	}
	return a.verdict(func(attempt *C.tsc_attempt) C.tsc_status {
		return C.tscgo_attempt_established(attempt, notAfter, resumed)
	})
}

// Failed reports that the attempt failed, and what you saw of it. What was received is discarded. After
// Established, only Failure.Alert has a meaning: a fatal alert came on the connection, and what it received is
// dropped (RFC 8446, section 6). You may ignore the error.
func (a *Attempt) Failed(seen Failure) error {
	if a != nil && a.asked.Load() {
		seen.Sent = true
	}
	return a.verdict(func(attempt *C.tsc_attempt) C.tsc_status {
		return C.tsc_attempt_failed(attempt, seen.c())
	})
}

func (a *Attempt) verdict(say func(*C.tsc_attempt) C.tsc_status) error {
	attempt, err := a.acquire()
	if err != nil {
		return err
	}
	defer a.handle.release()
	if !a.lent.TryLock() {
		return ErrWrongState
	}
	defer a.lent.Unlock()
	if err := failure(say(attempt)); err != nil {
		return err
	}
	a.ended.Store(true)
	if a.gone.Load() {
		a.handle.close()
	}
	return nil
}

// connClosed is called when the network connection is closed: before the verdict, if a context ends a
// handshake.
func (a *Attempt) connClosed() {
	a.gone.Store(true)
	if a.ended.Load() {
		a.handle.close()
	}
}

// Close frees the attempt; call it when the connection is closed. After Established what was received
// stays. Without a verdict it is discarded. Closing again does nothing. An attempt of [Config.Client] or a
// [Dialer] closes itself when there was a verdict and its tls.Conn is closed.
func (a *Attempt) Close() error {
	if a == nil {
		return ErrInvalidArgument
	}
	if a.dropped.Load() {
		// Has no effect if there was a verdict.
		a.Failed(Failure{})
	}
	a.handle.close()
	return nil
}
