##@ Go

# Go looks for the library with pkg-config; this one says that it is in the build tree.
GO_ENV = PKG_CONFIG_PATH=$(CURDIR)/build/go LD_LIBRARY_PATH=$(CURDIR)/build/core
GO_TEST = cd bindings/go && $(GO_ENV)

test-go: lint-go bundle-go ## Tests the Go binding, with the race detector and against the static library
	$(GO_TEST) GOEXPERIMENT=cgocheck2 GOGC=1 go test -race -timeout 5m ./...
	$(GO_TEST) go test -tags tsc_static ./...
	@tests/check/go-needs-cgo bindings/go

lint-go: deps-go build/go/tsc.pc ## Checks format and lints of the Go binding
	@test -z "$$(gofmt -l bindings/go | tee /dev/stderr)"
	$(GO_TEST) go vet ./...

bench-go: deps-go build/go/tsc.pc ## Measures the Go binding
	$(GO_TEST) go test -run '^$$' -bench . -benchmem

# The folder that the build tag tsc_static looks into first.
bundle-go: build ## Puts header and static library beside the Go binding, for the build tag tsc_static
	@mkdir -p bindings/go/lib
	@cp include/tsc.h build/core/libtsc.a bindings/go/lib/

build/go/tsc.pc: go.mk | build
	@mkdir -p $(@D)
	@printf '%s\n' 'Name: tsc' 'Description: libtsc in its build tree' 'Version: 0' \
	    'Cflags: -I$(CURDIR)/include' 'Libs: -L$(CURDIR)/build/core -ltsc' >$@

deps-go:
	@tests/check/deps go

.PHONY: test-go lint-go bench-go bundle-go deps-go
