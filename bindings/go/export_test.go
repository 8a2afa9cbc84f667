package tsc

import (
	"bytes"
	"testing"
)

// restarted returns a dialer as the next process has one: another cache, the same tls.Config.
func restarted(t *testing.T, version uint16, identity string) *Dialer {
	t.Helper()
	config, err := newCache(t, Options{}).NewConfig(clientConfig(version), ConfigOptions{Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { config.Close() })
	return &Dialer{Config: config}
}

func TestAnExportIsResumedByTheNextProcess(t *testing.T) {
	key := &[ExportKeySize]byte{1}
	eachServer(t, func(t *testing.T, addr string, version uint16) {
		before := restarted(t, version, "same")
		visit(t, before, addr)
		endpoint := Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)}
		had, err := before.Config.Available(endpoint)
		if had == 0 || err != nil {
			t.Fatal(had, err)
		}
		sealed, err := before.Config.Export(key)
		if err != nil {
			t.Fatal(err)
		}
		after := restarted(t, version, "same")
		if count, err := after.Config.Import(key, sealed); count != had || err != nil {
			t.Fatalf("%d of %d: %v", count, had, err)
		}
		if !visit(t, after, addr) {
			t.Fatal("what was imported was not resumed")
		}
		// In TLS 1.3 each is only in one place.
		if reused := visit(t, before, addr); reused != (version == versions["1.2"]) {
			t.Fatalf("and where it was exported, resumed %v", reused)
		}
	})
}

func TestAnExportThatIsNotAsItWasIsRefused(t *testing.T) {
	key := &[ExportKeySize]byte{1}
	version := versions["1.3"]
	addr := goServer(t, nil)
	before, after := restarted(t, version, "same"), restarted(t, version, "same")
	visit(t, before, addr)
	sealed, err := before.Config.Export(key)
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)/2] ^= 1
	for _, bad := range [][]byte{nil, sealed[1:], sealed[:len(sealed)-1], altered} {
		_, err := after.Config.Import(key, bad)
		want(t, err, ErrNotAuthentic)
	}
	_, err = after.Config.Import(&[ExportKeySize]byte{2}, sealed)
	want(t, err, ErrNotAuthentic)
	_, err = restarted(t, version, "other").Config.Import(key, sealed)
	want(t, err, ErrNotAuthentic)
	if visit(t, after, addr) {
		t.Fatal("resumed with what was refused")
	}

	none := restarted(t, version, "")
	_, err = none.Config.Export(key)
	want(t, err, ErrUnsupported)
	_, err = none.Config.Import(key, sealed)
	want(t, err, ErrUnsupported)
	_, err = after.Config.Export(nil)
	want(t, err, ErrInvalidArgument)
	_, err = after.Config.Import(nil, sealed)
	want(t, err, ErrInvalidArgument)
	after.Config.Close()
	_, err = after.Config.Export(key)
	want(t, err, ErrClosed)
	_, err = after.Config.Import(key, sealed)
	want(t, err, ErrClosed)
	_, err = (*Config)(nil).Export(key)
	want(t, err, ErrInvalidArgument)
}
