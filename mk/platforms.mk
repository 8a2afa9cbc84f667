##@ Other platforms

# What runs where, and what does not: docs/platforms.md.
PLATFORMS = i686

test-platforms: deps-test $(PLATFORMS:%=test-%) ## Run the Rust tests and the C API's on other processors and C libraries

$(PLATFORMS:%=test-%): test-%: deps-platforms
	@tools/platforms $*

.PHONY: test-platforms $(PLATFORMS:%=test-%)
