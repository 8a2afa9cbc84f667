package drivers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	tsc "github.com/libtsc/libtsc/bindings/go"
)

// A redisServer is Redis with TLS.
type redisServer struct {
	process
	trust *tls.Config
}

func newRedis(t *testing.T, version string) *redisServer {
	t.Helper()
	home := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	certFile, keyFile := filepath.Join(home, "cert.pem"), filepath.Join(home, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(os.WriteFile(certFile, certPEM, 0o600))
	must(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)

	s := &redisServer{process{t: t, addr: freeAddr(t), within: 20 * time.Second}, &tls.Config{RootCAs: roots}}
	s.run = []string{
		"redis-server", "--port", "0", "--tls-port", portOf(s.addr), "--bind", "127.0.0.1", "--dir", home,
		"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile,
		"--tls-auth-clients", "no", "--tls-protocols", version, "--save", "", "--appendonly", "no",
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func client(addr string, dialer *tsc.Dialer) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: addr, Dialer: dialer.DialContext, PoolSize: 8, PoolTimeout: time.Minute,
		MaxRetries: 50, MinRetryBackoff: time.Millisecond, MaxRetryBackoff: 100 * time.Millisecond,
		DialTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second,
	})
}

func dialer(t *testing.T, cache *tsc.Cache, trust *tls.Config) *tsc.Dialer {
	t.Helper()
	config, err := cache.NewConfig(trust, tsc.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { config.Close() })
	return &tsc.Dialer{Config: config}
}

// use makes the pool open all of its connections, and closes it.
func use(t *testing.T, redis *redis.Client) {
	t.Helper()
	var workers, open sync.WaitGroup
	open.Add(8)
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			conn := redis.Conn()
			defer conn.Close()
			if err := conn.Ping(context.Background()).Err(); err != nil {
				t.Error(err)
			}
			// Each holds its connection until all have one.
			open.Done()
			open.Wait()
		}()
	}
	workers.Wait()
	if err := redis.Close(); err != nil {
		t.Error(err)
	}
}

func eachVersion(t *testing.T, test func(t *testing.T, version string, cache *tsc.Cache)) {
	for _, version := range []string{"TLSv1.2", "TLSv1.3"} {
		t.Run(version, func(t *testing.T) {
			cache, err := tsc.NewCache(tsc.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			test(t, version, cache)
		})
	}
}

func TestRedisReconnectsResume(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string, cache *tsc.Cache) {
		server := newRedis(t, version)
		tap := newTap(t, server.addr)
		dialer := dialer(t, cache, server.trust)
		for range 10 {
			one := client(tap.addr, dialer)
			if err := one.Set(context.Background(), "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			one.Close()
		}
		if got := tap.count(); got != (count{10, 9, 9}) {
			t.Fatalf("%+v", got)
		}
		// A pool finds the tickets that are there, or waits for them.
		dialer.MaxWait = 10 * time.Second
		use(t, client(tap.addr, dialer))
		if got := tap.count(); got.all != 18 || got.resumed != 17 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestARedisThatRestartsUnderLoadFailsNoCommand(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string, cache *tsc.Cache) {
		server := newRedis(t, version)
		tap := newTap(t, server.addr)
		dialer := dialer(t, cache, server.trust)
		var workers sync.WaitGroup
		begun, restarted := make(chan struct{}, 1000), make(chan struct{})
		for range 4 {
			workers.Add(1)
			go func() {
				defer workers.Done()
				after := 0
				for after < 5 {
					one := client(tap.addr, dialer)
					if err := one.Incr(context.Background(), "n").Err(); err != nil {
						t.Error(err)
					}
					one.Close()
					select {
					case <-restarted:
						after++
					case begun <- struct{}{}:
					default:
					}
				}
			}()
		}
		for range 20 {
			<-begun
		}
		server.stop()
		server.start()
		close(restarted)
		workers.Wait()
		// No command failed. The new process has other keys and refuses the sessions of the old one,
		// unless a handshake that it broke off had dropped them before.
		stats, err := cache.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if stats.BreakerOpened != 0 || stats.Refused+stats.Failed == 0 {
			t.Fatalf("%+v", stats)
		}
		// And then connections resume again. Handshakes that were broken off after an offer look like harm
		// that offers do, so the library makes some without, to compare.
		for range 200 {
			before := tap.count()
			conn := client(tap.addr, dialer)
			if err := conn.Ping(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			withheld := stats.Withheld
			if stats, err = cache.Stats(); err != nil {
				t.Fatal(err)
			}
			switch got := tap.count().since(before); {
			case got == (count{1, 1, 1}):
				return
			case got != (count{1, 0, 0}) || stats.Withheld != withheld+1:
				t.Fatalf("%+v, %+v", got, stats)
			}
		}
		t.Fatalf("never again: %+v", stats)
	})
}

func TestARedisOnAnotherPortIsOfferedNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string, cache *tsc.Cache) {
		one, other := newRedis(t, version), newRedis(t, version)
		first, second := newTap(t, one.addr), newTap(t, other.addr)
		trust := one.trust.Clone()
		trust.InsecureSkipVerify = true // both are accepted, so only the cache keeps them apart
		dialer := dialer(t, cache, trust)
		for _, addr := range []string{first.addr, second.addr} {
			one := client(addr, dialer)
			if err := one.Ping(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			one.Close()
		}
		for _, tap := range []*tap{first, second} {
			if got := tap.count(); got != (count{1, 0, 0}) {
				t.Fatalf("%+v", got)
			}
		}
	})
}
