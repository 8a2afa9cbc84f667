//! The attempts to one endpoint that may bring sessions, and those that wait for one.

use super::breaker::{Breaker, Change, Outcome, Permit};
use super::calls::Calls;
use super::flight::{Flight, Handshake};
use super::rates::Rates;
use super::wait::{Wait, Waker};
use super::{Answer, End, Forecast, Supply};
use crate::engine::Time;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A caller that says "established" before it has read anything still has tickets to come. It is given
/// as long again as its handshake took, and twice that, but not less than this, before they are taken
/// not to come.
const LEAST_GRACE_MS: u64 = 20;

/// For how long after the server took or sent a session what is in the cache is taken to be good, even
/// if no connection lives.
const PROOF_MS: u64 = 250;

#[derive(Default)]
pub(super) struct Queue {
    /// The attempts that may bring sessions.
    pub(super) flights: Vec<Arc<Flight>>,
    /// First come, first served.
    pub(super) waits: VecDeque<Arc<Wait>>,
    rates: Rates,
    pub(super) breaker: Breaker,
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

    /// What an attempt may do. Asked twice, it is the same.
    pub(super) fn permit(&mut self, supply: &Supply, flight: &Flight, now: Time) -> Permit {
        flight.permit().unwrap_or_else(|| {
            let permit = self.breaker.permit(now, supply.budget());
            flight.set_permit(Some(permit));
            supply.guarded.store(self.breaker.is_watchful(), Relaxed);
            permit
        })
    }

    /// What attempts have on loan of this lineage is not to come back.
    pub(super) fn refuse(&self, lineage: u64) {
        for flight in &self.flights {
            flight.refuse(lineage);
        }
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
        if self.waits.is_empty() && !self.is_tried(supply, now, deadline) {
            if let Some(session) = supply.take_for_wait(now, calls) {
                flight.begin_resumed(now, session.lineage);
                return Answer::Offer(session);
            }
        }
        self.review(now);
        let ahead = self.waits.len() as u64;
        // Others may already wait for what one that was told to go will bring.
        let goes = deadline <= now || flight.handshake().is_some();
        if goes || (self.can_begin_full(supply) && !self.comes(supply, now, deadline, ahead)) {
            flight.begin_full(now);
            return Answer::Full;
        }
        let wait = Wait::new(deadline, flight, waker);
        self.waits.push_back(Arc::clone(&wait));
        Answer::Wait(wait)
    }

    pub(super) fn leave(
        &mut self,
        supply: &Supply,
        wait: &Arc<Wait>,
        now: Time,
        calls: &mut Calls<'_>,
    ) {
        self.waits.retain(|other| !Arc::ptr_eq(other, wait));
        if !wait.is_over() {
            wait.flight.begin_full(now);
            self.rearrange(supply, now, calls);
        }
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
        let nth = flight.bring();
        self.proven = now;
        if let Some(handshake) = flight.handshake() {
            let millis = now.since(flight.begun());
            self.rates.brought(handshake, nth, millis);
            self.rates.reusable = reusable;
        }
        if self.rates.is_complete(flight) && self.forget(flight) {
            self.learn(flight);
        }
        // One who did not wait may have been quicker.
        if !self.serve(supply, now, calls) {
            self.rearrange(supply, now, calls);
        }
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
        flight.establish(now, handshake);
        supply.alive.fetch_add(1, Relaxed);
        if handshake == Handshake::Resumed {
            self.proven = now;
            self.serve(supply, now, calls);
        } else if offered && doubtful {
            // The one that tried was refused, and those who wait need not try the rest.
            calls.stale = !self.waits.is_empty();
        }
        let resumed = handshake == Handshake::Resumed;
        calls.breaker = self.judge(
            supply,
            flight,
            now,
            Outcome::Established,
            (offered, resumed),
        );
        let limited = supply.engine().options().max_full_handshakes != 0;
        if calls.breaker.is_some() || limited {
            self.rearrange(supply, now, calls);
        }
    }

    pub(super) fn published(
        &mut self,
        supply: &Supply,
        flight: &Flight,
        now: Time,
        calls: &mut Calls<'_>,
    ) {
        if flight.brought() != 0 {
            // What else there is to come is learned when it does.
            if self.forget(flight) && self.learn(flight) {
                self.rearrange(supply, now, calls);
            }
        } else if !flight.is_over() {
            let grace = grace_of(flight, now).saturating_add(1);
            // Should it bring nothing, only one that waits can find out.
            if let Some(first) = self.waits.front() {
                if grace < first.deadline.since(now) {
                    first.hasten(grace);
                }
            }
        }
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
                if matches!(flight.permit(), Some(Permit::Probe | Permit::Trial)) {
                    flight.set_permit(None);
                    self.breaker.undecided();
                }
            }
        }
        if self.forget(flight) {
            if flight.established().is_some() {
                self.learn(flight);
            }
            self.rearrange(supply, now, calls);
        }
    }

    pub(super) fn close(&mut self, now: Time, calls: &mut Calls<'_>) {
        for wait in std::mem::take(&mut self.waits) {
            self.send_off(&wait, now, calls);
        }
    }

    pub(super) fn forecast(&mut self, supply: &Supply, now: Time) -> Forecast {
        let available = supply.available(now) as u64;
        self.review(now);
        let (rates, waiting) = (self.rates, self.waits.len() as u64);
        let breaker_open = !self.breaker.is_closed();
        let in_flight = |handshake| {
            let of_kind = |flight: &&Arc<Flight>| flight.handshake() == Some(handshake);
            self.flights.iter().filter(of_kind).count() as u64
        };
        Forecast {
            available,
            waiting,
            full_in_flight: in_flight(Handshake::Full),
            resumed_in_flight: in_flight(Handshake::Resumed),
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

    /// Expects nothing more of it; false: nothing was expected any more.
    fn forget(&mut self, flight: &Flight) -> bool {
        flight.end();
        let is_it = |other: &Arc<Flight>| std::ptr::eq(Arc::as_ptr(other), flight);
        let at = self.flights.iter().position(is_it);
        at.map(|at| self.flights.swap_remove(at)).is_some()
    }

    /// Believes that an attempt has brought all that it will. Says whether that is less than was
    /// expected.
    fn learn(&mut self, flight: &Flight) -> bool {
        let brought = |handshake| self.rates.brought_all(handshake, flight.brought());
        flight.handshake().is_some_and(brought)
    }

    /// Believes those that were established for a while to have brought all that they will.
    fn review(&mut self, now: Time) {
        let rates = &mut self.rates;
        self.flights.retain(|flight| {
            let (Some(established), Some(handshake)) = (flight.established(), flight.handshake())
            else {
                return true;
            };
            let over = now.since(established) > grace_of(flight, established);
            if over {
                rates.brought_all(handshake, flight.brought());
                flight.end();
            }
            !over
        });
    }

    /// Whether what is in the cache may be of no use: no connection lives that would show the server to
    /// be the same as before, and it is a while since a session was taken or sent.
    fn is_doubtful(&self, supply: &Supply, now: Time) -> bool {
        supply.alive.load(Relaxed) == 0 && now.since(self.proven) > PROOF_MS
    }

    /// Whether an attempt tries what is in doubt, and its verdict is expected until `deadline`.
    fn is_tried(&self, supply: &Supply, now: Time, deadline: Time) -> bool {
        let tries = |flight: &&Arc<Flight>| {
            flight.handshake() == Some(Handshake::Resumed) && flight.established().is_none()
        };
        self.is_doubtful(supply, now)
            && self
                .flights
                .iter()
                .filter(tries)
                .any(|flight| self.rates.verdict(flight, now) <= deadline)
    }

    /// Whether a session is expected, for one with so many ahead, until `deadline`.
    fn comes(&self, supply: &Supply, now: Time, deadline: Time, ahead: u64) -> bool {
        let tried = self.is_tried(supply, now, deadline);
        let stock = if tried { supply.available(now) } else { 0 };
        let capacity = self.rates.capacity(&self.flights, now, deadline);
        capacity.saturating_add(stock as u64) > ahead
    }

    /// Whether another full handshake may begin.
    fn can_begin_full(&self, supply: &Supply) -> bool {
        let most = supply.engine().options().max_full_handshakes as usize;
        let is_full = |flight: &&Arc<Flight>| {
            flight.handshake() == Some(Handshake::Full) && flight.established().is_none()
        };
        most == 0 || self.flights.iter().filter(is_full).count() < most
    }

    /// Gives what is in the cache to those that wait, first come, first served; false: there was nothing.
    pub(super) fn serve(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) -> bool {
        let waiting = self.waits.len();
        while let Some(first) = self.waits.front() {
            if self.is_tried(supply, now, first.deadline) {
                break;
            }
            let Some(session) = supply.take_for_wait(now, calls) else {
                break;
            };
            let Some(wait) = self.waits.pop_front() else {
                break;
            };
            wait.flight.begin_resumed(now, session.lineage);
            supply.count(|stats| stats.waits_served += 1);
            calls.wakers.extend(wait.settle(Some(session)));
        }
        self.waits.len() != waiting
    }

    /// Something is not as it was expected to be: sends off those that would wait in vain.
    fn rearrange(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) {
        let guarded = !self.breaker.is_closed();
        if self.waits.is_empty() {
            return;
        }
        self.review(now);
        self.serve(supply, now, calls);
        for wait in std::mem::take(&mut self.waits) {
            let ahead = self.waits.len() as u64;
            let stays = wait.deadline > now
                && (self.comes(supply, now, wait.deadline, ahead) || !self.can_begin_full(supply));
            if stays && !guarded {
                self.waits.push_back(wait);
            } else {
                self.send_off(&wait, now, calls);
            }
        }
    }

    /// Tells one that waits to do a full handshake.
    fn send_off(&mut self, wait: &Wait, now: Time, calls: &mut Calls<'_>) {
        wait.flight.begin_full(now);
        calls.wakers.extend(wait.settle(None));
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

/// For how long an attempt that was established may still bring what it is expected to.
fn grace_of(flight: &Flight, established: Time) -> u64 {
    let took = established.since(flight.begun());
    took.saturating_mul(2).max(LEAST_GRACE_MS)
}
