package tsc

import (
	"crypto/tls"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/libtsc/libtsc/bindings/go/internal/tsctest"
)

// A world is what one case of tests/vectors/attempt.txt happens in.
type world struct {
	t        *testing.T
	clock    *tsctest.Clock
	cache    *Cache
	configs  map[string]*Config
	attempts map[string]*Attempt
}

func newWorld(t *testing.T, options Options) *world {
	clock := tsctest.NewClock()
	cache := newCacheWithClock(t, options, clock)
	return &world{t, clock, cache, map[string]*Config{}, map[string]*Attempt{}}
}

func (w *world) end() {
	for _, attempt := range w.attempts {
		attempt.Close()
	}
	for _, config := range w.configs {
		config.Close()
	}
	w.cache.Close()
}

func (w *world) number(word string) int {
	w.t.Helper()
	number, err := strconv.Atoi(word)
	if err != nil {
		w.t.Fatal(err)
	}
	return number
}

func (w *world) endpoint(words []string) Endpoint {
	w.t.Helper()
	for i, word := range words {
		if word == "-" {
			words[i] = ""
		}
	}
	endpoint := Endpoint{Host: words[0], Port: w.number(words[1]), ServerName: words[2], Group: words[3]}
	if len(words) > 4 {
		endpoint.Verification = words[4]
	}
	return endpoint
}

// run does what a line says, and gives what is answered; nothing, for what has no answer.
func (w *world) run(words []string) string {
	w.t.Helper()
	verb := words[0]
	switch verb {
	case "clock":
		w.clock.Advance(time.Duration(w.number(words[1])) * time.Second)
		return ""
	case "clear":
		want(w.t, w.cache.Clear(), nil)
		return ""
	case "close":
		want(w.t, w.cache.Close(), nil)
		return ""
	case "config":
		identity := strings.Join(words[2:], " ")
		config, err := w.cache.NewConfig(nil, ConfigOptions{Identity: identity})
		want(w.t, err, nil)
		w.configs[words[1]] = config
		return ""
	case "available":
		count, err := w.configs[words[1]].Available(w.endpoint(words[2:]))
		want(w.t, err, nil)
		return strconv.Itoa(count)
	case "attempt":
		attempt := w.configs[words[2]].Begin(w.endpoint(words[3:]))
		w.attempts[words[1]] = attempt
		return status(attempt.err)
	}
	attempt := w.attempts[words[1]]
	switch verb {
	case "receive":
		version := map[string]uint16{"12": tls.VersionTLS12, "13": tls.VersionTLS13}[words[2]]
		return status(attempt.receive(session{version, uint32(w.number(words[3])), []byte(words[4])}))
	case "offer":
		var offered []byte
		var err error
		tsctest.WithoutSent(func() { offered, err = attempt.offer() })
		if err != nil {
			return status(err)
		}
		return string(offered)
	case "wait":
		limit := time.Duration(w.number(words[2])) * time.Millisecond
		want(w.t, attempt.Wait(w.t.Context(), limit), nil)
		return ""
	case "sent", "withdraw":
		ptr, err := attempt.acquire()
		if err != nil {
			return status(err)
		}
		defer attempt.handle.release()
		call := map[string]func(unsafe.Pointer) uint32{"sent": tsctest.Sent, "withdraw": tsctest.Withdraw}[verb]
		if answer := call(unsafe.Pointer(ptr)); answer != 0 {
			return status(Error(answer))
		}
		return status(nil)
	case "established":
		return status(attempt.Established(tls.ConnectionState{DidResume: words[2] == "resumed"}))
	case "failed":
		return status(attempt.Failed(w.seen(words[2])))
	case "reason":
		info, err := attempt.Info()
		want(w.t, err, nil)
		return reasons[info.Reason]
	case "free":
		attempt.Close()
		delete(w.attempts, words[1])
		return ""
	}
	w.t.Fatal("no such verb: ", verb)
	return ""
}

func (w *world) seen(facts string) (seen Failure) {
	w.t.Helper()
	for fact := range strings.SplitSeq(facts, "|") {
		field, ok := map[string]*bool{
			"none": new(bool), "sent": &seen.Sent, "handshake_done": &seen.HandshakeDone,
			"resumed": &seen.Resumed, "timed_out": &seen.TimedOut, "cancelled": &seen.Cancelled,
			"alert": &seen.Alert,
		}[fact]
		if !ok {
			w.t.Fatal("no such fact: ", fact)
		}
		*field = true
	}
	return seen
}

var reasons = map[Reason]string{
	ReasonNone: "none", ReasonNothingStored: "nothing_stored", ReasonExpired: "expired",
	ReasonEvicted: "evicted", ReasonTaken: "taken", ReasonRefused: "refused", ReasonWithheld: "withheld",
	ReasonWaitedInVain: "waited_in_vain", ReasonNotSent: "not_sent", ReasonNotAsked: "not_asked",
	ReasonCacheOff: "cache_off", ReasonFailed: "failed",
	ReasonOtherVerification: "other_verification", ReasonAgentAway: "agent_away",
}

func status(err error) string {
	for word, is := range map[string]error{
		"ok": nil, "not_found": ErrNotFound, "invalid_argument": ErrInvalidArgument,
		"too_large": ErrTooLarge, "no_memory": ErrNoMemory, "closed": ErrClosed,
		"discarded": ErrDiscarded, "wrong_state": ErrWrongState, "unsupported": ErrUnsupported,
	} {
		if errors.Is(err, is) {
			return word
		}
	}
	return err.Error()
}

func TestEveryLanguageIsAnsweredTheSame(t *testing.T) {
	vectors, err := os.ReadFile("../../tests/vectors/attempt.txt")
	if err != nil {
		t.Fatal(err)
	}
	var world *world
	answers, skips := 0, false
	for number, line := range strings.Split(string(vectors), "\n") {
		does, expected, _ := strings.Cut(line, " = ")
		words := strings.Fields(does)
		switch {
		case len(words) == 0 || words[0][0] == '#':
			continue
		case words[0] == "case":
			if world != nil {
				world.end()
			}
			world, skips = newWorld(t, Options{}), false
			continue
		case words[0] == "share":
			world.end()
			world, skips = newWorld(t, Options{Share: true, Agent: "/dev/null/agent"}), runtime.GOOS != "linux"
			continue
		case skips:
			continue
		}
		expected = strings.TrimSpace(expected)
		if answer := world.run(words); answer != expected {
			t.Fatalf("line %d: %s, and not %q", number+1, line, answer)
		}
		if expected != "" {
			answers++
		}
	}
	world.end()
	if answers <= 100 {
		t.Fatalf("%d answers", answers)
	}
}
