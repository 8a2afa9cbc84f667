package tsc

// #include "bridge.h"
import "C"

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// ConfigOptions are what distinguishes a [Config].
type ConfigOptions struct {
	// What names the TLS configuration, at most 255 bytes. Two configs of one cache with the same identity
	// share their sessions: give it to both only if they agree on trust roots, client certificate,
	// verification and protocols, as when a program builds the same tls.Config again. Even so, what can be
	// read of the tls.Configs is compared, and sessions are shared only if it is equal; what a function in
	// a tls.Config does can't be read. Empty: this config shares with no other.
	Identity string
	// When the client's own certificate ends; no session is offered after that. Zero: what the
	// Certificates of the tls.Config say. Set it if GetClientCertificate gives the certificate.
	ClientNotAfter time.Time
	// Share sessions with other processes (Options.Share) although the tls.Config has Certificates or
	// GetClientCertificate. Any program of this user can then act as the client, without its key, for as long as
	// the sessions last.
	ShareClientCertificate bool
}

// A Config is one tls.Config, bound to one cache. Make one per tls.Config, not one per connection: no Config
// finds what another received, unless both have the same identity. Any number of goroutines may use it at
// once.
type Config struct {
	cache   *Cache
	current atomic.Pointer[generation]
	// Held while current is replaced, and while no one may.
	mu     sync.Mutex
	closed bool
}

// A generation is what a Config is from NewConfig or Rotate to the next Rotate.
type generation struct {
	// A View may be all that is left of it: the cache closes when it is collected.
	cache *Cache
	tls   *tls.Config
	name  string // what its views' keys begin with
	// What tells configs of one identity apart; empty without an identity, where nothing is shared.
	verification string
	handle       handle
	over         atomic.Bool
}

var generations atomic.Uint64

// NewConfig binds a tls.Config. It keeps a clone, so later changes have no effect. nil is the zero tls.Config.
// It fails with ErrTooLarge if the identity is too long, and with ErrClosed.
func (c *Cache) NewConfig(config *tls.Config, options ConfigOptions) (*Config, error) {
	if config == nil {
		config = &tls.Config{}
	}
	made, err := c.newGeneration(config, options)
	if err != nil {
		return nil, err
	}
	out := &Config{cache: c}
	out.current.Store(made)
	return out, nil
}

// Rotate makes the config forget what it received: no session from before, or that still arrives on a
// connection begun before, is offered to a connection begun from now on. Call it after something has changed
// that decides whom connections trust or which identity they use: after GetClientCertificate has begun to give
// another certificate, or with a new tls.Config to use from now on, for example one with other RootCAs. nil
// keeps the present tls.Config.
//
// The options replace those of NewConfig. If both have an identity, it has to be another one, unless what can
// be read of the tls.Config has changed: otherwise nothing would tell the sessions apart, and it fails with
// ErrInvalidArgument. It also fails as NewConfig does. If it fails, nothing has changed.
//
// Views from before offer and keep nothing more.
func (c *Config) Rotate(config *tls.Config, options ConfigOptions) error {
	before, err := c.acquire()
	if err != nil {
		return err
	}
	if config == nil {
		config = before.tls
	}
	before.handle.release()
	made, err := c.cache.newGeneration(config, options)
	if err != nil {
		return err
	}
	c.mu.Lock()
	before = c.current.Load()
	switch {
	case c.closed:
		err = ErrClosed
	case made.name == before.name && made.verification == before.verification:
		err = ErrInvalidArgument
	default:
		c.current.Store(made)
	}
	c.mu.Unlock()
	if err != nil {
		made.handle.close()
		return err
	}
	before.over.Store(true)
	before.handle.close()
	return nil
}

func (c *Cache) newGeneration(config *tls.Config, options ConfigOptions) (*generation, error) {
	cache, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	notAfter := options.ClientNotAfter
	if notAfter.IsZero() {
		notAfter = firstEnd(config.Certificates)
	}
	var given C.tsc_config_options
	given.identity = bytesOf(options.Identity)
	given.identity_len = C.size_t(len(options.Identity))
	if !notAfter.IsZero() {
		// 0 would say that it isn't known.
		given.client_not_after = C.int64_t(max(notAfter.Unix(), 1))
	}
	if len(config.Certificates) > 0 || config.GetClientCertificate != nil {
		given.flags |= C.TSC_CONFIG_CLIENT_CERTIFICATE
	}
	if options.ShareClientCertificate {
		given.flags |= C.TSC_CONFIG_SHARE_CLIENT_CERTIFICATE
	}
	made := C.tscgo_config_new(cache, given)
	if err := failure(made.status); err != nil {
		return nil, err
	}
	g := &generation{cache: c, tls: ownClone(config)}
	if options.Identity == "" {
		g.name = string(binary.AppendUvarint([]byte{'#'}, generations.Add(1)))
	} else {
		g.name = "=" + options.Identity
		g.verification = verification(g.tls)
	}
	open(g, &g.handle, unsafe.Pointer(made.config), func(ptr unsafe.Pointer) {
		C.tsc_config_free((*C.tsc_config)(ptr))
	})
	return g, nil
}

// firstEnd returns the first end of any of the certificates: which of them the client uses is decided
// later, by what the server asks for.
func firstEnd(certificates []tls.Certificate) (first time.Time) {
	for _, certificate := range certificates {
		leaf := certificate.Leaf
		if leaf == nil && len(certificate.Certificate) > 0 {
			// One that can't be parsed can't be used either: crypto/tls says so when it comes to it.
			leaf, _ = x509.ParseCertificate(certificate.Certificate[0])
		}
		if leaf != nil && (first.IsZero() || leaf.NotAfter.Before(first)) {
			first = leaf.NotAfter
		}
	}
	return first
}

// acquire is to be followed by release of the generation's handle.
func (c *Config) acquire() (*generation, error) {
	if c == nil {
		return nil, ErrInvalidArgument
	}
	for {
		g := c.current.Load()
		if g == nil {
			return nil, ErrClosed
		}
		if g.handle.acquire() != nil {
			return g, nil
		}
		// Closed, or replaced just now.
		if c.current.Load() == g {
			return nil, ErrClosed
		}
	}
}

func (g *generation) c() *C.tsc_config { return (*C.tsc_config)(g.handle.ptr) }

// Close frees the config. Connections begun with it continue; those begun from now on offer nothing. Sessions
// stay in the cache, for configs with the same identity. Closing again does nothing.
func (c *Config) Close() error {
	if c == nil {
		return ErrInvalidArgument
	}
	c.mu.Lock()
	c.closed = true
	g := c.current.Load()
	c.mu.Unlock()
	if g != nil {
		g.handle.close()
	}
	return nil
}

// Available counts the sessions that attempts at an endpoint would find, one after another. A reusable one
// counts once.
func (c *Config) Available(endpoint Endpoint) (int, error) {
	g, err := c.acquire()
	if err != nil {
		return 0, err
	}
	defer g.handle.release()
	endpoint = g.complete(endpoint)
	given, err := endpoint.c()
	if err != nil {
		return 0, err
	}
	got := C.tscgo_config_available(g.c(), given)
	return int(got.count), failure(got.status)
}

// Forecast says what attempts at an endpoint may expect.
func (c *Config) Forecast(endpoint Endpoint) (Forecast, error) {
	g, err := c.acquire()
	if err != nil {
		return Forecast{}, err
	}
	defer g.handle.release()
	endpoint = g.complete(endpoint)
	given, err := endpoint.c()
	if err != nil {
		return Forecast{}, err
	}
	got := C.tscgo_config_forecast(g.c(), given)
	return newForecast(&got.forecast), failure(got.status)
}

// complete adds to an endpoint the name that crypto/tls will know the server by, and what the
// tls.Config says of the verification. Where tls.Client would send no name and check none, it has none.
func (g *generation) complete(endpoint Endpoint) Endpoint {
	if endpoint.ServerName == "" {
		endpoint.ServerName = g.tls.ServerName
	}
	if endpoint.ServerName == "" && !g.tls.InsecureSkipVerify && !strings.HasPrefix(endpoint.Host, "/") {
		endpoint.ServerName = endpoint.Host
	}
	endpoint.Verification = g.verification + endpoint.Verification
	return endpoint
}

// generation returns the current one, perhaps closed; for a Config that was never made, one that is.
func (c *Config) generation() *generation {
	if c != nil {
		if g := c.current.Load(); g != nil {
			return g
		}
	}
	return &generation{tls: &tls.Config{}}
}
