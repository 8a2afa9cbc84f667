//! A TLS configuration bound to a cache.

#[cfg(agent)]
use crate::agent::Counterpart;
use crate::cache::Cache;
use crate::endpoint::{Endpoint, Invalid, MAX_NAME};
use crate::engine::{Engine, Space};
use crate::error::Error;
use crate::identity::{EndpointKey, Identity};
use crate::supply::{Forecast, Supply};
use std::sync::Arc;

/// One TLS configuration, bound to one cache. Sessions never cross from one config to another.
///
/// Make one for each TLS configuration, not for each connection. A clone is the same config.
///
/// For any TLS stack; a rustls configuration has its own, `rustls::Config`.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) cache: Arc<Cache>,
    pub(crate) identity: Identity,
    /// What connections verify if their endpoint does not say it.
    pub(crate) verification: Arc<[u8]>,
    /// When the client's own certificate ends, in Unix seconds.
    pub(crate) client_not_after: Option<i64>,
    /// Whether the client may show a certificate of its own.
    #[cfg_attr(not(agent), expect(dead_code, reason = "nothing is shared"))]
    pub(crate) shows_certificate: bool,
    /// Whether sessions are shared although it does.
    #[cfg_attr(not(agent), expect(dead_code, reason = "nothing is shared"))]
    pub(crate) shares_certificate: bool,
}

impl Config {
    /// Makes a config that shares its sessions with no other.
    #[must_use]
    pub fn new(cache: &Arc<Cache>) -> Self {
        Self {
            cache: Arc::clone(cache),
            identity: Identity::own(),
            verification: Arc::default(),
            client_not_after: None,
            shows_certificate: false,
            shares_certificate: false,
        }
    }

    /// Names the TLS configuration. Configs of one cache with the same identity share their sessions:
    /// give it to two only if they agree on trust roots, client certificate, verification and ALPN, as
    /// when a program builds the same configuration again.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over 255 bytes, [`Error::InvalidArgument`] if it is empty.
    pub fn identity(self, identity: &[u8]) -> Result<Self, Error> {
        match identity.len() {
            0 => Err(Error::InvalidArgument),
            1..=MAX_NAME => Ok(Self {
                identity: Identity::Given(identity.into()),
                ..self
            }),
            _ => Err(Error::TooLarge),
        }
    }

    /// Says, as bytes, what connections verify if their endpoint has no [`verification`](Endpoint::verification)
    /// of its own. This keeps configs with the same identity apart if they verify differently.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over 255 bytes.
    pub fn verification(self, verification: &[u8]) -> Result<Self, Error> {
        if verification.len() > MAX_NAME {
            return Err(Error::TooLarge);
        }
        Ok(Self {
            verification: verification.into(),
            ..self
        })
    }

    /// Says when the client's own certificate ends, in Unix seconds: no session is offered after that, and none
    /// is shared with other processes.
    #[must_use]
    pub fn client_not_after(self, unix_seconds: i64) -> Self {
        Self {
            client_not_after: Some(unix_seconds),
            shows_certificate: true,
            ..self
        }
    }

    /// Says that the client may show a certificate of its own, where
    /// [`client_not_after`](Self::client_not_after) does not. Such a session is the client's identity without its
    /// key, so it is not shared with other processes.
    #[must_use]
    pub fn client_certificate(self) -> Self {
        Self {
            shows_certificate: true,
            ..self
        }
    }

    /// Shares sessions with other processes although the client shows a certificate. Any program of this user can
    /// then act as the client, without its key, for as long as the sessions last.
    #[must_use]
    pub fn share_client_certificate(self) -> Self {
        Self {
            shares_certificate: true,
            ..self
        }
    }

    /// What an attempt is to the agent, if this config shares.
    #[cfg(agent)]
    pub(crate) fn counterpart(&self, endpoint: &Endpoint<'_>) -> Option<Counterpart> {
        let agent = self.cache.agent()?;
        let shows = self.shows_certificate || endpoint.client_certificate;
        let shares = self.shares_certificate || !shows;
        let shares = shares && matches!(self.identity, Identity::Given(_));
        shares.then(|| agent.counterpart(self.key(endpoint).bytes.into()))
    }

    /// How many sessions attempts to this endpoint would find, one after the other; a reusable one counts
    /// once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an endpoint without a host, [`Error::TooLarge`] if one of its names
    /// has more than 255 bytes.
    pub fn available(&self, endpoint: &Endpoint<'_>) -> Result<usize, Error> {
        endpoint.check()?;
        let engine = self.engine();
        Ok(engine.available(&engine.key(Space::Endpoint, &self.key(endpoint).bytes)))
    }

    /// Drops all sessions of this endpoint; false: there was none. What attempts have taken is not touched.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an endpoint without a host, [`Error::TooLarge`] if one of its names has
    /// more than 255 bytes.
    pub fn remove(&self, endpoint: &Endpoint<'_>) -> Result<bool, Error> {
        endpoint.check()?;
        let engine = self.engine();
        Ok(engine.remove(&engine.key(Space::Endpoint, &self.key(endpoint).bytes)))
    }

    /// What attempts to this endpoint may expect.
    ///
    /// # Errors
    /// As [`available`](Self::available).
    pub fn forecast(&self, endpoint: &Endpoint<'_>) -> Result<Forecast, Error> {
        Ok(self.supply(endpoint)?.forecast(self.engine().now()))
    }

    #[inline]
    pub(crate) fn engine(&self) -> &Engine {
        self.cache.engine()
    }

    /// Where the sessions of this config and an endpoint are.
    pub(crate) fn key(&self, endpoint: &Endpoint<'_>) -> EndpointKey {
        if endpoint.verification.is_empty() {
            self.identity
                .key(&endpoint.verification(&self.verification))
        } else {
            self.identity.key(endpoint)
        }
    }

    pub(crate) fn supply(&self, endpoint: &Endpoint<'_>) -> Result<Arc<Supply>, Invalid> {
        endpoint.check()?;
        Ok(self.cache.supply(&self.key(endpoint)))
    }
}
