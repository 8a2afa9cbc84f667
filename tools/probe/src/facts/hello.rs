//! How long the ClientHello becomes with a key exchange that withstands quantum computers, and what the server
//! makes of it.

use super::size::SEGMENT;
use super::{Unknown, usable, visit_briefly};
use crate::client::{Backend, Client, Settings};
use crate::pace::Pace;
use openssl::ssl::SslVersion;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hello {
    /// Whose ClientHello it is: an OpenSSL before 3.5 does not have X25519MLKEM768.
    pub backend: Backend,
    pub with: Groups,
    pub without: Groups,
    /// Whether the server chose X25519MLKEM768.
    pub chosen: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Groups {
    /// In bytes, with the header of the record.
    pub full: usize,
    /// With a session; null: the server gave none.
    pub resumed: Option<usize>,
    /// Whether both fit one TCP segment of 1440 bytes.
    pub fits_one_segment: bool,
    /// Whether the server answered with a HelloRetryRequest, which costs a round trip.
    pub retried: bool,
}

const WITH: &str = "X25519MLKEM768:X25519:P-256";
const WITHOUT: &str = "X25519:P-256";
const X25519MLKEM768: u16 = 4588;

pub fn look(pace: &Pace, settings: &Settings, address: SocketAddr) -> Result<Hello, Unknown> {
    let client = |backend, groups: &str| {
        let settings = Settings {
            backend,
            groups: Some(groups.to_owned()),
            ..settings.clone()
        };
        Client::new(&settings, SslVersion::TLS1_3, 0)
    };
    let (backend, with) = match client(settings.backend, WITH) {
        Ok(client) => (settings.backend, client),
        Err(_) => (Backend::Rustls, client(Backend::Rustls, WITH)?),
    };
    let (with, chosen) = groups(pace, &with, address)?;
    let (without, _) = groups(pace, &client(backend, WITHOUT)?, address)?;
    Ok(Hello {
        backend,
        with,
        without,
        chosen,
    })
}

fn groups(pace: &Pace, client: &Client, address: SocketAddr) -> Result<(Groups, bool), Unknown> {
    let full = visit_briefly(pace, client, address, None)?;
    let resumed = match usable(&full) {
        Some(offer) => Some(visit_briefly(pace, client, address, Some(&offer))?.client_hello),
        None => None,
    };
    let hello = full.hello.unwrap_or_default();
    let groups = Groups {
        full: full.client_hello,
        resumed,
        fits_one_segment: full.client_hello.max(resumed.unwrap_or(0)) <= SEGMENT,
        retried: hello.retried,
    };
    Ok((groups, hello.group == Some(X25519MLKEM768)))
}
