//! What the server does with a ticket that is no good.

use super::{Reaction, Unknown, react, visit_briefly};
use crate::client::Client;
use crate::pace::Pace;
use crate::ticket::Session;
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

/// A session that is kept until it is too old.
pub struct Aging {
    session: Session,
    /// When it is.
    over: Instant,
}

/// None: there is no ticket to damage.
pub fn look(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
) -> Result<Option<(BadTicket, Option<Aging>)>, Unknown> {
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
    let bad = BadTicket {
        damaged: react(pace, client, address, &damaged)?,
        foreign: react(pace, client, address, &foreign)?,
        expired: None,
    };
    let lifetime = ticket.lifetime.filter(|&seconds| seconds > 0);
    let aging = lifetime.map(|seconds| Aging {
        session: ticket.session.clone(),
        // Servers count in whole seconds, and up.
        over: Instant::now() + Duration::from_secs(seconds.into()) + Duration::from_secs(2),
    });
    Ok(Some((bad, aging)))
}

impl Aging {
    /// Offers it when it is too old; None: it will not be for as long as the server is given for any other step.
    pub fn offer(
        self,
        pace: &Pace,
        client: &Client,
        address: SocketAddr,
    ) -> Result<Option<Reaction>, Unknown> {
        if self.over > Instant::now() + client.patience() {
            return Ok(None);
        }
        pace.wait_until(self.over)?;
        let session = self.session.rejuvenated().unwrap_or(self.session);
        react(pace, client, address, &session).map(Some)
    }
}
