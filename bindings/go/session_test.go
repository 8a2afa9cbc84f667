package tsc

import (
	"bytes"
	"crypto/tls"
	"net"
	"strconv"
	"testing"
)

func portOf(t testing.TB, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// A catcher is a tls.ClientSessionCache that keeps the last session.
type catcher struct{ state *tls.ClientSessionState }

func (c *catcher) Get(string) (*tls.ClientSessionState, bool)  { return nil, false }
func (c *catcher) Put(_ string, state *tls.ClientSessionState) { c.state = state }

// caught returns a session that crypto/tls received.
func caught(t testing.TB, version uint16) *tls.ClientSessionState {
	t.Helper()
	c := new(catcher)
	config := clientConfig(version)
	config.ServerName, config.ClientSessionCache = "localhost", c
	client, server := net.Pipe()
	go answer(tls.Server(server, &tls.Config{Certificates: []tls.Certificate{self().certificate}}))
	conn := tls.Client(client, config)
	if _, err := ask(conn); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if c.state == nil {
		t.Fatal("no session came")
	}
	return c.state
}

func TestSessionsComeBackAsTheyWere(t *testing.T) {
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			state := caught(t, version)
			ticket, inner, _ := state.ResumptionState()
			inner.Extra = [][]byte{[]byte("an id and a version"), {}}
			want, err := inner.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			session, ok := encodeSession(state)
			if !ok {
				t.Fatal("not understood: has this version of Go another encoding?")
			}
			if session.version != version {
				t.Fatalf("version %x", session.version)
			}
			// crypto/tls's server grants seven days.
			if week := uint32(7 * 24 * 3600); version == tls.VersionTLS13 && session.lifetime != week ||
				version != tls.VersionTLS13 && session.lifetime != 0 {
				t.Fatalf("lifetime %d", session.lifetime)
			}
			back := decodeSession(session.bytes)
			if back == nil {
				t.Fatal("not parsed")
			}
			backTicket, backInner, err := back.ResumptionState()
			if err != nil {
				t.Fatal(err)
			}
			got, err := backInner.Bytes()
			if err != nil || !bytes.Equal(ticket, backTicket) || !bytes.Equal(want, got) {
				t.Fatalf("it changed: %v", err)
			}
			if len(backInner.Extra) != 2 || string(backInner.Extra[0]) != "an id and a version" {
				t.Fatalf("%q", backInner.Extra)
			}
		})
	}
}

func TestExtraGoesThroughTheCache(t *testing.T) {
	config := newDialer(t, newCache(t, Options{}), tls.VersionTLS13).Config
	view, err := config.ForEndpoint(Endpoint{Host: "localhost", Port: 1})
	if err != nil {
		t.Fatal(err)
	}
	state := caught(t, tls.VersionTLS13)
	_, inner, _ := state.ResumptionState()
	inner.Extra = append(inner.Extra, []byte("mine"))
	view.Put("localhost", state)
	back, ok := view.Get("localhost")
	if !ok {
		t.Fatal("not there")
	}
	if _, inner, _ := back.ResumptionState(); len(inner.Extra) != 1 || string(inner.Extra[0]) != "mine" {
		t.Fatalf("%q", inner.Extra)
	}
	if _, ok := view.Get("localhost"); ok {
		t.Fatal("a ticket twice")
	}
}

func TestWhatIsNoSessionIsNotUnderstood(t *testing.T) {
	for number, version := range versions {
		t.Run(number, func(t *testing.T) {
			session, ok := encodeSession(caught(t, version))
			if !ok {
				t.Fatal("not understood")
			}
			for length := range session.bytes {
				if decodeSession(session.bytes[:length]) != nil {
					t.Fatalf("parsed %d of %d bytes", length, len(session.bytes))
				}
			}
			other := bytes.Clone(session.bytes)
			other[0]++
			if decodeSession(other) != nil {
				t.Fatal("parsed another format")
			}

			_, inner, _ := decodeSession(session.bytes).ResumptionState()
			state, _ := inner.Bytes()
			needed := len(state)
			if version == tls.VersionTLS12 {
				needed -= 2 // curve_id, which Go 1.24 has not
			}
			for length := range needed {
				if _, _, ok := readState(state[:length]); ok {
					t.Fatalf("read %d of %d bytes", length, len(state))
				}
			}
			for what, change := range map[string]func([]byte){
				"a version to come": func(b []byte) { b[1] = 5 },
				"a server's":        func(b []byte) { b[2] = 1 },
				"another type":      func(b []byte) { b[2] = 3 },
				"a time to come":    func(b []byte) { b[5] = 0xff },
			} {
				other := bytes.Clone(state)
				change(other)
				_, _, ok := readState(other)
				// Before TLS 1.3 there is no lifetime to contradict the time.
				if ok && !(what == "a time to come" && version != tls.VersionTLS13) {
					t.Errorf("understood %s", what)
				}
			}
		})
	}
	if _, ok := encodeSession(nil); ok {
		t.Error("understood nil")
	}
	if _, ok := encodeSession(new(tls.ClientSessionState)); ok {
		t.Error("understood an empty session")
	}
}

// One that was stored and can't be parsed, as an export of another version of Go may bring, costs a
// full handshake.
func TestASessionThatDoesNotParseIsSpent(t *testing.T) {
	addr := goServer(t, nil)
	cache := newCache(t, Options{})
	config := newDialer(t, cache, tls.VersionTLS13).Config
	endpoint := Endpoint{Host: "127.0.0.1", Port: portOf(t, addr)}
	attempt := config.Begin(endpoint)
	foreign := session{version: tls.VersionTLS13, lifetime: 60, bytes: []byte{sessionFormat, 0, 0, 0, 0, 3}}
	if err := attempt.receive(foreign); err != nil {
		t.Fatal(err)
	}
	if err := attempt.Established(tls.ConnectionState{}); err != nil {
		t.Fatal(err)
	}
	attempt.Close()
	if n, err := config.Available(endpoint); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	dialer := &Dialer{Config: config}
	if visit(t, dialer, addr) {
		t.Fatal("resumed")
	}
	if got := stats(t, cache); got.Offered != 1 || got.Refused != 1 || got.Established != 2 {
		t.Fatalf("%+v", got)
	}
}
