//! What differs between operating systems, and what a fork demands: one file each, with a fallback for
//! systems that lack it.

mod clock;
#[cfg(any(test, feature = "capi"))]
mod code;
mod fork;
mod pages;
mod per_process;
mod prefetch;
#[cfg(agent)]
mod rights;
mod seed;
#[cfg(target_os = "linux")]
mod timer;

pub(crate) use clock::{monotonic_ms, wall_ms};
#[cfg(feature = "capi")]
pub(crate) use code::{FUNCTION_ID, function_id};
pub(crate) use fork::{generation, watch_forks};
pub(crate) use pages::{SecretPages, map_secret_pages, unmap};
pub(crate) use per_process::PerProcess;
pub(crate) use prefetch::prefetch;
#[cfg(agent)]
pub(crate) use rights::are_borrowed as rights_are_borrowed;
pub(crate) use seed::{hash_seeds, random};
#[cfg(target_os = "linux")]
pub(crate) use timer::Timer;
