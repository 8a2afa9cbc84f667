//! A get on one thread, against what no cache can do without: hash the key (as std does), take an uncontended lock,
//! copy the bytes.
//!
//! The floor knows where the bytes are without the hash; a cache does not. So it waits for the hash before it
//! copies, as a cache has to. And each call needs what the one before gave, as in a driver: none can begin
//! before the last has ended.

#![expect(
    clippy::disallowed_types,
    reason = "parking_lot's lock is the yardstick"
)]

use crate::peer::Peer;
use crate::report::Row;
use crate::tsc::Tsc;
use crate::work;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::hint::black_box;

const BYTES: usize = 1024;

struct Floor {
    hasher: RandomState,
    /// All bits of the hash that are added to the place to copy from: none, but that is only known when it runs.
    of_the_hash: u64,
    lock: parking_lot::Mutex<u64>,
    sessions: Vec<[u8; BYTES]>,
}

#[inline(never)]
fn get(floor: &Floor, key: &[u8], at: usize, buf: &mut [u8]) {
    let mut hasher = floor.hasher.build_hasher();
    hasher.write(key);
    let at = at + (hasher.finish() & floor.of_the_hash) as usize;
    let mut count = floor.lock.lock();
    *count += 1;
    buf.copy_from_slice(&floor.sessions[at]);
}

pub fn measure(quick: bool, rows: &mut Vec<Row>) {
    for endpoints in [8, 10_000] {
        let case = endpoints.to_string();
        let keys: Vec<_> = (0..endpoints).map(work::key).collect();
        // The last byte is 0, which the processor does not know.
        let mut session = [7; BYTES];
        session[BYTES - 1] = 0;
        let cache = Tsc::new(endpoints.max(100), crate::peer::EACH);
        keys.iter().for_each(|key| cache.put(key, &session));
        let floor = Floor {
            hasher: RandomState::new(),
            of_the_hash: black_box(0),
            lock: parking_lot::Mutex::new(0),
            sessions: vec![session; endpoints],
        };
        let order = work::uniform(100_000, endpoints);
        for round in 0..if quick { 7 } else { 31 } {
            let own = in_turn(&order, |at, buf| assert!(cache.get(&keys[at], buf)));
            let bare = in_turn(&order, |at, buf| get(&floor, &keys[at], at, buf));
            rows.push(Row::new("floor", &case, "libtsc", round, own));
            rows.push(Row::new("floor", &case, "floor", round, bare));
        }
    }
}

/// An offer of an object, and as many times taking and releasing a lock.
pub fn measure_offer(quick: bool, rows: &mut Vec<Row>) {
    let cache = Tsc::new(100, crate::peer::EACH);
    let lock = parking_lot::Mutex::new(0_u64);
    for round in 0..if quick { 7 } else { 31 } {
        let own = cache.offer(500, BYTES);
        let locks = 50_000;
        let start = work::thread_cpu();
        for _ in 0..locks {
            *black_box(&lock).lock() += 1;
        }
        let bare = (work::thread_cpu() - start) / f64::from(locks);
        rows.push(Row::new("offer", "object", "libtsc", round, own));
        rows.push(Row::new("offer", "object", "lock", round, bare));
    }
}

/// Nanoseconds of CPU per call.
fn in_turn(order: &[u32], mut call: impl FnMut(usize, &mut [u8])) -> f64 {
    let mut buf = [0; BYTES];
    let start = work::thread_cpu();
    for turn in 0..order.len() {
        let at = order[turn ^ usize::from(buf[BYTES - 1])];
        call(at as usize, black_box(&mut buf));
    }
    (work::thread_cpu() - start) / order.len() as f64
}
