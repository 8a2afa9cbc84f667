//! One part of the cache: a table under a lock. What one key has is in one shard.

use super::bucket::Bucket;
use super::entry::Entry;
use super::event::EventKind;
use super::key::{Key, Space};
use super::moved::MovedOut;
use super::secret::{Arena, Stash};
use super::session::Incoming;
use super::stamp::{Stamp, Stamps};
use super::table::{Cursor, Place, Table};
use super::usage::{Held, Short, Usage};
use super::visit::Visit;
use super::walk::Progress;
use super::{Kind, Lineage, Payload, Session, Stats, Time};
use crate::sync::{AtomicU64, Mutex, MutexGuard};
use hashbrown::hash_table::OccupiedEntry;
use std::sync::atomic::Ordering::Relaxed;

/// In this order, a look-up changes little outside the cache line that the lock is in.
#[repr(C)]
pub(super) struct State {
    table: Table,
    stamps: Stamps,
    pub(super) stats: Stats,
    held: Held,
    pub(super) stash: Stash,
    /// Where the next look for expired entries begins.
    sweep: Cursor,
    /// Nothing in here is over before this.
    soonest: Time,
    /// The same for what `sweep` has come by since its first place, and for what came in since.
    soonest_swept: Time,
    /// Where the next look for something to evict begins.
    candidates: Cursor,
    /// How many sessions were reused, to tell them apart.
    reused: u16,
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
    Displaced,
    /// There is no room: make some and try again.
    Full(Short),
    /// Memory could not be had, and nothing was changed.
    NoMemory,
}

impl Shard {
    /// More than this a cache does not have.
    pub(super) const MOST: usize = 64;

    pub(super) fn new(stamps: Stamps) -> Self {
        Self {
            state: Mutex::new(State {
                table: Table::default(),
                stamps,
                stats: Stats::default(),
                held: Held::default(),
                stash: Stash::default(),
                sweep: Cursor::START,
                soonest: Time::NEVER,
                soonest_swept: Time::NEVER,
                candidates: Cursor::START,
                reused: 0,
            }),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Drops what is over in a part of this shard or, if nothing is, the least recently used entry of that
    /// part, unless all were used after `limit`. Says also what no entry of it was used before now.
    ///
    /// A part, so that the time that it takes does not grow with the shard; a small shard is all in one.
    pub(super) fn evict(
        &mut self,
        key: &Key<'_>,
        limit: Stamp,
        visit: &mut Visit<'_, '_>,
    ) -> (Eviction, Stamp) {
        /// As many as a cache of one shard may have, in which the order of use is exact.
        const CANDIDATES: usize = 64;
        let first = self.candidates;
        let (mut oldest, mut next) = ((Stamp::NEVER, first), Stamp::NEVER);
        let mut purged = false;
        let mut ahead = self.table.len().min(CANDIDATES);
        while ahead != 0 {
            let here = self.candidates;
            let Place::Entry(slot) = self.table.at(&mut self.candidates) else {
                continue;
            };
            ahead -= 1;
            let used = slot.get().used;
            if slot.get().soonest <= visit.now {
                let before = self.stats.expired;
                let stays = expire(slot, &mut self.stats, visit).is_some();
                purged |= !stays || self.stats.expired != before;
                if !stays {
                    continue;
                }
            }
            if used < oldest.0 {
                next = oldest.0;
                oldest = (used, here);
            } else {
                next = next.min(used);
            }
        }
        let (used, mut place) = oldest;
        if purged {
            self.held.settle(visit);
            return (Eviction::Done, used);
        }
        if used > limit || used == Stamp::NEVER {
            // The next look is to find what this one tells of.
            self.candidates = first;
            return (Eviction::NotHere, used);
        }
        match self.table.at(&mut place) {
            Place::Entry(slot) if slot.get().is_of(key) => (Eviction::OnlyItself, used),
            Place::Entry(slot) => {
                let entry = slot.get();
                let sessions = entry.sessions.len() as u64;
                visit.garbage.tell_of(EventKind::Evicted, sessions, entry);
                self.stats.evicted += remove(slot, visit);
                self.held.settle(visit);
                (Eviction::Done, next)
            }
            Place::Empty | Place::End => (Eviction::NotHere, used),
        }
    }

    /// Puts a session into the entry of a key, which it makes if need be; where there is no room for it, it stays
    /// with the caller. `oldest` is what the era remembers of this shard, and `hash` hashes a key that the table
    /// has.
    pub(super) fn insert(
        &mut self,
        key: &Key<'_>,
        session: &mut Session<Incoming<'_>>,
        oldest: &AtomicU64,
        hash: impl Fn(&[u8]) -> u64,
        visit: &mut Visit<'_, '_>,
    ) -> Insertion {
        let Self {
            table,
            stats,
            stamps,
            held,
            stash,
            ..
        } = self;
        let stamp = stamps.later(visit.era.epoch.load(Relaxed));
        // Before anything is reserved: who finds no room finds this shard, and waits for its lock. (It is
        // earlier than this but for a shard that was empty, and no thread writes what others read.)
        if oldest.load(Relaxed) > stamp.0 {
            oldest.fetch_min(stamp.0, Relaxed);
        }
        let (size, expires) = (session.size, session.expires);
        let keep = |session: &mut Session<Incoming<'_>>, stash: &mut Stash, arena: &Arena| {
            if let Incoming::Lent(bytes) = session.payload {
                let kept = stash.take(bytes).or_else(|| arena.keep(key.place(), bytes));
                let Some(kept) = kept else { return false };
                session.payload = Incoming::Own(Payload::Bytes(kept));
            }
            true
        };
        if let Some(mut slot) = table.find_entry(key.hash, |entry| entry.is_of(key)) {
            let bucket = slot.get_mut();
            let entry = &mut **bucket;
            if !entry.can_grow(visit.options) {
                return Insertion::NoMemory;
            }
            entry.used = stamp;
            stats.expired += entry.expire(visit);
            if entry.overwrite(session, held, visit) {
                stats.displaced += 1;
            } else {
                if !keep(session, stash, &visit.era.arena) {
                    if entry.is_over() {
                        remove(slot, visit);
                    }
                    held.settle(visit);
                    return Insertion::NoMemory;
                }
                let room = entry.make_room(session, visit);
                stats.displaced += room.displaced;
                if room.too_old {
                    held.settle(visit);
                    return Insertion::Displaced;
                }
                if let Err(short) = held.reserve(visit, false, size) {
                    // Others go first, in whichever shard they are.
                    entry.used = stamps.later(visit.era.epoch.fetch_add(1, Relaxed) + 1);
                    return Insertion::Full(short);
                }
                held.add(session);
                session.take().into_iter().for_each(|one| entry.add(one));
            }
            bucket.mark_newest();
        } else {
            let rehash = |entry: &Bucket| hash(&entry.key);
            if !table.make_room(rehash) || !keep(session, stash, &visit.era.arena) {
                return Insertion::NoMemory;
            }
            if let Err(short) = held.reserve(visit, true, size) {
                return Insertion::Full(short);
            }
            held.add(session);
            let mut entry = Entry::new(key, stamp);
            session
                .take()
                .into_iter()
                .for_each(|session| entry.add(session));
            table.insert(key.hash, Bucket::new(entry), rehash);
            // The next use anywhere counts as later than all before.
            visit.era.epoch.fetch_add(1, Relaxed);
        }
        self.soonest = self.soonest.min(expires);
        self.soonest_swept = self.soonest_swept.min(expires);
        Insertion::Done
    }

    /// Shows `take` the newest session of a key, with whether it stays in the table when it is used, and
    /// the place where a taken session goes. If it says true, that was a use, and a session that does
    /// not stay leaves the table for that place. The last one stays if it can be used again, and the
    /// options say so, unless it is `strict`. Returns what `take` said; `None`: there is no session.
    #[inline]
    pub(super) fn newest(
        &mut self,
        key: &Key<'_>,
        strict: bool,
        taken: &mut Option<Session>,
        take: impl FnOnce(&Session, bool, &mut Option<Session>) -> bool,
        visit: &mut Visit<'_, '_>,
    ) -> Option<bool> {
        let Self {
            table,
            stats,
            stamps,
            held,
            ..
        } = self;
        let Some(mut slot) = table.find_entry(key.hash, |bucket| bucket.is_of(key)) else {
            stats.missed += 1;
            return None;
        };
        slot.get().fetch();
        if slot.get().soonest <= visit.now {
            let left = expire(slot, stats, visit);
            held.settle(visit);
            let Some(left) = left else {
                stats.missed += 1;
                return None;
            };
            slot = left;
        }
        let entry = &mut **slot.get_mut();
        let last = entry.sessions.len() == 1;
        let Some(session) = entry.sessions.newest() else {
            stats.missed += 1;
            return None;
        };
        let reusable = session.kind == Kind::Reusable;
        let stays = reusable || (last && !strict && session.is_reusable(visit.options));
        if !take(session, stays, taken) {
            return Some(false);
        }
        stats.offered += 1;
        if stays && !reusable {
            stats.reused += 1;
            if let Some(stayed) = entry.sessions.newest_mut() {
                if stayed.uses.count == 0 {
                    self.reused = self.reused.wrapping_add(1);
                    stayed.uses.of = self.reused;
                }
                stayed.uses.count = stayed.uses.count.saturating_add(1);
                if let Some(copy) = taken {
                    copy.uses = stayed.uses;
                }
            }
        }
        let used = stamps.used(visit.now, visit.era.epoch.load(Relaxed));
        if entry.used != used {
            entry.used = used;
        }
        if !stays {
            stats.taken += 1;
            pop(slot, visit, taken);
            held.settle(visit);
        }
        Some(true)
    }

    /// Drops what is over of a key.
    fn expire(&mut self, key: &Key<'_>, visit: &mut Visit<'_, '_>) {
        if let Some(slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) {
            expire(slot, &mut self.stats, visit);
            self.held.settle(visit);
        }
    }

    /// How many sessions of a key could be offered now.
    pub(super) fn available(&self, key: &Key<'_>, now: Time) -> usize {
        let entry = self.table.find(key.hash, |entry| entry.is_of(key));
        entry.map_or(0, |entry| {
            entry.sessions.iter().filter(|s| s.expires > now).count()
        })
    }

    /// Whether those that could be offered now were all given to connections before.
    pub(super) fn is_used(&self, key: &Key<'_>, now: Time) -> bool {
        let entry = self.table.find(key.hash, |entry| entry.is_of(key));
        entry.is_some_and(|entry| {
            let current = entry.sessions.iter().filter(|s| s.expires > now);
            let newest = current.last();
            newest.is_some_and(|session| session.uses.count != 0)
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
        let Some(mut slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return;
        };
        self.stats.removed += slot.get_mut().extract(which, visit);
        if slot.get().is_over() {
            remove(slot, visit);
        }
        self.held.settle(visit);
    }

    /// Has the sessions of a lineage end when it does.
    pub(super) fn bound_lineage(
        &mut self,
        key: &Key<'_>,
        lineage: Lineage,
        visit: &mut Visit<'_, '_>,
    ) {
        let Some(mut slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return;
        };
        let entry = &mut **slot.get_mut();
        let of_it = entry.sessions.iter_mut();
        for session in of_it.filter(|session| session.lineage.id == lineage.id) {
            session.lineage.ends = session.lineage.ends.min(lineage.ends);
            session.expires = session.expires.min(lineage.ends);
        }
        entry.soonest = entry.soonest.min(lineage.ends);
        self.soonest = self.soonest.min(lineage.ends);
        self.soonest_swept = self.soonest_swept.min(lineage.ends);
        expire(slot, &mut self.stats, visit);
        self.held.settle(visit);
    }

    /// Drops the oldest session of a key to make room for another one; false: that is the older one.
    pub(super) fn drop_oldest(
        &mut self,
        key: &Key<'_>,
        other: Time,
        visit: &mut Visit<'_, '_>,
    ) -> bool {
        let Some(mut slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return true;
        };
        let entry = slot.get_mut();
        let oldest = entry.sessions.oldest();
        if oldest.is_some_and(|oldest| oldest.received > other) {
            return false;
        }
        let evicted = entry.drop_oldest(visit).into();
        visit.garbage.tell(EventKind::Evicted, evicted, key);
        self.stats.evicted += evicted;
        self.held.settle(visit);
        true
    }

    /// Drops the whole entry of a key, and says how many sessions could have been offered.
    pub(super) fn remove(&mut self, key: &Key<'_>, visit: &mut Visit<'_, '_>) -> u64 {
        self.expire(key, visit);
        let Some(slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) else {
            return 0;
        };
        let dropped = remove(slot, visit);
        self.stats.removed += dropped;
        self.held.settle(visit);
        dropped
    }

    /// Takes everything out at once, for the caller to drop without the lock, and to count.
    pub(super) fn detach(&mut self, usage: &Usage) -> Table {
        self.held.clear(usage);
        let table = std::mem::take(&mut self.table);
        (self.sweep, self.candidates) = (Cursor::START, Cursor::START);
        (self.soonest, self.soonest_swept) = (Time::NEVER, Time::NEVER);
        table
    }

    /// Looks at a few places, further on at each call, and drops what is over in them: without a thread
    /// of its own, the cache gives memory back as fast as it is filled.
    #[inline]
    pub(super) fn sweep(&mut self, visit: &mut Visit<'_, '_>) {
        const PLACES_AT_A_TIME: usize = 4;
        if self.soonest > visit.now {
            return;
        }
        for _ in 0..PLACES_AT_A_TIME {
            match self.table.at(&mut self.sweep) {
                Place::Entry(slot) => {
                    let soonest = slot.get().soonest;
                    if soonest <= visit.now {
                        let _ = expire(slot, &mut self.stats, visit);
                    }
                    // Whatever is left of it is looked at again when that is over.
                    self.soonest_swept = self.soonest_swept.min(soonest);
                }
                Place::Empty => {}
                Place::End => {
                    self.soonest = std::mem::replace(&mut self.soonest_swept, Time::NEVER);
                }
            }
        }
        self.held.settle(visit);
    }

    /// Goes on with a walk, and drops what is over.
    pub(super) fn purge_some(&mut self, progress: &mut Progress, visit: &mut Visit<'_, '_>) {
        each_entry(&mut self.table, progress, |slot| {
            let _ = expire(slot, &mut self.stats, visit);
        });
        self.held.settle(visit);
    }

    /// Goes on with a walk, and shows the entries whose keys begin so.
    pub(super) fn look_at_some(
        &mut self,
        progress: &mut Progress,
        (space, prefix): (Space, &[u8]),
        mut look: impl FnMut(&Entry),
    ) {
        each_entry(&mut self.table, progress, |slot| {
            let entry = slot.get();
            if entry.begins(space, prefix) {
                look(entry);
            }
        });
    }

    #[cfg(test)]
    pub(super) fn each(&mut self, mut look: impl FnMut(&Entry)) {
        let mut all = Progress {
            places: usize::MAX,
            ..Progress::START
        };
        each_entry(&mut self.table, &mut all, |slot| look(slot.get()));
    }

    /// The same for moving out: what may be used once leaves, uncounted, what may be used again is copied,
    /// and objects stay.
    pub(super) fn move_some(
        &mut self,
        progress: &mut Progress,
        (space, prefix): (Space, &[u8]),
        visit: &mut Visit<'_, '_>,
        out: &mut MovedOut,
    ) {
        let stats = &mut self.stats;
        each_entry(&mut self.table, progress, |slot| {
            if slot.get().begins(space, prefix) {
                move_entry(slot, usize::MAX, stats, visit, out);
            }
        });
        self.held.settle(visit);
    }

    /// The same for one key, and at most so many single-use sessions.
    #[cfg(agent)]
    pub(super) fn move_of(
        &mut self,
        key: &Key<'_>,
        most: usize,
        visit: &mut Visit<'_, '_>,
        out: &mut MovedOut,
    ) {
        if let Some(slot) = self.table.find_entry(key.hash, |entry| entry.is_of(key)) {
            move_entry(slot, most, &mut self.stats, visit, out);
        }
        self.held.settle(visit);
    }

    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    pub(super) fn give_spare(&mut self, usage: &Usage) -> usize {
        self.held.give_spare(usage)
    }
}

/// Moves out what an entry has, and of what may be used once no more than so many.
fn move_entry(
    slot: OccupiedEntry<'_, Bucket>,
    mut most: usize,
    stats: &mut Stats,
    visit: &mut Visit<'_, '_>,
    out: &mut MovedOut,
) {
    let Some(mut slot) = expire(slot, stats, visit) else {
        return;
    };
    let entry = &mut **slot.get_mut();
    if !out.can_grow(entry.sessions.len()) {
        return;
    }
    for session in std::mem::take(&mut entry.sessions) {
        if session.is_object() {
            out.objects += 1;
            entry.sessions.add(session);
        } else if session.kind == Kind::Reusable {
            match session.share() {
                Some(copy) => out.push(entry, copy),
                None => out.no_memory = true,
            }
            entry.sessions.add(session);
        } else if most == 0 {
            entry.sessions.add(session);
        } else {
            most -= 1;
            visit.left.add(&session);
            out.push(entry, session);
        }
    }
    if entry.is_over() {
        remove(slot, visit);
    } else {
        slot.get_mut().mark_newest();
    }
}

/// Shows the entries at the next places of a walk.
fn each_entry(
    table: &mut Table,
    progress: &mut Progress,
    mut look: impl FnMut(OccupiedEntry<'_, Bucket>),
) {
    for _ in 0..progress.places {
        match table.at(&mut progress.cursor) {
            Place::Entry(slot) => look(slot),
            Place::Empty => {}
            Place::End => {
                progress.left = 0;
                return;
            }
        }
    }
    progress.left = table.left(progress.cursor);
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
fn pop(
    mut slot: OccupiedEntry<'_, Bucket>,
    visit: &mut Visit<'_, '_>,
    taken: &mut Option<Session>,
) {
    let bucket = slot.get_mut();
    let Some(session) = bucket.sessions.pop_newest() else {
        return;
    };
    visit.left.add(&session);
    *taken = Some(session);
    if bucket.is_over() {
        // It has no sessions left to drop.
        remove(slot, visit);
    } else {
        bucket.mark_newest();
    }
}

/// Takes an entry out of the table, and says how many sessions it had.
fn remove(slot: OccupiedEntry<'_, Bucket>, visit: &mut Visit<'_, '_>) -> u64 {
    let (bucket, _) = slot.remove();
    let entry = bucket.into_entry();
    visit.left.endpoints += 1;
    let dropped = entry.sessions.len() as u64;
    for session in entry.sessions {
        visit.drop(session);
    }
    dropped
}
