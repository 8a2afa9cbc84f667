# libtsc is built, checked and tested from here. `make help` lists the targets; their rules are in mk/,
# a file for each part, and the programs that the rules call are in tools/.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# Cargo uses all processors by itself; two of it at once only wait for each other. Programs in C and C++ are made
# beside each other: COMPILE in common.mk.
ifndef COMPILING
.NOTPARALLEL:
endif
.SECONDARY:

# In the order in which help lists them. Each uses what common.mk defines, and nothing that another one
# does: `make check-yard`.
include mk/common.mk
include $(addprefix mk/,demo.mk build.mk test.mk check.mk fuzz.mk assurance.mk bench.mk install.mk cpp.mk go.mk python.mk rust.mk servers.mk probe.mk agent.mk release.mk platforms.mk site.mk)

##@ Everything else

help: ## List the targets
	@colour=; [ ! -t 1 ] || [ -n "$$NO_COLOR" ] || colour=yes; \
	    awk -v version=$(VERSION) -v first='demo test build install' -v colour=$$colour \
	    -f tools/help.awk $(filter-out Makefile,$(MAKEFILE_LIST)) Makefile

TESTS = test-rust test-interleavings test-c test-asan test-valgrind test-crowd fuzz-replay mutants-apply \
    test-stacks test-demo test-install test-bindings test-probe test-agent storm-quick
test: ## Run everything that CI runs
	@tools/deps $(DEPS_TEST)
	@tools/sections lint build check check-oldest $(TESTS)

# How often, and beside what: tools/busy. After `make test` everything is built, so that the loops slow down tests and
# not compilers.
TIMES = 3
test-busy: test ## Run `make test`, then its tests three times beside busy loops, hours; TIMES=
	@tools/busy $(TIMES) tools/sections $(TESTS)

deps: ## Install what `make test` needs; deps-build and so on for one part
	@tools/deps --install $(DEPS_TEST)

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf build

.PHONY: help test test-busy deps clean
