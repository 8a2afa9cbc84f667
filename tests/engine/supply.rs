//! Waiting for a session that is on its way, and leaving alone an endpoint where offers do harm.

use super::*;
use crate::connection::{Failure, Plan};
use crate::supply::{Forecast, Waker};
use std::sync::atomic::AtomicUsize;

/// Patience that plays no part in a test.
pub(super) const LONG: u32 = 1_000_000;

/// An attempt that asked, and how often it was told that its wait is over.
pub(super) struct Asked {
    pub(super) attempt: Arc<Connection>,
    pub(super) plan: Plan,
    told: Arc<AtomicUsize>,
}

impl Asked {
    pub(super) fn told(&self) -> usize {
        self.told.load(Relaxed)
    }
}

fn ask(attempt: Arc<Connection>, max_wait_ms: u32) -> Asked {
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    let waker = move || {
        tell.fetch_add(1, Relaxed);
    };
    let plan = attempt.plan(max_wait_ms, Waker::new(waker)).expect("open");
    Asked {
        attempt,
        plan,
        told,
    }
}

/// A server as its clients see it.
#[derive(Clone, Copy)]
pub(super) struct Server {
    /// How many tickets it sends on a full handshake, and on a resumed one.
    pub(super) tickets: [u32; 2],
}

impl World {
    pub(super) fn ask(&self, max_wait_ms: u32) -> Asked {
        ask(self.connect(), max_wait_ms)
    }

    pub(super) fn forecast(&self) -> Forecast {
        self.config.forecast(&HOST).expect("a good endpoint")
    }

    /// What an attempt that may go does: offers what it can, and is established.
    pub(super) fn go(&self, attempt: &Connection, server: Server) -> bool {
        let resumed = offer(attempt).expect("open").is_some();
        for number in 0..server.tickets[usize::from(resumed)] {
            receive(attempt, number, TLS_1_3, HOUR).expect("staged");
        }
        attempt.established(resumed).expect("open");
        resumed
    }

    /// So many attempts at once, each of which goes when it may, in rounds of 10 ms: all that may go
    /// begin at its start and are established at its end. Says which were resumed, in which round.
    fn burst(&self, server: Server, count: usize, max_wait_ms: u32) -> Vec<(bool, u64)> {
        let began = self.time.load(Relaxed);
        let mut all: Vec<_> = (0..count).map(|_| Some(self.ask(max_wait_ms))).collect();
        let mut ends = vec![(false, 0); count];
        for round in 1u64.. {
            let going: Vec<_> = (0..count)
                .filter(|&at| {
                    let late = (round - 1) * 10 >= u64::from(max_wait_ms);
                    let free = |one: &Asked| one.plan == Plan::Go || one.told() == 1 || late;
                    all[at].as_ref().is_some_and(free)
                })
                .collect();
            let offers: Vec<_> = going
                .iter()
                .map(|&at| offer(&all[at].as_ref().expect("open").attempt))
                .collect();
            self.time.store(began + round * 10, Relaxed);
            for (&at, offered) in going.iter().zip(&offers) {
                let one = all[at].take().expect("open");
                assert_eq!(offered.clone(), offer(&one.attempt), "the same as before");
                ends[at] = (self.go(&one.attempt, server), round);
            }
            if all.iter().all(Option::is_none) {
                return ends;
            }
            assert!(round < 10_000, "it comes to an end");
        }
        unreachable!()
    }
}

fn resumed(ends: &[(bool, u64)]) -> usize {
    ends.iter().filter(|(resumed, _)| *resumed).count()
}

fn last_round(ends: &[(bool, u64)]) -> u64 {
    ends.iter().map(|&(_, round)| round).max().expect("some")
}

pub(super) const DOUBLES: Server = Server { tickets: [2, 2] };
const STANDS_STILL: Server = Server { tickets: [2, 1] };
pub(super) const ISSUES_NONE: Server = Server { tickets: [0, 0] };

#[test]
fn all_of_a_burst_but_the_first_are_resumed() {
    for count in [2, 16, 64, 256] {
        let world = World::new(WIDE);
        let ends = world.burst(DOUBLES, count, LONG);
        assert_eq!(resumed(&ends), count - 1);
        // The first, then as many as there are tickets, twice as many each time.
        let doublings = u64::from((count + 1).next_power_of_two().ilog2());
        assert!(last_round(&ends) <= doublings, "{count}: {ends:?}");
        let order: Vec<_> = ends.iter().map(|&(_, round)| round).collect();
        assert!(order.is_sorted(), "first come, first served: {order:?}");
    }
}

#[test]
fn without_waiting_only_as_many_are_resumed_as_there_are_tickets() {
    let world = World::new(WIDE);
    assert!(!world.go(&world.connect(), DOUBLES));
    let all = [(); 64].map(|()| world.connect());
    let offered = all
        .iter()
        .filter(|attempt| offer(attempt) != Ok(None))
        .count();
    assert_eq!(offered, 2);
}

#[test]
fn a_supply_that_does_not_grow_is_spread_over_the_time_that_there_is() {
    let world = World::new(WIDE);
    // The server is known, and the time that it takes.
    assert_eq!(resumed(&world.burst(STANDS_STILL, 3, LONG)), 2);
    world.at(1000);
    world.config.engine().clear();
    let ends = world.burst(STANDS_STILL, 64, 100);
    // Two at a time would take 32 rounds. There are ten, so some do full handshakes at once, each of
    // which brings two more.
    assert!(last_round(&ends) <= 11, "{ends:?}");
    let at_once = ends.iter().filter(|end| **end == (false, 1)).count();
    assert!((2..=8).contains(&at_once), "{ends:?}");
    assert!(resumed(&ends) >= 64 - 8, "{ends:?}");
}

#[test]
fn only_the_first_handshake_of_a_server_that_issues_none_is_waited_for() {
    let world = World::new(WIDE);
    let ends = world.burst(ISSUES_NONE, 8, 50);
    assert_eq!(resumed(&ends), 0);
    // All but the first waited, and no longer than they wanted to.
    assert!(last_round(&ends) <= 6);
    world.at(10_000);
    let ends = world.burst(ISSUES_NONE, 64, 50);
    assert_eq!((resumed(&ends), last_round(&ends)), (0, 1));
    assert_eq!(world.forecast().tickets_full, Some(0));
    // It turned to issuing some, and that is seen.
    world.burst(DOUBLES, 1, 50);
    world.config.engine().clear();
    assert_eq!(resumed(&world.burst(DOUBLES, 64, LONG)), 63);
}

#[test]
fn what_was_not_wanted_is_foreseen_all_the_same() {
    for late in [false, true] {
        let world = World::new(Options {
            max_sessions_per_endpoint: 4,
            ..WIDE
        });
        for _ in 0..8 {
            let attempt = world.connect();
            let resumed = offer(&attempt).expect("open").is_some();
            if late {
                attempt.established(resumed).expect("open");
            }
            for number in 0..2 {
                if attempt.wants_another().expect("open") {
                    receive(&attempt, number, TLS_1_3, HOUR).expect("kept");
                }
            }
            if !late {
                attempt.established(resumed).expect("open");
            }
        }
        assert_eq!(world.available(), 4);
        let stats = world.engine().stats();
        assert_eq!(
            (stats.stored, stats.discarded_surplus),
            (11, 5),
            "late: {late}"
        );
        let forecast = world.forecast();
        assert_eq!(
            (forecast.tickets_full, forecast.tickets_resumed),
            (Some(2), Some(2)),
            "late: {late}"
        );
    }
}

#[test]
fn a_reusable_session_ends_the_wait_of_all() {
    let world = World::new(WIDE);
    let leader = world.ask(LONG);
    assert_eq!((leader.plan, offer(&leader.attempt)), (Plan::Go, Ok(None)));
    let others = [(); 20].map(|()| world.ask(LONG));
    assert!(others.iter().all(|one| one.plan == Plan::Wait));
    receive(&leader.attempt, 7, TLS_1_2, 0).expect("staged");
    leader.attempt.established(false).expect("open");
    for one in &others {
        assert_eq!((one.told(), offer(&one.attempt)), (1, Ok(Some(7))));
    }
    let stats = world.engine().stats();
    assert_eq!((stats.waited, stats.waits_served), (20, 20));
    // A session has gone by, and another is known to serve all.
    assert_eq!(world.forecast().wait_ms, Some(0));
}

#[test]
fn reused_when_dry_one_ticket_ends_the_wait_of_all() {
    let world = World::new(Options {
        reuse_when_dry: true,
        ..WIDE
    });
    let ends = world.burst(STANDS_STILL, 64, LONG);
    // The first, and one that tries whether the server takes a ticket again.
    assert_eq!((resumed(&ends), last_round(&ends)), (63, 3));
    let stats = world.engine().stats();
    assert!(stats.reused >= 60, "{stats:?}");
    // What was lent out a second time does not come back as another one.
    let before = world.available();
    let attempt = world.connect();
    while world.available() > 1 {
        assert!(offer(&world.connect()).expect("open").is_some());
    }
    assert!(offer(&attempt).expect("open").is_some());
    attempt.failed(Failure::NOT_SENT).expect("open");
    assert_eq!((before >= 1, world.available()), (true, 1));
}

#[test]
fn single_use_is_strict_unless_asked_for() {
    let world = World::new(WIDE);
    world.full(&[1]);
    assert_eq!(offer(&world.connect()), Ok(Some(1)));
    assert_eq!(offer(&world.connect()), Ok(None));
    assert_eq!(world.engine().stats().reused, 0);
}

#[test]
fn a_leader_that_fails_makes_the_next_one_go_at_once() {
    let ends: [fn(&Connection); 4] = [
        |attempt| attempt.failed(Failure::HANDSHAKE).expect("open"),
        |attempt| attempt.failed(Failure::NOT_SENT).expect("open"),
        |attempt| attempt.failed(Failure::LOGIN).expect("open"),
        |attempt| attempt.release(),
    ];
    for end in ends {
        let world = World::new(WIDE);
        let leader = world.ask(LONG);
        assert_eq!(offer(&leader.attempt), Ok(None));
        let others = [(); 3].map(|()| world.ask(LONG));
        end(&leader.attempt);
        let told: Vec<_> = others.iter().map(Asked::told).collect();
        assert_eq!(told, [1, 0, 0]);
        assert_eq!(offer(&others[0].attempt), Ok(None));
        // Which is the leader now.
        assert!(!world.go(&others[0].attempt, DOUBLES));
        let told: Vec<_> = others.iter().map(Asked::told).collect();
        assert_eq!(told, [1, 1, 1]);
        assert!(world.go(&others[1].attempt, DOUBLES) && world.go(&others[2].attempt, DOUBLES));
    }
}

#[test]
fn a_ticket_that_was_not_sent_goes_to_one_that_waits() {
    let world = World::new(WIDE);
    world.full(&[1]);
    let holder = world.connect();
    assert_eq!(offer(&holder), Ok(Some(1)));
    let other = world.ask(LONG);
    assert_eq!(
        other.plan,
        Plan::Wait,
        "the holder's connection may bring more"
    );
    holder.failed(Failure::NOT_SENT).expect("open");
    assert_eq!((other.told(), offer(&other.attempt)), (1, Ok(Some(1))));
}

#[test]
fn what_was_kept_for_one_that_waits_goes_on_when_it_ends() {
    let ends: [fn(&Connection); 3] = [
        |attempt| attempt.failed(Failure::NOT_SENT).expect("open"),
        |attempt| attempt.release(),
        |attempt| attempt.established(false).expect("open"),
    ];
    for end in ends {
        let world = World::new(WIDE);
        let leader = world.ask(LONG);
        assert_eq!(offer(&leader.attempt), Ok(None));
        let [first, second] = [(); 2].map(|()| world.ask(LONG));
        receive(&leader.attempt, 1, TLS_1_3, HOUR).expect("staged");
        leader.attempt.established(false).expect("open");
        assert_eq!((first.told(), second.told()), (1, 0));
        // It never looks at what it was told.
        end(&first.attempt);
        assert_eq!((second.told(), offer(&second.attempt)), (1, Ok(Some(1))));
    }
}

#[test]
fn the_deadline_ends_in_a_full_handshake() {
    let world = World::new(WIDE);
    let leader = world.ask(LONG);
    assert_eq!(offer(&leader.attempt), Ok(None));
    let late = world.ask(50);
    assert_eq!(late.plan, Plan::Wait);
    world.at(50);
    assert_eq!(
        offer(&late.attempt),
        Ok(None),
        "it asked, whatever the queue says"
    );
    assert_eq!(late.told(), 0);
    assert_eq!(world.forecast().waiting, 0);
    // Two are in flight now, and another waits for either.
    let other = world.ask(LONG);
    assert!(!world.go(&late.attempt, DOUBLES));
    assert_eq!((other.told(), late.told()), (1, 0));
}

#[test]
fn a_wait_can_be_ended_once() {
    let world = World::new(WIDE);
    let leader = world.ask(LONG);
    assert_eq!(
        leader.attempt.end_wait(),
        Err(NotNow::WrongState),
        "no wait"
    );
    assert_eq!(offer(&leader.attempt), Ok(None));
    let [gives_up, stays] = [(); 2].map(|()| world.ask(LONG));
    assert_eq!(gives_up.attempt.end_wait(), Ok(()));
    assert_eq!(gives_up.attempt.end_wait(), Err(NotNow::WrongState));
    assert!(!world.go(&leader.attempt, Server { tickets: [1, 0] }));
    assert_eq!((gives_up.told(), stays.told()), (0, 1));
    assert_eq!(
        stays.attempt.end_wait(),
        Err(NotNow::WrongState),
        "it is over"
    );
    assert_eq!(offer(&stays.attempt), Ok(Some(0)));
    assert_eq!(offer(&gives_up.attempt), Ok(None));
}

#[test]
fn an_attempt_that_would_wait_in_vain_is_told_so_at_once() {
    let world = World::new(WIDE);
    // A handshake takes 100 ms here.
    let first = world.connect();
    assert_eq!(offer(&first), Ok(None));
    world.at(100);
    assert!(!world.go(&first, STANDS_STILL));
    world.config.engine().clear();
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let forecast = world.forecast();
    assert_eq!((forecast.full_ms, forecast.wait_ms), (100, Some(100)));
    let hasty = world.ask(99);
    assert_eq!(hasty.plan, Plan::Go);
    // That one goes without, and is expected to bring two as well.
    let others: Vec<_> = (0..5).map(|_| world.ask(100)).collect();
    let plans: Vec<_> = others.iter().map(|one| one.plan).collect();
    assert_eq!(plans[..4], [Plan::Wait; 4]);
    assert_eq!(plans[4], Plan::Go);
}

#[test]
fn nobody_waits_where_there_is_nothing_to_wait_for() {
    let world = World::new(WIDE);
    assert_eq!(world.ask(LONG).plan, Plan::Go, "nobody is in flight");
    world.full(&[1]);
    assert_eq!(world.ask(LONG).plan, Plan::Go, "there is one");
    assert_eq!(world.ask(0).plan, Plan::Go, "no patience");
    for options in [false, true] {
        let world = World::new(Options {
            enabled: options,
            ..WIDE
        });
        assert_eq!(offer(&world.connect()), Ok(None));
        world.config.cache.close();
        assert_eq!(world.ask(LONG).plan, Plan::Go);
    }
}

#[test]
fn closing_the_cache_ends_all_waits() {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let others = [(); 3].map(|()| world.ask(LONG));
    world.config.cache.close();
    for one in &others {
        assert_eq!((one.told(), offer(&one.attempt)), (1, Ok(None)));
    }
}

#[test]
fn full_handshakes_at_the_same_time_are_limited() {
    let world = World::new(Options {
        max_full_handshakes: 2,
        ..WIDE
    });
    // A server of which it is known that it issues none.
    world.go(&world.connect(), ISSUES_NONE);
    world.at(1000);
    let all: Vec<_> = (0..6).map(|_| world.ask(LONG)).collect();
    let go = |one: &&Asked| one.plan == Plan::Go || one.told() == 1;
    assert_eq!(all.iter().filter(go).count(), 2);
    for ended in 0..4 {
        if ended % 2 == 0 {
            world.go(&all[ended].attempt, ISSUES_NONE);
        } else {
            all[ended].attempt.failed(Failure::HANDSHAKE).expect("open");
        }
        assert_eq!(all.iter().filter(go).count(), ended + 3);
    }
    // The deadline is stronger.
    let eager = world.ask(10);
    assert_eq!(eager.plan, Plan::Wait);
    world.at(2000);
    assert_eq!(offer(&eager.attempt), Ok(None));
}

#[test]
fn tickets_are_waited_for_a_little_after_established() {
    let world = World::new(WIDE);
    world.burst(DOUBLES, 1, LONG);
    world.config.engine().clear();
    world.at(1000);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    world.at(1100);
    leader.established(false).expect("open");
    let other = world.ask(LONG);
    assert_eq!(other.plan, Plan::Wait);
    receive(&leader, 5, TLS_1_3, HOUR).expect("kept");
    assert_eq!((other.told(), offer(&other.attempt)), (1, Ok(Some(5))));
    // The second one does not come; after a while nobody expects it.
    other.attempt.failed(Failure::LOGIN).expect("open");
    world.at(1200);
    assert_eq!(world.ask(LONG).plan, Plan::Wait);
    world.at(1500);
    assert_eq!(world.forecast().tickets_full, Some(1));
}

#[test]
fn the_first_that_waits_finds_out_that_no_tickets_come_and_all_know() {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let hastened = Arc::new(AtomicU64::new(0));
    let hasten = Arc::clone(&hastened);
    let first = world.connect();
    let waker = Waker::new(|| ()).with_clock(move |millis| {
        hasten.store(millis.unwrap_or(u64::MAX), Relaxed);
    });
    assert_eq!(first.plan(LONG, waker), Ok(Plan::Wait));
    let others = [(); 5].map(|()| world.ask(LONG));
    world.at(100);
    leader.established(false).expect("open");
    // As long again as the handshake took, twice.
    assert_eq!(hastened.load(Relaxed), 201);
    world.at(301);
    assert_eq!(offer(&first), Ok(None));
    for one in &others {
        assert_eq!((one.told(), offer(&one.attempt)), (1, Ok(None)));
    }
    assert_eq!(world.forecast().tickets_full, Some(0));
}

#[test]
fn nobody_is_hastened_beyond_the_deadline() {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let waiting = world.connect();
    let waker = Waker::new(|| ()).with_clock(|_| panic!("it would end sooner by itself"));
    assert_eq!(waiting.plan(150, waker), Ok(Plan::Wait));
    world.at(100);
    leader.established(false).expect("open");
}

#[test]
fn an_attempt_asks_once_and_before_its_offer() {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    leader.sent().expect("open");
    let plan = |attempt: &Connection| attempt.plan(LONG, Waker::new(|| ()));
    assert_eq!(plan(&leader), Err(NotNow::WrongState));
    let waiting = world.ask(LONG);
    assert_eq!(plan(&waiting.attempt), Err(NotNow::WrongState));
    leader.established(false).expect("open");
    assert_eq!(plan(&leader), Err(NotNow::WrongState));
}

#[test]
fn a_blocked_thread_is_woken_and_does_not_outstay_its_time() {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let (patient, hasty) = (world.connect(), world.connect());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| patient.wait(60_000));
        while world.forecast().waiting == 0 {
            std::thread::yield_now();
        }
        hasty.wait(1).expect("open");
        assert!(!world.go(&leader, DOUBLES));
        waits.join().expect("no panic").expect("open");
    });
    assert!(offer(&patient).expect("open").is_some());
}

#[test]
fn a_refused_lineage_is_not_put_back_by_others() {
    let world = World::new(WIDE);
    world.full(&[1, 2, 3]);
    let [holder, asker, refused] = [(); 3].map(|()| world.connect());
    assert_eq!(offer(&holder), Ok(Some(3)));
    assert_eq!(ask(Arc::clone(&asker), LONG).plan, Plan::Go);
    assert_eq!(offer(&refused), Ok(Some(1)));
    refused.established(false).expect("open");
    holder.failed(Failure::NOT_SENT).expect("open");
    asker.release();
    assert_eq!(world.available(), 0);
    // One with the refusal; two come back, and go at once.
    let stats = world.engine().stats();
    assert_eq!((stats.returned, stats.removed), (2, 2));
}

#[test]
fn what_a_resumed_handshake_brings_is_known_even_if_it_comes_after_the_verdict() {
    let world = World::new(WIDE);
    let bring = |resumed| {
        let attempt = world.connect();
        assert_eq!(offer(&attempt).expect("open").is_some(), resumed);
        attempt.established(resumed).expect("open");
        world.time.fetch_add(10, Relaxed);
        for number in [1, 2] {
            receive(&attempt, number, TLS_1_3, HOUR).expect("published");
        }
    };
    bring(false);
    bring(true);
    let forecast = world.forecast();
    assert_eq!(forecast.tickets_full, Some(2));
    assert_eq!(forecast.tickets_resumed, Some(2));
}

/// A world with a stock of tickets, each of its own lineage, of a server whose handshakes take 10 ms, and
/// whose connections are all gone for a second.
pub(super) fn with_stock(tickets: u32) -> World {
    let world = World::new(WIDE);
    for number in 100..100 + tickets {
        let attempt = world.connect();
        attempt.sent().expect("open");
        world.time.fetch_add(10, Relaxed);
        receive(&attempt, number, TLS_1_3, HOUR).expect("staged");
        attempt.established(false).expect("open");
    }
    world.at(2000);
    world
}

#[test]
fn one_of_a_stale_stock_is_tried_and_the_others_wait_for_the_verdict() {
    // The server was restarted, and takes none of them.
    let world = with_stock(20);
    let all: Vec<_> = (0..20).map(|_| world.ask(LONG)).collect();
    let waiting = all.iter().filter(|one| one.plan == Plan::Wait).count();
    assert_eq!((all[0].plan, waiting), (Plan::Go, 19));
    assert_eq!(offer(&all[0].attempt), Ok(Some(119)));
    for number in [1, 2] {
        receive(&all[0].attempt, number, TLS_1_3, HOUR).expect("staged");
    }
    all[0].attempt.established(false).expect("open");
    // Two have the new ones, and nobody is given an old one.
    let told: Vec<_> = all.iter().map(Asked::told).collect();
    assert_eq!(
        (told[..4].to_vec(), told.iter().sum()),
        (vec![0, 1, 1, 0], 2)
    );
    assert_eq!(
        (offer(&all[1].attempt), offer(&all[2].attempt)),
        (Ok(Some(1)), Ok(Some(2)))
    );
    assert_eq!(world.available(), 0);

    // It was not: all are given one as soon as the first has been taken.
    let world = with_stock(20);
    let all: Vec<_> = (0..20).map(|_| world.ask(LONG)).collect();
    assert_eq!(offer(&all[0].attempt), Ok(Some(119)));
    all[0].attempt.established(true).expect("open");
    for one in &all[1..] {
        assert_eq!(one.told(), 1);
        assert!(offer(&one.attempt).expect("open").is_some());
    }
}

#[test]
fn a_stock_that_is_known_to_be_good_is_given_out_at_once() {
    let all_go = |world: &World, max_wait_ms| {
        let all: Vec<_> = (0..5).map(|_| world.ask(max_wait_ms)).collect();
        all.iter().filter(|one| one.plan == Plan::Go).count()
    };
    // A connection lives.
    let world = with_stock(20);
    let lives = world.connect();
    assert!(world.go(&lives, DOUBLES));
    world.at(5000);
    assert_eq!(all_go(&world, LONG), 5);
    drop(lives);
    // None does, and it is a while; but then there was one a moment ago.
    world.at(10_000);
    assert_eq!(all_go(&world, LONG), 1);
    assert!(world.go(&world.connect(), DOUBLES));
    assert_eq!(all_go(&world, LONG), 5);
    // The verdict would come too late.
    assert_eq!(all_go(&with_stock(20), 9), 5);
    assert_eq!(all_go(&with_stock(20), 10), 1);
}

#[test]
fn a_trial_that_fails_makes_room_for_another() {
    let ends: [fn(&Connection); 3] = [
        |attempt| attempt.failed(Failure::HANDSHAKE).expect("open"),
        |attempt| attempt.failed(Failure::NOT_SENT).expect("open"),
        |attempt| attempt.release(),
    ];
    for end in ends {
        let world = with_stock(20);
        let all: Vec<_> = (0..4).map(|_| world.ask(LONG)).collect();
        end(&all[0].attempt);
        let told: Vec<_> = all.iter().map(Asked::told).collect();
        assert_eq!(told, [0, 1, 0, 0]);
        assert!(offer(&all[1].attempt).expect("open").is_some());
        all[1].attempt.established(true).expect("open");
        assert_eq!((all[2].told(), all[3].told()), (1, 1));
    }
}

#[test]
fn an_attempt_that_does_not_wait_may_be_quicker_and_nobody_waits_in_vain() {
    // Takes each ticket between the moment in which it is stored and that in which the queue is
    // looked through.
    let thief = Arc::new(std::sync::Mutex::new(None::<Arc<Connection>>));
    let steals = Arc::clone(&thief);
    let listener = move |event: &crate::engine::Event<'_>| {
        let thief = match event.kind {
            crate::engine::EventKind::Stored => steals.lock().expect("not poisoned").take(),
            _ => None,
        };
        if let Some(thief) = thief {
            assert_eq!(offer(&thief), Ok(Some(1)));
            thief.sent().expect("open");
            thief.failed(Failure::LOGIN).expect("open");
        }
    };
    let world = World::telling(WIDE, Box::new(listener));
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let waits = world.ask(LONG);
    *thief.lock().expect("not poisoned") = Some(world.connect());
    receive(&leader, 1, TLS_1_3, HOUR).expect("staged");
    leader.established(false).expect("open");
    assert_eq!((waits.told(), offer(&waits.attempt)), (1, Ok(None)));
}

#[test]
fn a_thread_that_waits_is_let_go_when_another_ends_its_attempt() {
    let ends: [fn(&Connection); 3] = [
        |attempt| assert_eq!(offer(attempt), Ok(None)),
        |attempt| attempt.failed(Failure::NOT_SENT).expect("open"),
        |attempt| attempt.established(false).expect("open"),
    ];
    for end in ends {
        let world = World::new(WIDE);
        let leader = world.connect();
        assert_eq!(offer(&leader), Ok(None));
        let waits = world.connect();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| waits.wait(u32::MAX));
            while world.forecast().waiting == 0 {
                std::thread::yield_now();
            }
            end(&waits);
            assert_eq!(waiting.join().expect("no panic"), Ok(()));
        });
    }
}
