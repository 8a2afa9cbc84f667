##@ Demo

demo: build deps-demo ## Reconnects with and without the cache; SERVER=host:port asks your own server
	@$(MAKE) --quiet $(DEMO)
	@if [ -n "$(SERVER)" ]; then build/demo/client; else build/demo/server build/demo/client --echo; fi

examples: build deps-demo ## Compiles the demo and the examples that the README quotes
	@$(MAKE) --quiet $(DEMO) $(EXAMPLES)

test-demo: examples

DEMO     = build/demo/client build/demo/server
EXAMPLES = build/demo/openssl_client build/demo/pool_client build/demo/rustls_client

CC_DEMO = $(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wpedantic -Werror -Iinclude -Ibindings/c -Ibuild/include

# What they need of libtsc they find next to them, wherever the tree is.
FULL = -Lbuild/full -ltsc '-Wl,-rpath,$$ORIGIN/../full'
CORE = -Lbuild/core -ltsc '-Wl,-rpath,$$ORIGIN/../core'

build/demo/client: examples/demo/client.c examples/demo/openssl.c examples/demo/rustls.c
build/demo/client: LIBS = $(FULL) -lssl -lcrypto
build/demo/server: examples/demo/server.c
build/demo/server: LIBS = -lssl -lcrypto -pthread
build/demo/openssl_client: examples/openssl_client.c
build/demo/openssl_client: LIBS = $(CORE) -lssl -lcrypto
build/demo/pool_client: examples/pool_client.c
build/demo/pool_client: LIBS = $(CORE) -lssl -lcrypto -pthread
build/demo/rustls_client: examples/rustls_client.c
build/demo/rustls_client: LIBS = $(FULL)

$(DEMO) $(EXAMPLES): examples/tcp.h examples/certificate.h examples/demo/demo.h include/tsc.h bindings/c/tsc_openssl.h
	@mkdir -p $(@D)
	$(CC_DEMO) -o $@ $(filter %.c,$^) $(LIBS)

.PHONY: demo examples
