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
#[cfg(feature = "capi")]
pub mod capi;
#[cfg_attr(
    not(feature = "capi"),
    allow(
        dead_code,
        unused_imports,
        reason = "only the C functions use some of it"
    )
)]
pub mod engine;
pub mod export;
#[cfg_attr(
    not(feature = "capi"),
    allow(dead_code, reason = "only the C functions use some of it")
)]
mod platform;
mod process;
#[cfg(feature = "rustls")]
pub mod rustls;
mod sync;

// The rustls C API, exported from the same shared library: only this copy of rustls can resume what
// this library keeps. Named here, or the linker would leave it out.
#[cfg(feature = "rustls-ffi")]
use rustls_ffi as _;
