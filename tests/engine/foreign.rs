//! No lock is held while foreign code runs: the clock, the listener, and what dropping a session sets
//! off.

use super::*;
use crate::connection::{Failure, Plan};
use crate::engine::Kind::{Reusable, SingleUse};
use crate::engine::{Key, Space};
use crate::supply::Waker;
use std::cell::Cell;
use std::sync::{Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

thread_local! {
    /// Foreign code is running on this thread: what it sets off does not call back again.
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Foreign code (the clock, the listener, and whatever is dropped) that uses the cache and the connection itself.
struct Foreign {
    time: AtomicU64,
    dropped: AtomicU64,
    reach: Mutex<(Weak<Config>, Weak<Connection>)>,
}

impl Foreign {
    /// Calls back: looks at everything, and if `change` is set changes things too.
    fn call_back(&self, change: bool) {
        if CALLING.replace(true) {
            return;
        }
        let (config, attempt) = self.reach.lock().expect("not poisoned").clone();
        if let Some(attempt) = attempt.upgrade() {
            let _ = (attempt.info(), attempt.note());
            if change {
                let _ = attempt.offer(|_, _| ());
                attempt.set_not_after(i64::MAX).expect("this process");
            }
        }
        if let Some(config) = config.upgrade() {
            let cache = config.engine();
            let _ = (config.available(&HOST), cache.stats());
            for bytes in [b"a", b"b", b"e"] {
                let key = cache.key(Space::Caller, bytes);
                let _ = cache.available(&key);
                if change {
                    let _ = cache.put(&key, session(SingleUse, 1, self.time.load(Relaxed)));
                    if let Some(taken) = cache.take(&key) {
                        cache.put_back(&key, taken);
                    }
                    cache.copy_out(&key, |_, _| true);
                    cache.remove_lineage(&key, 99);
                    cache.remove(&key);
                }
            }
            if change {
                cache.clear();
            }
        }
        CALLING.set(false);
    }
}

/// Calls back when it is dropped.
struct Loud(Arc<Foreign>);

impl Drop for Loud {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
        self.0.call_back(true);
    }
}

/// A small cache, surrounded by foreign code.
struct Stage {
    foreign: Arc<Foreign>,
    config: Arc<Config>,
}

impl Stage {
    fn new() -> Self {
        let foreign = Arc::new(Foreign {
            time: AtomicU64::new(START),
            dropped: AtomicU64::new(0),
            reach: Mutex::default(),
        });
        let clock = Arc::clone(&foreign);
        let read = move || {
            clock.call_back(false);
            clock.time.load(Relaxed)
        };
        let listener = Arc::clone(&foreign);
        let options = Options {
            max_endpoints: 4,
            max_sessions_per_endpoint: 2,
            max_bytes: 100,
            max_session_bytes: 60,
            ..WIDE
        };
        let config = Arc::new(Config {
            identity: Identity::own(),
            client_not_after: None,
            ..Config::new(&Cache::over(
                options,
                Clock::Driven(Box::new(read)),
                Some(Box::new(move |_| listener.call_back(false))),
            ))
        });
        foreign.reach.lock().expect("not poisoned").0 = Arc::downgrade(&config);
        Self { foreign, config }
    }

    fn engine(&self) -> &Engine {
        self.config.engine()
    }

    fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        self.engine().key(Space::Caller, bytes)
    }

    /// A session that calls back when it is dropped, received so much after the start.
    fn loud(&self, kind: Kind, size: usize, after: u64) -> Session {
        Session {
            payload: self.payload(),
            ..session(kind, size, START + after)
        }
    }

    fn payload(&self) -> Payload {
        Payload::Value(Arc::new(Loud(Arc::clone(&self.foreign))))
    }

    fn put(&self, key: &[u8], kind: Kind, size: usize, after: u64) {
        let _ = self
            .engine()
            .put(&self.key(key), self.loud(kind, size, after));
    }

    fn pass(&self, milliseconds: u64) {
        self.foreign.time.fetch_add(milliseconds, Relaxed);
    }

    /// A connection that the foreign code uses too.
    fn connect(&self) -> Arc<Connection> {
        let attempt = connect(&self.config, &HOST);
        self.foreign.reach.lock().expect("not poisoned").1 = Arc::downgrade(&attempt);
        attempt
    }

    fn receive(&self, attempt: &Connection, version: u16, lifetime: u32, size: usize) {
        let info = received(version, lifetime);
        let received = attempt.receive(self.payload(), size, &info);
        drop(received);
    }

    /// Stores for the host what a connection received.
    fn full(&self, tickets: usize, version: u16) {
        let attempt = connect(&self.config, &HOST);
        for _ in 0..tickets {
            self.receive(&attempt, version, HOUR, 10);
        }
        attempt.established(false).expect("open");
    }

    /// Expects that this drops something, and not what came before it.
    fn drops(&self, act: impl FnOnce()) {
        assert_eq!(
            self.foreign.dropped.load(Relaxed),
            0,
            "nothing was dropped yet"
        );
        act();
        assert!(
            self.foreign.dropped.load(Relaxed) > 0,
            "something was dropped"
        );
    }
}

/// What a wait that ends sets off counts as dropped.
impl Stage {
    /// An attempt that does a full handshake, and two that wait for what it brings.
    fn waiting(&self) -> (Arc<Connection>, [Arc<Connection>; 2]) {
        let leader = self.connect();
        assert_eq!(leader.offer(|_, _| ()), Ok(None));
        let waiting = [(); 2].map(|()| {
            let attempt = connect(&self.config, &HOST);
            let foreign = Arc::clone(&self.foreign);
            let waker = Waker::new(move || {
                foreign.dropped.fetch_add(1, Relaxed);
                foreign.call_back(true);
            });
            assert_eq!(attempt.plan(1_000_000, waker), Ok(Plan::Wait));
            attempt
        });
        (leader, waiting)
    }
}

/// Each way in which a wait ends.
const ENDS: [Path; 8] = [
    ("a ticket comes", |stage| {
        let (leader, _waiting) = stage.waiting();
        stage.receive(&leader, TLS_1_3, HOUR, 1);
        stage.drops(|| leader.established(false).expect("open"));
    }),
    ("a ticket comes later", |stage| {
        let (leader, _waiting) = stage.waiting();
        leader.established(false).expect("open");
        stage.drops(|| stage.receive(&leader, TLS_1_3, HOUR, 1));
    }),
    ("none comes", |stage| {
        let (leader, _waiting) = stage.waiting();
        stage.drops(|| leader.failed(Failure::HANDSHAKE).expect("open"));
    }),
    ("it is dropped", |stage| {
        let (leader, _waiting) = stage.waiting();
        leader.established(false).expect("open");
        stage.foreign.reach.lock().expect("not poisoned").1 = Weak::new();
        stage.drops(|| drop(leader));
    }),
    ("the cache is closed", |stage| {
        let (_leader, _waiting) = stage.waiting();
        stage.drops(|| stage.config.cache.close());
    }),
    ("one comes back", |stage| {
        let (leader, [first, second]) = stage.waiting();
        stage.receive(&leader, TLS_1_3, HOUR, 1);
        CALLING.set(true);
        leader.established(false).expect("open");
        CALLING.set(false);
        assert_eq!(stage.foreign.dropped.swap(0, Relaxed), 1);
        stage.drops(|| first.failed(Failure::NOT_SENT).expect("open"));
        drop(second);
    }),
    ("one gives up", |stage| {
        let (leader, [first, _second]) = stage.waiting();
        CALLING.set(true);
        leader.established(false).expect("open");
        CALLING.set(false);
        stage.pass(1000);
        stage.drops(|| first.end_wait().expect("it waits"));
    }),
    ("one makes its offer", |stage| {
        let (leader, [first, _second]) = stage.waiting();
        CALLING.set(true);
        leader.established(false).expect("open");
        CALLING.set(false);
        stage.pass(1000);
        stage.drops(|| assert_eq!(first.offer(|_, _| ()), Ok(None)));
    }),
];

/// What a path is called, and how it is gone.
type Path = (&'static str, fn(&Stage));

/// Each way in which sessions are dropped.
const PATHS: [Path; 30] = [
    ("evicted for an endpoint", |stage| {
        for key in [b"a", b"b", b"c", b"d"] {
            stage.put(key, SingleUse, 1, 0);
        }
        stage.drops(|| stage.put(b"e", SingleUse, 1, 0));
    }),
    ("evicted for bytes", |stage| {
        stage.put(b"e", SingleUse, 60, 0);
        stage.drops(|| stage.put(b"f", SingleUse, 60, 0));
    }),
    ("evicted for its own", |stage| {
        stage.put(b"e", SingleUse, 60, 0);
        stage.drops(|| stage.put(b"e", SingleUse, 60, 0));
    }),
    ("evicted as it comes back", |stage| {
        stage.put(b"e", SingleUse, 60, 0);
        let taken = stage.engine().take(&stage.key(b"e")).expect("there");
        stage.put(b"e", SingleUse, 60, 1);
        stage.drops(|| stage.engine().put_back(&stage.key(b"e"), taken));
    }),
    ("displaced by number", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.put(b"e", SingleUse, 1, 0);
        stage.drops(|| stage.put(b"e", SingleUse, 1, 0));
    }),
    ("displaced by a new reusable one", |stage| {
        stage.put(b"e", Reusable, 1, 0);
        stage.drops(|| stage.put(b"e", Reusable, 1, 0));
    }),
    ("displaced as it comes back", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        let taken = stage.engine().take(&stage.key(b"e")).expect("there");
        stage.put(b"e", SingleUse, 1, 1);
        stage.put(b"e", SingleUse, 1, 1);
        stage.drops(|| stage.engine().put_back(&stage.key(b"e"), taken));
    }),
    ("over when asked for", |stage| {
        stage.put(b"e", Reusable, 1, 0);
        stage.pass(LIFETIME);
        stage.drops(|| assert!(stage.engine().take(&stage.key(b"e")).is_none()));
    }),
    ("over when copied", |stage| {
        stage.put(b"e", Reusable, 1, 0);
        stage.pass(LIFETIME);
        stage.drops(|| {
            assert!(
                stage
                    .engine()
                    .copy_out(&stage.key(b"e"), |_, _| true)
                    .is_none()
            )
        });
    }),
    ("over when another comes", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.pass(LIFETIME);
        stage.drops(|| stage.put(b"e", SingleUse, 1, LIFETIME));
    }),
    ("over when room is wanted", |stage| {
        stage.put(b"e", SingleUse, 60, 0);
        stage.pass(LIFETIME);
        stage.drops(|| stage.put(b"f", SingleUse, 60, LIFETIME));
    }),
    ("over on arrival", |stage| {
        stage.pass(LIFETIME);
        stage.drops(|| stage.put(b"e", SingleUse, 1, 0));
    }),
    ("over when it comes back", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        let taken = stage.engine().take(&stage.key(b"e")).expect("there");
        stage.pass(LIFETIME);
        stage.drops(|| stage.engine().put_back(&stage.key(b"e"), taken));
    }),
    ("too large", |stage| {
        stage.drops(|| stage.put(b"e", SingleUse, 101, 0));
    }),
    ("copied out", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.drops(|| {
            assert_eq!(
                stage.engine().copy_out(&stage.key(b"e"), |_, _| true),
                Some(true)
            )
        });
    }),
    ("removed", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.drops(|| assert!(stage.engine().remove(&stage.key(b"e"))));
    }),
    ("removed with its lineage", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.drops(|| stage.engine().remove_lineage(&stage.key(b"e"), 1));
    }),
    ("removed as reusable", |stage| {
        stage.put(b"e", Reusable, 1, 0);
        stage.drops(|| stage.engine().remove_reusable(&stage.key(b"e")));
    }),
    ("cleared", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.drops(|| stage.engine().clear());
    }),
    ("closed", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        stage.drops(|| stage.engine().close());
    }),
    ("put into a closed cache", |stage| {
        stage.engine().close();
        stage.drops(|| stage.put(b"e", SingleUse, 1, 0));
    }),
    ("put back into a closed cache", |stage| {
        stage.put(b"e", SingleUse, 1, 0);
        let taken = stage.engine().take(&stage.key(b"e")).expect("there");
        stage.engine().close();
        stage.drops(|| stage.engine().put_back(&stage.key(b"e"), taken));
    }),
    ("staged in excess", |stage| {
        let attempt = stage.connect();
        stage.receive(&attempt, TLS_1_3, HOUR, 1);
        stage.receive(&attempt, TLS_1_3, HOUR, 1);
        stage.drops(|| stage.receive(&attempt, TLS_1_3, HOUR, 1));
    }),
    ("staged, and failed", |stage| {
        let attempt = stage.connect();
        stage.receive(&attempt, TLS_1_3, HOUR, 1);
        stage.drops(|| {
            attempt.failed(Failure::LOGIN).expect("open");
        });
    }),
    ("staged, and forgotten", |stage| {
        let attempt = stage.connect();
        stage.receive(&attempt, TLS_1_3, HOUR, 1);
        stage.drops(|| {
            attempt.release();
        });
    }),
    ("staged until it was over", |stage| {
        let attempt = stage.connect();
        stage.receive(&attempt, TLS_1_3, 1, 1);
        stage.pass(1000);
        stage.drops(|| attempt.established(false).expect("open"));
    }),
    ("used", |stage| {
        stage.full(1, TLS_1_3);
        let attempt = stage.connect();
        attempt.offer(|_, _| ()).expect("open").expect("there");
        stage.drops(|| attempt.established(true).expect("open"));
    }),
    ("refused", |stage| {
        stage.full(1, TLS_1_2);
        let attempt = stage.connect();
        attempt.offer(|_, _| ()).expect("open").expect("there");
        stage.drops(|| attempt.established(false).expect("open"));
    }),
    ("blamed for a failure", |stage| {
        stage.full(2, TLS_1_3);
        let attempt = stage.connect();
        attempt.offer(|_, _| ()).expect("open").expect("there");
        stage.drops(|| attempt.failed(Failure::HANDSHAKE).expect("open"));
    }),
    ("over when offered", |stage| {
        stage.full(1, TLS_1_3);
        stage.pass(u64::from(HOUR) * 1000);
        let attempt = stage.connect();
        stage.drops(|| assert!(matches!(attempt.offer(|_, _| ()), Ok(None))));
    }),
];

#[test]
fn no_lock_is_held_while_foreign_code_runs() {
    for (path, run) in PATHS.into_iter().chain(ENDS) {
        let (done, waiting) = mpsc::channel();
        let thread = thread::spawn(move || {
            run(&Stage::new());
            let _ = done.send(());
        });
        match waiting.recv_timeout(Duration::from_secs(10)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("{path}: it waits for a lock that it holds")
            }
            _ => assert!(thread.join().is_ok(), "{path}"),
        }
    }
}
