//! Looks again and again, gently, and serves what it saw to Prometheus.

use crate::args::Args;
use crate::client::{Client, Refusal, Visit};
use crate::facts::{Unknown, usable};
use crate::pace::{Clock, Pace};
use crate::run::{Where, where_to};
use crate::target::Target;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The names of OpenTelemetry, with Prometheus's `_` for its dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handshake {
    server_address: String,
    server_port: u16,
    network_peer_address: String,
    tls_protocol_name: &'static str,
    tls_protocol_version: &'static str,
    tls_established: &'static str,
    tls_resumed: &'static str,
    /// Not of OpenTelemetry: whether a session was offered.
    offered: &'static str,
    /// Empty: none.
    error_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Server {
    server_address: String,
    server_port: u16,
    network_peer_address: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    server_address: String,
    server_port: u16,
    network_peer_address: String,
    tls_resumed: &'static str,
}

struct Metrics {
    registry: Registry,
    handshakes: Family<Handshake, Counter>,
    durations: Family<Kind, Histogram>,
    lifetime: Family<Server, Gauge>,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("tsc_probe");
        let handshakes = Family::default();
        registry.register(
            "handshakes",
            "TLS handshakes that were tried",
            handshakes.clone(),
        );
        // From half a millisecond to four seconds.
        let durations = Family::new_with_constructor(
            (|| Histogram::new(exponential_buckets(0.0005, 2.0, 14))) as fn() -> Histogram,
        );
        registry.register_with_unit(
            "handshake_duration",
            "How long those took that succeeded",
            Unit::Seconds,
            durations.clone(),
        );
        let lifetime = Family::default();
        registry.register_with_unit(
            "session_lifetime",
            "As the server gave it",
            Unit::Seconds,
            lifetime.clone(),
        );
        Self {
            registry,
            handshakes,
            durations,
            lifetime,
        }
    }

    fn add(&self, target: &Target, offered: bool, result: &Result<Visit, Refusal>) {
        let server_address = target.host.clone();
        let server_port = target.address.port();
        let network_peer_address = target.address.ip().to_string();
        let resumed = result.as_ref().is_ok_and(|visit| visit.resumed);
        let mut labels = Handshake {
            server_address: server_address.clone(),
            server_port,
            network_peer_address: network_peer_address.clone(),
            tls_protocol_name: "tls",
            tls_protocol_version: "",
            tls_established: word(result.is_ok()),
            tls_resumed: word(resumed),
            offered: word(offered),
            error_type: "",
        };
        match result {
            Ok(visit) => {
                labels.tls_protocol_version = visit.version_number();
                let kind = Kind {
                    server_address: server_address.clone(),
                    server_port,
                    network_peer_address: network_peer_address.clone(),
                    tls_resumed: word(resumed),
                };
                let durations = self.durations.get_or_create(&kind);
                durations.observe(visit.handshake.as_secs_f64());
                let lifetimes = visit.tickets.iter().filter_map(|a| a.ticket.lifetime);
                if let Some(lifetime) = lifetimes.max() {
                    let server = Server {
                        server_address,
                        server_port,
                        network_peer_address,
                    };
                    self.lifetime.get_or_create(&server).set(lifetime.into());
                }
            }
            Err(refusal) => labels.error_type = refusal.kind(),
        }
        self.handshakes.get_or_create(&labels).inc();
    }

    fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes whatever is written");
        text
    }
}

fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

pub fn run(args: &Args, listen: std::net::SocketAddr) -> anyhow::Result<()> {
    let Where {
        targets,
        settings,
        kept: _kept,
    } = where_to(args)?;
    // Without an end unless one is named, but never faster than one is named.
    let pace = Pace::new(
        args.connections.unwrap_or(u32::MAX),
        args.rate,
        Duration::from_secs(args.time.unwrap_or(u64::from(u32::MAX))),
        settings.interrupt.clone(),
    );
    let metrics = Arc::new(Metrics::new());
    let listener = TcpListener::bind(listen)?;
    eprintln!(
        "tsc-probe: http://{}/metrics; {} connections every {} s, until Ctrl-C",
        listener.local_addr()?,
        2 * targets.len(),
        args.every
    );
    let served = metrics.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve(stream, || served.text());
        }
    });
    // Whichever version server and client agree on.
    let client = Client::any_version(&settings)?;
    let every = Duration::from_secs(args.every.into());
    let why = repeat(&pace, every, || {
        for target in &targets {
            pace.connection()?;
            let full = client.visit_briefly(target.address, None);
            metrics.add(target, false, &full);
            if let Some(offer) = full.ok().as_ref().and_then(usable) {
                pace.connection()?;
                let resumed = client.visit_briefly(target.address, Some(&offer));
                metrics.add(target, true, &resumed);
            }
        }
        Ok(())
    });
    eprintln!("tsc-probe: {why}, after {} connections", pace.made());
    Ok(())
}

/// Does something now and after each interval. If it takes longer, what it missed is not made up for.
fn repeat(
    clock: &impl Clock,
    every: Duration,
    mut look: impl FnMut() -> Result<(), Unknown>,
) -> Unknown {
    loop {
        let next = clock.now() + every;
        if let Err(why) = look() {
            return why;
        }
        if let Err(why) = clock.wait_until(next) {
            return why.into();
        }
    }
}

/// One request, of which nothing matters but the path.
fn serve(mut stream: TcpStream, text: impl Fn() -> String) -> io::Result<()> {
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16384 {
        match stream.read(&mut buffer)? {
            0 => break,
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    let (status, body) = match request.starts_with(b"GET /metrics ") {
        true => ("200 OK", text()),
        false => ("404 Not Found", "It is at /metrics.\n".to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Stopped;
    use std::cell::Cell;

    /// Moves when it is waited for, and ends.
    struct Scripted(Cell<Duration>);

    impl Clock for Scripted {
        fn now(&self) -> Duration {
            self.0.get()
        }

        fn wait_until(&self, then: Duration) -> Result<(), Stopped> {
            self.0.set(then.max(self.now()));
            match self.now() < Duration::from_secs(300) {
                true => Ok(()),
                false => Err(Stopped::ByUser),
            }
        }
    }

    #[test]
    fn a_look_that_takes_long_is_followed_by_no_rush() {
        let clock = Scripted(Cell::default());
        let mut looks = Vec::new();
        let why = repeat(&clock, Duration::from_secs(60), || {
            looks.push(clock.now().as_secs());
            if looks.len() == 2 {
                clock.0.set(clock.now() + Duration::from_secs(130));
            }
            Ok(())
        });
        assert_eq!(looks, [0, 60, 190, 250]);
        assert!(matches!(why, Unknown::Stopped(Stopped::ByUser)));
    }
}
