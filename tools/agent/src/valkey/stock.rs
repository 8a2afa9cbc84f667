//! The sessions of one endpoint here.

use super::Common;
use super::keys::{Key, Place};
use super::link::{Failed, Link, Open, commands};
use libtsc::agent::protocol::whose;
use libtsc::{Cache, Config, Endpoint};
use redis::Value;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Kept at about as many as processes need: what is missing is fetched, what is beyond that is published.
pub(crate) struct Stock {
    common: Rc<Common>,
    cache: Arc<Cache>,
    user: String,
    key: Box<[u8]>,
    /// That of a cluster to which sessions are published.
    slot: u16,
    /// When a process last asked for one.
    asked: Cell<Option<Instant>>,
    /// Attempts that wait for what is fetched.
    waiting: Cell<usize>,
    /// A reusable session came that others do not know of.
    news: Cell<bool>,
    /// How many the engine had left when it was last asked.
    elsewhere: Cell<usize>,
    /// When to look again where there was nothing, and how long to wait the next time.
    dry: Cell<(Option<Instant>, Duration)>,
    /// Nothing is published before, because there is no room.
    full: Cell<Option<Instant>>,
    /// Whether a task sees to it.
    tended: Cell<bool>,
    /// Told each time that something was fetched, or nothing.
    fetched: Notify,
}

/// For how long sessions are fetched ahead after a process asked for one.
pub(super) const IN_USE: Duration = Duration::from_secs(60);

/// How many are fetched at a time at the most.
const BATCH: usize = 64;

/// A host takes one of so many that are there, or one at all if it has none: when all start at once, the first is
/// not to leave the others without. One is enough for a host whose attempts wait, for each brings the next.
const SHARE: usize = 16;

/// How soon to look again where there was nothing, at first and at the most.
const DRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How soon to try again where there was no room.
const FULL: Duration = Duration::from_secs(10);

/// What connections bring at the same time is published together.
const LINGER: Duration = Duration::from_millis(20);

impl Stock {
    pub(super) fn new(common: &Rc<Common>, cache: &Arc<Cache>, user: &str, key: &[u8]) -> Self {
        Self {
            common: Rc::clone(common),
            cache: Arc::clone(cache),
            user: user.into(),
            key: key.into(),
            slot: common.keys.sealing().slot(user, key),
            asked: Cell::default(),
            waiting: Cell::default(),
            news: Cell::default(),
            elsewhere: Cell::default(),
            dry: Cell::new((None, DRY.0)),
            full: Cell::default(),
            tended: Cell::default(),
            fetched: Notify::new(),
        }
    }

    fn endpoint(&self) -> Option<(Config, Endpoint<'_>)> {
        let (identity, endpoint) = whose(&self.key)?;
        Some((Config::new(&self.cache).identity(identity).ok()?, endpoint))
    }

    fn available(&self) -> usize {
        let endpoint = self.endpoint();
        let available = endpoint.and_then(|(config, endpoint)| config.available(&endpoint).ok());
        available.unwrap_or(0)
    }

    pub(super) fn is_idle(&self) -> bool {
        let in_use = self
            .asked
            .get()
            .is_some_and(|asked| asked.elapsed() < IN_USE);
        !in_use && self.available() == 0
    }

    /// A process asks for a session. If there is none here, but perhaps elsewhere, an attempt that would wait does
    /// so until that is known.
    pub(crate) async fn ask(self: &Rc<Self>, patience: Duration) {
        self.asked.set(Some(Instant::now()));
        let fetched = self.fetched.notified();
        let waits = !patience.is_zero() && self.available() == 0 && self.missing(1) != 0;
        if !waits {
            return self.tend();
        }
        let _waiting = Waiting::of(&self.waiting);
        self.tend();
        let _ = tokio::time::timeout(patience, fetched).await;
    }

    /// A connection brought sessions.
    pub(crate) fn brought(self: &Rc<Self>, reusable: bool) {
        if reusable {
            self.news.set(true);
        }
        self.tend();
    }

    /// Fetches and publishes what there is to, in a task of its own.
    pub(super) fn tend(self: &Rc<Self>) {
        if self.tended.replace(true) {
            return;
        }
        let stock = Rc::clone(self);
        tokio::task::spawn_local(async move {
            while stock.step().await {}
            stock.tended.set(false);
        });
    }

    /// Does what is to be done next; false: nothing is, or it has to wait.
    async fn step(&self) -> bool {
        let missing = self.missing(self.waiting.get());
        if missing != 0 {
            let found = self.fetch(missing).await;
            self.fetched.notify_waiters();
            return found;
        }
        if !self.has_surplus() {
            return false;
        }
        tokio::time::sleep(LINGER).await;
        if self.has_surplus() {
            let surplus = self.available().saturating_sub(self.common.stock);
            return self.publish(surplus).await;
        }
        true
    }

    /// How many to fetch now, if so many attempts wait.
    fn missing(&self, waiting: usize) -> usize {
        let now = Instant::now();
        let in_use = self.asked.get().is_some_and(|asked| asked + IN_USE > now);
        let is_dry = self.dry.get().0.is_some_and(|until| until > now);
        let available = self.available();
        if !in_use || is_dry || self.common.engine.is_paused(self.slot) {
            return 0;
        }
        if available > self.common.stock / 2 && available >= waiting {
            return 0;
        }
        let share = self.elsewhere.get() / SHARE;
        let share = share.max(usize::from(available == 0)).min(BATCH);
        (self.common.stock + waiting)
            .saturating_sub(available)
            .min(share)
    }

    fn has_surplus(&self) -> bool {
        let available = self.available();
        let is_full = self.full.get().is_some_and(|until| until > Instant::now());
        let surplus = available > self.common.stock && !is_full;
        (surplus || (self.news.get() && available != 0)) && !self.common.engine.is_paused(self.slot)
    }

    /// Fetches up to so many; false: there is none, or no engine.
    async fn fetch(&self, most: usize) -> bool {
        let (mut answered, mut found, mut elsewhere) = (false, false, 0);
        for key in self.common.keys.all() {
            if let Some((any, left)) = self.fetch_sealed_with(key, most).await {
                answered = true;
                found |= any;
                elsewhere += left;
            }
        }
        if answered {
            self.elsewhere.set(elsewhere);
            let (_, pause) = self.dry.get();
            self.dry.set(if found {
                (None, DRY.0)
            } else {
                (Some(Instant::now() + pause), (2 * pause).min(DRY.1))
            });
        }
        found
    }

    /// Whether there were any, and how many are left; `None`: nobody can tell.
    async fn fetch_sealed_with(&self, key: &Key, most: usize) -> Option<(bool, usize)> {
        let link = self.link(key.slot(&self.user, &self.key)).await?;
        let open = link.open().await?;
        let place = self.place(key, &open);
        let mut commands = commands();
        commands.cmd("RPOP").arg(&place.list).arg(most);
        commands.cmd("GET").arg(&place.reusable);
        commands.cmd("LLEN").arg(&place.list);
        let values = match link.transact(&open, &commands).await {
            Ok(values) => values,
            // Until it is known where they are, there are none.
            Err(Failed::NotHere) => return Some((false, 0)),
            Err(Failed::NoRoom) => return None,
            // It may have given as many as it was asked for.
            Err(Failed::Unknown) => {
                self.lost(most);
                return None;
            }
        };
        let [once, reusable, left] = &values[..] else {
            return None;
        };
        // The oldest first, so that it is offered last.
        let once = match once {
            Value::Array(once) => &once[..],
            _ => &[],
        };
        let mut found = false;
        for sealed in once.iter().rev().chain([reusable]) {
            if let Value::BulkString(sealed) = sealed {
                found |= self.import(&place, sealed);
            }
        }
        Some((found, redis::from_redis_value_ref(left).unwrap_or(0)))
    }

    async fn link(&self, slot: u16) -> Option<Rc<Link>> {
        self.common.engine.link(slot).await
    }

    fn place(&self, key: &Key, open: &Open) -> Place {
        key.place(&self.user, &open.generation, &self.key)
    }

    fn import(&self, place: &Place, sealed: &[u8]) -> bool {
        let imported = self.endpoint().is_some_and(|(config, endpoint)| {
            let imported = config.import_session(&endpoint, &place.seal, sealed);
            imported.unwrap_or(false)
        });
        let counts = &self.common.counts;
        let count = if imported {
            &counts.fetched
        } else {
            &counts.dropped
        };
        count.set(count.get() + 1);
        imported
    }

    /// Publishes so many single-use sessions, and the reusable one if there is one; false: none, or there is no
    /// engine.
    pub(super) async fn publish(&self, surplus: usize) -> bool {
        let Some(link) = self.link(self.slot).await else {
            return false;
        };
        let Some(open) = link.open().await else {
            return false;
        };
        self.news.set(false);
        let place = self.place(self.common.keys.sealing(), &open);
        let sealed = self.endpoint().and_then(|(config, endpoint)| {
            let sealed = config.export_sessions(&endpoint, &place.seal, surplus);
            sealed.ok()
        });
        let sealed = sealed.unwrap_or_default();
        let mut commands = commands();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let once = || sealed.iter().filter(|session| !session.is_reusable);
        if let Some(longest) = once().map(|session| session.remaining).max() {
            let push = commands.cmd("RPUSH").arg(&place.list);
            once().for_each(|session| {
                push.arg(&session.sealed);
            });
            let keep = commands.cmd("LTRIM").arg(&place.list);
            keep.arg(-(self.common.most as i64)).arg(-1).ignore();
            // For as long as the one that lives longest: to the first, and then if it is later.
            for when in ["NX", "GT"] {
                let expire = commands.cmd("PEXPIRE").arg(&place.list);
                expire.arg(millis(longest)).arg(when).ignore();
            }
        }
        for session in sealed.iter().filter(|session| session.is_reusable) {
            let set = commands
                .cmd("SET")
                .arg(&place.reusable)
                .arg(&session.sealed);
            set.arg("PX").arg(millis(session.remaining)).ignore();
        }
        if sealed.is_empty() {
            return false;
        }
        let counts = &self.common.counts;
        match link.transact(&open, &commands).await {
            Ok(done) => {
                counts
                    .published
                    .set(counts.published.get() + sealed.len() as u64);
                let length = done.first().map(redis::from_redis_value_ref);
                let length = length.and_then(Result::ok).unwrap_or(0_usize);
                let displaced = length.saturating_sub(self.common.most) as u64;
                counts.displaced.set(counts.displaced.get() + displaced);
                if length >= self.common.most {
                    self.full.set(Some(Instant::now() + FULL));
                }
                true
            }
            Err(why @ (Failed::NoRoom | Failed::NotHere)) => {
                for session in once() {
                    if let Some((config, endpoint)) = self.endpoint() {
                        let _ = config.import_session(&endpoint, &place.seal, &session.sealed);
                    }
                }
                self.news
                    .set(sealed.iter().any(|session| session.is_reusable));
                let pause = if why == Failed::NoRoom { FULL } else { DRY.0 };
                self.full.set(Some(Instant::now() + pause));
                false
            }
            // Others may have them.
            Err(Failed::Unknown) => {
                self.lost(once().count());
                false
            }
        }
    }

    /// Nobody can tell whose so many sessions are.
    fn lost(&self, count: usize) {
        let lost = &self.common.counts.lost;
        lost.set(lost.get() + count as u64);
    }
}

/// An attempt that waits counts as long as it does.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn of(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
