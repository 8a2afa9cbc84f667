package tsc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

var servers = map[string]func(t testing.TB) string{
	"crypto/tls": func(t testing.TB) string { return goServer(t, nil) },
	"s_server":   func(t testing.TB) string { return sServer(t) },
	"nginx": func(t testing.TB) string {
		return nginx(t, "ssl_protocols TLSv1.2 TLSv1.3;")
	},
}

func eachServer(t *testing.T, test func(t *testing.T, addr string, version uint16)) {
	for name, serve := range servers {
		for number, version := range versions {
			t.Run(name+"/"+number, func(t *testing.T) { test(t, serve(t), version) })
		}
	}
}

func TestReconnectsResume(t *testing.T) {
	eachServer(t, func(t *testing.T, addr string, version uint16) {
		cache := newCache(t, Options{})
		dialer := newDialer(t, cache, version)
		for i := range 4 {
			if reused := visit(t, dialer, addr); reused != (i > 0) {
				t.Fatalf("connection %d: resumed %v", i, reused)
			}
		}
		got := stats(t, cache)
		if got.Established != 4 || got.Resumed != 3 || got.Refused != 0 || got.Unfinished != 0 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestAnotherPortIsAnotherEndpoint(t *testing.T) {
	// Both would take the other's tickets: only the cache keeps them apart.
	keys := [][32]byte{{1}}
	shared := func() string {
		config := new(tls.Config)
		config.SetSessionTicketKeys(keys)
		return goServer(t, config)
	}
	one, other := shared(), shared()
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			dialer := newDialer(t, newCache(t, Options{}), version)
			if visit(t, dialer, one) || visit(t, dialer, other) {
				t.Fatal("resumed on another port")
			}
			if !visit(t, dialer, one) || !visit(t, dialer, other) {
				t.Fatal("not resumed on its own port")
			}

			grouped := newDialer(t, newCache(t, Options{}), version)
			grouped.Group = "node"
			if visit(t, grouped, one) || !visit(t, grouped, other) {
				t.Fatal("a group shares its sessions across ports")
			}
		})
	}
}

func TestConfigsShareOnlyByIdentity(t *testing.T) {
	addr := goServer(t, nil)
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			cache := newCache(t, Options{})
			tlsConfig := clientConfig(version)
			dialer := func(identity string) *Dialer {
				config, err := cache.NewConfig(tlsConfig, ConfigOptions{Identity: identity})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { config.Close() })
				return &Dialer{Config: config}
			}
			if visit(t, dialer(""), addr) || visit(t, dialer(""), addr) || visit(t, dialer("a"), addr) {
				t.Fatal("resumed with another config's session")
			}
			if visit(t, dialer("b"), addr) || !visit(t, dialer("a"), addr) {
				t.Fatal("an identity shares with its like and with no other")
			}
		})
	}
}

func TestAFailedLoginPublishesNothing(t *testing.T) {
	eachServer(t, func(t *testing.T, addr string, version uint16) {
		cache := newCache(t, Options{})
		dialer := newDialer(t, cache, version)
		conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(conn); err != nil {
			t.Fatal(err)
		}
		if err := conn.Failed(errors.New("wrong password")); err != nil {
			t.Fatal(err)
		}
		if err := conn.Established(); !errors.Is(err, ErrWrongState) {
			t.Fatalf("established after failed: %v", err)
		}
		conn.Close()
		if got := stats(t, cache); got.Stored != 0 || got.DiscardedFailed == 0 || got.Failed != 1 {
			t.Fatalf("%+v", got)
		}
		if visit(t, dialer, addr) {
			t.Fatal("resumed from a connection whose login failed")
		}
	})
}

func TestNothingIsPublishedBeforeTheVerdict(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := ask(conn); err != nil {
		t.Fatal(err)
	}
	if got := stats(t, cache); got.Stored != 0 {
		t.Fatalf("published before Established: %+v", got)
	}
	conn.Established()
	if got := stats(t, cache); got.Stored != 1 {
		t.Fatalf("not published by Established: %+v", got)
	}
}

// DialContext has said "established" before the application reads the first ticket.
func TestTicketsThatComeLaterAreKept(t *testing.T) {
	eachServer(t, func(t *testing.T, addr string, version uint16) {
		dialer := newDialer(t, newCache(t, Options{}), version)
		for i := range 3 {
			conn, err := dialer.DialContext(context.Background(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			reused, err := ask(conn)
			if err != nil || reused != (i > 0) {
				t.Fatalf("connection %d: resumed %v, %v", i, reused, err)
			}
			if _, ok := conn.(*tls.Conn); !ok {
				t.Fatalf("%T", conn)
			}
			conn.Close()
		}
	})
}

// countingServer counts how often it was offered each ticket.
func countingServer(t testing.TB) (addr string, most func() int) {
	var mu sync.Mutex
	offered := map[string]int{}
	config := new(tls.Config)
	config.SetSessionTicketKeys([][32]byte{{2}})
	config.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		mu.Lock()
		offered[string(ticket)]++
		mu.Unlock()
		return config.DecryptTicket(ticket, state)
	}
	return goServer(t, config), func() (most int) {
		mu.Lock()
		defer mu.Unlock()
		for _, times := range offered {
			most = max(most, times)
		}
		return most
	}
}

func TestATicketIsOfferedOnce(t *testing.T) {
	addr, most := countingServer(t)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	var reused atomic.Int64
	var visitors group
	for range 8 {
		visitors.Go(func() {
			for range 25 {
				conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				resumed, err := ask(conn)
				if err != nil {
					t.Error(err)
				}
				if resumed {
					reused.Add(1)
				}
				conn.Established()
				conn.Close()
			}
		})
	}
	visitors.Wait()
	// Each that resumes brings a ticket for the next one of its goroutine, so all but the first of each
	// resume, unless one took another's.
	if most() != 1 || reused.Load() != 8*25-8 {
		t.Fatalf("a ticket was offered %d times, and %d resumed", most(), reused.Load())
	}
	if got := stats(t, cache); got.Offered != uint64(reused.Load()) || got.Refused != 0 {
		t.Fatalf("%+v", got)
	}
}

// burst opens many connections at once and gives how many the server resumed.
func burst(t *testing.T, dialer *Dialer, addr string, count int) int64 {
	var reused atomic.Int64
	var visitors group
	for range count {
		visitors.Go(func() {
			conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			resumed, err := ask(conn)
			if err != nil {
				t.Error(err)
			}
			if resumed {
				reused.Add(1)
			}
			conn.Established()
		})
	}
	visitors.Wait()
	return reused.Load()
}

func TestABurstWaitsForItsTickets(t *testing.T) {
	for name, serve := range map[string]func(testing.TB) string{
		"crypto/tls": servers["crypto/tls"], "nginx": servers["nginx"],
	} {
		t.Run(name, func(t *testing.T) {
			cache := newCache(t, Options{})
			dialer := newDialer(t, cache, tls.VersionTLS13)
			addr := serve(t)
			dialer.MaxWait = 30 * time.Second
			if got := burst(t, dialer, addr, 64); got != 63 {
				t.Fatalf("%d of 64 resumed: %+v", got, stats(t, cache))
			}
			if got := stats(t, cache); got.WaitsServed == 0 {
				t.Fatalf("nobody waited: %+v", got)
			}
		})
	}
}

func TestACancelledWaitEndsAtOnce(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	// A first connection that never gets to its tickets: the second waits for them.
	first, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	dialer.MaxWait = time.Hour

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := dialer.DialStaged(ctx, "tcp", addr)
		ended <- err
	}()
	waiting(t, dialer, addr)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}

	// The context's deadline is the wait's as well.
	late := expiring{context.Background(), make(chan struct{})}
	go func() {
		_, err := dialer.DialStaged(late, "tcp", addr)
		ended <- err
	}()
	waiting(t, dialer, addr)
	close(late.expired)
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}

	if got := stats(t, cache); got.Failed != 2 || got.Unfinished != 0 {
		t.Fatalf("%+v", got)
	}

	// And closing the cache ends it, with a full handshake.
	go func() {
		conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
		if err == nil && conn.SessionReused() {
			err = errors.New("resumed from a closed cache")
		}
		if err == nil {
			err = conn.Close()
		}
		ended <- err
	}()
	waiting(t, dialer, addr)
	cache.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if left := registered(&waits); left != 0 {
		t.Fatalf("%d waits are left", left)
	}
}

// waiting returns when a connection waits.
func waiting(t *testing.T, dialer *Dialer, addr string) {
	t.Helper()
	endpoint, err := endpointOf(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		forecast, err := dialer.Config.Forecast(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if forecast.Waiting == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nobody waits")
		}
	}
}

func TestAWaitOverItsLimitDoesAFullHandshake(t *testing.T) {
	addr := goServer(t, nil)
	dialer := newDialer(t, newCache(t, Options{}), tls.VersionTLS13)
	first, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	dialer.MaxWait = 20 * time.Millisecond
	began := time.Now()
	if visit(t, dialer, addr) {
		t.Fatal("resumed, and there was nothing")
	}
	if time.Since(began) < dialer.MaxWait {
		t.Fatal("did not wait")
	}
}

func TestAHandshakeThatFailsIsAnErrorAndCounted(t *testing.T) {
	// One that fails because the server's certificate isn't trusted, and one to which nobody answers.
	cache := newCache(t, Options{})
	config, err := cache.NewConfig(nil, ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dialer := &Dialer{Config: config}
	var unknown *tls.CertificateVerificationError
	if _, err := dialer.DialContext(context.Background(), "tcp", goServer(t, nil)); !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	silent, ctx := silentServer(t)
	if _, err := dialer.DialContext(ctx, "tcp", silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	if _, err := dialer.DialContext(context.Background(), "tcp", nobody.Addr().String()); err == nil {
		t.Fatal("nobody listens there")
	}
	if got := stats(t, cache); got.Failed != 2 || got.Unfinished != 0 {
		t.Fatalf("%+v", got)
	}
}

// A server that breaks off when it is offered a session costs one attempt, and the lineage.
func TestASessionThatDoesHarmIsDropped(t *testing.T) {
	var harm atomic.Bool
	config := new(tls.Config)
	config.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) {
		if harm.Load() {
			return nil, errors.New("harm")
		}
		return nil, nil
	}
	addr := goServer(t, config)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	visit(t, dialer, addr)
	harm.Store(true)
	if _, err := dialer.DialStaged(context.Background(), "tcp", addr); err == nil {
		t.Fatal("the server does not break off")
	}
	visit(t, dialer, addr)
	if got := stats(t, cache); got.Failed != 1 || got.Offered != 1 || got.Sessions != 1 {
		t.Fatalf("%+v", got)
	}
	harm.Store(false)
	if visit(t, dialer, addr) {
		t.Fatal("resumed, and the server refuses")
	}
	if got := stats(t, cache); got.Refused != 1 {
		t.Fatalf("%+v", got)
	}
}

func TestAUnixSocketResumes(t *testing.T) {
	path := folder + "/socket"
	config := &tls.Config{Certificates: []tls.Certificate{self().certificate}}
	listener, err := tls.Listen("unix", path, config)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer(conn.(*tls.Conn))
		}
	}()
	tlsConfig := clientConfig(tls.VersionTLS13)
	tlsConfig.ServerName = "localhost"
	cached, err := newCache(t, Options{}).NewConfig(tlsConfig, ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dialer := &Dialer{Config: cached}
	for i := range 2 {
		conn, err := dialer.DialStaged(context.Background(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if reused, err := ask(conn); err != nil || reused != (i > 0) {
			t.Fatalf("connection %d: resumed %v, %v", i, reused, err)
		}
		conn.Established()
		conn.Close()
	}
}

// The way of drivers that speak before TLS, and of those that take one tls.Config per connection.
func TestATLSConnOfTheDriversOwnResumes(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	config := newDialer(t, cache, tls.VersionTLS13).Config
	for i := range 2 {
		raw, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		attempt := config.Begin(Endpoint{Host: "db.test", Port: 1, ServerName: "other.test"})
		conn := tls.Client(raw, attempt.TLSConfig())
		if reused, err := ask(conn); err != nil || reused != (i > 0) {
			t.Fatalf("connection %d: resumed %v, %v", i, reused, err)
		}
		if name := conn.ConnectionState().ServerName; name != "other.test" {
			t.Fatal(name)
		}
		if err := attempt.Established(conn.ConnectionState()); err != nil {
			t.Fatal(err)
		}
		attempt.Close()
		conn.Close()
	}
	// Names are the library's to compare.
	if n, err := config.Available(Endpoint{Host: "DB.test", Port: 1, ServerName: "Other.test"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}
