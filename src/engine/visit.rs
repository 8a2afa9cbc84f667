//! One look into a shard.

use super::garbage::Garbage;
use super::secret::Stash;
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

    /// The same, and its block is kept for the next.
    #[inline]
    pub(super) fn recycle(&mut self, session: Session, stash: &mut Stash) {
        self.left.add(&session);
        if let Some(session) = session.recycle(stash) {
            self.garbage.push(session);
        }
    }
}
