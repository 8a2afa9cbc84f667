##@ Install

# Where things go. DESTDIR is put before all of it, for packagers.
PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DOCDIR     ?= $(PREFIX)/share/doc/libtsc
DESTDIR    ?=
# Which build: full (with rustls) or core (without).
BUILD      ?= full
# Whether tsc-probe comes with the full build. It needs a newer Rust than the library, and OpenSSL.
PROBE      ?= yes
# Whether tsc-agent does, where it runs. It needs a newer Rust than the library.
AGENT      ?= $(if $(filter Linux,$(shell uname -s)),yes,no)

REAL_NAME  = $(SONAME).$(VERSION:0.%=%)
INSTALLED_HEADERS = include/tsc.h $(wildcard bindings/c/*.h bindings/cpp/*.hpp)
# In a folder of its own: a system may have a rustls.h of another rustls-ffi.
INSTALLED_RUSTLS_H_full = $(INCLUDEDIR)/tsc/rustls.h

# A program, its man page, and completions for three shells.
PROGRAM_FILES = $(PREFIX)/bin/$(1) $(PREFIX)/share/man/man1/$(1).1 \
    $(PREFIX)/share/bash-completion/completions/$(1) $(PREFIX)/share/zsh/site-functions/_$(1) \
    $(PREFIX)/share/fish/vendor_completions.d/$(1).fish
define INSTALL_PROGRAM
	@set -e; program=$(1); set -- $(addprefix $(DESTDIR),$(call PROGRAM_FILES,$(notdir $(1)))); \
	    install -D -m 755 $$program $$1; shift; \
	    for what in man bash zsh fish; do \
	        install -d $$(dirname $$1); $$program --print $$what >$$1; chmod 644 $$1; shift; \
	    done
endef
WITH_PROBE = $(and $(filter full,$(BUILD)),$(filter yes,$(PROBE)))
WITH_AGENT = $(and $(filter full,$(BUILD)),$(filter yes,$(AGENT)))

# For each user's own service manager.
UNITDIR = $(PREFIX)/lib/systemd/user
UNITS   = tsc-agent.service tsc-agent.socket

INSTALLED_PROGRAMS = $(call PROGRAM_FILES,tsc-probe) $(call PROGRAM_FILES,tsc-agent) $(addprefix $(UNITDIR)/,$(UNITS))

# The manual: the pages, the examples, the reasons, and how to build and report.
MANUAL = $(wildcard *.md LICENSE-* docs/*.md docs/*.svg docs/decisions/*.md examples/*.*)
# Where its pages expect the headers: links to where they are.
MANUAL_HEADERS = include bindings/c
# A page as it is installed. What it links to and is not installed, the repository has.
REPOSITORY := $(shell sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)
PAGE = awk -v installed='$(MANUAL) $(filter $(MANUAL_HEADERS:%=%/%),$(INSTALLED_HEADERS))' \
    -v repository=$(REPOSITORY)/blob/v$(VERSION)/ -f tools/manual.awk

INSTALLED = $(LIBDIR)/$(REAL_NAME) $(LIBDIR)/$(SONAME) $(LIBDIR)/libtsc.so $(LIBDIR)/libtsc.a \
    $(addprefix $(INCLUDEDIR)/,$(notdir $(INSTALLED_HEADERS))) $(INSTALLED_RUSTLS_H_$(BUILD)) \
    $(LIBDIR)/pkgconfig/tsc.pc \
    $(LIBDIR)/cmake/tsc/tscConfig.cmake $(LIBDIR)/cmake/tsc/tscConfigVersion.cmake \
    $(addprefix $(DOCDIR)/,$(MANUAL) $(MANUAL_HEADERS))

# The paths in what is filled in lead from the file itself, so that the tree can be moved.
FILL = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@BINDIR@|$(PREFIX)/bin|g' \
    -e 's|@RUSTLS_CFLAGS@|$(if $(INSTALLED_RUSTLS_H_$(BUILD)), -I$${includedir}/tsc)|' \
    -e 's|@SONAME@|$(SONAME)|g' -e 's|@REAL_NAME@|$(REAL_NAME)|g' \
    -e "s|@INCLUDE_FROM_PKGCONFIG@|$$(realpath -ms --relative-to=$(LIBDIR)/pkgconfig $(INCLUDEDIR))|g" \
    -e "s|@INCLUDE_FROM_CMAKE@|$$(realpath -ms --relative-to=$(LIBDIR)/cmake/tsc $(INCLUDEDIR))|g"

install: build $(if $(WITH_PROBE),probe) $(if $(WITH_AGENT),agent) ## Install to PREFIX (/usr/local), below DESTDIR; BUILD=core: without rustls and the programs
	@test -d build/$(BUILD) || { echo 'BUILD has to be full or core' >&2; exit 2; }
	@install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/tsc $(DESTDIR)$(INCLUDEDIR)
	install -m 755 build/$(BUILD)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(REAL_NAME)
	@ln -sf $(REAL_NAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	@ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtsc.so
	install -m 644 build/$(BUILD)/libtsc.a $(DESTDIR)$(LIBDIR)/libtsc.a
	install -m 644 $(INSTALLED_HEADERS) $(DESTDIR)$(INCLUDEDIR)
	$(if $(INSTALLED_RUSTLS_H_$(BUILD)),install -D -m 644 build/include/rustls.h $(DESTDIR)$(INSTALLED_RUSTLS_H_$(BUILD)))
	@$(FILL) packaging/tsc.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/tsc.pc
	@for name in tscConfig.cmake tscConfigVersion.cmake; do \
	    $(FILL) packaging/$$name.in >$(DESTDIR)$(LIBDIR)/cmake/tsc/$$name || exit 1; done
	@chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/tsc.pc $(DESTDIR)$(LIBDIR)/cmake/tsc/*
	@for page in $(MANUAL); do install -D -m 644 $$page $(DESTDIR)$(DOCDIR)/$$page || exit 1; done
	@for page in $(filter %.md,$(MANUAL)); do $(PAGE) $$page >$(DESTDIR)$(DOCDIR)/$$page || exit 1; done
	@for folder in $(MANUAL_HEADERS); do place=$(DOCDIR)/$$folder; install -d $(DESTDIR)$$(dirname $$place); \
	    ln -sfn $$(realpath -ms --relative-to=$$(dirname $$place) $(INCLUDEDIR)) $(DESTDIR)$$place || exit 1; done
	$(if $(WITH_PROBE),$(call INSTALL_PROGRAM,build/probe/release/tsc-probe))
	$(if $(WITH_AGENT),$(call INSTALL_PROGRAM,build/agent/release/tsc-agent))
	$(if $(WITH_AGENT),@install -d $(DESTDIR)$(UNITDIR); for unit in $(UNITS); do \
	    $(FILL) packaging/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done)

# Of folders only the library's own: the others may have been there before.
uninstall: ## Remove what install put there, given the same variables
	rm -f $(addprefix $(DESTDIR),$(INSTALLED) $(INSTALLED_RUSTLS_H_full) $(INSTALLED_PROGRAMS))
	@for dir in $(LIBDIR)/cmake/tsc $(INCLUDEDIR)/tsc $(DOCDIR)/docs/decisions $(DOCDIR)/docs \
	    $(DOCDIR)/examples $(DOCDIR)/bindings $(DOCDIR); do \
	    [ ! -d $(DESTDIR)$$dir ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir; done

package: build ## Make build/package: .deb files, and a tar archive to unpack anywhere
	@packaging/packages $(VERSION) $(SONAME) $(BUILD)

test-install: deps-install build ## Build consumers in installed prefixes and from the packages
	@sh tests/install/run.sh

.PHONY: install uninstall package test-install
