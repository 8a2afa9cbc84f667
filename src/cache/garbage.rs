//! What is left to do once no lock is held.

use super::entry::Entry;
use super::event::{Event, EventKind, Listener};
use super::{Key, Session, Space};

/// Sessions that left the table, and what there is to tell. Dropping the sessions and telling may both
/// run foreign code, so this is dropped after the lock is gone.
pub(crate) struct Garbage<'a> {
    sessions: Vec<Session>,
    /// `None`: nobody listens, and nothing is written down.
    untold: Option<Untold<'a>>,
}

struct Untold<'a> {
    listener: &'a Listener,
    events: Vec<(EventKind, u64, Space, Box<[u8]>)>,
}

impl<'a> Garbage<'a> {
    #[inline]
    pub(super) fn new(listener: Option<&'a Listener>) -> Self {
        Self {
            sessions: Vec::new(),
            untold: listener.map(|listener| Untold {
                listener,
                events: Vec::new(),
            }),
        }
    }

    pub(crate) fn push(&mut self, session: Session) {
        self.sessions.push(session);
    }

    pub(super) fn extend(&mut self, sessions: impl IntoIterator<Item = Session>) {
        self.sessions.extend(sessions);
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Has the listener told, later, what happened to a key.
    #[inline]
    pub(crate) fn tell(&mut self, kind: EventKind, count: u64, key: &Key<'_>) {
        self.note(kind, count, key.space, key.bytes);
    }

    /// The same for an entry.
    #[inline]
    pub(super) fn tell_of(&mut self, kind: EventKind, count: u64, entry: &Entry) {
        self.note(kind, count, entry.space, &entry.key);
    }

    #[inline]
    fn note(&mut self, kind: EventKind, count: u64, space: Space, key: &[u8]) {
        if let Some(untold) = &mut self.untold
            && count != 0
        {
            untold.events.push((kind, count, space, key.into()));
        }
    }
}

impl Drop for Garbage<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(untold) = &self.untold else { return };
        for &(kind, count, space, ref key) in &untold.events {
            (untold.listener)(&Event {
                kind,
                count,
                space,
                key,
            });
        }
    }
}
