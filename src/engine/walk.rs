//! A walk through all shards.

use super::shard::Shard;
use super::table::Cursor;

/// Places of a table that are looked at before its lock is given to others.
const PLACES_UNDER_A_LOCK: usize = 64;

/// How far a walk is in one shard.
#[derive(Clone, Copy)]
pub(super) struct Progress {
    pub(super) cursor: Cursor,
    /// Places to look at next.
    pub(super) places: usize,
    /// Places that are left, as far as is known: the first look tells.
    pub(super) left: usize,
}

impl Progress {
    pub(super) const START: Self = Self {
        cursor: Cursor::START,
        places: 0,
        left: 1,
    };
}

/// Shows the shards to `look` in turn, each a piece at a time, until nothing is left of any.
///
/// In turn, since std's lock is not fair: a thread that waits for it is woken when a piece is done, but a walk that
/// went on in the same shard would have the lock again before that thread runs, piece after piece. So a walk goes
/// through the other shards first. And at the pace of the longest, so that it does not end alone in one.
pub(super) fn walk(shards: &[Shard], mut look: impl FnMut(&Shard, &mut Progress)) {
    let mut progress = [Progress::START; Shard::MOST];
    let progress = &mut progress[..shards.len()];
    loop {
        let most = progress.iter().map(|one| one.left).max().unwrap_or(0);
        if most == 0 {
            return;
        }
        for (shard, one) in shards.iter().zip(&mut *progress) {
            if one.left != 0 {
                one.places = (PLACES_UNDER_A_LOCK * one.left).div_ceil(most);
                look(shard, one);
            }
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::engine::{
        Clock, Engine, EventKind, Kind, Lineage, Options, Payload, Session, Space, Time, Uses,
    };
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};

    type Key = Vec<u8>;

    struct World {
        engine: Engine,
        now: Arc<AtomicU64>,
        /// The keys of what expired, in this order.
        expired: Arc<Mutex<Vec<Key>>>,
    }

    /// A cache of as many shards as there can be, whose sessions are over at the time 1.
    fn full() -> World {
        const ENDPOINTS: u32 = 20_000;
        let options = Options {
            max_endpoints: 2 * ENDPOINTS,
            max_bytes: 1 << 30,
            ..Options::default()
        };
        let now = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&now);
        let expired = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&expired);
        let engine = Engine::new(
            options,
            Clock::Driven(Box::new(move || read.load(Relaxed))),
            Some(Box::new(move |event| {
                if event.kind == EventKind::Expired {
                    list.lock().expect("no panic").push(event.key.to_vec());
                }
            })),
        );
        for number in 0..ENDPOINTS {
            let key = number.to_be_bytes();
            let key = engine.key(Space::Caller, &key);
            let bytes = engine.keep(&key, b"secret").expect("memory");
            let session = Session {
                payload: Payload::Bytes(bytes),
                kind: Kind::SingleUse,
                label: 0,
                size: 6,
                received: Time(0),
                expires: Time(1),
                lineage: Lineage {
                    id: 1,
                    ends: Time::NEVER,
                },
                uses: Uses::default(),
            };
            engine.put(&key, session).expect("room");
        }
        World {
            engine,
            now,
            expired,
        }
    }

    /// A thread that waits for a shard has all the time that the walk is in the others. How long that is, is the
    /// machine's business: what counts is how many pieces of others lie between two of one shard.
    fn assert_in_turn(engine: &Engine, keys: impl Iterator<Item = Key>) {
        let (mut last, mut turn, mut run) = ([0_u32; Shard::MOST], 1000, 0);
        let mut before = usize::MAX;
        for key in keys {
            let place = engine.era().place(&engine.key(Space::Caller, &key));
            if place == before {
                run += 1;
                assert!(run <= PLACES_UNDER_A_LOCK, "{run} entries under a lock");
                continue;
            }
            (before, run) = (place, 1);
            turn += 1;
            let between = turn - std::mem::replace(&mut last[place], turn);
            assert!(between > Shard::MOST as u32 / 2, "{place} after {between}");
        }
        assert!(last.iter().all(|&turn| turn != 0), "a shard was left out");
    }

    #[test]
    fn an_export_looks_at_the_shards_in_turn() {
        let World { engine, .. } = full();
        let mut keys = Vec::new();
        engine.each(Space::Caller, b"", |key, _, _| keys.push(key.to_vec()));
        assert_in_turn(&engine, keys.into_iter());
    }

    #[test]
    fn an_export_moves_out_of_the_shards_in_turn() {
        let World { engine, .. } = full();
        let mut out = engine.move_out(Space::Caller, b"", engine.now());
        out.sessions.sort_unstable_by_key(|moved| moved.number);
        let keys = out.sessions.iter().map(|moved| moved.key.to_vec());
        assert_in_turn(&engine, keys);
        engine.move_back(Space::Caller, out);
    }

    #[test]
    fn what_is_over_goes_from_the_shards_in_turn() {
        let world = full();
        world.now.store(1, Relaxed);
        world.engine.clear_expired();
        let keys = std::mem::take(&mut *world.expired.lock().expect("no panic"));
        assert_in_turn(&world.engine, keys.into_iter());
    }

    #[test]
    fn a_walk_does_not_end_alone_in_the_longest_shard() {
        let shards =
            Vec::from_iter((0..3).map(|_| Shard::new(crate::engine::stamp::Stamps::exact())));
        let (mut left, mut turns) = ([100_000_usize, 50_000, 25_000], Vec::new());
        walk(&shards, |shard, progress| {
            let at = shards
                .iter()
                .position(|one| std::ptr::eq(one, shard))
                .expect("one of them");
            assert!((1..=PLACES_UNDER_A_LOCK).contains(&progress.places));
            left[at] = left[at].saturating_sub(progress.places);
            progress.left = left[at];
            turns.push(at);
        });
        assert_eq!(left, [0; 3]);
        let longest = turns
            .chunk_by(|one, next| one == next)
            .map(<[_]>::len)
            .max();
        assert_eq!(longest, Some(1));
    }
}
