//go:build tsc_static

package tsc

// The archive and the header in lib, which the tags of releases carry and `make bundle-go` makes, are used
// before a library of the system's. The rest is what Rust's standard library needs.

// #cgo linux,amd64 CFLAGS: -I${SRCDIR}/lib/linux_amd64
// #cgo linux,amd64 LDFLAGS: -L${SRCDIR}/lib/linux_amd64
// #cgo linux,arm64 CFLAGS: -I${SRCDIR}/lib/linux_arm64
// #cgo linux,arm64 LDFLAGS: -L${SRCDIR}/lib/linux_arm64
// #cgo LDFLAGS: -l:libtsc.a -pthread -ldl -lm
import "C"

import (
	_ "github.com/libtsc/libtsc/bindings/go/lib/linux_amd64"
	_ "github.com/libtsc/libtsc/bindings/go/lib/linux_arm64"
)
