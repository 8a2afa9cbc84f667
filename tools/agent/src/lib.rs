//! tsc-agent: keeps the TLS sessions of a machine's processes together, so that each of them resumes what any
//! of them received. docs/sharing.md is the manual; docs/agent-protocol.md describes the protocol on the socket.
//!
//! It is a library only so that the fuzzer can call `connection::serve`.

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
