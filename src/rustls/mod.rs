//! rustls over the cache.
//!
//! The shortest way, for a program or driver that takes one [`ClientConfig`] for all its connections:
//!
//! ```
//! use libtsc::{Cache, Options};
//!
//! # let mut tls = rustls::ClientConfig::builder()
//! #     .with_root_certificates(rustls::RootCertStore::empty())
//! #     .with_no_client_auth();
//! let cache = Cache::new(Options::default());
//! tls.resumption = libtsc::rustls::resumption(&cache);
//! ```
//!
//! That keeps sessions by server name, as rustls asks for them. [`Config`] does more: it keeps them by
//! endpoint ([`Config::for_endpoint`]) or, with an attempt for each connection ([`Config::begin`]),
//! publishes what a connection received only after the application's own login, drops the siblings of a
//! refused ticket, gives back what was not sent, leaves an endpoint alone where offers do harm, and lets
//! connections wait for tickets that are on their way. All of that takes attempts: a store that connections
//! share is not told how they end.
//!
//! rustls does not tell a store how long a session may live. The lifetime is read from what the session
//! writes for `Debug`, as rustls 0.23.46 does; where a version writes something else, no session is kept
//! (`discarded_lifetime` in the [statistics](crate::Stats)).

mod attached;
mod attempt;
mod config;
mod connection_store;
mod session;
mod session_store;
mod ticket_lifetime;

#[cfg(feature = "rustls-ffi")]
pub(crate) use attached::Attached;
pub use attempt::Attempt;
pub use config::Config;
pub use session_store::SessionStore;

use crate::cache::Cache;
#[cfg(doc)]
use ::rustls::ClientConfig;
use ::rustls::client::Resumption;
use std::sync::Arc;

/// Resumption through a cache, for all the connections of one `ClientConfig`.
///
/// Sessions are kept by server name, since rustls says nothing else: two ports of one name share them. Where
/// their servers do not share ticket keys, use [`Config`]. They are published when they arrive, so after the
/// handshake. Each call gives a store of its own. A clone of a `ClientConfig` has the store of the original:
/// before you change anything else in the clone, give it another one.
#[must_use]
pub fn resumption(cache: &Arc<Cache>) -> Resumption {
    Resumption::store(Arc::new(SessionStore::new(cache)))
}
