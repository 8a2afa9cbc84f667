//! The attempts to one endpoint that may bring sessions, and those that wait for one.

use super::breaker::{Breaker, Change, Outcome, Permit};
use super::calls::Calls;
use super::cohorts::Cohort;
use super::flight::{Flight, Handshake};
use super::flights::Flights;
use super::line::Line;
use super::rates::Rates;
use super::refused::Refused;
use super::reuse::{Left, Reuse};
use super::wait::{Wait, Waker};
use super::{Answer, End, Forecast, Supply};
use crate::engine::{Session, Time};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// For how long after the server took or sent a session what is in the cache is taken to be good, even
/// if no connection lives.
const PROOF_MS: u64 = 250;

/// No call costs more for there being more attempts, but for those whose wait it ends, and what a search
/// in a tree takes.
#[derive(Default)]
pub(super) struct Queue {
    flights: Flights,
    pub(super) line: Line,
    rates: Rates,
    pub(super) breaker: Breaker,
    pub(super) refused: Refused,
    pub(super) reuse: Reuse,
    /// When the server last took a session, or sent one.
    proven: Time,
}

impl Queue {
    pub(super) fn new(breaker: Breaker) -> Self {
        Self {
            breaker,
            ..Self::default()
        }
    }

    /// What an attempt may do. One that may offer is to ask again before it does: it may have waited meanwhile.
    pub(super) fn permit(&mut self, supply: &Supply, flight: &Flight, now: Time) -> Permit {
        let decided = flight.permit();
        if let Some(permit) = decided.filter(|permit| *permit != Permit::Offer) {
            return permit;
        }
        let permit = self.breaker.permit(now, supply.budget(), decided.is_some());
        let decided = permit != Permit::Offer || self.breaker.draws_lots();
        flight.set_permit(decided.then_some(permit));
        supply.guarded.store(self.breaker.is_watchful(), Relaxed);
        permit
    }

    /// Tells the breaker how an attempt ended.
    fn judge(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        now: Time,
        outcome: Outcome,
        offer: (bool, bool),
    ) -> Option<Change> {
        let permit = flight.permit().unwrap_or(Permit::Offer);
        flight.set_permit(None);
        let change = self.breaker.ended(
            (flight.begun(), now),
            outcome,
            offer,
            permit,
            supply.budget(),
        );
        supply.guarded.store(self.breaker.is_watchful(), Relaxed);
        change
    }

    pub(super) fn ask(
        &mut self,
        supply: &Supply,
        flight: &Arc<Flight>,
        now: Time,
        deadline: Time,
        waker: Waker,
        calls: &mut Calls<'_>,
    ) -> Answer {
        // A breaker that is not closed is looked at when the attempt makes its offer.
        let engine = supply.engine();
        if !self.breaker.is_closed() || engine.is_closed() || !engine.options().enabled {
            return Answer::Full;
        }
        if self.breaker.is_watchful() && self.permit(supply, flight, now) != Permit::Offer {
            return Answer::Full;
        }
        self.review(supply, now, calls);
        if self.line.is_empty() && !self.is_held_back(supply, now, deadline) {
            if let Some(kept) = supply.keep(now, self.reuse.is_strict(now), calls) {
                self.begin_with(flight, &kept.session, now);
                return Answer::Kept(Wait::served(now, flight, kept));
            }
        }
        let ahead = self.line.len() as u64;
        // Others may already wait for what one that was told to go will bring.
        let goes = deadline <= now || flight.handshake().is_some();
        if goes || (self.can_begin_full(supply) && !self.comes(supply, now, deadline, ahead)) {
            self.begin(flight, Handshake::Full, now);
            return Answer::Full;
        }
        let wait = Wait::new(self.line.next_place(), deadline, flight, waker);
        self.line.push(&wait, now);
        Answer::Wait(wait)
    }

    /// An attempt does a handshake of this kind from now on, as far as anybody knows.
    pub(super) fn begin(&mut self, flight: &Flight, handshake: Handshake, now: Time) {
        self.reuse.over(flight);
        self.flights.begin(flight, handshake, now);
    }

    /// It offers this session.
    pub(super) fn begin_with(&mut self, flight: &Flight, session: &Session, now: Time) {
        self.begin(flight, Handshake::Resumed, now);
        self.reuse.begin(flight, session, now);
    }

    /// The server refused what an attempt offered. The siblings are of no use either (RFC 9149), unless it was
    /// refused for having been used.
    pub(super) fn refused_by_server(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        lineage: u64,
        now: Time,
        calls: &mut Calls<'_>,
    ) {
        let left = self.reuse.refused(flight, lineage, now);
        if left == Left::Unused {
            self.take_once(supply, now, calls);
            return;
        }
        if left == Left::Nothing {
            self.refused.add(lineage);
        }
        let (engine, garbage) = (supply.engine(), &mut calls.garbage);
        engine.remove_lineage_at(&supply.key(), lineage, now, garbage);
    }

    /// From now on no session for one connection is offered by two.
    fn take_once(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) {
        supply.strict.store(true, Relaxed);
        self.rates.reusable = false;
        let (engine, garbage) = (supply.engine(), &mut calls.garbage);
        engine.remove_used_at(&supply.key(), now, garbage);
        self.settle(supply, now, true, calls);
    }

    /// One that waits leaves. Those behind it come nearer, so none of them waits in vain for that.
    /// `goes`: it does a full handshake now.
    pub(super) fn leave(
        &mut self,
        supply: &Supply,
        wait: &Wait,
        now: Time,
        goes: bool,
        calls: &mut Calls<'_>,
    ) {
        if self.line.remove(wait) && goes {
            self.begin(&wait.flight, Handshake::Full, now);
        }
        self.settle(supply, now, false, calls);
    }

    /// The clock of one that waits has gone off.
    pub(super) fn look(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) {
        self.line.forget_alarm();
        self.settle(supply, now, false, calls);
    }

    /// A session of this attempt came into the cache, or was declined because there are enough.
    /// `reusable`: it can serve any number of attempts.
    pub(super) fn brought(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        reusable: bool,
        now: Time,
        calls: &mut Calls<'_>,
    ) {
        let nth = flight.brought() + 1;
        self.proven = now;
        if let Some(handshake) = flight.handshake() {
            let millis = now.since(flight.begun());
            self.rates.brought(handshake, nth, millis);
            self.rates.reusable = reusable;
        }
        if !self.rates.is_complete(flight, nth) {
            self.flights.bring(flight);
        } else {
            let expected = self.flights.forget(flight);
            flight.bring();
            if expected {
                self.learn(flight);
            }
        }
        // One who did not wait may have been quicker.
        let served = self.serve(supply, now, calls);
        self.settle(supply, now, !served, calls);
    }

    pub(super) fn established(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        now: Time,
        offered: bool,
        handshake: Handshake,
        calls: &mut Calls<'_>,
    ) {
        let doubtful = self.is_doubtful(supply, now);
        self.flights.establish(flight, handshake, now);
        supply.alive.fetch_add(1, Relaxed);
        if handshake == Handshake::Resumed {
            self.proven = now;
            if self.reuse.accepted(flight, now) {
                self.take_once(supply, now, calls);
            }
            self.serve(supply, now, calls);
        } else if offered && doubtful {
            // The one that tried was refused, and those who wait need not try the rest.
            calls.stale = !self.line.is_empty();
        }
        let resumed = handshake == Handshake::Resumed;
        calls.breaker = self.judge(
            supply,
            flight,
            now,
            Outcome::Established,
            (offered, resumed),
        );
        // Where full handshakes are limited, another may begin.
        let limited = supply.engine().options().max_full_handshakes != 0;
        let changed = calls.breaker.is_some() || limited;
        self.settle(supply, now, changed, calls);
    }

    /// All that an attempt had received when it was established has come into the cache.
    pub(super) fn published(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        now: Time,
        calls: &mut Calls<'_>,
    ) {
        let mut lost = false;
        if flight.brought() != 0 {
            // What else there is to come is learned when it does.
            lost = self.flights.forget(flight) && self.learn(flight);
        } else if !flight.is_over() {
            self.flights.grant_grace(flight, now);
        }
        self.settle(supply, now, lost, calls);
    }

    pub(super) fn ended(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        now: Time,
        end: End,
        calls: &mut Calls<'_>,
    ) {
        match end {
            End::Failed {
                outcome,
                offered,
                resumed,
            } => calls.breaker = self.judge(supply, flight, now, outcome, (offered, resumed)),
            End::Over => {
                if let Some(permit @ (Permit::Probe(_) | Permit::Trial(_))) = flight.permit() {
                    flight.set_permit(None);
                    self.breaker.end_turn(permit);
                }
            }
        }
        self.reuse.over(flight);
        let lost = self.flights.forget(flight);
        if lost && flight.established().is_some() {
            self.learn(flight);
        }
        self.settle(supply, now, lost || calls.breaker.is_some(), calls);
    }

    /// An attempt that was established failed after all.
    pub(super) fn revoked(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        now: Time,
        offer: (bool, bool),
        calls: &mut Calls<'_>,
    ) {
        self.breaker.forget_success(offer);
        calls.breaker = self.judge(supply, flight, now, Outcome::HandshakeFailed, offer);
        self.settle(supply, now, calls.breaker.is_some(), calls);
    }

    pub(super) fn close(&mut self, now: Time, calls: &mut Calls<'_>) {
        self.send_all_off(now, calls);
    }

    pub(super) fn forecast(
        &mut self,
        supply: &Supply,
        now: Time,
        calls: &mut Calls<'_>,
    ) -> Forecast {
        self.review(supply, now, calls);
        let available = supply.available(now) as u64;
        let (rates, waiting) = (self.rates, self.line.len() as u64);
        let breaker_open = !self.breaker.is_closed();
        Forecast {
            available,
            waiting,
            full_in_flight: self.flights.count(Handshake::Full),
            resumed_in_flight: self.flights.count(Handshake::Resumed),
            tickets_full: rates.full.tickets,
            tickets_resumed: rates.resumed.tickets,
            full_ms: rates.full.millis,
            resumed_ms: rates.resumed.millis,
            wait_ms: match available {
                _ if breaker_open => None,
                0 => self.shortest_wait(supply, now, waiting),
                _ => Some(0),
            },
            breaker_open,
        }
    }

    /// Believes that an attempt has brought all that it will. Says whether that is less than was
    /// expected.
    fn learn(&mut self, flight: &Flight) -> bool {
        let brought = |handshake| self.rates.brought_all(handshake, flight.brought());
        flight.handshake().is_some_and(brought)
    }

    /// Whether what is in the cache may be of no use: no connection lives that would show the server to
    /// be the same as before, and it is a while since a session was taken or sent.
    fn is_doubtful(&self, supply: &Supply, now: Time) -> bool {
        supply.alive.load(Relaxed) == 0 && now.since(self.proven) > PROOF_MS
    }

    /// Whether an attempt tries what is in doubt, and its verdict is expected until `deadline`.
    fn is_tried(&self, supply: &Supply, now: Time, deadline: Time) -> bool {
        let tries = |cohort: &&Cohort| cohort.count(Handshake::Resumed).undecided != 0;
        self.is_doubtful(supply, now)
            && (self.flights.opening.iter().filter(tries))
                .any(|cohort| self.rates.verdict(cohort.last, now) <= deadline)
    }

    /// Whether an attempt tries if the server takes again what it took, which is all that there is, and its
    /// verdict is expected until `deadline`.
    fn is_reuse_tried(&self, supply: &Supply, now: Time, deadline: Time) -> bool {
        let in_time = |begun| self.rates.verdict(begun, now) <= deadline;
        self.reuse.tried(now).is_some_and(in_time) && supply.is_used(now)
    }

    /// Whether what is in the cache is not given to one that waits: another tries it for all.
    fn is_held_back(&self, supply: &Supply, now: Time, deadline: Time) -> bool {
        self.is_tried(supply, now, deadline) || self.is_reuse_tried(supply, now, deadline)
    }

    /// Whether a session is expected, for one with so many ahead, until `deadline`.
    fn comes(&self, supply: &Supply, now: Time, deadline: Time, ahead: u64) -> bool {
        if self.is_reuse_tried(supply, now, deadline) {
            return true;
        }
        let tried = self.is_tried(supply, now, deadline);
        let stock = if tried { supply.available(now) } else { 0 };
        let missing = ahead.saturating_add(1).saturating_sub(stock as u64);
        self.rates.capacity(&self.flights, now, deadline, missing) >= missing
    }

    /// Whether another full handshake may begin.
    fn can_begin_full(&self, supply: &Supply) -> bool {
        match supply.engine().options().max_full_handshakes {
            0 => true,
            most => self.flights.full().0 < u64::from(most),
        }
    }

    /// Gives what is in the cache to those that wait, first come, first served; false: there was nothing.
    #[inline]
    pub(super) fn serve(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) -> bool {
        !self.line.is_empty() && self.serve_line(supply, now, calls)
    }

    #[cold]
    fn serve_line(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) -> bool {
        let mut served = false;
        while let Some(first) = self.line.first().map(Arc::clone) {
            if self.is_held_back(supply, now, first.deadline) {
                break;
            }
            let Some(kept) = supply.keep(now, self.reuse.is_strict(now), calls) else {
                break;
            };
            self.line.remove(&first);
            self.begin_with(&first.flight, &kept.session, now);
            supply.count(|stats| stats.waits_served += 1);
            calls.wakers.extend(first.settle(Some(kept)));
            served = true;
        }
        served
    }

    /// Brings what is expected up to date, for one that wants to know though nobody waits.
    fn review(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) {
        let lapsed = self.flights.review(now, &mut self.rates);
        self.settle(supply, now, lapsed, calls);
    }

    /// What follows from a change, and from the time that has passed. `lost`: something is not as it was
    /// expected to be.
    #[inline]
    fn settle(&mut self, supply: &Supply, now: Time, lost: bool, calls: &mut Calls<'_>) {
        if !self.line.is_empty() {
            self.rearrange(supply, now, lost, calls);
        }
    }

    #[cold]
    fn rearrange(&mut self, supply: &Supply, now: Time, lost: bool, calls: &mut Calls<'_>) {
        let lapsed = self.flights.review(now, &mut self.rates);
        if lost || lapsed {
            self.serve(supply, now, calls);
            if self.breaker.is_closed() {
                self.send_off_vain(supply, now, calls);
            } else {
                self.send_all_off(now, calls);
            }
        }
    }

    /// Sends off those that would wait in vain: the first, if nothing is expected at all, and otherwise from
    /// the end those for whom it is not enough. What each of them will bring counts for the others.
    fn send_off_vain(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) {
        while let Some(first) = self.line.first() {
            if self.stays(supply, now, first.deadline, 0) {
                break;
            }
            let first = Arc::clone(first);
            self.send_off(&first, now, calls);
        }
        let (mut stretch, mut ahead) = (0, 0);
        while let Some((last, before)) = self.line.last_of(stretch, ahead) {
            if self.stays(supply, now, last.deadline, before) {
                stretch += 1;
                ahead = before + 1;
                continue;
            }
            let last = Arc::clone(last);
            self.send_off(&last, now, calls);
        }
    }

    fn stays(&self, supply: &Supply, now: Time, deadline: Time, ahead: u64) -> bool {
        deadline > now && (self.comes(supply, now, deadline, ahead) || !self.can_begin_full(supply))
    }

    fn send_all_off(&mut self, now: Time, calls: &mut Calls<'_>) {
        while let Some(first) = self.line.first().map(Arc::clone) {
            self.send_off(&first, now, calls);
        }
    }

    /// Tells one that waits to do a full handshake.
    fn send_off(&mut self, wait: &Wait, now: Time, calls: &mut Calls<'_>) {
        self.line.remove(wait);
        self.begin(&wait.flight, Handshake::Full, now);
        calls.wakers.extend(wait.settle(None));
    }

    /// Has the first one that has a clock look again when nothing is expected any more, if it should come to
    /// that. Whoever has none is told by that one.
    #[inline]
    pub(super) fn set_alarm(&mut self, supply: &Supply, now: Time) {
        if self.line.has_clock() {
            self.set_clock(supply, now);
        }
    }

    #[cold]
    fn set_clock(&mut self, supply: &Supply, now: Time) {
        let at = self.hopeless_from(supply);
        self.line.set_alarm(at, now);
    }

    /// From when on nothing is expected, as things are; if nothing is, from when on another full handshake
    /// may begin.
    fn hopeless_from(&self, supply: &Supply) -> Option<Time> {
        let overdue = self.rates.overdue_ms();
        let counts = |cohort: &&Cohort| {
            self.rates.is_promising(cohort) || cohort.count(Handshake::Resumed).undecided != 0
        };
        let opening = self.flights.opening.iter().rev().find(counts);
        let bringing = self.flights.bringing.iter().rev().find(counts);
        let last = [
            opening.map(|cohort| cohort.last.plus_ms(overdue)),
            bringing.map(|cohort| cohort.last),
        ];
        let last = last.into_iter().flatten().max();
        let limited = || match self.flights.full() {
            _ if self.can_begin_full(supply) => None,
            (_, first) => first.map(|begun| begun.plus_ms(overdue)),
        };
        last.or_else(limited).map(|at| at.plus_ms(1))
    }

    /// The shortest time for which one with so many ahead would have to wait.
    fn shortest_wait(&self, supply: &Supply, now: Time, ahead: u64) -> Option<u64> {
        const LONGEST_MS: u64 = 3600 * 1000;
        let comes = |millis| self.comes(supply, now, Time(now.0.saturating_add(millis)), ahead);
        if !comes(LONGEST_MS) {
            return None;
        }
        if comes(0) {
            return Some(0);
        }
        // `comes` turns true once: the halves are cut until the moment is left.
        let (mut vain, mut enough) = (0, LONGEST_MS);
        while vain + 1 < enough {
            let middle = vain.midpoint(enough);
            if comes(middle) {
                enough = middle;
            } else {
                vain = middle;
            }
        }
        Some(enough)
    }
}
