package tsc

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
)

// What comes out of an import is whatever was sealed: any bytes decode to nothing, or to a session that
// is encoded as it was read.
func FuzzDecodeSession(f *testing.F) {
	for _, version := range versions {
		session, ok := encodeSession(caught(f, version))
		if !ok {
			f.Fatal("not encoded")
		}
		f.Add(session.bytes)
		f.Add(session.bytes[:len(session.bytes)-1])
	}
	f.Add([]byte{sessionFormat, 0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		state := decodeSession(bytes.Clone(data))
		if state == nil {
			return
		}
		first, ok := encodeSession(state)
		if !ok {
			return
		}
		again := decodeSession(bytes.Clone(first.bytes))
		if again == nil {
			t.Fatal("what was encoded isn't decoded")
		}
		if second, ok := encodeSession(again); !ok || !bytes.Equal(first.bytes, second.bytes) {
			t.Fatal("another session than before")
		}
	})
}

// A lifetime or a version that no session has is never read out of a state, whatever is in it.
func FuzzReadState(f *testing.F) {
	for _, version := range versions {
		_, state, err := caught(f, version).ResumptionState()
		if err != nil {
			f.Fatal(err)
		}
		encoded, err := state.Bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		version, lifetime, ok := readState(state)
		if !ok {
			return
		}
		if version < tls.VersionTLS10 || version > tls.VersionTLS13 {
			t.Fatal("version", version)
		}
		if single := version == tls.VersionTLS13; single != (lifetime != 0) || lifetime > 7*24*3600 {
			t.Fatal("lifetime", lifetime)
		}
	})
}

// Nothing but an export is imported.
func FuzzImport(f *testing.F) {
	cache, err := NewCache(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { cache.Close() })
	config, err := cache.NewConfig(&tls.Config{}, ConfigOptions{Identity: "one"})
	if err != nil {
		f.Fatal(err)
	}
	var key [ExportKeySize]byte
	empty, err := config.Export(&key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty[:len(empty)-1])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if bytes.Equal(sealed, empty) {
			return
		}
		if count, err := config.Import(&key, sealed); !errors.Is(err, ErrNotAuthentic) || count != 0 {
			t.Fatal(count, err)
		}
	})
}

// Whatever an endpoint is, the library says whether it is one.
func FuzzEndpoint(f *testing.F) {
	cache, err := NewCache(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { cache.Close() })
	config, err := cache.NewConfig(&tls.Config{}, ConfigOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("db.example", 9142, "", "", "")
	f.Add("", 0, "\x00", "g", "v")
	f.Add("h", 65536, "", "", "")
	f.Add("h", -1, "", "", "")
	f.Fuzz(func(t *testing.T, host string, port int, serverName, group, verification string) {
		endpoint := Endpoint{host, port, serverName, group, verification}
		count, err := config.Available(endpoint)
		long := false
		for _, name := range []string{host, serverName, group, verification} {
			long = long || len(name) > 255
		}
		good := host != "" && port >= 0 && port <= 65535 && !long
		if (err == nil) != good || count != 0 {
			t.Fatal(endpoint, count, err)
		}
		view, err := config.ForEndpoint(endpoint)
		if (err == nil) != good {
			t.Fatal(endpoint, err)
		}
		if _, found := view.Get(serverName); found {
			t.Fatal("nobody stored anything")
		}
	})
}
