//! What rustls sees of the cache: the store of one connection.

#![expect(
    clippy::disallowed_types,
    reason = "the lock is one connection's own, and nobody waits for it"
)]

use super::lifetime::look_into;
use crate::connection::Connection;
use crate::engine::Payload;
use crate::session::SessionInfo;
use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// rustls asks by server name alone. This answers for the endpoint of its connection, and only if the name
/// is that endpoint's.
pub(super) struct Store {
    connection: Arc<Connection>,
    name: Option<ServerName<'static>>,
    /// The newest session, if it is a TLS 1.2 one: rustls asks for a ticket first.
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
}

impl Store {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        let name = std::str::from_utf8(connection.server_name()).ok();
        let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        Self {
            connection: Arc::clone(connection),
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
        let info = SessionInfo {
            tls_version: version,
            lifetime_seconds: lifetime,
            not_after: None,
        };
        let Ok(info) = info.check() else {
            return;
        };
        // What is not kept is dropped here, and counted by the connection.
        let size = seen.size + size_of::<V>();
        let _ = self.connection.receive(keep(value), size, &info);
    }
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        if self.is_to(&server_name) {
            self.connection.set_note(group.into());
        }
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.is_to(server_name)
            .then(|| self.connection.note())?
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
            self.connection.remove_reusable();
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
        let session = self.connection.take()?;
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
