//! What a cache tells as it happens.

use crate::endpoint::Endpoint;
use crate::engine::{self, EventKind, Listener, Space};
use crate::identity::Identity;

/// Something that happened in a cache. No part of a session is in it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// Number of sessions affected; 0 for breaker events.
    pub count: u64,
    /// Whose sessions, names in lower case; `None` for sessions under a key of the caller's own.
    pub endpoint: Option<Endpoint<'a>>,
    /// The caller's own key; `None` for the sessions of attempts.
    pub key: Option<&'a [u8]>,
}

impl<'a> Event<'a> {
    /// `None`: it is about no key that this library makes.
    fn of(event: &engine::Event<'a>) -> Option<Self> {
        let (endpoint, key) = match event.space {
            Space::Endpoint => (Some(Identity::endpoint_of(event.key)?), None),
            Space::Caller => (None, Some(event.key)),
        };
        Some(Self {
            kind: event.kind,
            count: event.count,
            endpoint,
            key,
        })
    }

    /// The engine's listener for one that wants endpoints.
    pub(crate) fn translated_for(
        listener: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> Listener {
        Box::new(move |event| {
            if let Some(event) = Event::of(event) {
                listener(&event);
            }
        })
    }
}
