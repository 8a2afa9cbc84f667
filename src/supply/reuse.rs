//! Whether a server takes a session that is for one connection from several.

use super::flight::Flight;
use crate::engine::{Session, Time, Uses};

/// For how long a server is believed to take such a session once.
const BELIEVED_MS: u64 = 3600 * 1000;

/// What is known of that: from verdicts on the sessions of a lineage that were offered by several attempts, as the
/// last ones of their endpoint, if these were under way at the same time. Otherwise the server may be another by
/// then, or have another key.
#[derive(Default)]
pub(super) struct Reuse {
    habit: Habit,
    /// How many attempts have been given such a session, and no verdict yet.
    undecided: u32,
    /// When the last of them was given one that others had before, as long as there are any.
    tried: Option<Time>,
    accepted: Option<Verdict>,
    refused: Option<Verdict>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Habit {
    #[default]
    Unknown,
    /// It takes them from any number of attempts.
    Often,
    /// It takes them once; believed until then.
    Once(Time),
}

#[derive(Clone, Copy)]
struct Verdict {
    lineage: u64,
    /// As in `Uses`: that one session was accepted and its sibling too says nothing.
    of: u16,
    at: Time,
}

/// What a refusal leaves to be offered to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing of this lineage.
    Nothing,
    /// What is still to come of it: the session was refused for having been used, or its siblings are gone as well.
    ToCome,
    /// All that was not offered before.
    Unused,
}

impl Reuse {
    /// Whether sessions for one connection are offered by one.
    pub(super) fn is_strict(&self, now: Time) -> bool {
        matches!(self.habit, Habit::Once(until) if now < until)
    }

    /// Since when an attempt tries for all what the server does, if that is not known.
    pub(super) fn tried(&self, now: Time) -> Option<Time> {
        let unknown = self.habit != Habit::Often && !self.is_strict(now);
        self.tried.filter(|_| unknown)
    }

    /// An attempt is given this session.
    pub(super) fn begin(&mut self, flight: &Flight, session: &Session, now: Time) {
        self.over(flight);
        if session.uses.count == 0 {
            return;
        }
        flight.set_use(session.uses, session.lineage.id);
        self.undecided += 1;
        if session.uses.count > 1 {
            self.tried = Some(now);
        }
    }

    /// There will be no verdict on what it was given, or there was.
    pub(super) fn over(&mut self, flight: &Flight) {
        if flight.uses().count == 0 {
            return;
        }
        flight.set_use(Uses::default(), 0);
        self.undecided -= 1;
        if self.undecided == 0 {
            self.tried = None;
        }
    }

    /// The server has taken what the attempt offered. Says whether that shows that it takes such once.
    pub(super) fn accepted(&mut self, flight: &Flight, now: Time) -> bool {
        let uses = flight.uses();
        if uses.count == 0 {
            return false;
        }
        let lineage = flight.lineage();
        let again = self.accepted.is_some_and(|one| one.of == uses.of);
        let once = is_of(self.refused, flight);
        if once {
            self.habit = Habit::Once(now.plus_ms(BELIEVED_MS));
        } else if (again && is_of(self.accepted, flight)) || (uses.count > 1 && self.undecided == 1)
        {
            self.habit = Habit::Often;
        }
        self.accepted = Some(Verdict {
            lineage,
            of: uses.of,
            at: now,
        });
        self.over(flight);
        once
    }

    /// The server has not taken it.
    pub(super) fn refused(&mut self, flight: &Flight, lineage: u64, now: Time) -> Left {
        let others = self.undecided > 1;
        let uses = flight.uses();
        if uses.count == 0 {
            return Left::Nothing;
        }
        let once = is_of(self.accepted, flight);
        if once {
            self.habit = Habit::Once(now.plus_ms(BELIEVED_MS));
        }
        self.refused = Some(Verdict {
            lineage,
            of: uses.of,
            at: now,
        });
        self.over(flight);
        match once {
            true => Left::Unused,
            false if uses.count > 1 || others => Left::ToCome,
            false => Left::Nothing,
        }
    }
}

/// Whether a verdict came on what the attempt offers too, since it began.
fn is_of(verdict: Option<Verdict>, flight: &Flight) -> bool {
    verdict.is_some_and(|one| one.lineage == flight.lineage() && one.at >= flight.begun())
}
