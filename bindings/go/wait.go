package tsc

// #include "bridge.h"
import "C"

import (
	"context"
	"math"
	"os"
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
	if a.shares {
		// Nobody calls back for what another process receives, but a descriptor tells of it.
		if file := a.watch(most); file != nil {
			defer file.Close()
			return waitReadable(ctx, file)
		}
		return nil
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
	return C.tscgo_attempt_wait(attempt, ceilMilliseconds(limit), C.uintptr_t(number)) == C.TSC_WAIT
}

// watch returns what becomes readable when the wait is over; nil if there is nothing to wait for.
func (a *Attempt) watch(limit time.Duration) *os.File {
	attempt, err := a.acquire()
	if err != nil {
		return nil
	}
	defer a.handle.release()
	if fd := C.tscgo_attempt_watch(attempt, ceilMilliseconds(limit)); fd >= 0 {
		return os.NewFile(uintptr(fd), "tsc wait")
	}
	return nil
}

// waitReadable has Go's poller wait, which blocks no thread. It fails only if ctx is done.
func waitReadable(ctx context.Context, file *os.File) error {
	defer context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) })()
	if conn, err := file.SyscallConn(); err == nil {
		conn.Read(func(fd uintptr) bool { return C.tscgo_is_readable(C.int(fd)) != 0 })
	}
	// The library's timer may be first where both end at the context's deadline, which is the context's to say.
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err()
}

// ceilMilliseconds rounds up, so that less than one isn't "don't wait".
func ceilMilliseconds(limit time.Duration) C.uint32_t {
	return C.uint32_t(min((limit+time.Millisecond-1)/time.Millisecond, math.MaxUint32))
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
