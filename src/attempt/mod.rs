//! One connection attempt's life over the engine: offer, receive, established or failed.

mod attempt;
mod breaker;
mod cache;
mod config;
mod endpoint;
mod flight;
mod forecast;
mod gate;
mod offer;
mod supply;
mod wait;
mod wire;

pub use attempt::{Attempt, Counts, Failure, NotNow, Phase, Plan};
pub use cache::Cache;
pub use config::{Config, Identity};
pub use endpoint::{Endpoint, Invalid, MAX_NAME};
pub use supply::Forecast;
pub use wait::Waker;
pub use wire::{UnknownVersion, rules_of};
