//! Whose a ticket is.

use libtsc::{Attempt, Cache, Config, Endpoint, Error};
use std::fmt;
use std::sync::Arc;

/// What is of one of them no other may be offered.
#[derive(Clone, Copy)]
pub struct Owner {
    /// Of the library and the agent.
    version: &'static str,
    identity: &'static str,
    host: &'static str,
    port: u16,
}

/// The version of all that is not made to look like another one.
pub const THIS: &str = "this";

const fn owner(identity: &'static str, host: &'static str, port: u16) -> Owner {
    Owner {
        version: THIS,
        identity,
        host,
        port,
    }
}

/// Two identities, and endpoints that differ in the host or only in the port.
pub const OWNERS: [Owner; 6] = [
    owner("one", "db0.example", 9142),
    owner("one", "db0.example", 9143),
    owner("one", "db1.example", 9142),
    owner("two", "db0.example", 9142),
    owner("two", "db0.example", 9143),
    owner("two", "db1.example", 9142),
];

impl Owner {
    /// The same as a process of this version.
    pub const fn of_version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    pub fn begin(&self, cache: &Arc<Cache>) -> Result<Attempt, Error> {
        let config = Config::new(cache).identity(self.identity.as_bytes())?;
        config.begin(&Endpoint::new(self.host, self.port))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            identity,
            host,
            port,
        } = self;
        write!(f, "{version}:{identity}@{host}:{port}")
    }
}
