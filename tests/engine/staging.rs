//! What a connection receives is seen by others only after success.

use super::*;
use crate::connection::{AttemptState, Failure};

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
