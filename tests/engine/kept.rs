//! A session that was kept for an attempt which waited is looked at again when it is offered, and is not lost
//! if it is not.

use super::supply::LONG;
use super::*;
use crate::connection::{Failure, Plan};
use crate::engine::Reason;
use crate::supply::Waker;

/// How an attempt came by what is kept for it.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// It was there.
    AtOnce,
    /// It waited.
    Waited,
}

const WAYS: [Way; 2] = [Way::AtOnce, Way::Waited];

/// An attempt for which session 1 is kept, of a lineage that `leader` began.
struct Kept {
    world: World,
    leader: Arc<Connection>,
    attempt: Arc<Connection>,
}

impl Kept {
    fn new(way: Way, lifetime: u32) -> Self {
        let world = World::new(WIDE);
        let leader = world.connect();
        let attempt = world.connect();
        let ask = || attempt.plan(LONG, Waker::new(|| ()));
        assert_eq!(offer(&leader), Ok(None));
        if let Way::Waited = way {
            assert_eq!(ask(), Ok(Plan::Wait));
        }
        receive(&leader, 1, TLS_1_3, lifetime).expect("staged");
        leader.established(false).expect("open");
        if let Way::AtOnce = way {
            assert_eq!(ask(), Ok(Plan::Go));
        }
        assert_eq!(world.available(), 0);
        Self {
            world,
            leader,
            attempt,
        }
    }

    fn reason(&self) -> Reason {
        counts(&self.attempt).reason
    }
}

#[test]
fn it_is_offered_if_it_is_still_good() {
    for way in WAYS {
        let kept = Kept::new(way, HOUR);
        assert!(!counts(&kept.attempt).offered);
        assert_eq!(offer(&kept.attempt), Ok(Some(1)));
        assert!(counts(&kept.attempt).offered);
        kept.attempt.established(true).expect("open");
    }
}

#[test]
fn it_is_not_offered_when_its_time_is_over() {
    for way in WAYS {
        let kept = Kept::new(way, 10);
        kept.world.at(3_600_000);
        assert_eq!(offer(&kept.attempt), Ok(None), "{way:?}");
        assert_eq!(kept.reason(), Reason::Expired);
        let stats = kept.world.engine().stats();
        assert_eq!((stats.expired, stats.sessions), (1, 0));
    }
}

#[test]
fn another_is_offered_in_its_place() {
    for way in WAYS {
        let kept = Kept::new(way, 10);
        kept.world.full(&[2]);
        kept.world.at(11_000);
        assert_eq!(offer(&kept.attempt), Ok(Some(2)), "{way:?}");
        kept.attempt.established(true).expect("open");
    }
}

#[test]
fn it_is_not_offered_when_the_server_has_refused_its_lineage() {
    for way in WAYS {
        let kept = Kept::new(way, HOUR);
        let alert = Failure {
            alert: true,
            ..Failure::HANDSHAKE
        };
        kept.leader.failed(alert).expect("established");
        assert_eq!(offer(&kept.attempt), Ok(None), "{way:?}");
        assert_eq!(kept.reason(), Reason::Refused);
        assert_eq!(kept.world.engine().stats().removed, 1);
    }
}

#[test]
fn it_is_not_offered_when_the_cache_was_cleared_or_closed() {
    let drops: [fn(&World); 2] = [
        |world| world.engine().clear(),
        |world| world.config.cache.close(),
    ];
    for (way, drops) in WAYS
        .into_iter()
        .flat_map(|way| drops.map(|drops| (way, drops)))
    {
        let kept = Kept::new(way, HOUR);
        drops(&kept.world);
        assert_eq!(offer(&kept.attempt), Ok(None), "{way:?}");
        let kept = Kept::new(way, HOUR);
        drops(&kept.world);
        kept.attempt.release();
        let stats = kept.world.engine().stats();
        assert_eq!((stats.sessions, stats.removed), (0, 1), "{way:?}");
    }
}

#[test]
fn one_that_sends_without_asking_for_it_gives_it_back() {
    let sends: [fn(&Connection); 4] = [
        |attempt| attempt.sent().expect("open"),
        |attempt| receive(attempt, 7, TLS_1_3, HOUR).expect("staged"),
        |attempt| assert_eq!(attempt.wants_another(), Ok(true)),
        |attempt| assert!(attempt.keep(&[1; 2000]).is_err(), "too large"),
    ];
    for (way, send) in WAYS
        .into_iter()
        .flat_map(|way| sends.map(|send| (way, send)))
    {
        let kept = Kept::new(way, HOUR);
        send(&kept.attempt);
        assert_eq!(kept.world.available(), 1, "{way:?}");
        assert_eq!(offer(&kept.attempt), Err(NotNow::WrongState));
        assert_eq!(kept.attempt.end_wait(), Err(NotNow::WrongState));
        // And it is not held against it that it was not resumed.
        let before = kept.world.available();
        kept.attempt.established(false).expect("open");
        assert!(kept.world.available() >= before);
        assert_eq!(kept.reason(), Reason::NotAsked);
        assert_eq!(kept.world.engine().stats().refused, 0);
    }
}

#[test]
fn one_that_sends_while_it_waits_waits_no_longer() {
    let sends: [fn(&Connection); 3] = [
        |attempt| attempt.sent().expect("open"),
        |attempt| receive(attempt, 7, TLS_1_3, HOUR).expect("staged"),
        |attempt| assert_eq!(attempt.wants_another(), Ok(true)),
    ];
    for send in sends {
        let world = World::new(WIDE);
        let leader = world.connect();
        assert_eq!(offer(&leader), Ok(None));
        let waits = world.ask(LONG);
        assert_eq!(waits.plan, Plan::Wait);
        send(&waits.attempt);
        assert_eq!(world.forecast().waiting, 0);
        assert_eq!(offer(&waits.attempt), Err(NotNow::WrongState));
        receive(&leader, 1, TLS_1_3, HOUR).expect("staged");
        leader.established(false).expect("open");
        assert_eq!((waits.told(), world.available()), (0, 1));
        waits.attempt.established(false).expect("open");
        assert!(world.available() >= 1, "the ticket is good");
    }
}
