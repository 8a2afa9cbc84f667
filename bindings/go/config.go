package tsc

// #include "bridge.h"
import "C"

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// ConfigOptions say what distinguishes a [Config].
type ConfigOptions struct {
	// What names the TLS configuration, at most 255 bytes. Two configs of one cache with the same
	// identity share their sessions: give it to both only if they agree on trust roots, client
	// certificate, verification and protocols, as when a program builds the same tls.Config again.
	// Empty: this config shares with no other.
	Identity string
	// When the client's own certificate ends; no session is offered after. Zero: what the Certificates
	// of the tls.Config say. To be given if those come from GetClientCertificate.
	ClientNotAfter time.Time
}

// A Config is one tls.Config, bound to one cache. Make one per tls.Config, not one per connection:
// what one receives no other finds, unless both have the same identity. It may be used by any number
// of goroutines at once.
type Config struct {
	cache  *Cache
	tls    *tls.Config
	name   string // what its views' keys begin with
	handle handle
}

var configs atomic.Uint64

// NewConfig binds a tls.Config, of which it keeps a clone: later changes aren't noticed. nil is the
// zero tls.Config. It fails with ErrTooLarge if the identity is too long, and with ErrClosed.
func (c *Cache) NewConfig(config *tls.Config, options ConfigOptions) (*Config, error) {
	cache, err := c.acquire()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	if config == nil {
		config = &tls.Config{}
	}
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
	made := C.tscgo_config_new(cache, given)
	if err := failure(made.status); err != nil {
		return nil, err
	}
	out := &Config{cache: c, tls: config.Clone()}
	if out.name = "=" + options.Identity; options.Identity == "" {
		out.name = string(binary.AppendUvarint([]byte{'#'}, configs.Add(1)))
	}
	open(out, &out.handle, unsafe.Pointer(made.config), func(ptr unsafe.Pointer) {
		C.tsc_config_free((*C.tsc_config)(ptr))
	})
	return out, nil
}

// firstEnd gives the first end of any of the certificates: which of them the client uses is decided
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

func (c *Config) acquire() (*C.tsc_config, error) {
	if c == nil {
		return nil, ErrInvalidArgument
	}
	if ptr := c.handle.acquire(); ptr != nil {
		return (*C.tsc_config)(ptr), nil
	}
	return nil, ErrClosed
}

// Close frees the config. What was begun with it goes on; what is begun from now on offers nothing.
// Sessions stay in the cache, for configs with the same identity. Closing again does nothing.
func (c *Config) Close() error {
	if c == nil {
		return ErrInvalidArgument
	}
	c.handle.close()
	return nil
}

// Available says how many sessions attempts at an endpoint would find, one after the other. A
// reusable one counts once.
func (c *Config) Available(endpoint Endpoint) (int, error) {
	config, err := c.acquire()
	if err != nil {
		return 0, err
	}
	defer c.handle.release()
	endpoint = c.named(endpoint)
	given, err := endpoint.c()
	if err != nil {
		return 0, err
	}
	got := C.tscgo_config_available(config, given)
	return int(got.count), failure(got.status)
}

// Forecast says what attempts at an endpoint may expect.
func (c *Config) Forecast(endpoint Endpoint) (Forecast, error) {
	config, err := c.acquire()
	if err != nil {
		return Forecast{}, err
	}
	defer c.handle.release()
	endpoint = c.named(endpoint)
	given, err := endpoint.c()
	if err != nil {
		return Forecast{}, err
	}
	got := C.tscgo_config_forecast(config, given)
	return newForecast(&got.forecast), failure(got.status)
}

// named gives an endpoint the name that crypto/tls will check the certificate against.
func (c *Config) named(endpoint Endpoint) Endpoint {
	if endpoint.ServerName == "" && c.tls != nil {
		endpoint.ServerName = c.tls.ServerName
	}
	if endpoint.ServerName == "" && !strings.HasPrefix(endpoint.Host, "/") {
		endpoint.ServerName = endpoint.Host
	}
	return endpoint
}
