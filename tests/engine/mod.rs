//! The library's rules, one by one, by example; against a model; and in many orders of the threads. Part of
//! the library's own tests (`src/lib.rs`), since the engine is no part of its API.

// The checker's locks work under the checker alone.
#[cfg(not(shuttle))]
mod api;
#[cfg(not(shuttle))]
mod books;
#[cfg(not(shuttle))]
mod breaker;
#[cfg(not(shuttle))]
mod endpoint;
#[cfg(not(shuttle))]
mod event;
#[cfg(not(shuttle))]
mod export;
#[cfg(not(shuttle))]
mod foreign;
#[cfg(shuttle)]
mod interleavings;
#[cfg(not(shuttle))]
mod kept;
#[cfg(not(shuttle))]
mod lifetime;
#[cfg(not(shuttle))]
mod limits;
#[cfg(not(shuttle))]
mod model;
#[cfg(not(shuttle))]
mod offer;
#[cfg(not(shuttle))]
mod overdue;
#[cfg(not(shuttle))]
mod ready;
#[cfg(not(shuttle))]
mod reason;
#[cfg(not(shuttle))]
mod reuse;
#[cfg(not(shuttle))]
mod staging;
#[cfg(not(shuttle))]
mod supply;
#[cfg(all(feature = "rustls", not(shuttle)))]
mod unattended;
#[cfg(not(shuttle))]
mod vectors;

use crate::cache::Cache;
use crate::config::Config;
use crate::connection::{AttemptInfo, Connection, Failure, NotNow};
use crate::endpoint::Endpoint;
use crate::engine::{
    Clock, Discard, Engine, Kind, Lineage, Listener, Options, Payload, Session, Time,
};
use crate::identity::Identity;
use crate::session_info::{Received, SessionInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;
const HOUR: u32 = 3600;
/// Where the tests' clocks begin, in milliseconds.
const START: u64 = 1_000_000_000;

/// An end that says nothing about the server.
const CANCELLED: Failure = Failure {
    cancelled: true,
    ..Failure::HANDSHAKE
};

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
    failure_budget: u32::MAX,
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
        Self::with(options, None, Some(listener))
    }

    fn with_client(options: Options, client_not_after: Option<i64>) -> Self {
        Self::with(options, client_not_after, None)
    }

    fn with(options: Options, client_not_after: Option<i64>, listener: Option<Listener>) -> Self {
        let time = Arc::new(AtomicU64::new(START));
        let read = Arc::clone(&time);
        let clock = Clock::Driven(Box::new(move || read.load(Relaxed)));
        let config = Config {
            client_not_after,
            ..Config::new(&Cache::over(options, clock, listener))
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

    fn connect(&self) -> Arc<Connection> {
        connect(&self.config, &HOST)
    }

    /// A connection that did a full handshake and received these tickets.
    fn full(&self, tickets: &[u32]) -> Arc<Connection> {
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
        verification: b"",
        client_certificate: false,
    }
}

fn connect(config: &Arc<Config>, endpoint: &Endpoint<'_>) -> Arc<Connection> {
    Connection::new(config, endpoint).expect("a good endpoint")
}

/// Gives a connection a session that is told apart by its number.
fn receive(attempt: &Connection, number: u32, version: u16, lifetime: u32) -> Result<(), Discard> {
    receive_until(attempt, number, version, lifetime, None)
}

fn receive_until(
    attempt: &Connection,
    number: u32,
    version: u16,
    lifetime: u32,
    not_after: Option<i64>,
) -> Result<(), Discard> {
    let info = Received {
        not_after,
        ..received(version, lifetime)
    };
    attempt
        .receive(Payload::Value(Arc::new(number)), 1, &info)
        .map_err(|(why, _)| why)
}

/// What a session of this version is, to the engine.
fn received(tls_version: u16, lifetime_seconds: u32) -> Received {
    let info = SessionInfo::of(tls_version, lifetime_seconds);
    info.check().expect("a known version")
}

fn number_of(session: &Session) -> u32 {
    let Payload::Value(value) = &session.payload else {
        panic!("these tests store numbers");
    };
    *value.downcast_ref().expect("a number")
}

/// The number of the session that a connection offers.
fn offer(attempt: &Connection) -> Result<Option<u32>, NotNow> {
    attempt.offer(|session, _| number_of(session))
}

fn counts(attempt: &Connection) -> AttemptInfo {
    attempt.info().expect("this process")
}

/// How many sessions a connection received, how many of them were stored, how many discarded.
fn tally(attempt: &Connection) -> (u32, u32, u32) {
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
        uses: crate::engine::Uses::default(),
    }
}
