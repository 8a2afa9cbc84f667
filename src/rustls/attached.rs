//! A finished rustls configuration whose connections use the cache.

use super::connection_store::ConnectionStore;
use crate::connection::Connection;
use ::rustls::ClientConfig;
use ::rustls::client::{ClientSessionStore, Resumption, TicketRequest};
use std::fmt;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Attached {
    tls: Arc<ClientConfig>,
    /// RFC 9149; if `None`, as many as attempts wait for, or else what the configuration says.
    tickets: Option<TicketRequest>,
}

impl Attached {
    pub(crate) fn new(tls: Arc<ClientConfig>, new_session: u8, resumption: u8) -> Self {
        // A request for none would leave nothing to resume with, so 0 is no number here.
        let other = new_session.max(resumption);
        let or = |given: u8, said: Option<u8>| match given {
            0 => said.unwrap_or(other),
            given => given,
        };
        let said = tls.send_ticket_request.as_ref();
        let tickets = (other != 0).then(|| TicketRequest {
            new_session_count: or(new_session, said.map(|said| said.new_session_count)),
            resumption_count: or(resumption, said.map(|said| said.resumption_count)),
        });
        Self { tls, tickets }
    }

    /// The configuration for one connection.
    pub(crate) fn for_connection(&self, connection: &Arc<Connection>) -> ClientConfig {
        let mut tls = self.with_store(ConnectionStore::new(connection));
        let wanted = || {
            let count = u8::try_from(connection.demand()?).unwrap_or(u8::MAX);
            Some(TicketRequest {
                new_session_count: count,
                resumption_count: count,
            })
        };
        if let Some(tickets) = self.tickets.or_else(wanted) {
            tls.send_ticket_request = Some(tickets);
        }
        tls
    }

    /// The configuration with another store. Verifier and credentials are the very same objects, without
    /// which rustls would not resume.
    pub(super) fn with_store(&self, store: impl ClientSessionStore + 'static) -> ClientConfig {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.resumption = Resumption::store(Arc::new(store));
        tls
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").finish_non_exhaustive()
    }
}
