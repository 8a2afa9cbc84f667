##@ Attack

assurance: deps-test ## Attack every promise, HOURS= of fuzzing, and write docs/assurance.md
	@tools/assurance long

assurance-quick: deps-test ## The part of it that every change has to pass, beside the other tests
	@tools/assurance quick

miri: deps-build ## Run the engine's tests where every access to memory is looked at
	@tools/miri

tsan: deps-build ## Run the engine's tests under ThreadSanitizer, the standard library too
	@tools/tsan

stress: deps-build ## A million lives of attempts in threads, with faults; then the books are balanced
	TSC_BOOKS_STEPS=300000 $(CARGO) test --lib $(FEATURES_core) books -- --nocapture

.PHONY: assurance assurance-quick miri tsan stress
