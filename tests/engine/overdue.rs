//! What was expected and does not come: those who wait for it find out, whoever they are.

use super::supply::{DOUBLES, ISSUES_NONE, LONG, Server, with_stock};
use super::*;
use crate::connection::{Failure, Plan};
use crate::supply::Waker;
use std::sync::Mutex;

/// An attempt that waits by a clock, and to what that was set.
struct ByClock {
    attempt: Arc<Connection>,
    alarm: Arc<Mutex<Option<u64>>>,
    told: Arc<AtomicU64>,
}

impl ByClock {
    fn wait(world: &World, max_wait_ms: u32) -> Self {
        let attempt = world.connect();
        let (alarm, told) = (Arc::default(), Arc::default());
        let (set, tell) = (Arc::clone(&alarm), Arc::clone(&told));
        let waker = Waker::new(move || {
            let _: u64 = AtomicU64::fetch_add(&tell, 1, Relaxed);
        });
        let waker = waker.with_clock(move |millis| {
            *Mutex::lock(&set).expect("not poisoned") = millis;
        });
        assert_eq!(attempt.plan(max_wait_ms, waker), Ok(Plan::Wait));
        Self {
            attempt,
            alarm,
            told,
        }
    }

    /// After how many milliseconds it is to look.
    fn alarm(&self) -> Option<u64> {
        *self.alarm.lock().expect("not poisoned")
    }

    fn told(&self) -> u64 {
        self.told.load(Relaxed)
    }
}

/// A full handshake is under way to a server that nobody knows.
fn with_leader() -> (World, Arc<Connection>) {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    (world, leader)
}

#[test]
fn whoever_is_first_then_finds_out_that_no_tickets_come() {
    let leaves: [fn(&Connection); 5] = [
        |first| first.end_wait().expect("it waits"),
        |first| assert_eq!(offer(first), Ok(None)),
        |first| first.failed(Failure::NOT_SENT).expect("open"),
        |first| first.sent().expect("open"),
        |first| first.release(),
    ];
    for leave in leaves {
        let (world, leader) = with_leader();
        let [first, second] = [(); 2].map(|()| ByClock::wait(&world, LONG));
        let third = world.ask(LONG);
        world.at(100);
        leader.established(false).expect("open");
        assert_eq!((first.alarm(), second.alarm()), (Some(201), None));
        world.at(150);
        leave(&first.attempt);
        // One that went brings something, or not: it is waited for as well.
        first.attempt.release();
        assert_eq!(second.alarm(), Some(151));
        world.at(301);
        assert_eq!(offer(&second.attempt), Ok(None));
        assert_eq!((third.told(), world.forecast().waiting), (1, 0));
        assert_eq!(world.forecast().tickets_full, Some(0));
    }
}

#[test]
fn behind_one_without_a_clock_the_first_that_has_one_finds_out() {
    let (world, leader) = with_leader();
    let without = [(); 2].map(|()| world.ask(LONG));
    let with = ByClock::wait(&world, LONG);
    world.at(100);
    leader.established(false).expect("open");
    assert_eq!(with.alarm(), Some(201));
    world.at(301);
    assert_eq!(offer(&with.attempt), Ok(None));
    assert_eq!(without.map(|one| one.told()), [1, 1]);
}

#[test]
fn a_blocked_thread_looks_for_the_others_and_waits_on() {
    let (world, leader) = with_leader();
    let first = world.ask(LONG);
    let blocked = world.connect();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| blocked.wait(u32::MAX));
        while world.forecast().waiting < 2 {
            std::thread::yield_now();
        }
        // The leader hangs. Who was never seen before has ten seconds; the thread's own clock stands for them.
        world.at(9_999);
        let eager = world.ask(0);
        assert_eq!(eager.plan, Plan::Go);
        eager.attempt.release();
        world.at(10_001);
        while first.told() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(world.forecast().waiting, 1);
        assert!(!world.go(&first.attempt, DOUBLES));
        assert_eq!(waits.join().expect("no panic"), Ok(()));
    });
    assert!(offer(&blocked).expect("open").is_some());
    drop(leader);
}

#[test]
fn the_alarm_is_for_when_nothing_is_expected_any_more() {
    let (world, leader) = with_leader();
    let waits = ByClock::wait(&world, LONG);
    assert_eq!(waits.alarm(), Some(10_001));
    world.at(100);
    let other = world.connect();
    assert_eq!(offer(&other), Ok(None));
    assert_eq!(waits.alarm(), Some(10_001));
    leader.established(false).expect("open");
    world.at(200);
    // The other one may still bring something when the leader does not.
    let third = world.ask(0);
    third.attempt.release();
    assert_eq!(waits.alarm(), Some(9901));
    other.established(false).expect("open");
    // It took 100 ms.
    assert_eq!(waits.alarm(), Some(201));
    // And if something comes after all, that is told by itself.
    receive(&other, 1, TLS_1_3, HOUR).expect("kept");
    assert_eq!((waits.told(), offer(&waits.attempt)), (1, Ok(Some(1))));
}

#[test]
fn a_leader_that_hangs_is_not_waited_for_to_the_deadline() {
    // Of a server that nobody knows for ten seconds; of a quick one for one.
    for (known, overdue) in [(false, 10_000), (true, 1000)] {
        let world = World::new(WIDE);
        if known {
            world.go(&world.connect(), DOUBLES);
            world.config.engine().clear();
        }
        world.at(1000);
        let leader = world.connect();
        assert_eq!(offer(&leader), Ok(None));
        let [first, second] = [(); 2].map(|()| world.ask(LONG));
        world.at(1000 + overdue);
        let forecast = world.forecast();
        assert_eq!((forecast.waiting, forecast.full_in_flight), (2, 1));
        world.at(1000 + overdue + 1);
        let forecast = world.forecast();
        assert_eq!((forecast.waiting, forecast.full_in_flight), (1, 1));
        assert_eq!((first.told(), second.told()), (1, 0));
        // It was slow: what it brings is as good as any.
        assert!(!world.go(&leader, DOUBLES));
        assert_eq!((second.told(), offer(&second.attempt)), (1, Ok(Some(0))));
    }
}

#[test]
fn one_that_hangs_does_not_hold_the_limit_of_full_handshakes() {
    let world = World::new(Options {
        max_full_handshakes: 1,
        ..WIDE
    });
    // A server of which it is known that it issues none.
    world.go(&world.connect(), ISSUES_NONE);
    world.at(1000);
    let hangs = world.ask(LONG);
    assert_eq!((hangs.plan, offer(&hangs.attempt)), (Plan::Go, Ok(None)));
    let (first, second) = (ByClock::wait(&world, LONG), world.ask(LONG));
    assert_eq!(first.alarm(), Some(1001));
    world.at(2001);
    assert_eq!(world.forecast().waiting, 1);
    assert_eq!((first.told(), second.told()), (1, 0));
    world.go(&first.attempt, ISSUES_NONE);
    assert_eq!(second.told(), 1);
    world.go(&second.attempt, ISSUES_NONE);
    // And later ones are not held by it at all.
    world.at(3000);
    assert_eq!(world.ask(LONG).plan, Plan::Go);
    hangs.attempt.failed(Failure::HANDSHAKE).expect("open");
}

#[test]
fn one_that_hangs_with_a_stock_in_doubt_makes_room_for_another() {
    let world = with_stock(20);
    let hangs = world.ask(LONG);
    assert_eq!(offer(&hangs.attempt), Ok(Some(119)));
    let first = ByClock::wait(&world, LONG);
    let others = [(); 3].map(|()| world.ask(LONG));
    assert_eq!(first.alarm(), Some(1001));
    world.at(3001);
    // The second tries it, and the others wait for that one now.
    assert_eq!(world.forecast().waiting, 3);
    assert_eq!((first.told(), offer(&first.attempt)), (1, Ok(Some(118))));
    first.attempt.established(true).expect("open");
    for one in &others {
        assert_eq!(one.told(), 1);
        assert!(offer(&one.attempt).expect("open").is_some());
    }
}

type Meanwhile = Box<dyn FnOnce() + Send>;

#[test]
fn tickets_that_are_being_published_are_still_expected() {
    // Between the verdict and the first ticket in the cache time passes, and others look through the queue.
    for max_full_handshakes in [0, 1000] {
        let meanwhile = Arc::new(Mutex::new(None::<Meanwhile>));
        let happens = Arc::clone(&meanwhile);
        let listener = move |event: &crate::engine::Event<'_>| {
            let stored = event.kind == crate::engine::EventKind::Stored;
            let happens = || happens.lock().expect("not poisoned").take();
            if let Some(meanwhile) = stored.then(happens).flatten() {
                meanwhile();
            }
        };
        let options = Options {
            max_full_handshakes,
            ..WIDE
        };
        let world = World::telling(options, Box::new(listener));
        let (leader, beside) = (world.connect(), world.connect());
        for attempt in [&leader, &beside] {
            assert_eq!(offer(attempt), Ok(None));
        }
        let waiting = [(); 3].map(|()| world.ask(LONG));
        let (time, established) = (Arc::clone(&world.time), Arc::clone(&beside));
        *meanwhile.lock().expect("not poisoned") = Some(Box::new(move || {
            AtomicU64::fetch_add(&time, 500, Relaxed);
            established.established(false).expect("open");
        }));
        assert!(!world.go(&leader, Server { tickets: [2, 2] }));
        assert_eq!(waiting.each_ref().map(|one| one.told()), [1, 1, 0]);
        for one in &waiting[..2] {
            assert!(world.go(&one.attempt, DOUBLES), "{max_full_handshakes}");
        }
        assert!(world.go(&waiting[2].attempt, DOUBLES));
    }
}

#[test]
fn where_less_is_expected_than_was_the_last_in_line_go() {
    let world = World::new(WIDE);
    let server = Server { tickets: [2, 0] };
    world.go(&world.connect(), server);
    for _ in 0..2 {
        world.go(&world.connect(), server);
    }
    assert_eq!(world.available(), 0);
    let leaders = [(); 3].map(|()| world.ask(0).attempt);
    let waiting = [(); 6].map(|()| world.ask(LONG));
    assert!(waiting.iter().all(|one| one.plan == Plan::Wait));
    let told = || waiting.each_ref().map(|one| one.told());
    leaders[2].failed(Failure::HANDSHAKE).expect("open");
    // It brings what the one before it waits for.
    assert_eq!(told(), [0, 0, 0, 0, 0, 1]);
    leaders[1].failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(told(), [0, 0, 0, 0, 1, 1]);
}

#[test]
fn those_whose_deadline_is_near_go_though_others_behind_them_may_wait() {
    let world = World::new(WIDE);
    // A full handshake takes 100 ms and brings two tickets, a resumed one brings none.
    let first = world.connect();
    assert_eq!(offer(&first), Ok(None));
    world.at(100);
    let server = Server { tickets: [2, 0] };
    assert!(!world.go(&first, server));
    for _ in 0..2 {
        assert!(world.go(&world.connect(), server));
    }
    world.at(1000);
    let leaders = [(); 2].map(|()| world.ask(0).attempt);
    let waiting = [(); 4].map(|()| world.ask(150));
    world.at(1060);
    let eager = world.ask(0);
    assert_eq!(eager.plan, Plan::Go);
    let patient = world.ask(LONG);
    assert!(
        waiting
            .iter()
            .chain([&patient])
            .all(|one| one.plan == Plan::Wait)
    );
    leaders[1].failed(Failure::HANDSHAKE).expect("open");
    let told = waiting.each_ref().map(|one| one.told());
    assert_eq!((told, patient.told()), ([0, 0, 1, 1], 0));
}

#[test]
fn those_behind_go_though_others_before_them_may_wait() {
    let world = World::new(WIDE);
    let server = Server { tickets: [2, 0] };
    for _ in 0..3 {
        world.go(&world.connect(), server);
    }
    let leaders = [(); 2].map(|()| world.ask(0).attempt);
    let waiting = [150, 150, LONG, LONG].map(|patience| world.ask(patience));
    assert!(waiting.iter().all(|one| one.plan == Plan::Wait));
    leaders[1].failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(waiting.each_ref().map(|one| one.told()), [0, 0, 0, 1]);
    drop(leaders);
}

#[test]
fn tickets_have_their_time_from_when_the_verdict_was_told_to_all() {
    let world = with_stock(3);
    let tries = world.ask(LONG);
    assert!(offer(&tries.attempt).expect("open").is_some());
    let (waits, time) = (world.connect(), Arc::clone(&world.time));
    // Whoever is told first takes half a second.
    let slow = Waker::new(move || {
        AtomicU64::fetch_add(&time, 500, Relaxed);
    });
    assert_eq!(waits.plan(LONG, slow), Ok(Plan::Wait));
    tries.attempt.established(true).expect("open");
    assert!(offer(&waits).expect("open").is_some());
    let forecast = world.forecast();
    assert_eq!(
        (forecast.tickets_resumed, forecast.resumed_in_flight),
        (None, 2)
    );
}

#[test]
fn nothing_is_miscounted_however_many_begin_and_end_when() {
    let world = World::new(WIDE);
    world.go(&world.connect(), DOUBLES);
    world.config.engine().clear();
    let mut open = Vec::new();
    let mut random = 1u64;
    let mut waiting = 0;
    for step in 0..20_000u64 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let chance = (random >> 33) as usize;
        world.time.fetch_add(random >> 61, Relaxed);
        if open.len() < 200 || chance % 2 == 0 && open.len() < 400 {
            let one = world.ask(if step % 3 == 0 { 5000 } else { 200 });
            open.push(one);
            continue;
        }
        let one = open.swap_remove(chance % open.len());
        match chance / 1024 % 4 {
            0 => one.attempt.release(),
            1 => drop(one.attempt.failed(Failure::HANDSHAKE)),
            2 => drop(offer(&one.attempt)),
            _ => drop(world.go(&one.attempt, Server { tickets: [1, 0] })),
        }
        waiting += world.forecast().waiting;
    }
    assert!(waiting > 0, "some waited");
    for one in open {
        one.attempt.release();
    }
    let forecast = world.forecast();
    let in_flight = forecast.full_in_flight + forecast.resumed_in_flight;
    assert_eq!((forecast.waiting, in_flight), (0, 0));
}
