//! tsc-agent: keeps the TLS sessions of a machine's processes together, so that each of them resumes what any
//! of them received. docs/sharing.md is the manual, docs/agent-protocol.md what is said on the socket.
//!
//! A library only for the program and for the fuzzer, which calls `connection::serve`.

pub mod args;
pub mod connection;
mod frames;
pub mod host;
pub mod listener;
pub mod page;
mod process;
mod quota;
pub mod status;
mod user;
mod valkey;
