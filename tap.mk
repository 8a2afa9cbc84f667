##@ Tap

# Stands between clients and servers in the tests of drivers, in whatever language these are.
build/test/tap: tests/tap/tap.c
	@mkdir -p $(@D)
	$(CC_TEST) -o $@ $<

test-bindings: test-tap

test-tap: build/test/tap | deps-test ## Tests the tap between clients and servers that tests of drivers use
	@sh tests/tap/test.sh $<

.PHONY: test-tap
