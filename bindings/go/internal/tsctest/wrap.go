package tsctest

// #cgo LDFLAGS: -Wl,--wrap=tsc_cache_new -Wl,--wrap=tsc_cache_free
// #cgo LDFLAGS: -Wl,--wrap=tsc_config_new -Wl,--wrap=tsc_config_free
// #cgo LDFLAGS: -Wl,--wrap=tsc_attempt_new -Wl,--wrap=tsc_attempt_free
// #cgo LDFLAGS: -Wl,--wrap=tsc_attempt_sent
// #include "tsctest.h"
import "C"

import "unsafe"

// Handles says how many handles of the library were made and are not freed yet.
func Handles() int64 { return int64(C.tsctest_handles()) }

// WithoutSent calls a function during which tsc_attempt_sent does nothing. Package tsc says "sent" in
// the same call that makes the offer; this is for looking at what is between the two.
func WithoutSent(f func()) {
	C.tsctest_hold_sent(true)
	defer C.tsctest_hold_sent(false)
	f()
}

// Sent calls tsc_attempt_sent for a tsc_attempt, and gives its tsc_status.
func Sent(attempt unsafe.Pointer) uint32 {
	return uint32(C.tsc_attempt_sent((*C.tsc_attempt)(attempt)))
}

// Withdraw calls tsc_attempt_withdraw for a tsc_attempt, and gives its tsc_status.
func Withdraw(attempt unsafe.Pointer) uint32 {
	return uint32(C.tsc_attempt_withdraw((*C.tsc_attempt)(attempt)))
}
