//! The engine and its attempts under many interleavings of its threads, tried one by one by a checker:
//!
//!     RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle \
//!         cargo test --lib interleavings
//!
//! The checker switches threads at each atomic and lock of the library (`src/sync.rs`), and fails
//! when threads wait for each other, or when they go on without end.

use crate::attempt::Attempt;
use crate::cache::Cache;
use crate::config::Config;
use crate::connection::{Connection, Failure, Plan};
use crate::endpoint::Endpoint;
use crate::engine::{
    Clock, Discard, Engine, Kind, Lineage, Options, Payload, Session, Space, Time,
};
use crate::export::{KEY, Scope};
use crate::ready::Ready;
use crate::supply::Waker;
use shuttle::thread;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake};
use std::time::Duration;

/// The fewest endpoints that make a cache of several shards.
const SHARDED: u32 = 65;
const LIFETIME: u64 = 1000;

/// Runs what a test does under many orders of the threads: chosen at random, and chosen so that those
/// that need few switches in the wrong places are found.
fn in_many_orders(test: fn()) {
    in_orders(700, test);
}

fn in_orders(number: usize, test: fn()) {
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    let test = move || {
        counted.fetch_add(1, Relaxed);
        test();
    };
    shuttle::check_random(test.clone(), number);
    shuttle::check_pct(test, number, 3);
    println!(
        "assurance: interleavings: checks {}, findings 0",
        orders.load(Relaxed)
    );
}

fn driven(options: Options) -> Engine {
    Engine::new(options, Clock::Driven(Box::new(|| 0)), None)
}

fn cache(options: Options) -> Arc<Engine> {
    Arc::new(driven(options))
}

fn config() -> Config {
    let clock = Clock::Driven(Box::new(|| 0));
    Config::new(&Cache::over(Options::default(), clock, None))
}

fn session(number: u32, kind: Kind, size: usize) -> Session {
    Session {
        payload: Payload::Value(Arc::new(number)),
        kind,
        label: 0,
        size,
        received: Time(u64::from(number)),
        expires: Time(LIFETIME),
        lineage: Lineage {
            id: 1,
            ends: Time::NEVER,
        },
        uses: crate::engine::Uses::default(),
    }
}

fn number_of(session: &Session) -> u32 {
    let Payload::Value(value) = &session.payload else {
        panic!("these tests store numbers");
    };
    *value.downcast_ref().expect("a number")
}

fn put(cache: &Engine, key: u8, session: Session) -> Result<(), Discard> {
    cache.put(&cache.key(Space::Caller, &[key]), session)
}

fn take(cache: &Engine, key: u8) -> Option<Session> {
    cache.take(&cache.key(Space::Caller, &[key]))
}

/// Runs these beside each other, to their ends.
fn together(threads: Vec<Box<dyn FnOnce() + Send>>) {
    let running: Vec<_> = threads.into_iter().map(thread::spawn).collect();
    for thread in running {
        thread.join().expect("no assertion failed");
    }
}

fn assert_within_limits(cache: &Engine) {
    let (stats, options) = (cache.stats(), cache.options());
    assert!(stats.endpoints <= u64::from(options.max_endpoints));
    assert!(stats.bytes <= options.max_bytes);
}

/// What is counted adds up, and what is in use is what is there.
fn assert_adds_up(cache: &Engine, taken_for_good: u64) {
    let stats = cache.stats();
    assert_eq!(stats.taken - stats.returned, taken_for_good);
    cache.check_books();
    cache.clear();
    let stats = cache.stats();
    assert_eq!((stats.endpoints, stats.sessions, stats.bytes), (0, 0, 0));
}

#[test]
fn a_single_use_session_is_handed_out_once() {
    in_many_orders(|| {
        let cache = cache(Options::default());
        put(&cache, 1, session(0, Kind::SingleUse, 1)).expect("kept");
        let taken = Arc::new([(); 3].map(|()| AtomicU64::new(0)));
        let taker = || -> Box<dyn FnOnce() + Send> {
            let (cache, taken) = (Arc::clone(&cache), Arc::clone(&taken));
            Box::new(move || {
                for _ in 0..2 {
                    if let Some(session) = take(&cache, 1) {
                        taken[number_of(&session) as usize].fetch_add(1, Relaxed);
                    }
                }
            })
        };
        let (putter, copier) = (Arc::clone(&cache), Arc::clone(&cache));
        let copied = Arc::clone(&taken);
        together(vec![
            taker(),
            taker(),
            Box::new(move || {
                for number in 1..3 {
                    put(&putter, 1, session(number, Kind::SingleUse, 1)).expect("kept");
                }
            }),
            Box::new(move || {
                copier.copy_out(&copier.key(Space::Caller, &[1]), |session, _| {
                    copied[number_of(session) as usize].fetch_add(1, Relaxed);
                    true
                });
            }),
        ]);
        let times = [0, 1, 2].map(|number: usize| taken[number].load(Relaxed));
        assert!(times.iter().all(|&times| times <= 1), "{times:?}");
        let left = cache.stats().sessions;
        assert_eq!(times.iter().sum::<u64>() + left, 3);
        assert_adds_up(&cache, 3 - left);
    });
}

#[test]
fn a_reusable_session_is_there_for_all_and_replaced_at_once() {
    in_many_orders(|| {
        let cache = cache(Options::default());
        put(&cache, 1, session(0, Kind::Reusable, 1)).expect("kept");
        let (renewing, asking) = (Arc::clone(&cache), Arc::clone(&cache));
        together(vec![
            Box::new(move || {
                for number in 1..3 {
                    put(&renewing, 1, session(number, Kind::Reusable, 1)).expect("kept");
                }
            }),
            Box::new(move || {
                let mut last = 0;
                for _ in 0..3 {
                    let session = take(&asking, 1).expect("there is one at every moment");
                    assert!(number_of(&session) >= last, "the newest that there is");
                    last = number_of(&session);
                }
            }),
        ]);
        assert_eq!(cache.stats().displaced, 2);
        assert_adds_up(&cache, 0);
    });
}

/// Three threads fill a cache over its limit, across its shards; a fourth looks at it meanwhile.
fn fill_beyond(options: Options, size: usize) {
    let cache = cache(options);
    let fill = |first: u8| -> Box<dyn FnOnce() + Send> {
        let cache = Arc::clone(&cache);
        Box::new(move || {
            for key in [first, first + 1, 0] {
                put(&cache, key, session(1, Kind::SingleUse, size)).expect("kept");
                assert_within_limits(&cache);
            }
        })
    };
    let watched = Arc::clone(&cache);
    together(vec![
        fill(1),
        fill(3),
        fill(5),
        Box::new(move || (0..4).for_each(|_| assert_within_limits(&watched))),
    ]);
    let stats = cache.stats();
    assert_eq!(stats.stored, 9);
    assert!(stats.evicted > 0);
    assert_adds_up(&cache, 0);
}

#[test]
fn bytes_exceed_no_limit_and_eviction_across_shards_ends() {
    in_many_orders(|| {
        let options = Options {
            max_endpoints: SHARDED,
            max_bytes: 25,
            ..Options::default()
        };
        fill_beyond(options, 10);
    });
}

#[test]
fn one_session_may_fill_the_cache() {
    in_many_orders(|| {
        let options = Options {
            max_endpoints: SHARDED,
            max_bytes: 10,
            ..Options::default()
        };
        fill_beyond(options, 10);
    });
}

#[test]
fn endpoints_exceed_no_limit() {
    in_many_orders(|| {
        let options = Options {
            max_endpoints: 2,
            max_bytes: 45,
            ..Options::default()
        };
        fill_beyond(options, 10);
    });
}

#[test]
fn endpoints_exceed_no_limit_across_shards() {
    let test = || {
        let cache = cache(Options {
            max_endpoints: SHARDED,
            ..Options::default()
        });
        for key in 0..SHARDED as u8 {
            put(&cache, key, session(1, Kind::SingleUse, 1)).expect("kept");
        }
        let fill = |key: u8| -> Box<dyn FnOnce() + Send> {
            let cache = Arc::clone(&cache);
            Box::new(move || {
                put(&cache, key, session(1, Kind::SingleUse, 1)).expect("kept");
                assert_within_limits(&cache);
                // It came last of all but the other one, so it is still there.
                assert!(take(&cache, key).is_some());
            })
        };
        together(vec![fill(100), fill(101)]);
        // One goes for each that comes, unless the other one had just left by itself.
        let stats = cache.stats();
        assert!((1..=2).contains(&stats.evicted), "{stats:?}");
        assert_adds_up(&cache, 2);
    };
    in_orders(150, test);
}

#[test]
fn nothing_remains_in_a_closed_cache() {
    in_many_orders(|| {
        let cache = cache(Options {
            max_endpoints: SHARDED,
            ..Options::default()
        });
        put(&cache, 0, session(0, Kind::SingleUse, 1)).expect("kept");
        let fill = |first: u8| -> Box<dyn FnOnce() + Send> {
            let cache = Arc::clone(&cache);
            Box::new(move || {
                for key in [first, first + 1] {
                    let _ = put(&cache, key, session(1, Kind::SingleUse, 1));
                }
                if let Some(taken) = take(&cache, 0) {
                    cache.put_back(&cache.key(Space::Caller, &[0]), taken);
                }
            })
        };
        let closing = Arc::clone(&cache);
        together(vec![
            fill(1),
            fill(2),
            Box::new(move || {
                closing.close();
                assert!(take(&closing, 1).is_none(), "nothing from here on");
            }),
        ]);
        let stats = cache.stats();
        assert_eq!((stats.endpoints, stats.sessions, stats.bytes), (0, 0, 0));
    });
}

#[test]
fn a_session_is_taken_or_exported_and_never_both() {
    in_many_orders(|| {
        let options = Options {
            max_endpoints: SHARDED,
            ..Options::default()
        };
        let cache = cache(options);
        let put_bytes = |cache: &Engine, key: u8| {
            let payload = Payload::Bytes(
                cache
                    .keep(&cache.key(Space::Caller, &[key]), &[key])
                    .expect("kept"),
            );
            let session = session(1, Kind::SingleUse, 1);
            put(cache, key, Session { payload, ..session }).expect("kept");
        };
        put_bytes(&cache, 0);
        put_bytes(&cache, 1);
        let taken = Arc::new(AtomicU64::new(0));
        let exported = Arc::new(std::sync::Mutex::new(Vec::new()));
        let take_both = |first: u8| -> Box<dyn FnOnce() + Send> {
            let (cache, taken) = (Arc::clone(&cache), Arc::clone(&taken));
            Box::new(move || {
                for key in [first, 1 - first] {
                    if take(&cache, key).is_some() {
                        taken.fetch_add(1, Relaxed);
                    }
                }
            })
        };
        let (exporting, out) = (Arc::clone(&cache), Arc::clone(&exported));
        together(vec![
            take_both(0),
            Box::new(move || {
                put_bytes(&exporting, 2);
                let export = Scope::Caller(&exporting).export(&[1; KEY], usize::MAX);
                *out.lock().expect("not poisoned") = export.expect("room").sealed;
                assert!(take(&exporting, 2).is_none());
            }),
            take_both(1),
        ]);
        let next = Engine::new(options, Clock::Driven(Box::new(|| 0)), None);
        let exported = exported.lock().expect("not poisoned");
        let imported = Scope::Caller(&next).import(&[1; KEY], &exported);
        let imported = imported.expect("authentic") as u64;
        assert_eq!(taken.load(Relaxed) + imported, 3);
        let stats = cache.stats();
        assert_eq!((stats.sessions, stats.removed), (0, imported));
    });
}

#[test]
fn putting_back_and_putting_lose_nothing() {
    in_many_orders(|| {
        let cache = cache(Options {
            max_sessions_per_endpoint: 2,
            ..Options::default()
        });
        put(&cache, 1, session(1, Kind::SingleUse, 1)).expect("kept");
        let (returning, putting, clearing) =
            (Arc::clone(&cache), Arc::clone(&cache), Arc::clone(&cache));
        together(vec![
            Box::new(move || {
                for _ in 0..2 {
                    if let Some(taken) = take(&returning, 1) {
                        returning.put_back(&returning.key(Space::Caller, &[1]), taken);
                    }
                }
            }),
            Box::new(move || {
                for number in 2..4 {
                    put(&putting, 1, session(number, Kind::SingleUse, 1)).expect("kept");
                }
            }),
            Box::new(move || clearing.remove_lineage(&clearing.key(Space::Caller, &[2]), 1)),
        ]);
        let stats = cache.stats();
        assert_eq!((stats.offered, stats.stored), (stats.returned, 3));
        // The two newest stay, whoever was away meanwhile.
        assert_eq!((stats.sessions, stats.displaced), (2, 1));
        let left = [(); 2].map(|()| take(&cache, 1).map(|session| number_of(&session)));
        assert_eq!(left, [Some(3), Some(2)]);
        assert_adds_up(&cache, 2);
    });
}

#[test]
fn clearing_beside_putting_keeps_the_books() {
    in_many_orders(|| {
        let cache = cache(Options {
            max_endpoints: SHARDED,
            max_bytes: 30,
            ..Options::default()
        });
        let fill = |first: u8| -> Box<dyn FnOnce() + Send> {
            let cache = Arc::clone(&cache);
            Box::new(move || {
                for key in first..first + 3 {
                    put(&cache, key, session(1, Kind::Reusable, 10)).expect("kept");
                }
            })
        };
        let clearing = Arc::clone(&cache);
        together(vec![
            fill(0),
            fill(2),
            Box::new(move || {
                clearing.clear();
                clearing.remove(&clearing.key(Space::Caller, &[2]));
            }),
        ]);
        assert_adds_up(&cache, 0);
    });
}

#[test]
fn attempts_beside_each_other_are_offered_different_sessions() {
    in_many_orders(|| {
        const HOST: Endpoint<'_> = Endpoint {
            host: b"host",
            port: 1,
            server_name: b"",
            group: b"",
            verification: b"",
            client_certificate: false,
        };
        let config = Arc::new(config());
        let connect =
            |config: &Arc<Config>| Connection::new(config, &HOST).expect("a good endpoint");
        let receive = |attempt: &Connection, number: u32| {
            let info = super::received(0x0304, 1);
            let received = attempt.receive(Payload::Value(Arc::new(number)), 1, &info);
            received.expect("kept");
        };
        let first = connect(&config);
        receive(&first, 0);
        receive(&first, 1);
        first.established(false).expect("open");
        let used = Arc::new([(); 4].map(|()| AtomicU64::new(0)));
        let attempt = |sends: bool, received: u32| -> Box<dyn FnOnce() + Send> {
            let (config, used) = (Arc::clone(&config), Arc::clone(&used));
            Box::new(move || {
                let attempt = connect(&config);
                let offered = attempt
                    .offer(|session, _| number_of(session))
                    .expect("open");
                if !sends {
                    attempt.failed(Failure::NOT_SENT).expect("open");
                    return;
                }
                if let Some(number) = offered {
                    used[number as usize].fetch_add(1, Relaxed);
                }
                receive(&attempt, received);
                attempt.established(offered.is_some()).expect("open");
            })
        };
        together(vec![attempt(true, 2), attempt(true, 3), attempt(false, 0)]);
        let times = [0, 1, 2, 3].map(|number: usize| used[number].load(Relaxed));
        assert!(times.iter().all(|&times| times <= 1), "{times:?}");
        let stats = config.engine().stats();
        assert_eq!(stats.sessions, 4 - times.iter().sum::<u64>());
        assert_eq!(stats.stored, 4);
    });
}

#[test]
fn nothing_of_a_refused_lineage_comes_back() {
    in_many_orders(|| {
        let config = Arc::new(config());
        let host = Endpoint::new("host", 1);
        let connect =
            |config: &Arc<Config>| Connection::new(config, &host).expect("a good endpoint");
        let first = connect(&config);
        for number in 0..3u32 {
            let info = super::received(0x0304, 1);
            let received = first.receive(Payload::Value(Arc::new(number)), 1, &info);
            received.expect("kept");
        }
        first.established(false).expect("open");
        let refused = connect(&config);
        assert!(refused.offer(|_, _| ()).expect("open").is_some());
        // Two that take what there is and put it back.
        let borrows = || -> Box<dyn FnOnce() + Send> {
            let config = Arc::clone(&config);
            Box::new(move || {
                for _ in 0..2 {
                    let attempt = Connection::new(&config, &host).expect("a good endpoint");
                    let _ = attempt.offer(|_, _| ());
                    attempt.failed(Failure::NOT_SENT).expect("open");
                }
            })
        };
        together(vec![
            borrows(),
            borrows(),
            Box::new(move || refused.established(false).expect("open")),
        ]);
        assert_eq!(config.available(&host), Ok(0));
    });
}

/// An attempt that waits, and how often it was told to go.
type Waiting = (Arc<Connection>, Arc<AtomicU64>);

#[test]
fn nobody_waits_on_when_there_is_nothing_to_wait_for_any_more() {
    in_many_orders(|| {
        const HOST: Endpoint<'_> = Endpoint {
            host: b"host",
            port: 1,
            server_name: b"",
            group: b"",
            verification: b"",
            client_certificate: false,
        };
        let config = Arc::new(config());
        let connect =
            |config: &Arc<Config>| Connection::new(config, &HOST).expect("a good endpoint");
        let used = Arc::new([(); 2].map(|()| AtomicU64::new(0)));
        // What an attempt does once it may go.
        let finish = |attempt: &Connection, used: &[AtomicU64; 2]| match attempt
            .offer(|session, _| number_of(session))
            .expect("open")
        {
            Some(number) => {
                used[number as usize].fetch_add(1, Relaxed);
                attempt.established(true).expect("open");
            }
            None => attempt.failed(Failure::HANDSHAKE).expect("open"),
        };
        let leader = connect(&config);
        assert_eq!(leader.offer(|_, _| ()), Ok(None));
        let waiting: Arc<[Mutex<Option<Waiting>>; 3]> = Arc::default();
        let asks = |at: usize| -> Box<dyn FnOnce() + Send> {
            let (config, waiting, used) =
                (Arc::clone(&config), Arc::clone(&waiting), Arc::clone(&used));
            Box::new(move || {
                let attempt = connect(&config);
                let told = Arc::new(AtomicU64::new(0));
                let tell = Arc::clone(&told);
                let waker = move || {
                    tell.fetch_add(1, Relaxed);
                };
                let plan = attempt.plan(1000, Waker::new(waker)).expect("open");
                if plan == Plan::Go {
                    finish(&attempt, &used);
                } else {
                    *waiting[at].lock().expect("not poisoned") = Some((attempt, told));
                }
            })
        };
        let leads = || -> Box<dyn FnOnce() + Send> {
            let leader = Arc::clone(&leader);
            Box::new(move || {
                let info = super::received(0x0304, 1);
                for number in 0..2u32 {
                    let payload = Payload::Value(Arc::new(number));
                    leader.receive(payload, 1, &info).expect("kept");
                }
                leader.established(false).expect("open");
            })
        };
        together(vec![asks(0), asks(1), asks(2), leads()]);
        drop(leader);
        // Of those that are left each is told in its turn, by the end of the one before at the latest.
        loop {
            let next = waiting.iter().find_map(|slot| {
                let mut slot = slot.lock().expect("not poisoned");
                let may_go = |(_, told): &mut Waiting| told.load(Relaxed) == 1;
                slot.take_if(may_go)
            });
            let Some((attempt, _)) = next else { break };
            finish(&attempt, &used);
        }
        let left = |slot: &Mutex<Option<Waiting>>| slot.lock().expect("not poisoned").is_some();
        assert!(!waiting.iter().any(left), "one waits for nothing");
        let times = [0, 1].map(|number: usize| used[number].load(Relaxed));
        assert!(times.iter().all(|&times| times <= 1), "{times:?}");
        let forecast = config.forecast(&HOST).expect("a good endpoint");
        assert_eq!(forecast.waiting + forecast.full_in_flight, 0);
        assert_eq!(forecast.resumed_in_flight, 0);
    });
}

#[test]
fn what_is_refused_while_it_goes_back_is_gone() {
    in_many_orders(|| {
        let config = Arc::new(config());
        let host = Endpoint::new("host", 1);
        let begin = || config.begin(&host).expect("a good endpoint");
        let first = begin();
        for number in 0..2u32 {
            let info = super::received(0x0304, 1);
            let payload = Payload::Value(Arc::new(number));
            let received = first.connection().receive(payload, 1, &info);
            received.expect("kept");
        }
        first.established(false).expect("open");
        let [refused, holds] = [(); 2].map(|()| begin());
        for attempt in [&refused, &holds] {
            assert!(attempt.offer().expect("open").is_some());
        }
        together(vec![
            Box::new(move || refused.established(false).expect("open")),
            Box::new(move || holds.failed(Failure::NOT_SENT).expect("open")),
        ]);
        assert_eq!(config.engine().stats().sessions, 0);
    });
}

#[test]
fn one_that_sends_or_leaves_while_it_is_served_loses_no_ticket() {
    in_many_orders(|| {
        let config = Arc::new(config());
        let host = Endpoint::new("host", 1);
        let begin = || config.begin(&host).expect("a good endpoint");
        let leader = begin();
        assert!(leader.offer().expect("open").is_none());
        let [sends, frees, cancels, last] = [(); 4].map(|()| begin());
        for attempt in [&sends, &frees, &cancels, &last] {
            let plan = attempt.connection().plan(1000, Waker::new(|| ()));
            assert_eq!(plan, Ok(Plan::Wait));
        }
        together(vec![
            Box::new(move || {
                let info = super::received(0x0304, 1);
                let payload = Payload::Value(Arc::new(0u32));
                let received = leader.connection().receive(payload, 1, &info);
                received.expect("kept");
                leader.established(false).expect("open");
            }),
            Box::new(move || {
                sends.sent().expect("open");
                assert!(sends.offer().is_err(), "it has sent without");
                sends.established(false).expect("open");
            }),
            Box::new(move || drop(frees)),
            Box::new(move || {
                let _ = cancels.connection().end_wait();
                cancels.failed(Failure::NOT_SENT).expect("open");
            }),
        ]);
        // Whoever had it and did not use it has passed it on.
        assert!(last.offer().expect("open").is_some());
        let stats = config.engine().stats();
        assert_eq!((stats.stored, stats.sessions, stats.refused), (1, 0, 0));
        let forecast = config.forecast(&host).expect("a good endpoint");
        assert_eq!(forecast.waiting, 0);
        assert_eq!(
            (forecast.full_in_flight, forecast.resumed_in_flight),
            (0, 1)
        );
    });
}

/// A task that counts how often it was woken.
#[derive(Default)]
struct Task(AtomicU64);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// An attempt, its future, and the task that polled it.
struct Polled {
    attempt: Option<Attempt>,
    ready: Ready,
    task: Arc<Task>,
}

impl Polled {
    fn new(config: &Config, endpoint: &Endpoint<'_>) -> Self {
        let attempt = config.begin(endpoint).expect("a good endpoint");
        Self {
            ready: attempt.ready(Duration::from_secs(1)),
            attempt: Some(attempt),
            task: Arc::default(),
        }
    }

    fn is_ready(&mut self) -> bool {
        let waker = Arc::clone(&self.task).into();
        let polled = pin!(&mut self.ready).poll(&mut Context::from_waker(&waker));
        polled.is_ready()
    }
}

#[test]
fn a_future_is_woken_or_dropped_and_no_ticket_is_lost() {
    in_many_orders(|| {
        let config = Arc::new(config());
        let host = Endpoint::new("host", 1);
        let used = Arc::new([(); 2].map(|()| AtomicU64::new(0)));
        let finish = |attempt: &Attempt, used: &[AtomicU64; 2]| match attempt
            .connection()
            .offer(|session, _| number_of(session))
            .expect("open")
        {
            Some(number) => {
                used[number as usize].fetch_add(1, Relaxed);
                attempt.established(true).expect("open");
            }
            None => attempt.failed(Failure::HANDSHAKE).expect("open"),
        };
        let leader = config.begin(&host).expect("a good endpoint");
        assert!(leader.offer().expect("open").is_none());
        let left: Arc<Mutex<Vec<Polled>>> = Arc::default();
        // Two are polled again when they are woken; of one, the attempt is gone by then.
        let waits = || -> Box<dyn FnOnce() + Send> {
            let (config, left, used) = (Arc::clone(&config), Arc::clone(&left), Arc::clone(&used));
            Box::new(move || {
                let mut polled = Polled::new(&config, &host);
                if polled.is_ready() {
                    finish(polled.attempt.as_ref().expect("there"), &used);
                } else {
                    left.lock().expect("not poisoned").push(polled);
                }
            })
        };
        let ends = || -> Box<dyn FnOnce() + Send> {
            let (config, left) = (Arc::clone(&config), Arc::clone(&left));
            Box::new(move || {
                let mut polled = Polled::new(&config, &host);
                if !polled.is_ready() {
                    drop(polled.attempt.take());
                    left.lock().expect("not poisoned").push(polled);
                }
            })
        };
        // The runtime's time is over: the future is dropped, on another thread, while it may be woken.
        let gives_up = || -> Box<dyn FnOnce() + Send> {
            let (config, used) = (Arc::clone(&config), Arc::clone(&used));
            Box::new(move || {
                let mut polled = Polled::new(&config, &host);
                let _ = polled.is_ready();
                let Polled { attempt, ready, .. } = polled;
                let attempt = attempt.expect("there");
                let dropped = thread::spawn(move || drop(ready));
                finish(&attempt, &used);
                dropped.join().expect("no panic");
            })
        };
        let leads = || -> Box<dyn FnOnce() + Send> {
            Box::new(move || {
                let info = super::received(0x0304, 1);
                for number in 0..2u32 {
                    let payload = Payload::Value(Arc::new(number));
                    let received = leader.connection().receive(payload, 1, &info);
                    received.expect("kept");
                }
                leader.established(false).expect("open");
            })
        };
        together(vec![waits(), ends(), gives_up(), leads()]);
        loop {
            let next = {
                let mut left = left.lock().expect("not poisoned");
                let woken = left.iter().position(|one| one.task.0.load(Relaxed) != 0);
                woken.map(|at| left.remove(at))
            };
            let Some(mut polled) = next else { break };
            assert!(polled.is_ready(), "woken for nothing");
            if let Some(attempt) = &polled.attempt {
                finish(attempt, &used);
            }
        }
        assert!(left.lock().expect("not poisoned").is_empty(), "not woken");
        let times = [0, 1].map(|number: usize| used[number].load(Relaxed));
        assert!(times.iter().all(|&times| times <= 1), "{times:?}");
        let stats = config.engine().stats();
        assert_eq!(stats.sessions + times.iter().sum::<u64>(), 2);
        let forecast = config.forecast(&host).expect("a good endpoint");
        assert_eq!(forecast.waiting, 0);
    });
}
