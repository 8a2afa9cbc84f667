##@ Attack

assurance: deps-assurance ## Attack every promise, HOURS= of fuzzing, and write docs/assurance.md
	@tools/assurance long

assurance-quick: deps-assurance ## The part of it that every change has to pass, beside `make test`
	@tools/assurance quick

miri: deps-assurance ## Run the engine's tests where every access to memory is looked at
	@tools/miri all

miri-quick: deps-assurance ## The same for what `unsafe` is in
	@tools/miri quick

tsan: deps-assurance ## Run the engine's tests under ThreadSanitizer, the standard library too
	@tools/tsan

.PHONY: assurance assurance-quick miri miri-quick tsan
