package tsc

import (
	"crypto/tls"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
)

// viewVisit connects with a tls.Config that all connections share.
func viewVisit(t *testing.T, config *tls.Config, addr string) (reused bool, err error) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	reused, err = ask(conn)
	if err == nil && reused != conn.ConnectionState().DidResume {
		t.Fatal("server and client disagree")
	}
	return reused, err
}

func viewed(t *testing.T, config *Config, version uint16, endpoint Endpoint) *tls.Config {
	t.Helper()
	view, err := config.ForEndpoint(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	out := clientConfig(version)
	out.ClientSessionCache = view
	return out
}

func TestViewsResume(t *testing.T) {
	eachServer(t, func(t *testing.T, addr string, version uint16) {
		cache := newCache(t, Options{})
		config := newDialer(t, cache, version).Config
		for i := range 3 {
			// A new View each time finds the same sessions.
			view := viewed(t, config, version, Endpoint{Host: "localhost", Port: 1})
			if reused, err := viewVisit(t, view, addr); err != nil || reused != (i > 0) {
				t.Fatalf("connection %d: resumed %v, %v", i, reused, err)
			}
		}
		for _, endpoint := range []Endpoint{
			{Host: "localhost", Port: 2}, {Host: "localhos", Port: 1}, {Host: "localhost"},
			{Host: "localhost", Port: 1, ServerName: "other"}, {Host: "x", Group: "localhost"},
		} {
			if reused, err := viewVisit(t, viewed(t, config, version, endpoint), addr); reused || err != nil {
				t.Fatalf("%+v: resumed %v, %v", endpoint, reused, err)
			}
		}
		other := newDialer(t, cache, version).Config
		view := viewed(t, other, version, Endpoint{Host: "localhost", Port: 1})
		if reused, err := viewVisit(t, view, addr); reused || err != nil {
			t.Fatalf("another config: resumed %v, %v", reused, err)
		}
		// Nor does a connection to another name, by mistake.
		named := viewed(t, config, version, Endpoint{Host: "localhost", Port: 1})
		named.ServerName = "other.test"
		if reused, err := viewVisit(t, named, addr); reused || err != nil {
			t.Fatalf("another name: resumed %v, %v", reused, err)
		}
	})
}

func TestViewsThatVerifyOtherThingsAreApart(t *testing.T) {
	cache := newCache(t, Options{})
	view := func(tlsConfig *tls.Config, verification string) *View {
		config, err := cache.NewConfig(tlsConfig, ConfigOptions{Identity: "one"})
		want(t, err, nil)
		view, err := config.ForEndpoint(Endpoint{Host: "x", Verification: verification})
		want(t, err, nil)
		return view
	}
	lax := &tls.Config{InsecureSkipVerify: true}
	view(lax, "").Put("x", caught(t, tls.VersionTLS13))
	for _, other := range []*View{view(nil, ""), view(lax, "more")} {
		if _, ok := other.Get("x"); ok {
			t.Error("offered")
		}
	}
	if _, ok := view(lax, "").Get("x"); !ok {
		t.Error("not offered")
	}
}

// crypto/tls tells a View the server's name and no port. Servers of one host that share one offer each other's
// tickets, which costs full handshakes and no connection.
func TestAViewForSeveralServersOfOneHostCostsFullHandshakes(t *testing.T) {
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			addrs := []string{goServer(t, nil), goServer(t, nil)}
			config := newDialer(t, newCache(t, Options{}), version).Config
			shared, err := config.ForEndpoint(Endpoint{Host: "127.0.0.1"})
			want(t, err, nil)
			for i := range 6 {
				if reused, err := viewVisit(t, shared.TLSConfig(), addrs[i%2]); reused || err != nil {
					t.Fatal(reused, err)
				}
			}
		})
	}
}

func TestAViewsTicketIsOfferedOnce(t *testing.T) {
	addr, most := countingServer(t)
	config := newDialer(t, newCache(t, Options{}), tls.VersionTLS13).Config
	view := viewed(t, config, tls.VersionTLS13, Endpoint{Host: "localhost", Port: 1})
	done := make(chan error)
	for range 8 {
		go func() {
			for range 10 {
				if _, err := viewVisit(t, view, addr); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if most() != 1 {
		t.Fatalf("a ticket was offered %d times", most())
	}
}

func TestAViewDropsWhatDoesHarm(t *testing.T) {
	var harm atomic.Bool
	server := new(tls.Config)
	server.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		if harm.Load() && len(ticket) > 0 {
			return nil, errors.New("harm")
		}
		return server.DecryptTicket(ticket, state)
	}
	addr := goServer(t, server)
	cache := newCache(t, Options{})
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			harm.Store(false)
			view := viewed(t, newDialer(t, cache, version).Config, version, Endpoint{Host: "localhost"})
			if _, err := viewVisit(t, view, addr); err != nil {
				t.Fatal(err)
			}
			harm.Store(true)
			if _, err := viewVisit(t, view, addr); err == nil {
				t.Fatal("the server does not break off")
			}
			if got := stats(t, cache); got.Sessions != 0 {
				t.Fatalf("%+v", got)
			}
			if _, err := viewVisit(t, view, addr); err != nil {
				t.Fatal(err)
			}
			cache.Clear()
		})
	}
}

func TestAViewMakesRoomForWhatIsLonger(t *testing.T) {
	config := newDialer(t, newCache(t, Options{}), tls.VersionTLS13).Config
	state := caught(t, tls.VersionTLS13)
	_, inner, _ := state.ResumptionState()
	inner.Extra = [][]byte{make([]byte, 9000)}
	endpoint := Endpoint{Host: "x"}
	one, err := config.ForEndpoint(endpoint)
	want(t, err, nil)
	other, err := config.ForEndpoint(endpoint)
	want(t, err, nil)
	one.Put("", state)
	if _, ok := other.Get(""); !ok {
		t.Fatal("not there")
	}
}

func TestAViewAndAttemptsShareTheSessionsOfAnEndpoint(t *testing.T) {
	config := newDialer(t, newCache(t, Options{}), tls.VersionTLS13).Config
	// Case makes no difference, as everywhere.
	view, err := config.ForEndpoint(Endpoint{Host: "DB.example", Port: 1})
	want(t, err, nil)
	view.Put(view.TLSConfig().ServerName, caught(t, tls.VersionTLS13))
	endpoint := Endpoint{Host: "db.EXAMPLE", Port: 1}
	available, err := config.Available(endpoint)
	want(t, err, nil)
	if available != 1 {
		t.Fatal(available)
	}
	attempt := config.Begin(endpoint)
	defer attempt.Close()
	if offered, err := attempt.offer(); offered == nil || err != nil {
		t.Fatal(offered, err)
	}
}

func TestAViewKeepsItsCacheOpen(t *testing.T) {
	state := caught(t, tls.VersionTLS12)
	view := func() *View {
		cache, err := NewCache(Options{})
		if err != nil {
			t.Fatal(err)
		}
		config, err := cache.NewConfig(clientConfig(tls.VersionTLS12), ConfigOptions{})
		if err != nil {
			t.Fatal(err)
		}
		view, err := config.ForEndpoint(Endpoint{Host: "localhost", Port: 1})
		if err != nil {
			t.Fatal(err)
		}
		return view
	}()
	for range 3 {
		runtime.GC()
		runtime.Gosched()
	}
	view.Put("localhost", state)
	if _, ok := view.Get("localhost"); !ok {
		t.Fatal("the cache was closed, or lost the session")
	}
}
