package tsc

import (
	"crypto/tls"
	"testing"
)

// What one Put and one Get cost, against the list of crypto/tls, which keeps objects and has nothing
// to take apart. "encoding" and "parsing" are crypto/tls's own part of it.
func BenchmarkCost(b *testing.B) {
	for number, version := range versions {
		state := caught(b, version)
		ticket, inner, _ := state.ResumptionState()
		encoded, err := inner.Bytes()
		if err != nil {
			b.Fatal(err)
		}
		cache := newCache(b, Options{})
		config := newDialer(b, cache, version).Config
		endpoint := Endpoint{Host: "localhost", Port: 1}
		view, err := config.ForEndpoint(endpoint)
		if err != nil {
			b.Fatal(err)
		}
		list := tls.NewLRUClientSessionCache(64)
		b.Run("TLS="+number, func(b *testing.B) {
			b.Run("one call into C", func(b *testing.B) {
				for b.Loop() {
					Version()
				}
			})
			b.Run("encoding", func(b *testing.B) {
				for b.Loop() {
					inner.Bytes()
				}
			})
			b.Run("parsing", func(b *testing.B) {
				for b.Loop() {
					if parsed, err := tls.ParseSessionState(encoded); err == nil {
						tls.NewResumptionState(ticket, parsed)
					}
				}
			})
			b.Run("View.Put", func(b *testing.B) {
				for b.Loop() {
					view.Put("x", state)
				}
			})
			b.Run("View.Put and Get", func(b *testing.B) {
				for b.Loop() {
					view.Put("x", state)
					if _, ok := view.Get("x"); !ok {
						b.Fatal("not there")
					}
				}
			})
			b.Run("Attempt, whole", func(b *testing.B) {
				for b.Loop() {
					attempt := config.Begin(endpoint)
					_, found := attempt.Get("x")
					attempt.Put("x", state)
					attempt.Established(tls.ConnectionState{DidResume: found})
					attempt.Close()
				}
			})
			b.Run("list of crypto-tls, Put and Get", func(b *testing.B) {
				for b.Loop() {
					list.Put("x", state)
					list.Get("x")
				}
			})
		})
	}
}
