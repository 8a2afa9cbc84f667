##@ Storm

storm: build deps-storm deps-plot ## Opens whole pools at once, to servers of all kinds, without and with the cache
	@$(MAKE) --quiet $(STORM)
	@sh examples/storm/storm.sh all build/storm

storm-quick: build deps-storm ## The goal case alone; fails if a connection that could wait was not resumed
	@$(MAKE) --quiet $(STORM)
	@sh examples/storm/storm.sh quick build/storm

storm-docs: deps-plot ## Draws docs/storm-*.svg from what `make storm` measured last, and prints its tables
	@gnuplot -c examples/storm/plot.gp build/storm/all.csv docs
	@awk -f examples/storm/markdown.awk build/storm/all.csv

STORM = build/storm/server build/storm/client build/storm/delay

CC_STORM = $(CC) -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Werror \
    -Iinclude -Ibindings/c -Ibuild/include

build/storm/client: examples/storm/client.c examples/storm/openssl.c examples/storm/rustls.c
build/storm/client: LIBS = $(FULL) -lssl -lcrypto
build/storm/server: examples/storm/server.c examples/storm/server_openssl.c
build/storm/server: examples/storm/server_gnutls.c
build/storm/server: LIBS = -lgnutls -lssl -lcrypto
build/storm/delay: examples/storm/delay.c

$(STORM): examples/storm/storm.h examples/storm/server.h examples/certificate.h include/tsc.h \
    bindings/c/tsc_openssl.h
	@mkdir -p $(@D)
	$(CC_STORM) -o $@ $(filter %.c,$^) $(LIBS)

.PHONY: storm storm-quick storm-docs
