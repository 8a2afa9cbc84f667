//! Random numbers that need not be secret, as for hash tables.

use foldhash::SharedSeed;
use once_cell::race::OnceBox;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A seed for one table, and the one that all tables share.
///
/// foldhash has its own, but makes the shared one under a lock: a child that is forked meanwhile would wait
/// for ever. Nobody waits here.
pub(crate) fn hash_seeds() -> (u64, &'static SharedSeed) {
    static SHARED: OnceBox<SharedSeed> = OnceBox::new();
    let shared = SHARED.get_or_init(|| Box::new(SharedSeed::from_u64(random())));
    (random(), shared)
}

/// std's are the system's random numbers.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
