//! One process: its connection attempts, and the sessions they were lent.

use crate::quota::Unit;
use crate::user::User;
use crate::valkey::{Shared, Stock};
use libtsc::agent::protocol::{Reply, whose};
use libtsc::{Attempt, AttemptState, Config, Endpoint, Failure, Reason, Session, SessionInfo};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

pub(crate) struct Process {
    user: Rc<User>,
    _place: Unit,
    /// What there is of its user's on other hosts, if this agent shares with them.
    shared: Option<Shared>,
    max_attempts: usize,
    attempts: RefCell<HashMap<u64, Held>>,
    /// The task that waits for its end.
    watch: RefCell<Option<AbortHandle>>,
}

/// An attempt of a process's, as the engine knows it here.
struct Held {
    attempt: Rc<Attempt>,
    _place: Unit,
    /// When something was last heard of it.
    heard: Instant,
    /// The sessions of its endpoint on other hosts.
    stock: Option<Rc<Stock>>,
    /// Whether it received a session that others may use as well.
    reusable: bool,
}

/// An attempt that has begun.
pub(crate) struct Begun<'a> {
    attempt: Rc<Attempt>,
    config: Config,
    endpoint: Endpoint<'a>,
    stock: Option<Rc<Stock>>,
}

/// Up to this version, on the wire, a session may be used again.
const TLS_1_3: u16 = 0x0304;

/// How often an attempt that waits looks whether what it waits for is still to come, which nobody else tells.
const LOOK: Duration = Duration::from_millis(100);

/// How long to read what a process that has ended said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What there is for an attempt.
pub(crate) struct Lease {
    pub(crate) session: Result<Session, Reason>,
    pub(crate) waited: bool,
}

impl Lease {
    pub(crate) fn reply(&self, attempt: u64) -> Reply<'_> {
        let waited = self.waited;
        let millis = |time: Duration| time.as_millis().try_into().unwrap_or(u64::MAX);
        match &self.session {
            Ok(session) => Reply::Leased {
                attempt,
                tls_version: session.tls_version(),
                age_ms: millis(session.age()),
                left_ms: millis(session.remaining()),
                lineage_ms: millis(session.lineage_remaining()),
                waited,
                session: session.bytes().unwrap_or_default(),
            },
            Err(reason) => Reply::None {
                attempt,
                reason: *reason as u8,
                waited,
            },
        }
    }
}

impl Begun<'_> {
    /// Finds a session for it, and waits for one up to `wait`, or until `given_up`.
    pub(crate) async fn lease(
        self,
        mut wait: Duration,
        given_up: impl Future<Output = ()>,
    ) -> Lease {
        let Self {
            attempt,
            config,
            endpoint,
            stock,
        } = self;
        let mut given_up = pin!(given_up);
        let asked = Instant::now();
        if let Some(stock) = stock {
            // The other half is for what connections of this host bring.
            tokio::select! {
                biased;
                () = stock.ask(wait / 2) => {}
                () = &mut given_up => wait = Duration::ZERO,
            }
        }
        let wait = wait.saturating_sub(asked.elapsed());
        let mut waited = false;
        if !wait.is_zero() {
            let mut ready = pin!(attempt.ready(wait));
            let first = poll_fn(|context| Poll::Ready(ready.as_mut().poll(context)));
            waited = first.await.is_pending();
            if waited {
                let mut ended = pin!(async {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = &mut given_up => {}
                    }
                });
                let mut look = tokio::time::interval(LOOK);
                loop {
                    tokio::select! {
                        _ = &mut ready => break,
                        () = &mut ended => break,
                        _ = look.tick() => {
                            let _ = config.forecast(&endpoint);
                        }
                    }
                }
            }
        }
        let session = match attempt.offer() {
            Ok(Some(session)) if session.bytes().is_some() => Ok(session),
            _ => Err(attempt.info().map_or(Reason::AgentAway, |info| info.reason)),
        };
        Lease { session, waited }
    }
}

impl Process {
    pub(crate) fn new(
        user: &Rc<User>,
        place: Unit,
        shared: Option<Shared>,
        max_attempts: usize,
    ) -> Self {
        Self {
            user: Rc::clone(user),
            _place: place,
            shared,
            max_attempts,
            attempts: RefCell::default(),
            watch: RefCell::default(),
        }
    }

    /// Keeps it until the system says that it has ended. Its connections tell less: a child may have inherited
    /// them, and a process closes them while it has sessions on loan.
    #[allow(unsafe_code, reason = "tokio has no safe way to wait for a descriptor")]
    pub(crate) fn watch(self: &Rc<Self>, pid: Option<i32>) {
        let pid = pid.and_then(Pid::from_raw);
        let Some(ended) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok()) else {
            return;
        };
        // SAFETY: an `OwnedFd` is open as long as it is there, and nobody replaces it.
        let Ok(ended) = (unsafe { AsyncFd::register(ended) }) else {
            return;
        };
        let process = Rc::clone(self);
        let watch = tokio::task::spawn_local(async move {
            let _ = ended.readable().await;
            // What it said last may not be read yet. A child that holds its connections open is not waited for.
            let since = Instant::now();
            while Rc::strong_count(&process) > 1 && since.elapsed() < LAST_WORDS {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            process.end();
        });
        *self.watch.borrow_mut() = Some(watch.abort_handle());
    }

    /// Forgets it, if it has nothing here and no connection: a living process may have had many caches.
    pub(crate) fn forget_if_idle(self: Rc<Self>) {
        const WATCH_AND_CALLER: usize = 2;
        let is_idle = self.attempts() == 0 && Rc::strong_count(&self) == WATCH_AND_CALLER;
        if let Some(watch) = self.watch.borrow_mut().take_if(|_| is_idle) {
            watch.abort();
        }
    }

    pub(crate) fn attempts(&self) -> usize {
        self.attempts.borrow().len()
    }

    fn held(&self, number: u64) -> Option<Rc<Attempt>> {
        let mut attempts = self.attempts.borrow_mut();
        let held = attempts.get_mut(&number)?;
        held.heard = Instant::now();
        Some(Rc::clone(&held.attempt))
    }

    /// Begins an attempt, with the endpoint that its key names. `None`: that is no key, the number is in use, or there
    /// are too many attempts.
    pub(crate) fn begin<'a>(&self, number: u64, key: &'a [u8]) -> Option<Begun<'a>> {
        let (identity, endpoint) = whose(key)?;
        let config = Config::new(&self.user.cache).identity(identity).ok()?;
        let mut attempts = self.attempts.borrow_mut();
        if attempts.len() >= self.max_attempts || attempts.contains_key(&number) {
            return None;
        }
        let place = self.user.attempts.take()?;
        let attempt = Rc::new(config.begin(&endpoint).ok()?);
        let stock = self.shared.as_ref().and_then(|shared| shared.stock(key));
        attempts.insert(
            number,
            Held {
                attempt: Rc::clone(&attempt),
                _place: place,
                heard: Instant::now(),
                stock: stock.clone(),
                reusable: false,
            },
        );
        Some(Begun {
            attempt,
            config,
            endpoint,
            stock,
        })
    }

    /// It has got a session.
    pub(crate) fn lent(&self) {
        let lent = &self.user.lent;
        lent.set(lent.get() + 1);
    }

    /// An attempt begins, and has a session of its own or wants none.
    pub(crate) fn begin_full(&self, number: u64, key: &[u8]) -> bool {
        let begun = self.begin(number, key);
        begun.is_some_and(|begun| begun.attempt.sent().is_ok())
    }

    /// An attempt has received a session; false: it is not kept.
    pub(crate) fn received(
        &self,
        number: u64,
        tls_version: u16,
        left_ms: u64,
        session: &[u8],
    ) -> bool {
        let seconds = (left_ms / 1000).try_into().unwrap_or(u32::MAX);
        if seconds == 0 {
            return false;
        }
        let mut info = SessionInfo::tls13(seconds);
        info.tls_version = tls_version;
        let received = self
            .held(number)
            .map(|attempt| attempt.receive(&info, session));
        let received = received.is_some_and(|received| received.is_ok());
        if received {
            self.brought(number, tls_version < TLS_1_3);
        }
        received
    }

    /// What an attempt received may be for other hosts as well, once it is established.
    fn brought(&self, number: u64, reusable: bool) {
        let mut attempts = self.attempts.borrow_mut();
        let Some(held) = attempts.get_mut(&number) else {
            return;
        };
        held.reusable |= reusable;
        let info = held.attempt.info();
        let is_published = info.is_ok_and(|info| info.state == AttemptState::Established);
        if let Some(stock) = held.stock.as_ref().filter(|_| is_published) {
            stock.brought(std::mem::take(&mut held.reusable));
        }
    }

    pub(crate) fn established(&self, number: u64, resumed: bool, lineage_ms: u64) -> bool {
        let Some(attempt) = self.held(number) else {
            return false;
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        if let Ok(ends) = i64::try_from(now.saturating_add(lineage_ms / 1000)) {
            let _ = attempt.set_not_after(ends);
        }
        let established = attempt.established(resumed).is_ok();
        self.brought(number, false);
        established
    }

    pub(crate) fn failed(&self, number: u64, facts: u8) -> bool {
        let Some(why) = Failure::from_bits(facts) else {
            return false;
        };
        let held = self.attempts.borrow_mut().remove(&number);
        held.is_some_and(|held| held.attempt.failed(why).is_ok())
    }

    pub(crate) fn gone(&self, number: u64) -> bool {
        let held = self.attempts.borrow_mut().remove(&number);
        held.map(|held| spend(&held.attempt)).is_some()
    }

    /// Nobody can know what became of what the process was lent.
    fn end(&self) {
        let attempts = std::mem::take(&mut *self.attempts.borrow_mut());
        attempts.values().for_each(|held| spend(&held.attempt));
    }

    /// The same for what was lent so long ago.
    pub(crate) fn end_leases(&self, lease: Duration) {
        let is_open = |held: &Held| {
            held.attempt
                .info()
                .is_ok_and(|info| info.state == AttemptState::Open)
        };
        let over = self
            .attempts
            .borrow_mut()
            .extract_if(|_, held| held.heard.elapsed() >= lease && is_open(held))
            .collect::<Vec<_>>();
        over.iter().for_each(|(_, held)| spend(&held.attempt));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A session that was lent may have been sent, and is nobody else's.
fn spend(attempt: &Attempt) {
    let _ = attempt.sent();
}
