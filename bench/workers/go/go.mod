// What worker.c is, in Go. A module of its own, so that the binding has no program in it.
module github.com/libtsc/libtsc/bench/workers/go

go 1.24

require github.com/libtsc/libtsc/bindings/go v0.0.0

replace github.com/libtsc/libtsc/bindings/go => ../../../bindings/go
