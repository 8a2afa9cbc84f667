//! The sessions of one endpoint that are on their way, and the attempts that wait for them.

mod breaker;
mod calls;
mod fate;
mod flight;
mod forecast;
mod queue;
mod rates;
#[cfg(any(feature = "rustls", feature = "capi"))]
mod unattended;
mod wait;

pub(crate) use breaker::Outcome;
pub(crate) use calls::Calls;
pub(crate) use flight::Flight;
pub use forecast::Forecast;
pub(crate) use wait::{Wait, Waker};

use crate::engine::{Engine, Garbage, Key, Lineage, OwnedKey, Reason, Session, Stats, Time};
use crate::sync::{AtomicBool, AtomicUsize, Mutex};
use breaker::{Breaker, Permit};
use fate::Fate;
use flight::Handshake;
use queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// What the attempts to one endpoint of one config know of each other, and their one way to the engine.
pub(crate) struct Supply {
    engine: Arc<Engine>,
    key: OwnedKey,
    /// Whether the breaker is not closed. An offer looks here, and takes the lock only if it is.
    guarded: AtomicBool,
    /// How many attempts are established and still there.
    alive: AtomicUsize,
    fate: Fate,
    /// Something small that the TLS stack wants to know again; 0 is nothing.
    note: AtomicU16,
    queue: Mutex<Queue>,
    /// What the sessions of connections descend from that the TLS stack does not tell apart.
    #[cfg(any(feature = "rustls", feature = "capi"))]
    unattended: Mutex<Option<Lineage>>,
}

/// What an attempt that asks is told.
pub(crate) enum Answer {
    /// A session that nobody else has.
    Offer(Session),
    /// Nothing to wait for.
    Full,
    Wait(Arc<Wait>),
}

/// How an attempt ended that was not established, or that no longer brings anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server ended it. `offered`: a session was offered; `resumed`: the server had taken it.
    Failed {
        outcome: Outcome,
        offered: bool,
        resumed: bool,
    },
    /// That says nothing about the server.
    Over,
}

impl Supply {
    pub(crate) fn new(engine: &Arc<Engine>, key: OwnedKey, any_stored: Arc<AtomicBool>) -> Self {
        let seed = key.lend().hash();
        Self {
            engine: Arc::clone(engine),
            key,
            guarded: AtomicBool::new(false),
            alive: AtomicUsize::new(0),
            fate: Fate::new(any_stored),
            note: AtomicU16::new(0),
            queue: Mutex::new(Queue::new(Breaker::seeded(seed))),
            #[cfg(any(feature = "rustls", feature = "capi"))]
            unattended: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    #[inline]
    pub(crate) fn key(&self) -> Key<'_> {
        self.key.lend()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.engine.count(&self.key(), change);
    }

    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn note(&self) -> Option<u16> {
        match self.note.load(Relaxed) {
            0 => None,
            note => Some(note),
        }
    }

    pub(crate) fn set_note(&self, note: u16) {
        if note != 0 && self.engine.options().enabled && !self.engine.is_closed() {
            self.note.store(note, Relaxed);
        }
    }

    /// How many connections may fail in an hour because of what they offered.
    fn budget(&self) -> u32 {
        self.engine.options().failure_budget
    }

    /// Changes the queue under its lock, and settles what that calls for after it.
    fn change<R>(&self, change: impl FnOnce(&mut Queue, &mut Calls<'_>) -> R) -> R {
        self.change_later(change).0
    }

    /// The same for a caller that holds a lock of its own: what is called for is settled when the calls
    /// are dropped.
    fn change_later<'a, R>(
        &'a self,
        change: impl FnOnce(&mut Queue, &mut Calls<'a>) -> R,
    ) -> (R, Calls<'a>) {
        let mut calls = Calls::new(self);
        let answer = change(&mut self.queue.lock(), &mut calls);
        (answer, calls)
    }

    /// An attempt begins: what it does from here on, others reckon with.
    pub(crate) fn join(&self) -> Arc<Flight> {
        let flight = Arc::new(Flight::default());
        self.queue.lock().flights.push(Arc::clone(&flight));
        flight
    }

    /// Takes the newest session of the cache into `place`, if the attempt may offer one now. `place` is
    /// empty, and stays so if there is none.
    #[inline]
    pub(crate) fn take<'a>(
        &'a self,
        flight: &Flight,
        now: Time,
        garbage: &mut Garbage<'a>,
        place: &mut Option<Session>,
    ) {
        if self.is_guarded() && !self.allows(flight, now) {
            return;
        }
        // Under the lock, so that a refusal finds either the session or who took it.
        let see = |session: &Session| flight.begin_resumed(now, session.lineage);
        self.engine.take_at(&self.key(), now, garbage, place, see);
        match place {
            Some(session) => self.fate.taken(session),
            None => self.has_none(flight),
        }
    }

    #[inline]
    fn is_guarded(&self) -> bool {
        self.guarded.load(Relaxed)
    }

    /// Whether an attempt may offer a session, where the breaker is not closed.
    #[cold]
    fn allows(&self, flight: &Flight, now: Time) -> bool {
        let permit = self.queue.lock().permit(self, flight, now);
        let allowed = matches!(permit, Permit::Offer | Permit::Probe);
        if !allowed {
            self.count(|stats| stats.withheld += 1);
        }
        allowed
    }

    /// An attempt that may offer a session has none: if it was to be the probe, another may be.
    fn has_none(&self, flight: &Flight) {
        if flight.permit() == Some(Permit::Probe) {
            flight.set_permit(None);
            self.queue.lock().breaker.undecided();
        }
    }

    /// An attempt asks what to do, and would wait until `deadline`.
    pub(crate) fn ask(
        &self,
        flight: &Arc<Flight>,
        now: Time,
        deadline: Time,
        waker: Waker,
    ) -> (Answer, Calls<'_>) {
        self.change_later(|queue, calls| queue.ask(self, flight, now, deadline, waker, calls))
    }

    /// An attempt waits no longer, and goes on without a session if none was kept for it. If it waited
    /// in vain, others may, too.
    pub(crate) fn leave(&self, wait: &Arc<Wait>, now: Time) -> Calls<'_> {
        let ((), calls) = self.change_later(|queue, calls| queue.leave(self, wait, now, calls));
        calls
    }

    /// Stores a session that an attempt received; false: it was not kept.
    pub(crate) fn publish(
        &self,
        flight: &Flight,
        session: Session,
        now: Time,
    ) -> (bool, Calls<'_>) {
        let reusable = session.is_reusable(self.engine.options());
        let expires = session.expires;
        let stored = self.engine.put(&self.key(), session).is_ok();
        if stored {
            self.fate.stored(expires);
            let ((), calls) = self.change_later(|queue, calls| {
                queue.brought(self, flight, reusable, now, calls);
            });
            (true, calls)
        } else {
            (false, Calls::new(self))
        }
    }

    /// An attempt received a session that it did not take, because there are enough.
    pub(crate) fn declined(&self, flight: &Flight, now: Time) {
        self.change(|queue, calls| queue.brought(self, flight, false, now, calls));
    }

    /// Puts back what an attempt took and did not send, for whoever waits or comes next, unless it was refused
    /// meanwhile.
    pub(crate) fn put_back(&self, flight: &Flight, session: Session) {
        self.fate.returned(&session);
        let may_stay = || !flight.is_refused();
        self.engine.put_back_if(&self.key(), session, may_stay);
        let now = self.engine.now();
        self.change(|queue, calls| queue.serve(self, now, calls));
    }

    /// Drops what an attempt took and did not send, which is of no use any more.
    pub(crate) fn spoil(&self, session: Session, now: Time) {
        self.engine.spoil(&self.key(), session, now);
    }

    /// RFC 9149: the server refused a session of this lineage, and will not take the others either,
    /// wherever they are.
    pub(crate) fn refuse(&self, lineage: u64, now: Time) {
        self.fate.refused();
        // Those that wait are given sessions under the queue's lock, so that is held as well.
        self.change(|queue, calls| {
            let mark = || queue.refuse(lineage);
            let garbage = &mut calls.garbage;
            self.engine
                .remove_lineage_at(&self.key(), lineage, now, garbage, mark);
        });
    }

    /// A lineage ends earlier than was known. What is on loan of it does not come back.
    pub(crate) fn bound(&self, lineage: Lineage, now: Time) {
        self.change(|queue, calls| {
            let mark = || queue.refuse(lineage.id);
            let garbage = &mut calls.garbage;
            self.engine
                .bound_lineage_at(&self.key(), lineage, now, garbage, mark);
        });
    }

    /// Why an attempt finds nothing to offer.
    pub(crate) fn reason(&self, flight: &Flight, now: Time) -> Reason {
        if !self.engine.options().enabled || self.engine.is_closed() {
            return Reason::CacheOff;
        }
        match flight.permit() {
            Some(Permit::Trial | Permit::Withheld) => Reason::Withheld,
            _ => self.fate.reason(now),
        }
    }

    /// An attempt is established: resumed, refused, or after an offer of nothing.
    pub(crate) fn established(&self, flight: &Flight, now: Time, offered: bool, resumed: bool) {
        let handshake = if resumed {
            Handshake::Resumed
        } else {
            Handshake::Full
        };
        self.change(|queue, calls| {
            queue.established(self, flight, now, offered, handshake, calls);
        });
    }

    /// All that an attempt had received when it was established has come into the cache.
    pub(crate) fn published(&self, flight: &Flight, now: Time) {
        self.change(|queue, calls| queue.published(self, flight, now, calls));
    }

    /// An attempt has ended, one way or the other, or brings nothing any more.
    pub(crate) fn ended(&self, flight: &Flight, now: Time, end: End) {
        self.change(|queue, calls| queue.ended(self, flight, now, end, calls));
    }

    /// The connection of an attempt that was established is gone.
    pub(crate) fn gone(&self) {
        self.alive.fetch_sub(1, Relaxed);
    }

    /// Nothing comes any more: all that wait do a full handshake.
    pub(crate) fn close(&self, now: Time) -> Calls<'_> {
        let ((), calls) = self.change_later(|queue, calls| queue.close(now, calls));
        calls
    }

    pub(crate) fn forecast(&self, now: Time) -> Forecast {
        self.queue.lock().forecast(self, now)
    }

    /// How many sessions an attempt had best bring, if others wait for some.
    #[cfg(feature = "rustls")]
    pub(crate) fn demand(&self) -> Option<usize> {
        let most = self.engine.options().max_sessions_per_endpoint as usize;
        match self.queue.lock().waits.len() {
            0 => None,
            waiting => Some((waiting + 1).min(most)),
        }
    }

    /// Whether nothing could be offered now.
    #[cfg(feature = "rustls")]
    pub(crate) fn has_nothing(&self) -> bool {
        let open = self.is_guarded() && !self.queue.lock().breaker.is_closed();
        open || self.available(self.engine.now()) == 0
    }

    fn available(&self, now: Time) -> usize {
        self.engine.available_at(&self.key(), now)
    }

    /// Takes a session for one that waits.
    fn take_for_wait(&self, now: Time, calls: &mut Calls<'_>) -> Option<Session> {
        // Looked at first, since a look-up that finds nothing is counted as a miss.
        if self.available(now) == 0 {
            return None;
        }
        let mut taken = None;
        let garbage = &mut calls.garbage;
        self.engine
            .take_at(&self.key(), now, garbage, &mut taken, |_| ());
        if let Some(session) = &taken {
            self.fate.taken(session);
        }
        taken
    }
}
