//! What is kept for one key: its sessions, and when it was last used.

use super::event::EventKind;
use super::key::{Key, Space};
use super::stamp::Stamp;
use super::visit::Visit;
use super::{Kind, Options, Session, Time};
use smallvec::SmallVec;

pub(super) struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) space: Space,
    pub(super) used: Stamp,
    /// Nothing in here is over before this; may be too early.
    pub(super) soonest: Time,
    /// Oldest first; empty only for the moment in which the last one is replaced.
    pub(super) sessions: SmallVec<[Session; 1]>,
}

/// What `Entry::make_room` did.
pub(super) struct Room {
    pub(super) displaced: u64,
    /// The new session is older than all that there are, and these fill the entry.
    pub(super) too_old: bool,
}

impl Entry {
    pub(super) fn new(key: &Key<'_>, used: Stamp) -> Self {
        Self {
            key: key.bytes.into(),
            space: key.space,
            used,
            soonest: Time::NEVER,
            sessions: SmallVec::new(),
        }
    }

    #[inline]
    pub(super) fn is_of(&self, key: &Key<'_>) -> bool {
        *self.key == *key.bytes && self.space == key.space
    }

    /// Whether there is memory for one session more, if it may have one more.
    pub(super) fn can_grow(&mut self, options: &Options) -> bool {
        let most = options.max_sessions_per_endpoint as usize;
        self.sessions.len() >= most || self.sessions.try_reserve(1).is_ok()
    }

    pub(super) fn bytes(&self) -> usize {
        self.sessions.iter().map(|session| session.size).sum()
    }

    /// Its sessions, oldest first, each with the key.
    pub(super) fn sessions_with_key(&self) -> impl Iterator<Item = (&[u8], &Session)> {
        let key = &*self.key;
        self.sessions.iter().map(move |session| (key, session))
    }

    /// Takes a session in, in the order in which they were received: one that comes back goes to
    /// where it was.
    pub(super) fn add(&mut self, session: Session) {
        let at = self
            .sessions
            .partition_point(|other| other.received <= session.received);
        self.soonest = self.soonest.min(session.expires);
        self.sessions.insert(at, session);
    }

    /// Drops what a new session takes the place of.
    pub(super) fn make_room(&mut self, session: &Session, visit: &mut Visit<'_, '_>) -> Room {
        let mut displaced = 0;
        if session.kind == Kind::Reusable {
            // One is enough, it can be used again and again.
            displaced += self.extract(|other| other.kind == Kind::Reusable, visit);
        }
        let full = self.sessions.len() >= visit.options.max_sessions_per_endpoint as usize;
        let too_old = full && session.received < self.sessions[0].received;
        if full && !too_old {
            self.drop_oldest(visit);
            displaced += 1;
        }
        Room { displaced, too_old }
    }

    /// Drops the oldest session; false: there is none.
    pub(super) fn drop_oldest(&mut self, visit: &mut Visit<'_, '_>) -> bool {
        if self.sessions.is_empty() {
            return false;
        }
        let oldest = self.sessions.remove(0);
        visit.usage.release(false, oldest.size);
        visit.garbage.push(oldest);
        true
    }

    /// Drops the sessions that are over, and says how many.
    pub(super) fn expire(&mut self, visit: &mut Visit<'_, '_>) -> u64 {
        let now = visit.now;
        let expired = self.extract(|session| session.expires <= now, visit);
        visit.garbage.tell_of(EventKind::Expired, expired, self);
        if let Some(soonest) = self.sessions.iter().map(|session| session.expires).min() {
            self.soonest = soonest;
        }
        expired
    }

    /// Drops the sessions that `which` names, and says how many.
    pub(super) fn extract(
        &mut self,
        which: impl Fn(&Session) -> bool,
        visit: &mut Visit<'_, '_>,
    ) -> u64 {
        let before = visit.garbage.len();
        let mut at = 0;
        while let Some(session) = self.sessions.get(at) {
            if which(session) {
                visit.usage.release(false, session.size);
                visit.garbage.push(self.sessions.remove(at));
            } else {
                at += 1;
            }
        }
        (visit.garbage.len() - before) as u64
    }

    /// Whether there is nothing left that an entry would be kept for.
    pub(super) fn is_over(&self) -> bool {
        self.sessions.is_empty()
    }
}
