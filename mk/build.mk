##@ Build

build: build/full/$(SONAME) build/core/$(SONAME) build/include/rustls.h ## Build the libraries: build/full with rustls, build/core without
	@:

SOURCES := Cargo.toml Cargo.lock build.rs cbindgen.toml $(shell find src -name '*.rs')

# The cdylib and the staticlib are asked for by themselves: with an rlib beside them cargo switches LTO
# off (rust-lang/rust#51009). Both builds come out of cargo under the same name, so cargo is not asked
# when nothing changed: it would link both again.
build/full/$(SONAME) build/core/$(SONAME): build/%/$(SONAME): $(SOURCES) | deps-build
	$(CARGO) rustc --release --lib --crate-type cdylib --crate-type staticlib $(FEATURES_$*) \
	    -- -C link-arg=-Wl,-soname,$(SONAME)
	@mkdir -p $(@D)
	@cp $(CARGO_TARGET_DIR)/release/$(CARGO_ARCHIVE) $(@D)/libtsc.a
	@cp $(CARGO_TARGET_DIR)/release/$(CARGO_ARCHIVE:.a=.so) $@
	@ln -sf $(SONAME) $(@D)/libtsc.so

# rustls.h comes with the very rustls-ffi that is in the library.
build/include/rustls.h: Cargo.lock | deps-build
	@mkdir -p $(@D)
	@cp "$$($(CARGO) metadata --format-version 1 $(FEATURES_full) | tr ',' '\n' | \
	    sed -n 's|^"manifest_path":"\(.*/rustls-ffi-[^/]*\)/Cargo.toml"$$|\1|p')/src/rustls.h" $@

header: deps-build ## Write include/tsc.h from src/capi
	@TSC_UPDATE=1 $(CARGO) test --quiet $(FEATURES_core) --test header -- generated

.PHONY: build header
