//! The line of those that wait for a session.

use super::wait::Wait;
use crate::engine::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most stretches that there are. If less is expected than was, a look goes over all of them.
const MOST: usize = 12;

/// First come, first served.
#[derive(Default)]
pub(super) struct Line {
    /// By place; a later one has a larger number.
    waits: BTreeMap<u64, Arc<Wait>>,
    next: u64,
    stretches: Vec<Stretch>,
    /// The places of those who have a clock of their own.
    with_clock: BTreeSet<u64>,
    /// Whose clock was set, and to when.
    alarm: Option<(u64, Time)>,
}

/// Some that came one after the other and have about the same deadline: if the last of them does not wait in
/// vain, none does.
struct Stretch {
    first: u64,
    deadline: Time,
    count: usize,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.waits.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Whoever comes next has this place.
    pub(super) fn next_place(&self) -> u64 {
        self.next
    }

    /// Has one join at the end, at the next place.
    pub(super) fn push(&mut self, wait: &Arc<Wait>, now: Time) {
        let (place, deadline) = (wait.place, wait.deadline);
        self.next += 1;
        self.waits.insert(place, Arc::clone(wait));
        if wait.has_clock() {
            self.with_clock.insert(place);
        }
        let close = |last: &&mut Stretch| {
            last.deadline.0.abs_diff(deadline.0).saturating_mul(8) <= deadline.since(now)
        };
        if let Some(last) = self.stretches.last_mut().filter(close) {
            last.count += 1;
            return;
        }
        if self.stretches.len() == MOST {
            self.merge();
        }
        self.stretches.push(Stretch {
            first: place,
            deadline,
            count: 1,
        });
    }

    /// The two neighbours whose deadlines are the closest become one.
    fn merge(&mut self) {
        let apart = |pair: &[Stretch]| pair[0].deadline.0.abs_diff(pair[1].deadline.0);
        let pairs = self.stretches.windows(2).map(apart).enumerate();
        if let Some((at, _)) = pairs.min_by_key(|&(_, apart)| apart) {
            let later = self.stretches.remove(at + 1);
            self.stretches[at].count += later.count;
        }
    }

    pub(super) fn first(&self) -> Option<&Arc<Wait>> {
        self.waits.first_key_value().map(|(_, wait)| wait)
    }

    /// The last one of a stretch, and how many are ahead of it, given how many are ahead of the stretch.
    pub(super) fn last_of(&self, stretch: usize, ahead: u64) -> Option<(&Arc<Wait>, u64)> {
        let count = self.stretches.get(stretch)?.count as u64;
        let last = match self.stretches.get(stretch + 1) {
            Some(next) => self.waits.range(..next.first).next_back(),
            None => self.waits.last_key_value(),
        };
        last.map(|(_, wait)| (wait, ahead + count - 1))
    }

    /// Has one leave; false: it was not there.
    pub(super) fn remove(&mut self, wait: &Wait) -> bool {
        let place = wait.place;
        if self.waits.remove(&place).is_none() {
            return false;
        }
        self.with_clock.remove(&place);
        let after = self.stretches.partition_point(|one| one.first <= place);
        let stretch = &mut self.stretches[after - 1];
        stretch.count -= 1;
        if stretch.count == 0 {
            self.stretches.remove(after - 1);
        }
        true
    }

    /// Has the first one that has a clock look again at this time, if it would not go before.
    pub(super) fn set_alarm(&mut self, at: Option<Time>, now: Time) {
        let Some(wait) = self.with_clock.first().and_then(|at| self.waits.get(at)) else {
            return;
        };
        let at = at.unwrap_or(wait.deadline).min(wait.deadline);
        let before = self.alarm.filter(|&(place, _)| place == wait.place);
        if before.map_or(wait.deadline, |(_, before)| before) != at {
            // At its deadline it goes by itself, to the millisecond.
            wait.set_alarm((at < wait.deadline).then(|| at.since(now)));
        }
        self.alarm = Some((wait.place, at));
    }

    /// The alarm has gone off.
    pub(super) fn forget_alarm(&mut self) {
        self.alarm = None;
    }

    #[inline]
    pub(super) fn has_clock(&self) -> bool {
        !self.with_clock.is_empty()
    }
}
