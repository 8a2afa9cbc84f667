package tsctest

// #include <stdlib.h>
// #include "tsctest.h"
import "C"

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// A Clock stands still until it is moved. Its memory is C's and is never freed, since a cache reads it
// until the cache itself is freed.
type Clock struct{ milliseconds *C.uint64_t }

// NewClock makes a Clock that stands at 0.
func NewClock() *Clock {
	return &Clock{(*C.uint64_t)(C.calloc(1, C.sizeof_uint64_t))}
}

// Func gives what to set as the clock of tsc_options.
func (c *Clock) Func() *[0]byte { return (*[0]byte)(C.tsctest_clock) }

// Arg gives what to set as its clock_arg.
func (c *Clock) Arg() unsafe.Pointer { return unsafe.Pointer(c.milliseconds) }

// Advance moves the clock on.
func (c *Clock) Advance(by time.Duration) {
	atomic.AddUint64((*uint64)(unsafe.Pointer(c.milliseconds)), uint64(by/time.Millisecond))
}
