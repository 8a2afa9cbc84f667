##@ Go

# Go looks for the library with pkg-config, and this one says that it is in the build tree. Of headers
# and libraries outside its module Go doesn't notice when they change, but of flags it does.
GO_ENV = PKG_CONFIG_PATH=$(CURDIR)/build/go LD_LIBRARY_PATH=$(CURDIR)/build/core CGO_CFLAGS="-O2 -g \
    -DTSC_BUILD=$$(cat include/tsc.h build/core/libtsc.a build/core/libtsc.so | cksum | cut -d ' ' -f 1)"
IN_GO = export $(GO_ENV) && cd bindings/go &&

test-bindings: test-go test-go-oldest test-go-cassandra

test-go: lint-go bundle-go build/test/tap agent ## Test the Go binding: race detector, static library, inside a driver
	@$(IN_GO) GOEXPERIMENT=cgocheck2 GOGC=1 go test -race -count=1 -timeout 5m ./...
	@$(IN_GO) go test -tags tsc_static -count=1 ./...
	@$(IN_GO) cd drivers && go test -skip Cassandra -count=1 -timeout 5m ./...
	@tools/go-needs-cgo bindings/go

# What is read of a session's encoding differs between versions. Go fetches this one by itself.
test-go-oldest: deps-go bundle-go build/go/tsc.pc agent ## Test the Go binding with the oldest Go that it supports
	@$(IN_GO) GOTOOLCHAIN=go1.24.13 go test -count=1 ./...

test-go-cassandra: deps-go build/go/tsc.pc build/test/tap cassandra ## Test gocql against Cassandra, TLS 1.2 and 1.3
	@$(IN_GO) cd drivers && go test -run Cassandra -count=1 -timeout 10m ./...

lint-go: deps-go build/go/tsc.pc ## Check format and lints of the Go binding
	@unformatted=$$(gofmt -l bindings/go bench/engine/go bench/workers/go bench/linking tests/install tests/release); \
	    [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	@$(IN_GO) go vet ./... && cd drivers && go vet ./... && cd ../../../bench/engine/go && go vet ./... && \
	    cd ../../workers/go && go vet ./...

fuzz-go: deps-go build/go/tsc.pc ## Fuzz the Go binding, a minute each function; SECONDS=
	@export $(GO_ENV) && tools/fuzz go $(SECONDS)

bench-go: deps-go build/go/tsc.pc ## Measure the Go binding
	@$(IN_GO) go test -run '^$$' -bench . -benchmem

# For `make bench`.
build/bench/engine-go: $(wildcard bench/engine/go/*) $(wildcard bindings/go/*.go) build/core/libtsc.so | deps-go build/go/tsc.pc
	@mkdir -p $(@D)
	@export $(GO_ENV) && cd bench/engine/go && go build -o ../../../$@ .

# For `make workers`.
build/bench/workers/worker-go: $(wildcard bench/workers/go/*) $(wildcard bindings/go/*.go) build/core/libtsc.so | deps-go build/go/tsc.pc
	@mkdir -p $(@D)
	@export $(GO_ENV) && cd bench/workers/go && go build -o ../../../$@ .

bench-linking: deps-go build ## Compare cgo and purego: docs/decisions/0032-go-linking.md
	@mkdir -p build/bench
	@cd bench/linking && CGO_ENABLED=1 go build -o ../../build/bench/linking-cgo . && \
	    CGO_ENABLED=0 go build -o ../../build/bench/linking-purego .
	@build/bench/linking-cgo build/core/$(SONAME)

# The folders that the build tag tsc_static looks into first. Releases carry them: tools/release-go.
bundle-go: build deps-go ## Put header and static library where the build tag tsc_static looks
	@cp include/tsc.h build/core/libtsc.a bindings/go/lib/linux_$$(go env GOARCH)/

build/go/tsc.pc: mk/go.mk | build
	@mkdir -p $(@D)
	@printf '%s\n' 'Name: tsc' 'Description: libtsc in its build tree' 'Version: 0' \
	    'Cflags: -I$(CURDIR)/include' 'Libs: -L$(CURDIR)/build/core -ltsc' >$@

.PHONY: test-go test-go-oldest test-go-cassandra lint-go fuzz-go bench-go bench-linking bundle-go
