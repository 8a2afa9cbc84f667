//! What one resumption needs.

use super::{Lineage, Options, SecretBytes, Time};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// How often a session may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Until it expires or is refused (TLS 1.2).
    Reusable,
    /// Once (TLS 1.3).
    SingleUse,
}

/// What the TLS stack resumes from; opaque here.
///
/// With a tag as wide as what follows it, a session is moved in whole words: in odd pieces, the processor would
/// wait for each to arrive before it could move it on.
#[repr(usize)]
pub(crate) enum Payload {
    /// Serialised; wiped when released.
    Bytes(SecretBytes),
    /// An object of the TLS stack; dropping the last reference releases it. That may run foreign code, so
    /// the engine drops payloads only while it holds no lock.
    Value(Arc<dyn Any + Send + Sync>),
    /// A value that only one connection can be given, such as rustls's TLS 1.3 session.
    #[cfg_attr(
        not(feature = "rustls"),
        expect(dead_code, reason = "only rustls has such sessions")
    )]
    Unique(Box<dyn Any + Send + Sync>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(secret)")
    }
}

/// A session before it is stored: what it is resumed from, or bytes that the caller lends, of which the cache keeps
/// a copy.
pub(super) enum Incoming<'a> {
    Own(Payload),
    Lent(&'a [u8]),
}

#[derive(Debug)]
pub(crate) struct Session<P = Payload> {
    pub(crate) payload: P,
    pub(crate) kind: Kind,
    /// The caller's own label, handed back with the session (the C API's TLS version).
    pub(crate) label: u16,
    /// What it costs in memory.
    pub(crate) size: usize,
    pub(crate) received: Time,
    pub(crate) expires: Time,
    pub(crate) lineage: Lineage,
    pub(crate) uses: Uses,
}

/// To which connections a session was given to offer while it stayed, though it is for one: the last of its key, that
/// is reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// How many; what such a connection is given has its own number here.
    pub(crate) count: u16,
    /// Tells this session from others of its key to which that happens.
    pub(crate) of: u16,
}

impl<P> Session<P> {
    /// The same session with another payload.
    #[inline]
    pub(super) fn with<Q>(&self, payload: Q) -> Session<Q> {
        let &Self {
            kind,
            label,
            size,
            received,
            expires,
            lineage,
            uses,
            ..
        } = self;
        Session {
            payload,
            kind,
            label,
            size,
            received,
            expires,
            lineage,
            uses,
        }
    }
}

impl Session<Incoming<'_>> {
    /// What is kept of it; `None`: it is still lent.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Session> {
        match std::mem::replace(&mut self.payload, Incoming::Lent(&[])) {
            Incoming::Own(payload) => Some(self.with(payload)),
            Incoming::Lent(_) => None,
        }
    }
}

impl Session {
    /// As it comes into the cache.
    #[inline]
    pub(super) fn own<'a>(self) -> Session<Incoming<'a>> {
        self.with(()).with(Incoming::Own(self.payload))
    }

    /// Whether it can serve more than one connection, as the last one of its key.
    pub(crate) fn is_reusable(&self, options: &Options) -> bool {
        let shared = options.reuse_when_dry && !matches!(self.payload, Payload::Unique(_));
        self.kind == Kind::Reusable || shared
    }

    /// Kept as an object, which means nothing outside this process.
    pub(super) fn is_object(&self) -> bool {
        !matches!(self.payload, Payload::Bytes(_))
    }

    /// Keeps its block for the next session, wiped; what has none, or no room there, comes back.
    #[cfg(any(test, feature = "capi"))]
    #[inline]
    pub(super) fn recycle(self, stash: &mut super::secret::Stash) -> Option<Self> {
        match self.payload {
            Payload::Bytes(bytes) => {
                let payload = Payload::Bytes(stash.put(bytes)?);
                Some(Self { payload, ..self })
            }
            _ => Some(self),
        }
    }

    /// A second one of a session that stays in the cache, for a connection to offer: it does not go
    /// back, so it counts as reusable. `None`: memory cannot be had, or it cannot be shared.
    pub(crate) fn share(&self) -> Option<Self> {
        let payload = match &self.payload {
            Payload::Bytes(bytes) => Payload::Bytes(bytes.duplicate()?),
            Payload::Value(value) => Payload::Value(Arc::clone(value)),
            Payload::Unique(_) => return None,
        };
        Some(Self {
            kind: Kind::Reusable,
            ..self.with(payload)
        })
    }
}
