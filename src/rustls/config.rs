//! A rustls configuration bound to a cache.

use super::attached::Attached;
use super::attempt::Attempt;
use super::shared_store::SharedStore;
use crate::cache::Cache;
use crate::endpoint::Endpoint;
use crate::error::Error;
use ::rustls::ClientConfig;
use std::sync::Arc;

/// One rustls configuration, bound to one cache. Sessions never cross to another one.
///
/// Make it once and use it for every connection: rustls itself resumes only across connections whose
/// verifier and client credentials are the very same objects.
///
/// ```
/// # fn example(tls: ::rustls::ClientConfig) -> Result<(), libtsc::Error> {
/// use libtsc::{Cache, Endpoint, Options};
///
/// let cache = Cache::new(Options::default());
/// let config = libtsc::rustls::Config::new(&cache, tls);
///
/// let attempt = config.begin(&Endpoint::new("db.example", 9142))?;
/// let for_this_connection = attempt.client_config();
/// // Connect with it and log in; then:
/// attempt.established(false)?; // true if handshake_kind() is Resumed
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    config: crate::Config,
    attached: Attached,
}

impl Config {
    /// Binds a rustls configuration to a cache. The configuration is not changed.
    #[must_use]
    pub fn new(cache: &Arc<Cache>, tls: impl Into<Arc<ClientConfig>>) -> Self {
        Self {
            config: crate::Config::new(cache),
            attached: Attached::new(tls.into(), 0, 0),
        }
    }

    /// Says when the client's own certificate ends, in Unix seconds: no session is offered after that.
    #[must_use]
    pub fn client_not_after(self, unix_seconds: i64) -> Self {
        Self {
            config: self.config.client_not_after(unix_seconds),
            ..self
        }
    }

    /// Begins a connection attempt.
    ///
    /// # Errors
    /// As [`Config::begin`](crate::Config::begin).
    pub fn begin(&self, endpoint: &Endpoint<'_>) -> Result<Attempt, Error> {
        let attempt = self.config.begin(endpoint)?;
        Ok(Attempt::new(attempt, self.attached.clone()))
    }

    /// A configuration for all connections to one endpoint, without an attempt for each: what they receive
    /// is published when it arrives, so after the handshake. For drivers that take one `ClientConfig` for
    /// each server.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn for_endpoint(&self, endpoint: &Endpoint<'_>) -> Result<Arc<ClientConfig>, Error> {
        endpoint.check()?;
        let store = SharedStore::for_endpoint(self.config.clone(), endpoint);
        Ok(Arc::new(self.attached.with_store(store)))
    }

    /// The config in terms of any TLS stack, to ask what is [available](crate::Config::available) or
    /// [to be expected](crate::Config::forecast). rustls's sessions cannot be exported.
    #[must_use]
    pub fn config(&self) -> &crate::Config {
        &self.config
    }
}
