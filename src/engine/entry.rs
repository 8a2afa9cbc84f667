//! What is kept for one key: its sessions, and when it was last used.

use super::event::EventKind;
use super::key::{Key, Space};
use super::session::Incoming;
use super::sessions::Sessions;
use super::stamp::Stamp;
use super::usage::Held;
use super::visit::Visit;
use super::{Kind, Options, Payload, Session, Time};
use smallvec::SmallVec;

pub(super) struct Entry {
    /// As long as most keys are, it lies here.
    pub(super) key: SmallVec<[u8; 40]>,
    pub(super) space: Space,
    pub(super) used: Stamp,
    /// Nothing in here is over before this; may be too early.
    pub(super) soonest: Time,
    /// Empty only for the moment in which the last one is replaced.
    pub(super) sessions: Sessions,
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
            sessions: Sessions::default(),
        }
    }

    #[inline]
    pub(super) fn is_of(&self, key: &Key<'_>) -> bool {
        *self.key == *key.bytes && self.space == key.space
    }

    /// Whether its key begins so.
    pub(super) fn begins(&self, space: Space, prefix: &[u8]) -> bool {
        self.space == space && self.key.starts_with(prefix)
    }

    /// Whether there is memory for one session more, if it may have one more.
    pub(super) fn can_grow(&mut self, options: &Options) -> bool {
        let most = options.max_sessions_per_endpoint as usize;
        self.sessions.len() >= most || self.sessions.can_grow()
    }

    /// Takes a session in, in the order in which they were received: one that comes back goes to
    /// where it was.
    pub(super) fn add(&mut self, session: Session) {
        self.soonest = self.soonest.min(session.expires);
        self.sessions.add(session);
    }

    /// Writes a session over the one that it takes the place of, if that is the only one to go and as large: the
    /// usual case where sessions are renewed, in which no memory is asked for or given back, and what is
    /// overwritten need not be wiped. False: it is to come in the long way.
    pub(super) fn overwrite(
        &mut self,
        session: &Session<Incoming<'_>>,
        held: &mut Held,
        visit: &mut Visit<'_, '_>,
    ) -> bool {
        let Incoming::Lent(bytes) = session.payload else {
            return false;
        };
        let most = visit.options.max_sessions_per_endpoint as usize;
        let (Some(oldest), Some(newest)) = (self.sessions.oldest(), self.sessions.newest()) else {
            return false;
        };
        let replaces = match session.kind {
            Kind::Reusable => self.sessions.len() == 1 && oldest.kind == Kind::Reusable,
            Kind::SingleUse => self.sessions.len() >= most && newest.received <= session.received,
        };
        let fits = matches!(&oldest.payload, Payload::Bytes(old) if old.has_room(bytes.len()));
        if !replaces || !fits || !held.exchange(visit, oldest.size, session.size) {
            return false;
        }
        let Some(place) = self.sessions.oldest_to_newest() else {
            return false;
        };
        if let Payload::Bytes(old) = &mut place.payload {
            old.overwrite(bytes);
        }
        place.kind = session.kind;
        place.label = session.label;
        place.size = session.size;
        place.received = session.received;
        place.expires = session.expires;
        place.lineage = session.lineage;
        place.uses = session.uses;
        self.soonest = self.soonest.min(session.expires);
        true
    }

    /// Drops what a new session takes the place of.
    pub(super) fn make_room<P>(&mut self, session: &Session<P>, visit: &mut Visit<'_, '_>) -> Room {
        let mut displaced = 0;
        if session.kind == Kind::Reusable {
            // One is enough, it can be used again and again.
            displaced += self.drop_all(|other| other.kind == Kind::Reusable, visit);
        }
        // What is for one connection and was given to some was the last, and stayed until another came.
        if self.sessions.len() == 1 {
            displaced += self.drop_all(|other| other.uses.count != 0, visit);
        }
        let full = self.sessions.len() >= visit.options.max_sessions_per_endpoint as usize;
        let oldest = self.sessions.oldest();
        let too_old = full && oldest.is_some_and(|oldest| session.received < oldest.received);
        if full && !too_old {
            if let Some(oldest) = self.sessions.pop_oldest() {
                visit.drop(oldest);
            }
            displaced += 1;
        }
        Room { displaced, too_old }
    }

    /// Drops those that `which` names, and says how many.
    fn drop_all(&mut self, which: impl Fn(&Session) -> bool, visit: &mut Visit<'_, '_>) -> u64 {
        let mut dropped = 0;
        self.sessions.extract(which, |session| {
            visit.drop(session);
            dropped += 1;
        });
        dropped
    }

    /// Drops the oldest session; false: there is none.
    pub(super) fn drop_oldest(&mut self, visit: &mut Visit<'_, '_>) -> bool {
        let Some(oldest) = self.sessions.pop_oldest() else {
            return false;
        };
        visit.drop(oldest);
        true
    }

    /// Drops the sessions that are over, and says how many.
    #[inline]
    pub(super) fn expire(&mut self, visit: &mut Visit<'_, '_>) -> u64 {
        if self.soonest > visit.now {
            return 0;
        }
        self.drop_expired(visit)
    }

    #[cold]
    fn drop_expired(&mut self, visit: &mut Visit<'_, '_>) -> u64 {
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
        let mut extracted = 0;
        self.sessions.extract(which, |session| {
            visit.drop(session);
            extracted += 1;
        });
        extracted
    }

    /// Whether there is nothing left that an entry would be kept for.
    pub(super) fn is_over(&self) -> bool {
        self.sessions.is_empty()
    }
}
