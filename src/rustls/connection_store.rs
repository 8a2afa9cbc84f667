//! What one rustls connection sees of the cache.

#![expect(
    clippy::disallowed_types,
    reason = "the lock is one connection's own, and nobody waits for it"
)]

use super::session::{RustlsSession, Taken};
use crate::connection::Connection;
use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// rustls asks by server name alone. This answers for the endpoint of its connection, and only if the name
/// is that endpoint's; anything else gets nothing and stores nothing.
pub(super) struct ConnectionStore {
    connection: Arc<Connection>,
    name: Option<ServerName<'static>>,
    /// The newest session, if it is a TLS 1.2 one: rustls asks for a ticket first.
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
}

impl ConnectionStore {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            name: name_of(connection.server_name()),
            tls12: Mutex::new(None),
        }
    }

    fn is_to(&self, server_name: &ServerName<'_>) -> bool {
        self.name.as_ref() == Some(server_name)
    }

    fn receive(&self, session: Option<RustlsSession>) {
        if let Some(RustlsSession {
            payload,
            size,
            info,
        }) = session
        {
            // What is not kept is dropped here, and counted by the connection.
            let _ = self.connection.receive(payload, size, &info);
        }
    }
}

/// `None`: not a name that rustls could connect to.
pub(super) fn name_of(name: &[u8]) -> Option<ServerName<'static>> {
    let name = std::str::from_utf8(name).ok()?;
    ServerName::try_from(name.to_owned()).ok()
}

impl ClientSessionStore for ConnectionStore {
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
            self.receive(RustlsSession::tls12(value));
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
            self.receive(RustlsSession::tls13(value));
        }
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        if !self.is_to(server_name) {
            return None;
        }
        match Taken::of(self.connection.take()?.payload)? {
            Taken::Tls13(value) => Some(value),
            Taken::Tls12(value) => {
                *self.tls12.lock() = Some(value);
                None
            }
        }
    }
}

impl fmt::Debug for ConnectionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionStore").finish_non_exhaustive()
    }
}
