//! What a resumed handshake costs of a full one: the client's CPU, time, bytes.

use super::{Unknown, session, usable, visit_briefly};
use crate::client::Client;
use crate::measure::{Ratio, median};
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Resumed to full, of pairs that were made in turn; every second pair begins with the resumed one.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Saving {
    pub pairs: usize,
    /// Null: too few pairs.
    pub client_cpu: Option<Ratio>,
    pub time_to_server_hello: Option<Ratio>,
    pub time_of_handshake: Option<Ratio>,
    /// In milliseconds, medians.
    pub full_ms: f64,
    pub resumed_ms: f64,
    /// In milliseconds, as they were measured.
    pub full_handshakes: Vec<f64>,
    pub resumed_handshakes: Vec<f64>,
}

/// How many it makes at most.
pub fn connections(pairs: u32) -> u32 {
    1 + 2 * pairs
}

/// `tick` is called after each pair.
pub fn look(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
    pairs: u32,
    mut tick: impl FnMut(),
) -> Result<Option<Saving>, Unknown> {
    let mut full = Samples::default();
    let mut resumed = Samples::default();
    // For the resumed handshake of the next pair that begins with it.
    let mut kept = session(pace, client, address)?;
    for pair in 0..pairs {
        // The first of a pair finds colder caches, on both sides: that must not always be the same one.
        let (whole, short) = if pair % 2 == 0 {
            let whole = visit_briefly(pace, client, address, None)?;
            let Some(offer) = usable(&whole) else { break };
            let short = visit_briefly(pace, client, address, Some(&offer))?;
            (whole, short)
        } else {
            let Some(offer) = kept else { break };
            let short = visit_briefly(pace, client, address, Some(&offer))?;
            let whole = visit_briefly(pace, client, address, None)?;
            kept = usable(&whole);
            (whole, short)
        };
        // A server that did not take this one says nothing about those that are resumed.
        if short.resumed {
            full.add(&whole);
            resumed.add(&short);
        }
        tick();
    }
    if full.cpu.is_empty() {
        return Ok(None);
    }
    Ok(Some(Saving {
        pairs: full.cpu.len(),
        client_cpu: Ratio::of(&resumed.cpu, &full.cpu),
        time_to_server_hello: Ratio::of(&resumed.server_hello, &full.server_hello),
        time_of_handshake: Ratio::of(&resumed.handshake, &full.handshake),
        full_ms: median(&mut full.handshake.clone()),
        resumed_ms: median(&mut resumed.handshake.clone()),
        full_handshakes: full.handshake,
        resumed_handshakes: resumed.handshake,
    }))
}

#[derive(Default)]
struct Samples {
    cpu: Vec<f64>,
    server_hello: Vec<f64>,
    handshake: Vec<f64>,
}

impl Samples {
    fn add(&mut self, visit: &crate::client::Visit) {
        self.cpu.push(visit.cpu.as_secs_f64() * 1000.0);
        self.server_hello
            .push(visit.server_hello.as_secs_f64() * 1000.0);
        self.handshake.push(visit.handshake.as_secs_f64() * 1000.0);
    }
}
