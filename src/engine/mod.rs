//! The engine: a bounded, thread-safe store of sessions by key. Knows neither C nor TLS.

mod bucket;
mod entry;
mod era;
mod event;
mod garbage;
mod key;
mod lifetime;
mod moved;
mod options;
mod reason;
mod secret;
mod session;
mod sessions;
mod shard;
mod stamp;
mod stats;
mod table;
mod time;
mod usage;
mod visit;
mod walk;

pub use event::EventKind;
pub(crate) use event::{Event, Listener};
pub(crate) use garbage::Garbage;
pub(crate) use key::{Key, OwnedKey, Space};
pub(crate) use lifetime::{Lifetime, Lineage, expiry, restored};
pub(crate) use moved::MovedOut;
pub use options::Options;
pub use reason::Reason;
pub(crate) use secret::SecretBytes;
pub(crate) use session::{Kind, Payload, Session, Uses};
pub(crate) use stats::Discard;
pub use stats::Stats;
#[cfg(feature = "capi")]
pub(crate) use stats::{each_stat, help};
pub(crate) use time::{Clock, Time};

use crate::sync::{AtomicBool, AtomicU64};
use crate::sys::{self, PerProcess};
use bucket::Bucket;
use era::Era;
use foldhash::fast::SeedableRandomState;
use session::Incoming;
use shard::{Insertion, State};
use std::cmp::Reverse;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use usage::Short;
use visit::Visit;
use walk::walk;

/// A bounded store of sessions.
///
/// Payloads are dropped, the clock is read and the listener told only while no lock is held: all of it
/// may be foreign code, and may call back.
pub(crate) struct Engine {
    options: Options,
    clock: Clock,
    listener: Option<Listener>,
    hasher: SeedableRandomState,
    closed: AtomicBool,
    lineages: AtomicU64,
    /// How often everything was dropped.
    clears: AtomicU64,
    era: PerProcess<Era>,
}

impl Engine {
    #[must_use]
    pub(crate) fn new(mut options: Options, clock: Clock, listener: Option<Listener>) -> Self {
        // Room for nothing at all is what `enabled` is for.
        options.max_endpoints = options.max_endpoints.max(1);
        options.max_sessions_per_endpoint = options.max_sessions_per_endpoint.max(1);
        options.max_bytes = options.bytes();
        let (seed, shared_seed) = sys::hash_seeds();
        Self {
            options,
            clock,
            listener,
            hasher: SeedableRandomState::with_seed(seed, shared_seed),
            closed: AtomicBool::new(false),
            // So that no two processes have one in common: sessions may go from one to the other. Not 0, and so
            // that there are enough for ever.
            lineages: AtomicU64::new((sys::random() >> 1).max(1)),
            clears: AtomicU64::new(0),
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

    /// Whether a look-up may run foreign code before it is done: a clock or a listener. What is dropped at its
    /// end may, too.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn calls_back(&self) -> bool {
        self.listener.is_some() || !matches!(self.clock, Clock::System)
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

    /// A copy of the bytes of a session of this key, in memory for secrets.
    pub(crate) fn keep(&self, key: &Key<'_>, bytes: &[u8]) -> Result<SecretBytes, Discard> {
        self.admit(bytes.len(), bytes.len())?;
        let era = self.era();
        let kept = era.arena.keep(key.place(), bytes);
        kept.ok_or(Discard::NoMemory)
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

    /// Sets aside room for a session that an attempt stages, which has staged `own` bytes before.
    pub(crate) fn stage(&self, own: usize, bytes: usize) -> bool {
        self.era().usage.stage(&self.options, own, bytes)
    }

    /// So much is staged no more.
    pub(crate) fn unstage(&self, bytes: usize) {
        self.era().usage.unstage(bytes);
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
            let counted = |stats: &mut Stats| stats.stored += 1;
            self.insert(key, now, &mut self.garbage(), session.own(), counted)
        };
        self.tell_stored(key, done)
    }

    /// Stores a copy of a session's bytes.
    pub(crate) fn put_bytes(
        &self,
        key: &Key<'_>,
        now: Time,
        session: Session<&[u8]>,
    ) -> Result<(), Discard> {
        let bytes = session.payload;
        // Dropped at the very end: the caller may hold nothing of the engine but what foreign code can free.
        let mut garbage = self.garbage();
        let done = match self.admit(bytes.len(), session.size) {
            Ok(()) if session.expires <= now => Err(Discard::Lifetime),
            Ok(()) => {
                let counted = |stats: &mut Stats| stats.stored += 1;
                let lent = session.with(Incoming::Lent(bytes));
                self.insert(key, now, &mut garbage, lent, counted)
            }
            Err(why) => Err(why),
        };
        match done {
            Ok(()) => garbage.tell(EventKind::Stored, 1, key),
            Err(why) => self.count(key, |stats| stats.discard(why, 1)),
        }
        done
    }

    #[inline]
    fn tell_stored(&self, key: &Key<'_>, done: Result<(), Discard>) -> Result<(), Discard> {
        match done {
            Ok(()) => self.tell(key, EventKind::Stored, 1),
            Err(why) => self.count(key, |stats| stats.discard(why, 1)),
        }
        done
    }

    /// Puts back a single-use session that was taken and never used.
    #[cfg(test)]
    pub(crate) fn put_back(&self, key: &Key<'_>, session: Session) {
        self.put_back_at(key, session, self.clock.now(), &mut self.garbage());
    }

    /// Puts back a single-use session that was taken and never used, for a caller that holds a lock of its own. A
    /// reusable one only goes: the cache still has it.
    pub(crate) fn put_back_at(
        &self,
        key: &Key<'_>,
        session: Session,
        now: Time,
        garbage: &mut Garbage<'_>,
    ) {
        if session.kind == Kind::Reusable || session.expires <= now {
            self.spoil(key, session, now, garbage);
            return;
        }
        let counted = |stats: &mut Stats| stats.returned += 1;
        let done = self.insert(key, now, garbage, session.own(), counted);
        if done.is_err() {
            // Closed meanwhile.
            self.count(key, |stats| {
                stats.returned += 1;
                stats.removed += 1;
            });
        }
    }

    /// Drops a session that was taken and comes back when it is of no use any more: it is over, or its lineage
    /// was refused. A reusable one was never away.
    pub(crate) fn spoil(
        &self,
        key: &Key<'_>,
        session: Session,
        now: Time,
        garbage: &mut Garbage<'_>,
    ) {
        let expired = session.expires <= now;
        if session.kind == Kind::SingleUse {
            self.count(key, |stats| {
                stats.returned += 1;
                stats.expired += u64::from(expired);
                stats.removed += u64::from(!expired);
            });
            if expired {
                garbage.tell(EventKind::Expired, 1, key);
            }
        }
        garbage.push(session);
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
        let (mut garbage, mut taken) = (self.garbage(), None);
        let era = self.era();
        let mut visit = era.visit(now, &self.options, &mut garbage);
        let mut state = era.shard(key).lock();
        let show = |session: &Session, _, _: &mut _| copy(session, now);
        let found = state.newest(key, false, &mut taken, show, &mut visit);
        if let Some(left) = taken.and_then(|taken| taken.recycle(&mut state.stash)) {
            garbage.push(left);
        }
        drop(state);
        if found == Some(true) {
            garbage.tell(EventKind::Offered, 1, key);
        }
        found
    }

    /// Takes the newest session of a key if it `is_object`, and shows it to `look` under the lock.
    #[cfg(feature = "capi")]
    pub(crate) fn take_object(
        &self,
        key: &Key<'_>,
        is_object: fn(&Session) -> bool,
        look: &mut dyn FnMut(&Session, Time),
    ) -> Option<Session> {
        let now = self.clock.now();
        let (mut garbage, mut taken) = (self.garbage(), None);
        self.newest(
            key,
            now,
            false,
            &mut garbage,
            &mut taken,
            |session, stays, taken| {
                if !is_object(session) {
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
        self.newest(key, now, false, garbage, taken, |session, stays, taken| {
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
        self.take_at(
            key,
            self.clock.now(),
            false,
            &mut self.garbage(),
            &mut taken,
        );
        taken
    }

    /// Takes the newest session of a key, for a caller that holds a lock of its own: it has read the time
    /// before, and drops what was over after, so that no foreign code runs here. `taken` is empty, and
    /// stays so if there is none. `strict`: one for a single connection leaves, whatever the options say.
    #[inline]
    pub(crate) fn take_at(
        &self,
        key: &Key<'_>,
        now: Time,
        strict: bool,
        garbage: &mut Garbage,
        taken: &mut Option<Session>,
    ) {
        self.newest(key, now, strict, garbage, taken, |session, stays, taken| {
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
        strict: bool,
        garbage: &mut Garbage,
        taken: &mut Option<Session>,
        take: impl FnOnce(&Session, bool, &mut Option<Session>) -> bool,
    ) -> Option<bool> {
        let era = self.era();
        let mut visit = era.visit(now, &self.options, garbage);
        let found = era
            .shard(key)
            .lock()
            .newest(key, strict, taken, take, &mut visit);
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

    /// Whether all that a key has was given to connections before.
    pub(crate) fn is_used_at(&self, key: &Key<'_>, now: Time) -> bool {
        self.era().shard(key).lock().is_used(key, now)
    }

    /// Drops what was given to connections and stayed, though it is for one; for a caller that holds a lock of its
    /// own.
    pub(crate) fn remove_used_at(&self, key: &Key<'_>, now: Time, garbage: &mut Garbage<'_>) {
        self.change_shard(key, now, garbage, |state, visit| {
            state.remove_sessions(key, |session| session.uses.count != 0, visit);
        });
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
    #[cfg(test)]
    pub(crate) fn remove_lineage(&self, key: &Key<'_>, lineage: u64) {
        let garbage = &mut self.garbage();
        self.remove_lineage_at(key, lineage, self.clock.now(), garbage);
    }

    /// Drops the sessions of a lineage, for a caller that holds a lock of its own.
    pub(crate) fn remove_lineage_at(
        &self,
        key: &Key<'_>,
        lineage: u64,
        now: Time,
        garbage: &mut Garbage<'_>,
    ) {
        self.change_shard(key, now, garbage, |state, visit| {
            state.remove_sessions(key, |session| session.lineage.id == lineage, visit);
        });
    }

    /// Has the sessions of a lineage end when it does, which is earlier than was known; for such a caller, too.
    pub(crate) fn bound_lineage_at(
        &self,
        key: &Key<'_>,
        lineage: Lineage,
        now: Time,
        garbage: &mut Garbage<'_>,
    ) {
        self.change_shard(key, now, garbage, |state, visit| {
            state.bound_lineage(key, lineage, visit);
        });
    }

    /// Drops the reusable session of a key.
    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn remove_reusable(&self, key: &Key<'_>) {
        let now = self.clock.now();
        self.change_shard(key, now, &mut self.garbage(), |state, visit| {
            state.remove_sessions(key, |session| session.kind == Kind::Reusable, visit);
        });
    }

    fn change_shard(
        &self,
        key: &Key<'_>,
        now: Time,
        garbage: &mut Garbage,
        change: impl FnOnce(&mut State, &mut Visit<'_, '_>),
    ) {
        let era = self.era();
        let mut visit = era.visit(now, &self.options, garbage);
        change(&mut era.shard(key).lock(), &mut visit);
    }

    /// Drops what is over, and says how many sessions that were.
    pub(crate) fn clear_expired(&self) -> u64 {
        let now = self.clock.now();
        let era = self.era();
        let mut expired = 0;
        walk(&era.shards, |shard, progress| {
            let mut garbage = self.garbage();
            let mut visit = era.visit(now, &self.options, &mut garbage);
            let mut state = shard.lock();
            let before = state.stats.expired;
            state.purge_some(progress, &mut visit);
            expired += state.stats.expired - before;
        });
        expired
    }

    /// How often everything was dropped: what was taken and has another number is not to be offered.
    pub(crate) fn clears(&self) -> u64 {
        self.clears.load(Acquire)
    }

    /// Drops everything. A shard is emptied at once, and its sessions are wiped when its lock is gone.
    pub(crate) fn clear(&self) {
        self.clears.fetch_add(1, Release);
        let now = self.clock.now();
        let era = self.era();
        let (mut expired, mut removed) = (0, 0);
        let mut wipe = |bucket: Bucket| {
            let mut entry = bucket.into_entry();
            let mut garbage = self.garbage();
            let mut visit = era.visit(now, &self.options, &mut garbage);
            expired += entry.expire(&mut visit);
            removed += entry.sessions.len() as u64;
        };
        let mut buckets = Vec::new();
        for shard in &era.shards {
            let table = shard.lock().detach(&era.usage);
            if buckets.try_reserve(table.len()).is_ok() {
                buckets.extend(table);
            } else {
                table.into_iter().for_each(&mut wipe);
            }
        }
        // From the end of the heap on, which so becomes one piece that shrinks. In any other order it falls into as
        // many pieces as there are entries, and the next thread that asks for memory has them to sort: with glibc,
        // ten thousand at a time.
        buckets.sort_unstable_by_key(|bucket| Reverse(bucket.place()));
        buckets.into_iter().for_each(wipe);
        let stats = &mut era.shards[0].lock().stats;
        stats.expired += expired;
        stats.removed += removed;
    }

    /// Shows all sessions under keys that begin so. Under a lock, so `look` does nothing but look; a bounded
    /// number of them at a time, so what comes or goes meanwhile is shown or not, and may be shown twice if
    /// it stays.
    pub(crate) fn each(
        &self,
        space: Space,
        prefix: &[u8],
        mut look: impl FnMut(&[u8], &Session, Time),
    ) {
        let now = self.clock.now();
        walk(&self.era().shards, |shard, progress| {
            let mut state = shard.lock();
            state.look_at_some(progress, (space, prefix), |entry| {
                let alive = entry
                    .sessions
                    .iter()
                    .filter(|session| session.expires > now);
                alive.for_each(|session| look(&entry.key, session, now));
            });
        });
    }

    /// Takes out the single-use sessions under keys that begin so, and copies the reusable ones, those of
    /// the least recently used key first and of each key the oldest first; objects stay. A bounded number
    /// under a lock at a time, as `each`. What was taken is counted when the caller says what became of it,
    /// with `moved` or `move_back`.
    pub(crate) fn move_out(&self, space: Space, prefix: &[u8], now: Time) -> MovedOut {
        let era = self.era();
        let mut out = MovedOut::default();
        walk(&era.shards, |shard, progress| {
            out.grow();
            let mut garbage = self.garbage();
            let mut visit = era.visit(now, &self.options, &mut garbage);
            let of = (space, prefix);
            shard.lock().move_some(progress, of, &mut visit, &mut out);
        });
        out.sort();
        out
    }

    /// The same for one key: at most so many single-use sessions, the oldest first.
    #[cfg(agent)]
    pub(crate) fn move_out_of(&self, key: &Key<'_>, most: usize, now: Time) -> MovedOut {
        let era = self.era();
        let (mut out, mut garbage) = (MovedOut::default(), self.garbage());
        out.grow();
        let mut visit = era.visit(now, &self.options, &mut garbage);
        era.shard(key)
            .lock()
            .move_of(key, most, &mut visit, &mut out);
        out
    }

    /// What was moved out is somebody else's from here on.
    pub(crate) fn moved(&self, space: Space, out: MovedOut) {
        for moved in out.sessions.iter().filter(|moved| moved.has_left()) {
            self.count(&self.key(space, &moved.key), |stats| stats.removed += 1);
        }
    }

    /// Puts back what was moved out, as if nothing had been.
    pub(crate) fn move_back(&self, space: Space, out: MovedOut) {
        let now = self.clock.now();
        for moved in out.sessions {
            if moved.has_left() {
                let key = self.key(space, &moved.key);
                let garbage = &mut self.garbage();
                if self
                    .insert(&key, now, garbage, moved.session.own(), |_| {})
                    .is_err()
                {
                    self.count(&key, |stats| stats.removed += 1);
                }
            }
        }
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
        let mut spare = 0;
        for shard in &era.shards {
            let state = shard.lock();
            all.add(&state.stats);
            all.sessions += u64::from(state.held().sessions);
            spare += state.held().spare;
        }
        all.endpoints = era.usage.endpoints() as u64;
        all.bytes = era.usage.bytes().saturating_sub(spare) as u64;
        all.bytes_staged = era.usage.staged() as u64;
        all
    }

    /// `counted` is how the session counts if it is taken in. What goes for it is in `garbage`, which is dropped
    /// after, whichever way this ends: foreign code that stores something each time that something goes would take
    /// the room again and again.
    fn insert(
        &self,
        key: &Key<'_>,
        now: Time,
        garbage: &mut Garbage<'_>,
        mut session: Session<Incoming<'_>>,
        counted: fn(&mut Stats),
    ) -> Result<(), Discard> {
        let era = self.era();
        let shard = era.shard(key);
        let hash = |bytes: &[u8]| self.hash(bytes);
        let mut visit = era.visit(now, &self.options, garbage);
        let mut state = shard.lock();
        loop {
            // Under the lock, so that nothing comes in behind `close`.
            if let Err(why) = self.admit(0, session.size) {
                visit.garbage.extend(session.take());
                return Err(why);
            }
            state.sweep(&mut visit);
            let oldest = era.oldest(key);
            let short = match state.insert(key, &mut session, oldest, hash, &mut visit) {
                Insertion::Done => {
                    counted(&mut state.stats);
                    return Ok(());
                }
                Insertion::Displaced => {
                    counted(&mut state.stats);
                    state.stats.displaced += 1;
                    visit.garbage.extend(session.take());
                    return Ok(());
                }
                Insertion::Full(short) => short,
                Insertion::NoMemory => {
                    visit.garbage.extend(session.take());
                    return Err(Discard::NoMemory);
                }
            };
            drop(state);
            let spare = match short {
                Short::OfEndpoints => false,
                Short::OfBytes(bytes) => era.take_spare(key, bytes),
            };
            if !spare && !era.evict(key, &mut visit) {
                state = shard.lock();
                if !state.drop_oldest(key, session.received, &mut visit) {
                    counted(&mut state.stats);
                    state.stats.evicted += 1;
                    visit.garbage.tell(EventKind::Evicted, 1, key);
                    visit.garbage.extend(session.take());
                    return Ok(());
                }
                drop(state);
            }
            state = shard.lock();
        }
    }

    /// The books balance, and what is in use is what is there. Only at a quiet moment.
    #[cfg(test)]
    pub(crate) fn check_books(&self) {
        let stats = self.stats();
        let came = stats.stored + stats.returned;
        let dropped = stats.expired + stats.evicted + stats.displaced + stats.removed;
        assert_eq!(came, stats.taken + dropped + stats.sessions, "{stats:?}");
        assert!(stats.taken <= stats.offered && stats.returned <= stats.taken);
        let (mut endpoints, mut sessions, mut bytes) = (0, 0, 0);
        for shard in &self.era().shards {
            shard.lock().each(|entry| {
                endpoints += 1;
                sessions += entry.sessions.len() as u64;
                bytes += entry
                    .sessions
                    .iter()
                    .map(|one| one.size as u64)
                    .sum::<u64>();
            });
        }
        let found = (endpoints, sessions, bytes);
        assert_eq!(
            (stats.endpoints, stats.sessions, stats.bytes),
            found,
            "{stats:?}"
        );
    }

    #[inline]
    fn era(&self) -> &Era {
        self.era.get(|| Era::new(&self.options))
    }
}

/// So every test ends with its books checked: nothing else uses an engine that is dropped.
#[cfg(test)]
impl Drop for Engine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_books();
            assert_eq!(self.era().usage.staged(), 0, "no attempt is left");
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
