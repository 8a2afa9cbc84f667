//! What a connection receives is seen by others only after success.

use super::*;
use crate::connection::{AttemptState, Failure};
use std::time::{SystemTime, UNIX_EPOCH};

fn phase(attempt: &Connection) -> AttemptState {
    attempt.info().expect("this process").state
}

#[test]
fn what_is_received_is_seen_by_others_only_once_established() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(None));
    receive(&attempt, 1, TLS_1_3, HOUR).expect("kept");
    assert_eq!(
        (phase(&attempt), world.available()),
        (AttemptState::Open, 0)
    );
    assert_eq!(offer(&world.connect()), Ok(None));
    assert_eq!(tally(&attempt), (1, 0, 0));
    attempt.established(false).expect("open");
    assert_eq!(
        (phase(&attempt), world.available()),
        (AttemptState::Established, 1)
    );
    // A ticket that comes late goes straight in, also when the handle is gone.
    receive(&attempt, 2, TLS_1_3, HOUR).expect("kept");
    assert_eq!(world.available(), 2);
    attempt.release();
    receive(&attempt, 3, TLS_1_3, HOUR).expect("kept");
    assert_eq!(world.available(), 3);
    assert_eq!(tally(&attempt), (3, 3, 0));
    let stats = world.engine().stats();
    assert_eq!(
        (stats.established, stats.unfinished, stats.stored),
        (1, 0, 3)
    );
}

#[test]
fn a_failed_attempt_publishes_nothing_then_and_later() {
    let whys = [Failure::NOT_SENT, Failure::HANDSHAKE, Failure::LOGIN];
    for (why, version) in whys
        .iter()
        .flat_map(|&why| [(why, TLS_1_2), (why, TLS_1_3)])
    {
        let world = World::new(WIDE);
        let attempt = world.connect();
        receive(&attempt, 1, version, HOUR).expect("staged");
        attempt.failed(why).expect("open");
        assert_eq!(phase(&attempt), AttemptState::Failed);
        assert_eq!(receive(&attempt, 2, version, HOUR), Err(Discard::Failed));
        assert_eq!(attempt.established(false), Err(NotNow::WrongState));
        assert_eq!(attempt.failed(why), Err(NotNow::WrongState));
        attempt.release();
        assert_eq!(world.available(), 0);
        assert_eq!(tally(&attempt), (2, 0, 2));
        let stats = world.engine().stats();
        assert_eq!((stats.failed, stats.unfinished), (1, 0));
        assert_eq!((stats.discarded_failed, stats.stored), (2, 0));
    }
}

#[test]
fn an_attempt_that_nobody_ended_publishes_nothing() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    receive(&attempt, 1, TLS_1_3, HOUR).expect("staged");
    attempt.release();
    attempt.release();
    assert_eq!(
        receive(&attempt, 2, TLS_1_3, HOUR),
        Err(Discard::Unfinished)
    );
    assert_eq!(attempt.established(false), Err(NotNow::WrongState));
    assert_eq!(world.available(), 0);
    let stats = world.engine().stats();
    assert_eq!((stats.unfinished, stats.discarded_unfinished), (1, 2));
}

#[test]
fn what_would_only_take_anothers_place_is_not_wanted() {
    let world = World::new(Options {
        max_sessions_per_endpoint: 2,
        ..WIDE
    });
    let attempt = world.connect();
    assert_eq!(attempt.wants_another(), Ok(true));
    receive(&attempt, 1, TLS_1_3, HOUR).expect("staged");
    receive(&attempt, 2, TLS_1_3, 2 * HOUR).expect("staged");
    // What is staged is as good as there.
    assert_eq!(attempt.wants_another(), Ok(false));
    attempt.established(false).expect("open");
    assert_eq!(attempt.wants_another(), Ok(false));
    assert_eq!(tally(&attempt), (4, 2, 2));
    // One that is offered leaves room for one.
    let next = world.connect();
    assert_eq!(
        (offer(&next), next.wants_another()),
        (Ok(Some(2)), Ok(true))
    );
    next.failed(Failure::LOGIN).expect("open");
    assert_eq!(next.wants_another(), Err(Discard::Failed));
    // So does one that is over.
    world.at(u64::from(HOUR) * 1000);
    assert_eq!(attempt.wants_another(), Ok(true));
    let stats = world.engine().stats();
    assert_eq!((stats.discarded_surplus, stats.discarded_failed), (2, 1));
    world.engine().close();
    assert_eq!(attempt.wants_another(), Err(Discard::Closed));
}

#[test]
fn no_more_is_staged_than_an_endpoint_may_have() {
    let world = World::new(Options {
        max_sessions_per_endpoint: 2,
        ..WIDE
    });
    let attempt = world.full(&[1, 2, 3]);
    assert_eq!(world.available(), 2);
    assert_eq!(tally(&attempt), (3, 2, 1));
    let stats = world.engine().stats();
    assert_eq!((stats.discarded_surplus, stats.displaced), (1, 0));
    let (next, last) = (world.connect(), world.connect());
    assert_eq!((offer(&next), offer(&last)), (Ok(Some(3)), Ok(Some(2))));
}

/// What all attempts together have staged, in bytes.
fn bytes_staged(world: &World) -> u64 {
    world.engine().stats().bytes_staged
}

/// Gives an attempt a session of this size.
fn receive_sized(attempt: &Connection, number: u32, size: usize) -> Result<(), Discard> {
    let payload = Payload::Value(Arc::new(number));
    let received = attempt.receive(payload, size, &received(TLS_1_3, HOUR));
    received.map_err(|(why, _)| why)
}

#[test]
fn a_flood_that_nobody_establishes_is_bounded_at_every_step() {
    const SIZE: usize = 64 << 10;
    const MOST: u64 = 8 << 20;
    let world = World::new(Options {
        max_bytes: MOST,
        max_session_bytes: 64 << 10,
        ..WIDE
    });
    let attempts: Vec<_> = (0..256).map(|_| world.connect()).collect();
    for number in 0..200 {
        for attempt in &attempts {
            let kept = receive_sized(attempt, number, SIZE);
            assert!(kept.is_ok() || kept == Err(Discard::Surplus), "{kept:?}");
            assert!(bytes_staged(&world) <= MOST);
        }
    }
    let staged = bytes_staged(&world);
    assert!(staged > MOST / 2, "{staged}");
    // Which of them are there, each attempt can tell.
    let open: u32 = attempts
        .iter()
        .map(|attempt| tally(attempt).0 - tally(attempt).2)
        .sum();
    assert_eq!(u64::from(open) * SIZE as u64, staged);
    let stats = world.engine().stats();
    assert_eq!(stats.discarded_surplus, 256 * 200 - u64::from(open));
    // They work: what is staged is the newest, and is published.
    let (first, others) = attempts.split_first().expect("256");
    first.established(false).expect("open");
    let next = world.connect();
    assert_eq!(offer(&next), Ok(Some(199)));
    let rest = tally(first).1 as u64;
    assert_eq!(bytes_staged(&world), staged - rest * SIZE as u64);
    for attempt in &others[..100] {
        attempt.failed(Failure::HANDSHAKE).expect("open");
    }
    others[100..].iter().for_each(|attempt| attempt.release());
    assert_eq!(bytes_staged(&world), 0);
}

#[test]
fn attempts_that_are_flooded_leave_room_for_others() {
    let world = World::new(Options {
        max_bytes: 1 << 20,
        max_session_bytes: 1 << 10,
        max_sessions_per_endpoint: u32::MAX,
        ..WIDE
    });
    let flooded: Vec<_> = (0..16).map(|_| world.connect()).collect();
    for number in 0..2000 {
        for attempt in &flooded {
            receive_sized(attempt, number, 1 << 10).expect("in place of an older one");
        }
    }
    let other = connect(&world.config, &to(b"another", 1, b"", b""));
    for number in 0..16 {
        receive_sized(&other, number, 1 << 10).expect("room");
    }
    assert_eq!(tally(&other), (16, 0, 0), "all of them are staged");
    other.established(false).expect("open");
    assert_eq!(tally(&other), (16, 16, 0));
}

#[test]
fn a_connection_that_is_gone_has_nothing_staged() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    receive(&attempt, 1, TLS_1_3, HOUR).expect("staged");
    assert_eq!(bytes_staged(&world), 1);
    drop(attempt);
    assert_eq!(bytes_staged(&world), 0);
}

#[test]
fn a_certificate_that_is_known_late_bounds_what_was_published() {
    let world = World::new(WIDE);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_secs()).expect("small");
    let attempt = world.full(&[1, 2]);
    let (lent, other) = (world.connect(), world.full(&[3]));
    assert_eq!(offer(&lent), Ok(Some(3)));
    lent.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(offer(&lent), Err(NotNow::WrongState));
    attempt.set_not_after(now + 100).expect("this process");
    receive(&attempt, 4, TLS_1_3, HOUR).expect("published");
    world.at(50_000);
    assert_eq!(world.available(), 4);
    world.at(150_000);
    assert_eq!(world.available(), 1, "that of another full handshake");
    // One that ends later than was known anyway changes nothing.
    let lent = world.connect();
    assert_eq!(offer(&lent), Ok(Some(3)));
    other.set_not_after(i64::MAX).expect("this process");
    lent.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(world.available(), 1);
    // One that is over drops what there is, also what is on loan.
    let lent = world.connect();
    assert_eq!(offer(&lent), Ok(Some(3)));
    receive(&other, 5, TLS_1_3, HOUR).expect("published");
    other.set_not_after(1).expect("this process");
    lent.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(world.available(), 0);
    let stats = world.engine().stats();
    assert_eq!((stats.expired, stats.removed), (4, 1));
}

#[test]
fn what_comes_after_a_fatal_alert_is_not_kept() {
    let world = World::new(WIDE);
    let attempt = world.full(&[1]);
    let alert = Failure {
        alert: true,
        ..Failure::HANDSHAKE
    };
    attempt.failed(alert).expect("established");
    assert_eq!(receive(&attempt, 2, TLS_1_3, HOUR), Err(Discard::Failed));
    assert_eq!(world.available(), 0);
    assert_eq!(attempt.failed(alert), Err(NotNow::WrongState));
}
