//! rustls over an attempt: a session store for one connection and, for rustls-ffi, the configuration that
//! carries it.

#[cfg(feature = "rustls-ffi")]
mod attach;
mod session_store;
mod ticket_lifetime;

#[cfg(feature = "rustls-ffi")]
pub(crate) use attach::Attached;
pub use session_store::SessionStore;
