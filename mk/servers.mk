##@ Servers for the tests

# Once: what is there stays until pom.xml asks for something else. Into a folder of another name first,
# so that one that was broken off is not taken for whole.
cassandra: build/cassandra/lib ## Fetch Apache Cassandra from Maven Central, for the tests of drivers

build/cassandra/lib: tests/servers/cassandra/pom.xml | deps-cassandra
	@echo 'Fetching Apache Cassandra, 70 MB, once'
	@rm -rf $@ $@.part
	@mvn -q -B -C -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@.part
	@mv $@.part $@
	@touch $@

# Stands between clients and servers in the tests of drivers, in whatever language these are.
build/test/tap: tests/tap/tap.c | deps-build
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -g -O1 $(STRICT) -o $@ $<

test-bindings: test-tap

test-tap: deps-test build/test/tap ## Test the tap between clients and servers that tests of drivers use
	@sh tests/tap/test.sh build/test/tap

.PHONY: cassandra test-tap
