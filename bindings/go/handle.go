//go:build cgo

package tsc

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// A handle holds a handle of the library, which may be freed once and while no call is in it. Closing
// frees it at once, or when the last call that is in it returns. No lock is held during a call: the
// library may call back, and what it calls may use or close the same handle.
//
// A caller that uses what acquire gives calls release after the C call; that keeps the owner reachable as
// well, so that the garbage collector's cleanup can't run during it (no runtime.KeepAlive needed).
type handle struct {
	ptr  unsafe.Pointer
	free func(unsafe.Pointer)
	// Twice the number of calls that are in it, plus 1 if it is closed.
	state   atomic.Int64
	cleanup runtime.Cleanup
}

// open fills the handle of an owner. If the owner is forgotten and not closed, the garbage collector
// frees it, some time.
func open[T any](owner *T, h *handle, ptr unsafe.Pointer, free func(unsafe.Pointer)) {
	h.ptr = ptr
	h.free = free
	h.cleanup = runtime.AddCleanup(owner, free, ptr)
}

// acquire returns nil if the handle is closed or was never made.
func (h *handle) acquire() unsafe.Pointer {
	for h.ptr != nil {
		state := h.state.Load()
		if state&1 != 0 {
			break
		}
		if h.state.CompareAndSwap(state, state+2) {
			return h.ptr
		}
	}
	return nil
}

func (h *handle) release() {
	if h.state.Add(-2) == 1 {
		h.free(h.ptr)
	}
}

// close says whether it was this call that closed the handle.
func (h *handle) close() bool {
	for h.ptr != nil {
		state := h.state.Load()
		if state&1 != 0 {
			break
		}
		if h.state.CompareAndSwap(state, state|1) {
			h.cleanup.Stop()
			if state == 0 {
				h.free(h.ptr)
			}
			return true
		}
	}
	return false
}
