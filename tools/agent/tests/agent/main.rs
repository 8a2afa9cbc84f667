//! tsc-agent, as programs see it that share through it.

mod capi;
mod chaos;
mod engine;
mod failover;
mod fleet;
mod lease;
mod machine;
mod raw;
mod requests;
mod share;
mod trouble;
mod users;
mod wait;
