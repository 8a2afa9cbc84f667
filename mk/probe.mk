##@ tsc-probe

# Its tests mostly wait for servers, so there are more of them at once than processors.
PROBE_CARGO = --locked --manifest-path tools/probe/Cargo.toml

probe: deps-probe ## Build tsc-probe, which shows what resumption gives on a server: build/probe/release
	$(CARGO) build $(PROBE_CARGO) --release
	@install -CD $(CARGO_TARGET_DIR)/release/tsc-probe build/probe/release/tsc-probe

test-probe: deps-probe-test lint-probe ## Test tsc-probe against servers of which is known what they do, and real ones
	$(CARGO) test $(PROBE_CARGO) -- --test-threads 8

test-probe-often: deps-probe-test ## The same, with each verdict twenty times
	TSC_PROBE_RUNS=20 $(CARGO) test $(PROBE_CARGO) --test probe known_servers -- --test-threads 8

test-probe-page: deps-probe-page ## Look at the page of tsc-probe in headless Chromium, light and dark, narrow and wide
	$(CARGO) test $(PROBE_CARGO) --test probe page -- --ignored

test-probe-cassandra: deps-probe-test build/cassandra/lib ## The same against Cassandra, with the TLS of the JDK and with BoringSSL
	$(CARGO) test $(PROBE_CARGO) --test probe cassandra -- --ignored

lint-probe: deps-probe-test ## Check format and lints of tsc-probe
	$(CARGO) fmt --manifest-path tools/probe/Cargo.toml --check
	$(CARGO) clippy $(PROBE_CARGO) --all-targets -- -D warnings

fmt: fmt-probe

fmt-probe:
	$(CARGO) fmt --manifest-path tools/probe/Cargo.toml

.PHONY: probe test-probe test-probe-often test-probe-page test-probe-cassandra lint-probe fmt-probe
