//! One look into a shard.

use super::era::Era;
use super::garbage::Garbage;
use super::usage::Held;
use super::{Options, Session, Time};

/// What a look into a shard needs from outside its lock.
pub(super) struct Visit<'a, 'g> {
    pub(super) now: Time,
    pub(super) options: &'a Options,
    pub(super) era: &'a Era,
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
