##@ Install

# Where things go. DESTDIR is put before all of it, for packagers.
PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR    ?=
# Which build: full (with rustls) or core (without).
BUILD      ?= full

REAL_NAME  = $(SONAME).$(VERSION:0.%=%)
INSTALLED_HEADERS = include/tsc.h $(wildcard bindings/c/*.h bindings/cpp/*.hpp)
# In a folder of its own: a system may have a rustls.h of another rustls-ffi.
INSTALLED_RUSTLS_H_full = $(INCLUDEDIR)/tsc/rustls.h

INSTALLED = $(LIBDIR)/$(REAL_NAME) $(LIBDIR)/$(SONAME) $(LIBDIR)/libtsc.so $(LIBDIR)/libtsc.a \
    $(addprefix $(INCLUDEDIR)/,$(notdir $(INSTALLED_HEADERS))) $(INSTALLED_RUSTLS_H_$(BUILD)) \
    $(LIBDIR)/pkgconfig/tsc.pc \
    $(LIBDIR)/cmake/tsc/tscConfig.cmake $(LIBDIR)/cmake/tsc/tscConfigVersion.cmake

# The paths in what is filled in lead from the file itself, so that the tree can be moved.
FILL = sed -e 's|@VERSION@|$(VERSION)|g' \
    -e 's|@RUSTLS_CFLAGS@|$(if $(INSTALLED_RUSTLS_H_$(BUILD)), -I$${includedir}/tsc)|' \
    -e 's|@SONAME@|$(SONAME)|g' -e 's|@REAL_NAME@|$(REAL_NAME)|g' \
    -e "s|@INCLUDE_FROM_PKGCONFIG@|$$(realpath -ms --relative-to=$(LIBDIR)/pkgconfig $(INCLUDEDIR))|g" \
    -e "s|@INCLUDE_FROM_CMAKE@|$$(realpath -ms --relative-to=$(LIBDIR)/cmake/tsc $(INCLUDEDIR))|g"

install: build ## Install to PREFIX (/usr/local), below DESTDIR; BUILD=core: without rustls
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

# Of folders only the library's own: the others may have been there before.
uninstall: ## Remove what install put there, given the same variables
	rm -f $(addprefix $(DESTDIR),$(INSTALLED) $(INSTALLED_RUSTLS_H_full))
	@for dir in $(LIBDIR)/cmake/tsc $(INCLUDEDIR)/tsc; do \
	    [ ! -d $(DESTDIR)$$dir ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir; done

package: build ## Make build/package: .deb files, and a tar archive to unpack anywhere
	@packaging/packages $(VERSION) $(SONAME) $(BUILD)

test-install: deps-install build ## Build consumers in installed prefixes and from the packages
	@sh tests/install/run.sh

.PHONY: install uninstall package test-install
