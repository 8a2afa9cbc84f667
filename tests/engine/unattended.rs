//! Sessions of connections that the TLS stack does not tell apart.

use super::*;
use crate::connection::Failure;
use crate::supply::Supply;

const AGE_SECONDS: u32 = 100;

fn options(max_endpoints: u32) -> Options {
    Options {
        max_endpoints,
        max_lineage_age_seconds: AGE_SECONDS,
        ..WIDE
    }
}

impl World {
    fn supply_of(&self, endpoint: &Endpoint<'_>) -> Arc<Supply> {
        self.config.supply(endpoint).expect("a good endpoint")
    }

    fn supply(&self) -> Arc<Supply> {
        self.supply_of(&HOST)
    }

    /// Has the cache forget what it knows of the endpoint, but not its sessions.
    fn forget(&self) {
        let forgotten = Arc::downgrade(&self.supply());
        for port in 1.. {
            if forgotten.upgrade().is_none() {
                return;
            }
            let other = self.supply_of(&to(b"another.example", port, b"", b""));
            let _ = other.take_unattended(|_| true);
        }
    }

    /// A connection begins: the number of the session that it offers.
    fn begin(&self) -> Option<u32> {
        let supply = self.supply();
        // Numbers under 100 are of TLS 1.3.
        let taken = supply.take_unattended(|payload| number(payload) < 100);
        let taken = taken.or_else(|| {
            let has_some = !supply.has_nothing();
            has_some.then(|| supply.take_unattended(|payload| number(payload) >= 100))?
        });
        taken.as_ref().map(number_of)
    }

    /// A connection receives a session.
    fn bring(&self, number: u32) {
        let version = if number < 100 { TLS_1_3 } else { TLS_1_2 };
        let info = received(version, 24 * HOUR);
        let payload = Payload::Value(Arc::new(number));
        let _ = self
            .supply()
            .receive_unattended(payload, 1.into(), &info, None);
    }
}

fn number(payload: &Payload) -> u32 {
    let Payload::Value(value) = payload else {
        panic!("these tests store numbers");
    };
    *value.downcast_ref().expect("a number")
}

const SECOND: u64 = 1000;

#[test]
fn a_lineage_ends_though_it_was_renewed() {
    let world = World::new(options(100));
    assert_eq!(world.begin(), None);
    world.bring(1);
    world.at(60 * SECOND);
    assert_eq!(world.begin(), Some(1));
    world.bring(2);
    world.at(100 * SECOND);
    assert_eq!(world.begin(), None);
    world.bring(3);
    world.at(160 * SECOND);
    assert_eq!(world.begin(), Some(3));
}

#[test]
fn what_a_resumed_connection_brings_is_kept_though_its_endpoint_was_forgotten() {
    let world = World::new(options(2));
    assert_eq!(world.begin(), None);
    world.bring(1);
    world.forget();
    assert_eq!(world.begin(), Some(1));
    world.bring(2);
    world.forget();
    assert_eq!(world.begin(), Some(2));
    assert_eq!(world.engine().stats().discarded_lifetime, 0);
}

#[test]
fn a_lineage_ends_though_its_endpoint_was_forgotten() {
    for first in [1, 101] {
        let world = World::new(options(2));
        assert_eq!(world.begin(), None);
        world.bring(first);
        world.at(60 * SECOND);
        world.forget();
        assert_eq!(world.begin(), Some(first));
        world.bring(first + 1);
        world.at(100 * SECOND);
        assert_eq!(world.begin(), None);
    }
}

#[test]
fn a_lineage_that_attempts_began_ends_as_soon() {
    let world = World::new(options(100));
    let attempt = world.full(&[1]);
    world.at(50 * SECOND);
    assert_eq!(world.begin(), Some(1));
    // Another full handshake begins, and then there is a ticket of the first again.
    assert_eq!(world.begin(), None);
    receive(&attempt, 2, TLS_1_3, 24 * HOUR).expect("kept");
    assert_eq!(world.begin(), Some(2));
    world.bring(3);
    world.at(100 * SECOND);
    assert_eq!(world.begin(), None);
}

#[test]
fn an_endpoint_in_use_is_not_forgotten_for_others() {
    let world = World::new(options(8));
    let (first, last) = (&to(b"a", 1, b"", b""), &to(b"z", 1, b"", b""));
    let known = [first, last].map(|endpoint| Arc::downgrade(&world.supply_of(endpoint)));
    for port in 1..100 {
        world.at(u64::from(port));
        for endpoint in [first, last] {
            let _ = world.supply_of(endpoint).take_unattended(|_| true);
        }
        let other = world.supply_of(&to(b"m", port, b"", b""));
        let _ = other.take_unattended(|_| true);
    }
    assert!(known.iter().all(|supply| supply.upgrade().is_some()));
}

#[test]
fn what_the_breaker_withholds_is_counted() {
    let world = World::new(Options {
        failure_budget: 1,
        ..options(100)
    });
    world.full(&[1]);
    let harmed = world.connect();
    assert_eq!(offer(&harmed), Ok(Some(1)));
    harmed.failed(Failure::HANDSHAKE).expect("open");
    world.full(&[2]);
    assert_eq!(world.begin(), None);
    assert_eq!(world.engine().stats().withheld, 1);
}

/// Nobody tells how it ends, so it is harm without end, or keeps those away whose end decides.
#[test]
fn nothing_is_taken_to_try_for_the_attempts() {
    let world = World::new(Options {
        failure_budget: 12,
        ..WIDE
    });
    for ticket in 0..40 {
        world.full(&[ticket]);
    }
    while world.engine().stats().breaker_opened == 0 {
        let harmed = world.connect();
        match offer(&harmed).expect("open") {
            Some(_) => harmed.failed(Failure::HANDSHAKE).expect("open"),
            None => harmed.established(false).expect("open"),
        }
    }
    for minute in 1..59 {
        world.at(minute * 60_000);
        assert_eq!(world.begin(), None);
    }
    let probe = world.connect();
    assert!(offer(&probe).expect("open").is_some());
    probe.release();
    // Not for ever, where there are no attempts any more.
    world.at(120 * 60_000);
    world.bring(1);
    assert_eq!(world.begin(), Some(1));
}
