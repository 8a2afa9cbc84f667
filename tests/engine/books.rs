//! The books: whatever threads do to a cache, each session that came in is held or went for one reason. That
//! the counters add up is looked at whenever an engine is dropped (`Engine::check_books`); here they are held
//! against what really happened.

use super::model::Random;
use super::*;
use crate::connection::{Failure, Plan};
use crate::engine::{Space, Stats};
use crate::export::{KEY, Scope};
use crate::supply::Waker;
use std::sync::atomic::AtomicUsize;
use std::thread;

const SECRET: [u8; KEY] = [7; KEY];
const THREADS: usize = 4;

/// An object of a TLS stack, of which there are so many alive.
struct Object(Arc<AtomicUsize>);

impl Object {
    fn payload(alive: &Arc<AtomicUsize>) -> Payload {
        alive.fetch_add(1, Relaxed);
        Payload::Value(Arc::new(Self(Arc::clone(alive))))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What one thread does to the cache, and what it saw of it.
struct Driver<'a> {
    world: &'a World,
    random: Random,
    /// Objects that are alive, of all threads.
    objects: &'a Arc<AtomicUsize>,
    /// Attempts that have made their offer, and whether there was one; they end later.
    open: Vec<(Arc<Connection>, bool)>,
    /// How many single-use sessions it was given.
    taken: u64,
    attempts: u64,
}

impl Driver<'_> {
    fn endpoint(&mut self) -> Endpoint<'static> {
        to(b"db.example", 1 + self.random.below(12) as u16, b"", b"")
    }

    /// Whether something happens that happens once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.random.below(times) == 0
    }

    /// The server sends some sessions of all kinds: bytes and objects, of any size and lifetime.
    fn receive(&mut self, attempt: &Connection) {
        for _ in 0..self.random.below(5) {
            let version = if self.once_in(4) { TLS_1_2 } else { TLS_1_3 };
            let lifetime = [0, 1, 3, HOUR][self.random.below(4)];
            let size = 1 + self.random.below(600);
            let payload = if self.once_in(2) {
                Object::payload(self.objects)
            } else {
                match attempt.keep(&vec![1; size]) {
                    Ok(bytes) => Payload::Bytes(bytes),
                    Err(_) => continue,
                }
            };
            let _ = attempt.receive(payload, size, &received(version, lifetime));
            if self.once_in(6) {
                let _ = attempt.wants_another();
            }
        }
    }

    /// Makes the offer; true: there was one.
    fn offer(&mut self, attempt: &Connection) -> bool {
        let kind = attempt.offer(|session, _| session.kind).ok().flatten();
        self.taken += u64::from(kind == Some(Kind::SingleUse));
        kind.is_some()
    }

    /// An attempt begins, and another one may end.
    fn attempt(&mut self) {
        let attempt = connect(&self.world.config, &self.endpoint());
        self.attempts += 1;
        if self.once_in(4) {
            let plan = attempt.plan(self.random.below(50) as u32, Waker::new(|| ()));
            if plan == Ok(Plan::Wait) && self.once_in(2) {
                let _ = attempt.end_wait();
            }
        }
        let offered = !self.once_in(8) && self.offer(&attempt);
        if self.once_in(8) {
            let end = [0, 1_759_999_990, i64::MAX][self.random.below(3)];
            attempt.set_not_after(end).expect("this process");
        }
        self.open.push((attempt, offered));
        while self.open.len() > 4 || (!self.open.is_empty() && self.once_in(2)) {
            self.end_one();
        }
    }

    /// One of the open attempts ends, one way or the other.
    fn end_one(&mut self) {
        let at = self.random.below(self.open.len());
        let (attempt, offered) = self.open.swap_remove(at);
        match self.random.below(10) {
            0 => attempt.failed(Failure::NOT_SENT).expect("open"),
            1 => attempt.failed(Failure::HANDSHAKE).expect("open"),
            2 => attempt.release(),
            3 => {
                self.receive(&attempt);
                attempt.failed(Failure::login(offered)).expect("open");
            }
            how => {
                self.receive(&attempt);
                let resumed = offered && how != 4;
                attempt.established(resumed).expect("open");
                self.receive(&attempt);
                if self.once_in(20) {
                    let alert = Failure {
                        alert: true,
                        ..Failure::HANDSHAKE
                    };
                    attempt.failed(alert).expect("established");
                }
            }
        }
        attempt.release();
    }

    /// What a caller with keys of its own does.
    fn by_hand(&mut self) {
        let engine = self.world.engine();
        let bytes = [self.random.below(8) as u8];
        let key = engine.key(Space::Caller, &bytes);
        let size = 1 + self.random.below(600);
        match self.random.below(4) {
            0 | 1 => {
                let kind = [Kind::Reusable, Kind::SingleUse, Kind::SingleUse];
                let session = Session {
                    payload: Object::payload(self.objects),
                    ..session(kind[self.random.below(3)], size, engine.now().0)
                };
                let _ = engine.put(&key, session);
            }
            2 => {
                if let Some(session) = engine.take(&key) {
                    self.taken += u64::from(session.kind == Kind::SingleUse);
                    if self.once_in(2) {
                        engine.put_back(&key, session);
                    }
                }
            }
            _ => {
                engine.remove(&key);
            }
        }
    }

    /// What an operator does.
    fn upheaval(&mut self) {
        let (world, engine) = (self.world, self.world.engine());
        match self.random.below(8) {
            0 => engine.clear(),
            1 => {
                engine.clear_expired();
            }
            2 => {
                let endpoint = self.endpoint();
                world.config.remove(&endpoint).expect("a good endpoint");
            }
            3 => {
                let scope = Scope::of(&world.config).expect("it has an identity");
                if let Ok(export) = scope.export(&SECRET, usize::MAX) {
                    // The wall clock may have gone on meanwhile, and never back.
                    let _ = scope.import(&SECRET, &export.sealed);
                }
            }
            _ => {
                let passed = self.random.below(800) as u64;
                world.time.fetch_add(passed, Relaxed);
            }
        }
    }

    fn drive(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(40) {
                0 => self.upheaval(),
                1..8 => self.by_hand(),
                _ => self.attempt(),
            }
        }
        while !self.open.is_empty() {
            self.end_one();
        }
    }
}

/// Drives a cache by threads, and gives what was counted and how many attempts there were.
fn stress(options: Options, seed: u64, steps: usize) -> (Stats, u64) {
    let mut world = World::new(options);
    let config = Arc::get_mut(&mut world.config).expect("nobody else has it");
    config.identity = Identity::Given((*b"verifies").into());
    let objects = Arc::new(AtomicUsize::new(0));
    let (taken, attempts) = thread::scope(|scope| {
        let driver = |number| Driver {
            world: &world,
            random: Random(seed + number as u64),
            objects: &objects,
            open: Vec::new(),
            taken: 0,
            attempts: 0,
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let mut driver = driver(number);
                scope.spawn(move || {
                    driver.drive(steps);
                    (driver.taken, driver.attempts)
                })
            })
            .collect();
        let done = threads.into_iter().map(|thread| thread.join());
        done.map(|done| done.expect("no panic"))
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    });
    let engine = world.engine();
    engine.check_books();
    let stats = engine.stats();
    assert_eq!(stats.bytes_staged, 0, "no attempt is left");
    // Those that waits were given and that came back unseen are in both.
    assert!(stats.taken >= taken, "{taken} {stats:?}");
    assert!(stats.taken - taken <= stats.returned, "{taken} {stats:?}");
    // Every object that is not held was released.
    let alive = objects.load(Relaxed) as u64;
    assert!(alive <= stats.sessions, "{alive} {stats:?}");
    engine.close();
    assert_eq!((engine.stats().sessions, objects.load(Relaxed)), (0, 0));
    engine.check_books();
    (stats, attempts)
}

/// `TSC_BOOKS_STEPS=300000` makes it more than a million lives.
#[test]
fn whatever_threads_do_the_books_balance() {
    let number = |name, default| {
        let given = std::env::var(name).ok();
        given.map_or(default, |text| text.parse().expect("a number"))
    };
    let seed = number("TSC_BOOKS_SEED", u64::from(std::process::id()));
    let steps = number("TSC_BOOKS_STEPS", 2000) as usize;
    println!("TSC_BOOKS_SEED={seed} TSC_BOOKS_STEPS={steps}");
    let small = Options {
        max_endpoints: 6,
        max_sessions_per_endpoint: 4,
        ttl_seconds: 5,
        max_bytes: 6000,
        max_lineage_age_seconds: 8,
        failure_budget: 12,
        ..WIDE
    };
    let sharded = Options {
        max_endpoints: 70,
        max_bytes: 12_000,
        reuse_when_dry: true,
        ..small
    };
    let [(one, lives), (other, more)] =
        [small, sharded].map(|options| stress(options, seed, steps));
    println!("assurance: stress: checks {}, findings 0", lives + more);
    if steps < 1000 {
        // Under Miri; too few for what follows.
        return;
    }
    // None of the ways in and out was left out.
    let ways = |stats: Stats| {
        [
            stats.returned,
            stats.expired,
            stats.evicted,
            stats.displaced,
            stats.removed,
            stats.discarded_surplus,
        ]
    };
    for (one, other) in ways(one).into_iter().zip(ways(other)) {
        assert!(one + other > 0);
    }
}
