//! What becomes of a session that is offered: used, refused, put back.

use super::*;
use crate::connection::{AttemptState, Failure};
use crate::engine::Lifetime;

/// What a connection does.
type Act = fn(&Connection);

#[test]
fn a_single_use_session_is_offered_to_one_attempt() {
    let world = World::new(WIDE);
    world.full(&[1, 2]);
    let [a, b, c] = [(); 3].map(|()| world.connect());
    // The newest first, and the same for as long as it is leased.
    assert_eq!((offer(&a), offer(&a)), (Ok(Some(2)), Ok(Some(2))));
    assert_eq!((offer(&b), offer(&c)), (Ok(Some(1)), Ok(None)));
    assert!(counts(&a).offered && counts(&b).offered && !counts(&c).offered);
    // One that comes while an attempt waits is not too late.
    world.full(&[3]);
    assert_eq!(offer(&c), Ok(Some(3)));
    let stats = world.engine().stats();
    assert_eq!((stats.offered, stats.missed, stats.sessions), (3, 1, 0));
}

#[test]
fn a_reusable_session_is_offered_to_all() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    receive(&attempt, 1, TLS_1_2, 0).expect("kept");
    attempt.established(false).expect("open");
    let attempts = [(); 5].map(|()| world.connect());
    for attempt in &attempts {
        assert_eq!(offer(attempt), Ok(Some(1)));
    }
    assert_eq!(world.available(), 1);
    // None of them takes it from the others, however they end, unless the server refused it.
    attempts[0].failed(Failure::NOT_SENT).expect("open");
    attempts[1].failed(Failure::LOGIN).expect("open");
    attempts[2].established(true).expect("open");
    attempts[3].release();
    assert_eq!(world.available(), 1);
    attempts[4].established(false).expect("open");
    assert_eq!(world.available(), 0);
    let stats = world.engine().stats();
    assert_eq!((stats.offered, stats.returned), (5, 0));
}

#[test]
fn what_was_not_sent_goes_back_to_where_it_was() {
    for release in [false, true] {
        let world = World::new(WIDE);
        world.full(&[1]);
        world.at(1);
        world.full(&[2]);
        world.at(2);
        let attempt = world.connect();
        assert_eq!(offer(&attempt), Ok(Some(2)));
        world.full(&[3]);
        if release {
            attempt.release();
        } else {
            attempt.failed(Failure::NOT_SENT).expect("open");
        }
        assert_eq!(offer(&attempt), Err(NotNow::WrongState));
        let order = [(); 4].map(|()| offer(&world.connect()));
        assert_eq!(order, [Ok(Some(3)), Ok(Some(2)), Ok(Some(1)), Ok(None)]);
        assert_eq!(world.engine().stats().returned, 1);
    }
}

#[test]
fn what_was_sent_never_goes_back() {
    let sent: [(&str, Act); 5] = [
        ("sent", |attempt| attempt.sent().expect("open")),
        ("received", |attempt| {
            receive(attempt, 9, TLS_1_3, HOUR).expect("staged")
        }),
        ("received in vain", |attempt| {
            assert_eq!(receive(attempt, 9, TLS_1_3, 0), Err(Discard::Lifetime));
        }),
        ("received too much", |attempt| {
            assert_eq!(attempt.keep(&[0; 1025]).err(), Some(Discard::TooLarge));
        }),
        ("asked whether another is wanted", |attempt| {
            assert_eq!(attempt.wants_another(), Ok(true));
        }),
    ];
    let ends: [(&str, Act); 5] = [
        ("not sent", |attempt| {
            attempt.failed(Failure::NOT_SENT).expect("open")
        }),
        ("handshake", |attempt| {
            attempt.failed(Failure::HANDSHAKE).expect("open")
        }),
        ("login", |attempt| {
            attempt.failed(Failure::LOGIN).expect("open")
        }),
        ("resumed", |attempt| {
            attempt.established(true).expect("open")
        }),
        ("released", Connection::release),
    ];
    for (how, send) in sent {
        for (ended, end) in ends {
            let world = World::new(WIDE);
            world.full(&[1]);
            let attempt = world.connect();
            assert_eq!(offer(&attempt), Ok(Some(1)));
            send(&attempt);
            assert_eq!(offer(&attempt), Err(NotNow::WrongState), "{how}");
            end(&attempt);
            let back = [(); 2].map(|()| offer(&world.connect()).expect("open"));
            assert!(!back.contains(&Some(1)), "{how}, {ended}");
            assert_eq!(world.engine().stats().returned, 0, "{how}, {ended}");
        }
    }
}

#[test]
fn the_ends_that_imply_sent_keep_what_was_offered() {
    for why in [Failure::HANDSHAKE, Failure::LOGIN] {
        let world = World::new(WIDE);
        world.full(&[1]);
        let attempt = world.connect();
        assert_eq!(offer(&attempt), Ok(Some(1)));
        attempt.failed(why).expect("open");
        assert_eq!((world.available(), world.engine().stats().returned), (0, 0));
    }
}

#[test]
fn nothing_is_offered_once_it_is_too_late() {
    let acts: [Act; 6] = [
        |attempt| attempt.sent().expect("open"),
        |attempt| receive(attempt, 9, TLS_1_2, HOUR).expect("staged"),
        |attempt| attempt.established(false).expect("open"),
        |attempt| attempt.failed(Failure::LOGIN).expect("open"),
        |attempt| attempt.failed(Failure::NOT_SENT).expect("open"),
        Connection::release,
    ];
    for (at, act) in acts.into_iter().enumerate() {
        let world = World::new(WIDE);
        world.full(&[1]);
        let attempt = world.connect();
        act(&attempt);
        assert_eq!(offer(&attempt), Err(NotNow::WrongState), "act {at}");
        assert_eq!((world.available(), counts(&attempt).offered), (1, false));
    }
}

#[test]
fn what_was_sent_without_an_offer_cannot_be_resumed() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    attempt.sent().expect("open");
    attempt.sent().expect("twice is nothing");
    world.full(&[1]);
    assert!(attempt.take().is_none());
    assert_eq!(attempt.established(true), Err(NotNow::NothingOffered));
    assert_eq!(counts(&attempt).state, AttemptState::Open);
    attempt.established(false).expect("still open");
    assert_eq!((world.available(), world.engine().stats().refused), (1, 0));
}

#[test]
fn a_session_that_is_taken_counts_as_sent() {
    let world = World::new(WIDE);
    world.full(&[1, 2]);
    let attempt = world.connect();
    assert_eq!(attempt.take().as_ref().map(number_of), Some(2));
    assert!(attempt.take().is_none());
    attempt.failed(Failure::NOT_SENT).expect("open");
    assert_eq!((world.available(), world.engine().stats().returned), (1, 0));
}

#[test]
fn a_refused_session_takes_its_lineage_with_it() {
    // What the attempt says, and whether that blames what it offered.
    let ends: [(Act, bool); 5] = [
        (|attempt| attempt.established(false).expect("open"), true),
        (
            |attempt| attempt.failed(Failure::HANDSHAKE).expect("open"),
            true,
        ),
        (
            |attempt| attempt.failed(Failure::LOGIN).expect("open"),
            false,
        ),
        (|attempt| attempt.established(true).expect("open"), false),
        (|attempt| attempt.release(), false),
    ];
    for (at, (end, blames)) in ends.into_iter().enumerate() {
        let world = World::new(WIDE);
        world.full(&[1, 2]);
        world.at(1);
        // Another lineage, of which something is left.
        world.full(&[3]);
        // Renewed by resumption: of the same lineage as what it was resumed from.
        world.at(2);
        let other = world.connect();
        assert_eq!(offer(&other), Ok(Some(3)));
        let renewed = world.connect();
        assert_eq!(offer(&renewed), Ok(Some(2)));
        receive(&renewed, 4, TLS_1_3, HOUR).expect("staged");
        renewed.established(true).expect("open");
        other.release();
        world.at(3);

        let attempt = world.connect();
        assert_eq!(offer(&attempt), Ok(Some(4)));
        attempt.sent().expect("open");
        end(&attempt);
        let left = [(); 3].map(|()| offer(&world.connect()).expect("open"));
        let expected = match blames {
            true => [Some(3), None, None],
            false => [Some(3), Some(1), None],
        };
        assert_eq!(left, expected, "end {at}");
        let stats = world.engine().stats();
        assert_eq!(stats.removed, u64::from(blames), "end {at}");
        let refused = at == 0;
        assert_eq!(
            (stats.refused, counts(&attempt).refused),
            (refused.into(), refused)
        );
    }
}

#[test]
fn an_attempt_that_offered_nothing_refuses_nothing() {
    let ends: [Act; 2] = [
        |attempt| attempt.established(false).expect("open"),
        |attempt| attempt.failed(Failure::HANDSHAKE).expect("open"),
    ];
    for end in ends {
        let world = World::new(WIDE);
        let attempt = world.connect();
        assert_eq!(offer(&attempt), Ok(None));
        world.full(&[1]);
        end(&attempt);
        assert_eq!((world.available(), world.engine().stats().refused), (1, 0));
        assert!(!counts(&attempt).refused);
    }
}

#[test]
fn resumed_and_established_are_counted() {
    let world = World::new(WIDE);
    world.full(&[1]);
    let attempt = world.connect();
    assert_eq!(attempt.established(true), Err(NotNow::NothingOffered));
    assert_eq!(offer(&attempt), Ok(Some(1)));
    attempt.established(true).expect("open");
    assert_eq!(attempt.established(true), Err(NotNow::WrongState));
    assert_eq!(attempt.failed(Failure::LOGIN), Err(NotNow::WrongState));
    let counts = counts(&attempt);
    assert!(counts.offered && counts.resumed && !counts.refused);
    let stats = world.engine().stats();
    assert_eq!((stats.established, stats.resumed, stats.refused), (2, 1, 0));
}

#[test]
fn a_note_is_kept_once_established() {
    let world = World::new(WIDE);
    let failed = world.connect();
    failed.set_note(7);
    failed.failed(Failure::HANDSHAKE).expect("open");
    let attempt = world.connect();
    assert_eq!(attempt.note(), None);
    attempt.set_note(29);
    assert_eq!(attempt.note(), None);
    attempt.established(false).expect("open");
    assert_eq!(world.connect().note(), Some(29));
    assert_eq!(offer(&world.connect()), Ok(None));
}

#[test]
fn a_reusable_session_goes_when_the_server_turns_to_tls_1_3() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    receive(&attempt, 1, TLS_1_2, HOUR).expect("staged");
    receive(&attempt, 2, TLS_1_3, HOUR).expect("staged");
    attempt.established(false).expect("open");
    world.connect().remove_reusable();
    assert_eq!(
        [(); 2].map(|()| offer(&world.connect())),
        [Ok(Some(2)), Ok(None)]
    );
}

#[test]
fn rules_follow_from_the_protocol_version() {
    let seconds = Lifetime::Seconds;
    for (version, lifetime, expected) in [
        (0x0304, 0, Some((Kind::SingleUse, seconds(0)))),
        (0x0304, 7, Some((Kind::SingleUse, seconds(7)))),
        (0x0303, 0, Some((Kind::Reusable, Lifetime::Unspecified))),
        (0x0303, 7, Some((Kind::Reusable, seconds(7)))),
        (0x0302, 7, Some((Kind::Reusable, seconds(7)))),
        (0x0301, 0, Some((Kind::Reusable, Lifetime::Unspecified))),
        (0x0300, 7, None),
        (0x0305, 7, None),
        (0xfefd, 7, None),
        (0, 0, None),
    ] {
        let info = SessionInfo::of(version, lifetime);
        let rules = info.check().ok().map(|info| (info.kind, info.lifetime));
        assert_eq!(rules, expected, "{version:#x}");
    }
}
