//! Opens many connections to one server at once with tokio-rustls, as a pool does:
//!
//! ```text
//! tokio_pool HOST PORT CAFILE CONNECTIONS MAX_WAIT_MS
//! ```
//!
//! With a `MAX_WAIT_MS` that is not 0, those for which there is no ticket yet wait for the tickets that the
//! others bring.

use libtsc::rustls::Config;
use libtsc::{Cache, Endpoint, Failure, Options};
use libtsc_clients::{Outcome, arguments, check_books, trust};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Tls = TlsStream<TcpStream>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let names = ["HOST", "PORT", "CAFILE", "CONNECTIONS", "MAX_WAIT_MS"];
    let [host, port, cafile, connections, max_wait] = arguments(names)?;
    let (port, connections) = (port.parse()?, connections.parse()?);
    let max_wait = Duration::from_millis(max_wait.parse()?);
    let tls = trust(&cafile)?;
    // [tsc]
    let cache = Cache::new(Options::default());
    let config = libtsc::rustls::Config::new(&cache, tls);
    // [/tsc]

    let mut opening = JoinSet::new();
    for _ in 0..connections {
        opening.spawn(open(config.clone(), host.clone(), port, max_wait));
    }
    let mut pool = Vec::new();
    while let Some(opened) = opening.join_next().await {
        pool.push(opened??);
    }
    let resumed = pool.iter().filter(|(_, resumed)| *resumed).count();
    println!("{resumed} of {} connections resumed", pool.len());
    check_books(&cache)
}

/// Opens a connection; whether it was resumed.
async fn open(
    config: Config,
    host: String,
    port: u16,
    max_wait: Duration,
) -> Result<(Tls, bool), Box<dyn Error + Send + Sync>> {
    let name = ServerName::try_from(host.clone())?;
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    // [tsc]
    let attempt = config.begin(&Endpoint::new(&host, port))?;
    _ = timeout(max_wait, attempt.ready(max_wait)).await;
    let connector = TlsConnector::from(attempt.client_config());
    let handshake = connector.connect(name, tcp).await;
    let mut tls = handshake.inspect_err(|_| _ = attempt.failed(Failure::HANDSHAKE))?;
    let resumed = tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let login = log_in(&mut tls).await;
    login.inspect_err(|_| _ = attempt.failed(Failure::login(resumed)))?;
    _ = attempt.established(resumed);
    // [/tsc]
    Ok((tls, resumed))
}

/// Stands for a driver's login: a first request and its answer.
async fn log_in(tls: &mut Tls) -> io::Result<()> {
    tls.write_all(b"hello\n").await?;
    tls.read_exact(&mut [0; b"welcome\n".len()]).await?;
    Ok(())
}
