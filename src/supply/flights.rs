//! The attempts to one endpoint that may bring sessions.

use super::cohorts::Cohorts;
use super::flight::{Flight, Handshake, Stage};
use super::rates::Rates;
use crate::engine::Time;

/// A caller that says "established" before it has read anything still has tickets to come. It is given
/// as long again as its handshake took, and twice that, but not less than this, before they are taken
/// not to come.
const LEAST_GRACE_MS: u64 = 20;

#[derive(Default)]
pub(super) struct Flights {
    /// By when they began; until what they had received when they were established is in the cache.
    pub(super) opening: Cohorts,
    /// By until when more may come.
    pub(super) bringing: Cohorts,
}

impl Flights {
    /// It does this kind of handshake.
    pub(super) fn begin(&mut self, flight: &Flight, handshake: Handshake, now: Time) {
        match flight.stage() {
            Stage::Idle => {}
            // It has begun already. A session that it offers makes another beginning.
            Stage::Opening if handshake == Handshake::Full && is_full(flight) => return,
            Stage::Opening => {
                self.opening.remove(flight);
            }
            Stage::Bringing | Stage::Over => return,
        }
        flight.begin(handshake, now);
        flight.set_stage(Stage::Opening);
        self.opening.add(flight, now, now);
    }

    /// It is established, and about to publish what it has received.
    pub(super) fn establish(&mut self, flight: &Flight, handshake: Handshake, now: Time) {
        let opening = flight.stage() == Stage::Opening;
        let counted = opening && self.opening.establish(flight, handshake);
        flight.establish(handshake, now);
        if !counted {
            flight.set_stage(Stage::Opening);
            self.opening.add(flight, now, now);
        }
    }

    /// All that it had received is published, and there was nothing: it may still come.
    pub(super) fn grant_grace(&mut self, flight: &Flight, now: Time) {
        self.uncount(flight);
        flight.set_stage(Stage::Bringing);
        let took = flight.established().unwrap_or(now).since(flight.begun());
        let grace = took.saturating_mul(2).max(LEAST_GRACE_MS);
        self.bringing.add(flight, now.plus_ms(grace), now);
    }

    /// It brought one more, and more are expected.
    pub(super) fn bring(&mut self, flight: &Flight) {
        match flight.stage() {
            Stage::Opening => self.opening.brought(flight),
            Stage::Bringing => self.bringing.brought(flight),
            Stage::Idle | Stage::Over => {}
        }
        flight.bring();
    }

    /// Expects nothing more of it; false: nothing was expected any more.
    pub(super) fn forget(&mut self, flight: &Flight) -> bool {
        let counted = self.uncount(flight);
        flight.set_stage(Stage::Over);
        counted
    }

    fn uncount(&mut self, flight: &Flight) -> bool {
        match flight.stage() {
            Stage::Opening => self.opening.remove(flight),
            Stage::Bringing => self.bringing.remove(flight),
            Stage::Idle | Stage::Over => false,
        }
    }

    /// Expects nothing more of those that are overdue, and believes those that were established for a
    /// while to have brought all that they will. Says whether there were any.
    pub(super) fn review(&mut self, now: Time, rates: &mut Rates) -> bool {
        let mut any = false;
        while self
            .opening
            .lapse(now.minus_ms(rates.overdue_ms()))
            .is_some()
        {
            any = true;
        }
        while let Some(cohort) = self.bringing.lapse(now) {
            any = true;
            for handshake in Handshake::BOTH {
                let count = cohort.count(handshake);
                if let Some(each) = count.brought.checked_div(count.flights.into()) {
                    rates.brought_all(handshake, u32::try_from(each).unwrap_or(u32::MAX));
                }
            }
        }
        any
    }

    /// How many do this kind of handshake, or may still bring what it brings.
    pub(super) fn count(&self, handshake: Handshake) -> u64 {
        let all = self.opening.iter().chain(self.bringing.iter());
        all.map(|cohort| u64::from(cohort.count(handshake).flights))
            .sum()
    }

    /// How many do a full handshake at this moment, and when about the first of them began.
    pub(super) fn full(&self) -> (u64, Option<Time>) {
        let (mut count, mut first) = (0, None);
        for cohort in self.opening.iter() {
            let undecided = cohort.count(Handshake::Full).undecided;
            if undecided != 0 {
                count += u64::from(undecided);
                first = first.or(Some(cohort.last));
            }
        }
        (count, first)
    }
}

fn is_full(flight: &Flight) -> bool {
    flight.handshake() == Some(Handshake::Full)
}
