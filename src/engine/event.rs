//! What a cache tells as it happens.

use super::{Reason, Space};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Sessions came into the cache.
    Stored,
    /// A session was handed out.
    Offered,
    /// What was offered was resumed.
    Resumed,
    /// What was offered was not.
    Refused,
    /// Sessions went because their time was over.
    Expired,
    /// Sessions went to keep a limit of the whole cache.
    Evicted,
    /// Nothing is offered to an endpoint for a while, because offering did harm.
    BreakerOpened,
    /// Offering to that endpoint is tried again.
    BreakerClosed,
    /// An attempt does a full handshake, for this reason.
    NotOffered(Reason),
}

/// Something that happened to what one key has. No part of a session is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) kind: EventKind,
    /// To how many sessions at once.
    pub(crate) count: u64,
    pub(crate) space: Space,
    pub(crate) key: &'a [u8],
}

/// Who is told. Called with no lock held, and may call back.
pub(crate) type Listener = Box<dyn Fn(&Event<'_>) + Send + Sync>;
