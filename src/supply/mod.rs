//! The sessions of one endpoint that are on their way, and the attempts that wait for them.

mod breaker;
mod calls;
mod cohorts;
mod fate;
mod flight;
mod flights;
mod forecast;
mod line;
mod queue;
mod rates;
mod refused;
mod reuse;
#[cfg(any(feature = "rustls", feature = "capi"))]
mod unattended;
mod wait;

pub(crate) use breaker::Outcome;
pub(crate) use calls::Calls;
pub(crate) use flight::Flight;
pub use forecast::Forecast;
pub(crate) use wait::{Kept, Wait, Waker};

use crate::engine::{Engine, Garbage, Key, Kind, Lineage, OwnedKey, Reason, Session, Stats, Time};
use crate::registry::Value;
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
    /// Whether the server was found to take sessions for one connection once. The same goes for it.
    strict: AtomicBool,
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

impl Value for Supply {
    /// That offers did harm, and how much.
    fn remembers(&self) -> bool {
        self.is_guarded()
    }
}

/// What an attempt that asks is told.
pub(crate) enum Answer {
    /// A session that nobody else has is kept for it.
    Kept(Arc<Wait>),
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
            strict: AtomicBool::new(false),
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
    fn change<R>(&self, now: Time, change: impl FnOnce(&mut Queue, &mut Calls<'_>) -> R) -> R {
        self.change_later(now, change).0
    }

    /// The same for a caller that holds a lock of its own: what is called for is settled when the calls
    /// are dropped.
    fn change_later<'a, R>(
        &'a self,
        now: Time,
        change: impl FnOnce(&mut Queue, &mut Calls<'a>) -> R,
    ) -> (R, Calls<'a>) {
        let mut calls = Calls::new(self);
        let mut queue = self.queue.lock();
        let answer = change(&mut queue, &mut calls);
        queue.set_alarm(self, now);
        drop(queue);
        (answer, calls)
    }

    /// An attempt that others will reckon with, once its handshake begins.
    pub(crate) fn join() -> Arc<Flight> {
        Arc::default()
    }

    /// It does a handshake of this kind, from now on.
    fn begin(&self, flight: &Flight, handshake: Handshake, now: Time) {
        let mut queue = self.queue.lock();
        queue.begin(flight, handshake, now);
        queue.set_alarm(self, now);
    }

    /// It goes without a session.
    pub(crate) fn begin_full(&self, flight: &Flight, now: Time) {
        self.begin(flight, Handshake::Full, now);
    }

    /// Takes the newest session of the cache into `place`, if the attempt may offer one now. `place` is
    /// empty, and stays so if there is none: a full handshake begins.
    #[inline]
    pub(crate) fn take<'a>(
        &'a self,
        flight: &Flight,
        now: Time,
        garbage: &mut Garbage<'a>,
        place: &mut Option<Session>,
    ) {
        if !self.may_offer(flight, now) {
            self.count(|stats| stats.withheld += 1);
            self.begin_full(flight, now);
            return;
        }
        let strict = self.is_strict(now);
        self.engine
            .take_at(&self.key(), now, strict, garbage, place);
        match place {
            Some(session) => {
                self.fate.taken(session);
                let mut queue = self.queue.lock();
                queue.begin_with(flight, session, now);
                queue.set_alarm(self, now);
            }
            None => self.begin_full(flight, now),
        }
    }

    /// Whether a session for one connection is offered by one, though the options would have it reused.
    #[inline]
    fn is_strict(&self, now: Time) -> bool {
        self.strict.load(Relaxed) && self.is_strict_still(now)
    }

    #[cold]
    fn is_strict_still(&self, now: Time) -> bool {
        let queue = self.queue.lock();
        let strict = queue.reuse.is_strict(now);
        self.strict.store(strict, Relaxed);
        strict
    }

    #[inline]
    fn is_guarded(&self) -> bool {
        self.guarded.load(Relaxed)
    }

    /// Whether an attempt may offer a session now.
    #[inline]
    pub(crate) fn may_offer(&self, flight: &Flight, now: Time) -> bool {
        !self.is_guarded() || self.allows(flight, now)
    }

    /// The same where the breaker is not closed.
    #[cold]
    fn allows(&self, flight: &Flight, now: Time) -> bool {
        let permit = self.queue.lock().permit(self, flight, now);
        matches!(permit, Permit::Offer | Permit::Probe(_))
    }

    /// It offers a session that is not of this supply.
    #[cfg(agent)]
    pub(crate) fn begin_resumed(&self, flight: &Flight, now: Time) {
        self.begin(flight, Handshake::Resumed, now);
    }

    /// Whether the attempt was told to offer nothing, because offers do harm here.
    #[cfg(agent)]
    pub(crate) fn withheld(&self, flight: &Flight) -> bool {
        matches!(flight.permit(), Some(Permit::Trial(_) | Permit::Withheld))
    }

    /// Whether the cache is disabled or closed.
    #[cfg(agent)]
    pub(crate) fn is_off(&self) -> bool {
        !self.engine.options().enabled || self.engine.is_closed()
    }

    /// Whether there is something to offer in this process, or nothing may be.
    #[cfg(agent)]
    pub(crate) fn decides_alone(&self, now: Time) -> bool {
        self.is_off() || self.is_guarded() || self.available(now) != 0
    }

    /// How many attempts of this process wait for a session.
    #[cfg(agent)]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().line.len()
    }

    /// An attempt that may offer a session has none: if it was to be the probe, another may be.
    pub(crate) fn has_none(&self, flight: &Flight) {
        if let Some(permit @ Permit::Probe(_)) = flight.permit() {
            flight.set_permit(None);
            self.queue.lock().breaker.end_turn(permit);
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
        self.change_later(now, |queue, calls| {
            queue.ask(self, flight, now, deadline, waker, calls)
        })
    }

    /// An attempt waits no longer. `goes`: it does a full handshake, if no session was kept for it.
    pub(crate) fn leave(&self, wait: &Wait, now: Time, goes: bool) -> Calls<'_> {
        let leave = |queue: &mut Queue, calls: &mut Calls<'_>| {
            queue.leave(self, wait, now, goes, calls);
        };
        self.change_later(now, leave).1
    }

    /// The clock of an attempt that waits has gone off: somebody may wait in vain.
    pub(crate) fn look(&self, now: Time) {
        self.change(now, |queue, calls| queue.look(self, now, calls));
    }

    /// Stores a session that an attempt received; false: it was not kept.
    pub(crate) fn publish(
        &self,
        flight: &Flight,
        session: Session,
        now: Time,
    ) -> (bool, Calls<'_>) {
        let reusable = session.kind == Kind::Reusable
            || (session.is_reusable(self.engine.options()) && !self.is_strict(now));
        let expires = session.expires;
        let stored = self.engine.put(&self.key(), session).is_ok();
        if stored {
            self.fate.stored(expires);
            let ((), calls) = self.change_later(now, |queue, calls| {
                queue.brought(self, flight, reusable, now, calls);
            });
            (true, calls)
        } else {
            (false, Calls::new(self))
        }
    }

    /// Stores a session that another process brought, for whoever waits or comes next; false: it was not kept,
    /// or its lineage was refused.
    #[cfg(agent)]
    pub(crate) fn stock(&self, session: Session, now: Time) -> bool {
        let (lineage, expires) = (session.lineage, session.expires);
        if self.engine.put(&self.key(), session).is_err() {
            return false;
        }
        self.fate.stored(expires);
        self.change(now, |queue, calls| {
            let refused = queue.refused.contains(lineage);
            if refused {
                let garbage = &mut calls.garbage;
                self.engine
                    .remove_lineage_at(&self.key(), lineage.id, now, garbage);
            } else {
                queue.serve(self, now, calls);
            }
            !refused
        })
    }

    /// An attempt received a session that it did not take, because there are enough.
    pub(crate) fn declined(&self, flight: &Flight, now: Time) {
        self.change(now, |queue, calls| {
            queue.brought(self, flight, false, now, calls)
        });
    }

    /// Puts back what an attempt took and did not send, for whoever waits or comes next, unless its lineage was
    /// refused meanwhile.
    pub(crate) fn put_back(&self, session: Session) {
        let now = self.engine.now();
        self.change(now, |queue, calls| {
            let garbage = &mut calls.garbage;
            if queue.refused.contains(session.lineage) {
                self.engine.spoil(&self.key(), session, now, garbage);
            } else {
                self.fate.returned(&session);
                self.engine.put_back_at(&self.key(), session, now, garbage);
                queue.serve(self, now, calls);
            }
        });
    }

    /// Puts back what was kept for an attempt that did not come for it.
    pub(crate) fn put_back_kept(&self, kept: Kept) {
        if kept.clears == self.engine.clears() {
            self.put_back(kept.session);
        } else {
            self.spoil(kept.session, self.engine.now());
        }
    }

    /// Whether what was kept for an attempt may still be offered, its time aside.
    pub(crate) fn is_good(&self, kept: &Kept) -> bool {
        kept.clears == self.engine.clears() && !self.is_refused(kept.session.lineage)
    }

    fn is_refused(&self, lineage: Lineage) -> bool {
        self.queue.lock().refused.contains(lineage)
    }

    /// Drops what an attempt took and did not send, which is of no use any more.
    pub(crate) fn spoil(&self, session: Session, now: Time) {
        let mut garbage = self.engine.garbage();
        self.engine.spoil(&self.key(), session, now, &mut garbage);
    }

    /// RFC 9149: the server will not take any session of this lineage, wherever they are.
    pub(crate) fn refuse(&self, lineage: u64, now: Time) {
        self.fate.refused();
        self.change(now, |queue, calls| {
            queue.refused.add(lineage);
            let garbage = &mut calls.garbage;
            self.engine
                .remove_lineage_at(&self.key(), lineage, now, garbage);
        });
    }

    /// The server refused what an attempt offered, of this lineage.
    pub(crate) fn refused(&self, flight: &Flight, lineage: u64, now: Time) {
        self.fate.refused();
        self.change(now, |queue, calls| {
            queue.refused_by_server(self, flight, lineage, now, calls);
        });
    }

    /// A lineage ends perhaps earlier than was known. What is on loan of it and would outlive that does not come
    /// back.
    pub(crate) fn bound(&self, lineage: Lineage, now: Time) {
        self.change(now, |queue, calls| {
            queue.refused.bound(lineage);
            let garbage = &mut calls.garbage;
            self.engine
                .bound_lineage_at(&self.key(), lineage, now, garbage);
        });
    }

    /// Why an attempt finds nothing to offer.
    pub(crate) fn reason(&self, flight: &Flight, now: Time) -> Reason {
        if !self.engine.options().enabled || self.engine.is_closed() {
            return Reason::CacheOff;
        }
        match flight.permit() {
            Some(Permit::Trial(_) | Permit::Withheld) => Reason::Withheld,
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
        self.change(now, |queue, calls| {
            queue.established(self, flight, now, offered, handshake, calls);
        });
    }

    /// A fatal alert came on a connection that was established: its handshake failed after all. `offer`: whether
    /// it had offered a session, and whether that was taken.
    pub(crate) fn revoked(&self, flight: &Flight, now: Time, offer: (bool, bool)) {
        self.change(now, |queue, calls| {
            queue.revoked(self, flight, now, offer, calls);
        });
    }

    /// All that an attempt had received when it was established, at `now`, has come into the cache.
    pub(crate) fn published(&self, flight: &Flight, now: Time) {
        // The thread may have been held up meanwhile, and what is to come has all its time yet.
        let now = match flight.brought() {
            0 => self.engine.now(),
            _ => now,
        };
        self.change(now, |queue, calls| {
            queue.published(self, flight, now, calls)
        });
    }

    /// An attempt has ended, one way or the other, or brings nothing any more.
    pub(crate) fn ended(&self, flight: &Flight, now: Time, end: End) {
        self.change(now, |queue, calls| {
            queue.ended(self, flight, now, end, calls)
        });
    }

    /// The connection of an attempt that was established is gone.
    pub(crate) fn gone(&self) {
        self.alive.fetch_sub(1, Relaxed);
    }

    /// Nothing comes any more: all that wait do a full handshake.
    pub(crate) fn close(&self, now: Time) -> Calls<'_> {
        let ((), calls) = self.change_later(now, |queue, calls| queue.close(now, calls));
        calls
    }

    pub(crate) fn forecast(&self, now: Time) -> Forecast {
        self.change(now, |queue, calls| queue.forecast(self, now, calls))
    }

    /// How many sessions an attempt had best bring, if others wait for some.
    #[cfg(feature = "rustls")]
    pub(crate) fn demand(&self) -> Option<usize> {
        let most = self.engine.options().max_sessions_per_endpoint as usize;
        match self.queue.lock().line.len() {
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

    /// Whether all that is in the cache was given to attempts before.
    fn is_used(&self, now: Time) -> bool {
        self.engine.is_used_at(&self.key(), now)
    }

    /// Takes a session for an attempt that has yet to come for it.
    fn keep(&self, now: Time, strict: bool, calls: &mut Calls<'_>) -> Option<Kept> {
        // Looked at first, since a look-up that finds nothing is counted as a miss.
        if self.available(now) == 0 {
            return None;
        }
        let clears = self.engine.clears();
        let mut taken = None;
        let garbage = &mut calls.garbage;
        self.engine
            .take_at(&self.key(), now, strict, garbage, &mut taken);
        let session = taken?;
        self.fate.taken(&session);
        Some(Kept { session, clears })
    }
}
