package tsc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// rotating returns a config whose client certificate is behind GetClientCertificate, and a server that tells
// by whose certificate it knows the client.
type rotating struct {
	addr        string
	known       atomic.Value // the name in the last client's certificate
	certificate atomic.Pointer[tls.Certificate]
	cache       *Cache
	config      *Config
	dialer      *Dialer
}

func newRotating(t *testing.T, version uint16, options ConfigOptions) *rotating {
	r := new(rotating)
	r.addr = goServer(t, &tls.Config{
		ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			r.known.Store(state.PeerCertificates[0].Subject.CommonName)
			return nil
		},
	})
	r.swap(t, "old")
	tlsConfig := clientConfig(version)
	tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return r.certificate.Load(), nil
	}
	r.cache = newCache(t, Options{})
	var err error
	r.config, err = r.cache.NewConfig(tlsConfig, options)
	want(t, err, nil)
	t.Cleanup(func() { r.config.Close() })
	r.dialer = &Dialer{Config: r.config}
	return r
}

func (r *rotating) swap(t *testing.T, name string) time.Time {
	certificate := certified(t, name)
	r.certificate.Store(&certificate)
	return certificate.Leaf.NotAfter
}

// expect makes a connection, and compares by whose certificate the server knows it.
func (r *rotating) expect(t *testing.T, resumed bool, name string) {
	t.Helper()
	if got := visit(t, r.dialer, r.addr); got != resumed || r.known.Load() != name {
		t.Errorf("resumed %v as %v, and not %v as %v", got, r.known.Load(), resumed, name)
	}
}

func TestARotatedCertificateIsTheOneThatTheServerSees(t *testing.T) {
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			r := newRotating(t, version, ConfigOptions{})
			r.expect(t, false, "old")
			r.expect(t, true, "old")
			// Nobody can see the change: the session is the old identity's.
			end := r.swap(t, "new")
			r.expect(t, true, "old")
			want(t, r.config.Rotate(nil, ConfigOptions{ClientNotAfter: end}), nil)
			r.expect(t, false, "new")
			r.expect(t, true, "new")
		})
	}
}

func TestRotateMovesTheEndOfTheClientsCertificate(t *testing.T) {
	over := ConfigOptions{ClientNotAfter: time.Now().Add(-time.Second)}
	for _, identity := range []string{"", "service"} {
		over.Identity = identity
		r := newRotating(t, tls.VersionTLS13, over)
		r.expect(t, false, "old")
		r.expect(t, false, "old")
		next := ConfigOptions{Identity: identity, ClientNotAfter: r.swap(t, "new")}
		if identity != "" {
			// Nothing would tell the old one's sessions apart.
			want(t, r.config.Rotate(nil, next), ErrInvalidArgument)
			next.Identity = "service, next"
		}
		want(t, r.config.Rotate(nil, next), nil)
		r.expect(t, false, "new")
		r.expect(t, true, "new")
	}
}

func TestTicketsOfAConnectionFromBeforeRotateAreLeftBehind(t *testing.T) {
	r := newRotating(t, tls.VersionTLS13, ConfigOptions{})
	conn, err := r.dialer.DialStaged(context.Background(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want(t, conn.Established(), nil)
	attempt := r.config.Begin(Endpoint{Host: "127.0.0.1", Port: portOf(t, r.addr)})
	view, err := r.config.ForEndpoint(Endpoint{Host: "127.0.0.1", Port: portOf(t, r.addr)})
	want(t, err, nil)
	r.swap(t, "new")
	want(t, r.config.Rotate(nil, ConfigOptions{}), nil)
	// Its ticket comes now.
	if _, err := ask(conn); err != nil {
		t.Fatal(err)
	}
	if info, err := conn.Info(); info.Stored != 1 || err != nil {
		t.Fatalf("%+v, %v", info, err)
	}
	state := caught(t, tls.VersionTLS13)
	view.Put("", state)
	if _, ok := view.Get(""); ok {
		t.Error("a View from before offers")
	}
	r.expect(t, false, "new")
	// One that was begun before has what was there then, and nothing of what came after.
	if _, ok := attempt.Get(""); !ok {
		t.Error("an attempt from before lost its session")
	}
	attempt.Close()
	fresh, err := r.config.ForEndpoint(Endpoint{Host: "127.0.0.1", Port: portOf(t, r.addr)})
	want(t, err, nil)
	fresh.Put("", state)
	if _, ok := fresh.Get(""); !ok {
		t.Error("a new View finds nothing")
	}
}

func TestReloadedRootsAreAskedAtOnce(t *testing.T) {
	addr := goServer(t, nil)
	good := clientConfig(tls.VersionTLS13)
	service := ConfigOptions{Identity: "service"}
	config, err := newCache(t, Options{}).NewConfig(good, service)
	want(t, err, nil)
	dialer := &Dialer{Config: config}
	visit(t, dialer, addr)
	bad := good.Clone()
	bad.RootCAs = x509.NewCertPool()
	want(t, config.Rotate(bad, service), nil) // the roots tell it apart
	var unknown *tls.CertificateVerificationError
	if _, err := dialer.DialContext(context.Background(), "tcp", addr); !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	want(t, config.Rotate(good, ConfigOptions{Identity: "service, next"}), nil)
	if visit(t, dialer, addr) || !visit(t, dialer, addr) {
		t.Error("after the roots are back: one full handshake, and then resumed")
	}
}

func TestRotateFailsAsNewConfigDoesAndChangesNothing(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	visit(t, dialer, addr)
	want(t, dialer.Config.Rotate(&tls.Config{}, ConfigOptions{Identity: string(make([]byte, 256))}), ErrTooLarge)
	if !visit(t, dialer, addr) {
		t.Error("not resumed")
	}
	var none *Config
	want(t, none.Rotate(nil, ConfigOptions{}), ErrInvalidArgument)
	want(t, new(Config).Rotate(nil, ConfigOptions{}), ErrClosed)
	other := newDialer(t, cache, tls.VersionTLS13).Config
	want(t, other.Close(), nil)
	want(t, other.Rotate(nil, ConfigOptions{}), ErrClosed)
	cache.Close()
	want(t, dialer.Config.Rotate(nil, ConfigOptions{}), ErrClosed)
}

// Run with -race.
func TestConnectionsGoOnWhileAConfigRotates(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	dialer := newDialer(t, cache, tls.VersionTLS13)
	var workers group
	for range 4 {
		workers.Go(func() {
			for range 10 {
				conn, err := dialer.DialContext(context.Background(), "tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := ask(conn); err != nil {
					t.Error(err)
				}
				conn.Close()
				dialer.Config.Available(Endpoint{Host: "x"})
			}
		})
	}
	workers.Go(func() {
		for range 20 {
			if err := dialer.Config.Rotate(nil, ConfigOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	workers.Wait()
	if visit(t, dialer, addr); !visit(t, dialer, addr) {
		t.Error("not resumed")
	}
}
