//! Why an attempt had nothing to resume with.

/// Why an attempt did a full handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It resumed, or that is not decided yet.
    #[default]
    None,
    /// Nothing was ever stored for this endpoint and config, or it was so long ago that the cache has forgotten
    /// it. Normal for a first connection; otherwise look at what tells endpoints apart (host, port, server
    /// name, group, verification) and whether attempts say that they are established.
    NothingStored,
    /// All that was stored for this endpoint comes from connections that verified something else, or this attempt
    /// was withdrawn.
    OtherVerification,
    /// What was stored has expired. Look at the server's ticket lifetime and at `ttl_seconds`.
    Expired,
    /// What was stored was evicted to keep a limit, or cleared. Look at `max_endpoints` and `max_bytes`.
    Evicted,
    /// Other attempts have taken all there was. Let attempts wait, or have the server issue more tickets.
    Taken,
    /// The server refused what was offered or, just before, refused or broke off a session of the same origin:
    /// it was restarted, or its ticket keys are not those of the node that issued it.
    Refused,
    /// Offers to this endpoint did harm lately, so nothing was offered, or this attempt was the one to be
    /// compared.
    Withheld,
    /// It waited for a session, and none came in time.
    WaitedInVain,
    /// What it took was never sent, and went back.
    NotSent,
    /// The driver never asked for a session to offer.
    NotAsked,
    /// The cache is disabled or closed.
    CacheOff,
    /// The attempt failed before.
    Failed,
}
