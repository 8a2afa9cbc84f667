##@ tsc-probe

# Its tests mostly wait for servers, so there are more of them at once than processors.
PROBE = --locked --manifest-path tools/probe/Cargo.toml --target-dir build/probe

probe: deps-probe ## Build tsc-probe, which shows what resumption gives on a server: build/probe/release
	$(CARGO) build $(PROBE) --release

test-probe: deps-probe lint-probe ## Test tsc-probe against servers of which is known what they do, and real ones
	$(CARGO) test $(PROBE) -- --test-threads 8

test-probe-often: deps-probe ## The same, with each verdict twenty times
	TSC_PROBE_RUNS=20 $(CARGO) test $(PROBE) --test probe known_servers -- --test-threads 8

test-probe-page: deps-probe-page ## Look at the page of tsc-probe in headless Chromium, light and dark, narrow and wide
	$(CARGO) test $(PROBE) --test probe page -- --ignored

lint-probe: deps-probe ## Check format and lints of tsc-probe
	$(CARGO) fmt --manifest-path tools/probe/Cargo.toml --check
	$(CARGO) clippy $(PROBE) --all-targets -- -D warnings

fmt: fmt-probe

fmt-probe:
	$(CARGO) fmt --manifest-path tools/probe/Cargo.toml

.PHONY: probe test-probe test-probe-often test-probe-page lint-probe fmt-probe
