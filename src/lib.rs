//! libtsc: a client-side TLS session cache behind a C ABI.
//!
//! The header `include/tsc.h` is the manual; it is generated from [`capi`]. The layers, each of which
//! knows only those before it:
//!
//! - [`engine`]: the engine. Sessions by key, limits, lifetimes, statistics. Knows neither C nor TLS.
//! - [`attempt`]: one connection attempt: offer, receive, established or failed.
//! - [`export`]: sessions that go from one process to the next, sealed.
//! - `rustls`: a rustls session store over an attempt, and attaching to a rustls configuration.
//! - [`capi`]: the C functions.

pub mod attempt;
pub mod capi;
pub mod engine;
pub mod export;
#[cfg(feature = "rustls")]
mod rustls;
mod sync;
mod sys;

/// The rustls C API, exported from the same shared library: only this copy of rustls can resume what
/// this library keeps.
#[cfg(feature = "rustls")]
pub use rustls_ffi;
