//! What attempts to an endpoint may expect.

/// What is in the cache and what is expected, for a driver that plans by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forecast {
    /// Sessions in the cache now.
    pub available: u64,
    /// Attempts that wait for one.
    pub waiting: u64,
    /// Attempts that do a full handshake, or did and may still bring sessions.
    pub full_in_flight: u64,
    /// Attempts that offered a session and may bring new ones.
    pub resumed_in_flight: u64,
    /// Sessions that the last full handshake brought; `None` if none was seen yet.
    pub tickets_full: Option<u32>,
    /// Sessions that the last resumed handshake brought; `None` if none was seen yet.
    pub tickets_resumed: Option<u32>,
    /// Milliseconds that a full handshake takes until it has brought its first session.
    pub full_ms: u64,
    /// The same for a resumed handshake.
    pub resumed_ms: u64,
    /// Milliseconds that an attempt which asks now would wait for a session; `None`: it would be told
    /// to do a full handshake.
    pub wait_ms: Option<u64>,
    /// Whether the endpoint is offered nothing at present, because offers did harm there.
    pub breaker_open: bool,
}
