//! The lives of a few connections of one process, one after the other.

use super::dice::Dice;
use super::owner::Owner;
use crate::machine::new_ticket;
use libtsc::{Attempt, Cache, Error, Failure, SessionInfo, Stats};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub struct Life<'a> {
    pub cache: Arc<Cache>,
    pub owners: &'a [Owner],
    /// The server hears it, before this goes on.
    pub tell: &'a dyn Fn(&str),
    /// What an attempt does between its offer and the wire.
    pub before_sending: &'a dyn Fn(&Owner, Option<&str>),
    /// How handshakes fail.
    pub failure: Failure,
}

/// One that says nothing about the server. After others, an endpoint may be offered nothing for a while.
pub const CANCELLED: Failure = Failure {
    cancelled: true,
    ..Failure::HANDSHAKE
};

/// Tickets that one connection brings, at the most.
pub const MOST: u64 = 4;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Connection {
    Resumed,
    Full,
    /// For reasons of its own.
    GivenUp,
    /// The library had an error where none may be.
    Failed,
}

/// Numbers that add up, and are sent as text in the order in which they stand here.
macro_rules! books {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// What became of the tickets of a connection, as the cache counts it.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Books {
            $($(#[$about])* pub $name: u64,)*
        }

        impl Books {
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            fn read(text: &str) -> Option<Self> {
                let mut numbers = text.split(' ');
                let books = Self { $($name: numbers.next()?.parse().ok()?,)* };
                numbers.next().is_none().then_some(books)
            }
        }

        impl fmt::Display for Books {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&[$(self.$name.to_string()),*].join(" "))
            }
        }
    };
}

books! {
    issued,
    sent,
    /// Not kept: their connection failed, for one.
    discarded,
    /// Kept by the process itself, and taken out of what it keeps.
    kept,
    taken,
    /// Given to the agent.
    shared,
    /// Lent by the agent, and given back to it.
    leased,
    returned,
}

impl Books {
    /// What a connection adds to the counts of its cache.
    fn between(before: &Stats, after: &Stats) -> Self {
        let discarded = |stats: &Stats| {
            stats.discarded_lifetime
                + stats.discarded_too_large
                + stats.discarded_failed
                + stats.discarded_unfinished
                + stats.discarded_disabled
                + stats.discarded_no_memory
                + stats.discarded_surplus
        };
        // What comes back is in the cache as before.
        let taken = |stats: &Stats| stats.taken - stats.returned;
        Self {
            issued: 0,
            sent: 0,
            discarded: discarded(after) - discarded(before),
            kept: after.stored - before.stored,
            taken: taken(after) - taken(before),
            shared: after.agent_stored - before.agent_stored,
            leased: after.agent_leased - before.agent_leased,
            returned: after.agent_returned - before.agent_returned,
        }
    }

    /// Each ticket that came has gone for one reason, and each that was sent was there.
    fn balance(&self) {
        let went = self.discarded + self.kept + self.shared;
        assert_eq!(self.issued, went, "{self:?}");
        let came = self.taken + self.leased;
        assert_eq!(self.sent + self.returned, came, "{self:?}");
    }
}

impl Connection {
    /// What was said of a connection.
    pub fn read(how: &str, books: &str) -> Option<(Self, Books)> {
        let all = [Self::Resumed, Self::Full, Self::GivenUp, Self::Failed];
        let how = all.into_iter().find(|one| format!("{one:?}") == how)?;
        Some((how, Books::read(books)?))
    }
}

impl Life<'_> {
    pub fn live(&self, dice: &mut Dice) {
        let mut open = Vec::new();
        // Some bring less than they use, so that they depend on others.
        let tickets_each = dice.roll(MOST);
        for _ in 0..dice.roll(20) {
            let owner = dice.choose(self.owners);
            let tickets = Tickets::default();
            let before = self.cache.stats();
            let connected = self.connect(owner, dice, tickets_each, &tickets);
            let mut books = Books::between(&before, &self.cache.stats());
            (books.issued, books.sent) = (tickets.issued.get(), tickets.sent.get());
            let (how, attempt) = connected.unwrap_or_else(|why| {
                eprintln!("a connection failed: {why}");
                (Connection::Failed, None)
            });
            if how != Connection::Failed {
                books.balance();
            }
            (self.tell)(&format!("{how:?} {owner} {books}"));
            open.extend(attempt);
            if dice.roll(3) == 0 {
                open.clear();
            }
        }
    }

    fn connect(
        &self,
        owner: &Owner,
        dice: &mut Dice,
        tickets_each: u64,
        tickets: &Tickets,
    ) -> Result<(Connection, Option<Attempt>), Error> {
        let attempt = owner.begin(&self.cache)?;
        if dice.roll(4) == 0 {
            attempt.wait(Duration::from_millis(dice.roll(20)))?;
        }
        let ticket = attempt.offer()?.map(|session| {
            let bytes = session.bytes().unwrap().to_vec();
            String::from_utf8(bytes).unwrap()
        });
        (self.before_sending)(owner, ticket.as_deref());
        // A handshake takes its time, in which the process may die.
        let handshake = Duration::from_micros(dice.roll(2000));
        let send = || {
            if let Some(ticket) = &ticket {
                (self.tell)(&format!("sent {owner} {ticket}"));
                tickets.sent.set(1);
            }
            thread::sleep(handshake);
        };
        let receive = || {
            let ticket = new_ticket();
            (self.tell)(&format!("issued {owner} {ticket}"));
            tickets.issued.set(tickets.issued.get() + 1);
            attempt.receive(&SessionInfo::tls13(7200), ticket.as_bytes())
        };
        match dice.roll(10) {
            0 => attempt.failed(Failure::NOT_SENT)?,
            1 => drop(attempt),
            2 => {
                send();
                receive()?;
                attempt.failed(self.failure)?;
            }
            3 => {
                // The server refuses it.
                send();
                attempt.sent()?;
                receive()?;
                attempt.established(false)?;
                return Ok((Connection::Full, None));
            }
            _ => {
                send();
                attempt.sent()?;
                for _ in 0..tickets_each {
                    receive()?;
                }
                attempt.established(ticket.is_some())?;
                if tickets_each != 0 {
                    receive()?;
                }
                let how = match ticket {
                    Some(_) => Connection::Resumed,
                    None => Connection::Full,
                };
                return Ok((how, Some(attempt)));
            }
        }
        Ok((Connection::GivenUp, None))
    }
}

/// What the server saw of a connection.
#[derive(Default)]
struct Tickets {
    issued: Cell<u64>,
    sent: Cell<u64>,
}
