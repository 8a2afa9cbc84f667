//! Processes, agents, the engine and the connections between them die, hang, fill up or are of another version, at any
//! instant. A server knows of each ticket whose it is, and hears of each before it is on the wire: docs/sharing.md,
//! "How it is tested".

mod backlog;
mod books;
mod deaths;
mod dice;
mod hang;
mod life;
mod mortal;
mod owner;
mod server;
mod versions;
