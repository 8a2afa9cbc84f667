//! What one process keeps of a cache: the shards, and what they have in common.

use super::garbage::Garbage;
use super::key::Key;
use super::secret::Arena;
use super::shard::{Eviction, Shard};
use super::stamp::{Stamp, Stamps};
use super::usage::{Held, Usage};
use super::visit::Visit;
use super::{Options, Time};
use crate::sync::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What one process keeps.
pub(super) struct Era {
    pub(super) shards: Vec<Shard>,
    /// For each shard: no entry of it was used before this. Touching an entry leaves it as it is, so
    /// it may be too early. Side by side, since an eviction looks at all of them.
    oldest: Vec<AtomicU64>,
    pub(super) usage: Usage,
    /// Counts the endpoints that came in; see `Stamp`.
    pub(super) epoch: AtomicU64,
    pub(super) arena: Arena,
}

impl Era {
    pub(super) fn new(options: &Options) -> Self {
        let shards = shards(options);
        let stamps = if shards == 1 {
            Stamps::exact
        } else {
            Stamps::of_moments
        };
        Self {
            shards: (0..shards).map(|_| Shard::new(stamps())).collect(),
            oldest: (0..shards)
                .map(|_| AtomicU64::new(Stamp::NEVER.0))
                .collect(),
            usage: Usage::new(options, shards),
            epoch: AtomicU64::new(0),
            arena: Arena::new(shards),
        }
    }

    /// A look into the shards at this moment.
    #[inline]
    pub(super) fn visit<'a, 'g>(
        &'a self,
        now: Time,
        options: &'a Options,
        garbage: &'a mut Garbage<'g>,
    ) -> Visit<'a, 'g> {
        Visit {
            now,
            options,
            era: self,
            garbage,
            left: Held::default(),
        }
    }

    /// What the era remembers of a key's shard.
    pub(super) fn oldest(&self, key: &Key<'_>) -> &AtomicU64 {
        &self.oldest[self.place(key)]
    }

    #[inline]
    pub(super) fn shard(&self, key: &Key<'_>) -> &Shard {
        &self.shards[self.place(key)]
    }

    /// Which shard a key is in.
    #[inline]
    pub(super) fn place(&self, key: &Key<'_>) -> usize {
        key.place() & (self.shards.len() - 1)
    }

    /// Takes back what shards have set aside and do not use, from that of `key` on, until it is enough; false:
    /// nothing. No more shards than that are locked: while another thread goes through them, each lock may be a
    /// wait.
    pub(super) fn take_spare(&self, key: &Key<'_>, enough: usize) -> bool {
        if !self.usage.take_any_spare() {
            return false;
        }
        let (before, after) = self.shards.split_at(self.place(key));
        let mut taken = 0;
        for shard in after.iter().chain(before) {
            taken += shard.lock().give_spare(&self.usage);
            if taken >= enough {
                self.usage.leave_some_spare();
                break;
            }
        }
        taken != 0
    }

    /// Drops something that is over, or else the least recently used endpoint; false: there is none
    /// but that of `key`, which room is wanted for.
    pub(super) fn evict(&self, key: &Key<'_>, visit: &mut Visit<'_, '_>) -> bool {
        // Each shard tells since when its entries may be unused, at the earliest. One look either
        // evicts there or corrects that, so that another shard may be the next to look at.
        loop {
            let mut oldest = (Stamp::NEVER, 0);
            let mut next = Stamp::NEVER;
            for (at, stamp) in self.oldest.iter().enumerate() {
                let stamp = Stamp(stamp.load(Relaxed));
                if stamp < oldest.0 {
                    next = oldest.0;
                    oldest = (stamp, at);
                } else {
                    next = next.min(stamp);
                }
            }
            let (stamp, at) = oldest;
            if stamp == Stamp::NEVER {
                return false;
            }
            let mut state = self.shards[at].lock();
            let (eviction, oldest) = state.evict(key, next, visit);
            // Under the lock, so that no entry that comes in meanwhile is missed.
            self.oldest[at].store(oldest.0, Relaxed);
            match eviction {
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
    if options.max_endpoints <= EXACT_UP_TO {
        return 1;
    }
    (options.max_endpoints / ENDPOINTS_A_SHARD)
        .next_power_of_two()
        .min(Shard::MOST as u32) as usize
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use crate::engine::{Clock, Engine, Kind, Lineage, Options, Session, Space, Time, Uses};

    const BYTES: usize = 100;

    fn engine(max_endpoints: u32, sessions: usize) -> Engine {
        let options = Options {
            max_endpoints,
            max_bytes: (sessions * BYTES) as u64,
            ..Options::default()
        };
        Engine::new(options, Clock::Driven(Box::new(|| 0)), None)
    }

    fn put(engine: &Engine, number: u32) {
        let key = number.to_be_bytes();
        let key = engine.key(Space::Caller, &key);
        let session = Session {
            payload: &[7; BYTES][..],
            kind: Kind::SingleUse,
            label: 0,
            size: BYTES,
            received: Time(0),
            expires: Time(1),
            lineage: Lineage {
                id: 1,
                ends: Time::NEVER,
            },
            uses: Uses::default(),
        };
        engine.put_bytes(&key, Time(0), session).expect("memory");
    }

    /// What each shard has set aside and does not use.
    fn spare(engine: &Engine) -> Vec<usize> {
        let shards = engine.era().shards.iter();
        shards.map(|shard| shard.lock().held().spare).collect()
    }

    /// Leaves something unused in many shards.
    fn fill(engine: &Engine, endpoints: u32) {
        (0..endpoints).for_each(|number| put(engine, number));
        for number in 0..endpoints / 2 {
            engine.remove(&engine.key(Space::Caller, &number.to_be_bytes()));
        }
    }

    #[test]
    fn where_only_endpoints_are_too_many_no_shard_is_asked_for_bytes() {
        // Which endpoints share a shard is chance, and how much is left unused there.
        let (engine, before) = std::iter::repeat_with(|| {
            let engine = engine(256, 1 << 20);
            fill(&engine, 256);
            (2000..2128).for_each(|number| put(&engine, number));
            let before = spare(&engine);
            (engine, before)
        })
        .find(|(_, before)| before.iter().sum::<usize>() > 8 * BYTES)
        .expect("one in ten has less");
        put(&engine, 3000);
        let changed = spare(&engine)
            .iter()
            .zip(&before)
            .filter(|(now, before)| now < before)
            .count();
        assert_eq!(engine.stats().evicted, 1);
        assert!(changed <= 1, "{changed}");
    }

    #[test]
    fn where_bytes_are_short_no_more_shards_are_asked_than_it_takes() {
        let (engine, mut before) = std::iter::repeat_with(|| {
            let engine = engine(512, 300);
            fill(&engine, 200);
            let before = spare(&engine);
            (engine, before)
        })
        .find(|(_, before)| before.iter().filter(|&&spare| spare >= BYTES).count() > 8)
        .expect("few have less");
        let mut number = 2000;
        loop {
            put(&engine, number);
            number += 1;
            let now = spare(&engine);
            let given = now.iter().zip(&before);
            let mut given: Vec<_> = given
                .map(|(now, before)| before.saturating_sub(*now))
                .collect();
            given.sort_unstable();
            // Its own, that of what was evicted, and the last that was asked may give any number. Those asked
            // before that one were not enough.
            let others = &given[..given.len() - 3];
            assert!(others.iter().sum::<usize>() < BYTES, "{given:?}");
            if engine.stats().evicted != 0 {
                break;
            }
            before = now;
        }
        assert_eq!(spare(&engine).iter().sum::<usize>(), 0);
        assert_eq!(engine.stats().sessions, 300);
    }
}
