//! For how long the server says that its sessions may be offered.

use crate::client::Visit;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Lifetime {
    /// In seconds, as the server gave it, the shortest and the longest that were seen. 0 in TLS 1.3: the
    /// ticket must not be offered at all; in TLS 1.2: the server does not say.
    pub shortest: u32,
    pub longest: u32,
}

pub fn look(visits: &[Visit]) -> Option<Lifetime> {
    let seen = || {
        visits
            .iter()
            .flat_map(|visit| &visit.tickets)
            .filter_map(|arrival| arrival.ticket.lifetime)
    };
    Some(Lifetime {
        shortest: seen().min()?,
        longest: seen().max()?,
    })
}
