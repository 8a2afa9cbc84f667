//! What many rustls connections see of the cache together.

use super::connection_store::name_of;
use super::session::{RustlsSession, Taken};
use crate::cache::Cache;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::engine::Payload;
use crate::identity::EndpointKey;
use crate::supply::Supply;
use ::rustls::NamedGroup;
use ::rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use ::rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;

/// A [`ClientSessionStore`] for all the connections of one `ClientConfig`. [`resumption`](super::resumption)
/// puts it into one.
///
/// Connections share it, and nothing tells which of them asks: sessions come and go by themselves, without
/// attempts. They are kept by server name, since rustls says nothing else: two ports of one name share them.
/// They are published when they arrive, so after the handshake.
// What holds for sessions without attempts: supply/unattended.rs.
pub struct SessionStore {
    config: Config,
    scope: Scope,
}

enum Scope {
    /// Each name that rustls asks for is an endpoint.
    Names,
    /// One endpoint: the name that rustls asks for, and where the sessions are.
    Endpoint(Option<ServerName<'static>>, EndpointKey),
}

impl SessionStore {
    /// Makes a store over a cache. Each is a config of its own: two stores never share sessions, so give it to
    /// one `ClientConfig` only.
    #[must_use]
    pub fn new(cache: &Arc<Cache>) -> Self {
        Self {
            config: Config::new(cache),
            scope: Scope::Names,
        }
    }

    /// The endpoint has been checked.
    pub(super) fn for_endpoint(config: Config, endpoint: &Endpoint<'_>) -> Self {
        let key = config.key(endpoint);
        Self {
            scope: Scope::Endpoint(name_of(endpoint.name()), key),
            config,
        }
    }

    /// `None`: it is not for this name.
    fn supply(&self, server_name: &ServerName<'_>) -> Option<Arc<Supply>> {
        match &self.scope {
            Scope::Names => {
                let name = server_name.to_str();
                self.config.supply(&Endpoint::new(&name, 0)).ok()
            }
            Scope::Endpoint(name, key) => {
                let is_it = name.as_ref() == Some(server_name);
                is_it.then(|| self.config.cache.supply(key))
            }
        }
    }

    fn receive(&self, server_name: &ServerName<'_>, session: Option<RustlsSession>) {
        if let (Some(supply), Some(session)) = (self.supply(server_name), session) {
            let RustlsSession {
                payload,
                size,
                info,
            } = session;
            let _ = supply.receive_unattended(payload, size, &info, self.config.client_not_after);
        }
    }
}

impl ClientSessionStore for SessionStore {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        if let Some(supply) = self.supply(&server_name) {
            supply.set_note(group.into());
        }
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.supply(server_name)?.note().map(NamedGroup::from)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.receive(&server_name, RustlsSession::tls12(value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let is_tls12 = |payload: &Payload| matches!(payload, Payload::Value(_));
        let supply = self.supply(server_name)?;
        // rustls has asked for a ticket before, and what it was not given counts once.
        if supply.has_nothing() {
            return None;
        }
        let taken = supply.take_unattended(is_tls12)?;
        match Taken::of(taken.payload)? {
            Taken::Tls12(value) => Some(value),
            Taken::Tls13(_) => None,
        }
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        if let Some(supply) = self.supply(server_name) {
            supply.engine().remove_reusable(&supply.key());
        }
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.receive(&server_name, RustlsSession::tls13(value));
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        let is_tls13 = |payload: &Payload| matches!(payload, Payload::Unique(_));
        let taken = self.supply(server_name)?.take_unattended(is_tls13)?;
        match Taken::of(taken.payload)? {
            Taken::Tls13(value) => Some(value),
            Taken::Tls12(_) => None,
        }
    }
}

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore").finish_non_exhaustive()
    }
}
