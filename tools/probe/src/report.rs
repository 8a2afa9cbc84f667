//! What was found, as it is printed, and written as JSON.

use crate::client::Backend;
use crate::facts::bad_ticket::BadTicket;
use crate::facts::hello::Hello;
use crate::facts::identity::Identity;
use crate::facts::key_exchange::KeyExchange;
use crate::facts::lifetime::Lifetime;
use crate::facts::matrix::Matrix;
use crate::facts::pool::Pool;
use crate::facts::product::Product;
use crate::facts::saving::Saving;
use crate::facts::size::Size;
use crate::facts::ticket_request::TicketRequest;
use crate::facts::tickets::Tickets;
use crate::facts::twice::Twice;
use crate::protocol::Protocol;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};

/// Grows at its end; a change of what is there makes it another number.
pub const SCHEMA: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    pub schema: u32,
    /// Seconds since 1970.
    pub when: u64,
    /// The first is the one that most is found out about.
    pub targets: Vec<String>,
    pub protocol: Protocol,
    pub name: String,
    /// With --insecure, nobody knows who that was.
    pub verified: bool,
    pub verdict: String,
    pub resumes: Verdict,
    pub versions: Vec<Version>,
    /// The version that the rest is about.
    pub version: Option<String>,
    pub twice: Option<Twice>,
    pub ticket_request: Option<TicketRequest>,
    pub bad_ticket: Option<BadTicket>,
    pub matrix: Option<Matrix>,
    pub pool: Option<Pool>,
    pub saving: Option<Saving>,
    pub connections: u32,
    pub advice: Vec<String>,
    pub settings: Vec<Snippet>,
    /// What could not be found out, and why.
    pub unknown: Vec<String>,
    /// Null: without --cert.
    pub identity: Option<Identity>,
    pub backend: Backend,
    pub hello: Option<Hello>,
    pub key_exchange: Option<KeyExchange>,
    /// Null: without --watch.
    pub watch: Option<Watch>,
    /// Null: it does not show itself, or is none of those that there is advice for.
    pub product: Option<Product>,
    /// Whether Ctrl-C ended it before all was looked at.
    pub interrupted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Yes,
    /// Some of the connections that offered a session.
    Sometimes,
    /// The server issues sessions and takes none.
    Refuses,
    /// It issues none.
    NothingIssued,
    /// Connections fail that would have worked.
    Harmful,
    /// Resumed connections work, but no longer belong to the client that showed its certificate.
    IdentityLost,
    /// Nobody could connect.
    Unreachable,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Version {
    pub version: String,
    pub tickets: Option<Tickets>,
    pub lifetime: Option<Lifetime>,
    pub size: Option<Size>,
    /// Why there is nothing about it.
    pub refused: Option<String>,
}

/// Settings to copy.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Snippet {
    pub language: String,
    pub text: String,
}

impl Report {
    /// What the rest is about: the version that was judged.
    pub fn judged(&self) -> Option<&Version> {
        let name = self.version.as_ref()?;
        self.versions
            .iter()
            .find(|version| version.version == *name)
    }
}
