//go:build tsc_static

package tsctest

// As in package tsc.

// #cgo CFLAGS: -I${SRCDIR}/../../lib
// #cgo LDFLAGS: -L${SRCDIR}/../../lib -l:libtsc.a -pthread -ldl -lm -lgcc_s
import "C"
