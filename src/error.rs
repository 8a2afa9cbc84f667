//! Why a call had no effect.

use crate::engine::Discard;
use std::fmt;

/// Why a call had no effect. None of these is a reason to give up a connection: the worst that follows is
/// a full handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument that can never be right: an endpoint without a host, an empty session, a TLS version
    /// that has no sessions, or "resumed" where nothing was offered.
    InvalidArgument,
    /// A name, key or session is over its limit.
    TooLarge,
    /// The session is not kept: its lifetime is zero or over, its attempt failed, or the cache is disabled.
    Discarded,
    /// The cache is closed, or the attempt was begun in the process that this one was forked from.
    Closed,
    /// The attempt is past the point where the call has a meaning.
    WrongState,
    /// Out of memory. Nothing was lost or changed.
    NoMemory,
    /// The config has no identity, so no other process could tell which of its configs is the same; or the
    /// system has no random numbers.
    Unsupported,
    /// What was to be imported is not what was exported with this key and for this config.
    NotAuthentic,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "invalid argument",
            Self::TooLarge => "a name, key or session is over its limit",
            Self::Discarded => "the session was not kept",
            Self::Closed => "the cache is closed, or the attempt is from before a fork",
            Self::WrongState => "the attempt is past this point",
            Self::NoMemory => "out of memory",
            Self::Unsupported => "the config has no identity, or the system no random numbers",
            Self::NotAuthentic => "not what was exported with this key and for this config",
        })
    }
}

impl std::error::Error for Error {}

impl From<Discard> for Error {
    fn from(why: Discard) -> Self {
        match why {
            Discard::Lifetime
            | Discard::Failed
            | Discard::Unfinished
            | Discard::Disabled
            | Discard::Surplus => Self::Discarded,
            Discard::TooLarge => Self::TooLarge,
            Discard::Closed => Self::Closed,
            Discard::NoMemory => Self::NoMemory,
        }
    }
}
