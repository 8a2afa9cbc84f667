//! What the server does with a ticket that is no good.

use super::{Reaction, Unknown, react, session, visit_briefly};
use crate::client::Client;
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BadTicket {
    /// One in which a byte was changed.
    pub damaged: Reaction,
    /// One of random bytes, as another node's or one from before the keys changed looks to the server.
    pub foreign: Reaction,
    /// One that is past its lifetime; null: that would have been too long to wait for (--watch does).
    pub expired: Option<Reaction>,
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
    let Some(ticket) = usable.map(|arrival| &arrival.ticket) else {
        return Ok(None);
    };
    let (Some(damaged), Some(foreign)) = (ticket.damaged(), ticket.foreign()) else {
        return Ok(None);
    };
    let damaged = react(pace, client, address, &damaged)?;
    let foreign = react(pace, client, address, &foreign)?;
    let lifetime = Duration::from_secs(ticket.lifetime.unwrap_or(0).into());
    let waits = !lifetime.is_zero() && lifetime <= client.patience();
    let expired = if waits && let Some(session) = session(pace, client, address)? {
        // Servers count in whole seconds, and up.
        pace.wait_until(Instant::now() + lifetime + Duration::from_secs(2))?;
        let session = session.rejuvenated().unwrap_or(session);
        Some(react(pace, client, address, &session)?)
    } else {
        None
    };
    Ok(Some(BadTicket {
        damaged,
        foreign,
        expired,
    }))
}
