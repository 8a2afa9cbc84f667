use super::ticket_lifetime::look_into;
use crate::attempt::{Attempt, rules_of};
use crate::engine::{Lifetime, Payload};
use crate::sync::Mutex;
use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// What one rustls connection sees of the cache: the [`ClientSessionStore`] of its attempt.
///
/// Put it into the `ClientConfig` of that one connection, with
/// [`Resumption::store`](::rustls::client::Resumption::store). All configurations of one
/// [`Config`](crate::attempt::Config) must share their verifier and their client credentials, as clones
/// of one `ClientConfig` do: rustls does not resume otherwise, and the ticket is lost.
///
/// rustls asks a store by server name alone. This one answers for the endpoint of its attempt, and only
/// if the name is that endpoint's; anything else gets nothing and stores nothing.
///
/// rustls does not tell a store how long a session may live. The lifetime is read from what the session
/// writes for `Debug`, as rustls 0.23.46 does; where a version writes something else, no session is kept
/// (`discarded_lifetime` in the statistics).
pub struct SessionStore {
    attempt: Arc<Attempt>,
    name: Option<ServerName<'static>>,
    /// The newest session, if it is a TLS 1.2 one: rustls asks for a ticket first.
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
}

impl SessionStore {
    /// The store of this attempt.
    #[must_use]
    pub fn new(attempt: &Arc<Attempt>) -> Self {
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
        let Ok((kind, given)) = rules_of(version.into(), seen.lifetime_seconds.unwrap_or(0)) else {
            return;
        };
        let lifetime = match seen.lifetime_seconds {
            Some(_) => given,
            // Unknown: counted as received, and not kept.
            None => Lifetime::Seconds(0),
        };
        let payload = keep(value);
        // What is not kept is dropped here, and counted by the attempt.
        let size = seen.size + size_of::<V>();
        let _ = self
            .attempt
            .receive(payload, size, version, (kind, lifetime), None);
    }
}

impl ClientSessionStore for SessionStore {
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

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore").finish_non_exhaustive()
    }
}
