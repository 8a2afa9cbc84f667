# What more than one of the other files uses.

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR
# The Go that was fetched because the system's is too old (tools/deps), if there is one.
export PATH := $(CURDIR)/build/go/toolchain/bin:$(PATH)

# ---- The crate and its two builds --------------------------------------------------------------------

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The SONAME is the ABI's name, not the crate's version: docs/abi.md says when its number grows.
SONAME = libtsc.so.0

# build/full has rustls and the rustls_* functions in it; build/core is for other TLS stacks.
FEATURES_full = --features rustls-ffi
FEATURES_core = --features capi
# What both are made of, and the pages of the crate.
SOURCES := Cargo.toml Cargo.lock build.rs cbindgen.toml $(shell find src -name '*.rs')
# What cargo calls the static library.
CARGO_ARCHIVE = liblibtsc.a

# ---- Fuzzing ------------------------------------------------------------------------------------------

# Seconds for each target.
SECONDS = 60

# ---- C -----------------------------------------------------------------------------------------------

# Makes programs beside each other, as many as there are processors, where the library is built.
COMPILE = @$(MAKE) COMPILING=yes --jobs=$$(nproc)

STRICT  = -Wall -Wextra -Wpedantic -Werror
HEADERS = include/tsc.h $(wildcard bindings/c/*.h)
INCLUDE = -Iinclude -Ibindings/c -Ibuild/include

# For programs in a folder beside build/full and build/core: they find their library wherever the tree is.
LINK_full = -Lbuild/full -ltsc '-Wl,-rpath,$$ORIGIN/../full'
LINK_core = -Lbuild/core -ltsc '-Wl,-rpath,$$ORIGIN/../core'

# ---- What the machine has to have --------------------------------------------------------------------

# deps-PART sees to what a part needs. As a prerequisite it asks before it installs (tools/deps says when
# it does not have to); somebody who names it on the command line has said so. It comes before other
# prerequisites, so that there is one question and not two.
DEPS_TEST = build demo test check install bindings agent probe-test storm
DEPS_PARTS = $(DEPS_TEST) cpp go python cpython rust cassandra plot release platforms probe probe-page

$(DEPS_PARTS:%=deps-%): deps-%:
	@tools/deps $(if $(filter $@,$(MAKECMDGOALS)),--install) $*

.PHONY: $(DEPS_PARTS:%=deps-%)
