//! What a pool gets that opens many connections at once, with libtsc: without waiting, and with it.

use super::Unknown;
use super::saving::Saving;
use super::tickets::When;
use crate::client::{Client, Phase, until_quiet};
use crate::pace::Pace;
use crate::report::Version;
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
    /// What was to be expected of the one that waits.
    pub forecast: Option<Forecast>,
}

/// By arithmetic, of what single connections got.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Forecast {
    /// Without waiting: none, because all begin before the first ticket comes. A slow machine begins some later.
    pub without_waiting: u32,
    pub waiting: u32,
    /// Until the last of those that wait is up, if neither side runs out of CPU.
    pub milliseconds: f64,
    /// For how long the sessions that are left serve another pool, as the server says; 0: it does not.
    pub seconds: u32,
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
    /// Why the first of those that failed did.
    pub failure: Option<String>,
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
    forecast: Option<Forecast>,
) -> Result<Pool, Unknown> {
    Ok(Pool {
        connections,
        forecast,
        without_waiting: burst(pace, client, target, connections, None)?,
        waiting: burst(pace, client, target, connections, Some(MAX_WAIT))?,
    })
}

/// None: there is nothing to go by.
pub fn forecast(version: &Version, saving: &Saving, connections: u32) -> Option<Forecast> {
    let tickets = version.tickets.as_ref()?;
    if tickets.offered == 0 {
        return None;
    }
    // The sessions of TLS 1.2 are not used up.
    let used_up = version.version == "TLS 1.3";
    let after = |when: &[When]| when.last().map_or(0.0, |last| last.milliseconds);
    let full = saving.full_ms + after(&tickets.after_full);
    let resumed = saving.resumed_ms + after(&tickets.after_resumed);
    let (mut resumes, mut milliseconds) = (0, 0.0);
    let (mut left, mut sessions) = (connections, 0);
    while left > 0 {
        if sessions == 0 {
            // One goes first, and the others wait for what it brings.
            left -= 1;
            sessions = tickets.after_full.len() as u32;
            milliseconds += full;
            continue;
        }
        let wave = if used_up { sessions.min(left) } else { left };
        left -= wave;
        resumes += wave;
        if used_up {
            sessions = sessions - wave + wave * tickets.after_resumed.len() as u32;
        }
        milliseconds += resumed;
    }
    Some(Forecast {
        without_waiting: 0,
        waiting: resumes * tickets.resumed / tickets.offered,
        milliseconds,
        seconds: version.lifetime.as_ref().map_or(0, |given| given.longest),
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
    let bars: Vec<anyhow::Result<Bar>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    // As pools do, TCP first: what is then waited for is not kept for a dead server.
                    let stream = client.dial(target.address);
                    gate.wait();
                    let zero = *began.get_or_init(Instant::now);
                    match &config {
                        Bound::OpenSsl(config) => {
                            with_openssl(config, client, target, stream?, max_wait, zero)
                        }
                        Bound::Rustls(config) => {
                            with_rustls(config, client, target, stream?, max_wait, zero)
                        }
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .expect("a connection of the pool does not panic")
            })
            .collect()
    });
    let mut burst = Burst::default();
    for bar in bars {
        match bar {
            Err(why) => {
                burst.failed += 1;
                burst.failure.get_or_insert_with(|| why.to_string());
            }
            Ok(bar) => {
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
    stream: Arc<TcpStream>,
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
    open.listen(Phase::BeforeRequest, until_quiet);
    if attempt.info().is_ok_and(|info| info.received == 0) {
        open.ask(until_quiet);
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
    stream: Arc<TcpStream>,
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
    open.listen(Phase::BeforeRequest, until_quiet);
    if open.tickets().is_empty() {
        open.ask(until_quiet);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::lifetime::Lifetime;
    use crate::facts::tickets::Tickets;

    /// Of a server that gives so many tickets, each 1 ms after a handshake of 2 ms, or of 1 ms when resumed.
    fn of_ten(version: &str, after_full: usize, after_resumed: usize, resumed: u32) -> Forecast {
        let when = When {
            phase: Phase::BeforeRequest,
            milliseconds: 1.0,
        };
        let version = Version {
            version: version.to_owned(),
            tickets: Some(Tickets {
                after_full: vec![when; after_full],
                after_resumed: vec![when; after_resumed],
                offered: 4,
                resumed,
                failed_when_offered: 0,
                cipher: String::new(),
            }),
            lifetime: Some(Lifetime {
                shortest: 60,
                longest: 60,
            }),
            size: None,
            refused: None,
        };
        let saving = Saving {
            pairs: 5,
            client_cpu: None,
            time_to_server_hello: None,
            time_of_handshake: None,
            full_ms: 2.0,
            resumed_ms: 1.0,
            full_handshakes: Vec::new(),
            resumed_handshakes: Vec::new(),
        };
        forecast(&version, &saving, 10).expect("there is something to go by")
    }

    #[test]
    fn a_pool_is_forecast_from_single_connections() {
        // One full handshake; then 2 at a time, as each of them brings the next one's: five times.
        let renewed = of_ten("TLS 1.3", 2, 1, 4);
        assert_eq!((renewed.waiting, renewed.milliseconds), (9, 13.0));
        assert_eq!((renewed.without_waiting, renewed.seconds), (0, 60));
        // Nothing comes after a resumed one: each full one serves 2 others, so there are four of them.
        assert_eq!(of_ten("TLS 1.3", 2, 0, 4).waiting, 6);
        // What is not used up serves all.
        let kept = of_ten("TLS 1.2", 1, 0, 4);
        assert_eq!((kept.waiting, kept.milliseconds), (9, 4.0));
        // A server that takes half of them.
        assert_eq!(of_ten("TLS 1.3", 2, 1, 2).waiting, 4);
    }
}
