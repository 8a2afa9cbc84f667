# libtsc is built, checked and tested from here. `make help` lists the targets; their rules are in mk/,
# a file for each part, and the programs that the rules call are in tools/.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# Cargo uses all processors by itself; two of it at once only wait for each other.
.NOTPARALLEL:
.SECONDARY:

# In the order in which help lists them. Each uses what common.mk defines, and nothing that another one
# does.
include mk/common.mk
include $(addprefix mk/,demo.mk build.mk test.mk check.mk bench.mk install.mk cpp.mk go.mk python.mk servers.mk)

##@ Everything else

help: ## List the targets
	@awk -v version=$(VERSION) -v first='demo test build install' -v colour="$${NO_COLOR:-$$(test -t 1 && echo yes)}" \
	    -f tools/help.awk $(filter-out Makefile,$(MAKEFILE_LIST)) Makefile

test: ## Run everything that CI runs
	@tools/sections deps lint build check test-rust test-interleavings test-c test-asan test-valgrind \
	    test-demo test-install test-bindings storm-quick

deps: $(DEPS_PARTS:%=deps-%) ## Install what is missing (Debian), or name it

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf build

.PHONY: help test deps clean
