##@ Demo

demo: deps-demo build ## Reconnect to a TLS server without and with the cache; SERVER=host:port
	@$(MAKE) --quiet $(DEMO)
	@if [ -n "$(SERVER)" ]; then build/demo/client; else build/demo/server build/demo/client --echo; fi

examples: deps-test build ## Compile the demo and the examples in C
	@$(MAKE) --quiet $(DEMO) $(EXAMPLES)

test-demo: examples ## Run the examples, and the demo against good and bad servers
	@sh tests/demo.sh

DEMO     = build/demo/client build/demo/server
EXAMPLES = $(addprefix build/demo/,openssl_client pool_client rustls_client gnutls_client curl_client)

CC_DEMO = $(CC) -std=gnu11 -O2 -g $(STRICT) $(INCLUDE)

build/demo/client: examples/demo/client.c examples/demo/openssl.c examples/demo/rustls.c
build/demo/client: LIBS = $(LINK_full) -lssl -lcrypto
build/demo/server: examples/demo/server.c
build/demo/server: LIBS = -lssl -lcrypto -pthread
build/demo/openssl_client: examples/openssl_client.c
build/demo/openssl_client: LIBS = $(LINK_core) -lssl -lcrypto
build/demo/pool_client: examples/pool_client.c
build/demo/pool_client: LIBS = $(LINK_core) -lssl -lcrypto -pthread
build/demo/gnutls_client: examples/gnutls_client.c
build/demo/gnutls_client: LIBS = $(LINK_core) -lgnutls
build/demo/curl_client: examples/curl_client.c
build/demo/curl_client: LIBS = $(LINK_core) -lcurl -lssl -lcrypto
build/demo/rustls_client: examples/rustls_client.c
build/demo/rustls_client: LIBS = $(LINK_full)

$(DEMO) $(EXAMPLES): examples/tcp.h examples/certificate.h examples/demo/demo.h $(HEADERS)
	@mkdir -p $(@D)
	$(CC_DEMO) -o $@ $(filter %.c,$^) $(LIBS)

.PHONY: demo examples test-demo
