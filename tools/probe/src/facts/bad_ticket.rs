//! What the server does with a ticket that is no good.

use super::{Reaction, Unknown, react, visit_briefly};
use crate::client::Client;
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BadTicket {
    /// One in which a byte was changed.
    pub damaged: Reaction,
}

/// None: there is no ticket to damage.
pub fn look(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
) -> Result<Option<BadTicket>, Unknown> {
    let made = visit_briefly(pace, client, address, None)?;
    let usable = made
        .tickets
        .iter()
        .find(|arrival| arrival.ticket.is_usable());
    let Some(damaged) = usable.and_then(|arrival| arrival.ticket.damaged()) else {
        return Ok(None);
    };
    Ok(Some(BadTicket {
        damaged: react(pace, client, address, &damaged)?,
    }))
}
