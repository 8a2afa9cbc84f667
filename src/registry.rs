//! Values that are shared under keys: each as long as somebody uses it, and idle ones while there is room.

use crate::sys;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::sync::Arc;

/// How many buckets a look-up puts in order, at the most. A newcomer that there is no room for has to find one that
/// may go, and a table at least seven sixteenths full has three in as many buckets.
const BUCKETS_AT_A_TIME: usize = 8;

/// How many times as many are kept as there is room for, of those that remember something.
const REMEMBERING: usize = 8;

/// What can be kept in a registry.
pub(crate) trait Value {
    /// Whether something would be forgotten with it that has to be known for some time yet.
    fn remembers(&self) -> bool {
        false
    }
}

/// Values by key. A value that nobody else holds is idle. Where there are more values than there is room for,
/// those go that are idle and were not looked up since the last time round; those that remember something, only
/// where there are many times more.
///
/// However many there are, no call takes longer: what is over room is dropped, and a table that is too small or
/// too large is exchanged, bit by bit.
pub(crate) struct Registry<T> {
    /// Of boxes, so that a table is small: to make and to drop one takes as long as it is large.
    table: HashTable<Box<Entry<T>>>,
    /// The table before it was exchanged; each call moves some of it.
    old: HashTable<Box<Entry<T>>>,
    /// The bucket at which the next call goes on, of the old table if it is not empty.
    hand: usize,
    hasher: SeedableRandomState,
}

struct Entry<T> {
    hash: u64,
    key: Box<[u8]>,
    value: Arc<T>,
    /// Whether it was looked up since the hand came by.
    used: bool,
}

/// What left a registry, to be dropped once no lock is held.
pub(crate) struct Leftovers<T> {
    idle: Vec<Arc<T>>,
    table: HashTable<Box<Entry<T>>>,
}

impl<T> Default for Leftovers<T> {
    fn default() -> Self {
        Self {
            idle: Vec::new(),
            table: HashTable::new(),
        }
    }
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        let (seed, shared_seed) = sys::hash_seeds();
        Self {
            table: HashTable::new(),
            old: HashTable::new(),
            hand: 0,
            hasher: SeedableRandomState::with_seed(seed, shared_seed),
        }
    }
}

impl<T: Value> Entry<T> {
    /// Whether it is to go, where there is no room. If not yet, it has to be used again to stay. `crowded`: nor
    /// is there for what remembers something.
    fn passes(&mut self, crowded: bool) -> bool {
        let idle = Arc::strong_count(&self.value) == 1;
        !mem::take(&mut self.used) && idle && (crowded || !self.value.remembers())
    }

    /// What a table asks for when it grows by itself, all at once. It has places enough, so it does not.
    fn rehash(&self) -> u64 {
        steps::count();
        self.hash
    }
}

impl<T: Value> Registry<T> {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.len() + self.old.len()
    }

    /// The value of a key, which `make` makes if there is none. `room`: how many are kept that are idle.
    pub(crate) fn get_or_insert(
        &mut self,
        key: &[u8],
        room: usize,
        leftovers: &mut Leftovers<T>,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let hash = self.hash(key);
        if let Some(entry) = self.find(hash, key) {
            entry.used = true;
            let value = Arc::clone(&entry.value);
            // Nothing is added, so there is no hurry: what was used before is to have its chance, too.
            self.tidy(room.saturating_mul(2), room, leftovers);
            return value;
        }
        self.tidy(room.saturating_sub(1), room, leftovers);
        let value = Arc::new(make());
        let entry = Box::new(Entry {
            hash,
            key: key.into(),
            value: Arc::clone(&value),
            used: true,
        });
        self.table
            .insert_unique(hash, entry, |entry| entry.rehash());
        value
    }

    /// All values.
    pub(crate) fn into_values(self) -> impl Iterator<Item = Arc<T>> {
        let entries = self.table.into_iter().chain(self.old);
        entries.map(|entry| entry.value)
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    fn find(&mut self, hash: u64, key: &[u8]) -> Option<&mut Entry<T>> {
        let found = self.table.find_mut(hash, |entry| *entry.key == *key);
        let found = found.or_else(|| self.old.find_mut(hash, |entry| *entry.key == *key));
        found.map(|entry| &mut **entry)
    }

    /// Goes on with what there is to do: moves some of the old table, or else drops what there is no room for.
    fn tidy(&mut self, limit: usize, room: usize, leftovers: &mut Leftovers<T>) {
        if self.old.is_empty() && self.is_misfit() {
            self.exchange();
        }
        if !self.old.is_empty() {
            self.move_some(leftovers);
        } else if self.table.len() > limit {
            let most = room.saturating_mul(REMEMBERING);
            self.drop_some(limit, most, leftovers);
        }
    }

    fn move_some(&mut self, leftovers: &mut Leftovers<T>) {
        let buckets = self.old.num_buckets();
        for bucket in self.hand..buckets.min(self.hand + BUCKETS_AT_A_TIME) {
            steps::count();
            if let Ok(slot) = self.old.get_bucket_entry(bucket) {
                let (entry, _) = slot.remove();
                self.table
                    .insert_unique(entry.hash, entry, |entry| entry.rehash());
            }
        }
        self.hand += BUCKETS_AT_A_TIME;
        if self.old.is_empty() {
            leftovers.table = mem::take(&mut self.old);
            self.hand = 0;
        }
    }

    fn drop_some(&mut self, limit: usize, most: usize, leftovers: &mut Leftovers<T>) {
        let buckets = self.table.num_buckets();
        for _ in 0..BUCKETS_AT_A_TIME.min(buckets) {
            steps::count();
            let (over, crowded) = (self.table.len() > limit, self.table.len() >= most);
            if let Ok(mut slot) = self.table.get_bucket_entry(self.hand) {
                if over && slot.get_mut().passes(crowded) {
                    leftovers.idle.push(slot.remove().0.value);
                }
            }
            self.hand = (self.hand + 1) % buckets;
        }
    }

    /// Whether the table has no place for another one, or is much too large.
    fn is_misfit(&self) -> bool {
        const SMALL: usize = 64;
        let (len, buckets) = (self.table.len(), self.table.num_buckets());
        len == self.table.capacity() || (buckets > SMALL && len < buckets / 16)
    }

    /// Begins another table. It has places for all that is moved, and for all that comes meanwhile.
    fn exchange(&mut self) {
        let len = self.table.len();
        let calls = self.table.num_buckets() / BUCKETS_AT_A_TIME + 1;
        let table = HashTable::with_capacity(len + len / 2 + calls);
        self.old = mem::replace(&mut self.table, table);
        self.hand = 0;
    }
}

#[cfg(not(test))]
mod steps {
    pub(super) fn count() {}
}

/// The buckets and entries that were looked at, by this thread.
#[cfg(test)]
mod steps {
    use std::cell::Cell;

    thread_local!(static STEPS: Cell<usize> = const { Cell::new(0) });

    pub(super) fn count() {
        STEPS.with(|steps| steps.set(steps.get() + 1));
    }

    pub(super) fn take() -> usize {
        STEPS.with(Cell::take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number below 0 is remembered.
    impl Value for isize {
        fn remembers(&self) -> bool {
            *self < 0
        }
    }

    /// Looks up a number, and says in how many steps.
    fn look(registry: &mut Registry<isize>, room: usize, number: isize) -> (Arc<isize>, usize) {
        steps::take();
        let mut leftovers = Leftovers::default();
        let key = number.to_be_bytes();
        let value = registry.get_or_insert(&key, room, &mut leftovers, || number);
        (value, steps::take())
    }

    #[test]
    fn a_look_up_takes_no_more_steps_among_many() {
        let most = |many: isize| {
            let mut registry = Registry::default();
            let mut held = Vec::new();
            let mut most = 0;
            for number in 0..many {
                let (value, steps) = look(&mut registry, 100, number);
                held.push(value);
                most = most.max(steps);
            }
            // All of them are in use: none is forgotten, and each is found.
            assert_eq!(registry.len(), held.len());
            for (number, value) in (0..).zip(&held) {
                let (found, steps) = look(&mut registry, 100, number);
                assert!(Arc::ptr_eq(&found, value));
                most = most.max(steps);
            }
            // When they are idle, they go as bit by bit, and the table with them.
            held.clear();
            for _ in 0..3 * many {
                most = most.max(look(&mut registry, 100, 0).1);
            }
            assert!(registry.len() <= 200, "{}", registry.len());
            assert!(registry.table.num_buckets() <= 4096);
            most
        };
        let [some, many] = [20_000, 200_000].map(most);
        assert_eq!(some, many);
        assert!(many <= 2 * BUCKETS_AT_A_TIME, "{many}");
    }

    #[test]
    fn idle_ones_are_never_many_more_than_there_is_room_for() {
        for room in [1, 2, 5, 100, 1000] {
            let mut registry = Registry::default();
            for number in 0..20 * room as isize + 100 {
                look(&mut registry, room, number);
                assert!(registry.len() <= 2 * room + 8, "{room}: {}", registry.len());
            }
        }
    }

    #[test]
    fn what_remembers_something_stays_while_there_are_not_many() {
        // Newcomers stay for two rounds of the hand, so where there is room for a few only, they are many times more.
        const ROOM: usize = 16;
        let mut registry = Registry::default();
        let mut look = |number| Arc::downgrade(&look(&mut registry, ROOM, number).0);
        let remembering: Vec<_> = (-40..0).map(&mut look).collect();
        (0..1000).map(&mut look).for_each(drop);
        assert!(remembering.iter().all(|one| one.upgrade().is_some()));
        (-1000..0).map(&mut look).for_each(drop);
        assert!(registry.len() <= 10 * ROOM + 8, "{}", registry.len());
    }

    #[test]
    fn what_is_looked_up_again_and_again_stays() {
        let mut registry = Registry::default();
        let often = Arc::downgrade(&look(&mut registry, 8, 0).0);
        for number in 1..if cfg!(miri) { 100 } else { 1000 } {
            look(&mut registry, 8, number);
            look(&mut registry, 8, 0);
        }
        assert!(often.upgrade().is_some());
    }
}
