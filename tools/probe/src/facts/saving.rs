//! What a resumed handshake costs of a full one: the client's CPU, time, bytes.

use super::{Unknown, usable, visit_briefly};
use crate::client::Client;
use crate::measure::{Ratio, median};
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Resumed to full, of pairs that were made in turn.
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

/// `tick` is called after each pair.
pub fn look(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
    pairs: usize,
    mut tick: impl FnMut(),
) -> Result<Option<Saving>, Unknown> {
    let mut full = Samples::default();
    let mut resumed = Samples::default();
    for _ in 0..pairs {
        let made = visit_briefly(pace, client, address, None)?;
        let Some(offer) = usable(&made) else { break };
        let other = visit_briefly(pace, client, address, Some(&offer))?;
        // A server that did not take this one says nothing about those that are resumed.
        if other.resumed {
            full.add(&made);
            resumed.add(&other);
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
