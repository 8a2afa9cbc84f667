//! What differs between operating systems, and what a fork demands: one file each, with a fallback for
//! systems that lack it.

mod clock;
#[cfg(any(test, feature = "capi"))]
mod code;
mod fork;
mod pages;
mod per_process;
mod prefetch;
mod seed;
#[cfg(feature = "capi")]
mod timer;

pub(crate) use clock::{monotonic_ms, wall_ms};
#[cfg(feature = "capi")]
pub(crate) use code::{FUNCTION_ID, function_id};
pub(crate) use fork::{generation, watch_forks};
pub(crate) use pages::{SecretPages, map_secret_pages, unmap};
pub(crate) use per_process::PerProcess;
pub(crate) use prefetch::prefetch;
pub(crate) use seed::hash_seeds;
#[cfg(feature = "capi")]
pub(crate) use timer::Timer;
