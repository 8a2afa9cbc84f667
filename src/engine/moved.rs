//! Sessions on their way to another process.

use super::entry::Entry;
use super::stamp::Stamp;
use super::{Kind, Session};

/// What `Engine::move_out` brought. The single-use sessions are in no table any more.
#[derive(Default)]
pub(crate) struct MovedOut {
    pub(super) sessions: Vec<Moved>,
    /// Sessions that stayed because they are objects.
    pub(crate) objects: usize,
    /// Memory for a copy could not be had.
    pub(crate) no_memory: bool,
}

pub(super) struct Moved {
    pub(super) key: Box<[u8]>,
    pub(super) session: Session,
    used: Stamp,
    pub(super) number: usize,
}

impl MovedOut {
    /// Makes room while no lock is held: to move what is here takes the longer the more it is.
    pub(super) fn grow(&mut self) {
        const BEFORE: usize = 1024;
        let len = self.sessions.len();
        if self.sessions.capacity() - len < BEFORE {
            self.no_memory |= self.sessions.try_reserve(len.max(BEFORE)).is_err();
        }
    }

    /// Whether there is memory for so many more. If not, that is noted.
    pub(super) fn can_grow(&mut self, sessions: usize) -> bool {
        self.no_memory |= self.sessions.try_reserve(sessions).is_err();
        !self.no_memory
    }

    pub(super) fn push(&mut self, entry: &Entry, session: Session) {
        self.sessions.push(Moved {
            key: (&*entry.key).into(),
            session,
            used: entry.used,
            number: self.sessions.len(),
        });
    }

    /// Those of the least recently used key come first and of each key the oldest.
    pub(super) fn sort(&mut self) {
        // In place: a stable sort asks for memory.
        self.sessions
            .sort_unstable_by_key(|moved| (moved.used, moved.number));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Session)> {
        self.sessions
            .iter()
            .map(|moved| (&*moved.key, &moved.session))
    }
}

impl Moved {
    /// Whether it has left the cache.
    pub(super) fn has_left(&self) -> bool {
        self.session.kind == Kind::SingleUse
    }
}
