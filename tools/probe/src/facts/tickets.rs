//! How many tickets come, after a full and after a resumed handshake, and when.

use super::{Unknown, visit};
use crate::client::{Arrival, Client, Phase, Visit};
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tickets {
    pub after_full: Vec<When>,
    pub after_resumed: Vec<When>,
    /// Connections that offered a session, and how many of them the server resumed.
    pub offered: u32,
    pub resumed: u32,
    /// Handshakes that failed because a session was offered: without one, they work.
    pub failed_when_offered: u32,
    pub cipher: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct When {
    pub phase: Phase,
    /// Since the handshake was over.
    pub milliseconds: f64,
}

impl When {
    fn of(arrival: &Arrival) -> Self {
        Self {
            phase: arrival.phase,
            milliseconds: arrival.after.as_secs_f64() * 1000.0,
        }
    }
}

/// The fact, and the connections that it was seen on.
pub fn look(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
    rounds: u32,
) -> Result<(Tickets, Vec<Visit>), Unknown> {
    let first = visit(pace, client, address, None)?;
    let mut tickets = Tickets {
        after_full: first.tickets.iter().map(When::of).collect(),
        after_resumed: Vec::new(),
        offered: 0,
        resumed: 0,
        failed_when_offered: 0,
        cipher: first.cipher.clone(),
    };
    let mut visits = vec![first];
    for _ in 0..rounds {
        let newest = visits
            .iter()
            .rev()
            .find_map(|visit| visit.tickets.iter().rev().find(|a| a.ticket.is_usable()));
        let Some(offer) = newest.and_then(|arrival| arrival.ticket.session.copy()) else {
            break;
        };
        pace.connection()?;
        tickets.offered += 1;
        match client.visit(address, Some(&offer)) {
            Ok(visit) => {
                if visit.resumed {
                    tickets.resumed += 1;
                    if tickets.resumed == 1 {
                        tickets.after_resumed = visit.tickets.iter().map(When::of).collect();
                    }
                }
                visits.push(visit);
            }
            Err(_) => {
                // Only if a full handshake works now is the session to blame.
                visits.push(visit(pace, client, address, None)?);
                tickets.failed_when_offered += 1;
            }
        }
    }
    Ok((tickets, visits))
}
