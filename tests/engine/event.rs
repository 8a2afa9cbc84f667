//! What is told, and of whom.

use super::*;
use crate::connection::Failure;
use crate::engine::EventKind::{self, Evicted, Expired, Offered, Refused, Resumed, Stored};
use crate::engine::Space;
use std::sync::Mutex;

/// What happened, to how many, at which key.
type Entry = (EventKind, u64, Vec<u8>);

/// A world that writes down what it is told, and what was told since the last look.
struct Told {
    world: World,
    events: Arc<Mutex<Vec<Entry>>>,
}

impl Told {
    fn new(options: Options) -> Self {
        let events: Arc<Mutex<Vec<_>>> = Arc::default();
        let telling = Arc::clone(&events);
        let world = World::telling(
            options,
            Box::new(move |event| {
                // Why attempts had nothing to offer: reason.rs.
                if !matches!(event.kind, EventKind::NotOffered(_)) {
                    let event = (event.kind, event.count, event.key.to_vec());
                    telling.lock().expect("not poisoned").push(event);
                }
            }),
        );
        Self { world, events }
    }

    /// What was told since the last look, all of it about one endpoint.
    fn since(&self, endpoint: &Endpoint<'_>) -> Vec<(EventKind, u64)> {
        let events = std::mem::take(&mut *self.events.lock().expect("not poisoned"));
        let one = |(kind, count, key): Entry| {
            let of = Identity::endpoint_of(&key).expect("an attempt's key");
            assert_eq!(
                (of.host, of.port, of.server_name, of.group),
                (
                    endpoint.host,
                    endpoint.port,
                    endpoint.server_name,
                    endpoint.group
                )
            );
            (kind, count)
        };
        events.into_iter().map(one).collect()
    }
}

/// `HOST` as it is told: the server name is always there.
const TOLD_HOST: Endpoint<'_> = to(b"db.example", 9142, b"db.example", b"");

#[test]
fn each_turn_is_told_once() {
    let told = Told::new(WIDE);
    let (world, since) = (&told.world, || told.since(&TOLD_HOST));
    world.full(&[1, 2, 3]);
    assert_eq!(since(), [(Stored, 1), (Stored, 1), (Stored, 1)]);

    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(Some(3)));
    assert_eq!(offer(&attempt), Ok(Some(3)));
    assert_eq!(since(), [(Offered, 1)]);
    attempt.established(true).expect("open");
    assert_eq!(since(), [(Resumed, 1)]);

    // What goes back, and what is missed, is no turn.
    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(Some(2)));
    attempt.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(since(), [(Offered, 1)]);

    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(Some(2)));
    receive(&attempt, 4, TLS_1_3, HOUR).expect("kept");
    attempt.established(false).expect("open");
    assert_eq!(since(), [(Offered, 1), (Stored, 1), (Refused, 1)]);

    world.at(u64::from(HOUR) * 1000);
    assert_eq!(offer(&world.connect()), Ok(None));
    assert_eq!(since(), [(Expired, 1)]);
    assert_eq!(offer(&world.connect()), Ok(None));
    world.full(&[5]);
    world.engine().clear();
    assert_eq!(since(), [(Stored, 1)]);
}

#[test]
fn what_goes_back_too_late_has_expired() {
    let told = Told::new(WIDE);
    told.world.full(&[1]);
    let attempt = told.world.connect();
    assert_eq!(offer(&attempt), Ok(Some(1)));
    told.world.at(u64::from(HOUR) * 1000);
    attempt.release();
    let expected = [(Stored, 1), (Offered, 1), (Expired, 1)];
    assert_eq!(told.since(&TOLD_HOST), expected);
}

#[test]
fn the_endpoint_that_is_evicted_is_told_not_the_one_it_made_room_for() {
    let told = Told::new(Options {
        max_endpoints: 1,
        ..WIDE
    });
    told.world.full(&[1, 2]);
    assert_eq!(told.since(&TOLD_HOST), [(Stored, 1), (Stored, 1)]);
    let cache = told.world.engine();
    let key = cache.key(Space::Caller, b"own");
    cache
        .put(&key, session(Kind::SingleUse, 1, START))
        .expect("kept");
    let events = std::mem::take(&mut *told.events.lock().expect("not poisoned"));
    let [(Evicted, 2, evicted), (Stored, 1, stored)] = &events[..] else {
        panic!("{events:?}");
    };
    let evicted = Identity::endpoint_of(evicted).expect("an attempt's key");
    assert_eq!((evicted.host, evicted.port), (HOST.host, HOST.port));
    assert_eq!(stored, b"own");
}

#[test]
fn an_endpoint_is_told_as_it_was_given() {
    let told = Told::new(WIDE);
    let long = [b'x'; 255];
    let endpoints = [
        (
            to(b"DB.Example", 1, b"", b""),
            to(b"db.example", 1, b"db.example", b""),
        ),
        (
            to(b"10.0.0.1", 0, b"Db", b""),
            to(b"10.0.0.1", 0, b"db", b""),
        ),
        // The group stands in the place of host and port, and is compared byte by byte.
        (
            to(b"10.0.0.1", 1, b"db", b"Node 1"),
            to(b"", 0, b"db", b"Node 1"),
        ),
        (to(&long, 65535, &long, b""), to(&long, 65535, &long, b"")),
        (to(b"h", 1, &long, &long), to(b"", 0, &long, &long)),
    ];
    for identity in [Identity::own(), Identity::Given([b'y'; 255].into())] {
        let config = Arc::new(Config {
            identity,
            client_not_after: None,
            ..Config::new(&told.world.config.cache)
        });
        for (given, expected) in &endpoints {
            let attempt = connect(&config, given);
            receive(&attempt, 1, TLS_1_2, HOUR).expect("kept");
            attempt.established(false).expect("open");
            assert_eq!(told.since(expected), [(Stored, 1)]);
        }
    }
}

#[test]
fn bytes_that_are_no_key_name_no_endpoint() {
    let mut key = vec![1, 1, b'i', 0, 1, b'h', 1, 2, 1, b'n', 1, b'v'];
    assert!(Identity::endpoint_of(&key).is_some());
    for len in 0..key.len() {
        assert!(Identity::endpoint_of(&key[..len]).is_none(), "{len}");
    }
    key.push(0);
    assert!(Identity::endpoint_of(&key).is_none());
    key.pop();
    key[3] = 2;
    assert!(Identity::endpoint_of(&key).is_none());
}
