package tsc

// #include "bridge.h"
import "C"

// A State says how far an [Attempt] has come.
type State uint32

const (
	// StateOpen: nobody has reported the outcome yet.
	StateOpen = State(C.TSC_ATTEMPT_OPEN)
	// StateEstablished: what arrives now goes straight into the cache.
	StateEstablished = State(C.TSC_ATTEMPT_ESTABLISHED)
	// StateFailed: what arrives now is discarded.
	StateFailed = State(C.TSC_ATTEMPT_FAILED)
)

// An Info is what has become of one attempt so far.
type Info struct {
	State State
	// A session was taken to be offered; the connection was established by resuming it, or the server
	// did not take it.
	Offered, Resumed, Refused bool
	// Why the connection did not resume, as far as that is decided.
	Reason Reason
	// Sessions received, and how many of these went into the cache or were discarded. The rest is staged.
	Received, Stored, Discarded int
}

// Info returns what has become of the attempt so far.
func (a *Attempt) Info() (Info, error) {
	attempt, err := a.acquire()
	if err != nil {
		return Info{}, err
	}
	defer a.handle.release()
	got := C.tscgo_attempt_info_get(attempt)
	c := &got.info
	return Info{
		State:     State(c.state),
		Offered:   c.offered != 0,
		Resumed:   c.resumed != 0,
		Refused:   c.refused != 0,
		Reason:    Reason(c.reason),
		Received:  int(c.received),
		Stored:    int(c.stored),
		Discarded: int(c.discarded),
	}, failure(got.status)
}
