//! What is found out, one fact a file.

pub mod bad_ticket;
pub mod hello;
pub mod identity;
pub mod key_exchange;
pub mod lifetime;
pub mod matrix;
pub mod pool;
pub mod product;
pub mod saving;
pub mod size;
pub mod ticket_request;
pub mod tickets;
pub mod twice;

use crate::client::{Client, Refusal, Visit};
use crate::pace::{Pace, Stopped};
use crate::ticket::Session;
use std::net::SocketAddr;

/// Why a fact is not known: the server refused to talk, or there may be no more connections.
#[derive(Debug)]
pub enum Unknown {
    Refused(Refusal),
    Stopped(Stopped),
    /// The client's own TLS stack.
    Client(anyhow::Error),
}

impl From<anyhow::Error> for Unknown {
    fn from(error: anyhow::Error) -> Self {
        Self::Client(error)
    }
}

impl From<Refusal> for Unknown {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Stopped> for Unknown {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Stopped(stopped) => stopped.fmt(f),
            Self::Client(error) => error.fmt(f),
        }
    }
}

/// What came of connections, unless Ctrl-C ended them: then they say nothing about the server.
pub fn unless_stopped<T>(pace: &Pace, made: Result<T, Unknown>) -> Result<T, Unknown> {
    match pace.is_stopped() {
        true => Err(Stopped::ByUser.into()),
        false => made,
    }
}

/// One connection, when its turn has come.
pub fn visit(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
    offer: Option<&Session>,
) -> Result<Visit, Unknown> {
    pace.connection()?;
    Ok(client.visit(address, offer)?)
}

/// The same, but no longer than for one ticket.
pub fn visit_briefly(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
    offer: Option<&Session>,
) -> Result<Visit, Unknown> {
    pace.connection()?;
    Ok(client.visit_briefly(address, offer)?)
}

/// A session from a full handshake; None: the server gives none that may be offered.
pub fn session(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
) -> Result<Option<Session>, Unknown> {
    let made = visit_briefly(pace, client, address, None)?;
    Ok(usable(&made))
}

/// A copy of the first session that may be offered.
pub fn usable(made: &Visit) -> Option<Session> {
    let usable = made
        .tickets
        .iter()
        .find(|arrival| arrival.ticket.is_usable());
    usable.and_then(|arrival| arrival.ticket.session.copy())
}

/// What a server does with a session.
pub fn react(
    pace: &Pace,
    client: &Client,
    address: SocketAddr,
    offer: &Session,
) -> Result<Reaction, Unknown> {
    pace.connection()?;
    Ok(Reaction::of(&client.visit_briefly(address, Some(offer))))
}

/// What the server did with a session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    Resumed,
    /// A full handshake, as it should be with one that it does not like.
    Full,
    Alert,
    Reset,
    Hang,
    /// There was no connection to judge by.
    Unreachable,
}

impl Reaction {
    pub fn of(result: &Result<Visit, Refusal>) -> Self {
        match result {
            Ok(visit) if visit.resumed => Self::Resumed,
            Ok(_) => Self::Full,
            Err(Refusal::Handshake(_) | Refusal::Certificate(_)) => Self::Alert,
            Err(Refusal::Closed) => Self::Reset,
            Err(Refusal::Silent) => Self::Hang,
            Err(Refusal::Connect(_) | Refusal::Prelude(_)) => Self::Unreachable,
        }
    }

    /// For tables, where there is little room.
    pub fn word(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Full => "full",
            Self::Alert => "alert",
            Self::Reset => "reset",
            Self::Hang => "hang",
            Self::Unreachable => "none",
        }
    }

    /// Where there is less.
    pub fn letter(self) -> char {
        match self {
            Self::Resumed => '+',
            Self::Full => '.',
            Self::Alert => 'A',
            Self::Reset => 'R',
            Self::Hang => 'H',
            Self::Unreachable => '?',
        }
    }

    /// Whether a connection failed that would have worked without the session.
    pub fn is_harmful(self) -> bool {
        matches!(self, Self::Alert | Self::Reset | Self::Hang)
    }
}

impl std::fmt::Display for Reaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resumed => "resumed",
            Self::Full => "a full handshake",
            Self::Alert => "an alert",
            Self::Reset => "a reset",
            Self::Hang => "no answer",
            Self::Unreachable => "not reachable",
        })
    }
}
