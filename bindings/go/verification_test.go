package tsc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// certified makes a certificate of its own that ends in an hour.
func certified(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// What decides, in a tls.Config, whom a connection trusts, who it is and what it speaks. Each is changed
// alone. docs/go.md has the table.
var properties = []struct {
	name   string
	change func(t testing.TB, config *tls.Config)
	// With a View whose tls.Config is changed in it: false where that resumes all the same.
	view bool
}{
	{"ServerName", func(t testing.TB, c *tls.Config) { c.ServerName = "other.test" }, true},
	{"RootCAs", func(t testing.TB, c *tls.Config) {
		c.RootCAs = c.RootCAs.Clone()
		c.RootCAs.AddCert(certified(t, "one more").Leaf)
	}, false},
	{"InsecureSkipVerify", func(t testing.TB, c *tls.Config) { c.InsecureSkipVerify = true }, false},
	{"VerifyPeerCertificate", func(t testing.TB, c *tls.Config) {
		c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return nil }
	}, false},
	{"VerifyConnection", func(t testing.TB, c *tls.Config) {
		c.VerifyConnection = func(tls.ConnectionState) error { return nil }
	}, false},
	{"Certificates", func(t testing.TB, c *tls.Config) {
		c.Certificates = []tls.Certificate{certified(t, "client")}
	}, false},
	{"GetClientCertificate", func(t testing.TB, c *tls.Config) {
		one := certified(t, "client")
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &one, nil }
	}, false},
	{"MinVersion", func(t testing.TB, c *tls.Config) { c.MinVersion = tls.VersionTLS11 }, false},
	{"MaxVersion", func(t testing.TB, c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12 + tls.VersionTLS13 - c.MaxVersion // the other one
	}, true},
	{"CipherSuites", func(t testing.TB, c *tls.Config) {
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	}, false},
	{"CurvePreferences", func(t testing.TB, c *tls.Config) {
		c.CurvePreferences = []tls.CurveID{tls.CurveP256}
	}, false},
	{"NextProtos", func(t testing.TB, c *tls.Config) { c.NextProtos = []string{"b"} }, false},
	{"Time", func(t testing.TB, c *tls.Config) {
		c.Time = func() time.Time { return time.Now().Add(time.Minute) }
	}, false},
}

// propertyServer takes a client's certificate if there is one.
func propertyServer(t testing.TB) (addr string) {
	return goServer(t, &tls.Config{ClientAuth: tls.RequestClientCert, NextProtos: []string{"a", "b"}})
}

func base(version uint16) *tls.Config {
	config := clientConfig(version)
	config.NextProtos = []string{"a", "b"}
	return config
}

// eachProperty has a test connect with a base and then with the changed tls.Config. `connect` makes a
// connection, by a tls.Config that `change` may have changed, and gives the server's word for whether it
// was resumed.
func eachProperty(t *testing.T, test func(t *testing.T, addr string, version uint16, change func(*tls.Config), view bool)) {
	for number, version := range versions {
		addr := propertyServer(t)
		for _, property := range properties {
			t.Run(property.name+"/"+number, func(t *testing.T) {
				test(t, addr, version, func(c *tls.Config) { property.change(t, c) }, property.view)
			})
		}
	}
}

func unchangedConfig(*tls.Config) {}

func TestSessionsDontCrossConfigsThatDiffer(t *testing.T) {
	for _, identity := range []string{"", "one"} {
		t.Run("identity "+identity, func(t *testing.T) {
			eachProperty(t, func(t *testing.T, addr string, version uint16, change func(*tls.Config), _ bool) {
				cache := newCache(t, Options{})
				connect := func(change func(*tls.Config)) bool {
					tlsConfig := base(version)
					change(tlsConfig)
					config, err := cache.NewConfig(tlsConfig, ConfigOptions{Identity: identity})
					want(t, err, nil)
					return visit(t, &Dialer{Config: config}, addr)
				}
				connect(unchangedConfig)
				if connect(change) {
					t.Error("resumed")
				}
				// The identity alone lets those share that are equal.
				if got := connect(unchangedConfig); got != (identity != "") {
					t.Error("built the same again: resumed ", got)
				}
			})
		})
	}
}

// attemptVisit is a driver that makes its own tls.Conn and changes its tls.Config.
func attemptVisit(t *testing.T, config *Config, endpoint Endpoint, addr string, change func(*tls.Config)) (reused bool) {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	want(t, err, nil)
	attempt := config.Begin(endpoint)
	defer attempt.Close()
	change(attempt.TLSConfig())
	conn := tls.Client(raw, attempt.TLSConfig())
	defer conn.Close()
	reused, err = ask(conn)
	want(t, err, nil)
	want(t, attempt.Established(conn.ConnectionState()), nil)
	return reused
}

func TestAnAttemptWhoseTLSConfigWasChangedOffersAndKeepsNothing(t *testing.T) {
	eachProperty(t, func(t *testing.T, addr string, version uint16, change func(*tls.Config), _ bool) {
		cache := newCache(t, Options{})
		config, err := cache.NewConfig(base(version), ConfigOptions{})
		want(t, err, nil)
		endpoint := Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)}
		attemptVisit(t, config, endpoint, addr, unchangedConfig)
		before := stats(t, cache).Stored
		if attemptVisit(t, config, endpoint, addr, change) {
			t.Error("resumed")
		}
		if got := stats(t, cache).Stored; got != before {
			t.Error("kept")
		}
		if !attemptVisit(t, config, endpoint, addr, unchangedConfig) {
			t.Error("lost what was there")
		}
		// Those that say what they verify may.
		endpoint.Verification = "changed"
		first, second := attemptVisit(t, config, endpoint, addr, change), attemptVisit(t, config, endpoint, addr, change)
		if first || !second {
			t.Error("with a verification of its own: resumed ", first, second)
		}
	})
}

// crypto/tls speaks to a View as to its own list: what it looks at itself is looked at, and the rest is the
// caller's duty.
// What one function refers to isn't what another one does, though their code is the same.
func TestAnotherFunctionOfTheSameCodeIsAChange(t *testing.T) {
	functions := map[string]func(of int, c *tls.Config){
		"VerifyPeerCertificate": func(of int, c *tls.Config) {
			c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error {
				if of == 0 {
					return errors.New("nobody")
				}
				return nil
			}
		},
		"VerifyConnection": func(of int, c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error {
				if of == 0 {
					return errors.New("nobody")
				}
				return nil
			}
		},
		"GetClientCertificate": func(of int, c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{OCSPStaple: make([]byte, of)}, nil
			}
		},
		"Time": func(of int, c *tls.Config) {
			c.Time = func() time.Time { return time.Now().Add(time.Duration(of) * time.Second) }
		},
	}
	for number, version := range versions {
		addr := propertyServer(t)
		for name, set := range functions {
			t.Run(name+"/"+number, func(t *testing.T) {
				cache := newCache(t, Options{})
				tlsConfig := base(version)
				set(1, tlsConfig)
				config, err := cache.NewConfig(tlsConfig, ConfigOptions{})
				want(t, err, nil)
				endpoint := Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)}
				connect := func(change func(*tls.Config)) bool {
					return attemptVisit(t, config, endpoint, addr, change)
				}
				connect(unchangedConfig)
				if !connect(unchangedConfig) {
					t.Error("not resumed")
				}
				if connect(func(c *tls.Config) { set(2, c) }) {
					t.Error("resumed")
				}
				// The same one set again is the same.
				if !connect(func(c *tls.Config) {
					c.VerifyPeerCertificate, c.VerifyConnection = tlsConfig.VerifyPeerCertificate, tlsConfig.VerifyConnection
					c.GetClientCertificate, c.Time = tlsConfig.GetClientCertificate, tlsConfig.Time
				}) {
					t.Error("set again: not resumed")
				}
			})
		}
	}
}

// A tls.Config that was handed out has lists of its own: what is set in one of them counts, there alone.
func TestWhatIsSetInAListCounts(t *testing.T) {
	lists := map[string]func(*tls.Config){
		"Certificates": func(c *tls.Config) { c.Certificates[0] = certified(t, "other") },
		"NextProtos":   func(c *tls.Config) { c.NextProtos[0] = "b" },
		"CipherSuites": func(c *tls.Config) { c.CipherSuites[0] = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 },
	}
	for number, version := range versions {
		addr := propertyServer(t)
		for name, change := range lists {
			t.Run(name+"/"+number, func(t *testing.T) {
				cache := newCache(t, Options{})
				tlsConfig := base(version)
				tlsConfig.Certificates = []tls.Certificate{certified(t, "client")}
				tlsConfig.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
				config, err := cache.NewConfig(tlsConfig, ConfigOptions{})
				want(t, err, nil)
				endpoint := Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)}
				attemptVisit(t, config, endpoint, addr, unchangedConfig)
				if attemptVisit(t, config, endpoint, addr, change) {
					t.Error("resumed")
				}
				view, err := config.ForEndpoint(endpoint)
				want(t, err, nil)
				change(view.TLSConfig())
				if !attemptVisit(t, config, endpoint, addr, unchangedConfig) {
					t.Error("not resumed")
				}
			})
		}
	}
}

func TestAViewInAChangedTLSConfigIsTheCallersDuty(t *testing.T) {
	eachProperty(t, func(t *testing.T, addr string, version uint16, change func(*tls.Config), full bool) {
		config, err := newCache(t, Options{}).NewConfig(base(version), ConfigOptions{})
		want(t, err, nil)
		view, err := config.ForEndpoint(Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)})
		want(t, err, nil)
		_, err = viewVisit(t, view.TLSConfig(), addr)
		want(t, err, nil)
		changed := view.TLSConfig()
		change(changed)
		// In TLS 1.3 any suite goes that has the session's hash, and in TLS 1.2 the same one.
		full = full || version == tls.VersionTLS12 && changed.CipherSuites != nil
		if reused, err := viewVisit(t, changed, addr); err != nil || reused == full {
			t.Errorf("resumed %v, %v", reused, err)
		}
	})
}

var errStrict = errors.New("strict")

// A lax connection first: none of what it brought may help a strict one, which would reject the server.
func TestWhoTrustsNobodyIsNotTalkedInto(t *testing.T) {
	strict := map[string]func(*tls.Config){
		"roots": func(c *tls.Config) { c.RootCAs, c.InsecureSkipVerify = x509.NewCertPool(), false },
		"name":  func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "wrong.test", false },
		"time": func(c *tls.Config) {
			c.InsecureSkipVerify = false
			c.Time = func() time.Time { return time.Now().Add(400 * 24 * time.Hour) }
		},
		"connection": func(c *tls.Config) { c.VerifyConnection = func(tls.ConnectionState) error { return errStrict } },
		"peer certificate": func(c *tls.Config) {
			c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return errStrict }
		},
	}
	lax := func(version uint16) *tls.Config {
		config := base(version)
		config.InsecureSkipVerify = true
		return config
	}
	for number, version := range versions {
		addr := propertyServer(t)
		for name, change := range strict {
			t.Run(name+"/"+number, func(t *testing.T) {
				cache := newCache(t, Options{})
				changed := lax(version)
				change(changed)
				configOf := func(tlsConfig *tls.Config, identity string) *Config {
					config, err := cache.NewConfig(tlsConfig, ConfigOptions{Identity: identity})
					want(t, err, nil)
					return config
				}
				for _, identity := range []string{"", "one"} {
					visit(t, &Dialer{Config: configOf(lax(version), identity)}, addr)
					dialer := &Dialer{Config: configOf(changed, identity)}
					if _, err := dialer.DialContext(context.Background(), "tcp", addr); err == nil {
						t.Error("connected")
					}
				}
				config, endpoint := configOf(lax(version), ""), Endpoint{Host: "x"}
				attemptVisit(t, config, endpoint, addr, unchangedConfig)
				raw, err := net.Dial("tcp", addr)
				want(t, err, nil)
				defer raw.Close()
				attempt := config.Begin(endpoint)
				defer attempt.Close()
				change(attempt.TLSConfig())
				if tls.Client(raw, attempt.TLSConfig()).Handshake() == nil {
					t.Error("an attempt connected")
				}
				if name == "peer certificate" {
					return // crypto/tls doesn't call it for a View's session, nor for one of its own list
				}
				view, err := config.ForEndpoint(endpoint)
				want(t, err, nil)
				_, err = viewVisit(t, view.TLSConfig(), addr)
				want(t, err, nil)
				forView := view.TLSConfig()
				change(forView)
				if _, err := viewVisit(t, forView, addr); err == nil {
					t.Error("a View connected")
				}
			})
		}
	}
}

func TestAConfigDoesNotNoticeWhatIsDoneToTheCallersTLSConfig(t *testing.T) {
	addr := propertyServer(t)
	mine := base(tls.VersionTLS13)
	mine.Certificates = []tls.Certificate{certified(t, "client")}
	config, err := newCache(t, Options{}).NewConfig(mine, ConfigOptions{Identity: "one"})
	want(t, err, nil)
	dialer := &Dialer{Config: config}
	visit(t, dialer, addr)
	mine.RootCAs.AddCert(certified(t, "one more").Leaf)
	mine.Certificates[0] = certified(t, "other")
	mine.NextProtos[0] = "c"
	mine.InsecureSkipVerify = true
	if !visit(t, dialer, addr) {
		t.Error("not resumed")
	}
	if own := config.generation().tls; own.RootCAs.Equal(mine.RootCAs) ||
		own.Certificates[0].Leaf == mine.Certificates[0].Leaf || own.NextProtos[0] != "a" {
		t.Error("changed")
	}
}

func TestADigestTellsEachPropertyApart(t *testing.T) {
	digests := map[string]string{verification(base(tls.VersionTLS13)): "none"}
	if len(verification(&tls.Config{})) == 0 || verification(base(0)) != verification(base(0)) {
		t.Fatal("the same has the same digest")
	}
	for _, property := range properties {
		config := base(tls.VersionTLS13)
		if property.change(t, config); property.name == "ServerName" {
			continue // the endpoint has it
		}
		digest := verification(config)
		if other, ok := digests[digest]; ok {
			t.Error(property.name, " is as ", other)
		}
		digests[digest] = property.name
	}
	// Which function it is counts, not only that there is one.
	another := base(tls.VersionTLS13)
	another.VerifyConnection = func(tls.ConnectionState) error { return errors.New("nobody") }
	if other, ok := digests[verification(another)]; ok {
		t.Error("another VerifyConnection is as ", other)
	}
	hidden := base(tls.VersionTLS13)
	hidden.EncryptedClientHelloConfigList = []byte{1}
	if _, ok := digests[verification(hidden)]; ok || unchanged(hidden, base(tls.VersionTLS13)) {
		t.Error("ECH")
	}
}
