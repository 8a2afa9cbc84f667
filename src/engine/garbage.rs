//! What is left to do once no lock is held.

use super::entry::Entry;
use super::event::{Event, EventKind, Listener};
use super::{Key, Session, Space};
use smallvec::SmallVec;
use std::mem::{self, ManuallyDrop};

/// Sessions that left the table, and what there is to tell. Dropping the sessions and telling may both
/// run foreign code, so this is dropped after the lock is gone.
pub(crate) struct Garbage<'a> {
    /// `None`: nobody listens, and nothing is written down.
    listener: Option<&'a Listener>,
    /// One list of both, so that the usual case, in which there is neither, is one look.
    left: ManuallyDrop<SmallVec<[Left; 1]>>,
}

enum Left {
    Drop(#[expect(dead_code, reason = "is there to be dropped")] Session),
    Tell(EventKind, u64, Space, Box<[u8]>),
}

impl<'a> Garbage<'a> {
    #[inline]
    pub(super) fn new(listener: Option<&'a Listener>) -> Self {
        Self {
            listener,
            left: ManuallyDrop::default(),
        }
    }

    pub(crate) fn push(&mut self, session: Session) {
        self.left.push(Left::Drop(session));
    }

    pub(super) fn extend(&mut self, sessions: impl IntoIterator<Item = Session>) {
        self.left.extend(sessions.into_iter().map(Left::Drop));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Has the listener told, later, what happened to a key.
    #[inline]
    pub(crate) fn tell(&mut self, kind: EventKind, count: u64, key: &Key<'_>) {
        if self.listener.is_some() {
            self.note(kind, count, key.space, key.bytes);
        }
    }

    /// The same for an entry.
    #[inline]
    pub(super) fn tell_of(&mut self, kind: EventKind, count: u64, entry: &Entry) {
        if self.listener.is_some() {
            self.note(kind, count, entry.space, &entry.key);
        }
    }

    #[cold]
    fn note(&mut self, kind: EventKind, count: u64, space: Space, key: &[u8]) {
        if count != 0 {
            self.left.push(Left::Tell(kind, count, space, key.into()));
        }
    }
}

impl Drop for Garbage<'_> {
    #[inline]
    fn drop(&mut self) {
        #[inline(never)]
        fn settle(listener: Option<&Listener>, left: SmallVec<[Left; 1]>) {
            let Some(listener) = listener else { return };
            for left in &left {
                if let &Left::Tell(kind, count, space, ref key) = left {
                    listener(&Event {
                        kind,
                        count,
                        space,
                        key,
                    });
                }
            }
        }
        if !self.left.is_empty() {
            settle(self.listener, mem::take(&mut self.left));
        }
    }
}
