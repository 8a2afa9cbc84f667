//! When an entry was last used, for finding the least recently used one.

use super::Time;

/// The upper 40 bits count the endpoints that came into the cache, in all shards together; the lower
/// 24 order the uses within one shard between two of these. So a use writes nothing that shards share,
/// and two entries of different shards can be mistaken for each other only if no endpoint came in
/// between their last uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(pub(super) u64);

impl Stamp {
    pub(super) const NEVER: Stamp = Stamp(u64::MAX);

    /// The earliest stamp after so many endpoints had come in.
    fn first_of(epoch: u64) -> Self {
        Self(epoch << 24)
    }
}

/// The stamps of one shard, of which each use takes one.
pub(super) struct Stamps {
    last: Stamp,
    /// When the last use was; `NEVER` where that does not matter.
    moment: Time,
}

impl Stamps {
    /// The stamps of a cache's only shard: there the order of use is exact.
    pub(super) fn exact() -> Self {
        Self {
            last: Stamp::default(),
            moment: Time::NEVER,
        }
    }

    /// The stamps of one shard of many. What is used several times at one moment of the clock, which is
    /// some milliseconds, has the same stamp then and need not be written again: who writes to an entry
    /// takes it away from the other processors, and they wait for it at their next look.
    pub(super) fn of_moments() -> Self {
        Self {
            last: Stamp::default(),
            moment: Time(0),
        }
    }

    /// For a use at `now`, when so many endpoints had come in.
    #[inline]
    pub(super) fn used(&mut self, now: Time, epoch: u64) -> Stamp {
        if self.moment == now {
            self.last = self.last.max(Stamp::first_of(epoch));
            return self.last;
        }
        if self.moment != Time::NEVER {
            self.moment = now;
        }
        self.later(epoch)
    }

    /// Later than every use in this shard. Sixteen million of them without a new endpoint carry into
    /// the upper bits: what they touched counts as a little newer than it is.
    pub(super) fn later(&mut self, epoch: u64) -> Stamp {
        self.last = Stamp(self.last.0 + 1).max(Stamp::first_of(epoch));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_an_only_shard_every_use_is_later_than_the_one_before() {
        let mut stamps = Stamps::exact();
        let uses = [0, 0, 1, 1, 0].map(|now| stamps.used(Time(now), 0));
        assert!(uses.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn in_one_of_many_the_uses_of_a_moment_share_a_stamp() {
        let mut stamps = Stamps::of_moments();
        let first = stamps.used(Time(1), 0);
        assert_eq!(first, stamps.used(Time(1), 0));
        let next = stamps.used(Time(2), 0);
        assert!(first < next);
        // Also at the same moment what is stored, and what is used after an endpoint came in, is later.
        let stored = stamps.later(0);
        assert!(next < stored);
        assert!(stored < stamps.used(Time(2), 1));
    }
}
