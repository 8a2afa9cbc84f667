##@ Other platforms

# What runs where, and what does not: docs/platforms.md.
PLATFORMS         = i686 musl aarch64 s390x windows macos
PLATFORM_ARCHIVES = i686 musl aarch64 s390x windows

test-platforms: deps-platforms ## Run the Rust tests and the C API's on other systems and processors; PLATFORMS='musl windows' on some
	@tools/platforms test $(PLATFORMS)

platform-archives: deps-platforms ## Make build/platforms/*.tar.xz: the library for other systems and processors
	@tools/platforms archive $(PLATFORM_ARCHIVES)

.PHONY: test-platforms platform-archives
