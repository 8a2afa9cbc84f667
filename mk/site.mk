##@ Site

MDBOOK_VERSION = 0.4.52
MDBOOK = build/mdbook/bin/mdbook

site: build/site/rust $(MDBOOK) ## Make build/site: all pages, the headers as a reference, the crate's pages; check its links
	@rm -rf build/book && mkdir -p build/book && cp packaging/site/* build/book
	@tools/site pages build/book/pages
	@find build/site -mindepth 1 -maxdepth 1 ! -name rust -exec rm -rf {} +
	@mv build/site/rust build/book/rust && $(MDBOOK) build build/book && mv build/book/rust build/site/rust
	@tools/site check build/site

build/site/rust: $(SOURCES) | deps-build
	$(CARGO) doc --quiet --no-deps --features rustls --target-dir build/rustdoc
	@mkdir -p build/site && rm -rf $@ && cp -r build/rustdoc/doc $@ && touch $@

# Of its own folder, and pinned: it is a tool, no dependency of the library.
$(MDBOOK): | deps-build
	CARGO_TARGET_DIR=build/mdbook/target $(CARGO) install mdbook --version $(MDBOOK_VERSION) --locked \
	    --no-default-features --features search --root build/mdbook
	@rm -rf build/mdbook/target

.PHONY: site
