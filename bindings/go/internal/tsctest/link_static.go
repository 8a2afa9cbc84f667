//go:build tsc_static

package tsctest

// As in package tsc.

// #cgo linux,amd64 CFLAGS: -I${SRCDIR}/../../lib/linux_amd64
// #cgo linux,amd64 LDFLAGS: -L${SRCDIR}/../../lib/linux_amd64
// #cgo linux,arm64 CFLAGS: -I${SRCDIR}/../../lib/linux_arm64
// #cgo linux,arm64 LDFLAGS: -L${SRCDIR}/../../lib/linux_arm64
// #cgo LDFLAGS: -l:libtsc.a -pthread -ldl -lm
import "C"
