//go:build !cgo

package tsc

// Without cgo there is no libtsc. This doesn't compile, so that the compiler's message says why.
var _ = package_tsc_needs_cgo__set_CGO_ENABLED_1_and_install_a_C_compiler
