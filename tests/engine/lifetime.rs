//! Nothing is offered past the smallest of all that bounds it.

use super::*;
use crate::connection::Failure;
use crate::connection::Plan;
use crate::supply::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u32 = 24 * HOUR;

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .expect("after 1970")
        .as_secs()
        .try_into()
        .expect("small")
}

/// What bounds a session, and how long it then may be offered.
#[derive(Clone, Copy)]
struct Case {
    rule: &'static str,
    version: u16,
    lifetime: u32,
    ttl: u32,
    lineage_age: u32,
    /// When the certificates end, in seconds from now: as the session says, as the stack says, and the
    /// client's own.
    peer: Option<i64>,
    stack: Option<i64>,
    client: Option<i64>,
    /// For how many seconds the session may be offered.
    lives: u32,
}

const CASE: Case = Case {
    rule: "",
    version: TLS_1_3,
    lifetime: u32::MAX,
    ttl: u32::MAX,
    lineage_age: u32::MAX,
    peer: None,
    stack: None,
    client: None,
    lives: 0,
};

#[rustfmt::skip]
const CASES: [Case; 28] = [
    Case { rule: "its own lifetime", lifetime: 100, lives: 100, ..CASE },
    Case { rule: "its own lifetime, TLS 1.2", version: TLS_1_2, lifetime: 100, lives: 100, ..CASE },
    Case { rule: "one second", lifetime: 1, lives: 1, ..CASE },
    Case { rule: "0 in TLS 1.3 is not to be kept", lifetime: 0, lives: 0, ..CASE },
    Case { rule: "0 in TLS 1.2 says nothing", version: TLS_1_2, lifetime: 0, lives: 7 * DAY, ..CASE },
    Case { rule: "0 in TLS 1.2 leaves the TTL", version: TLS_1_2, lifetime: 0, ttl: HOUR, lives: HOUR, ..CASE },
    Case { rule: "seven days", lifetime: 7 * DAY, lives: 7 * DAY, ..CASE },
    Case { rule: "eight days are seven", lifetime: 8 * DAY, lives: 7 * DAY, ..CASE },
    Case { rule: "for ever is seven days", lifetime: u32::MAX, lives: 7 * DAY, ..CASE },
    Case { rule: "eight days are seven, TLS 1.2", version: TLS_1_2, lifetime: 8 * DAY, lives: 7 * DAY, ..CASE },
    Case { rule: "a TTL of eight days lifts no cap", lifetime: 9 * DAY, ttl: 8 * DAY, lives: 7 * DAY, ..CASE },
    Case { rule: "the TTL", lifetime: 2 * HOUR, ttl: HOUR, lives: HOUR, ..CASE },
    Case { rule: "a longer TTL", lifetime: HOUR, ttl: 2 * HOUR, lives: HOUR, ..CASE },
    Case { rule: "the server's certificate", lifetime: DAY, peer: Some(1000), lives: 1000, ..CASE },
    Case { rule: "the server's certificate, TLS 1.2", version: TLS_1_2, lifetime: DAY, peer: Some(1000), lives: 1000, ..CASE },
    Case { rule: "the server's certificate, told by the stack", lifetime: DAY, stack: Some(1000), lives: 1000, ..CASE },
    Case { rule: "the earlier of the two, one way", lifetime: DAY, peer: Some(2000), stack: Some(1000), lives: 1000, ..CASE },
    Case { rule: "the earlier of the two, other way", lifetime: DAY, peer: Some(1000), stack: Some(2000), lives: 1000, ..CASE },
    Case { rule: "a certificate that outlives it", lifetime: HOUR, peer: Some(2 * DAY as i64), lives: HOUR, ..CASE },
    Case { rule: "a certificate that is over", lifetime: HOUR, peer: Some(-1), lives: 0, ..CASE },
    Case { rule: "a certificate from 1901", lifetime: HOUR, peer: Some(i64::MIN), lives: 0, ..CASE },
    Case { rule: "a certificate without end", lifetime: HOUR, peer: Some(i64::MAX), lives: HOUR, ..CASE },
    Case { rule: "the client's certificate", lifetime: DAY, client: Some(1000), lives: 1000, ..CASE },
    Case { rule: "the client's certificate is over", lifetime: DAY, client: Some(-1000), lives: 0, ..CASE },
    Case { rule: "the earlier of both sides, one way", lifetime: DAY, peer: Some(1000), client: Some(2000), lives: 1000, ..CASE },
    Case { rule: "the earlier of both sides, other way", lifetime: DAY, peer: Some(2000), client: Some(1000), lives: 1000, ..CASE },
    Case { rule: "the lineage's age", lifetime: DAY, lineage_age: 1000, lives: 1000, ..CASE },
    Case { rule: "the smallest of all", lifetime: 5000, ttl: 4000, lineage_age: 3000, peer: Some(2000), client: Some(1000), lives: 1000, ..CASE },
];

impl Case {
    /// Where a certificate bounds it the wall clock is in it: tolerate that a test may be slow.
    fn tolerance(&self) -> u64 {
        match (self.peer, self.stack, self.client) {
            (None, None, None) => 0,
            _ => 60_000,
        }
    }

    /// A new world in which one session was stored by this case's rules; where the time came from is
    /// staged or late.
    fn store(&self, late: bool) -> (World, Result<(), Discard>) {
        let absolute = |seconds: i64| unix_now().saturating_add(seconds);
        let options = Options {
            ttl_seconds: self.ttl,
            max_lineage_age_seconds: self.lineage_age,
            ..WIDE
        };
        let world = World::with_client(options, self.client.map(absolute));
        let attempt = world.connect();
        if let Some(stack) = self.stack {
            // The earliest counts, in whatever order they come.
            attempt.set_not_after(absolute(stack)).expect("open");
            attempt.set_not_after(absolute(stack + 5000)).expect("open");
        }
        if late {
            attempt.established(false).expect("open");
        }
        let peer = self.peer.map(absolute);
        let received = receive_until(&attempt, 1, self.version, self.lifetime, peer);
        if !late {
            attempt.established(false).expect("open");
        }
        (world, received)
    }
}

/// Whether a new attempt would be offered the session; asks in every way there is.
fn is_offered(world: &World) -> bool {
    let available = world.available() == 1;
    let attempt = world.connect();
    let offered = offer(&attempt).expect("open").is_some();
    attempt.failed(Failure::NOT_SENT).expect("open");
    assert_eq!(available, offered, "what is available is offered");
    offered
}

#[test]
fn no_session_is_offered_past_what_bounds_it() {
    for (case, late) in CASES.iter().flat_map(|case| [(case, false), (case, true)]) {
        let (world, received) = case.store(late);
        let ends = u64::from(case.lives) * 1000;
        let rule = case.rule;
        if ends == 0 {
            assert_eq!(received, Err(Discard::Lifetime), "{rule}");
            assert!(!is_offered(&world), "{rule}: at once");
            assert_eq!(world.engine().stats().discarded_lifetime, 1, "{rule}");
            continue;
        }
        assert_eq!(received, Ok(()), "{rule}");
        assert!(is_offered(&world), "{rule}: at once");
        world.at(ends - 1 - case.tolerance());
        assert!(is_offered(&world), "{rule}: to the last");
        world.at(ends + case.tolerance());
        assert!(!is_offered(&world), "{rule}: no longer");
        let stats = world.engine().stats();
        assert_eq!(
            (stats.expired, stats.sessions, stats.bytes),
            (1, 0, 0),
            "{rule}"
        );
    }
}

/// A session that nobody asked for goes by itself, as others come.
#[test]
fn expired_sessions_are_given_back_in_small_steps() {
    // So few that the cache has one shard: among several, luck decides which get no more stores.
    let world = World::new(Options {
        max_endpoints: 64,
        ..WIDE
    });
    for port in 0..30 {
        let attempt = connect(&world.config, &to(b"db.example", port, b"", b""));
        receive(&attempt, 1, TLS_1_3, 10).expect("kept");
        attempt.established(false).expect("open");
    }
    assert_eq!(world.engine().stats().sessions, 30);
    world.at(10_000);
    for port in 30..60 {
        for _ in 0..32 {
            let attempt = connect(&world.config, &to(b"db.example", port, b"", b""));
            receive(&attempt, 1, TLS_1_2, HOUR).expect("kept");
            attempt.established(false).expect("open");
        }
    }
    let stats = world.engine().stats();
    assert_eq!((stats.expired, stats.sessions, stats.evicted), (30, 30, 0));
}

#[test]
fn the_lifetime_counts_from_when_it_was_received() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    receive(&attempt, 1, TLS_1_3, 10).expect("staged");
    receive(&attempt, 2, TLS_1_3, 3).expect("staged");
    world.at(4000);
    // The login took four seconds.
    attempt.established(false).expect("open");
    assert_eq!(world.engine().stats().discarded_lifetime, 1);
    assert_eq!(tally(&attempt), (2, 1, 1));
    world.at(9999);
    assert!(is_offered(&world));
    world.at(10_000);
    assert!(!is_offered(&world));
}

#[test]
fn a_session_that_expired_before_it_came_back_is_dropped() {
    let world = World::new(WIDE);
    world.full(&[1]);
    let attempt = world.connect();
    assert_eq!(offer(&attempt), Ok(Some(1)));
    world.at(u64::from(HOUR) * 1000);
    // Leased to this attempt it stays what it is.
    assert_eq!(offer(&attempt), Ok(Some(1)));
    attempt.failed(Failure::NOT_SENT).expect("open");
    let stats = world.engine().stats();
    assert_eq!((stats.returned, stats.expired, stats.sessions), (1, 1, 0));
}

/// Resumes with what there is and receives one more, at each of these moments; then says whether there
/// is still something to offer.
fn renew(world: &World, seconds: &[u64]) -> bool {
    for &second in seconds {
        world.at(second * 1000);
        let attempt = world.connect();
        assert!(offer(&attempt).expect("open").is_some(), "after {second} s");
        receive(&attempt, 2, TLS_1_3, HOUR).expect("staged");
        attempt.established(true).expect("open");
    }
    is_offered(world)
}

#[test]
fn renewing_does_not_prolong_a_lineage() {
    let world = World::new(Options {
        max_lineage_age_seconds: 1000,
        ..WIDE
    });
    // Its age counts from the beginning of the attempt that did the full handshake.
    let attempt = world.connect();
    world.at(50_000);
    receive(&attempt, 1, TLS_1_3, HOUR).expect("staged");
    attempt.established(false).expect("open");
    assert!(renew(&world, &[300, 600, 900, 999]));
    world.at(1_000_000);
    assert!(!is_offered(&world));
    // A connection that was resumed and is still open publishes nothing more either.
    assert_eq!(world.engine().stats().sessions, 0);
    // A full handshake begins a new one.
    world.full(&[3]);
    assert!(renew(&world, &[1500, 1999]));
    world.at(2_000_000);
    assert!(!is_offered(&world));
}

#[test]
fn renewing_does_not_outlive_the_certificates() {
    let worlds = [
        (World::new(WIDE), Some(unix_now() + 1000), None),
        (World::new(WIDE), None, Some(unix_now() + 1000)),
        (
            World::with_client(WIDE, Some(unix_now() + 1000)),
            None,
            None,
        ),
    ];
    for (world, peer, stack) in worlds {
        let attempt = world.connect();
        if let Some(stack) = stack {
            attempt.set_not_after(stack).expect("open");
        }
        receive_until(&attempt, 1, TLS_1_3, HOUR, peer).expect("staged");
        attempt.established(false).expect("open");
        // Nobody tells the end of the certificate again: a resumed handshake shows none.
        assert!(renew(&world, &[300, 600, 900]));
        world.at(1_060_000);
        assert!(!is_offered(&world));
    }
}

#[test]
fn a_late_ticket_is_bounded_by_its_lineage() {
    let world = World::new(Options {
        max_lineage_age_seconds: 1000,
        ..WIDE
    });
    let attempt = world.full(&[]);
    world.at(900_000);
    receive(&attempt, 1, TLS_1_3, HOUR).expect("stored");
    world.at(999_999);
    assert!(is_offered(&world));
    world.at(1_000_000);
    assert!(!is_offered(&world));
    receive(&attempt, 2, TLS_1_3, HOUR).expect("taken, and dropped");
    assert_eq!(counts(&attempt).discarded, 1);
    assert!(!is_offered(&world));
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let world = World::new(WIDE);
    let attempt = world.connect();
    receive(&attempt, 1, TLS_1_2, 100).expect("staged");
    attempt.established(false).expect("open");
    // Back: what was stored lives until the same moment, and not a century.
    world.time.store(0, Relaxed);
    assert!(is_offered(&world));
    // What comes now counts from now.
    let attempt = world.connect();
    receive(&attempt, 2, TLS_1_2, 100).expect("staged");
    attempt.established(false).expect("open");
    assert_eq!(offer(&world.connect()), Ok(Some(2)));
    world.time.store(99_999, Relaxed);
    assert!(is_offered(&world));
    world.time.store(100_000, Relaxed);
    assert!(!is_offered(&world));
}

#[test]
fn a_clock_at_its_end_overflows_nothing() {
    let world = World::new(WIDE);
    world.time.store(u64::MAX - 1, Relaxed);
    world.full(&[1]);
    assert!(is_offered(&world));
    world.time.store(u64::MAX, Relaxed);
    assert!(!is_offered(&world));
}

#[test]
fn what_was_kept_for_one_that_waited_is_not_offered_past_its_end_either() {
    let world = World::new(WIDE);
    let (first, waits) = (world.connect(), world.connect());
    assert_eq!(offer(&first), Ok(None));
    assert_eq!(waits.plan(5000, Waker::new(|| ())), Ok(Plan::Wait));
    receive(&first, 1, TLS_1_3, 10).expect("kept");
    first.established(false).expect("open");
    assert_eq!(world.engine().stats().waits_served, 1);
    world.at(10_000);
    assert_eq!(offer(&waits), Ok(None));
    assert_eq!(world.engine().stats().expired, 1);
}
