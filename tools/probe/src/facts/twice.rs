//! Whether the server takes the same session twice.

use super::{Reaction, Unknown, react, session};
use crate::client::Client;
use crate::pace::Pace;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Twice {
    /// What came of the same session, offered again after it had been resumed.
    pub one_after_the_other: Reaction,
    /// Of four connections that offered the same one at once, how many were resumed.
    pub resumed_of_four_at_once: u32,
}

/// None: there is nothing to offer twice.
pub fn look(pace: &Pace, client: &Client, address: SocketAddr) -> Result<Option<Twice>, Unknown> {
    let Some(first) = session(pace, client, address)? else {
        return Ok(None);
    };
    let Some(again) = first.copy() else {
        return Ok(None);
    };
    if react(pace, client, address, &first)? != Reaction::Resumed {
        return Ok(None);
    }
    let one_after_the_other = react(pace, client, address, &again)?;

    let Some(shared) = session(pace, client, address)? else {
        return Ok(None);
    };
    const AT_ONCE: u32 = 4;
    pace.burst(AT_ONCE)?;
    // All are connected before the first one shakes hands.
    let gate = std::sync::Barrier::new(AT_ONCE as usize);
    let resumed = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    let stream = client.dial(address);
                    let copy = shared.copy();
                    gate.wait();
                    let open = client.shake(stream.ok()?, Some(&copy?)).ok()?;
                    let resumed = open.resumed();
                    open.close();
                    Some(resumed)
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().ok().flatten() == Some(true))
            .filter(|&resumed| resumed)
            .count()
    });
    Ok(Some(Twice {
        one_after_the_other,
        resumed_of_four_at_once: resumed as u32,
    }))
}
