//! What a driver knows of a session that it received, and what follows from that.

use crate::engine::{Discard, Engine, Key, Kind, Lifetime, Lineage, Session, Time, Uses, expiry};
use crate::error::Error;
use crate::size::{Certificates, Size};

/// What the driver knows of a session that it received. The rules that follow from it are the library's.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The protocol version on the wire: 0x0303 for TLS 1.2, 0x0304 for TLS 1.3 (0x0301 and 0x0302 are
    /// taken as 1.2 is). A TLS 1.3 session is single-use, an older one is reusable.
    pub tls_version: u16,
    /// The lifetime that the server gave. TLS 1.3: 0 means that the ticket must not be kept. Before TLS
    /// 1.3, 0 means that the server said nothing, as for sessions by id; the cache's own limits then
    /// hold. Over seven days counts as seven days.
    pub lifetime_seconds: u32,
    /// When the server's certificate ends, in Unix seconds, where it is known.
    pub not_after: Option<i64>,
    /// Of a session that is an object: how many of the peer's certificates it holds. 0 if that is not known.
    pub certificates: u32,
    /// How many bytes these certificates have in DER, together.
    pub certificate_bytes: u32,
}

impl SessionInfo {
    /// A TLS 1.3 ticket, with the lifetime that the server gave.
    #[must_use]
    pub fn tls13(lifetime_seconds: u32) -> Self {
        Self::of(0x0304, lifetime_seconds)
    }

    /// A TLS 1.2 session, with the lifetime that the server gave for its ticket; 0 if it gave none.
    #[must_use]
    pub fn tls12(lifetime_seconds: u32) -> Self {
        Self::of(0x0303, lifetime_seconds)
    }

    pub(crate) fn of(tls_version: u16, lifetime_seconds: u32) -> Self {
        Self {
            tls_version,
            lifetime_seconds,
            not_after: None,
            certificates: 0,
            certificate_bytes: 0,
        }
    }

    /// The same, and when the server's certificate ends, in Unix seconds.
    #[must_use]
    pub fn not_after(self, unix_seconds: i64) -> Self {
        Self {
            not_after: Some(unix_seconds),
            ..self
        }
    }

    /// What follows from it: how often, and how long at the most, such a session may be used.
    pub(crate) fn check(&self) -> Result<Received, Error> {
        const TLS_1_0: u16 = 0x0301;
        const TLS_1_2: u16 = 0x0303;
        const TLS_1_3: u16 = 0x0304;
        let (kind, lifetime) = match (self.tls_version, self.lifetime_seconds) {
            // RFC 8446, C.4: clients should not reuse a ticket. 4.6.1: 0 means to discard it at once.
            (TLS_1_3, seconds) => (Kind::SingleUse, Lifetime::Seconds(seconds)),
            // RFC 5077, 3.3: 0 means that the lifetime is not specified; nor is it for a session by id.
            (TLS_1_0..=TLS_1_2, 0) => (Kind::Reusable, Lifetime::Unspecified),
            (TLS_1_0..=TLS_1_2, seconds) => (Kind::Reusable, Lifetime::Seconds(seconds)),
            _ => return Err(Error::InvalidArgument),
        };
        Ok(Received {
            tls_version: self.tls_version,
            kind,
            lifetime,
            not_after: self.not_after,
            certificates: Certificates {
                count: self.certificates,
                bytes: self.certificate_bytes,
            },
        })
    }
}

/// A session that was received, in the engine's terms.
#[derive(Clone, Copy)]
pub(crate) struct Received {
    pub(crate) tls_version: u16,
    pub(crate) kind: Kind,
    pub(crate) lifetime: Lifetime,
    pub(crate) not_after: Option<i64>,
    pub(crate) certificates: Certificates,
}

impl Received {
    /// How large an object is whose length as bytes is this.
    pub(crate) fn object_size(&self, length: usize) -> Size {
        Size::object(length, self.certificates)
    }

    /// Stores a session of no connection that the library knows.
    pub(crate) fn put_alone(
        &self,
        engine: &Engine,
        key: &Key<'_>,
        bytes: &[u8],
    ) -> Result<(), Discard> {
        let now = engine.now();
        let (lineage, expires) = self.ends_alone(engine, now);
        let session = Session {
            payload: bytes,
            kind: self.kind,
            label: self.tls_version,
            size: bytes.len(),
            received: now,
            expires,
            lineage,
            uses: Uses::default(),
        };
        engine.put_bytes(key, now, session)
    }

    /// A session of no connection that the library knows.
    #[cfg(feature = "capi")]
    pub(crate) fn alone(
        &self,
        engine: &Engine,
        payload: crate::engine::Payload,
        size: usize,
    ) -> Session {
        let now = engine.now();
        let (lineage, expires) = self.ends_alone(engine, now);
        Session {
            payload,
            kind: self.kind,
            label: self.tls_version,
            size,
            received: now,
            expires,
            lineage,
            uses: Uses::default(),
        }
    }

    /// Nobody will ask for the lineage.
    #[inline]
    fn ends_alone(&self, engine: &Engine, now: Time) -> (Lineage, Time) {
        let lineage = engine.numbered_lineage(0, now).until(now, self.not_after);
        let expires = expiry(engine.options(), now, self.lifetime, lineage);
        (lineage, expires)
    }
}
