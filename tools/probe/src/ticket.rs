//! A session as it came: a TLS 1.3 ticket, a TLS 1.2 ticket, or a TLS 1.2 id.

use crate::client::Held;
use crate::ffi;
use openssl::ssl::{SslSession, SslSessionRef, SslVersion};
use std::sync::Arc;

/// What a connection may offer.
#[derive(Clone)]
pub enum Session {
    OpenSsl(SslSession),
    /// Which one of them, libtsc decides.
    Rustls(Arc<Held>),
}

impl Session {
    pub fn openssl(&self) -> Option<&SslSession> {
        match self {
            Self::OpenSsl(session) => Some(session),
            Self::Rustls(_) => None,
        }
    }

    pub fn rustls(&self) -> Option<&Arc<Held>> {
        match self {
            Self::OpenSsl(_) => None,
            Self::Rustls(held) => Some(held),
        }
    }

    /// A copy that OpenSSL offers however old it is; None: rustls would not.
    pub fn rejuvenated(&self) -> Option<Self> {
        let copy = copy(self.openssl()?)?;
        ffi::rejuvenate(&copy);
        Some(Self::OpenSsl(copy))
    }

    /// With OpenSSL a copy that a connection can use up without harm to this one.
    pub fn copy(&self) -> Option<Self> {
        match self {
            Self::OpenSsl(session) => copy(session).map(Self::OpenSsl),
            Self::Rustls(held) => Some(Self::Rustls(held.clone())),
        }
    }
}

#[derive(Clone)]
pub struct Ticket {
    pub session: Session,
    pub version: SslVersion,
    /// In seconds, as the server gave it. None: rustls does not say.
    pub lifetime: Option<u32>,
    /// In bytes; 0: the server keeps the session and gave its id. None: rustls does not say.
    pub length: Option<usize>,
}

impl Ticket {
    pub fn of(session: SslSession) -> Self {
        Self {
            version: session.protocol_version(),
            lifetime: Some(ffi::lifetime(&session)),
            length: Some(ffi::ticket(&session).len()),
            session: Session::OpenSsl(session),
        }
    }

    pub fn held(held: Arc<Held>, version: SslVersion) -> Self {
        Self {
            version,
            lifetime: None,
            length: None,
            session: Session::Rustls(held),
        }
    }

    /// Whether the server can take it at all: one of TLS 1.3 with lifetime 0 must not be offered.
    pub fn is_usable(&self) -> bool {
        match &self.session {
            Session::OpenSsl(_) => self.version != SslVersion::TLS1_3 || self.lifetime != Some(0),
            Session::Rustls(held) => held.available() > 0,
        }
    }

    /// A copy in which one byte in the middle of the ticket is another; None: there is no ticket.
    pub fn damaged(&self) -> Option<Session> {
        self.altered(|ticket| ticket[ticket.len() / 2] ^= 0xFF)
    }

    /// A copy whose ticket is random bytes.
    pub fn foreign(&self) -> Option<Session> {
        self.altered(|ticket| ticket.fill_with(|| fastrand::u8(..)))
    }

    fn altered(&self, alter: impl FnOnce(&mut [u8])) -> Option<Session> {
        let session = self.session.openssl()?;
        let ticket = ffi::ticket(session);
        if ticket.is_empty() {
            return None;
        }
        let mut encoded = session.to_der().ok()?;
        let at = encoded
            .windows(ticket.len())
            .position(|bytes| bytes == ticket)?;
        alter(&mut encoded[at..at + ticket.len()]);
        SslSession::from_der(&encoded).ok().map(Session::OpenSsl)
    }
}

fn copy(session: &SslSessionRef) -> Option<SslSession> {
    SslSession::from_der(&session.to_der().ok()?).ok()
}
