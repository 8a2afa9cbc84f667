//! Offers that do harm: how much, at most, and who is not convicted of it.

use super::*;
use crate::connection::{Failure, Plan};
use crate::engine::{EventKind, Reason};
use crate::supply::Waker;
use std::collections::VecDeque;

const MINUTE: u64 = 60_000;
const LONG: u32 = 60_000;

/// The budget of these tests.
const BUDGET: usize = 12;

fn world() -> World {
    World::new(Options {
        failure_budget: 12,
        ..WIDE
    })
}

/// What comes after "established".
const ALERT: Failure = Failure {
    alert: true,
    ..Failure::LOGIN
};

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Serve,
    BreakHandshake,
    RefuseLogin,
    /// Sends a fatal alert after the driver said that the connection is established.
    Alert,
}

/// One connection's story.
#[derive(Clone, Copy, Debug)]
struct Visit {
    at: u64,
    resumed: bool,
    does: Does,
}

/// Makes a connection every `pause` milliseconds to a server that does to the nth connection, resumed or
/// not, what `server` says.
fn visits(
    world: &World,
    connections: u64,
    pause: u64,
    version: u16,
    server: impl Fn(u64, bool) -> Does,
) -> Vec<Visit> {
    crowd_visits(world, 1, connections, pause, version, server)
}

/// The same, each asking to wait before it makes its offer.
fn patient_visits(
    world: &World,
    connections: u64,
    pause: u64,
    server: impl Fn(u64) -> Does,
) -> Vec<Visit> {
    let visit = |n| {
        world.time.fetch_add(pause, Relaxed);
        let attempt = world.connect();
        _ = attempt.plan(LONG, Waker::new(|| ()));
        let resumed = offer(&attempt).expect("open").is_some();
        attempt.sent().expect("open");
        let (at, does) = (world.time.load(Relaxed), server(n));
        end(&attempt, n, TLS_1_2, resumed, does);
        Visit { at, resumed, does }
    };
    (0..connections).map(visit).collect()
}

/// The same with so many connections under way at once.
fn crowd_visits(
    world: &World,
    at_once: usize,
    connections: u64,
    pause: u64,
    version: u16,
    server: impl Fn(u64, bool) -> Does,
) -> Vec<Visit> {
    let (mut under_way, mut visits) = (VecDeque::new(), Vec::new());
    for n in 0..connections {
        world.time.fetch_add(pause, Relaxed);
        let attempt = world.connect();
        let resumed = offer(&attempt).expect("open").is_some();
        attempt.sent().expect("open");
        under_way.push_back((n, attempt, resumed));
        let last = n + 1 == connections;
        while under_way.len() >= at_once || last && !under_way.is_empty() {
            let Some((n, attempt, resumed)) = under_way.pop_front() else {
                break;
            };
            let does = server(n, resumed);
            end(&attempt, n, version, resumed, does);
            let at = world.time.load(Relaxed);
            visits.push(Visit { at, resumed, does });
        }
    }
    visits
}

/// Ends the nth connection as the server has it.
fn end(attempt: &Connection, n: u64, version: u16, resumed: bool, does: Does) {
    match does {
        Does::Serve | Does::Alert => {
            for ticket in [2 * n, 2 * n + 1] {
                let ticket = u32::try_from(ticket).expect("few");
                receive(attempt, ticket, version, 24 * HOUR).expect("kept");
            }
            attempt.established(resumed).expect("open");
            if does == Does::Alert {
                attempt.failed(ALERT).expect("established");
            }
        }
        Does::BreakHandshake => attempt.failed(Failure::HANDSHAKE).expect("open"),
        Does::RefuseLogin => attempt.failed(Failure::login(resumed)).expect("open"),
    }
}

/// The most harm in any hour: connections that failed resumed.
fn worst_hour(visits: &[Visit]) -> usize {
    let harmed = |visit: &&Visit| visit.resumed && visit.does != Does::Serve;
    let harmed: Vec<u64> = visits.iter().filter(harmed).map(|visit| visit.at).collect();
    let within = |&begin: &u64| {
        harmed
            .iter()
            .filter(|&&at| (begin..begin + 60 * MINUTE).contains(&at))
            .count()
    };
    harmed.iter().map(within).max().unwrap_or(0)
}

fn resumed(visits: &[Visit]) -> usize {
    visits
        .iter()
        .filter(|visit| visit.resumed && visit.does == Does::Serve)
        .count()
}

/// A number that looks random, the same in each run.
fn scramble(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[test]
fn no_more_than_the_budget_fails_within_an_hour_however_a_server_does_harm() {
    type Harms = fn(u64) -> bool;
    let harms: [(&str, Harms); 7] = [
        ("always", |_| true),
        ("every second time", |n| n % 2 == 0),
        ("one in four", |n| scramble(n) % 4 == 0),
        ("one in ten", |n| scramble(n) % 10 == 0),
        ("one in twenty", |n| scramble(n) % 20 == 0),
        ("in bursts", |n| n / 50 % 4 == 3),
        ("after a good start", |n| n > 500),
    ];
    for (how, harms) in harms {
        for version in [TLS_1_2, TLS_1_3] {
            for harm in [Does::BreakHandshake, Does::RefuseLogin, Does::Alert] {
                for pause in [100, 2000] {
                    let world = world();
                    let all = visits(&world, 2500, pause, version, |n, resumed| {
                        if resumed && harms(n) {
                            harm
                        } else {
                            Does::Serve
                        }
                    });
                    let worst = worst_hour(&all);
                    assert!(
                        worst <= BUDGET,
                        "{how} {version:x} {harm:?} {pause}: {worst}"
                    );
                    let stats = world.engine().stats();
                    assert!(
                        stats.breaker_opened > 0,
                        "{how} {version:x} {harm:?} {pause}"
                    );
                    assert!(stats.withheld > 0);
                }
            }
        }
    }
}

#[test]
fn offers_are_made_again_once_the_server_is_repaired() {
    for harm in [Does::BreakHandshake, Does::RefuseLogin] {
        let world = world();
        let all = visits(&world, 3 * 3600, 1000, TLS_1_3, |n, resumed| {
            if resumed && n < 1800 {
                harm
            } else {
                Does::Serve
            }
        });
        assert!(
            resumed(&all[2 * 3600..]) > 3500,
            "{}",
            resumed(&all[2 * 3600..])
        );
        let stats = world.engine().stats();
        assert!(stats.breaker_closed > 0);
        assert!(!world.config.forecast(&HOST).expect("good").breaker_open);
    }
}

/// Two connections in turn, of which the second resumes, if it may; says whether that one was harmed.
fn two_visits(world: &World, to: &Endpoint<'_>, harmful: bool) -> bool {
    let mut harmed = false;
    for _ in 0..2 {
        let attempt = connect(&world.config, to);
        let resumed = offer(&attempt).expect("open").is_some();
        if resumed && harmful {
            harmed = true;
            attempt.failed(Failure::LOGIN_RESUMED).expect("open");
        } else {
            receive(&attempt, 1, TLS_1_3, HOUR).expect("kept");
            attempt.established(resumed).expect("open");
        }
    }
    harmed
}

#[test]
fn the_budget_is_kept_where_there_are_more_endpoints_than_the_cache_keeps() {
    for max_endpoints in [1, 4, 20] {
        let world = World::new(Options {
            max_endpoints,
            failure_budget: 12,
            ..WIDE
        });
        let mut harmed = 0;
        for _ in 0..100 {
            harmed += usize::from(two_visits(&world, &HOST, true));
            for port in 0..60 {
                let other = to(b"other.example", port, b"", b"");
                assert!(!two_visits(&world, &other, false));
            }
        }
        assert!((1..=BUDGET).contains(&harmed), "{max_endpoints}: {harmed}");
    }
}

#[test]
fn a_wrong_password_convicts_nobody() {
    let world = world();
    visits(&world, 1, 1, TLS_1_2, |_, _| Does::Serve);
    let all = visits(&world, 2000, 1000, TLS_1_2, |_, _| Does::RefuseLogin);
    // For all who have the right one, offers go on: at once, or after the hour in which chance may have
    // made it look otherwise.
    let later = visits(&world, 2 * 3600, 1000, TLS_1_2, |_, _| Does::Serve);
    let last = resumed(&later[3600..]);
    assert!(last > 3000, "{last}");
    assert!(all.iter().filter(|visit| visit.resumed).count() > 12);
}

#[test]
fn the_wrong_password_of_one_tenant_does_not_open_the_breaker_of_another() {
    let every_second: fn(u64) -> bool = |n| n % 2 == 0;
    let now_and_then: fn(u64) -> bool = |n| scramble(n) % 10 == 0;
    for wrong in [every_second, now_and_then] {
        for version in [TLS_1_2, TLS_1_3] {
            // Which attempts are trials is left to chance, and in one world of fifty or so, it makes wrong passwords
            // look like harm for a while. So two of these may be worse.
            let mut shares = [0; 7].map(|_| {
                let world = world();
                let all = visits(&world, 4000, 500, version, |n, _| {
                    if wrong(n) {
                        Does::RefuseLogin
                    } else {
                        Does::Serve
                    }
                });
                let right = all.iter().filter(|visit| visit.does == Does::Serve).count();
                let opened = world.engine().stats().breaker_opened != 0;
                if opened {
                    0
                } else {
                    100 * resumed(&all) / right
                }
            });
            shares.sort_unstable();
            println!(
                "% of those with the right password resumed (0: the breaker opened): {shares:?}"
            );
            assert!(shares[2] > 60, "{shares:?}");
        }
    }
}

/// One that asks before it waits has drawn its lot.
#[test]
fn those_that_wait_are_trials_no_more_often_than_others() {
    let server = |n| {
        if n % 2 == 0 {
            Does::RefuseLogin
        } else {
            Does::Serve
        }
    };
    let share = |patient: bool| {
        let mut shares = [0; 7].map(|_| {
            let world = world();
            let all = if patient {
                patient_visits(&world, 4000, 500, server)
            } else {
                visits(&world, 4000, 500, TLS_1_2, |n, _| server(n))
            };
            let right = all.iter().filter(|visit| visit.does == Does::Serve).count();
            100 * resumed(&all) / right
        });
        shares.sort_unstable();
        shares[3]
    };
    let (patient, others) = (share(true), share(false));
    println!("% resumed of those that wait, and of others: {patient}, {others}");
    assert!(patient + 5 > others, "{patient} {others}");
}

#[test]
fn a_server_that_is_down_does_not_open_it() {
    let world = world();
    world.full(&(0..60).collect::<Vec<_>>());
    let down = visits(&world, 300, 100, TLS_1_3, |_, _| Does::BreakHandshake);
    assert!(down.iter().filter(|visit| visit.resumed).count() <= 60);
    world.full(&[100]);
    let up = visits(&world, 1000, 1000, TLS_1_3, |_, _| Does::Serve);
    assert!(resumed(&up) > 700, "{}", resumed(&up));
}

#[test]
fn those_that_the_caller_gave_up_do_not_count() {
    let world = world();
    for _ in 0..100 {
        world.full(&[1]);
        for end in [CANCELLED, Failure::NOT_SENT] {
            let attempt = world.connect();
            assert!(offer(&attempt).expect("open").is_some());
            attempt.failed(end).expect("open");
            if end != Failure::NOT_SENT {
                world.full(&[1]);
            }
        }
        let health_check = world.connect();
        assert!(offer(&health_check).expect("open").is_some());
        health_check.release();
    }
    let stats = world.engine().stats();
    assert_eq!((stats.withheld, stats.breaker_opened), (0, 0));
}

#[test]
fn after_a_failure_one_at_a_time_is_made_without_a_session() {
    let world = world();
    world.full(&[1, 2, 3, 4]);
    let failed = world.connect();
    assert!(offer(&failed).expect("open").is_some());
    failed.failed(Failure::LOGIN_RESUMED).expect("open");
    // The next one is compared, and the others go on.
    let [trial, second, third] = [(); 3].map(|()| world.connect());
    assert_eq!(offer(&trial), Ok(None));
    assert_eq!(counts(&trial).reason, Reason::Withheld);
    assert!(offer(&second).expect("open").is_some());
    assert!(offer(&third).expect("open").is_some());
    for other in [second, third] {
        other.failed(Failure::NOT_SENT).expect("open");
    }
    // It hangs: then another is.
    world.at(9_999);
    let another = world.connect();
    assert!(offer(&another).expect("open").is_some());
    another.release();
    world.at(10_000);
    assert_eq!(offer(&world.connect()), Ok(None));
    drop(trial);
}

/// How a trial or a probe ends that decides nothing.
type Undecided = fn(&Connection);
const UNDECIDED: [Undecided; 2] = [
    |attempt| attempt.failed(CANCELLED).expect("open"),
    |attempt| attempt.release(),
];

/// An attempt that offers, or not; gives it and whether it did.
fn asks(world: &World) -> (Arc<Connection>, bool) {
    let attempt = world.connect();
    let offers = offer(&attempt).expect("open").is_some();
    attempt.sent().expect("open");
    (attempt, offers)
}

#[test]
fn a_trial_that_ends_late_does_not_free_the_place_of_another() {
    for end in UNDECIDED {
        let world = world();
        world.full(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let (failed, _) = asks(&world);
        failed.failed(Failure::LOGIN_RESUMED).expect("open");
        let (late, offers) = asks(&world);
        assert!(!offers);
        world.at(10_000);
        let (present, offers) = asks(&world);
        assert!(!offers, "the first one hangs, and another is the trial");
        end(&late);
        assert!(asks(&world).1, "there is one at a time");
        end(&present);
        assert!(!asks(&world).1, "and then the next");
    }
}

/// A world whose breaker is open, with sessions, and an attempt that was a trial before it opened.
fn opened(budget: u32) -> (World, Arc<Connection>) {
    let world = World::new(Options {
        failure_budget: budget,
        ..WIDE
    });
    for ticket in 0..40 {
        world.full(&[ticket]);
    }
    let (failed, _) = asks(&world);
    failed.failed(Failure::HANDSHAKE).expect("open");
    let (trial, offers) = asks(&world);
    assert!(!offers);
    // Those that were under way already.
    while world.engine().stats().breaker_opened == 0 {
        world.time.fetch_add(1, Relaxed);
        let (failed, offers) = asks(&world);
        if offers {
            failed.failed(Failure::HANDSHAKE).expect("open");
        } else {
            failed.release();
        }
    }
    (world, trial)
}

#[test]
fn a_trial_that_ends_late_does_not_free_the_place_of_a_probe() {
    let established: Undecided = |attempt| attempt.established(false).expect("open");
    for end in UNDECIDED.into_iter().chain([established]) {
        let (world, trial) = opened(12);
        world.time.fetch_add(MINUTE, Relaxed);
        let (probe, offers) = asks(&world);
        assert!(offers);
        end(&trial);
        assert!(!asks(&world).1, "there is one at a time");
        probe.release();
        assert!(asks(&world).1, "and then the next");
    }
}

#[test]
fn a_probe_that_ends_late_does_not_free_the_place_of_another() {
    for end in UNDECIDED {
        let (world, _) = opened(12);
        world.time.fetch_add(MINUTE, Relaxed);
        let (late, offers) = asks(&world);
        assert!(offers);
        world.time.fetch_add(10_000, Relaxed);
        let (probe, offers) = asks(&world);
        assert!(offers, "the first one hangs");
        end(&late);
        assert!(!asks(&world).1, "there is one at a time");
        end(&probe);
        assert!(asks(&world).1, "and then the next");
    }
}

#[test]
fn an_attempt_that_the_breaker_keeps_from_offering_does_not_wait() {
    let world = world();
    while world.engine().stats().breaker_opened == 0 {
        visits(&world, 1, 1, TLS_1_3, |_, resumed| {
            if resumed {
                Does::BreakHandshake
            } else {
                Does::Serve
            }
        });
    }
    let attempt = world.connect();
    let plan = attempt.plan(LONG, Waker::new(|| ()));
    assert_eq!((plan, offer(&attempt)), (Ok(Plan::Go), Ok(None)));
    let forecast = world.config.forecast(&HOST).expect("a good endpoint");
    assert!(forecast.breaker_open && forecast.wait_ms.is_none());
}

#[test]
fn a_budget_without_end_withholds_nothing() {
    let world = World::new(WIDE);
    let all = visits(&world, 500, 100, TLS_1_2, |_, resumed| {
        if resumed {
            Does::RefuseLogin
        } else {
            Does::Serve
        }
    });
    assert_eq!(all.iter().filter(|visit| visit.resumed).count(), 499);
    let stats = world.engine().stats();
    assert_eq!((stats.withheld, stats.login_failed_resumed), (0, 499));
}

#[test]
fn failures_are_told_apart() {
    let world = World::new(WIDE);
    for (failure, expected) in [
        (Failure::HANDSHAKE, (1, 0)),
        (
            Failure {
                alert: true,
                ..Failure::LOGIN
            },
            (1, 0),
        ),
        (
            Failure {
                timed_out: true,
                ..Failure::HANDSHAKE
            },
            (1, 0),
        ),
        (Failure::LOGIN_RESUMED, (0, 1)),
        (Failure::LOGIN, (0, 0)),
        (Failure::NOT_SENT, (0, 0)),
        (
            Failure {
                cancelled: true,
                ..Failure::LOGIN_RESUMED
            },
            (0, 0),
        ),
    ] {
        world.engine().clear();
        world.full(&[1]);
        let before = world.engine().stats();
        let attempt = world.connect();
        assert!(offer(&attempt).expect("open").is_some());
        attempt.failed(failure).expect("open");
        let stats = world.engine().stats();
        let counted = (
            stats.handshake_failed_offered - before.handshake_failed_offered,
            stats.login_failed_resumed - before.login_failed_resumed,
        );
        assert_eq!(counted, expected, "{failure:?}");
    }
}

#[test]
fn a_fatal_alert_after_established_drops_what_the_connection_brought() {
    let world = World::new(WIDE);
    let attempt = world.full(&[1, 2]);
    let other = world.full(&[3]);
    assert_eq!(attempt.failed(Failure::LOGIN), Err(NotNow::WrongState));
    assert_eq!(world.available(), 3);
    assert_eq!(attempt.failed(ALERT), Ok(()));
    assert_eq!(offer(&world.connect()), Ok(Some(3)));
    drop(other);
}

#[test]
fn when_the_breaker_opens_nobody_waits_on() {
    let world = World::new(Options {
        failure_budget: 1,
        ..WIDE
    });
    world.full(&[1]);
    let harmed = world.connect();
    assert!(offer(&harmed).expect("open").is_some());
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let told = Arc::new(AtomicU64::new(0));
    let tell = Arc::clone(&told);
    let waits = world.connect();
    let waker = Waker::new(move || {
        tell.fetch_add(1, Relaxed);
    });
    assert_eq!(waits.plan(LONG, waker), Ok(Plan::Wait));
    harmed.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!((told.load(Relaxed), offer(&waits)), (1, Ok(None)));
    assert_eq!(world.engine().stats().breaker_opened, 1);
}

#[test]
fn what_is_kept_for_an_attempt_goes_back_when_the_breaker_opens() {
    let world = World::new(Options {
        failure_budget: 1,
        ..WIDE
    });
    world.full(&[1]);
    world.full(&[2]);
    let (harmed, asks) = (world.connect(), world.connect());
    assert_eq!(offer(&harmed), Ok(Some(2)));
    assert_eq!(asks.plan(LONG, Waker::new(|| ())), Ok(Plan::Go));
    assert_eq!(world.available(), 0);
    harmed.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!((offer(&asks), world.available()), (Ok(None), 1));
    assert_eq!(counts(&asks).reason, Reason::Withheld);
}

#[test]
fn an_attempt_that_was_let_wait_is_withheld_when_the_breaker_opens() {
    // With so many failures before it waits: from three on, chance decides who may.
    for failures in [1, 3] {
        let world = World::new(Options {
            failure_budget: failures + 2,
            ..WIDE
        });
        for ticket in 1..=failures + 2 {
            world.full(&[ticket]);
        }
        let first = world.connect();
        assert!(offer(&first).expect("open").is_some());
        first.failed(Failure::LOGIN_RESUMED).expect("open");
        world.at(1);
        let trial = world.connect();
        assert_eq!(offer(&trial), Ok(None));
        let others: Vec<_> = (0..=failures).map(|_| world.connect()).collect();
        for other in &others {
            assert!(offer(other).expect("open").is_some());
        }
        let (before, after) = others.split_at(failures as usize - 1);
        for other in before {
            other.failed(Failure::LOGIN_RESUMED).expect("open");
        }
        // It may offer what the trial brings.
        let waits = (0..1000)
            .map(|_| world.connect())
            .find(|waits| waits.plan(LONG, Waker::new(|| ())) == Ok(Plan::Wait))
            .expect("one may");
        for other in after {
            other.failed(Failure::LOGIN_RESUMED).expect("open");
        }
        assert_eq!(world.engine().stats().breaker_opened, 1);
        receive(&trial, 9, TLS_1_3, HOUR).expect("staged");
        trial.established(false).expect("open");
        assert_eq!((world.available(), offer(&waits)), (1, Ok(None)));
        assert_eq!(counts(&waits).reason, Reason::Withheld);
    }
}

#[test]
fn the_breaker_is_told_of() {
    let told: Arc<std::sync::Mutex<Vec<EventKind>>> = Arc::default();
    let tell = Arc::clone(&told);
    let options = Options {
        failure_budget: 2,
        ..WIDE
    };
    let world = World::telling(
        options,
        Box::new(move |event| {
            if matches!(
                event.kind,
                EventKind::BreakerOpened | EventKind::BreakerClosed
            ) {
                tell.lock().expect("not poisoned").push(event.kind);
            }
        }),
    );
    visits(&world, 2 * 3600, 1000, TLS_1_3, |n, resumed| {
        if resumed && n < 20 {
            Does::BreakHandshake
        } else {
            Does::Serve
        }
    });
    let told = told.lock().expect("not poisoned");
    assert_eq!(*told, [EventKind::BreakerOpened, EventKind::BreakerClosed]);
}

/// Whether the password of the nth connection is wrong, at so many in a hundred.
fn wrong(percent: u64) -> impl Fn(u64) -> bool {
    move |n| scramble(n + 77) % 100 < percent
}

/// Of the connections with the right password: how many failed resumed.
fn harmed(visits: &[Visit], wrong: impl Fn(u64) -> bool) -> usize {
    let harmed =
        |&(n, visit): &(u64, &Visit)| visit.resumed && visit.does != Does::Serve && !wrong(n);
    (0..).zip(visits).filter(harmed).count()
}

#[test]
fn a_server_that_begins_to_do_harm_is_noticed_however_much_was_well_before() {
    for percent in [0, 2, 10] {
        for pause in [3600, 360] {
            let world = world();
            let wrong = wrong(percent);
            let hour = 60 * MINUTE / pause;
            visits(&world, hour, pause, TLS_1_3, |n, _| {
                if wrong(n) {
                    Does::RefuseLogin
                } else {
                    Does::Serve
                }
            });
            let all = visits(&world, hour, pause, TLS_1_3, |n, resumed| {
                if wrong(n) || resumed {
                    Does::RefuseLogin
                } else {
                    Does::Serve
                }
            });
            let harmed = harmed(&all, &wrong);
            let most = if percent == 0 { BUDGET } else { 3 * BUDGET };
            assert!(harmed <= most, "{percent} % every {pause} ms: {harmed}");
        }
    }
}

#[test]
fn where_logins_fail_anyhow_the_harm_is_a_few_budgets_at_most() {
    for percent in [1, 10, 30] {
        let world = world();
        let wrong = wrong(percent);
        let all = visits(&world, 3000, 500, TLS_1_2, |n, resumed| {
            if wrong(n) || resumed {
                Does::RefuseLogin
            } else {
                Does::Serve
            }
        });
        let harmed = harmed(&all, &wrong);
        assert!(harmed <= 4 * BUDGET, "{percent} %: {harmed}");
        assert!(world.engine().stats().breaker_opened > 0, "{percent} %");
    }
}

/// Prints the figures of decision 15: `cargo test --lib logins_fail_anyhow -- --nocapture`.
#[test]
fn where_most_logins_fail_anyhow_the_harm_is_still_a_few_budgets() {
    for percent in [50, 90] {
        let harmed: Vec<_> = (0..20)
            .map(|seed| {
                let world = world();
                let wrong = |n| wrong(percent)(n + 3000 * seed);
                let all = visits(&world, 3000, 500, TLS_1_2, |n, resumed| {
                    if wrong(n) || resumed {
                        Does::RefuseLogin
                    } else {
                        Does::Serve
                    }
                });
                harmed(&all, wrong)
            })
            .collect();
        let (least, most) = (harmed.iter().min().unwrap(), harmed.iter().max().unwrap());
        println!("{percent} %: of 3000, from {least} to {most} failed because they resumed");
        assert!(*most <= 6 * BUDGET, "{percent} %: {harmed:?}");
    }
}

/// Prints figures of docs/supply.md: `cargo test --lib logins_fail_anyhow -- --nocapture`.
#[test]
fn where_logins_fail_anyhow_a_server_that_refuses_some_is_noticed_among_many() {
    for (percent, budgets) in [(1, 6), (10, 18), (30, 26)] {
        for refused in [25, 10, 5] {
            let mut harmed: Vec<_> = (0..5)
                .map(|seed| {
                    let world = world();
                    let wrong = |n| wrong(percent)(n + 8000 * seed);
                    let refuses = |n| scramble(n + 8000 * seed) % 100 < refused;
                    let all = crowd_visits(&world, 64, 7200, 500, TLS_1_2, |n, resumed| {
                        if wrong(n) || (resumed && refuses(n)) {
                            Does::RefuseLogin
                        } else {
                            Does::Serve
                        }
                    });
                    harmed(&all, wrong)
                })
                .collect();
            // The breaker throws dice, and one hour may have twice as many as another, so most hours count.
            let mean = harmed.iter().sum::<usize>() / harmed.len();
            println!("{percent} % wrong, {refused} % refused: {mean} of 7200, {harmed:?}");
            harmed.sort_unstable();
            assert!(
                harmed[2] <= budgets * BUDGET,
                "{percent} % {refused} %: {harmed:?}"
            );
        }
    }
}

#[test]
fn those_that_a_dying_server_takes_along_count_as_one() {
    let world = world();
    world.full(&(0..60).collect::<Vec<_>>());
    let under_way: Vec<_> = (0..50).map(|_| world.connect()).collect();
    for attempt in &under_way {
        assert!(offer(attempt).expect("open").is_some());
    }
    for (n, attempt) in (0..).zip(&under_way) {
        world.at(100 + n);
        attempt.failed(Failure::HANDSHAKE).expect("open");
    }
    // It is back: one is compared, and the others are offered what there is.
    world.full(&(100..120).collect::<Vec<_>>());
    let all = visits(&world, 100, 100, TLS_1_3, |_, _| Does::Serve);
    assert!(resumed(&all) >= 99, "{}", resumed(&all));
    assert_eq!(world.engine().stats().breaker_opened, 0);
}

#[test]
fn threads_that_visit_at_once_are_harmed_no_more_than_the_budget_and_once_their_number() {
    const THREADS: usize = 64;
    let world = world();
    world.full(&(0..60).collect::<Vec<_>>());
    let mut failed = 0;
    for round in 0..200 {
        world.at(round * 1000);
        let all: Vec<_> = (0..THREADS).map(|_| world.connect()).collect();
        let resumed: Vec<_> = all
            .iter()
            .map(|one| offer(one).expect("open").is_some())
            .collect();
        world.at(round * 1000 + 100);
        for (attempt, &resumed) in all.iter().zip(&resumed) {
            if resumed {
                failed += 1;
                attempt.failed(Failure::HANDSHAKE).expect("open");
            } else {
                receive(attempt, 1, TLS_1_3, HOUR).expect("kept");
                attempt.established(false).expect("open");
            }
        }
    }
    // Within the hour: the budget, those under way when the first one failed, and when the last one did.
    assert!(failed <= BUDGET + 2 * THREADS, "{failed}");
}

/// How long it is, in seconds, from each connection that was resumed to the next.
fn gaps(visits: &[Visit]) -> Vec<u64> {
    let resumed = visits.iter().filter(|visit| visit.resumed);
    let at: Vec<u64> = resumed.map(|visit| visit.at / 1000).collect();
    at.windows(2).map(|two| two[1] - two[0]).collect()
}

#[test]
fn the_pause_doubles_each_time_that_the_server_does_harm_again_up_to_an_hour() {
    let world = World::new(Options {
        failure_budget: 60,
        ..WIDE
    });
    let all = visits(&world, 14_400, 1000, TLS_1_3, |_, resumed| {
        if resumed {
            Does::BreakHandshake
        } else {
            Does::Serve
        }
    });
    let gaps = gaps(&all);
    let paused: Vec<u64> = gaps.into_iter().filter(|&gap| gap >= 60).take(7).collect();
    let expected = [60, 120, 240, 480, 960, 1920, 3600];
    for (gap, expected) in paused.iter().zip(expected) {
        assert!((expected..expected + 10).contains(gap), "{paused:?}");
    }
    assert_eq!(paused.len(), expected.len());
}

#[test]
fn the_pause_is_kept_when_the_breaker_closes() {
    let world = world();
    let offers = std::cell::Cell::new(0);
    // The first eight open it, and the ninth is served.
    let all = visits(&world, 400, 1000, TLS_1_3, |_, resumed| {
        offers.set(offers.get() + u32::from(resumed));
        if resumed && offers.get() != 9 {
            Does::BreakHandshake
        } else {
            Does::Serve
        }
    });
    let paused: Vec<u64> = gaps(&all).into_iter().filter(|&gap| gap >= 60).collect();
    assert!((60..70).contains(&paused[0]), "{paused:?}");
    assert!((120..130).contains(&paused[1]), "{paused:?}");
}

#[test]
fn the_budget_is_kept_also_where_full_handshakes_explain_most_of_the_harm() {
    let world = World::new(Options {
        failure_budget: 1,
        ..WIDE
    });
    for ticket in 0..20 {
        world.full(&[ticket]);
    }
    let harmed = world.connect();
    offer(&harmed).expect("open").expect("a ticket");
    harmed.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(world.engine().stats().breaker_opened, 1);
    // A full handshake fails as well, so the breaker closes; but that explains not all.
    let full = world.connect();
    assert_eq!(offer(&full), Ok(None));
    full.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(world.engine().stats().breaker_closed, 1);
    let next = world.connect();
    assert_eq!(offer(&next), Ok(None));
    assert_eq!(counts(&next).reason, Reason::Withheld);
}

#[test]
fn a_full_handshake_that_fails_as_well_clears_an_offer_of_suspicion() {
    let world = world();
    world.full(&[1]);
    world.full(&[2]);
    let (full, offered) = (world.connect(), world.connect());
    full.sent().expect("open");
    offer(&offered).expect("open").expect("a ticket");
    world.at(1000);
    offered.failed(Failure::HANDSHAKE).expect("open");
    full.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(
        offer(&world.connect()),
        Ok(Some(1)),
        "there is nothing to compare"
    );
}
