//! One part of the cache: a table under a lock. What one endpoint has is in one shard.

use super::key::{Key, StoredKey};
use super::sync::{AtomicU64, Mutex, MutexGuard};
use super::usage::Usage;
use super::{Kind, Options, Session, Stats, Time};
use hashbrown::HashTable;
use hashbrown::hash_table::{Entry as Slot, OccupiedEntry};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Sessions that left the table. Dropping them may run foreign code, so the caller does it after the
/// lock is gone.
pub(super) type Garbage = SmallVec<[Arc<Session>; 4]>;

/// When an endpoint was last used, for finding the least recently used one.
///
/// The upper 40 bits count the endpoints that came into the cache, shared by all shards; the lower 24
/// order the uses within one shard between two of these. So a use costs one store and no shared
/// counter is written, and two endpoints of different shards can be mistaken for each other only if no
/// endpoint came in between their last uses. With one shard the order is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(pub(super) u64);

impl Stamp {
    pub(super) const NEVER: Stamp = Stamp(u64::MAX);
    const USES: u64 = (1 << 24) - 1;
}

/// What is kept for one endpoint (and config).
pub(super) struct Entry {
    key: StoredKey,
    used: Stamp,
    /// Nothing in here is over before this; may be too early. An entry that has only its note left is
    /// over then.
    soonest: Time,
    /// Oldest first. Never empty, except for an entry that has a note.
    sessions: SmallVec<[Arc<Session>; 2]>,
    /// Something small that the TLS stack wants to know again; 0 is nothing.
    note: u16,
}

pub(super) struct State {
    table: HashTable<Entry>,
    last: Stamp,
    /// The bucket at which the next look for expired entries begins.
    sweep: usize,
    pub(super) stats: Stats,
}

/// Aligned so that two shards never share a cache line (or the pair that is fetched together).
#[repr(align(128))]
pub(super) struct Shard {
    state: Mutex<State>,
    /// No entry was used before this. Touching an entry leaves it as it is, so it may be too early.
    oldest: AtomicU64,
}

/// What became of an attempt to evict from a shard.
pub(super) enum Eviction {
    /// An endpoint went.
    Done,
    /// There was nothing, or all of it was used after the given stamp.
    NotHere,
    /// All that there is, is the endpoint that room is wanted for.
    OnlyItself,
}

pub(super) enum Insertion {
    Done,
    /// Older than all that its endpoint has, and that is full: it was not taken in.
    Displaced,
    /// There is no room: evict something and try again.
    Full,
}

/// What is put into an entry.
pub(super) enum Item<'a> {
    Session(&'a Arc<Session>),
    Note(u16),
}

impl Shard {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                table: HashTable::new(),
                last: Stamp(0),
                sweep: 0,
                stats: Stats::default(),
            }),
            oldest: AtomicU64::new(Stamp::NEVER.0),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn oldest(&self) -> Stamp {
        Stamp(self.oldest.load(Relaxed))
    }

    /// Drops what is over in this shard or, if nothing is, its least recently used endpoint, unless
    /// all were used after `limit`.
    pub(super) fn evict(
        &self,
        key: &Key<'_>,
        limit: Stamp,
        now: Time,
        usage: &Usage,
        garbage: &mut Garbage,
    ) -> Eviction {
        let mut state = self.lock();
        if state.purge_all(now, usage, garbage) {
            return Eviction::Done;
        }
        let (mut oldest, mut next) = ((Stamp::NEVER, 0), Stamp::NEVER);
        for bucket in 0..state.table.num_buckets() {
            let Some(entry) = state.table.get_bucket(bucket) else {
                continue;
            };
            if entry.used < oldest.0 {
                next = oldest.0;
                oldest = (entry.used, bucket);
            } else {
                next = next.min(entry.used);
            }
        }
        let (used, bucket) = oldest;
        if used > limit || used == Stamp::NEVER {
            self.oldest.store(used.0, Relaxed);
            return Eviction::NotHere;
        }
        let State { table, stats, .. } = &mut *state;
        let Ok(slot) = table.get_bucket_entry(bucket) else {
            return Eviction::NotHere;
        };
        if slot.get().key.is(key) {
            return Eviction::OnlyItself;
        }
        stats.evicted += remove(slot, usage, garbage);
        self.oldest.store(next.0, Relaxed);
        Eviction::Done
    }

    /// Puts something into the entry of a key, which it makes if need be. Takes `state`, the locked
    /// state of this shard.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is looked at under one lock"
    )]
    pub(super) fn insert(
        &self,
        state: &mut State,
        key: &Key<'_>,
        item: &Item<'_>,
        now: Time,
        epoch: &AtomicU64,
        hash: impl Fn(&StoredKey) -> u64,
        options: &Options,
        usage: &Usage,
        garbage: &mut Garbage,
    ) -> Insertion {
        let stamp = state.stamp(epoch);
        let State {
            table, stats, last, ..
        } = state;
        let slot = table.entry(
            key.hash,
            |entry| entry.key.is(key),
            |entry| hash(&entry.key),
        );
        match *item {
            Item::Note(note) => match slot {
                Slot::Occupied(mut slot) => slot.get_mut().note = note,
                Slot::Vacant(slot) => {
                    if !usage.reserve(options, true, 0) {
                        return Insertion::Full;
                    }
                    let mut entry = Entry::new(key, stamp);
                    entry.note = note;
                    entry.soonest = now.plus_seconds(options.ttl_seconds);
                    slot.insert(entry);
                    self.came(stamp, epoch);
                }
            },
            Item::Session(session) => match slot {
                Slot::Occupied(mut slot) => {
                    let entry = slot.get_mut();
                    entry.used = stamp;
                    stats.expired += entry.expire(now, usage, garbage);
                    let room = entry.make_room(session, options, usage, garbage);
                    stats.displaced += room.displaced;
                    if room.too_old {
                        return Insertion::Displaced;
                    }
                    if !usage.reserve(options, false, session.size) {
                        // Others go first, in whichever shard they are.
                        *last = Stamp((epoch.fetch_add(1, Relaxed) + 1) << 24);
                        entry.used = *last;
                        return Insertion::Full;
                    }
                    entry.add(session);
                }
                Slot::Vacant(slot) => {
                    if !usage.reserve(options, true, session.size) {
                        return Insertion::Full;
                    }
                    let mut entry = Entry::new(key, stamp);
                    entry.add(session);
                    slot.insert(entry);
                    self.came(stamp, epoch);
                }
            },
        }
        Insertion::Done
    }

    /// An endpoint came in: the next use anywhere counts as later than all before.
    fn came(&self, stamp: Stamp, epoch: &AtomicU64) {
        self.oldest.fetch_min(stamp.0, Relaxed);
        epoch.fetch_add(1, Relaxed);
    }
}

impl State {
    /// The stamp of a use that happens now.
    #[inline]
    fn stamp(&mut self, epoch: &AtomicU64) -> Stamp {
        let first = Stamp(epoch.load(Relaxed) << 24);
        self.last = if first > self.last {
            first
        } else if self.last.0 & Stamp::USES < Stamp::USES {
            Stamp(self.last.0 + 1)
        } else {
            // Sixteen million uses and no new endpoint: begin a new count.
            Stamp((epoch.fetch_add(1, Relaxed) + 1) << 24)
        };
        self.last
    }

    /// Shows `take` the newest session of a key. If it takes it, that was a use, and a single-use
    /// session leaves the table and is returned. `None`: there is none.
    #[inline]
    pub(super) fn newest<R>(
        &mut self,
        key: &Key<'_>,
        now: Time,
        epoch: &AtomicU64,
        usage: &Usage,
        garbage: &mut Garbage,
        take: impl FnOnce(&Arc<Session>) -> Option<R>,
    ) -> Option<(Option<R>, Option<Arc<Session>>)> {
        let stamp = self.stamp(epoch);
        let State { table, stats, .. } = self;
        let Ok(mut slot) = table.find_entry(key.hash, |entry| entry.key.is(key)) else {
            stats.missed += 1;
            return None;
        };
        let entry = slot.get_mut();
        if entry.soonest <= now {
            stats.expired += entry.expire(now, usage, garbage);
        }
        let Some(session) = entry.sessions.last() else {
            stats.missed += 1;
            if entry.is_over(now) {
                remove(slot, usage, garbage);
            }
            return None;
        };
        let Some(taken) = take(session) else {
            return Some((None, None));
        };
        let kind = session.kind;
        stats.offered += 1;
        entry.used = stamp;
        if kind == Kind::Reusable {
            return Some((Some(taken), None));
        }
        let session = entry.sessions.pop();
        if let Some(session) = &session {
            usage.release(false, session.size);
        }
        if entry.is_over(now) {
            remove(slot, usage, garbage);
        }
        Some((Some(taken), session))
    }

    /// How many sessions of a key could be offered now.
    pub(super) fn available(&self, key: &Key<'_>, now: Time) -> usize {
        let entry = self.table.find(key.hash, |entry| entry.key.is(key));
        entry.map_or(0, |entry| {
            entry.sessions.iter().filter(|s| s.expires > now).count()
        })
    }

    pub(super) fn note(&self, key: &Key<'_>, now: Time) -> Option<u16> {
        let entry = self.table.find(key.hash, |entry| entry.key.is(key))?;
        (entry.note != 0 && !entry.is_over(now)).then_some(entry.note)
    }

    /// Drops those sessions of a key that `which` names, and says how many.
    pub(super) fn drop_sessions(
        &mut self,
        key: &Key<'_>,
        now: Time,
        usage: &Usage,
        garbage: &mut Garbage,
        which: impl Fn(&Session) -> bool,
    ) -> u64 {
        let Ok(mut slot) = self.table.find_entry(key.hash, |entry| entry.key.is(key)) else {
            return 0;
        };
        let entry = slot.get_mut();
        let dropped = entry.extract(&which, usage, garbage);
        if entry.is_over(now) {
            remove(slot, usage, garbage);
        }
        dropped
    }

    /// Drops the oldest session of a key to make room for a newer one.
    pub(super) fn drop_oldest(&mut self, key: &Key<'_>, usage: &Usage, garbage: &mut Garbage) {
        let Some(entry) = self.table.find_mut(key.hash, |entry| entry.key.is(key)) else {
            return;
        };
        if !entry.sessions.is_empty() {
            let session = entry.sessions.remove(0);
            usage.release(false, session.size);
            self.stats.evicted += 1;
            garbage.push(session);
        }
    }

    /// Drops the whole entry of a key, and says how many sessions it had; `None`: there is no entry.
    pub(super) fn remove(
        &mut self,
        key: &Key<'_>,
        usage: &Usage,
        garbage: &mut Garbage,
    ) -> Option<u64> {
        let slot = self
            .table
            .find_entry(key.hash, |entry| entry.key.is(key))
            .ok()?;
        let dropped = remove(slot, usage, garbage);
        self.stats.removed += dropped;
        Some(dropped)
    }

    pub(super) fn clear(&mut self, usage: &Usage, garbage: &mut Garbage) {
        for entry in std::mem::take(&mut self.table) {
            usage.release(true, entry.bytes());
            self.stats.removed += entry.sessions.len() as u64;
            garbage.extend(entry.sessions);
        }
    }

    /// Looks at a few buckets, further on at each call, and drops what is over in them: without a
    /// thread of its own, the cache gives memory back as fast as it is filled.
    pub(super) fn sweep(&mut self, now: Time, usage: &Usage, garbage: &mut Garbage) {
        const BUCKETS_AT_A_TIME: usize = 4;
        let buckets = self.table.num_buckets();
        for _ in 0..BUCKETS_AT_A_TIME.min(buckets) {
            self.sweep = (self.sweep + 1) % buckets;
            self.purge(self.sweep, now, usage, garbage);
        }
    }

    fn purge_all(&mut self, now: Time, usage: &Usage, garbage: &mut Garbage) -> bool {
        let mut any = false;
        for bucket in 0..self.table.num_buckets() {
            any |= self.purge(bucket, now, usage, garbage);
        }
        any
    }

    /// Drops what is over in one bucket, and says whether that was anything.
    fn purge(&mut self, bucket: usize, now: Time, usage: &Usage, garbage: &mut Garbage) -> bool {
        let Ok(mut slot) = self.table.get_bucket_entry(bucket) else {
            return false;
        };
        let entry = slot.get_mut();
        if entry.soonest > now {
            return false;
        }
        let expired = entry.expire(now, usage, garbage);
        self.stats.expired += expired;
        let over = entry.is_over(now);
        if over {
            remove(slot, usage, garbage);
        }
        over || expired != 0
    }

    pub(super) fn sessions(&self) -> usize {
        self.table.iter().map(|entry| entry.sessions.len()).sum()
    }
}

/// What `Entry::make_room` did.
struct Room {
    displaced: u64,
    too_old: bool,
}

impl Entry {
    fn new(key: &Key<'_>, used: Stamp) -> Self {
        Self {
            key: StoredKey {
                bytes: key.bytes.into(),
                space: key.space,
            },
            used,
            soonest: Time::NEVER,
            sessions: SmallVec::new(),
            note: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.sessions.iter().map(|session| session.size).sum()
    }

    /// Takes a session in, in the order in which they were received: one that comes back goes to
    /// where it was.
    fn add(&mut self, session: &Arc<Session>) {
        let at = self
            .sessions
            .partition_point(|other| other.received <= session.received);
        self.soonest = self.soonest.min(session.expires);
        self.sessions.insert(at, Arc::clone(session));
    }

    /// Drops what a new session takes the place of.
    fn make_room(
        &mut self,
        session: &Session,
        options: &Options,
        usage: &Usage,
        garbage: &mut Garbage,
    ) -> Room {
        let mut displaced = 0;
        if session.kind == Kind::Reusable {
            // One is enough, it can be used again and again.
            displaced += self.extract(&|other| other.kind == Kind::Reusable, usage, garbage);
        }
        let full = self.sessions.len() >= options.max_sessions_per_endpoint as usize;
        let too_old = full && session.received < self.sessions[0].received;
        if full && !too_old {
            let oldest = self.sessions.remove(0);
            usage.release(false, oldest.size);
            garbage.push(oldest);
            displaced += 1;
        }
        Room { displaced, too_old }
    }

    fn expire(&mut self, now: Time, usage: &Usage, garbage: &mut Garbage) -> u64 {
        let expired = self.extract(&|session| session.expires <= now, usage, garbage);
        if let Some(soonest) = self.sessions.iter().map(|session| session.expires).min() {
            self.soonest = soonest;
        }
        expired
    }

    /// Whether there is nothing left that an entry would be kept for.
    fn is_over(&self, now: Time) -> bool {
        self.sessions.is_empty() && (self.note == 0 || self.soonest <= now)
    }

    fn extract(
        &mut self,
        which: &impl Fn(&Session) -> bool,
        usage: &Usage,
        garbage: &mut Garbage,
    ) -> u64 {
        let before = garbage.len();
        self.sessions.retain(|session| {
            let goes = which(session);
            if goes {
                usage.release(false, session.size);
                garbage.push(Arc::clone(session));
            }
            !goes
        });
        (garbage.len() - before) as u64
    }
}

/// Takes an entry out of the table, and says how many sessions it had.
fn remove(slot: OccupiedEntry<'_, Entry>, usage: &Usage, garbage: &mut Garbage) -> u64 {
    let (entry, _) = slot.remove();
    usage.release(true, entry.bytes());
    let dropped = entry.sessions.len() as u64;
    garbage.extend(entry.sessions);
    dropped
}
