//! What a connection receives is seen by others only after success.

use super::*;
use tsc::conn::{Failure, Phase};

fn phase(conn: &Conn) -> Phase {
    conn.phase().expect("this process").0
}

#[test]
fn what_is_received_is_seen_by_others_only_once_established() {
    let world = World::new(WIDE);
    let conn = world.connect();
    assert_eq!(offer(&conn), Ok(None));
    receive(&conn, 1, TLS_1_3, HOUR).expect("kept");
    assert_eq!((phase(&conn), world.available()), (Phase::Open, 0));
    conn.established(false).expect("open");
    assert_eq!((phase(&conn), world.available()), (Phase::Established, 1));
    // A ticket that comes late goes straight in, also when the handle is gone.
    receive(&conn, 2, TLS_1_3, HOUR).expect("kept");
    assert_eq!(world.available(), 2);
    conn.release();
    receive(&conn, 3, TLS_1_3, HOUR).expect("kept");
    assert_eq!(world.available(), 3);
    assert_eq!(tally(&conn), (3, 3, 0));
    let stats = world.cache().stats();
    assert_eq!(
        (stats.established, stats.unfinished, stats.stored),
        (1, 0, 3)
    );
}

#[test]
fn a_failed_attempt_publishes_nothing_then_and_later() {
    for why in [Failure::NotSent, Failure::Handshake, Failure::Login] {
        let world = World::new(WIDE);
        let conn = world.connect();
        receive(&conn, 1, TLS_1_3, HOUR).expect("staged");
        conn.failed(why).expect("open");
        assert_eq!(phase(&conn), Phase::Failed);
        assert_eq!(receive(&conn, 2, TLS_1_3, HOUR), Err(Discard::Failed));
        assert_eq!(conn.established(false), Err(NotNow::WrongState));
        assert_eq!(conn.failed(why), Err(NotNow::WrongState));
        conn.release();
        assert_eq!(world.available(), 0);
        assert_eq!(tally(&conn), (2, 0, 2));
        let stats = world.cache().stats();
        assert_eq!((stats.failed, stats.unfinished), (1, 0));
        assert_eq!((stats.discarded_failed, stats.stored), (2, 0));
    }
}

#[test]
fn an_attempt_that_nobody_ended_publishes_nothing() {
    let world = World::new(WIDE);
    let conn = world.connect();
    receive(&conn, 1, TLS_1_3, HOUR).expect("staged");
    conn.release();
    conn.release();
    assert_eq!(receive(&conn, 2, TLS_1_3, HOUR), Err(Discard::Unfinished));
    assert_eq!(conn.established(false), Err(NotNow::WrongState));
    assert_eq!(world.available(), 0);
    let stats = world.cache().stats();
    assert_eq!((stats.unfinished, stats.discarded_unfinished), (1, 2));
}

#[test]
fn what_would_only_take_anothers_place_is_not_wanted() {
    let world = World::new(Options {
        max_sessions_per_endpoint: 2,
        ..WIDE
    });
    let conn = world.connect();
    assert_eq!(conn.wants_another(), Ok(true));
    receive(&conn, 1, TLS_1_3, HOUR).expect("staged");
    receive(&conn, 2, TLS_1_3, 2 * HOUR).expect("staged");
    // What is staged is as good as there.
    assert_eq!(conn.wants_another(), Ok(false));
    conn.established(false).expect("open");
    assert_eq!(conn.wants_another(), Ok(false));
    assert_eq!(tally(&conn), (4, 2, 2));
    // One that is offered leaves room for one.
    let next = world.connect();
    assert_eq!(
        (offer(&next), next.wants_another()),
        (Ok(Some(2)), Ok(true))
    );
    next.failed(Failure::Login).expect("open");
    assert_eq!(next.wants_another(), Err(Discard::Failed));
    // So does one that is over.
    world.at(u64::from(HOUR) * 1000);
    assert_eq!(conn.wants_another(), Ok(true));
    let stats = world.cache().stats();
    assert_eq!((stats.displaced, stats.discarded_failed), (2, 1));
    world.cache().close();
    assert_eq!(conn.wants_another(), Err(Discard::Closed));
}

#[test]
fn no_more_is_staged_than_an_endpoint_may_have() {
    let world = World::new(Options {
        max_sessions_per_endpoint: 2,
        ..WIDE
    });
    let conn = world.full(&[1, 2, 3]);
    assert_eq!(world.available(), 2);
    assert_eq!(tally(&conn), (3, 2, 1));
    assert_eq!(world.cache().stats().displaced, 1);
    let (next, last) = (world.connect(), world.connect());
    assert_eq!((offer(&next), offer(&last)), (Ok(Some(3)), Ok(Some(2))));
}
