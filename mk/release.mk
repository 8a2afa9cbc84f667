##@ Release

# docs/release.md says what a maintainer types, in order.
RELEASE_TOOLS = build/release-tools
ACTIONLINT = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# The static libraries of the Go module are built for the first two, the wheels for all.
RELEASE_TARGETS = x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl

release-check: deps-release $(RELEASE_TOOLS)/made ## Build all files of a release and try each by itself, half an hour
	@tools/release-check

release-files: deps-release $(RELEASE_TOOLS)/made ## Make build/release: all files of a release, from the last commit
	@tools/release-files

$(RELEASE_TOOLS)/made: packaging/requirements.txt mk/release.mk | deps-release
	@python3 -m venv $(RELEASE_TOOLS)
	@$(RELEASE_TOOLS)/bin/pip install -q --disable-pip-version-check -r $<
	@GOBIN=$(CURDIR)/$(RELEASE_TOOLS)/bin go install $(ACTIONLINT)
	@rustup target add $(RELEASE_TARGETS)
	@touch $@

.PHONY: release-check release-files
