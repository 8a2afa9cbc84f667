//! An entry as a table holds it.

use super::Payload;
use super::entry::Entry;
use crate::sys;
use std::ops::{Deref, DerefMut};

/// Small, so that a table stays in the processor's nearer caches when entries and sessions are in the
/// farther ones or in memory.
pub(super) struct Bucket {
    entry: Box<Entry>,
    /// Where the newest session's bytes were when `mark_newest` last looked; 0: nowhere. Only for `fetch`.
    newest: usize,
}

impl Bucket {
    pub(super) fn new(entry: Entry) -> Self {
        let mut bucket = Self {
            entry: Box::new(entry),
            newest: 0,
        };
        bucket.mark_newest();
        bucket
    }

    /// To be called when another session has become the newest; who does not only makes the next
    /// look-up slower.
    pub(super) fn mark_newest(&mut self) {
        let newest = self.entry.sessions.newest().map(|session| &session.payload);
        self.newest = match newest {
            Some(Payload::Bytes(bytes)) => bytes.as_ptr().addr(),
            _ => 0,
        };
    }

    /// Has all of the entry brought near at once and, meanwhile, the newest session's bytes: where they
    /// are for certain, only the entry tells.
    #[inline]
    pub(super) fn fetch(&self) {
        sys::prefetch::<{ size_of::<Entry>() }>(self.place());
        if self.newest != 0 {
            sys::prefetch::<1024>(self.newest);
        }
    }

    /// Where the entry is in memory.
    pub(super) fn place(&self) -> usize {
        (&raw const *self.entry).addr()
    }

    pub(super) fn into_entry(self) -> Entry {
        *self.entry
    }
}

impl Deref for Bucket {
    type Target = Entry;

    #[inline]
    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl DerefMut for Bucket {
    #[inline]
    fn deref_mut(&mut self) -> &mut Entry {
        &mut self.entry
    }
}
