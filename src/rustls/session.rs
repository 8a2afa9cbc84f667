//! What rustls received, in the library's terms.

use super::ticket_lifetime::inspect;
use crate::engine::{Lifetime, Payload};
use crate::session_info::{Received, SessionInfo};
use crate::size::Size;
use ::rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use std::fmt;
use std::sync::Arc;

pub(super) struct RustlsSession {
    pub(super) payload: Payload,
    pub(super) size: Size,
    pub(super) info: Received,
}

impl RustlsSession {
    pub(super) fn tls12(value: Tls12ClientSessionValue) -> Option<Self> {
        Self::of(value, SessionInfo::tls12, |value| {
            Payload::Value(Arc::new(value))
        })
    }

    pub(super) fn tls13(value: Tls13ClientSessionValue) -> Option<Self> {
        Self::of(value, SessionInfo::tls13, |value| {
            Payload::Unique(Box::new(value))
        })
    }

    fn of<V: fmt::Debug>(
        value: V,
        info: fn(u32) -> SessionInfo,
        keep: fn(V) -> Payload,
    ) -> Option<Self> {
        let seen = inspect(&value);
        let mut info = info(seen.lifetime_seconds.unwrap_or(0)).check().ok()?;
        if seen.lifetime_seconds.is_none() {
            // Unknown: counted as received, and not kept.
            info.lifetime = Lifetime::Seconds(0);
        }
        Some(Self {
            payload: keep(value),
            size: Size::rustls(seen.length + size_of::<V>()),
            info,
        })
    }
}

/// What was taken from the cache for rustls, which asks for a TLS 1.3 ticket first.
pub(super) enum Taken {
    Tls12(Tls12ClientSessionValue),
    Tls13(Tls13ClientSessionValue),
}

impl Taken {
    /// `None`: not a session of rustls.
    pub(super) fn of(payload: Payload) -> Option<Self> {
        match payload {
            Payload::Unique(value) => value.downcast().ok().map(|value| Self::Tls13(*value)),
            Payload::Value(value) => value.downcast_ref().cloned().map(Self::Tls12),
            Payload::Bytes(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cache, Config, Endpoint, Options};

    /// Of a rustls whose sessions write something else for `Debug`.
    #[derive(Debug)]
    struct Unreadable;

    #[test]
    fn a_session_whose_lifetime_cannot_be_read_is_counted_and_not_kept() {
        let cache = Cache::new(Options::default());
        let config = Config::new(&cache);
        let endpoint = Endpoint::new("db.example", 9142);
        let attempt = config.begin(&endpoint).expect("a good endpoint");
        let supply = config.supply(&endpoint).expect("a good endpoint");
        assert!(supply.take_unattended(|_| true).is_none());
        // For TLS 1.2, a lifetime of 0 would mean that the server did not say.
        for info in [SessionInfo::tls12, SessionInfo::tls13] {
            let session = || {
                RustlsSession::of(Unreadable, info, |value| Payload::Value(Arc::new(value)))
                    .expect("a known version")
            };
            let (first, second) = (session(), session());
            let received = attempt
                .connection()
                .receive(first.payload, first.size, &first.info);
            assert!(received.is_err());
            let received =
                supply.receive_unattended(second.payload, second.size, &second.info, None);
            assert!(received.is_err());
        }
        attempt.established(false).expect("it was open");
        let stats = cache.stats();
        assert_eq!((stats.discarded_lifetime, stats.stored), (4, 0));
    }
}
