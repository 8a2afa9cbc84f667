package tsc

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"
)

// stocked returns a dialer whose endpoints are one group, with two tickets of one lineage in
// the cache, and the server.
func stocked(t *testing.T) (cache *Cache, dialer *Dialer, addr string) {
	t.Helper()
	addr = sServer(t) // sends two on a full handshake
	cache = newCache(t, Options{})
	dialer = newDialer(t, cache, tls.VersionTLS13)
	dialer.Group = "node"
	visit(t, dialer, addr)
	left(t, dialer, 2)
	return cache, dialer, addr
}

func left(t *testing.T, dialer *Dialer, want int) {
	t.Helper()
	endpoint := Endpoint{Host: "127.0.0.1", Group: "node"}
	if got, err := dialer.Config.Available(endpoint); got != want || err != nil {
		t.Fatalf("%d sessions are left, and not %d: %v", got, want, err)
	}
}

func TestAFailedLoginIsNotTheSessionsFault(t *testing.T) {
	cache, dialer, addr := stocked(t)
	conn, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !conn.SessionReused() {
		t.Fatal("not resumed")
	}
	conn.Failed(errors.New("wrong password"))
	left(t, dialer, 1)
	if got := stats(t, cache); got.LoginFailedResumed != 1 || got.HandshakeFailedOffered != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestASilentServerCostsTheLineage(t *testing.T) {
	_, dialer, _ := stocked(t)
	addr, ctx := silentServer(t)
	if _, err := dialer.DialContext(ctx, "tcp", addr); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	left(t, dialer, 0)
}

func TestWhatGetGaveIsSpent(t *testing.T) {
	cache, dialer, _ := stocked(t)
	attempt := dialer.Config.Begin(Endpoint{Host: "127.0.0.1", Group: "node"})
	if _, ok := attempt.Get(""); !ok {
		t.Fatal("nothing offered")
	}
	if _, ok := attempt.Get(""); ok {
		t.Fatal("offered twice")
	}
	attempt.Close()
	left(t, dialer, 1)
	if got := stats(t, cache); got.Returned != 0 || got.Unfinished != 1 {
		t.Fatalf("%+v", got)
	}
}

// A handshake that fails, and a driver that says nothing but closes: crypto/tls has said enough.
func TestAnAttemptWhoseSessionCryptoTLSGaveUpCountsAsFailed(t *testing.T) {
	cache, dialer, _ := stocked(t)
	attempt := dialer.Config.Begin(Endpoint{Host: "127.0.0.1", Group: "node"})
	attempt.Get("")
	attempt.Put("", nil)
	attempt.Close()
	if got := stats(t, cache); got.Failed != 1 || got.Unfinished != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestAWaitThatIsOverLeavesTheQueue(t *testing.T) {
	addr := goServer(t, nil)
	dialer := newDialer(t, newCache(t, Options{}), tls.VersionTLS13)
	first, err := dialer.DialStaged(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	endpoint := Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)}
	attempt := dialer.Config.Begin(endpoint)
	defer attempt.Close()
	if err := attempt.Wait(context.Background(), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if got, err := dialer.Config.Forecast(endpoint); got.Waiting != 0 || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}
