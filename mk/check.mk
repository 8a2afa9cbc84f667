##@ Check

CHECKS = check-header check-features check-headers check-others check-symbols check-abi check-versions check-soname \
    check-static check-statuses check-readme check-deps check-yard check-release check-instructions check-assurance check-verification check-pages size

check: deps-check $(CHECKS) ## Run the checks below, except check-oldest

check-header: deps-build ## Compare include/tsc.h with what src/capi makes of it
	$(CARGO) test --quiet $(FEATURES_core) --test header

check-features: deps-build ## Build Rust programs on the crate: they get what they asked for
	@tools/features

check-oldest: ## Build and test with the oldest Rust of Cargo.toml, which rustup fetches
	@tools/oldest

check-headers: deps-test build/include/rustls.h ## Compile each header alone and twice, as C11, C++17 and C++20
	@tools/headers include/tsc.h $(wildcard bindings/c/*.h bindings/cpp/*.hpp)

check-others: deps-test ## Compile tsc_openssl.h with OpenSSL 1.1.1, 3 and 4, AWS-LC, BoringSSL
	@sh tests/headers/others.sh

check-symbols: build ## Compare the exported symbols and their versions with packaging/*.map
	@tools/symbols build/core packaging/libtsc.map
	@tools/symbols build/full packaging/libtsc.map packaging/rustls.map

check-abi: deps-test ## Compare functions, parameters and structs with tests/abi (abidiff)
	@CC="$(CC)" tools/abi check $(SONAME)

update-abi: deps-test ## Write tests/abi after a change of the ABI that is meant
	@CC="$(CC)" tools/abi update $(SONAME)

check-versions: build ## Give a function a second version and run an older program
	@CC="$(CC)" sh tests/versions/run.sh $(SONAME)

check-soname: build ## Check the SONAME of both builds
	@tools/soname build/core build/full

check-static: deps-test build ## Link and run a test with each static library
	@tools/static build/core build/full

# As a user does: from the root, and each program finds the library by itself.
check-readme: deps-cpp build ## Compare the pages with the examples; run their cc and c++ lines
	$(CARGO) test --quiet $(FEATURES_core) --test readme
	@sed -n 's|^c[c+]* -.*examples/.*|& -o build/readme-example \&\& ldd build/readme-example \| grep "libtsc.so.0 => build"|p' \
	    README.md docs/c.md | env -u LD_LIBRARY_PATH sh -ex

check-deps: ## Test that nothing is installed without being asked for
	@sh tests/tools/deps.sh

check-yard: ## Check makefiles, the folders in CONTRIBUTING, and the layers of src/
	@awk -f tools/makefiles.awk mk/*.mk Makefile
	@tools/tree
	@tools/layers

check-release: deps-build ## Check what a release needs and takes no build: versions, changelog, package lists
	@tools/release-check quick

check-instructions: deps-test build/bench/instructions ## Compare the instructions of each call with bench/instructions.txt
	@tools/instructions check build/bench/instructions bench/instructions.txt

update-instructions: deps-test build/bench/instructions ## Write bench/instructions.txt after a change that is meant
	@tools/instructions update build/bench/instructions bench/instructions.txt

build/bench/instructions: bench/instructions.c $(HEADERS) | build
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 $(STRICT) $(INCLUDE) -o $@ $< -Lbuild/core -ltsc \
	    '-Wl,-rpath,$$ORIGIN/../core'

check-verification: ## Check that each cell of docs/verification.md has a test
	@tools/verification

check-pages: ## Check that the site's contents have every page
	@tools/site pages build/pages >/dev/null

size: build ## Compare the size of the stripped libraries with their limits
	@tools/size build/core 740
	@tools/size build/full 5000

.PHONY: check $(CHECKS) check-oldest update-abi update-instructions
