//! How many bytes a resumed handshake needs, and a full one.

use crate::client::Visit;
use serde::{Deserialize, Serialize};

/// What fits a TCP segment on an Ethernet, over IPv6.
pub const SEGMENT: usize = 1440;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Size {
    /// 0: the server gave an id, and keeps the session itself. Null: rustls does not say.
    pub ticket: Option<usize>,
    /// The first message, with the header of its record.
    pub client_hello_full: usize,
    pub client_hello_resumed: usize,
    /// Whether the longer one still fits one TCP segment of 1440 bytes.
    pub fits_one_segment: bool,
    /// The server's certificates, which a resumed handshake does without.
    pub certificates: usize,
    /// Of the whole handshake, both ways.
    pub full: usize,
    pub resumed: usize,
    /// Segments of TCP, both ways, and round trips. Segments are computed, not counted: each flight fills as many of
    /// 1440 bytes as it needs. What the network makes of them depends on its MTU and on how the server writes.
    pub full_segments: usize,
    pub resumed_segments: usize,
    pub full_round_trips: usize,
    pub resumed_round_trips: usize,
    /// Whether the server answered with a HelloRetryRequest, which costs one of them.
    pub retried: bool,
    /// Packets with data, both ways, as this machine's TCP counted them, those that were lost and sent again among
    /// them; null: the system does not count.
    pub full_packets: Option<u32>,
    pub resumed_packets: Option<u32>,
}

pub fn look(visits: &[Visit]) -> Option<Size> {
    let full = visits.iter().find(|visit| !visit.resumed)?;
    let resumed = visits.iter().find(|visit| visit.resumed)?;
    let tickets = visits.iter().flat_map(|visit| &visit.tickets);
    Some(Size {
        ticket: tickets.map(|arrival| arrival.ticket.length).max()?,
        client_hello_full: full.client_hello,
        client_hello_resumed: resumed.client_hello,
        fits_one_segment: resumed.client_hello.max(full.client_hello) <= SEGMENT,
        certificates: full.certificates,
        full: full.sent + full.received,
        resumed: resumed.sent + resumed.received,
        full_segments: full.segments,
        resumed_segments: resumed.segments,
        full_round_trips: full.round_trips,
        resumed_round_trips: resumed.round_trips,
        retried: full.retried(),
        full_packets: full.packets,
        resumed_packets: resumed.packets,
    })
}
