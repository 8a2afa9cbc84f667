//! Sessions of connections that the TLS stack does not tell apart.
//!
//! A stack that shares one store among all connections says neither which of them a session came from, nor
//! how they ended. So what such a store receives is published at once, and nobody can tell which full
//! handshake it descends from. All of an endpoint's sessions count as descending from one, the first that
//! began after the lineage before had ended: none is offered for longer than its own lineage would allow,
//! and some for less.

use super::Supply;
use crate::engine::{Lineage, Payload, Session, Time, expiry};
use crate::session_info::Received;

impl Supply {
    /// Takes the newest session if it is of the kind that the stack asks for.
    pub(crate) fn take_unattended(&self, is_wanted: impl Fn(&Payload) -> bool) -> Option<Session> {
        let now = self.engine.now();
        let mut garbage = self.engine.garbage();
        let mut taken = None;
        if !self.is_guarded() {
            let key = self.key();
            self.engine
                .take_if(&key, now, &mut garbage, &mut taken, is_wanted);
        }
        if taken.is_none() {
            // Without one, a full handshake begins.
            let mut lineage = self.unattended.lock();
            if lineage.is_none_or(|lineage| is_over(lineage, now)) {
                *lineage = Some(self.engine.new_lineage(now));
            }
        }
        taken
    }

    /// Stores what a connection received. `client_not_after`: when the client's certificate ends, in Unix
    /// seconds.
    pub(crate) fn receive_unattended(
        &self,
        payload: Payload,
        size: usize,
        info: &Received,
        client_not_after: Option<i64>,
    ) {
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
            size,
            received: now,
            expires: expiry(self.engine.options(), now, info.lifetime, lineage),
            lineage,
        };
        // What is not kept is dropped and counted there.
        if self.engine.put(&self.key(), session).is_ok() {
            self.change(|queue, calls| queue.serve(self, now, calls));
        }
    }
}

fn is_over(lineage: Lineage, now: Time) -> bool {
    lineage.ends <= now
}
