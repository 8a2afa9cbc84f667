//! Connects to several PostgreSQL servers of one host again and again with tokio-postgres:
//!
//! ```text
//! postgres_client HOST PORTS USER PASSWORD CAFILE ROUNDS
//! ```
//!
//! PORTS are separated by commas. The certificates of all servers have the same name, and each server is
//! offered its own sessions only.

use libtsc::{Cache, Endpoint, Options};
use libtsc_clients::{Outcome, arguments, check_books, trust};
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let names = ["HOST", "PORTS", "USER", "PASSWORD", "CAFILE", "ROUNDS"];
    let [host, ports, user, password, cafile, rounds] = arguments(names)?;
    let cache = Cache::new(Options::default());
    let config = libtsc::rustls::Config::new(&cache, trust(&cafile)?);

    let mut servers = Vec::new();
    for port in ports.split(',') {
        let port = port.parse()?;
        let mut parameters = tokio_postgres::Config::new();
        parameters.host(&host).port(port).dbname("postgres");
        parameters.user(&user).password(&password);
        parameters.ssl_mode(SslMode::Require);
        let tls = config.for_endpoint(&Endpoint::new(&host, port))?;
        let tls = MakeRustlsConnect::new(Arc::unwrap_or_clone(tls));
        servers.push((parameters, tls));
    }
    for _ in 0..rounds.parse()? {
        for (parameters, tls) in &servers {
            let (client, connection) = parameters.connect(tls.clone()).await?;
            let connection = tokio::spawn(connection);
            let row = client.query_one("SELECT current_user", &[]).await?;
            println!("{}", row.get::<_, &str>(0));
            drop(client);
            connection.await??;
        }
    }
    check_books(&cache)
}
