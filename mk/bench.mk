##@ Measure

ENGINE_BENCH = build/bench/engine
# The peers want a newer Rust than the library, so this has a lock file of its own.
$(ENGINE_BENCH): $(wildcard bench/engine/src/*) bench/engine/Cargo.toml bench/engine/build.rs | deps-build build
	@mkdir -p $(@D)
	@$(CARGO) build --release --manifest-path bench/engine/Cargo.toml
	@cp $(CARGO_TARGET_DIR)/release/engine-bench $@

# The languages' own files say how these are made.
LANGUAGES = go python
ENGINE_LANGUAGES = $(LANGUAGES:%=build/bench/engine-%)
RUN_ENGINE_BENCH = LD_LIBRARY_PATH=build/core $(ENGINE_BENCH)

bench: $(ENGINE_BENCH) $(ENGINE_LANGUAGES) ## Measure the library beside other caches, and against its limits
	@$(RUN_ENGINE_BENCH) build/bench/engine.csv $(foreach one,$(LANGUAGES),$(one)=build/bench/engine-$(one))

bench-quick: $(ENGINE_BENCH) $(ENGINE_LANGUAGES) ## The same in short, under two minutes
	@$(RUN_ENGINE_BENCH) build/bench/engine-quick.csv quick $(foreach one,$(LANGUAGES),$(one)=build/bench/engine-$(one))

lint-bench: deps-build ## Check format and lints of the benchmark beside other caches
	$(CARGO) fmt --check --manifest-path bench/engine/Cargo.toml
	$(CARGO) clippy --locked --manifest-path bench/engine/Cargo.toml -- -D warnings

bench-docs: $(ENGINE_BENCH) ## Write docs/benchmarks.md and its plots from the latest `make bench`
	@cp build/bench/engine.csv docs/benchmarks.csv
	@$(ENGINE_BENCH) report docs/benchmarks.csv docs

bench-openssl: build/bench/openssl_storage ## Measure OpenSSL's sessions, as objects and as bytes
	@LD_LIBRARY_PATH=build/core $<

bench-objects: build/test/native/openssl_size ## Measure what OpenSSL's sessions take as objects, by chain
	@LD_LIBRARY_PATH=build/core $<

build/bench/openssl_storage: bench/openssl_storage.c $(HEADERS) | deps-demo build
	@mkdir -p $(@D)
	$(CC_BENCH) -o $@ $< -Lbuild/core -ltsc -lssl -lcrypto -pthread

bench-share: deps-test build/bench/share ## Measure libtsc's share of a resumed connection of OpenSSL's
	@LD_LIBRARY_PATH=build/core sh bench/share.sh $(word 2,$^)

build/bench/share: bench/share.c examples/certificate.h $(HEADERS) | deps-demo build
	@mkdir -p $(@D)
	$(CC_BENCH) -Iexamples -o $@ $< -Lbuild/core -ltsc -lssl -lcrypto -pthread

bench-crowd: build/bench/crowd ## Measure a call where ten thousand attempts wait
	@LD_LIBRARY_PATH=build/core $< 10000

build/bench/crowd: bench/crowd.c $(HEADERS) | deps-build build
	@mkdir -p $(@D)
	$(CC_BENCH) -o $@ $< -Lbuild/core -ltsc

bench-agent: build/bench/agent agent ## Measure an offer through tsc-agent, from 1 process and from 16
	@LD_LIBRARY_PATH=build/core sh bench/agent.sh $< build/agent/release/tsc-agent

build/bench/agent: bench/agent.c examples/certificate.h $(HEADERS) | deps-demo build
	@mkdir -p $(@D)
	$(CC_BENCH) -Iexamples -o $@ $< -Lbuild/core -ltsc -lssl -lcrypto

# AT_ONCE: how many at once; IN_TURN: how many one after the other; SERVERS: their tickets, and how often they are taken.
AT_ONCE = 64
IN_TURN = 1000
SERVERS = 2,2/sealed 2,1/sealed 2,1/once
WORKERS = C=build/bench/workers/worker Go=build/bench/workers/worker-go Python=build/bench/workers/worker-python
workers: deps-demo deps-storm build/bench/workers/worker build/bench/workers/worker-go build/bench/workers/worker-python build/storm/server agent ## Connect from many processes, by themselves and with tsc-agent; AT_ONCE=, IN_TURN=
	@for server in $(SERVERS); do \
	    LD_LIBRARY_PATH=build/core AT_ONCE=$(AT_ONCE) IN_TURN=$(IN_TURN) build/storm/server --no-client-cert \
	        --tickets $${server%/*} --sessions $${server#*/} \
	        python3 bench/workers/run.py build/agent/release/tsc-agent $(WORKERS) || exit 1; \
	done

# HOSTS: how many; WORKERS_EACH: of each host.
HOSTS = 8
WORKERS_EACH = 16
fleet: deps-demo deps-storm deps-agent build/bench/workers/worker build/storm/server agent ## Restart many hosts at once, each by itself and sharing through Redis; HOSTS=, WORKERS_EACH=
	@LD_LIBRARY_PATH=build/core HOSTS=$(HOSTS) WORKERS=$(WORKERS_EACH) build/storm/server --no-client-cert \
	    --tickets 2,1 --sessions once python3 bench/workers/fleet.py build/agent/release/tsc-agent build/bench/workers/worker

build/bench/workers/worker: bench/workers/worker.c bench/storm/storm.h examples/tcp.h $(HEADERS) | deps-demo build
	@mkdir -p $(@D)
	$(CC_BENCH) -o $@ $< -Lbuild/core -ltsc -lssl -lcrypto

storm: deps-plot build ## Open whole pools at once, to servers of all kinds
	@$(MAKE) --quiet $(STORM)
	@sh bench/storm/storm.sh all build/storm

storm-quick: deps-storm build ## The goal case alone; fails unless the connections that wait resume
	@$(MAKE) --quiet $(STORM)
	@sh bench/storm/storm.sh quick build/storm

storm-docs: deps-plot ## Draw docs/storm-*.svg and print the tables of the latest `make storm`
	@gnuplot -c bench/storm/plot.gp build/storm/all.csv docs
	@awk -f bench/storm/markdown.awk build/storm/all.csv

CC_BENCH = $(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(STRICT) $(INCLUDE)

STORM = build/storm/server build/storm/client build/storm/delay

build/storm/client: bench/storm/client.c bench/storm/openssl.c bench/storm/rustls.c
build/storm/client: LIBS = $(LINK_full) -lssl -lcrypto
build/storm/server: bench/storm/server.c bench/storm/server_openssl.c bench/storm/server_gnutls.c
build/storm/server: LIBS = -lgnutls -lssl -lcrypto
build/storm/delay: bench/storm/delay.c

$(STORM): bench/storm/storm.h bench/storm/server.h examples/certificate.h $(HEADERS)
	@mkdir -p $(@D)
	$(CC_BENCH) -Iexamples -o $@ $(filter %.c,$^) $(LIBS)

.PHONY: bench workers fleet bench-quick bench-docs lint-bench bench-openssl bench-share bench-crowd bench-objects bench-agent storm storm-quick storm-docs
