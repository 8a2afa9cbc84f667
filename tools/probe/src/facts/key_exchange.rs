//! What a resumed handshake of TLS 1.3 exchanges, and whether a HelloRetryRequest gets in its way.

use super::{Reaction, Unknown, session};
use crate::client::{Client, Settings};
use crate::pace::Pace;
use openssl::ssl::SslVersion;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyExchange {
    /// What the server chose where the client allowed both; null: it did not resume.
    pub mode: Option<Mode>,
    /// What became of a session when the server had to ask for another group; null: it took the group, or takes no
    /// sessions anyway.
    pub after_retry: Option<Reaction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The session's key alone: without forward secrecy.
    PskKe,
    /// The session's key and a new exchange.
    PskDheKe,
}

/// None: the server gives no session. `resumes`: whether it takes any by psk_dhe_ke, as clients offer it.
pub fn look(
    pace: &Pace,
    settings: &Settings,
    client: &Client,
    address: SocketAddr,
    resumes: bool,
) -> Result<Option<KeyExchange>, Unknown> {
    let either = Client::that_allows_psk_ke(settings)?;
    let Some(offer) = session(pace, &either, address)? else {
        return Ok(None);
    };
    pace.connection()?;
    let made = either.visit_briefly(address, Some(&offer));
    let hello = made.ok().and_then(|visit| visit.hello);
    let mode = hello
        .filter(|hello| hello.accepted)
        .map(|hello| match hello.group {
            Some(_) => Mode::PskDheKe,
            None => Mode::PskKe,
        });
    if !resumes {
        return Ok(Some(KeyExchange {
            mode,
            after_retry: None,
        }));
    }

    // A group first that few servers have.
    let uncommon = Settings {
        groups: Some("X448:X25519:P-256:P-384".to_owned()),
        ..settings.clone()
    };
    let uncommon = Client::new(&uncommon, SslVersion::TLS1_3, 0)?;
    let Some(offer) = session(pace, client, address)? else {
        return Ok(None);
    };
    pace.connection()?;
    let made = uncommon.visit_briefly(address, Some(&offer));
    let took_it = made.as_ref().is_ok_and(|visit| !visit.retried());
    Ok(Some(KeyExchange {
        mode,
        after_retry: (!took_it).then(|| Reaction::of(&made)),
    }))
}
