##@ tsc-agent

AGENT_CARGO = --locked --manifest-path tools/agent/Cargo.toml

agent: deps-build ## Build tsc-agent, which shares sessions among processes: build/agent/release
	$(CARGO) build $(AGENT_CARGO) --release
	@install -CD $(CARGO_TARGET_DIR)/release/tsc-agent build/agent/release/tsc-agent

test-agent: deps-agent lint-agent ## Test tsc-agent, and the library with it
	$(CARGO) test $(AGENT_CARGO) -- --test-threads 8
	@$(MAKE) --quiet workers IN_TURN=20
	@$(MAKE) --quiet fleet HOSTS=4 WORKERS_EACH=8

# LIVES: of processes that nobody kills; KILLS: how many are killed in each test that does so; SEED: when.
LIVES = 100000
KILLS = 10000
SEED = 1
test-agent-long: deps-agent ## Kill agents, the processes that share through them and Redis, LIVES=, KILLS=, SEED=
	TSC_AGENT_LIVES=$(LIVES) TSC_AGENT_KILLS=$(KILLS) TSC_AGENT_SEED=$(SEED) $(CARGO) test $(AGENT_CARGO) --release --test agent chaos -- --nocapture

lint-agent: deps-build ## Check format and lints of tsc-agent
	$(CARGO) fmt --manifest-path tools/agent/Cargo.toml --check
	$(CARGO) clippy $(AGENT_CARGO) --all-targets -- -D warnings

fmt: fmt-agent

fmt-agent:
	$(CARGO) fmt --manifest-path tools/agent/Cargo.toml

.PHONY: agent test-agent test-agent-long lint-agent fmt-agent
