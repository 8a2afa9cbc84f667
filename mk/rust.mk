##@ Rust

CLIENTS = --locked --manifest-path examples/rust/Cargo.toml

test-bindings: test-rust-clients test-rust-clients-cassandra

# "cassandra" is in the name of each test that needs it, and in no other.
test-rust-clients: deps-rust lint-rust-clients ## Test the crate inside tokio-rustls, reqwest and tokio-postgres
	$(CARGO) test $(CLIENTS) --test clients -- --skip cassandra

test-rust-clients-cassandra: build/test/tap cassandra ## Test the crate inside the scylla driver, against Cassandra
	$(CARGO) test $(CLIENTS) --test clients -- cassandra

lint-rust-clients: deps-rust ## Check format and lints of the Rust clients
	$(CARGO) fmt --manifest-path examples/rust/Cargo.toml --check
	$(CARGO) clippy $(CLIENTS) --all-targets -- -D warnings

fmt: fmt-rust-clients

fmt-rust-clients:
	$(CARGO) fmt --manifest-path examples/rust/Cargo.toml

.PHONY: test-rust-clients test-rust-clients-cassandra lint-rust-clients fmt-rust-clients
