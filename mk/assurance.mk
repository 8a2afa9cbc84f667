##@ Attack

assurance: deps-test ## Attack every promise for HOURS= (4) in all, and write docs/assurance.md; PARTS= of it
	@tools/assurance long $(PARTS)

assurance-quick: deps-test ## The part of it that every change has to pass, beside the other tests
	@tools/assurance quick

check-assurance: ## Compare docs/assurance.md with the counts in docs/assurance.csv
	@tools/assurance check

miri: deps-build ## Run the engine's tests and calls of the C API where every access to memory is looked at
	@tools/miri

tsan: deps-build ## Run the engine's tests under ThreadSanitizer, the standard library too
	@tools/tsan

stress: deps-build ## A million lives of attempts in threads, with faults; then the books are balanced
	TSC_BOOKS_STEPS=300000 $(CARGO) test --lib $(FEATURES_core) books -- --show-output

.PHONY: assurance assurance-quick check-assurance miri tsan stress
