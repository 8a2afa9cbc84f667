//go:build tsc_static

package tsc

// A library that was put beside this file, header and all, is used before one of the system's. The
// rest is what Rust's standard library needs.

// #cgo CFLAGS: -I${SRCDIR}/lib
// #cgo LDFLAGS: -L${SRCDIR}/lib -l:libtsc.a -pthread -ldl -lm -lgcc_s
import "C"
