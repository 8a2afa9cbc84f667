//! The clients of `src/bin`, as whole programs, with the servers that they are for. Whether a connection
//! was resumed is the server's word, or that of what stands between the two.

mod certificate;
mod folder;
mod process;
mod rustls_server;
mod tap;

mod postgres_client;
mod reqwest_client;
mod scylla_client;
mod tokio_pool;
