##@ Python

# Everything that pip installs goes into a virtual environment under build/python.
PYTHON ?= python3
export PYTHON
PY = build/python/venv/bin/python
PY_SOURCES = $(shell find bindings/python -name '*.[ch]' -o -name '*.py' -o -name '*.pyi') \
    bindings/python/CMakeLists.txt bindings/python/pyproject.toml

test-bindings: test-python test-python-versions test-python-cassandra test-python-cluster

test-python: lint-python build/python/installed build/test/tap agent ## Test the Python binding: sockets, asyncio, drivers, fork
	@printf '%s\n' 1 0 | tools/beside sh -c 'TSC_DIRECT=$$0 exec $(PY) -m pytest -q -p no:cacheprovider \
	    --ignore-glob="*/test_cassandra*.py" bindings/python/tests'

test-python-cassandra: build/python/installed build/python/venv/cassandra build/test/tap build/cassandra/lib ## Test cassandra-driver, each reactor, against Cassandra
	@$(PY) -m pytest -q -p no:cacheprovider bindings/python/tests/test_cassandra.py

# One wheel for all of them, as it would be published. Debian 13's CPython 3.13.5 no longer copies the sessions that it
# hands out.
SUITES ?= trixie
test-python-versions: build/python/wheel agent ## Test one wheel with each CPython from 3.9 on that is there, and of SUITES="trixie sid" of Debian
	@pythons=$$(tools/pythons && tools/cpython $(SUITES)) && echo "$$pythons" | tools/beside tools/test-wheel

KINDS ?= hidden shown free musl
test-python-built: deps-cpython build/python/wheel agent ## Test the wheel with CPythons built for it: a static OpenSSL, free-threaded, musl; minutes
	@for kind in $(KINDS); do \
	    python=$$(tools/cpython $$kind) && tools/test-wheel $$python $$kind || exit 1; \
	done

test-python-arm64: build/python/venv/made ## Make the wheel for arm64 and test it under qemu; needs debootstrap, qemu-user and the Rust target
	@rm -rf build/python/wheels && tools/cross-wheel manylinux_2_17_aarch64 build/python/wheels
	@tools/arm64-python build/python/wheels/*.whl

build/python/wheel: $(PY_SOURCES) build/core/libtsc.a build/python/venv/made
	@rm -rf $@
	@$(PY) -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation \
	    -C build-dir=$(CURDIR)/build/python/cmake -w $@ ./bindings/python

build/python/venv/cassandra: bindings/python/requirements-cassandra.txt build/python/venv/made
	@$(PY) -m pip install -q --disable-pip-version-check -r $<
	@touch $@

# scylla-driver takes the place of cassandra-driver, so it has an environment of its own.
SCYLLA_PY = build/python/venv-scylla/bin/python

test-python-cluster: build/python/installed build/python/venv/cassandra build/python/venv-scylla/made agent ## Test tsc.cassandra with cassandra-driver and scylla-driver, each reactor
	@$(PY) -m pytest -q -p no:cacheprovider $(CLUSTER_TESTS)
	@$(SCYLLA_PY) -m pip install -q --disable-pip-version-check --no-deps --force-reinstall \
	    --no-build-isolation -C build-dir=$(CURDIR)/build/python/cmake ./bindings/python
	@$(SCYLLA_PY) -m pytest -q -p no:cacheprovider $(CLUSTER_TESTS)

CLUSTER_TESTS = bindings/python/tests/test_cassandra_cluster.py

build/python/venv-scylla/made: bindings/python/requirements-scylla.txt
	@$(PYTHON) -m venv build/python/venv-scylla
	@$(SCYLLA_PY) -m pip install -q --disable-pip-version-check -r $<
	@touch $@

lint-python: build/python/venv/made ## Check format, lints and types of the Python binding
	@build/python/venv/bin/ruff check --no-cache -q bindings/python
	@build/python/venv/bin/ruff format --no-cache --check -q bindings/python
	@build/python/venv/bin/ruff check --no-cache -q --config bindings/python/pyproject.toml bench/engine bench/workers
	@build/python/venv/bin/ruff format --no-cache --check -q --config bindings/python/pyproject.toml bench/engine bench/workers
	@cd bindings/python && ../../build/python/venv/bin/mypy --cache-dir=../../build/python/mypy

# For `make workers`.
build/bench/workers/worker-python: build/python/installed
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec %s bench/workers/worker.py "$$@"\n' '$(PY)' >$@
	@chmod +x $@

# For `make bench`.
build/bench/engine-python: build/python/installed
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec %s bench/engine/python.py\n' '$(PY)' >$@
	@chmod +x $@

bench-python: build/python/installed build/python/wheel build/storm/delay ## Compare the Python binding with the design of the request, by call and by connection
	@$(PY) bindings/python/bench/cache.py
	@$(PY) bindings/python/bench/burst.py
	@for python in $$(tools/pythons); do \
	    name=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    tools/test-wheel $$python $$name bindings/python/bench/connections.py || exit 1; \
	done

bench-python-debian: build/python/wheel ## The same by connection, with the CPython of SUITES="trixie sid" of Debian
	@for suite in $(SUITES); do \
	    python=$$(tools/cpython $$suite) && \
	    tools/test-wheel $$python $$suite bindings/python/bench/connections.py || exit 1; \
	done >build/python/debian.txt
	@cat build/python/debian.txt

bench-python-cassandra: build/python/installed build/python/venv/cassandra build/cassandra/lib build/storm/delay ## Measure cassandra-driver's connections, full and resumed
	@$(PY) bindings/python/bench/driver.py

bench-python-docs: build/python/installed build/python/venv/cassandra build/cassandra/lib build/storm/delay bench-python-debian ## Write what the Python benchmarks print into docs/python.md
	@$(PY) bindings/python/bench/docs.py debian <build/python/debian.txt
	@for name in connections burst driver; do \
	    $(PY) bindings/python/bench/$$name.py >build/python/$$name.txt && \
	    $(PY) bindings/python/bench/docs.py $$name <build/python/$$name.txt || exit 1; \
	done

# The wheel is one for every CPython from 3.9 on, with the library in it.
build/python/installed: $(PY_SOURCES) build/core/libtsc.a build/python/venv/made
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
	    --force-reinstall -C build-dir=$(CURDIR)/build/python/cmake ./bindings/python
	@touch $@

build/python/venv/made: bindings/python/requirements.txt mk/python.mk | deps-python
	@$(PYTHON) -m venv build/python/venv
	@$(PY) -m pip install -q --disable-pip-version-check -r bindings/python/requirements.txt
	@touch $@

.PHONY: test-python test-python-versions test-python-built test-python-arm64 test-python-cassandra test-python-cluster \
    lint-python bench-python bench-python-debian bench-python-cassandra bench-python-docs
