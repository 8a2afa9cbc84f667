//! The engine's and the connection's rules, one by one, by example.

mod endpoint;
mod event;
mod export;
mod foreign;
mod lifetime;
mod limits;
mod offer;
mod staging;
mod supply;

use libtsc::attempt::{Attempt, Cache, Config, Counts, Endpoint, Identity, NotNow, rules_of};
use libtsc::engine::{
    Clock, Discard, Engine, Kind, Lineage, Listener, Options, Payload, Session, Time,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const TLS_1_2: u32 = 0x0303;
const TLS_1_3: u32 = 0x0304;
const HOUR: u32 = 3600;
/// Where the tests' clocks begin, in milliseconds.
const START: u64 = 1_000_000_000;

/// Limits that none of the tests meets by accident.
const WIDE: Options = Options {
    enabled: true,
    max_endpoints: 100,
    max_sessions_per_endpoint: 64,
    ttl_seconds: u32::MAX,
    max_bytes: 1 << 20,
    max_session_bytes: 1 << 10,
    max_lineage_age_seconds: u32::MAX,
    reuse_when_dry: false,
    max_full_handshakes: 0,
    breaker_failures: u32::MAX,
    breaker_seconds: 60,
};

/// A cache with one config, and the hands of its clock.
struct World {
    time: Arc<AtomicU64>,
    config: Arc<Config>,
}

impl World {
    fn new(options: Options) -> Self {
        Self::with_client(options, None)
    }

    fn telling(options: Options, listener: Listener) -> Self {
        Self::with(options, None, |cache| cache.telling(listener))
    }

    fn with_client(options: Options, client_not_after: Option<i64>) -> Self {
        Self::with(options, client_not_after, |cache| cache)
    }

    fn with(
        options: Options,
        client_not_after: Option<i64>,
        finish: impl FnOnce(Engine) -> Engine,
    ) -> Self {
        let time = Arc::new(AtomicU64::new(START));
        let read = Arc::clone(&time);
        let clock = Clock::Driven(Box::new(move || read.load(Relaxed)));
        let config = Config {
            cache: Cache::new(finish(Engine::new(options, clock))),
            identity: Identity::own(),
            client_not_after,
        };
        Self {
            time,
            config: Arc::new(config),
        }
    }

    fn engine(&self) -> &Engine {
        self.config.engine()
    }

    /// Sets the clock to so many milliseconds after its start.
    fn at(&self, milliseconds: u64) {
        self.time.store(START + milliseconds, Relaxed);
    }

    fn connect(&self) -> Arc<Attempt> {
        connect(&self.config, &HOST)
    }

    /// A connection that did a full handshake and received these tickets.
    fn full(&self, tickets: &[u32]) -> Arc<Attempt> {
        let attempt = self.connect();
        attempt.sent().expect("open");
        for &ticket in tickets {
            receive(&attempt, ticket, TLS_1_3, HOUR).expect("kept");
        }
        attempt.established(false).expect("open");
        attempt
    }

    fn available(&self) -> usize {
        self.config.available(&HOST).expect("a good endpoint")
    }
}

const HOST: Endpoint<'_> = to(b"db.example", 9142, b"", b"");

const fn to<'a>(host: &'a [u8], port: u16, server_name: &'a [u8], group: &'a [u8]) -> Endpoint<'a> {
    Endpoint {
        host,
        port,
        server_name,
        group,
    }
}

fn connect(config: &Arc<Config>, endpoint: &Endpoint<'_>) -> Arc<Attempt> {
    Attempt::new(config, endpoint).expect("a good endpoint")
}

/// Gives a connection a session that is told apart by its number.
fn receive(attempt: &Attempt, number: u32, version: u32, lifetime: u32) -> Result<(), Discard> {
    receive_until(attempt, number, version, lifetime, None)
}

fn receive_until(
    attempt: &Attempt,
    number: u32,
    version: u32,
    lifetime: u32,
    not_after: Option<i64>,
) -> Result<(), Discard> {
    let rules = rules_of(version, lifetime).expect("a known version");
    let label = u16::try_from(version).expect("two bytes");
    attempt
        .receive(Payload::Value(Arc::new(number)), 1, label, rules, not_after)
        .map_err(|(why, _)| why)
}

fn number_of(session: &Session) -> u32 {
    let Payload::Value(value) = &session.payload else {
        panic!("these tests store numbers");
    };
    *value.downcast_ref().expect("a number")
}

/// The number of the session that a connection offers.
fn offer(attempt: &Attempt) -> Result<Option<u32>, NotNow> {
    attempt.offer(|session, _| number_of(session))
}

fn counts(attempt: &Attempt) -> Counts {
    attempt.phase().expect("this process").1
}

/// How many sessions a connection received, how many of them were stored, how many discarded.
fn tally(attempt: &Attempt) -> (u32, u32, u32) {
    let counts = counts(attempt);
    (counts.received, counts.stored, counts.discarded)
}

/// For how long `session` lives, in milliseconds.
const LIFETIME: u64 = 1000;

/// A session that was received at a time on the clock.
fn session(kind: Kind, size: usize, received: u64) -> Session {
    Session {
        payload: Payload::Value(Arc::new(())),
        kind,
        label: 0,
        size,
        received: Time(received),
        expires: Time(received + LIFETIME),
        lineage: Lineage {
            id: 1,
            ends: Time::NEVER,
        },
    }
}
