//! A session as a driver gets it, to offer.

use crate::engine::{self, Payload, Time};
use std::any::Any;
use std::fmt;
use std::time::Duration;

/// A session to offer to the server. Its bytes are a secret: they are wiped when it is dropped, and
/// `Debug` does not show them.
pub struct Session {
    session: engine::Session,
    now: Time,
}

impl Session {
    /// A second one of a session that stays where it is; `None`: it cannot be shared, or memory could not
    /// be had.
    pub(crate) fn shared(session: &engine::Session, now: Time) -> Option<Self> {
        let session = session.share()?;
        Some(Self { session, now })
    }

    pub(crate) fn taken(session: engine::Session, now: Time) -> Self {
        Self { session, now }
    }

    /// The bytes that were received; `None` for an object.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.session.payload {
            Payload::Bytes(bytes) => Some(bytes),
            Payload::Value(_) | Payload::Unique(_) => None,
        }
    }

    /// The object that was received; `None` for bytes, and for an object of another type.
    #[must_use]
    pub fn object<T: Any>(&self) -> Option<&T> {
        match &self.session.payload {
            Payload::Value(object) => object.downcast_ref(),
            Payload::Bytes(_) | Payload::Unique(_) => None,
        }
    }

    /// The protocol version on the wire, as in [`SessionInfo::tls_version`](crate::SessionInfo::tls_version).
    #[must_use]
    pub fn tls_version(&self) -> u16 {
        self.session.label
    }

    /// How long ago it was received.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.now.since(self.session.received))
    }

    /// For how long it could still be offered when it was taken.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(self.session.expires.since(self.now))
    }

    /// For how long any session could still be offered that descends from it, by resumption: a new full handshake is
    /// due then.
    #[must_use]
    pub fn lineage_remaining(&self) -> Duration {
        Duration::from_millis(self.session.lineage.ends.since(self.now))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tls_version", &self.tls_version())
            .field("age", &self.age())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
