//! A TLS configuration bound to a cache.

use super::endpoint::{pull, push};
use super::supply::Supply;
use super::{Cache, Endpoint, Forecast, Invalid};
use crate::engine::{Engine, Space};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What tells a config from others.
#[derive(Debug)]
pub enum Identity {
    /// Nothing equals it: sessions stay within this config.
    Own(u64),
    /// Given by the caller: configs of one cache with the same bytes share.
    Given(Box<[u8]>),
}

impl Identity {
    /// An identity that no other config of this process has.
    pub fn own() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Identity::Own(NEXT.fetch_add(1, Relaxed))
    }
}

/// One TLS configuration, bound to one cache.
#[derive(Debug)]
pub struct Config {
    pub cache: Arc<Cache>,
    pub identity: Identity,
    /// When the client's own certificate ends, in Unix seconds.
    pub client_not_after: Option<i64>,
}

impl Config {
    #[inline]
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        self.cache.engine()
    }

    /// Where the sessions of this config and an endpoint are.
    fn key(&self, endpoint: &Endpoint<'_>) -> Box<[u8]> {
        let mut key = self.prefix();
        endpoint.encode(&mut key);
        key.into()
    }

    /// What the keys of this config begin with, and those of no other identity.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        match &self.identity {
            Identity::Own(number) => {
                key.push(0);
                key.extend(number.to_be_bytes());
            }
            Identity::Given(bytes) => {
                key.push(1);
                push(&mut key, bytes);
            }
        }
        key
    }

    /// Whose sessions are at a key that a config of this process made.
    pub fn endpoint_of(key: &[u8]) -> Option<Endpoint<'_>> {
        let (&given, key) = key.split_first()?;
        let (_, endpoint) = match given {
            0 => key.split_at_checked(size_of::<u64>())?,
            _ => pull(key)?,
        };
        Endpoint::decode(endpoint)
    }

    /// How many sessions attempts to this endpoint would find.
    pub fn available(&self, endpoint: &Endpoint<'_>) -> Result<usize, Invalid> {
        endpoint.check()?;
        let cache = self.engine();
        Ok(cache.available(&cache.key(Space::Attempt, &self.key(endpoint))))
    }

    /// What attempts to this endpoint may expect.
    pub fn forecast(&self, endpoint: &Endpoint<'_>) -> Result<Forecast, Invalid> {
        Ok(self.supply(endpoint)?.forecast(self.engine().now()))
    }

    pub(super) fn supply(&self, endpoint: &Endpoint<'_>) -> Result<Arc<Supply>, Invalid> {
        endpoint.check()?;
        Ok(self.cache.of(self.key(endpoint)))
    }
}
