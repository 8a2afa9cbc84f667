package tsc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"math"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libtsc/libtsc/bindings/go/internal/tsctest"
)

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%v, and not %v", err, target)
	}
}

func TestWhatIsClosedSaysSoAndConnectionsGoOn(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	visit(t, dialer, addr)
	endpoint := Endpoint{Host: "localhost", Port: 1}
	view, err := dialer.Config.ForEndpoint(endpoint)
	want(t, err, nil)
	attempt := dialer.Config.Begin(endpoint)
	for range 2 {
		want(t, cache.Close(), nil)
	}
	_, err = cache.Stats()
	want(t, err, ErrClosed)
	_, err = cache.Prometheus("")
	want(t, err, ErrClosed)
	want(t, cache.Clear(), ErrClosed)
	_, err = cache.ClearExpired()
	want(t, err, ErrClosed)
	_, err = cache.NewConfig(nil, ConfigOptions{})
	want(t, err, ErrClosed)

	// What outlives the cache goes on without it.
	state := caught(t, tls.VersionTLS13)
	view.Put("x", state)
	if _, ok := view.Get("x"); ok {
		t.Error("a session from a closed cache")
	}
	attempt.Put("x", state)
	if _, ok := attempt.Get("x"); ok {
		t.Error("a session from a closed cache")
	}
	want(t, attempt.Wait(context.Background(), time.Hour), nil)
	attempt.Close()
	want(t, attempt.Close(), nil)
	want(t, attempt.Established(tls.ConnectionState{}), ErrClosed)
	want(t, attempt.Failed(Failure{}), ErrClosed)
	if visit(t, dialer, addr) {
		t.Error("resumed from a closed cache")
	}

	for range 2 {
		want(t, dialer.Config.Close(), nil)
	}
	_, err = dialer.Config.Available(endpoint)
	want(t, err, ErrClosed)
	_, err = dialer.Config.Forecast(endpoint)
	want(t, err, ErrClosed)
	want(t, dialer.Config.Begin(endpoint).Established(tls.ConnectionState{}), ErrClosed)
	conn, err := dialer.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	want(t, AttemptOf(conn).Established(tls.ConnectionState{}), ErrClosed)
	if _, err := ask(conn); err != nil {
		t.Error(err)
	}
	want(t, conn.Close(), nil)
}

func TestClearExpiredSaysHowManyItDropped(t *testing.T) {
	clock := tsctest.NewClock()
	cache := newCacheWithClock(t, Options{TTL: time.Minute}, clock)
	config, err := cache.NewConfig(nil, ConfigOptions{})
	want(t, err, nil)
	attempt := config.Begin(Endpoint{Host: "localhost", Port: 1})
	attempt.Put("", caught(t, tls.VersionTLS13))
	want(t, attempt.Established(tls.ConnectionState{}), nil)
	for _, expired := range []int{0, 1, 0} {
		if got, err := cache.ClearExpired(); err != nil || got != expired {
			t.Errorf("%d expired, not %d (%v)", got, expired, err)
		}
		clock.Advance(time.Minute)
	}
}

func TestNilAndNonsenseAreErrors(t *testing.T) {
	var noCache *Cache
	var noConfig *Config
	var noAttempt *Attempt
	var noView *View
	want(t, noCache.Close(), ErrInvalidArgument)
	want(t, noCache.Clear(), ErrInvalidArgument)
	_, err := noCache.ClearExpired()
	want(t, err, ErrInvalidArgument)
	_, err = noCache.Stats()
	want(t, err, ErrInvalidArgument)
	_, err = noCache.NewConfig(nil, ConfigOptions{})
	want(t, err, ErrInvalidArgument)
	want(t, new(Cache).Clear(), ErrClosed)
	want(t, noConfig.Close(), ErrInvalidArgument)
	_, err = noConfig.Available(Endpoint{Host: "x"})
	want(t, err, ErrInvalidArgument)
	_, err = noConfig.ForEndpoint(Endpoint{Host: "x"})
	want(t, err, ErrInvalidArgument)
	want(t, noConfig.Begin(Endpoint{Host: "x"}).Established(tls.ConnectionState{}), ErrInvalidArgument)
	want(t, noAttempt.Close(), ErrInvalidArgument)
	want(t, noAttempt.Failed(Failure{}), ErrInvalidArgument)
	noAttempt.Put("", nil)
	noAttempt.Get("")
	noView.Put("", nil)
	noView.Get("")
	_, err = new(Dialer).DialContext(context.Background(), "tcp", "localhost:1")
	want(t, err, ErrInvalidArgument)

	for _, options := range []Options{
		{MaxEndpoints: -1}, {TTL: -time.Second}, {TTL: math.MaxInt64}, {MaxBytes: -1},
		{MaxSessionBytes: math.MaxInt}, {FailureBudget: -2},
	} {
		_, err := NewCache(options)
		want(t, err, ErrInvalidArgument)
	}
	cache := newCache(t, Options{FailureBudget: Unlimited, TTL: time.Millisecond, MaxSessionBytes: 100})
	_, err = cache.NewConfig(nil, ConfigOptions{Identity: strings.Repeat("x", 256)})
	want(t, err, ErrTooLarge)
	config := newDialer(t, cache, tls.VersionTLS13).Config
	for _, bad := range []struct {
		endpoint Endpoint
		err      error
	}{
		{Endpoint{}, ErrInvalidArgument},
		{Endpoint{Host: "x", Port: -1}, ErrInvalidArgument},
		{Endpoint{Host: "x", Port: 65536}, ErrInvalidArgument},
		{Endpoint{Host: "x", Port: math.MaxInt}, ErrInvalidArgument},
		{Endpoint{Host: strings.Repeat("x", 256)}, ErrTooLarge},
		{Endpoint{Host: "x", Group: strings.Repeat("x", 256)}, ErrTooLarge},
	} {
		_, err := config.Available(bad.endpoint)
		want(t, err, bad.err)
		_, err = config.Forecast(bad.endpoint)
		want(t, err, bad.err)
		_, err = config.ForEndpoint(bad.endpoint)
		want(t, err, bad.err)
		attempt := config.Begin(bad.endpoint)
		attempt.Put("", caught(t, tls.VersionTLS13))
		if _, ok := attempt.Get(""); ok {
			t.Error("a session for nonsense")
		}
		want(t, attempt.Established(tls.ConnectionState{}), bad.err)
		want(t, attempt.Close(), nil)
	}

	// A session over its limit, and crypto/tls's key of no length.
	view, err := config.ForEndpoint(Endpoint{Host: "x"})
	want(t, err, nil)
	view.Put("", caught(t, tls.VersionTLS13))
	if got := stats(t, cache); got.DiscardedTooLarge != 1 || got.Stored != 0 {
		t.Errorf("%+v", got)
	}
	attempt := config.Begin(Endpoint{Host: "x"})
	large, _ := encodeSession(caught(t, tls.VersionTLS13))
	want(t, attempt.receive(large), ErrTooLarge)
	want(t, attempt.Established(tls.ConnectionState{DidResume: true}), ErrInvalidArgument)
	attempt.Close()

	_, err = cache.Prometheus("not labels")
	want(t, err, ErrInvalidArgument)
	text, err := cache.Prometheus(`cluster="a"`)
	if err != nil || !strings.Contains(text, `tsc_stored_total{cluster="a"} 0`) {
		t.Error(text, err)
	}
	if text := ErrClosed.Error(); !strings.Contains(text, "closed") {
		t.Error(text)
	}
}

func TestNothingIsOfferedAfterTheEndOfACertificate(t *testing.T) {
	// A limit below a second is no limit of 0, which would be the default.
	if seconds(time.Millisecond) != 1 || seconds(0) != 0 || seconds(90*time.Minute) != 5400 {
		t.Fatal("seconds")
	}
	// The end of the client's certificate bounds all sessions of its config.
	cache := newCache(t, Options{})
	over := ConfigOptions{ClientNotAfter: time.Now().Add(-time.Minute)}
	config, err := cache.NewConfig(clientConfig(tls.VersionTLS13), over)
	want(t, err, nil)
	addr := goServer(t, nil)
	dialer := &Dialer{Config: config}
	if visit(t, dialer, addr) || visit(t, dialer, addr) {
		t.Error("resumed after the end of the client's certificate")
	}
	if end := firstEnd([]tls.Certificate{self().certificate}); !end.Equal(self().notAfter.Truncate(time.Second)) {
		t.Error(end)
	}
	// And the end of the server's.
	attempt := newDialer(t, cache, tls.VersionTLS13).Config.Begin(Endpoint{Host: "x"})
	defer attempt.Close()
	attempt.Put("", caught(t, tls.VersionTLS13))
	leaf := *self().certificate.Leaf
	leaf.NotAfter = time.Now().Add(-time.Minute)
	before := stats(t, cache).Stored
	attempt.Established(tls.ConnectionState{PeerCertificates: []*x509.Certificate{&leaf}})
	if got := stats(t, cache).Stored; got != before {
		t.Error("stored after the end of the server's certificate")
	}
}

func TestAPanicInOnEventGoesNoFurther(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	addr := goServer(t, nil)
	cache := newCache(t, Options{OnEvent: func(Event) { panic("of the callback") }})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	if visit(t, dialer, addr) || !visit(t, dialer, addr) {
		t.Error("not resumed")
	}
	cache.Close()
	if !strings.Contains(logged.String(), "of the callback") {
		t.Error("not logged")
	}
}

func TestEventsTellWhatHappens(t *testing.T) {
	addr := goServer(t, nil)
	var counts [16]atomic.Int64
	var cache *Cache
	var where atomic.Pointer[Event]
	cache = newCache(t, Options{OnEvent: func(event Event) {
		counts[event.Kind].Add(int64(event.Count))
		where.Store(&event)
		cache.Stats() // the cache may be used
	}})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	for range 3 {
		visit(t, dialer, addr)
	}
	if stored, offered, resumed := counts[EventStored].Load(), counts[EventOffered].Load(),
		counts[EventResumed].Load(); stored != 3 || offered != 2 || resumed != 2 {
		t.Error(stored, offered, resumed)
	}
	host, _, _ := net.SplitHostPort(addr)
	if got := where.Load().Endpoint; got.Host != host || got.Port != portOf(t, addr) || got.ServerName != host {
		t.Errorf("%+v", got)
	}
}

func TestAnEventHasAName(t *testing.T) {
	for kind := EventStored; kind <= EventNotOffered; kind++ {
		if name := kind.String(); name == "" || strings.HasPrefix(name, "event ") {
			t.Errorf("%d: %q", uint32(kind), name)
		}
	}
	if name := EventKind(99).String(); name != "event 99" {
		t.Error(name)
	}
}

// What OnEvent calls may close the cache in which it is called, and do it again.
func TestOnEventMayCloseTheCache(t *testing.T) {
	addr := goServer(t, nil)
	var cache *Cache
	closed := make(chan error, 9)
	cache = newCache(t, Options{OnEvent: func(Event) { closed <- cache.Close() }})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
	want(t, err, nil)
	defer conn.Close()
	if _, err := ask(conn); err != nil {
		t.Fatal(err)
	}
	conn.Established()
	want(t, <-closed, nil)
	want(t, cache.Clear(), ErrClosed)
}

// Everything at once while the cache is closed under it: run with -race.
func TestGoroutinesOutliveTheCache(t *testing.T) {
	addr := goServer(t, nil)
	returns(t, 0) // what other tests forgot
	cache, err := NewCache(Options{OnEvent: func(Event) {}})
	want(t, err, nil)
	config, err := cache.NewConfig(clientConfig(tls.VersionTLS13), ConfigOptions{})
	want(t, err, nil)
	dialer := &Dialer{Config: config, MaxWait: time.Second}
	var workers group
	var visits atomic.Int64
	half := make(chan struct{})
	for range 8 {
		workers.Go(func() {
			for range 20 {
				conn, err := dialer.DialContext(context.Background(), "tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := ask(conn); err != nil {
					t.Error(err)
				}
				conn.Close()
				cache.Stats()
				config.Available(Endpoint{Host: "x"})
				if visits.Add(1) == 80 {
					close(half)
				}
			}
		})
	}
	workers.Go(func() {
		<-half
		cache.Close()
		config.Close()
	})
	workers.Wait()
	if left := tsctest.Handles(); left != 0 {
		t.Errorf("%d handles are left", left)
	}
}

func TestALibraryOlderThanItsHeaderIsRefused(t *testing.T) {
	const header = 0<<16 | 1<<8 | 2
	want(t, compatible(header, header), nil)
	want(t, compatible(header+1, header), nil)
	want(t, compatible(0<<16|2<<8, header), nil)
	want(t, compatible(header-1, header), ErrUnsupported)
	want(t, compatible(1<<16|1<<8|2, header), ErrUnsupported)
	want(t, checkVersion(), nil)
	if Version() == "" || strings.Count(Version(), ".") != 2 {
		t.Error(Version())
	}
}

// What was not made by its function is as one that was closed.
func TestAZeroValueIsAsOneThatWasClosed(t *testing.T) {
	want(t, new(Cache).Close(), nil)
	_, err := new(Cache).NewConfig(nil, ConfigOptions{})
	want(t, err, ErrClosed)
	config, endpoint := new(Config), Endpoint{Host: "127.0.0.1"}
	want(t, config.Close(), nil)
	_, err = config.Available(endpoint)
	want(t, err, ErrClosed)
	_, err = config.Forecast(endpoint)
	want(t, err, ErrClosed)
	_, err = config.Export(&[ExportKeySize]byte{1})
	want(t, err, ErrClosed)
	want(t, config.Begin(endpoint).Established(tls.ConnectionState{}), ErrClosed)
	state := caught(t, tls.VersionTLS13)
	forEndpoint, err := config.ForEndpoint(endpoint)
	want(t, err, nil)
	for _, view := range []*View{new(View), forEndpoint} {
		view.Put("x", state)
		view.Put("x", nil)
		if _, ok := view.Get("x"); ok {
			t.Error("a session from nowhere")
		}
	}
	attempt := new(Attempt)
	attempt.Put("x", state)
	if _, ok := attempt.Get("x"); ok {
		t.Error("a session from nowhere")
	}
	want(t, attempt.Wait(context.Background(), time.Hour), nil)
	want(t, attempt.Failed(Failure{}), ErrClosed)
	_, err = attempt.Info()
	want(t, err, ErrClosed)
	want(t, attempt.Close(), nil)
	// Connections are made all the same.
	addr := goServer(t, nil)
	raw, err := net.Dial("tcp", addr)
	want(t, err, nil)
	conn := config.Client(raw, endpoint)
	defer conn.Close()
	var untrusted *tls.CertificateVerificationError
	if err := conn.Handshake(); !errors.As(err, &untrusted) {
		t.Error(err)
	}
}
