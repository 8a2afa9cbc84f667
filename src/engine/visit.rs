//! One look into a shard.

use super::garbage::Garbage;
use super::secret::Arena;
use super::usage::{Held, Usage};
use super::{Options, Session, Time};
use crate::sync::AtomicU64;

/// What a look into a shard needs from outside its lock.
pub(super) struct Visit<'a, 'g> {
    pub(super) now: Time,
    pub(super) options: &'a Options,
    pub(super) usage: &'a Usage,
    /// Counts the endpoints that came in; see `Stamp`.
    pub(super) epoch: &'a AtomicU64,
    /// Where the bytes of what comes in are kept.
    pub(super) arena: &'a Arena,
    /// Where goes what leaves the table.
    pub(super) garbage: &'a mut Garbage<'g>,
    /// What has left the table, and is still to be given up by the shard.
    pub(super) left: Held,
}

impl Visit<'_, '_> {
    /// A session has left the table.
    pub(super) fn drop(&mut self, session: Session) {
        self.left.add(&session);
        self.garbage.push(session);
    }
}
