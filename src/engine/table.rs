//! The entries of one shard, by hash. The table grows in steps, so that no call pays for all of it.

use super::bucket::Bucket;
use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;
use std::mem;

/// A hash table that, when it is full, becomes the `old` of a larger one and is moved over bit by bit.
#[derive(Default)]
pub(super) struct Table {
    entries: HashTable<Bucket>,
    old: Option<Box<Old>>,
    /// Counts the tables that `entries` has been.
    number: u64,
}

struct Old {
    entries: HashTable<Bucket>,
    /// Places before this one are empty for good.
    moved: usize,
}

/// A place in a table, which stays where it is while the table grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    number: u64,
    place: usize,
}

impl Cursor {
    /// Before the first place of any table.
    pub(super) const START: Self = Self {
        number: 0,
        place: 0,
    };
}

/// What is at a place.
pub(super) enum Place<'a> {
    Entry(OccupiedEntry<'a, Bucket>),
    Empty,
    /// There are no more places; the next one is the first again.
    End,
}

/// Places that one insertion moves. The old table is empty before the new one is full: `grow` sees to
/// that.
const STEP: usize = 16;

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.old.as_ref().map_or(0, |old| old.entries.len())
    }

    pub(super) fn find(&self, hash: u64, is: impl Fn(&Bucket) -> bool) -> Option<&Bucket> {
        let found = self.entries.find(hash, &is);
        found.or_else(|| self.old.as_ref()?.entries.find(hash, is))
    }

    #[inline]
    pub(super) fn find_entry(
        &mut self,
        hash: u64,
        is: impl Fn(&Bucket) -> bool,
    ) -> Option<OccupiedEntry<'_, Bucket>> {
        match self.entries.find_entry(hash, &is) {
            Ok(found) => Some(found),
            Err(_) => {
                let old = &mut self.old.as_mut()?.entries;
                old.find_entry(hash, is).ok()
            }
        }
    }

    /// Whether there is a place for one more, or memory for a larger table. `rehash` hashes what is in it.
    #[inline]
    pub(super) fn make_room(&mut self, rehash: impl Fn(&Bucket) -> u64) -> bool {
        self.entries.len() < self.entries.capacity() || self.grow(rehash)
    }

    /// Takes in an entry whose key it has not, and for which room was made.
    pub(super) fn insert(&mut self, hash: u64, bucket: Bucket, rehash: impl Fn(&Bucket) -> u64) {
        self.entries.insert_unique(hash, bucket, &rehash);
        self.step(rehash);
    }

    #[cold]
    fn grow(&mut self, rehash: impl Fn(&Bucket) -> u64) -> bool {
        while self.old.is_some() {
            self.step(&rehash);
        }
        // Full can also mean that others have gone and left marks behind. Either way there is room for
        // as many insertions as it takes to move everything.
        let places = self.entries.num_buckets();
        let room = (2 * self.entries.len()).max(places / 4).max(3);
        let mut larger = HashTable::new();
        if larger.try_reserve(room, &rehash).is_err() {
            return false;
        }
        let entries = mem::replace(&mut self.entries, larger);
        self.number += 1;
        if !entries.is_empty() {
            self.old = Some(Box::new(Old { entries, moved: 0 }));
        }
        true
    }

    /// Moves a few entries of the old table.
    #[inline]
    fn step(&mut self, rehash: impl Fn(&Bucket) -> u64) {
        let Some(old) = &mut self.old else { return };
        let end = old.entries.num_buckets().min(old.moved + STEP);
        for place in old.moved..end {
            if let Ok(entry) = old.entries.get_bucket_entry(place) {
                let (bucket, _) = entry.remove();
                let hash = rehash(&bucket);
                self.entries.insert_unique(hash, bucket, &rehash);
            }
        }
        old.moved = end;
        if end == old.entries.num_buckets() || old.entries.is_empty() {
            self.old = None;
        }
    }

    /// The first place.
    fn start(&self) -> Cursor {
        Cursor {
            number: self.number.saturating_sub(1),
            place: 0,
        }
    }

    /// What is at a place, from which the cursor moves on. What is in the table all the while is come
    /// across once at least, however the table grows meanwhile.
    pub(super) fn at(&mut self, cursor: &mut Cursor) -> Place<'_> {
        let start = self.start();
        *cursor = start.max(*cursor);
        if cursor.number < self.number {
            match &mut self.old {
                Some(old) if cursor.place < old.entries.num_buckets() => {
                    let place = cursor.place.max(old.moved);
                    cursor.place = place + 1;
                    return match old.entries.get_bucket_entry(place) {
                        Ok(entry) => Place::Entry(entry),
                        Err(_) => Place::Empty,
                    };
                }
                _ => {
                    *cursor = Cursor {
                        number: self.number,
                        place: 0,
                    }
                }
            }
        }
        if cursor.place >= self.entries.num_buckets() {
            *cursor = start;
            return Place::End;
        }
        cursor.place += 1;
        match self.entries.get_bucket_entry(cursor.place - 1) {
            Ok(entry) => Place::Entry(entry),
            Err(_) => Place::Empty,
        }
    }

    /// How many places there are from the cursor to the end.
    pub(super) fn left(&self, cursor: Cursor) -> usize {
        let Cursor { number, place } = cursor.max(self.start());
        let places = self.entries.num_buckets();
        if number == self.number {
            return places.saturating_sub(place);
        }
        let old = self.old.as_ref().map_or(0, |old| {
            let moved = place.max(old.moved);
            old.entries.num_buckets().saturating_sub(moved)
        });
        old + places
    }
}

impl IntoIterator for Table {
    type Item = Bucket;
    type IntoIter = std::iter::Chain<
        hashbrown::hash_table::IntoIter<Bucket>,
        hashbrown::hash_table::IntoIter<Bucket>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        let old = self.old.map(|old| old.entries).unwrap_or_default();
        self.entries.into_iter().chain(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::entry::Entry;
    use crate::engine::stamp::Stamp;
    use crate::engine::{Key, Space};
    use std::cell::Cell;
    use std::collections::HashSet;

    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn number_of(bucket: &Bucket) -> u64 {
        u64::from_be_bytes((&*bucket.key).try_into().expect("eight bytes"))
    }

    /// Puts a number in and says how many entries were moved for that.
    fn insert(table: &mut Table, number: u64) -> usize {
        let bytes = number.to_be_bytes();
        let (hash, space) = (hash(number), Space::Caller);
        let key = Key {
            hash,
            space,
            bytes: &bytes,
        };
        let bucket = Bucket::new(Entry::new(&key, Stamp::NEVER));
        let moved = Cell::new(0);
        let rehash = |bucket: &Bucket| {
            moved.set(moved.get() + 1);
            self::hash(number_of(bucket))
        };
        assert!(table.make_room(rehash));
        table.insert(hash, bucket, rehash);
        moved.get()
    }

    fn has(table: &Table, number: u64) -> bool {
        let found = table.find(hash(number), |bucket| number_of(bucket) == number);
        found.is_some()
    }

    #[test]
    fn no_insertion_moves_more_than_a_few_entries_however_large_the_table() {
        let mut table = Table::default();
        for number in 0..100_000 {
            let moved = insert(&mut table, number);
            assert!(moved <= STEP, "{moved} at {number}");
            assert!(has(&table, number / 2) && has(&table, number));
        }
        assert_eq!(table.len(), 100_000);
    }

    #[test]
    fn nor_where_as_many_go_as_come() {
        let mut table = Table::default();
        for number in 0..100_000 {
            assert!(insert(&mut table, number) <= STEP);
            if let Some(before) = number.checked_sub(1000) {
                let is = |bucket: &Bucket| number_of(bucket) == before;
                table.find_entry(hash(before), is).expect("there").remove();
            }
        }
        assert_eq!(table.len(), 1000);
    }

    #[test]
    fn a_walk_comes_across_everything_while_the_table_grows() {
        for before in [1, 5, 100, 3000] {
            let mut table = Table::default();
            (0..before).for_each(|number| _ = insert(&mut table, number));
            let (mut cursor, mut seen) = (Cursor::START, HashSet::new());
            let mut number = before;
            loop {
                match table.at(&mut cursor) {
                    Place::Entry(entry) => drop(seen.insert(number_of(entry.get()))),
                    Place::Empty => {}
                    Place::End => break,
                }
                if number < 8 * before {
                    insert(&mut table, number);
                    number += 1;
                }
            }
            assert!((0..before).all(|number| seen.contains(&number)), "{before}");
        }
    }
}
