//! One look into a shard.

use super::garbage::Garbage;
use super::usage::Usage;
use super::{Options, Time};
use crate::sync::AtomicU64;

/// What a look into a shard needs from outside its lock.
pub(super) struct Visit<'a, 'g> {
    pub(super) now: Time,
    pub(super) options: &'a Options,
    pub(super) usage: &'a Usage,
    /// Counts the endpoints that came in; see `Stamp`.
    pub(super) epoch: &'a AtomicU64,
    /// Where goes what leaves the table.
    pub(super) garbage: &'a mut Garbage<'g>,
}
