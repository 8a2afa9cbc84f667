//! What one resumption needs.

use super::{Lineage, SecretBytes, Time};
use std::any::Any;
use std::fmt;

/// How often a session may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Until it expires or is refused (TLS 1.2).
    Reusable,
    /// Once (TLS 1.3).
    SingleUse,
}

/// What the TLS stack resumes from; opaque here.
pub enum Payload {
    /// Serialised; wiped when released.
    Bytes(SecretBytes),
    /// An object of the TLS stack; dropping it releases it. May run foreign code, so the engine drops
    /// payloads only while it holds no lock.
    Value(Box<dyn Any + Send + Sync>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(secret)")
    }
}

#[derive(Debug)]
pub struct Session {
    pub payload: Payload,
    pub kind: Kind,
    /// The caller's own label, handed back with the session (the C API's TLS version).
    pub label: u16,
    /// What it costs in memory.
    pub size: usize,
    pub received: Time,
    pub expires: Time,
    pub lineage: Lineage,
}
