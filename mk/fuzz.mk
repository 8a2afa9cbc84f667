##@ Fuzz

fuzz: deps-build deps-cpp ## Fuzz the C API, a minute each target, with a nightly Rust that rustup fetches; SECONDS=, TARGETS=
	@tools/fuzz find $(SECONDS) $(TARGETS)

fuzz-replay: deps-build lint-fuzz ## Run the committed inputs of the fuzzer
	@tools/fuzz replay

fuzz-shrink: deps-build deps-cpp ## Write the smallest corpora that reach what the fuzzer has reached
	@tools/fuzz shrink $(TARGETS)

# As the replay builds it: the library's own lockfile has no fuzzer.
lint-fuzz: deps-test
	@$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	@$(CARGO) clippy -q --locked --all-targets --manifest-path tests/fuzz/Cargo.toml \
	    -- -D warnings

# K/N: every Nth mutant, from the Kth on.
PART = 1/1
mutants: deps-test ## Break each promise in ten ways and more: a test notices each; long; PART=K/N, TIME= in seconds, PROMISES=
	@tools/mutants --part $(PART) $(if $(TIME),--seconds $(TIME)) $(PROMISES)

mutants-apply: ## See that each mutant still applies
	@tools/mutants --list

.PHONY: fuzz fuzz-replay fuzz-shrink lint-fuzz mutants mutants-apply
