//! A client-side TLS session cache.
//!
//! Reconnecting to a server costs a resumed TLS handshake instead of a full one, if the client kept what
//! the server gave it: a TLS 1.2 session, or TLS 1.3 tickets. libtsc keeps them, under rules that hold for
//! every caller: a session is offered only to the configuration and the endpoint that it came from, a TLS
//! 1.3 ticket at most once, none past its lifetime; what a connection receives is published once the
//! connection is established; everything is bounded.
//!
//! With rustls, see the module `rustls` (feature `rustls`); with another TLS stack, [`Config`] and
//! [`Attempt`].

#![warn(missing_docs)]
#![cfg_attr(
    shuttle,
    allow(
        dead_code,
        unused_imports,
        reason = "under the checker one file of the tests is compiled, and what the others use is not used"
    )
)]

// The layers, each of which knows only those before it: `engine` (sessions by key; knows neither C nor
// TLS), `supply` (what is on its way to an endpoint, and who waits for it), `cache` and `config` (whose
// sessions), `connection` (what one connection offers and receives), `attempt`, `ready` and `wait_fd` (what a
// driver holds), `export` and `rustls`, `capi`. `make check-yard` looks at what each of them uses.

#[cfg(agent)]
pub mod agent;
mod attempt;
mod cache;
#[cfg(feature = "capi")]
pub mod capi;
mod config;
mod connection;
mod endpoint;
mod engine;
mod error;
mod event;
mod export;
mod identity;
mod ready;
mod registry;
#[cfg(feature = "rustls")]
pub mod rustls;
mod session;
mod session_info;
mod size;
mod supply;
mod sync;
mod sys;
#[cfg(test)]
#[path = "../tests/engine/mod.rs"]
mod tests;
#[cfg(target_os = "linux")]
mod wait_fd;

/// Has `cargo test` run what docs/rust.md shows.
#[cfg(all(doctest, feature = "rustls"))]
#[doc = include_str!("../docs/rust.md")]
struct Guide;

pub use attempt::Attempt;
pub use cache::Cache;
pub use config::Config;
pub use connection::{AttemptInfo, AttemptState, Failure};
pub use endpoint::Endpoint;
pub use engine::{EventKind, Options, Reason, Stats};
pub use error::Error;
pub use event::Event;
pub use export::Export;
#[cfg(agent)]
pub use export::SealedSession;
pub use ready::Ready;
pub use session::Session;
pub use session_info::SessionInfo;
pub use supply::Forecast;
#[cfg(target_os = "linux")]
pub use wait_fd::WaitFd;

// The rustls C API, exported from the same library: only this copy of rustls can resume what this library
// keeps. Named here, or the linker would leave it out.
#[cfg(feature = "rustls-ffi")]
use rustls_ffi as _;
