##@ Test

test-rust: deps-test ## Run the Rust tests with each set of features
	$(CARGO) test
	$(CARGO) test --features rustls
	$(CARGO) test $(FEATURES_core)
	$(CARGO) test $(FEATURES_full)

# With a directory of its own: other flags would have cargo build everything else again, too. What only the tests of
# rustls need, AWS-LC above all, is not built there.
test-interleavings: deps-test ## Run the engine's threads in many orders, chosen by a checker
	RUSTFLAGS='--cfg shuttle --cfg without_rustls' $(CARGO) test --lib interleavings \
	    --target-dir $(CARGO_TARGET_DIR)/shuttle -- --show-output

test-c: deps-test c-tests ## Run the C tests against both builds
	@tools/c-tests native build/core $(OPENSSL_TESTS) $(API_TESTS) $(UNLOAD_TESTS)
	@tools/c-tests native build/full $(OPENSSL_TESTS) $(API_TESTS) $(UNLOAD_TESTS)

test-asan: deps-test c-tests-asan ## Run the C tests under the address and undefined-behaviour sanitizers
	@tools/c-tests asan build/core $(OPENSSL_TESTS) $(API_TESTS)

test-valgrind: deps-test c-tests ## Run the C tests under valgrind
	@tools/c-tests valgrind build/core $(OPENSSL_TESTS) $(API_TESTS)

test-crowd: deps-test build/bench/crowd ## Check that no call costs more where more attempts wait
	@LD_LIBRARY_PATH=build/core sh tests/crowd.sh build/bench/crowd

# The newest 3.x. All of them: make test-stacks STACKS='111 300 400 awslc boringssl'
STACKS = 300
test-stacks: deps-test build ## Run the C tests with another stack than the machine's OpenSSL
	@CC="$(CC)" sh tests/stacks/run.sh $(STACKS)

# Each binding's file adds its tests.
test-bindings: deps-bindings ## Run the tests of all bindings and of Rust clients

# Every tests/c/<kind>_<name>.c is one test program. Those of OpenSSL take longest and run first, so that no
# processor idles at the end.
API_TESTS     := $(patsubst tests/c/%.c,%,$(wildcard tests/c/api_*.c))
OPENSSL_TESTS := $(patsubst tests/c/%.c,%,$(wildcard tests/c/openssl_*.c))
UNLOAD_TESTS  := $(patsubst tests/c/%.c,%,$(wildcard tests/c/unload_*.c))
ALL_C_TESTS    = $(API_TESTS) $(OPENSSL_TESTS) $(UNLOAD_TESTS)

c-tests: deps-test build
	$(COMPILE) $(ALL_C_TESTS:%=build/test/native/%)

c-tests-asan: deps-test build
	$(COMPILE) $(ALL_C_TESTS:%=build/test/asan/%)

CC_TEST = $(CC) -std=c11 -D_GNU_SOURCE -g -O1 $(STRICT) $(INCLUDE) -Itests/c
build/test/asan/%: CC_TEST += -fsanitize=address,undefined -fno-sanitize-recover=all

# Which library a test finds is said when it runs (LD_LIBRARY_PATH), so that both builds get the same
# program.
LINK_api     = -Lbuild/core -ltsc -lcmocka -pthread
LINK_openssl = tests/c/peer.c -Lbuild/core -ltsc -lcmocka -lssl -lcrypto -pthread
LINK_unload  = -ldl -lcmocka -pthread

# Two rules: one pattern rule with two targets would count as having made both at once.
define C_TEST
build/test/$(1)/%: tests/c/%.c $$(HEADERS) $$(wildcard tests/c/*.h) $$(wildcard tests/c/peer.c) | deps-test build
	@mkdir -p $$(@D)
	$$(CC_TEST) -o $$@ $$< $$(LINK_$$(firstword $$(subst _, ,$$*)))
endef
$(eval $(call C_TEST,native))
$(eval $(call C_TEST,asan))

# A test that fails is test-c's affair, and stops here, too: a call returned what its description does not list.
check-statuses: deps-test build ## Compare what each function of tsc.h returns in the C tests, and what tsc.hpp says, with its description
	$(COMPILE) $(API_TESTS:%=build/test/statuses/%)
	@rm -f build/test/statuses/seen
	@for test in $(API_TESTS); do \
	    LD_LIBRARY_PATH=build/core TSC_TEST_LIBRARY=build/core TSC_STATUSES_SEEN=build/test/statuses/seen \
	        timeout 600 build/test/statuses/$$test >build/test/statuses/$$test.out 2>&1 </dev/null || \
	        { grep -e returned -e ERROR build/test/statuses/$$test.out; exit 1; } \
	done
	@tools/statuses compare build/test/statuses/seen include/tsc.h
	@tools/statuses translated include/tsc.h bindings/cpp/tsc.hpp

build/test/statuses/described.h: tools/statuses include/tsc.h
	@mkdir -p $(@D)
	@tools/statuses write $@ include/tsc.h

build/test/statuses/api_%: tests/c/api_%.c build/test/statuses/described.h $(HEADERS) $(wildcard tests/c/*.h) | build
	$(CC_TEST) -include build/test/statuses/described.h -o $@ $< $(LINK_api)

##@ Format and lint

# Sources that no package of this tree has.
LOOSE_RUST = tests/release/client.rs

fmt: deps-test ## Format the sources, Rust and C
	$(CARGO) fmt -- $(LOOSE_RUST)
	@tools/clang-format -i $(C_FILES)

lint: lint-rust lint-c lint-bench ## Check format and lints, Rust and C

lint-rust: deps-test ## Check format and lints, Rust
	$(CARGO) fmt --check -- $(LOOSE_RUST)
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --features rustls -- -D warnings
	$(CARGO) clippy --all-targets $(FEATURES_core) -- -D warnings
	$(CARGO) clippy --all-targets $(FEATURES_full) -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --features rustls,capi

lint-c: deps-test ## Check the format, C and C++
	@tools/clang-format --dry-run -Werror $(C_FILES)

# tsc.h is cbindgen's, also where `make bundle-go` puts a copy of it.
C_FILES = $(shell find bindings examples tests bench tools/probe/tests \( -path bindings/go/lib -o -name target \) -prune -o \
    \( -name '*.[ch]' -o -name '*.[ch]pp' \) -print | sort)

.PHONY: test-rust test-interleavings test-c test-asan test-valgrind test-crowd test-stacks test-bindings c-tests c-tests-asan \
    fmt lint lint-rust lint-c
