//! A connection attempt with rustls.

use super::attached::Attached;
use ::rustls::ClientConfig;
use std::ops::Deref;
use std::sync::Arc;

/// An [`Attempt`](crate::Attempt) with rustls, which offers and receives by itself.
#[derive(Debug)]
pub struct Attempt {
    attempt: crate::Attempt,
    attached: Attached,
}

impl Attempt {
    pub(super) fn new(attempt: crate::Attempt, attached: Attached) -> Self {
        Self { attempt, attached }
    }

    /// The configuration for this one connection. rustls takes the session to offer when the connection is
    /// made, so make it once the TCP connection is established and any wait is over.
    ///
    /// What the server sends is staged and published as with any attempt, also long after the handshake,
    /// and after this was dropped if it was established before.
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let connection = self.attempt.connection();
        Arc::new(self.attached.for_connection(connection))
    }
}

impl Deref for Attempt {
    type Target = crate::Attempt;

    fn deref(&self) -> &crate::Attempt {
        &self.attempt
    }
}
