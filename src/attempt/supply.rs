//! The sessions of one endpoint that are on their way, and the attempts that wait for them.

use super::breaker::{Breaker, Change, Limits};
use super::flight::{Flight, Handshake};
use super::forecast::Rates;
use super::wait::{Wait, Waker};
use crate::engine::{Engine, Garbage, Key, OwnedKey, Session, Stats, Time};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// A caller that says "established" before it has read anything still has tickets to come. It is given
/// as long again as its handshake took, and twice that, but not less than this, before they are taken
/// not to come.
const LEAST_GRACE_MS: u64 = 20;

/// For how long after the server took or sent a session what is in the cache is taken to be good, even
/// if no connection lives.
const PROOF_MS: u64 = 250;

/// What the attempts to one endpoint of one config know of each other.
pub(super) struct Supply {
    pub(super) engine: Arc<Engine>,
    key: OwnedKey,
    /// When an attempt last began.
    pub(super) used: AtomicU64,
    /// Whether the breaker is not closed. An offer looks here, and takes the lock only if it is.
    guarded: AtomicBool,
    /// How many attempts are established and still there.
    alive: AtomicUsize,
    /// Something small that the TLS stack wants to know again; 0 is nothing.
    note: AtomicU16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The attempts that may bring sessions.
    flights: Vec<Arc<Flight>>,
    /// First come, first served.
    waits: VecDeque<Arc<Wait>>,
    rates: Rates,
    breaker: Breaker,
    /// When the server last took a session, or sent one.
    proven: Time,
}

/// What an attempt that asks is told.
pub(super) enum Answer {
    /// A session that nobody else has.
    Offer(Session),
    /// Nothing to wait for.
    Full,
    Wait(Arc<Wait>),
}

/// What is there and what is expected, for a driver that plans by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    pub available: u64,
    pub waiting: u64,
    pub full_in_flight: u64,
    pub resumed_in_flight: u64,
    /// `None`: no such handshake was seen yet.
    pub tickets_full: Option<u32>,
    pub tickets_resumed: Option<u32>,
    pub full_ms: u64,
    pub resumed_ms: u64,
    /// How long an attempt that asks now would wait; `None`: it would be told to do a full handshake.
    pub wait_ms: Option<u64>,
    pub breaker_open: bool,
}

/// What to call, and what to drop, once no lock is held.
#[must_use = "those who wait are not told otherwise"]
pub(super) struct Calls<'a> {
    wakers: Vec<Waker>,
    garbage: Garbage<'a>,
    pub(super) breaker: Option<Change>,
    /// What is in the cache for this endpoint is of no use any more.
    pub(super) stale: bool,
}

impl<'a> Calls<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self {
            wakers: Vec::new(),
            garbage: engine.garbage(),
            breaker: None,
            stale: false,
        }
    }

    pub(super) fn make(self) {
        for waker in self.wakers {
            waker.wake();
        }
    }
}

impl Supply {
    pub(super) fn new(engine: &Arc<Engine>, key: OwnedKey) -> Self {
        Self {
            engine: Arc::clone(engine),
            key,
            used: AtomicU64::new(0),
            guarded: AtomicBool::new(false),
            alive: AtomicUsize::new(0),
            note: AtomicU16::new(0),
            state: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn key(&self) -> Key<'_> {
        self.key.lend()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.engine.count(&self.key(), change);
    }

    pub(super) fn note(&self) -> Option<u16> {
        match self.note.load(Relaxed) {
            0 => None,
            note => Some(note),
        }
    }

    pub(super) fn set_note(&self, note: u16) {
        if note != 0 && self.engine.options().enabled && !self.engine.is_closed() {
            self.note.store(note, Relaxed);
        }
    }

    fn limits(&self) -> Limits {
        let options = self.engine.options();
        Limits {
            failures: options.breaker_failures,
            pause_seconds: options.breaker_seconds,
        }
    }

    /// An attempt begins: what it does from here on, others reckon with.
    pub(super) fn join(&self, now: Time) -> Arc<Flight> {
        let flight = Arc::new(Flight::default());
        self.used.store(now.0, Relaxed);
        self.state.lock().flights.push(Arc::clone(&flight));
        flight
    }

    /// Whether an attempt may offer a session now.
    #[inline]
    pub(super) fn allows(&self, flight: &Flight, now: Time) -> bool {
        !self.guarded.load(Relaxed) || self.allows_guarded(flight, now)
    }

    #[cold]
    fn allows_guarded(&self, flight: &Flight, now: Time) -> bool {
        let mut state = self.state.lock();
        let allowed = flight.is_probe() || state.breaker.allows(now);
        flight.set_probe(allowed && !state.breaker.is_closed());
        drop(state);
        if !allowed {
            self.count(|stats| stats.withheld += 1);
        }
        allowed
    }

    /// An attempt that may offer a session has none: if it was to be the probe, another may be.
    pub(super) fn has_none(&self, flight: &Flight, now: Time) {
        if flight.is_probe() {
            flight.set_probe(false);
            self.state.lock().breaker.undecided(now);
        }
    }

    /// An attempt asks what to do, and would wait until `deadline`.
    pub(super) fn ask(
        &self,
        flight: &Arc<Flight>,
        now: Time,
        deadline: Time,
        waker: Waker,
    ) -> (Answer, Calls<'_>) {
        let mut calls = Calls::new(&self.engine);
        // A breaker that is not closed is looked at when the attempt makes its offer.
        let mut state = self.state.lock();
        if !state.breaker.is_closed() || self.engine.is_closed() || !self.engine.options().enabled {
            return (Answer::Full, calls);
        }
        if state.waits.is_empty()
            && !state.is_tried(self, now, deadline)
            && let Some(session) = self.take(now, &mut calls)
        {
            flight.begin_resumed(now, session.lineage);
            return (Answer::Offer(session), calls);
        }
        state.review(now);
        let ahead = state.waits.len() as u64;
        // Others may already wait for what one that was told to go will bring.
        let goes = deadline <= now || flight.handshake().is_some();
        if goes || (state.can_begin_full(self) && !state.comes(self, now, deadline, ahead)) {
            flight.begin_full(now);
            return (Answer::Full, calls);
        }
        let wait = Wait::new(deadline, flight, waker);
        state.waits.push_back(Arc::clone(&wait));
        (Answer::Wait(wait), calls)
    }

    /// An attempt waits no longer, and goes on without a session if none was kept for it. If it waited in
    /// vain, others may, too.
    pub(super) fn leave(&self, wait: &Arc<Wait>, now: Time) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        let mut state = self.state.lock();
        state.waits.retain(|other| !Arc::ptr_eq(other, wait));
        if !wait.is_over() {
            wait.flight.begin_full(now);
            state.rearrange(self, now, &mut calls);
        }
        calls
    }

    /// A session of this attempt came into the cache, or one that was taken came back.
    /// `reusable`: it can serve any number of attempts.
    pub(super) fn brought(&self, flight: &Flight, reusable: bool, now: Time) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        let mut state = self.state.lock();
        let nth = flight.bring();
        state.proven = now;
        if let Some(handshake) = flight.handshake() {
            let millis = now.since(flight.begun());
            state.rates.brought(handshake, nth, millis);
            state.rates.reusable = reusable;
        }
        if state.rates.is_complete(flight) && state.forget(flight) {
            state.learn(flight);
        }
        // One who did not wait may have been quicker.
        if !state.serve(self, now, &mut calls) {
            state.rearrange(self, now, &mut calls);
        }
        calls
    }

    /// A session that an attempt had taken is back in the cache.
    pub(super) fn returned(&self, now: Time) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        self.state.lock().serve(self, now, &mut calls);
        calls
    }

    /// An attempt is established: resumed, refused, or after an offer of nothing.
    pub(super) fn established(
        &self,
        flight: &Flight,
        now: Time,
        offered: bool,
        resumed: bool,
    ) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        let mut state = self.state.lock();
        let handshake = if resumed {
            Handshake::Resumed
        } else {
            Handshake::Full
        };
        let doubtful = state.is_doubtful(self, now);
        flight.establish(now, handshake);
        self.alive.fetch_add(1, Relaxed);
        if resumed {
            state.proven = now;
            state.serve(self, now, &mut calls);
        } else if offered && doubtful {
            // The one that tried was refused, and those who wait need not try the rest.
            calls.stale = !state.waits.is_empty();
        }
        calls.breaker = if offered {
            state.breaker.withstood()
        } else {
            state.breaker.full(now, self.limits())
        };
        let limited = self.engine.options().max_full_handshakes != 0;
        if calls.breaker.is_some() || limited {
            state.rearrange(self, now, &mut calls);
        }
        calls
    }

    /// All that an attempt had received when it was established has come into the cache.
    pub(super) fn published(&self, flight: &Flight, now: Time) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        let mut state = self.state.lock();
        if flight.brought() != 0 {
            // What else there is to come is learned when it does.
            if state.forget(flight) && state.learn(flight) {
                state.rearrange(self, now, &mut calls);
            }
        } else if !flight.is_over()
            && let Some(first) = state.waits.front()
        {
            // Should it bring nothing, only one that waits can find out.
            let grace = grace_of(flight, now).saturating_add(1);
            if grace < first.deadline.since(now) {
                first.hasten(grace);
            }
        }
        calls
    }

    /// The connection of an attempt that was established is gone.
    pub(super) fn gone(&self) {
        self.alive.fetch_sub(1, Relaxed);
    }

    /// An attempt has ended, one way or the other, or brings nothing any more.
    pub(super) fn ended(&self, flight: &Flight, now: Time, end: End) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        let mut state = self.state.lock();
        let probe = flight.is_probe();
        match end {
            End::Failed => calls.breaker = state.breaker.failed(now, probe, self.limits()),
            End::Over if probe => state.breaker.undecided(now),
            End::Over => {}
        }
        if state.forget(flight) {
            if flight.established().is_some() {
                state.learn(flight);
            }
            state.rearrange(self, now, &mut calls);
        }
        calls
    }

    /// The server refused a session of this lineage: nobody is to offer another one.
    pub(super) fn refuse(&self, lineage: u64) {
        for flight in &self.state.lock().flights {
            flight.refuse(lineage);
        }
    }

    /// Nothing comes any more: all that wait do a full handshake.
    pub(super) fn close(&self, now: Time) -> Calls<'_> {
        let mut calls = Calls::new(&self.engine);
        let mut state = self.state.lock();
        for wait in std::mem::take(&mut state.waits) {
            state.send_off(&wait, now, &mut calls);
        }
        calls
    }

    pub(super) fn forecast(&self, now: Time) -> Forecast {
        let available = self.available(now) as u64;
        let mut state = self.state.lock();
        state.review(now);
        let (rates, waiting) = (state.rates, state.waits.len() as u64);
        let breaker_open = !state.breaker.is_closed();
        let in_flight = |handshake| {
            let of_kind = |flight: &&Arc<Flight>| flight.handshake() == Some(handshake);
            state.flights.iter().filter(of_kind).count() as u64
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
                0 => state.shortest_wait(self, now, waiting),
                _ => Some(0),
            },
            breaker_open,
        }
    }

    /// How many sessions an attempt had best bring, if others wait for some.
    #[cfg(feature = "rustls")]
    pub(super) fn demand(&self) -> Option<usize> {
        let most = self.engine.options().max_sessions_per_endpoint as usize;
        match self.state.lock().waits.len() {
            0 => None,
            waiting => Some((waiting + 1).min(most)),
        }
    }

    fn available(&self, now: Time) -> usize {
        self.engine.available_at(&self.key(), now)
    }

    fn take(&self, now: Time, calls: &mut Calls<'_>) -> Option<Session> {
        // Looked at first, since a look-up that finds nothing is counted as a miss.
        if self.available(now) == 0 {
            return None;
        }
        let mut taken = None;
        let garbage = &mut calls.garbage;
        self.engine.take_at(&self.key(), now, garbage, &mut taken);
        taken
    }
}

/// For how long an attempt that was established may still bring what it is expected to.
fn grace_of(flight: &Flight, established: Time) -> u64 {
    let took = established.since(flight.begun());
    took.saturating_mul(2).max(LEAST_GRACE_MS)
}

/// How an attempt ended that was not established, or that no longer brings anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It had offered a session, and failed.
    Failed,
    /// That says nothing about offers.
    Over,
}

impl State {
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
        let most = supply.engine.options().max_full_handshakes as usize;
        let is_full = |flight: &&Arc<Flight>| {
            flight.handshake() == Some(Handshake::Full) && flight.established().is_none()
        };
        most == 0 || self.flights.iter().filter(is_full).count() < most
    }

    /// Gives what is in the cache to those that wait, first come, first served; false: there was nothing.
    fn serve(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) -> bool {
        let waiting = self.waits.len();
        while let Some(first) = self.waits.front()
            && !self.is_tried(supply, now, first.deadline)
            && let Some(session) = supply.take(now, calls)
            && let Some(wait) = self.waits.pop_front()
        {
            wait.flight.begin_resumed(now, session.lineage);
            supply.count(|stats| stats.waits_served += 1);
            calls.wakers.extend(wait.settle(Some(session)));
        }
        self.waits.len() != waiting
    }

    /// Something is not as it was expected to be: sends off those that would wait in vain.
    fn rearrange(&mut self, supply: &Supply, now: Time, calls: &mut Calls<'_>) {
        let guarded = !self.breaker.is_closed();
        supply.guarded.store(guarded, Relaxed);
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
