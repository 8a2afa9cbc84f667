//! What tells a config from others.

use crate::endpoint::{Endpoint, pull, push};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What tells a config from others, and what the keys of its sessions begin with.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Nothing equals it: sessions stay within this config.
    Own(u64),
    /// Given by the caller: configs of one cache with the same bytes share.
    Given(Arc<[u8]>),
}

/// Where the sessions of an identity and an endpoint are.
#[derive(Clone, Debug)]
pub(crate) struct EndpointKey {
    pub(crate) bytes: Vec<u8>,
    /// How many of the bytes name the server; the rest is what the connection verifies.
    server: usize,
}

impl EndpointKey {
    /// The same for all connections to the server, whatever they verify.
    pub(crate) fn server(&self) -> &[u8] {
        &self.bytes[..self.server]
    }
}

impl Identity {
    /// An identity that no other config of this process has.
    pub(crate) fn own() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Own(NEXT.fetch_add(1, Relaxed))
    }

    /// What the keys of this identity begin with, and those of no other.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        // Room for a whole key, of which this is the beginning, as long as most are: each endpoint that is asked
        // for is made one, and not one more.
        let mut key = Vec::with_capacity(128);
        match self {
            Self::Own(number) => {
                key.push(0);
                key.extend(number.to_be_bytes());
            }
            Self::Given(bytes) => {
                key.push(1);
                push(&mut key, bytes);
            }
        }
        key
    }

    /// Where the sessions of this identity and an endpoint are.
    pub(crate) fn key(&self, endpoint: &Endpoint<'_>) -> EndpointKey {
        let mut key = self.prefix();
        endpoint.encode(&mut key);
        EndpointKey {
            server: key.len() - endpoint.verification_len(),
            bytes: key,
        }
    }

    /// The identity that was given of a key that it made.
    #[cfg(agent)]
    pub(crate) fn given_of(key: &[u8]) -> Option<&[u8]> {
        let (&given, key) = key.split_first()?;
        let (identity, _) = pull(key)?;
        (given == 1 && !identity.is_empty()).then_some(identity)
    }

    /// Whose sessions are at a key that an identity made.
    pub(crate) fn endpoint_of(key: &[u8]) -> Option<Endpoint<'_>> {
        let (&given, key) = key.split_first()?;
        let (_, endpoint) = match given {
            0 => key.split_at_checked(size_of::<u64>())?,
            _ => pull(key)?,
        };
        Endpoint::decode(endpoint)
    }
}
