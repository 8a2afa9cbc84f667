##@ Servers of the tests

# Once: what is there stays until pom.xml asks for something else. Into a folder of another name first,
# so that one that was broken off is not taken for whole.
cassandra: build/cassandra/lib ## Fetch Apache Cassandra from Maven Central, for the tests of drivers

build/cassandra/lib: tests/servers/cassandra/pom.xml | deps-cassandra
	@echo 'Fetching Apache Cassandra, 70 MB, once'
	@rm -rf $@ $@.part
	@mvn -q -B -C -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@.part
	@mv $@.part $@
	@touch $@

.PHONY: cassandra
