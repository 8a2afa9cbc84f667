//! What rustls sees of the cache: the store of one connection.

#![expect(
    clippy::disallowed_types,
    reason = "the lock is one connection's own, and nobody waits for it"
)]

use super::lifetime::look_into;
use crate::attempt::{Attempt, rules_of};
use crate::engine::Payload;
use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// rustls asks by server name alone. This answers for the endpoint of its attempt, and only if the name
/// is that endpoint's.
pub(super) struct Store {
    attempt: Arc<Attempt>,
    name: Option<ServerName<'static>>,
    /// The newest session, if it is a TLS 1.2 one: rustls asks for a ticket first.
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
}

impl Store {
    pub(super) fn new(attempt: &Arc<Attempt>) -> Self {
        let name = std::str::from_utf8(attempt.server_name()).ok();
        let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        Self {
            attempt: Arc::clone(attempt),
            name,
            tls12: Mutex::new(None),
        }
    }

    fn is_to(&self, server_name: &ServerName<'_>) -> bool {
        self.name.as_ref() == Some(server_name)
    }

    fn receive<V: fmt::Debug>(&self, version: u16, value: V, keep: fn(V) -> Payload) {
        let seen = look_into(&value);
        let Some(lifetime) = seen.lifetime_seconds else {
            return;
        };
        let Ok(rules) = rules_of(version.into(), lifetime) else {
            return;
        };
        let payload = keep(value);
        // What is not kept is dropped here, and counted by the attempt.
        let _ = self
            .attempt
            .receive(payload, seen.size + size_of::<V>(), version, rules, None);
    }
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        if self.is_to(&server_name) {
            self.attempt.set_note(group.into());
        }
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.is_to(server_name)
            .then(|| self.attempt.note())?
            .map(NamedGroup::from)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        if self.is_to(&server_name) {
            self.receive(TLS_1_2, value, |value| Payload::Value(Arc::new(value)));
        }
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.is_to(server_name).then(|| self.tls12.lock().take())?
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        if self.is_to(server_name) {
            self.attempt.remove_reusable();
        }
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        if self.is_to(&server_name) {
            self.receive(TLS_1_3, value, |value| Payload::Unique(Box::new(value)));
        }
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        if !self.is_to(server_name) {
            return None;
        }
        let session = self.attempt.take()?;
        match session.payload {
            Payload::Unique(value) => value.downcast().ok().map(|value| *value),
            Payload::Value(value) => {
                *self.tls12.lock() = value.downcast_ref().cloned();
                None
            }
            Payload::Bytes(_) => None,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
