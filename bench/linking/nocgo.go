//go:build !cgo

package main

func linked() map[string]library { return map[string]library{} }
