//! What a pool gets that opens many connections at once, with libtsc: without waiting, and with it.

use super::Unknown;
use crate::client::{Client, Phase};
use crate::pace::Pace;
use crate::target::Target;
use crate::ticket::{Session, Ticket};
use libtsc::{Attempt, Cache, Config, Endpoint, Failure, Options, SessionInfo};
use openssl::ssl::{SslSession, SslVersion};
use serde::{Deserialize, Serialize};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Pool {
    pub connections: u32,
    pub without_waiting: Burst,
    pub waiting: Burst,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Burst {
    pub resumed: u32,
    pub full: u32,
    pub failed: u32,
    /// Until the last one was up.
    pub milliseconds: f64,
    /// Each connection: when it began its handshake and when it was up, in milliseconds, and whether it resumed.
    pub timeline: Vec<Bar>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bar {
    pub began: f64,
    pub up: f64,
    pub resumed: bool,
}

/// How long a connection of the pool waits at most for a ticket.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

pub fn look(
    pace: &Pace,
    client: &Client,
    target: &Target,
    connections: u32,
) -> Result<Pool, Unknown> {
    Ok(Pool {
        connections,
        without_waiting: burst(pace, client, target, connections, None)?,
        waiting: burst(pace, client, target, connections, Some(MAX_WAIT))?,
    })
}

fn burst(
    pace: &Pace,
    client: &Client,
    target: &Target,
    connections: u32,
    max_wait: Option<Duration>,
) -> Result<Burst, Unknown> {
    pace.burst(connections)?;
    // Each burst starts with nothing.
    let cache = Cache::new(Options::default());
    let config = match client.rustls_config() {
        Some(tls) => Bound::Rustls(libtsc::rustls::Config::new(&cache, tls)),
        None => Bound::OpenSsl(Config::new(&cache)),
    };
    let gate = std::sync::Barrier::new(connections as usize);
    let began = std::sync::OnceLock::new();
    let bars: Vec<Option<Bar>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    // As pools do, TCP first: what is then waited for is not kept for a dead server.
                    let stream = client.dial(target.address);
                    gate.wait();
                    let zero = *began.get_or_init(Instant::now);
                    let bar = match &config {
                        Bound::OpenSsl(config) => {
                            with_openssl(config, client, target, stream.ok()?, max_wait, zero)
                        }
                        Bound::Rustls(config) => {
                            with_rustls(config, client, target, stream.ok()?, max_wait, zero)
                        }
                    };
                    bar.ok()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().ok().flatten())
            .collect()
    });
    let mut burst = Burst::default();
    for bar in bars {
        match bar {
            None => burst.failed += 1,
            Some(bar) => {
                burst.resumed += u32::from(bar.resumed);
                burst.full += u32::from(!bar.resumed);
                burst.milliseconds = burst.milliseconds.max(bar.up);
                burst.timeline.push(bar);
            }
        }
    }
    burst
        .timeline
        .sort_by(|one, other| one.began.total_cmp(&other.began));
    Ok(burst)
}

/// The client's TLS configuration, bound to a cache.
enum Bound {
    OpenSsl(Config),
    Rustls(libtsc::rustls::Config),
}

/// One connection of a pool: libtsc's Rust API with rustls.
fn with_rustls(
    config: &libtsc::rustls::Config,
    client: &Client,
    target: &Target,
    stream: TcpStream,
    max_wait: Option<Duration>,
    zero: Instant,
) -> anyhow::Result<Bar> {
    let endpoint = Endpoint::new(&target.host, target.address.port()).server_name(client.name());
    let attempt = config.begin(&endpoint)?;
    if let Some(max_wait) = max_wait {
        let _ = attempt.wait(max_wait);
    }
    let began = milliseconds(zero);
    let mut open = client
        .shake_with(stream, attempt.client_config())
        .inspect_err(|_| _ = attempt.failed(Failure::HANDSHAKE))?;
    let resumed = open.resumed();
    let up = milliseconds(zero);
    // There is no login here, so what comes may serve others at once.
    let _ = attempt.established(resumed);
    open.listen(Phase::BeforeRequest, usize::MAX);
    if attempt.info().is_ok_and(|info| info.received == 0) {
        open.ask(usize::MAX);
    }
    open.close();
    Ok(Bar { began, up, resumed })
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// One connection of a pool: libtsc's Rust API with a TLS stack that it does not know.
fn with_openssl(
    config: &Config,
    client: &Client,
    target: &Target,
    stream: TcpStream,
    max_wait: Option<Duration>,
    zero: Instant,
) -> anyhow::Result<Bar> {
    let endpoint = Endpoint::new(&target.host, target.address.port());
    let attempt = Arc::new(config.begin(&endpoint)?);
    if let Some(max_wait) = max_wait {
        let _ = attempt.wait(max_wait);
    }
    let offer = attempt.offer()?;
    let session = offer
        .as_ref()
        .and_then(|session| SslSession::from_der(session.bytes()?).ok())
        .map(Session::OpenSsl);
    if session.is_some() {
        attempt.sent()?;
    }
    let began = milliseconds(zero);
    let mut open = match client.shake(stream, session.as_ref()) {
        Ok(open) => open,
        Err(refusal) => {
            let _ = attempt.failed(Failure::HANDSHAKE);
            return Err(refusal.into());
        }
    };
    let resumed = open.resumed();
    let up = milliseconds(zero);
    let _ = attempt.established(resumed);
    for arrival in open.tickets() {
        give(&attempt, &arrival.ticket);
    }
    let giver = Arc::clone(&attempt);
    open.on_ticket(move |ticket| give(&giver, ticket));
    open.listen(Phase::BeforeRequest, usize::MAX);
    if open.tickets().is_empty() {
        open.ask(usize::MAX);
    }
    open.close();
    Ok(Bar { began, up, resumed })
}

fn give(attempt: &Attempt, ticket: &Ticket) {
    let info = match ticket.version == SslVersion::TLS1_3 {
        true => SessionInfo::tls13(ticket.lifetime.unwrap_or_default()),
        false => SessionInfo::tls12(ticket.lifetime.unwrap_or_default()),
    };
    let encoded = ticket.session.openssl().map(|session| session.to_der());
    if let Some(Ok(encoded)) = encoded {
        let _ = attempt.receive(&info, &encoded);
    }
}
