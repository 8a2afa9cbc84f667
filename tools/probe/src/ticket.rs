//! A session as it came: a TLS 1.3 ticket, a TLS 1.2 ticket, or a TLS 1.2 id.

use crate::ffi;
use openssl::ssl::{SslSession, SslSessionRef, SslVersion};

#[derive(Clone)]
pub struct Ticket {
    pub session: SslSession,
    pub version: SslVersion,
    /// In seconds, as the server gave it.
    pub lifetime: u32,
    /// In bytes; 0: the server keeps the session and gave its id.
    pub length: usize,
}

impl Ticket {
    pub fn of(session: SslSession) -> Self {
        Self {
            version: session.protocol_version(),
            lifetime: ffi::lifetime(&session),
            length: ffi::ticket(&session).len(),
            session,
        }
    }

    /// Whether the server can take it at all: one of TLS 1.3 with lifetime 0 must not be offered.
    pub fn is_usable(&self) -> bool {
        self.version != SslVersion::TLS1_3 || self.lifetime > 0
    }

    /// A copy in which one byte in the middle of the ticket is another; None: there is no ticket.
    pub fn damaged(&self) -> Option<SslSession> {
        let ticket = ffi::ticket(&self.session);
        if ticket.is_empty() {
            return None;
        }
        let mut encoded = self.session.to_der().ok()?;
        let at = encoded
            .windows(ticket.len())
            .position(|bytes| bytes == ticket)?;
        encoded[at + ticket.len() / 2] ^= 0xFF;
        SslSession::from_der(&encoded).ok()
    }

    /// A copy that a connection can use up without harm to this one.
    pub fn copy(&self) -> Option<SslSession> {
        copy(&self.session)
    }
}

pub fn copy(session: &SslSessionRef) -> Option<SslSession> {
    SslSession::from_der(&session.to_der().ok()?).ok()
}
