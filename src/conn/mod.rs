//! One connection attempt's life over the engine: offer, receive, established or failed.

mod attempt;
mod config;
mod endpoint;
mod offer;
mod wire;

pub use attempt::{Conn, Counts, Failure, NotNow, Phase};
pub use config::{Config, Identity};
pub use endpoint::{Endpoint, Invalid, MAX_NAME};
pub use wire::{UnknownVersion, rules_of};
