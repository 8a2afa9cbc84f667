//! The engine: a bounded, thread-safe store of sessions by key. Knows neither C nor TLS.

mod key;
mod lifetime;
mod options;
mod secret;
mod session;
mod shard;
mod stats;
mod sync;
mod time;
mod usage;

pub use key::{Key, Space};
pub(crate) use lifetime::expiry;
pub use lifetime::{Lifetime, Lineage};
pub use options::Options;
pub use secret::SecretBytes;
pub use session::{Kind, Payload, Session};
pub use stats::{Discard, Stats};
pub use time::{Clock, Time};

use crate::platform;
use once_cell::race::OnceBox;
use secret::Arena;
use shard::{Eviction, Garbage, Insertion, Item, Shard};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use sync::{AtomicBool, AtomicU64};
use usage::Usage;

/// A bounded store of sessions.
///
/// Payloads are dropped, and the clock is read, only while no lock is held: both may be foreign code,
/// and may call back.
pub struct Cache {
    options: Options,
    clock: Clock,
    hasher: RandomState,
    closed: AtomicBool,
    lineages: AtomicU64,
    /// What this process keeps, or the parent it was forked from.
    era: Era,
}

/// What one process keeps. A forked child leaves its parent's alone, locks and all, and begins anew.
struct Era {
    generation: u32,
    shards: Vec<Shard>,
    usage: Usage,
    /// Counts the endpoints that came in; see `Stamp`.
    epoch: AtomicU64,
    arena: Arc<Arena>,
    child: OnceBox<Era>,
}

impl Cache {
    #[must_use]
    pub fn new(options: Options, clock: Clock) -> Self {
        Self {
            options,
            clock,
            hasher: RandomState::new(),
            closed: AtomicBool::new(false),
            lineages: AtomicU64::new(1),
            era: Era::new(&options),
        }
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The key of these bytes in this cache.
    #[inline]
    #[must_use]
    pub fn key<'a>(&self, space: Space, bytes: &'a [u8]) -> Key<'a> {
        Key {
            hash: self.hash(space, bytes),
            space,
            bytes,
        }
    }

    #[inline]
    fn hash(&self, space: Space, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        hasher.write_u8(space as u8);
        hasher.finish()
    }

    /// A lineage that begins with a full handshake at `begun`.
    pub fn new_lineage(&self, begun: Time) -> Lineage {
        Lineage {
            id: self.lineages.fetch_add(1, Relaxed),
            ends: begun.plus_seconds(self.options.max_lineage_age_seconds),
        }
    }

    /// A copy of a session's bytes, in memory for secrets.
    pub fn keep(&self, bytes: &[u8]) -> Result<SecretBytes, Discard> {
        self.admit(bytes.len())?;
        self.era().arena.keep(bytes).ok_or(Discard::NoMemory)
    }

    /// Whether a session of this size may come in at all.
    pub fn admit(&self, size: usize) -> Result<(), Discard> {
        if !self.options.enabled {
            Err(Discard::Disabled)
        } else if self.is_closed() {
            Err(Discard::Closed)
        } else if size as u64
            > u64::from(self.options.max_session_bytes).min(self.options.max_bytes)
        {
            Err(Discard::TooLarge)
        } else {
            Ok(())
        }
    }

    /// Stores a session, evicting what it must.
    pub fn put(&self, key: &Key<'_>, session: Session) -> Result<(), Discard> {
        let now = self.clock.now();
        let done = if session.expires <= now {
            Err(Discard::Lifetime)
        } else {
            self.insert(key, &Item::Session(&Arc::new(session)), now)
        };
        self.count(key, |stats| match done {
            Ok(()) => stats.stored += 1,
            Err(why) => stats.discard(why, 1),
        });
        done
    }

    /// Puts back a single-use session that was taken and never used. Does nothing for a reusable one:
    /// it never left.
    pub fn put_back(&self, key: &Key<'_>, session: &Arc<Session>) {
        if session.kind == Kind::Reusable {
            return;
        }
        let now = self.clock.now();
        let kept = session.expires > now && self.insert(key, &Item::Session(session), now).is_ok();
        self.count(key, |stats| match kept {
            true => stats.returned += 1,
            false => stats.expired += 1,
        });
    }

    /// Keeps something small for an endpoint, as long as it is known. 0 is nothing.
    pub fn put_note(&self, key: &Key<'_>, note: u16) {
        if self.options.enabled && note != 0 {
            let _ = self.insert(key, &Item::Note(note), self.clock.now());
        }
    }

    #[must_use]
    pub fn note(&self, key: &Key<'_>) -> Option<u16> {
        let now = self.clock.now();
        self.era().shard(key).lock().note(key, now)
    }

    /// Shows the newest session of a key to `copy`, under a lock, so `copy` does nothing but copy. If
    /// it returns true the session counts as handed out, and a single-use one is gone. Returns what
    /// `copy` did; `None`: there is no session.
    #[inline]
    pub fn copy_out(
        &self,
        key: &Key<'_>,
        copy: impl FnOnce(&Session, Time) -> bool,
    ) -> Option<bool> {
        let now = self.clock.now();
        let (copied, _) = self.newest(key, now, |session| copy(session, now).then_some(()))?;
        Some(copied.is_some())
    }

    /// Takes the newest session of a key. A single-use session is then the caller's alone.
    #[inline]
    pub fn take(&self, key: &Key<'_>) -> Option<Arc<Session>> {
        let shared = |session: &Arc<Session>| match session.kind {
            Kind::Reusable => Some(Some(Arc::clone(session))),
            Kind::SingleUse => Some(None),
        };
        let (shared, own) = self.newest(key, self.clock.now(), shared)?;
        shared.flatten().or(own)
    }

    #[inline]
    fn newest<R>(
        &self,
        key: &Key<'_>,
        now: Time,
        take: impl FnOnce(&Arc<Session>) -> Option<R>,
    ) -> Option<(Option<R>, Option<Arc<Session>>)> {
        let era = self.era();
        let mut garbage = Garbage::new();
        era.shard(key)
            .lock()
            .newest(key, now, &era.epoch, &era.usage, &mut garbage, take)
    }

    #[must_use]
    pub fn available(&self, key: &Key<'_>) -> usize {
        let now = self.clock.now();
        self.era().shard(key).lock().available(key, now)
    }

    /// Drops all that a key has; false: it had nothing.
    pub fn remove(&self, key: &Key<'_>) -> bool {
        let era = self.era();
        let mut garbage = Garbage::new();
        let removed = era.shard(key).lock().remove(key, &era.usage, &mut garbage);
        removed.is_some_and(|sessions| sessions != 0)
    }

    /// Drops the sessions of a lineage.
    pub fn remove_lineage(&self, key: &Key<'_>, lineage: u64) {
        self.remove_where(key, |session| session.lineage.id == lineage);
    }

    /// Drops the reusable session of a key.
    pub fn remove_reusable(&self, key: &Key<'_>) {
        self.remove_where(key, |session| session.kind == Kind::Reusable);
    }

    fn remove_where(&self, key: &Key<'_>, which: impl Fn(&Session) -> bool) {
        let now = self.clock.now();
        let era = self.era();
        let mut garbage = Garbage::new();
        let mut state = era.shard(key).lock();
        let removed = state.drop_sessions(key, now, &era.usage, &mut garbage, which);
        state.stats.removed += removed;
    }

    /// Drops everything.
    pub fn clear(&self) {
        let era = self.era();
        for shard in &era.shards {
            let mut garbage = Garbage::new();
            shard.lock().clear(&era.usage, &mut garbage);
        }
    }

    /// Drops everything, and keeps nothing from here on.
    pub fn close(&self) {
        self.closed.store(true, Release);
        self.clear();
    }

    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Changes the statistics of the shard that a key is in.
    pub fn count(&self, key: &Key<'_>, change: impl FnOnce(&mut Stats)) {
        change(&mut self.era().shard(key).lock().stats);
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        let era = self.era();
        let mut all = Stats::default();
        for shard in &era.shards {
            let state = shard.lock();
            all += state.stats;
            all.sessions += state.sessions() as u64;
        }
        all.endpoints = era.usage.endpoints() as u64;
        all.bytes = era.usage.bytes() as u64;
        all
    }

    fn insert(&self, key: &Key<'_>, item: &Item<'_>, now: Time) -> Result<(), Discard> {
        let era = self.era();
        let shard = era.shard(key);
        let size = match item {
            Item::Session(session) => session.size,
            Item::Note(_) => 0,
        };
        self.admit(size)?;
        loop {
            let mut garbage = Garbage::new();
            {
                let mut state = shard.lock();
                // Under the lock, so that nothing comes in behind `close`.
                if self.is_closed() {
                    return Err(Discard::Closed);
                }
                state.sweep(now, &era.usage, &mut garbage);
                let hash = |stored: &key::StoredKey| self.hash(stored.space, &stored.bytes);
                match shard.insert(
                    &mut state,
                    key,
                    item,
                    now,
                    &era.epoch,
                    hash,
                    &self.options,
                    &era.usage,
                    &mut garbage,
                ) {
                    Insertion::Done => return Ok(()),
                    Insertion::Displaced => {
                        state.stats.displaced += 1;
                        return Ok(());
                    }
                    Insertion::Full => {}
                }
            }
            if !era.evict(key, now, &mut garbage) {
                shard.lock().drop_oldest(key, &era.usage, &mut garbage);
            }
        }
    }

    #[inline]
    fn era(&self) -> &Era {
        let generation = platform::generation();
        let mut era = &self.era;
        while era.generation != generation {
            era = era.child.get_or_init(|| Box::new(Era::new(&self.options)));
        }
        era
    }
}

impl Era {
    fn new(options: &Options) -> Self {
        let generation = platform::generation();
        Self {
            generation,
            shards: (0..shards(options)).map(|_| Shard::new()).collect(),
            usage: Usage::default(),
            epoch: AtomicU64::new(0),
            arena: Arena::new(generation),
            child: OnceBox::new(),
        }
    }

    #[inline]
    fn shard(&self, key: &Key<'_>) -> &Shard {
        // The table takes its bits from both ends of the hash, so these come from the middle.
        &self.shards[(key.hash >> 32) as usize & (self.shards.len() - 1)]
    }

    /// Drops something that is over, or else the least recently used endpoint; false: there is none
    /// but that of `key`, which room is wanted for.
    fn evict(&self, key: &Key<'_>, now: Time, garbage: &mut Garbage) -> bool {
        // Each shard tells since when its entries may be unused, at the earliest. One look either
        // evicts there or corrects that, so that another shard may be the next to look at.
        loop {
            let mut oldest = (shard::Stamp::NEVER, 0);
            let mut next = shard::Stamp::NEVER;
            for (at, shard) in self.shards.iter().enumerate() {
                let stamp = shard.oldest();
                if stamp < oldest.0 {
                    next = oldest.0;
                    oldest = (stamp, at);
                } else {
                    next = next.min(stamp);
                }
            }
            let (stamp, at) = oldest;
            if stamp == shard::Stamp::NEVER {
                return false;
            }
            match self.shards[at].evict(key, next, now, &self.usage, garbage) {
                Eviction::Done => return true,
                Eviction::OnlyItself => return false,
                Eviction::NotHere => {}
            }
        }
    }
}

/// How many shards a cache has: one where the order of use must be exact, and enough that threads on
/// different endpoints seldom meet where there are many.
fn shards(options: &Options) -> usize {
    const EXACT_UP_TO: u32 = 64;
    const ENDPOINTS_A_SHARD: u32 = 16;
    const MOST: u32 = 64;
    if options.max_endpoints <= EXACT_UP_TO {
        return 1;
    }
    (options.max_endpoints / ENDPOINTS_A_SHARD)
        .next_power_of_two()
        .min(MOST) as usize
}

impl Drop for Era {
    fn drop(&mut self) {
        if self.generation != platform::generation() {
            // A parent's: its threads may have been in the middle of a change. Left as it is.
            std::mem::forget(std::mem::take(&mut self.shards));
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
