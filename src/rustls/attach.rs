//! A finished rustls configuration whose connections use the cache.

use super::SessionStore;
use crate::attempt::Attempt;
use ::rustls::ClientConfig;
use ::rustls::client::{Resumption, TicketRequest};
use std::sync::Arc;

pub(crate) struct Attached {
    config: Arc<ClientConfig>,
    /// RFC 9149; if `None`, as many as attempts wait for, or else what the configuration says.
    tickets: Option<TicketRequest>,
}

impl Attached {
    pub(crate) fn new(config: Arc<ClientConfig>, new_session: u8, resumption: u8) -> Self {
        // A request for none would leave nothing to resume with, so 0 is no number here.
        let other = new_session.max(resumption);
        let or = |given: u8, said: Option<u8>| match given {
            0 => said.unwrap_or(other),
            given => given,
        };
        let said = config.send_ticket_request.as_ref();
        let tickets = (other != 0).then(|| TicketRequest {
            new_session_count: or(new_session, said.map(|said| said.new_session_count)),
            resumption_count: or(resumption, said.map(|said| said.resumption_count)),
        });
        Self { config, tickets }
    }

    /// The configuration for one connection: verifier and credentials are the very same objects,
    /// without which rustls would not resume.
    pub(crate) fn for_attempt(&self, attempt: &Arc<Attempt>) -> ClientConfig {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::store(Arc::new(SessionStore::new(attempt)));
        let wanted = || {
            let count = u8::try_from(attempt.demand()?).unwrap_or(u8::MAX);
            Some(TicketRequest {
                new_session_count: count,
                resumption_count: count,
            })
        };
        if let Some(tickets) = self.tickets.or_else(wanted) {
            config.send_ticket_request = Some(tickets);
        }
        config
    }
}
