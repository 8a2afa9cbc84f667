# libtsc is built, checked and tested from here. `make help` lists the targets.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# Cargo uses all processors by itself; two of it at once only wait for each other.
.NOTPARALLEL:

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR

CC_TEST = $(CC) -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Wpedantic -Werror
INCLUDE = -Iinclude -Ibindings/c -Ibuild/include -Itests/c
HEADERS = include/tsc.h $(wildcard bindings/c/*.h) $(wildcard tests/c/*.h)

# What clang-format looks after; tsc.h is cbindgen's, also where `make bundle-go` puts a copy of it.
C_FILES = $(shell find bindings examples tests benches -path bindings/go/lib -prune -o \
    \( -name '*.[ch]' -o -name '*.[ch]pp' \) -print | sort)

# Every tests/c/<kind>_<name>.c is one test program.
API_TESTS     := $(patsubst tests/c/%.c,%,$(wildcard tests/c/api_*.c))
OPENSSL_TESTS := $(patsubst tests/c/%.c,%,$(wildcard tests/c/openssl_*.c))
RUSTLS_TESTS  := $(patsubst tests/c/%.c,%,$(wildcard tests/c/rustls_*.c))
UNLOAD_TESTS  := $(patsubst tests/c/%.c,%,$(wildcard tests/c/unload_*.c))

##@ Build

help: ## Lists the targets
	@awk -f tests/check/help.awk $(wildcard *.mk) Makefile

# The SONAME is the ABI's name, not the crate's version: docs/abi.md says when its number grows.
SONAME = libtsc.so.0

build: build/full/$(SONAME) build/core/$(SONAME) build/include/rustls.h ## Builds build/full (with rustls), build/core (without) and build/include
	@:

SOURCES := Cargo.toml Cargo.lock build.rs cbindgen.toml $(shell find src -name '*.rs')

# The cdylib and the staticlib are asked for by themselves: with an rlib beside them cargo switches LTO
# off (rust-lang/rust#51009). Both builds come out of cargo under the same name, so cargo is not asked
# when nothing changed: it would link both again.
build/full/$(SONAME): FEATURES = --features rustls-ffi
build/core/$(SONAME): FEATURES = --features capi
build/full/$(SONAME) build/core/$(SONAME): $(SOURCES) | deps-build
	$(CARGO) rustc --release --lib --crate-type cdylib --crate-type staticlib $(FEATURES) \
	    -- -C link-arg=-Wl,-soname,$(SONAME)
	@mkdir -p $(@D)
	@cp $(CARGO_TARGET_DIR)/release/liblibtsc.a $(@D)/libtsc.a
	@cp $(CARGO_TARGET_DIR)/release/liblibtsc.so $@
	@ln -sf $(SONAME) $(@D)/libtsc.so

# rustls.h comes with the very rustls-ffi that is in the library.
build/include/rustls.h: Cargo.lock | deps-build
	@mkdir -p $(@D)
	@cp "$$($(CARGO) metadata --format-version 1 | tr ',' '\n' | \
	    sed -n 's|^"manifest_path":"\(.*/rustls-ffi-[^/]*\)/Cargo.toml"$$|\1|p')/src/rustls.h" $@

header: deps-build ## Writes include/tsc.h anew from src/capi
	@TSC_UPDATE=1 $(CARGO) test --quiet --features capi --test header -- generated

clean: ## Removes what was built
	$(CARGO) clean
	rm -rf build

-include demo.mk
-include install.mk
-include tap.mk
-include cpp.mk
-include storm.mk
-include cassandra.mk
-include go.mk
-include python.mk

##@ Test

test: ## Runs everything that CI runs
	@tests/check/sections deps lint build check test-rust test-interleavings test-c test-asan test-valgrind \
	    test-demo test-install test-bindings storm-quick

lint: lint-rust lint-c ## Checks format and lints, Rust and C

lint-rust: deps-test ## Checks format and lints, Rust
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --features rustls -- -D warnings
	$(CARGO) clippy --all-targets --features capi -- -D warnings
	$(CARGO) clippy --all-targets --features rustls-ffi -- -D warnings

lint-c: deps-test ## Checks the format, C and C++
	@tests/check/clang-format --dry-run -Werror $(C_FILES)

fmt: deps-test ## Formats the sources, Rust and C
	$(CARGO) fmt
	@tests/check/clang-format -i $(C_FILES)

test-rust: deps-test ## Runs the Rust tests with each set of features
	$(CARGO) test
	$(CARGO) test --features rustls
	$(CARGO) test --features capi
	$(CARGO) test --features rustls-ffi

# With a directory of its own: other flags would have cargo build everything else anew, too.
test-interleavings: deps-test ## Runs the threads of the engine in many orders, chosen by a checker
	RUSTFLAGS='--cfg shuttle' $(CARGO) test --lib interleavings \
	    --target-dir $(CARGO_TARGET_DIR)/shuttle

test-c: deps-test c-tests ## Runs the C tests against both builds
	@tests/check/c-tests native build/core $(API_TESTS) $(OPENSSL_TESTS) $(UNLOAD_TESTS)
	@tests/check/c-tests native build/full $(API_TESTS) $(OPENSSL_TESTS) $(RUSTLS_TESTS) $(UNLOAD_TESTS)

test-asan: deps-test c-tests-asan ## Runs the C tests under the address and undefined-behaviour sanitizers
	@tests/check/c-tests asan build/core $(API_TESTS) $(OPENSSL_TESTS)
	@tests/check/c-tests asan build/full $(RUSTLS_TESTS)

test-valgrind: deps-test c-tests ## Runs the C tests under valgrind
	@tests/check/c-tests valgrind build/core $(API_TESTS) $(OPENSSL_TESTS)
	@tests/check/c-tests valgrind build/full $(RUSTLS_TESTS)

test-demo: build ## Compiles and runs the examples and the demo
	@sh tests/demo.sh

bench: deps-build ## Measures the library
	$(CARGO) bench --features capi

bench-openssl: build/bench/openssl_storage ## Measures what OpenSSL's sessions cost as objects and as bytes
	@LD_LIBRARY_PATH=build/core $<

build/bench/openssl_storage: benches/openssl_storage.c $(HEADERS) | deps-demo build
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wpedantic -Werror $(INCLUDE) -o $@ $< \
	    -Lbuild/core -ltsc -lssl -lcrypto -pthread

ALL_C_TESTS = $(API_TESTS) $(OPENSSL_TESTS) $(RUSTLS_TESTS) $(UNLOAD_TESTS)
c-tests: $(ALL_C_TESTS:%=build/test/native/%) ## Compiles the C tests
c-tests-asan: $(ALL_C_TESTS:%=build/test/asan/%) ## The same with the sanitizers

build/test/asan/%: CC_TEST += -fsanitize=address,undefined -fno-sanitize-recover=all

# Which library a test finds is said when it runs (LD_LIBRARY_PATH), so that both builds get the same
# program.
LINK_api     = -Lbuild/core -ltsc -lcmocka -pthread
LINK_openssl = tests/c/peer.c -Lbuild/core -ltsc -lcmocka -lssl -lcrypto -pthread
LINK_unload  = -ldl -lcmocka -pthread
LINK_rustls  = tests/c/peer.c -Lbuild/full -ltsc -lcmocka -lssl -lcrypto -pthread

# Two rules: one pattern rule with two targets would count as having made both at once.
define C_TEST
build/test/$(1)/%: tests/c/%.c $$(HEADERS) $$(wildcard tests/c/peer.c) | build deps-test
	@mkdir -p $$(@D)
	$$(CC_TEST) $$(INCLUDE) -o $$@ $$< $$(LINK_$$(firstword $$(subst _, ,$$*)))
endef
$(eval $(call C_TEST,native))
$(eval $(call C_TEST,asan))

##@ Check

check: check-header check-features check-headers check-others check-symbols check-soname check-static check-readme size ## Runs all the checks below

check-symbols: build ## Compares the exported symbols with tests/abi
	@tests/check/symbols build/core tests/abi/symbols-core.txt
	@tests/check/symbols build/full tests/abi/symbols-full.txt

update-symbols: build ## Writes the exported symbols to tests/abi
	@tests/check/symbols --update build/core tests/abi/symbols-core.txt
	@tests/check/symbols --update build/full tests/abi/symbols-full.txt

check-soname: build ## Checks the SONAME of both builds
	@tests/check/soname build/core build/full

check-headers: deps-test build/include/rustls.h ## Compiles each header alone and twice, as C11, C++17 and C++20
	@tests/check/headers include/tsc.h $(wildcard bindings/c/*.h bindings/cpp/*.hpp)

check-others: deps-test ## Compiles tsc_openssl.h against OpenSSL 1.1.1, 3 and 4, AWS-LC and BoringSSL
	@sh tests/headers/others.sh

check-static: build ## Links and runs a test against each static library
	@tests/check/static build/core build/full

check-header: deps-build ## Compares include/tsc.h with what src/capi makes of it
	$(CARGO) test --quiet --features capi --test header

check-features: deps-build ## Builds Rust programs on the crate, with few features: what comes along is what they asked for
	@tests/check/features

check-oldest: ## Builds, and runs the Rust tests, with the oldest Rust that Cargo.toml promises
	@tests/check/oldest

check-readme: build deps-demo deps-cpp ## Compares C and C++ in the README with the examples, and runs its cc and c++ lines
	$(CARGO) test --quiet --features capi --test readme
	@sed -n 's|^c[c+]* .*|& -o build/readme-example|p' README.md | sh -ex

size: build ## Checks the size of the stripped libraries against their limits
	@tests/check/size build/core 600
	@tests/check/size build/full 5000

##@ Machine

deps: deps-build deps-demo deps-test deps-install deps-cpp deps-go deps-python deps-cassandra ## Installs what is missing (Debian), or names it; deps-X for one purpose: build demo test install cpp storm plot

deps-build deps-demo deps-test deps-install deps-cpp deps-storm deps-plot:
	@tests/check/deps $(@:deps-%=%)

.PHONY: help build header clean \
    test lint lint-rust lint-c fmt test-rust test-interleavings test-c test-asan test-valgrind \
    test-demo c-tests c-tests-asan bench bench-openssl \
    check check-header check-features check-oldest check-headers check-others check-symbols update-symbols check-soname \
    check-static check-readme size \
    deps deps-build deps-demo deps-test deps-install deps-cpp deps-storm deps-plot
.SECONDARY:
