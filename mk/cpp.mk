##@ C++

test-bindings: test-cpp

test-cpp: deps-cpp cpp-tests cpp-examples agent ## Run the C++ tests: as is, without exceptions, under ASan, UBSan and TSan
	@for mode in $(CPP_MODES); do \
	    tools/c-tests $$mode build/core $(filter-out cpp_rustls,$(CPP_TESTS)) && \
	    tools/c-tests $$mode build/full cpp_rustls || exit 1; done
	@tools/c-tests native build/full $(CPP_TESTS)
	@sh tests/cpp/examples.sh

# Every tests/cpp/<name>.cpp is one test program, cpp_<name>. ThreadSanitizer and AddressSanitizer
# cannot be had in one program.
CPP_TESTS := $(patsubst tests/cpp/%.cpp,cpp_%,$(wildcard tests/cpp/*.cpp))
CPP_MODES = native noexcept asan tsan

CXX_INCLUDE = $(INCLUDE) -Ibindings/cpp -Itests/c -Itests/cpp
CXX_TEST    = $(CXX) -std=c++17 -D_GNU_SOURCE -g -O1 $(STRICT) $(CXX_INCLUDE)
CXX_HEADERS = $(HEADERS) $(wildcard bindings/cpp/*.hpp tests/cpp/*.hpp) tests/c/peer.h

cpp-tests: deps-cpp build
	$(COMPILE) $(foreach mode,$(CPP_MODES),$(CPP_TESTS:%=build/test/$(mode)/%))

build/test/asan/cpp_%:     CXX_TEST += -fsanitize=address,undefined -fno-sanitize-recover=all
build/test/tsan/cpp_%:     CXX_TEST += -fsanitize=thread
build/test/noexcept/cpp_%: CXX_TEST += -std=c++20 -fno-exceptions -fno-rtti

# What a test needs besides.
LINK_cpp_mosquitto = -lmosquittopp
LINK_cpp_rustls = build/test/rustls_client.o -Lbuild/full
$(CPP_MODES:%=build/test/%/cpp_rustls): build/test/rustls_client.o
LINK_mqtt_client = -lmosquittopp
$(CPP_MODES:%=build/test/%/cpp_mosquitto): build/demo/mqtt_client build/test/tap

# The servers are C's.
CC_PEER = $(CC) -std=c11 -D_GNU_SOURCE -g -O1 $(STRICT) $(INCLUDE)
build/test/peer.o: tests/c/peer.c tests/c/peer.h $(HEADERS) | deps-cpp
	@mkdir -p $(@D)
	$(CC_PEER) -c -o $@ $<

build/test/rustls_client.o: tests/cpp/rustls_client.c tests/cpp/rustls_client.h | build
	@mkdir -p $(@D)
	$(CC_PEER) -c -o $@ $<

define CPP_TEST
build/test/$(1)/cpp_%: tests/cpp/%.cpp build/test/peer.o $$(CXX_HEADERS) | deps-cpp build
	@mkdir -p $$(@D)
	$$(CXX_TEST) -o $$@ $$< build/test/peer.o $$(LINK_cpp_$$*) -Lbuild/core -ltsc -lcmocka -lssl -lcrypto -pthread
endef
$(foreach mode,$(CPP_MODES),$(eval $(call CPP_TEST,$(mode))))

CPP_EXAMPLES = build/demo/asio_client build/demo/asio_pool build/demo/mqtt_client
cpp-examples: $(CPP_EXAMPLES) build/demo/server ## Compile the examples in C++

build/demo/asio_client: CXX_DEMO = -std=c++17
build/demo/mqtt_client: CXX_DEMO = -std=c++17
# GCC takes how Asio allocates coroutines for a mistake (-Wmismatched-new-delete).
build/demo/asio_pool:   CXX_DEMO = -std=c++20 -Wno-mismatched-new-delete
$(CPP_EXAMPLES): build/demo/%: examples/%.cpp $(CXX_HEADERS) | deps-cpp build
	@mkdir -p $(@D)
	$(CXX) $(CXX_DEMO) -O1 -g $(STRICT) $(CXX_INCLUDE) -o $@ $< $(LINK_core) $(LINK_$(@F)) -lssl -lcrypto -pthread

.PHONY: test-cpp cpp-tests cpp-examples
