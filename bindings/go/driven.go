package tsc

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// What only the tests use is here, and not with them, because cgo is not to be had in test files.

// A drivenClock stands still until it is moved. Its memory is C's and is not given back, since a cache
// reads it until it is freed.
type drivenClock struct{ milliseconds *C.uint64_t }

func newDrivenClock() *drivenClock {
	return &drivenClock{(*C.uint64_t)(C.calloc(1, C.sizeof_uint64_t))}
}

// now gives where C finds the time; nil for the system's clock.
func (d *drivenClock) now() *C.uint64_t {
	if d == nil {
		return nil
	}
	return d.milliseconds
}

func (d *drivenClock) advance(by time.Duration) {
	atomic.AddUint64((*uint64)(unsafe.Pointer(d.milliseconds)), uint64(by/time.Millisecond))
}

// sent says what offer can say by itself.
func (a *Attempt) sent() error {
	attempt, err := a.acquire()
	if err != nil {
		return err
	}
	defer a.handle.release()
	return failure(C.tsc_attempt_sent(attempt))
}
