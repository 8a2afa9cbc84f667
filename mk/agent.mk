##@ tsc-agent

AGENT_CARGO = --locked --manifest-path tools/agent/Cargo.toml --target-dir build/agent

agent: deps-build ## Build tsc-agent, which shares sessions among processes: build/agent/release
	$(CARGO) build $(AGENT_CARGO) --release

test-agent: deps-build lint-agent ## Test tsc-agent, and the library with it
	$(CARGO) test $(AGENT_CARGO) -- --test-threads 8
	@$(MAKE) --quiet workers IN_TURN=20

# LIVES: how many; SEED: with what it begins.
LIVES = 100000
SEED = 1
test-agent-long: deps-build ## Kill agents under processes that share, LIVES= of them, SEED=
	TSC_AGENT_LIVES=$(LIVES) TSC_AGENT_SEED=$(SEED) $(CARGO) test $(AGENT_CARGO) --release --test agent chaos -- --nocapture

# AT_ONCE: how many at once; IN_TURN: how many one after the other.
workers: deps-demo build/bench/workers build/demo/server agent ## Connect from many processes, each by itself and with tsc-agent; AT_ONCE=, IN_TURN=
	@LD_LIBRARY_PATH=build/core AT_ONCE=$(AT_ONCE) IN_TURN=$(IN_TURN) build/demo/server bench/workers.sh build/bench/workers build/agent/release/tsc-agent

build/bench/workers: bench/workers.c examples/tcp.h $(HEADERS) | deps-demo build
	@mkdir -p $(@D)
	$(CC_BENCH) -o $@ $< -Lbuild/core -ltsc -lssl -lcrypto -pthread

lint-agent: deps-build ## Check format and lints of tsc-agent
	$(CARGO) fmt --manifest-path tools/agent/Cargo.toml --check
	$(CARGO) clippy $(AGENT_CARGO) --all-targets -- -D warnings

fmt: fmt-agent

fmt-agent:
	$(CARGO) fmt --manifest-path tools/agent/Cargo.toml

AT_ONCE = 64
IN_TURN = 1000

.PHONY: workers agent test-agent test-agent-long lint-agent fmt-agent
