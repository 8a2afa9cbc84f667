##@ Build

build: $(foreach dir,build/full build/core,$(dir)/libtsc.a $(dir)/$(SONAME)) build/include/rustls.h ## Build the libraries: build/full with rustls, build/core without
	@:

# The static library is asked for by itself: with an rlib beside it cargo switches LTO off
# (rust-lang/rust#51009). Both builds come out of cargo under the same name, so cargo is not asked when
# nothing changed: it would link both again.
build/full/libtsc.a build/core/libtsc.a: build/%/libtsc.a: $(SOURCES) | deps-build
	$(CARGO) rustc --release --lib --crate-type staticlib $(FEATURES_$*)
	@mkdir -p $(@D)
	@cp $(CARGO_TARGET_DIR)/release/$(CARGO_ARCHIVE) $@

# The shared library is the static one, with the symbols of the maps and no others.
build/full/$(SONAME): packaging/libtsc.map packaging/rustls.map
build/core/$(SONAME): packaging/libtsc.map
build/full/$(SONAME) build/core/$(SONAME): %/$(SONAME): %/libtsc.a tools/link
	CC="$(CC)" tools/link $@ $(SONAME) -Wl,--strip-debug $(filter-out tools/link,$^)
	@ln -sf $(SONAME) $(@D)/libtsc.so

# rustls.h comes with the very rustls-ffi that is in the library.
build/include/rustls.h: Cargo.lock | deps-build
	@mkdir -p $(@D)
	@cp "$$($(CARGO) metadata --format-version 1 $(FEATURES_full) | tr ',' '\n' | \
	    sed -n 's|^"manifest_path":"\(.*/rustls-ffi-[^/]*\)/Cargo.toml"$$|\1|p')/src/rustls.h" $@

header: deps-build ## Write include/tsc.h from src/capi
	@TSC_UPDATE=1 $(CARGO) test --quiet $(FEATURES_core) --test header -- generated

.PHONY: build header
