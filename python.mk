##@ Python

# Everything that pip installs goes into a virtual environment under build/python.
PYTHON ?= python3
export PYTHON
PY = build/python/venv/bin/python
PY_SOURCES = $(shell find bindings/python -name '*.[ch]' -o -name '*.py' -o -name '*.pyi') \
    bindings/python/CMakeLists.txt bindings/python/pyproject.toml

test-bindings: test-python test-python-cassandra

test-python: lint-python build/python/installed ## Tests the Python binding: sockets, asyncio, drivers, fork
	@$(PY) -m pytest -q -p no:cacheprovider --ignore=bindings/python/tests/test_cassandra.py \
	    bindings/python/tests

test-python-cassandra: build/python/installed build/python/venv/cassandra build/cassandra/lib ## Tests cassandra-driver, each reactor, against Apache Cassandra
	@$(PY) -m pytest -q -p no:cacheprovider bindings/python/tests/test_cassandra.py

build/python/venv/cassandra: bindings/python/requirements-cassandra.txt build/python/venv/made
	@$(PY) -m pip install -q --disable-pip-version-check -r $<
	@touch $@

lint-python: build/python/venv/made ## Checks format, lints and types of the Python binding
	@build/python/venv/bin/ruff check --no-cache -q bindings/python
	@build/python/venv/bin/ruff format --no-cache --check -q bindings/python
	@cd bindings/python && ../../build/python/venv/bin/mypy --cache-dir=../../build/python/mypy

bench-python: build/python/installed ## Measures the Python binding against a lock and an OrderedDict
	@$(PY) bindings/python/bench/cache.py

bench-python-cassandra: build/python/installed build/python/venv/cassandra build/cassandra/lib ## Measures cassandra-driver's connections to Apache Cassandra, full and resumed
	@$(PY) bindings/python/bench/driver.py

# The wheel is one for every CPython from 3.9 on, with the library in it.
build/python/installed: $(PY_SOURCES) build/core/libtsc.so.0 build/python/venv/made
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
	    --force-reinstall -C build-dir=$(CURDIR)/build/python/cmake ./bindings/python
	@touch $@

build/python/venv/made: bindings/python/requirements.txt python.mk | deps-python
	@$(PYTHON) -m venv build/python/venv
	@$(PY) -m pip install -q --disable-pip-version-check -r bindings/python/requirements.txt
	@touch $@

deps-python:
	@tests/check/deps python

.PHONY: test-python test-python-cassandra lint-python bench-python \
    bench-python-cassandra deps-python
