//! The engine: a bounded, thread-safe store of sessions by key. Knows neither C nor TLS.

mod bucket;
mod entry;
mod era;
mod event;
mod garbage;
mod key;
mod lifetime;
mod options;
mod reason;
mod secret;
mod session;
mod shard;
mod stamp;
mod stats;
mod time;
mod usage;
mod visit;

pub use event::EventKind;
pub(crate) use event::{Event, Listener};
pub(crate) use garbage::Garbage;
pub(crate) use key::{Key, OwnedKey, Space};
pub(crate) use lifetime::{Lifetime, Lineage, expiry, restored};
pub use options::Options;
pub use reason::Reason;
pub(crate) use secret::SecretBytes;
pub(crate) use session::{Kind, Payload, Session};
pub(crate) use stats::Discard;
pub use stats::Stats;
#[cfg(feature = "capi")]
pub(crate) use stats::{each_stat, help};
pub(crate) use time::{Clock, Time};

use crate::sync::{AtomicBool, AtomicU64};
use crate::sys::PerProcess;
use era::Era;
use foldhash::fast::RandomState;
use shard::{Insertion, Shard};
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A bounded store of sessions.
///
/// Payloads are dropped, the clock is read and the listener told only while no lock is held: all of it
/// may be foreign code, and may call back.
pub(crate) struct Engine {
    options: Options,
    clock: Clock,
    listener: Option<Listener>,
    hasher: RandomState,
    closed: AtomicBool,
    lineages: AtomicU64,
    era: PerProcess<Era>,
}

impl Engine {
    #[must_use]
    pub(crate) fn new(mut options: Options, clock: Clock, listener: Option<Listener>) -> Self {
        // Room for nothing at all is what `enabled` is for.
        options.max_endpoints = options.max_endpoints.max(1);
        options.max_sessions_per_endpoint = options.max_sessions_per_endpoint.max(1);
        options.max_bytes = options.bytes();
        Self {
            options,
            clock,
            listener,
            hasher: RandomState::default(),
            closed: AtomicBool::new(false),
            lineages: AtomicU64::new(1),
            era: PerProcess::new(Era::new(&options)),
        }
    }

    #[must_use]
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    #[must_use]
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The wall clock, in milliseconds since the Unix epoch.
    #[must_use]
    pub(crate) fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// The key of these bytes in this cache.
    #[inline]
    #[must_use]
    pub(crate) fn key<'a>(&self, space: Space, bytes: &'a [u8]) -> Key<'a> {
        Key {
            hash: self.hash(bytes),
            space,
            bytes,
        }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// A lineage that begins with a full handshake at `begun`.
    pub(crate) fn new_lineage(&self, begun: Time) -> Lineage {
        self.numbered_lineage(self.reserve_lineages(1), begun)
    }

    /// The first of so many numbers that no lineage has.
    pub(crate) fn reserve_lineages(&self, count: u64) -> u64 {
        self.lineages.fetch_add(count, Relaxed)
    }

    pub(crate) fn numbered_lineage(&self, id: u64, begun: Time) -> Lineage {
        Lineage {
            id,
            ends: begun.plus_seconds(self.options.max_lineage_age_seconds),
        }
    }

    /// A copy of a session's bytes, in memory for secrets.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<SecretBytes, Discard> {
        self.admit(bytes.len(), bytes.len())?;
        self.era().arena.keep(bytes).ok_or(Discard::NoMemory)
    }

    /// Whether a session of this length, and of this size in memory, may come in at all.
    pub(crate) fn admit(&self, length: usize, size: usize) -> Result<(), Discard> {
        if !self.options.enabled {
            Err(Discard::Disabled)
        } else if self.is_closed() {
            Err(Discard::Closed)
        } else if length > self.options.max_session_bytes as usize
            || size as u64 > self.options.max_bytes
        {
            Err(Discard::TooLarge)
        } else {
            Ok(())
        }
    }

    /// `admit`, for what is to be stored at once: what may not come in counts as discarded.
    #[cfg(any(feature = "rustls", feature = "capi"))]
    pub(crate) fn admit_at(
        &self,
        key: &Key<'_>,
        length: usize,
        size: usize,
    ) -> Result<(), Discard> {
        let admitted = self.admit(length, size);
        admitted.inspect_err(|&why| self.count(key, |stats| stats.discard(why, 1)))
    }

    /// Stores a session, evicting what it must.
    pub(crate) fn put(&self, key: &Key<'_>, session: Session) -> Result<(), Discard> {
        let now = self.clock.now();
        let done = if session.expires <= now {
            Err(Discard::Lifetime)
        } else {
            self.insert(key, session, now, |stats| stats.stored += 1)
        };
        match done {
            Ok(()) => self.tell(key, EventKind::Stored, 1),
            Err(why) => self.count(key, |stats| stats.discard(why, 1)),
        }
        done
    }

    /// Puts back a single-use session that was taken and never used. A reusable one only goes: the
    /// cache still has it.
    pub(crate) fn put_back(&self, key: &Key<'_>, session: Session) {
        if session.kind == Kind::Reusable {
            return;
        }
        let now = self.clock.now();
        let kept = if session.expires <= now {
            Err(Discard::Lifetime)
        } else {
            self.insert(key, session, now, |stats| stats.returned += 1)
        };
        match kept {
            Ok(()) => {}
            Err(Discard::Lifetime) => {
                self.count(key, |stats| stats.expired += 1);
                self.tell(key, EventKind::Expired, 1);
            }
            Err(why) => self.count(key, |stats| stats.discard(why, 1)),
        }
    }

    /// Shows the newest session of a key to `copy`, under a lock, so `copy` does nothing but copy. If
    /// it returns true the session counts as handed out, and a single-use one is gone, unless it is the
    /// last and the options say to reuse that. Returns what `copy` did; `None`: there is no session.
    #[cfg(any(test, feature = "capi"))]
    #[inline]
    pub(crate) fn copy_out(
        &self,
        key: &Key<'_>,
        copy: impl FnOnce(&Session, Time) -> bool,
    ) -> Option<bool> {
        let now = self.clock.now();
        // Dropped, and so wiped, after the lock is gone.
        let (mut garbage, mut taken) = (self.garbage(), None);
        self.newest(key, now, &mut garbage, &mut taken, |session, _, _| {
            copy(session, now)
        })
    }

    /// Takes the newest session of a key if it is an object, and shows it to `look` under the lock.
    #[cfg(feature = "capi")]
    pub(crate) fn take_object(
        &self,
        key: &Key<'_>,
        look: impl FnOnce(&Session, Time),
    ) -> Option<Session> {
        let now = self.clock.now();
        let (mut garbage, mut taken) = (self.garbage(), None);
        self.newest(
            key,
            now,
            &mut garbage,
            &mut taken,
            |session, stays, taken| {
                if !session.is_object() {
                    return false;
                }
                if stays {
                    *taken = session.share();
                }
                let shown = !stays || taken.is_some();
                if shown {
                    look(session, now);
                }
                shown
            },
        );
        taken
    }

    /// Shows the newest session of a key to `is_wanted`, under a lock, and takes it if it is; `taken` is empty,
    /// and stays so otherwise.
    #[cfg(feature = "rustls")]
    pub(crate) fn take_if(
        &self,
        key: &Key<'_>,
        now: Time,
        garbage: &mut Garbage<'_>,
        taken: &mut Option<Session>,
        is_wanted: impl FnOnce(&Session) -> bool,
    ) {
        self.newest(key, now, garbage, taken, |session, stays, taken| {
            if !is_wanted(session) {
                return false;
            }
            if stays {
                *taken = session.share();
            }
            !stays || taken.is_some()
        });
    }

    /// Takes the newest session of a key. A single-use session is then the caller's alone.
    #[cfg(test)]
    pub(crate) fn take(&self, key: &Key<'_>) -> Option<Session> {
        let mut taken = None;
        self.take_at(key, self.clock.now(), &mut self.garbage(), &mut taken);
        taken
    }

    /// Takes the newest session of a key, for a caller that holds a lock of its own: it has read the time
    /// before, and drops what was over after, so that no foreign code runs here. `taken` is empty, and
    /// stays so if there is none.
    #[inline]
    pub(crate) fn take_at(
        &self,
        key: &Key<'_>,
        now: Time,
        garbage: &mut Garbage,
        taken: &mut Option<Session>,
    ) {
        self.newest(key, now, garbage, taken, |session, stays, taken| {
            if stays {
                *taken = session.share();
                return taken.is_some();
            }
            true
        });
    }

    #[inline]
    fn newest(
        &self,
        key: &Key<'_>,
        now: Time,
        garbage: &mut Garbage,
        taken: &mut Option<Session>,
        take: impl FnOnce(&Session, bool, &mut Option<Session>) -> bool,
    ) -> Option<bool> {
        let era = self.era();
        let mut visit = era.visit(now, &self.options, garbage);
        let found = era.shard(key).lock().newest(key, taken, take, &mut visit);
        if found == Some(true) {
            garbage.tell(EventKind::Offered, 1, key);
        }
        found
    }

    #[must_use]
    pub(crate) fn available(&self, key: &Key<'_>) -> usize {
        self.available_at(key, self.clock.now())
    }

    pub(crate) fn available_at(&self, key: &Key<'_>, now: Time) -> usize {
        self.era().shard(key).lock().available(key, now)
    }

    /// Drops all that a key has; false: it had nothing.
    pub(crate) fn remove(&self, key: &Key<'_>) -> bool {
        let now = self.clock.now();
        let era = self.era();
        let mut garbage = self.garbage();
        let mut visit = era.visit(now, &self.options, &mut garbage);
        era.shard(key).lock().remove(key, &mut visit) != 0
    }

    /// Drops the sessions of a lineage.
    pub(crate) fn remove_lineage(&self, key: &Key<'_>, lineage: u64) {
        self.remove_where(key, |session| session.lineage.id == lineage);
    }

    /// Drops the reusable session of a key.
    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn remove_reusable(&self, key: &Key<'_>) {
        self.remove_where(key, |session| session.kind == Kind::Reusable);
    }

    fn remove_where(&self, key: &Key<'_>, which: impl Fn(&Session) -> bool) {
        let now = self.clock.now();
        let era = self.era();
        let mut garbage = self.garbage();
        let mut visit = era.visit(now, &self.options, &mut garbage);
        era.shard(key)
            .lock()
            .remove_sessions(key, which, &mut visit);
    }

    /// Drops what is over, and says how many sessions that were.
    pub(crate) fn clear_expired(&self) -> u64 {
        let now = self.clock.now();
        let era = self.era();
        let expired = era.shards.iter().map(|shard| {
            let mut garbage = self.garbage();
            let mut visit = era.visit(now, &self.options, &mut garbage);
            let mut state = shard.lock();
            let before = state.stats.expired;
            state.purge_all(&mut visit);
            state.stats.expired - before
        });
        expired.sum()
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        let now = self.clock.now();
        let era = self.era();
        for shard in &era.shards {
            let mut garbage = self.garbage();
            let mut visit = era.visit(now, &self.options, &mut garbage);
            shard.lock().clear(&mut visit);
        }
    }

    /// Shows to `copy` all sessions under keys that begin so, those of the least recently used key first
    /// and of each key the oldest first. If it says that all is well, those that are single-use and kept
    /// as bytes leave, at the same moment; the answer is how many sessions are kept as objects.
    ///
    /// All shards are locked meanwhile, so `copy` does nothing but copy.
    pub(crate) fn move_out<E>(
        &self,
        space: Space,
        prefix: &[u8],
        copy: impl FnOnce(&[(&[u8], &Session)], Time) -> Result<(), E>,
    ) -> Result<usize, E> {
        let now = self.clock.now();
        let era = self.era();
        let mut garbage = self.garbage();
        let mut visit = era.visit(now, &self.options, &mut garbage);
        // In this order always; nobody else has more than one.
        let mut shards: Vec<_> = era.shards.iter().map(Shard::lock).collect();
        for shard in &mut shards {
            shard.purge_all(&mut visit);
        }
        let mut entries: Vec<_> = shards
            .iter()
            .flat_map(|shard| shard.entries(space, prefix))
            .collect();
        entries.sort_by_key(|entry| entry.used);
        let sessions: Vec<(&[u8], &Session)> = entries
            .iter()
            .flat_map(|entry| entry.sessions.iter().map(|session| (&*entry.key, session)))
            .collect();
        copy(&sessions, now)?;
        let objects = sessions.iter().filter(|(_, session)| session.is_object());
        let objects = objects.count();
        for shard in &mut shards {
            shard.move_out(space, prefix, &mut visit);
        }
        drop(shards);
        Ok(objects)
    }

    /// Drops everything, and keeps nothing from here on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Release);
        self.clear();
    }

    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Tells the listener, if there is one, what happened to a key. The caller holds no lock.
    #[inline]
    pub(crate) fn tell(&self, key: &Key<'_>, kind: EventKind, count: u64) {
        if let Some(listener) = &self.listener {
            listener(&Event {
                kind,
                count,
                space: key.space,
                key: key.bytes,
            });
        }
    }

    /// A place for what is to be done after a lock is gone, to be made before it is taken.
    #[inline]
    pub(crate) fn garbage(&self) -> Garbage<'_> {
        Garbage::new(self.listener.as_ref())
    }

    /// Changes the statistics of the shard that a key is in.
    pub(crate) fn count(&self, key: &Key<'_>, change: impl FnOnce(&mut Stats)) {
        change(&mut self.era().shard(key).lock().stats);
    }

    #[must_use]
    pub(crate) fn stats(&self) -> Stats {
        let era = self.era();
        let mut all = Stats::default();
        for shard in &era.shards {
            let state = shard.lock();
            all.add(&state.stats);
            all.sessions += state.sessions() as u64;
        }
        all.endpoints = era.usage.endpoints() as u64;
        all.bytes = era.usage.bytes() as u64;
        all
    }

    /// `counted` is how it counts if it is taken in.
    fn insert(
        &self,
        key: &Key<'_>,
        mut session: Session,
        now: Time,
        counted: impl Fn(&mut Stats),
    ) -> Result<(), Discard> {
        let era = self.era();
        let shard = era.shard(key);
        self.admit(0, session.size)?;
        let hash = |bytes: &[u8]| self.hash(bytes);
        // Dropped after the lock is gone, whichever way this ends, and not before: foreign code that
        // stores something each time that something goes would take the room again and again.
        let mut garbage = self.garbage();
        let mut visit = era.visit(now, &self.options, &mut garbage);
        loop {
            let mut state = shard.lock();
            // Under the lock, so that nothing comes in behind `close`.
            if self.is_closed() {
                drop(state);
                return Err(Discard::Closed);
            }
            state.sweep(&mut visit);
            let done = state.insert(key, session, era.oldest(key), hash, &mut visit);
            match done {
                Insertion::Done => {
                    counted(&mut state.stats);
                    return Ok(());
                }
                Insertion::Displaced(session) => {
                    counted(&mut state.stats);
                    state.stats.displaced += 1;
                    visit.garbage.push(session);
                    return Ok(());
                }
                Insertion::Full(back) => session = back,
            }
            drop(state);
            if !era.evict(key, &mut visit) {
                let mut state = shard.lock();
                if !state.drop_oldest(key, session.received, &mut visit) {
                    counted(&mut state.stats);
                    state.stats.evicted += 1;
                    visit.garbage.tell(EventKind::Evicted, 1, key);
                    drop(state);
                    return Ok(());
                }
            }
        }
    }

    #[inline]
    fn era(&self) -> &Era {
        self.era.get(|| Era::new(&self.options))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
