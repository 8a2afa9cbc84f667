//! Attempts counted by time.
//!
//! What is expected depends on when each attempt began, and there may be thousands of them. So they are
//! counted in a few cohorts, which are the wider the further their time is from now: an attempt that has
//! been under way for two minutes may as well have been for one and a half.

use super::flight::{Flight, Handshake};
use crate::engine::Time;

/// The most cohorts that there are. A look at what is expected goes over all of them.
const MOST: usize = 32;

/// Attempts of about the same time, ordered and disjoint.
#[derive(Default)]
pub(super) struct Cohorts {
    cohorts: Vec<Cohort>,
    /// Those before this have lapsed, and nobody counts as one of them any more.
    floor: Time,
}

#[derive(Clone, Copy)]
pub(super) struct Cohort {
    first: Time,
    pub(super) last: Time,
    /// By kind of handshake.
    counts: [Count; 2],
}

/// Attempts that do the same kind of handshake.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) flights: u32,
    /// How many of them are not established.
    pub(super) undecided: u32,
    /// How many sessions they have brought.
    pub(super) brought: u64,
}

impl Cohort {
    pub(super) fn count(&self, handshake: Handshake) -> Count {
        self.counts[handshake as usize]
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.flights == 0)
    }

    fn absorb(&mut self, later: &Self) {
        self.last = later.last;
        for (count, other) in self.counts.iter_mut().zip(&later.counts) {
            count.flights += other.flights;
            count.undecided += other.undecided;
            count.brought += other.brought;
        }
    }
}

impl Cohorts {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Cohort> {
        self.cohorts.iter()
    }

    /// Counts an attempt that has begun at this time.
    pub(super) fn add(&mut self, flight: &Flight, at: Time, now: Time) {
        let Some(handshake) = flight.handshake() else {
            return;
        };
        let at = at.max(self.floor);
        flight.set_counted_at(at);
        let count = &mut self.cohort(at, now).counts[handshake as usize];
        count.flights += 1;
        count.undecided += u32::from(flight.established().is_none());
        count.brought += u64::from(flight.brought());
    }

    /// Counts it no longer, as it was counted; false: it has lapsed.
    pub(super) fn remove(&mut self, flight: &Flight) -> bool {
        let (Some(index), Some(handshake)) = (self.find(flight), flight.handshake()) else {
            return false;
        };
        let count = &mut self.cohorts[index].counts[handshake as usize];
        count.flights -= 1;
        count.undecided -= u32::from(flight.established().is_none());
        count.brought -= u64::from(flight.brought());
        if self.cohorts[index].is_empty() {
            if index + 1 == self.cohorts.len() {
                self.cohorts.pop();
            } else {
                self.cohorts.remove(index);
            }
        }
        true
    }

    /// One that is counted has been established, with this kind of handshake in the end; false: it has
    /// lapsed.
    pub(super) fn establish(&mut self, flight: &Flight, handshake: Handshake) -> bool {
        let (Some(index), Some(before)) = (self.find(flight), flight.handshake()) else {
            return false;
        };
        let counts = &mut self.cohorts[index].counts;
        counts[before as usize].undecided -= 1;
        if before != handshake {
            let brought = u64::from(flight.brought());
            counts[before as usize].flights -= 1;
            counts[before as usize].brought -= brought;
            counts[handshake as usize].flights += 1;
            counts[handshake as usize].brought += brought;
        }
        true
    }

    /// One that is counted has brought one more.
    pub(super) fn brought(&mut self, flight: &Flight) {
        if let (Some(index), Some(handshake)) = (self.find(flight), flight.handshake()) {
            self.cohorts[index].counts[handshake as usize].brought += 1;
        }
    }

    /// The earliest cohort, if it is all before this time; it is gone then.
    pub(super) fn lapse(&mut self, before: Time) -> Option<Cohort> {
        if self.cohorts.first()?.last >= before {
            return None;
        }
        let lapsed = self.cohorts.remove(0);
        self.floor = lapsed.last.plus_ms(1);
        Some(lapsed)
    }

    fn find(&self, flight: &Flight) -> Option<usize> {
        let at = flight.counted_at();
        (at >= self.floor).then(|| self.place(at))
    }

    /// The first cohort that is not all before this time.
    fn place(&self, at: Time) -> usize {
        // Mostly it is the last one, or comes after it.
        match self.cohorts.last() {
            Some(last) if last.last < at => self.cohorts.len(),
            Some(last) if last.first <= at => self.cohorts.len() - 1,
            _ => self.cohorts.partition_point(|cohort| cohort.last < at),
        }
    }

    #[inline]
    fn cohort(&mut self, at: Time, now: Time) -> &mut Cohort {
        let mut index = self.place(at);
        if self.is_between(index, at) {
            if self.cohorts.len() == MOST {
                self.merge(now);
                index = self.place(at);
            }
            // What was merged may reach over it.
            if self.is_between(index, at) {
                self.insert(index, at);
            }
        }
        &mut self.cohorts[index]
    }

    /// Whether a time for which this is the place is in no cohort yet.
    #[inline]
    fn is_between(&self, index: usize, at: Time) -> bool {
        self.cohorts.get(index).is_none_or(|next| at < next.first)
    }

    #[inline]
    fn insert(&mut self, index: usize, at: Time) {
        let cohort = Cohort {
            first: at,
            last: at,
            counts: Default::default(),
        };
        if index == self.cohorts.len() {
            self.cohorts.push(cohort);
        } else {
            self.cohorts.insert(index, cohort);
        }
    }

    /// Makes room: neighbours become one where they are close to each other, seen from now.
    #[cold]
    fn merge(&mut self, now: Time) {
        for share in [8, 4, 2, 1, 0] {
            self.cohorts.dedup_by(|later, earlier| {
                let width = later.last.since(earlier.first);
                let distance = now
                    .0
                    .abs_diff(later.last.0)
                    .min(now.0.abs_diff(earlier.first.0));
                let merges = width * share <= distance;
                if merges {
                    earlier.absorb(later);
                }
                merges
            });
            if self.cohorts.len() <= MOST * 3 / 4 {
                break;
            }
        }
    }
}
