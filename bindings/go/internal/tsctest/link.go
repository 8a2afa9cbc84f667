//go:build !tsc_static

package tsctest

// #cgo pkg-config: tsc
import "C"
