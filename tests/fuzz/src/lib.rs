//! What is fuzzed: functions that take any bytes, do with the C API, or with an agent, what these say, and panic if a promise is
//! broken. `make fuzz` has libFuzzer find bytes, and `make fuzz-replay` runs those of `corpus/`.

pub mod arguments;
pub mod endpoints;
pub mod import;
mod input;
mod ledger;
pub mod lenders;
pub mod messages;
mod objects;
mod raw;
#[cfg(feature = "libfuzzer")]
pub mod requests;
pub mod sequences;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 6] = [
    ("sequences", sequences::run),
    ("arguments", arguments::run),
    ("import", import::run),
    ("endpoints", endpoints::run),
    ("messages", messages::run),
    ("lenders", lenders::run),
];
