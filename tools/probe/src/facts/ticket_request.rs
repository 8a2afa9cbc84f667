//! Whether the server heeds a client that asks for a number of tickets (RFC 9149).

use super::{Unknown, visit};
use crate::client::Client;
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TicketRequest {
    pub asked_for: u8,
    /// What the server said that it would send; null: it did not answer to the request.
    pub promised: Option<u8>,
    pub came: usize,
    /// How many come without being asked for.
    pub unasked: usize,
}

pub const ASKED_FOR: u8 = 5;

/// `asking`: a client that asks for as many.
pub fn look(
    pace: &Pace,
    asking: &Client,
    address: SocketAddr,
    unasked: usize,
) -> Result<TicketRequest, Unknown> {
    let asked = visit(pace, asking, address, None)?;
    Ok(TicketRequest {
        asked_for: ASKED_FOR,
        promised: asked.promised,
        came: asked.tickets.len(),
        unasked,
    })
}
