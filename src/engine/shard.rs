//! One part of the cache: a table under a lock. What one key has is in one shard.

use super::bucket::Bucket;
use super::entry::Entry;
use super::event::EventKind;
use super::key::{Key, Space};
use super::stamp::{Stamp, Stamps};
use super::usage::Usage;
use super::visit::Visit;
use super::{Kind, Lineage, Session, Stats, Time};
use crate::sync::{AtomicU64, Mutex, MutexGuard};
use hashbrown::HashTable;
use hashbrown::hash_table::{Entry as Slot, OccupiedEntry};
use std::sync::atomic::Ordering::Relaxed;

/// In this order, a look-up changes nothing outside the cache line that the lock is in.
#[repr(C)]
pub(super) struct State {
    table: HashTable<Bucket>,
    stamps: Stamps,
    pub(super) stats: Stats,
    /// The bucket at which the next look for expired entries begins.
    sweep: usize,
}

/// Aligned so that two shards never share a cache line (or the pair that is fetched together).
#[repr(align(128))]
pub(super) struct Shard {
    state: Mutex<State>,
}

/// What became of an attempt to evict from a shard.
pub(super) enum Eviction {
    /// Something went.
    Done,
    /// There was nothing, or all of it was used after the given stamp.
    NotHere,
    /// All that there is, is the entry that room is wanted for.
    OnlyItself,
}

pub(super) enum Insertion {
    Done,
    /// Older than all that its entry has, and that is full: it was not taken in.
    Displaced(Session),
    /// There is no room: evict something and try again.
    Full(Session),
}

impl Shard {
    pub(super) fn new(stamps: Stamps) -> Self {
        Self {
            state: Mutex::new(State {
                table: HashTable::new(),
                stamps,
                stats: Stats::default(),
                sweep: 0,
            }),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Drops what is over in this shard or, if nothing is, its least recently used entry, unless all
    /// were used after `limit`. Says also what no entry was used before now.
    pub(super) fn evict(
        &mut self,
        key: &Key<'_>,
        limit: Stamp,
        visit: &mut Visit<'_, '_>,
    ) -> (Eviction, Stamp) {
        let table = &self.table;
        let mut any_over = false;
        let (mut oldest, mut next) = ((Stamp::NEVER, 0), Stamp::NEVER);
        for bucket in table.iter_buckets() {
            let Some(entry) = table.get_bucket(bucket) else {
                continue;
            };
            any_over |= entry.soonest <= visit.now;
            if entry.used < oldest.0 {
                next = oldest.0;
                oldest = (entry.used, bucket);
            } else {
                next = next.min(entry.used);
            }
        }
        let (used, bucket) = oldest;
        if any_over && self.purge_all(visit) {
            return (Eviction::Done, used);
        }
        if used > limit || used == Stamp::NEVER {
            return (Eviction::NotHere, used);
        }
        match self.table.get_bucket_entry(bucket) {
            Ok(slot) if slot.get().is_of(key) => (Eviction::OnlyItself, used),
            Ok(slot) => {
                let entry = slot.get();
                let sessions = entry.sessions.len() as u64;
                visit.garbage.tell_of(EventKind::Evicted, sessions, entry);
                self.stats.evicted += remove(slot, visit);
                (Eviction::Done, next)
            }
            Err(_) => (Eviction::NotHere, used),
        }
    }

    /// Puts a session into the entry of a key, which it makes if need be. `oldest` is what the era
    /// remembers of this shard, and `hash` hashes a key that the table has.
    pub(super) fn insert(
        &mut self,
        key: &Key<'_>,
        session: Session,
        oldest: &AtomicU64,
        hash: impl Fn(&[u8]) -> u64,
        visit: &mut Visit<'_, '_>,
    ) -> Insertion {
        let State {
            table,
            stats,
            stamps,
            ..
        } = self;
        let stamp = stamps.later(visit.epoch.load(Relaxed));
        // Before anything is reserved: who finds no room finds this shard, and waits for its lock.
        oldest.fetch_min(stamp.0, Relaxed);
        let size = session.size;
        match table.entry(key.hash, |entry| entry.is_of(key), |entry| hash(&entry.key)) {
            Slot::Occupied(mut slot) => {
                let bucket = slot.get_mut();
                let entry = &mut **bucket;
                entry.used = stamp;
                stats.expired += entry.expire(visit);
                let room = entry.make_room(&session, visit);
                stats.displaced += room.displaced;
                if room.too_old {
                    return Insertion::Displaced(session);
                }
                if !visit.usage.reserve(visit.options, false, size) {
                    // Others go first, in whichever shard they are.
                    entry.used = stamps.later(visit.epoch.fetch_add(1, Relaxed) + 1);
                    return Insertion::Full(session);
                }
                entry.add(session);
                bucket.mark_newest();
            }
            Slot::Vacant(slot) => {
                if !visit.usage.reserve(visit.options, true, size) {
                    return Insertion::Full(session);
                }
                let mut entry = Entry::new(key, stamp);
                entry.add(session);
                slot.insert(Bucket::new(entry));
                // The next use anywhere counts as later than all before.
                visit.epoch.fetch_add(1, Relaxed);
            }
        }
        Insertion::Done
    }

    /// Shows `take` the newest session of a key, with whether it stays in the table when it is used, and
    /// the place where a taken session goes. If it says true, that was a use, and a session that does
    /// not stay leaves the table for that place. The last one stays if it can be used again. Returns
    /// what `take` said; `None`: there is no session.
    #[inline]
    pub(super) fn newest(
        &mut self,
        key: &Key<'_>,
        taken: &mut Option<Session>,
        take: impl FnOnce(&Session, bool, &mut Option<Session>) -> bool,
        visit: &mut Visit<'_, '_>,
    ) -> Option<bool> {
        let State {
            table,
            stats,
            stamps,
            ..
        } = self;
        let Ok(mut slot) = table.find_entry(key.hash, |bucket| bucket.is_of(key)) else {
            stats.missed += 1;
            return None;
        };
        slot.get().fetch();
        if slot.get().soonest <= visit.now {
            let Some(left) = expire(slot, stats, visit) else {
                stats.missed += 1;
                return None;
            };
            slot = left;
        }
        let entry = &mut **slot.get_mut();
        // One is the usual case: the processor foresees that, and does not wait for the number.
        let (session, last) = match entry.sessions.as_slice() {
            [only] => (only, true),
            [.., newest] => (newest, false),
            [] => {
                stats.missed += 1;
                return None;
            }
        };
        let reusable = session.kind == Kind::Reusable;
        let stays = reusable || (last && session.is_reusable(visit.options));
        if !take(session, stays, taken) {
            return Some(false);
        }
        stats.offered += 1;
        if stays && !reusable {
            stats.reused += 1;
        }
        let used = stamps.used(visit.now, visit.epoch.load(Relaxed));
        if entry.used != used {
            entry.used = used;
        }
        if !stays {
            stats.taken += 1;
            pop(slot, visit.usage, taken);
        }
        Some(true)
    }

    /// Drops what is over of a key.
    fn expire(&mut self, key: &Key<'_>, visit: &mut Visit<'_, '_>) {
        if let Ok(slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) {
            expire(slot, &mut self.stats, visit);
        }
    }

    /// How many sessions of a key could be offered now.
    pub(super) fn available(&self, key: &Key<'_>, now: Time) -> usize {
        let entry = self.table.find(key.hash, |entry| entry.is_of(key));
        entry.map_or(0, |entry| {
            entry.sessions.iter().filter(|s| s.expires > now).count()
        })
    }

    /// Drops those sessions of a key that `which` names.
    pub(super) fn remove_sessions(
        &mut self,
        key: &Key<'_>,
        which: impl Fn(&Session) -> bool,
        visit: &mut Visit<'_, '_>,
    ) {
        self.expire(key, visit);
        let Ok(mut slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return;
        };
        self.stats.removed += slot.get_mut().extract(which, visit);
        if slot.get().is_over() {
            remove(slot, visit);
        }
    }

    /// Has the sessions of a lineage end when it does.
    pub(super) fn bound_lineage(
        &mut self,
        key: &Key<'_>,
        lineage: Lineage,
        visit: &mut Visit<'_, '_>,
    ) {
        let Ok(mut slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return;
        };
        let entry = &mut **slot.get_mut();
        let of_it = entry.sessions.iter_mut();
        for session in of_it.filter(|session| session.lineage.id == lineage.id) {
            session.lineage.ends = session.lineage.ends.min(lineage.ends);
            session.expires = session.expires.min(lineage.ends);
        }
        entry.soonest = entry.soonest.min(lineage.ends);
        expire(slot, &mut self.stats, visit);
    }

    /// Drops the oldest session of a key to make room for another one; false: that is the older one.
    pub(super) fn drop_oldest(
        &mut self,
        key: &Key<'_>,
        other: Time,
        visit: &mut Visit<'_, '_>,
    ) -> bool {
        let Some(entry) = self.table.find_mut(key.hash, |entry| entry.is_of(key)) else {
            return true;
        };
        if entry
            .sessions
            .first()
            .is_some_and(|oldest| oldest.received > other)
        {
            return false;
        }
        let evicted = entry.drop_oldest(visit).into();
        visit.garbage.tell(EventKind::Evicted, evicted, key);
        self.stats.evicted += evicted;
        true
    }

    /// Drops the whole entry of a key, and says how many sessions could have been offered.
    pub(super) fn remove(&mut self, key: &Key<'_>, visit: &mut Visit<'_, '_>) -> u64 {
        self.expire(key, visit);
        let Ok(slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return 0;
        };
        let dropped = remove(slot, visit);
        self.stats.removed += dropped;
        dropped
    }

    pub(super) fn clear(&mut self, visit: &mut Visit<'_, '_>) {
        self.purge_all(visit);
        for bucket in std::mem::take(&mut self.table) {
            let entry = bucket.into_entry();
            visit.usage.release(true, entry.bytes());
            self.stats.removed += entry.sessions.len() as u64;
            visit.garbage.extend(entry.sessions);
        }
    }

    /// Looks at a few buckets, further on at each call, and drops what is over in them: without a
    /// thread of its own, the cache gives memory back as fast as it is filled.
    pub(super) fn sweep(&mut self, visit: &mut Visit<'_, '_>) {
        const BUCKETS_AT_A_TIME: usize = 4;
        let buckets = self.table.num_buckets();
        for _ in 0..BUCKETS_AT_A_TIME.min(buckets) {
            self.sweep = (self.sweep + 1) % buckets;
            self.purge(self.sweep, visit);
        }
    }

    pub(super) fn purge_all(&mut self, visit: &mut Visit<'_, '_>) -> bool {
        let mut any = false;
        for bucket in 0..self.table.num_buckets() {
            any |= self.purge(bucket, visit);
        }
        any
    }

    /// Drops what is over in one bucket, and says whether that was anything.
    fn purge(&mut self, bucket: usize, visit: &mut Visit<'_, '_>) -> bool {
        let Ok(mut slot) = self.table.get_bucket_entry(bucket) else {
            return false;
        };
        if slot.get().soonest > visit.now {
            return false;
        }
        let expired = slot.get_mut().expire(visit);
        self.stats.expired += expired;
        let over = slot.get().is_over();
        if over {
            remove(slot, visit);
        }
        over || expired != 0
    }

    /// The entries whose keys begin so.
    pub(super) fn entries(&self, space: Space, prefix: &[u8]) -> impl Iterator<Item = &Entry> {
        let begins = move |entry: &&Entry| entry.space == space && entry.key.starts_with(prefix);
        self.table.iter().map(|bucket| &**bucket).filter(begins)
    }

    /// Drops the single-use sessions that are kept as bytes under keys that begin so.
    pub(super) fn move_out(&mut self, space: Space, prefix: &[u8], visit: &mut Visit<'_, '_>) {
        for bucket in 0..self.table.num_buckets() {
            let Ok(mut slot) = self.table.get_bucket_entry(bucket) else {
                continue;
            };
            let entry = slot.get_mut();
            if entry.space != space || !entry.key.starts_with(prefix) {
                continue;
            }
            let moves = |session: &Session| session.kind == Kind::SingleUse && !session.is_object();
            self.stats.removed += entry.extract(moves, visit);
            if entry.is_over() {
                remove(slot, visit);
            }
        }
    }

    /// How many entries there are, and the bytes of all their sessions.
    #[cfg(test)]
    pub(super) fn held(&self) -> (u64, u64) {
        let bytes: usize = self.table.iter().map(|entry| entry.bytes()).sum();
        (self.table.len() as u64, bytes as u64)
    }

    pub(super) fn sessions(&self) -> usize {
        self.table.iter().map(|entry| entry.sessions.len()).sum()
    }
}

/// Drops what is over of an entry, and the entry if nothing is left of it.
#[cold]
fn expire<'a>(
    mut slot: OccupiedEntry<'a, Bucket>,
    stats: &mut Stats,
    visit: &mut Visit<'_, '_>,
) -> Option<OccupiedEntry<'a, Bucket>> {
    stats.expired += slot.get_mut().expire(visit);
    if slot.get().is_over() {
        remove(slot, visit);
        return None;
    }
    Some(slot)
}

/// Takes the newest session out of an entry.
#[inline(never)]
fn pop(mut slot: OccupiedEntry<'_, Bucket>, usage: &Usage, taken: &mut Option<Session>) {
    let bucket = slot.get_mut();
    let Some(session) = bucket.sessions.pop() else {
        return;
    };
    usage.release(false, session.size);
    *taken = Some(session);
    if bucket.is_over() {
        // It has no sessions left to drop.
        usage.release(true, 0);
        slot.remove();
    } else {
        bucket.mark_newest();
    }
}

/// Takes an entry out of the table, and says how many sessions it had.
fn remove(slot: OccupiedEntry<'_, Bucket>, visit: &mut Visit<'_, '_>) -> u64 {
    let (bucket, _) = slot.remove();
    let entry = bucket.into_entry();
    visit.usage.release(true, entry.bytes());
    let dropped = entry.sessions.len() as u64;
    visit.garbage.extend(entry.sessions);
    dropped
}
