package tsc

// #include "bridge.h"
import "C"

import (
	"context"
	"math"
	"time"
)

// Wait waits for a session that another attempt at the same endpoint is about to receive, if one is expected
// in time. After it, the handshake may begin. It takes at most limit. Call it when the network connection is
// established. It blocks no thread.
//
// It fails only if ctx is done, with ctx.Err().
func (a *Attempt) Wait(ctx context.Context, limit time.Duration) error {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return err
	}
	// The library forecasts with the context's deadline, but it is the context that says when that has
	// come: a timer of ours might be first, and the handshake would begin.
	most := limit
	if deadline, ok := ctx.Deadline(); ok {
		most = min(limit, max(time.Until(deadline), 1))
	}
	ready := make(chan struct{})
	number := waits.add(ready)
	defer waits.remove(number)
	if !a.queue(most, number) {
		return nil
	}
	defer a.leave()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// queue says whether there is something to wait for.
func (a *Attempt) queue(limit time.Duration, number uintptr) bool {
	attempt, err := a.acquire()
	if err != nil {
		return false
	}
	defer a.handle.release()
	// Rounded up, so that less than a millisecond isn't "don't wait".
	ms := min((limit+time.Millisecond-1)/time.Millisecond, math.MaxUint32)
	return C.tscgo_attempt_wait(attempt, C.uint32_t(ms), C.uintptr_t(number)) == C.TSC_WAIT
}

// leave gives up the place in the queue, if the attempt is still in it.
func (a *Attempt) leave() {
	if attempt, err := a.acquire(); err == nil {
		C.tsc_attempt_wait_end(attempt)
		a.handle.release()
	}
}

var waits registry[chan struct{}]

// The library calls this once for each wait, perhaps when the deadline has been there first.
//
//export tscgoReady
func tscgoReady(number C.uintptr_t) {
	if ready, ok := waits.get(uintptr(number)); ok {
		close(ready)
	}
}
