//! Sessions of connections that the TLS stack does not tell apart.
//!
//! A stack that shares one store among all connections says neither which of them a session came from, nor
//! how they ended. So what such a store receives is published at once, and nobody can tell which full
//! handshake it descends from. All of an endpoint's sessions count as descending from one, the first that
//! began after the lineage before had ended: what comes while that lasts is offered for no longer than its
//! own lineage would allow, and some for less. What comes later still, on a connection that is older than
//! the lineage of the day, counts as of that one: nothing tells that it is not.

use super::Supply;
use crate::engine::{Discard, Engine, Key, Lineage, Payload, Session, Time, Uses, expiry};
use crate::session_info::Received;
use crate::size::Size;

impl Supply {
    /// Takes the newest session if it is of the kind that the stack asks for.
    #[cfg(feature = "rustls")]
    pub(crate) fn take_unattended(&self, is_wanted: impl Fn(&Payload) -> bool) -> Option<Session> {
        let mut taken = None;
        self.look_unattended(|engine, key, now| {
            let mut garbage = engine.garbage();
            let mut found = None;
            let is_wanted = |session: &Session| {
                found = Some(session.lineage);
                is_wanted(&session.payload)
            };
            engine.take_if(&key, now, &mut garbage, &mut taken, is_wanted);
            found
        });
        taken
    }

    /// Shows the newest session to `copy`, under a lock; see `Engine::copy_out`.
    #[cfg(feature = "capi")]
    pub(crate) fn copy_unattended(
        &self,
        copy: impl FnOnce(&Session, Time) -> bool,
    ) -> Option<bool> {
        let mut copied = None;
        self.look_unattended(|engine, key, _| {
            let mut found = None;
            copied = engine.copy_out(&key, |session, now| {
                found = Some(session.lineage);
                copy(session, now)
            });
            found
        });
        copied
    }

    /// Takes the newest session if it `is_object`, and shows it to `look`, under a lock.
    #[cfg(feature = "capi")]
    pub(crate) fn take_object_unattended(
        &self,
        is_object: fn(&Session) -> bool,
        look: &mut dyn FnMut(&Session, Time),
    ) -> Option<Session> {
        let mut taken = None;
        self.look_unattended(|engine, key, _| {
            taken = engine.take_object(&key, is_object, look);
            taken.as_ref().map(|session| session.lineage)
        });
        taken
    }

    /// Has `look` find a session, and say of which lineage it is.
    fn look_unattended(&self, look: impl FnOnce(&Engine, Key<'_>, Time) -> Option<Lineage>) {
        let now = self.engine.now();
        let found = if self.withholds(now) {
            self.count(|stats| stats.withheld += 1);
            None
        } else {
            look(&self.engine, self.key(), now)
        };
        // What comes next may descend from what is there, though an attempt brought it or this supply was
        // forgotten meanwhile. Without anything, a full handshake begins.
        let mut lineage = self.unattended.lock();
        let known = lineage.filter(|lineage| lineage.ends > now);
        let first = known.into_iter().chain(found).min_by_key(|one| one.ends);
        *lineage = first.or_else(|| Some(self.engine.new_lineage(now)));
    }

    /// Stores what a connection brought of which nobody asked before: a full handshake began with it, if
    /// none did.
    #[cfg(feature = "capi")]
    pub(crate) fn put_unattended(
        &self,
        payload: Payload,
        size: Size,
        info: &Received,
        client_not_after: Option<i64>,
    ) -> Result<(), Discard> {
        let now = self.engine.now();
        let mut lineage = self.unattended.lock();
        if lineage.is_none_or(|lineage| lineage.ends <= now) {
            *lineage = Some(self.engine.new_lineage(now));
        }
        drop(lineage);
        self.receive_unattended(payload, size, info, client_not_after)
    }

    /// Whether nothing may be offered, because offers did harm to attempts.
    fn withholds(&self, now: Time) -> bool {
        let budget = self.budget();
        self.is_guarded() && !self.queue.lock().breaker.allows_unattended(now, budget)
    }

    /// Stores what a connection received. `client_not_after`: when the client's certificate ends, in Unix
    /// seconds.
    pub(crate) fn receive_unattended(
        &self,
        payload: Payload,
        size: Size,
        info: &Received,
        client_not_after: Option<i64>,
    ) -> Result<(), Discard> {
        let now = self.engine.now();
        let begun = *self.unattended.lock();
        // No full handshake has begun that it could come from: it is not kept.
        let lineage = begun.unwrap_or(Lineage { id: 0, ends: now });
        let lineage = lineage
            .until(now, info.not_after)
            .until(now, client_not_after);
        let session = Session {
            payload,
            kind: info.kind,
            label: info.tls_version,
            size: size.alone(),
            received: now,
            expires: expiry(self.engine.options(), now, info.lifetime, lineage),
            lineage,
            uses: Uses::default(),
        };
        // What is not kept is dropped and counted there.
        let expires = session.expires;
        let key = self.key();
        self.engine.admit_at(&key, size.length, size.alone())?;
        self.engine.put(&key, session)?;
        self.fate.stored(expires);
        self.change(now, |queue, calls| queue.serve(self, now, calls));
        Ok(())
    }
}
