//! A rustls configuration bound to a cache.

use super::attached::Attached;
use super::attempt::Attempt;
use super::session_store::SessionStore;
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
/// use libtsc::{Cache, Endpoint, Failure, Options};
///
/// # fn main() -> Result<(), libtsc::Error> {
/// # let connect = |_tls: std::sync::Arc<rustls::ClientConfig>| Ok::<_, std::io::Error>(false);
/// # let tls = rustls::ClientConfig::builder()
/// #     .with_root_certificates(rustls::RootCertStore::empty())
/// #     .with_no_client_auth();
/// let cache = Cache::new(Options::default());
/// let config = libtsc::rustls::Config::new(&cache, tls);
///
/// // For each connection, when its socket is connected:
/// let attempt = config.begin(&Endpoint::new("db.example", 9142))?;
/// match connect(attempt.client_config()) {
///     // With the login done; whether handshake_kind() is Resumed:
///     Ok(resumed) => attempt.established(resumed)?,
///     Err(_) => attempt.failed(Failure::HANDSHAKE)?,
/// }
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
    /// each server; where they take it by value, `Arc::unwrap_or_clone` makes one of it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn for_endpoint(&self, endpoint: &Endpoint<'_>) -> Result<Arc<ClientConfig>, Error> {
        endpoint.check()?;
        let store = SessionStore::for_endpoint(self.config.clone(), endpoint);
        Ok(Arc::new(self.attached.with_store(store)))
    }

    /// The config in terms of any TLS stack, to ask what is [available](crate::Config::available) or
    /// [to be expected](crate::Config::forecast). rustls's sessions cannot be exported.
    #[must_use]
    pub fn config(&self) -> &crate::Config {
        &self.config
    }
}
