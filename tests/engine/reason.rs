//! Why an attempt did not resume.

use super::*;
use crate::connection::{Failure, Plan};
use crate::engine::{EventKind, Reason};
use crate::supply::Waker;
use std::sync::Mutex;

/// A world, and the reasons that its listener was told.
fn world(options: Options) -> (World, Arc<Mutex<Vec<Reason>>>) {
    let told: Arc<Mutex<Vec<Reason>>> = Arc::default();
    let tell = Arc::clone(&told);
    let listener = Box::new(move |event: &crate::engine::Event<'_>| {
        if let EventKind::NotOffered(reason) = event.kind {
            tell.lock().expect("not poisoned").push(reason);
        }
    });
    (World::telling(options, listener), told)
}

fn why(attempt: &Connection) -> Reason {
    counts(attempt).reason
}

/// What an attempt that offers what it can is told.
fn why_not(world: &World) -> Reason {
    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(None));
    why(&attempt)
}

#[test]
fn an_attempt_that_finds_nothing_says_why() {
    let (world, told) = world(Options {
        max_endpoints: 1,
        ..WIDE
    });
    assert_eq!(why_not(&world), Reason::NothingStored);

    world.full(&[1]);
    let takes = world.connect();
    assert_eq!(offer(&takes), Ok(Some(1)));
    assert_eq!(why(&takes), Reason::None);
    assert_eq!(why_not(&world), Reason::Taken);
    takes.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(why(&takes), Reason::NotSent);
    // It is back.
    assert_eq!(offer(&world.connect()), Ok(Some(1)));

    world.full(&[2]);
    let refused = world.connect();
    assert_eq!(offer(&refused), Ok(Some(2)));
    refused.established(false).expect("open");
    assert_eq!(why(&refused), Reason::Refused);
    assert_eq!(why_not(&world), Reason::Refused);

    world.full(&[3]);
    let other = connect(&world.config, &to(b"other.example", 1, b"", b""));
    receive(&other, 4, TLS_1_3, HOUR).expect("staged");
    other.established(false).expect("open");
    assert_eq!(why_not(&world), Reason::Evicted);

    world.full(&[5]);
    world.at(u64::from(HOUR) * 1000);
    assert_eq!(why_not(&world), Reason::Expired);

    world.full(&[6]);
    let fails = world.connect();
    assert_eq!(offer(&fails), Ok(Some(6)));
    fails.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(why(&fails), Reason::Failed);

    world.engine().close();
    assert_eq!(why_not(&world), Reason::CacheOff);

    // Each was told once, where nothing was offered.
    let told = told.lock().expect("not poisoned");
    let nothing_offered: Vec<_> = told
        .iter()
        .filter(|why| **why != Reason::NotAsked)
        .collect();
    assert_eq!(
        nothing_offered,
        [
            &Reason::NothingStored,
            &Reason::Taken,
            &Reason::Refused,
            &Reason::Evicted,
            &Reason::Expired,
            &Reason::CacheOff
        ]
    );
}

#[test]
fn an_attempt_that_resumed_has_no_reason() {
    let (world, _) = world(WIDE);
    world.full(&[1]);
    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(Some(1)));
    attempt.established(true).expect("open");
    assert_eq!(why(&attempt), Reason::None);
}

#[test]
fn an_attempt_of_which_nobody_asked_for_a_session_says_so() {
    let (world, told) = world(WIDE);
    let attempt = world.connect();
    attempt.established(false).expect("open");
    assert_eq!(why(&attempt), Reason::NotAsked);
    assert_eq!(*told.lock().expect("not poisoned"), [Reason::NotAsked]);
}

#[test]
fn an_attempt_that_waited_in_vain_says_so() {
    let (world, _) = world(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let waits = world.connect();
    let plan = waits.plan(1000, Waker::new(|| ()));
    assert_eq!(plan, Ok(Plan::Wait));
    waits.end_wait().expect("it waits");
    assert_eq!(
        (offer(&waits), why(&waits)),
        (Ok(None), Reason::WaitedInVain)
    );
}

#[test]
fn sessions_never_cross_what_a_connection_verifies_and_attempts_say_so() {
    let (world, _) = world(WIDE);
    let verifying = |what| {
        connect(
            &world.config,
            &Endpoint {
                verification: what,
                ..HOST
            },
        )
    };
    let strict = verifying(b"a, b");
    receive(&strict, 1, TLS_1_2, HOUR).expect("staged");
    strict.established(false).expect("open");
    for other in [&b""[..], b"a", b"a, b, c", b"A, B"] {
        let attempt = verifying(other);
        assert_eq!(offer(&attempt), Ok(None));
        assert_eq!(why(&attempt), Reason::OtherVerification);
    }
    assert_eq!(offer(&verifying(b"a, b")), Ok(Some(1)));
    // Nor is that said of another server.
    let other = connect(&world.config, &to(b"other.example", 1, b"", b""));
    assert_eq!(
        (offer(&other), why(&other)),
        (Ok(None), Reason::NothingStored)
    );
}
