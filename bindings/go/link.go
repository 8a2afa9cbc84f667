//go:build !tsc_static

package tsc

// #cgo pkg-config: tsc
import "C"
