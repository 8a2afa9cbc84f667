//! One connection attempt: what it offers, what it receives, how it ended.

use super::breaker::Change;
use super::flight::Flight;
use super::gate::Gate;
use super::offer::Offer;
use super::supply::{Answer, Calls, End, Supply};
use super::wait::{Wait, Waker};
use super::{Config, Endpoint, Invalid};
use crate::engine::{
    Discard, EventKind, Garbage, Key, Kind, Lifetime, Lineage, Payload, SecretBytes, Session,
    Stats, Time, expiry,
};
use crate::sync::{Mutex, MutexGuard};
use crate::sys;
use std::fmt;
use std::sync::Arc;

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Open,
    Established,
    Failed,
}

/// Why an attempt failed, which decides what becomes of the session that it was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was sent: what was taken goes back.
    NotSent,
    /// The session may be to blame: its lineage goes.
    Handshake,
    /// The session was not to blame.
    Login,
}

/// What an attempt that asked for a session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// There is nothing to wait for: make the offer now.
    Go,
    /// Make it when the wait is over.
    Wait,
}

/// Why a call has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// The attempt is past the point where it has a meaning.
    WrongState,
    /// Resumed, it is said, but nothing was offered.
    NothingOffered,
    /// The attempt was begun in the process that this one was forked from.
    Forked,
}

/// What became of an attempt so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub offered: bool,
    pub resumed: bool,
    pub refused: bool,
    pub received: u32,
    pub stored: u32,
    pub discarded: u32,
}

/// One connection attempt's view of the cache.
///
/// It may outlive its handle: a TLS connection that is still open holds it (through rustls's session
/// store) and later tickets keep coming in.
pub struct Attempt {
    config: Arc<Config>,
    supply: Arc<Supply>,
    flight: Arc<Flight>,
    name: Box<[u8]>,
    generation: u32,
    begun: Time,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: Option<Ended>,
    offer: Offer,
    wait: Option<Arc<Wait>>,
    staged: Vec<Staged>,
    /// How many sessions came before it was established, and were not taken.
    unwanted: u32,
    note: u16,
    /// When the server's certificate ends, in Unix seconds.
    not_after: Option<i64>,
    counts: Counts,
}

impl State {
    /// Has `take` find the session to offer; false: there is none.
    #[inline]
    fn lease(&mut self, take: impl FnOnce(&mut Option<Session>)) -> bool {
        let found = self.offer.lease(take);
        self.counts.offered |= found;
        found
    }
}

#[derive(Clone, Copy)]
enum Ended {
    /// What still arrives belongs to this lineage.
    Established(Lineage),
    Failed(Discard),
}

/// A session that waits for the attempt to be established.
struct Staged {
    payload: Payload,
    size: usize,
    label: u16,
    kind: Kind,
    lifetime: Lifetime,
    received: Time,
    not_after: Option<i64>,
}

impl Attempt {
    pub fn new(config: &Arc<Config>, endpoint: &Endpoint<'_>) -> Result<Arc<Self>, Invalid> {
        let supply = config.supply(endpoint)?;
        let begun = config.engine().now();
        Ok(Arc::new(Self {
            flight: supply.join(begun),
            supply,
            name: endpoint.name().into(),
            generation: sys::generation(),
            begun,
            config: Arc::clone(config),
            state: Mutex::default(),
        }))
    }

    #[inline]
    fn key(&self) -> Key<'_> {
        self.supply.key()
    }

    /// What the server's certificate is checked against.
    #[must_use]
    pub fn server_name(&self) -> &[u8] {
        &self.name
    }

    fn now(&self) -> Time {
        self.supply.engine.now()
    }

    /// Bytes that were received, in memory for secrets.
    pub fn keep(&self, bytes: &[u8]) -> Result<SecretBytes, Discard> {
        self.check_process().map_err(|_| Discard::Closed)?;
        self.config.engine().keep(bytes).inspect_err(|&why| {
            let mut state = self.state.lock();
            // The server answered, as in `receive`.
            state.offer.send();
            state.counts.received += 1;
            self.turn_away(state, |stats| stats.discard(why, 1));
        })
    }

    /// A child process must not touch what its parent's threads may have been changing.
    pub fn check_process(&self) -> Result<(), NotNow> {
        if self.generation == sys::generation() {
            Ok(())
        } else {
            Err(NotNow::Forked)
        }
    }

    /// Asks for a session to offer, and for a place in the queue if none is there and one is expected
    /// within `max_wait_ms`. With `Plan::Wait`, `waker` is called when the wait is over, unless
    /// `end_wait` or `offer` came first.
    pub fn plan(&self, max_wait_ms: u32, waker: Waker) -> Result<Plan, NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut state = self.state.lock();
        if !state.offer.is_unasked() || state.ended.is_some() || state.wait.is_some() {
            return Err(NotNow::WrongState);
        }
        let deadline = Time(now.0.saturating_add(max_wait_ms.into()));
        let (answer, calls) = self.supply.ask(&self.flight, now, deadline, waker);
        let plan = match answer {
            Answer::Full => Plan::Go,
            Answer::Offer(session) => {
                state.lease(|place| *place = Some(session));
                Plan::Go
            }
            Answer::Wait(wait) => {
                state.wait = Some(wait);
                Plan::Wait
            }
        };
        drop(state);
        if plan == Plan::Wait {
            self.count(|stats| stats.waited += 1);
        }
        self.make(calls);
        Ok(plan)
    }

    /// `plan` for a caller that may be blocked: returns when there is nothing to wait for any more.
    pub fn wait(&self, max_wait_ms: u32) -> Result<(), NotNow> {
        let gate = Arc::new(Gate::closed_for(max_wait_ms.into()));
        let (opens, hastens) = (Arc::clone(&gate), Arc::clone(&gate));
        let waker =
            Waker::new(move || opens.open_in(0)).hastened_by(move |millis| hastens.open_in(millis));
        if self.plan(max_wait_ms, waker)? == Plan::Wait {
            gate.pass();
        }
        Ok(())
    }

    /// Gives up a place in the queue. `WrongState`: there is none, or the wait is over.
    pub fn end_wait(&self) -> Result<(), NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut state = self.state.lock();
        let Some(wait) = state.wait.as_ref() else {
            return Err(NotNow::WrongState);
        };
        let calls = self.supply.leave(wait, now);
        let ended = !wait.is_over();
        let left = state.wait.take_if(|_| ended);
        drop(state);
        drop(left);
        self.make(calls);
        if ended {
            Ok(())
        } else {
            Err(NotNow::WrongState)
        }
    }

    /// Leases the session to offer, the same at each call, and shows it to `look`: what that sees stays
    /// where it is until the attempt ends. `None`: a full handshake.
    pub fn offer<R>(&self, look: impl FnOnce(&Session, Time) -> R) -> Result<Option<R>, NotNow> {
        self.check_process()?;
        let now = self.now();
        // Dropped after the lock is gone.
        let mut garbage = self.supply.engine.garbage();
        let mut state = self.state.lock();
        if state.wait.is_some() {
            state = self.end_of_wait(state, now);
        }
        if state.offer.is_unasked()
            && state.ended.is_none()
            && !state.lease(|place| self.choose(now, &mut garbage, place))
        {
            self.flight.begin_full(now);
            return Ok(None);
        }
        match state.offer.leased() {
            Some(session) => Ok(Some(look(session, now))),
            None => Err(NotNow::WrongState),
        }
    }

    /// Takes the newest session of the cache, if it may be offered.
    #[inline]
    fn choose(&self, now: Time, garbage: &mut Garbage<'_>, place: &mut Option<Session>) {
        if !self.supply.allows(&self.flight, now) {
            return;
        }
        let cache = &self.supply.engine;
        cache.take_at(&self.key(), now, garbage, place);
        match place {
            Some(session) => self.flight.begin_resumed(now, session.lineage),
            None => self.supply.has_none(&self.flight, now),
        }
    }

    /// Leaves the queue, and leases what was kept for this attempt if it is still good.
    #[cold]
    fn end_of_wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        now: Time,
    ) -> MutexGuard<'a, State> {
        let Some(wait) = state.wait.take() else {
            return state;
        };
        let calls = self.supply.leave(&wait, now);
        let kept = wait.take();
        let expired = kept.as_ref().is_some_and(|session| session.expires <= now);
        let good = !expired && !self.flight.is_refused();
        let (kept, spoilt) = if good { (kept, None) } else { (None, kept) };
        state.lease(|place| *place = kept);
        drop(state);
        if spoilt.is_some() {
            self.count(|stats| {
                stats.expired += u64::from(expired);
                stats.removed += u64::from(!expired);
            });
        }
        if expired {
            self.supply.engine.tell(&self.key(), EventKind::Expired, 1);
        }
        drop((spoilt, wait));
        self.make(calls);
        self.state.lock()
    }

    /// Takes the session to offer for a stack that sends it at once and keeps it as its own.
    pub fn take(&self) -> Option<Session> {
        self.offer(|_, _| ()).ok()??;
        self.state.lock().offer.give()
    }

    /// Says that the ClientHello may have left.
    pub fn sent(&self) -> Result<(), NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut state = self.state.lock();
        if state.ended.is_none() {
            if state.offer.is_unasked() {
                self.flight.begin_full(now);
            }
            state.offer.send();
        }
        Ok(())
    }

    /// Takes in what the server sent. On an error the payload comes back.
    pub fn receive(
        &self,
        payload: Payload,
        size: usize,
        label: u16,
        (kind, lifetime): (Kind, Lifetime),
        not_after: Option<i64>,
    ) -> Result<(), (Discard, Payload)> {
        let cache = self.config.engine();
        if self.check_process().is_err() {
            return Err((Discard::Closed, payload));
        }
        let now = cache.now();
        let ends = not_after.min_some(self.config.client_not_after);
        let over = lifetime == Lifetime::Seconds(0)
            || ends.is_some_and(|unix_seconds| now.at_wall(unix_seconds) <= now);
        let admitted = if over {
            Err(Discard::Lifetime)
        } else {
            cache.admit(size)
        };
        let mut displaced = None;
        let mut state = self.state.lock();
        state.counts.received += 1;
        // The server answered, so it has seen the ClientHello.
        state.offer.send();
        let verdict = admitted.and(match state.ended {
            None | Some(Ended::Established(_)) => Ok(()),
            Some(Ended::Failed(why)) => Err(why),
        });
        if let Err(why) = verdict {
            self.turn_away(state, |stats| stats.discard(why, 1));
            return Err((why, payload));
        }
        let staged = Staged {
            payload,
            size,
            label,
            kind,
            lifetime,
            received: now,
            not_after,
        };
        if let Some(Ended::Established(lineage)) = state.ended {
            let stack_bound = state.not_after;
            drop(state);
            let calls = self.publish(staged, lineage, stack_bound);
            self.make(calls);
            return Ok(());
        }
        // A server may send any number before the caller says "established".
        if state.staged.len() >= cache.options().max_sessions_per_endpoint as usize {
            displaced = Some(state.staged.remove(0));
            state.counts.discarded += 1;
        }
        state.staged.push(staged);
        drop(state);
        if displaced.is_some() {
            cache.count(&self.key(), |stats| stats.displaced += 1);
        }
        Ok(())
    }

    /// Whether a session that the server sent is worth taking, where that costs the caller much: not if
    /// it would only take the place of another. Who takes it says so with `receive`; one that is not
    /// wanted has counted, here, as one that the server sent.
    pub fn wants_another(&self) -> Result<bool, Discard> {
        let cache = self.config.engine();
        if self.check_process().is_err() {
            return Err(Discard::Closed);
        }
        let now = cache.now();
        let admitted = cache.admit(1);
        let there = cache.available_at(&self.key(), now);
        let mut state = self.state.lock();
        // The server answered, as in `receive`.
        state.offer.send();
        let verdict = admitted.and(match state.ended {
            None | Some(Ended::Established(_)) => Ok(()),
            Some(Ended::Failed(why)) => Err(why),
        });
        let most = cache.options().max_sessions_per_endpoint as usize;
        if verdict.is_ok() && there + state.staged.len() < most {
            return Ok(true);
        }
        state.counts.received += 1;
        if let Err(why) = verdict {
            self.turn_away(state, |stats| stats.discard(why, 1));
            return Err(why);
        }
        let open = state.ended.is_none();
        state.unwanted += u32::from(open);
        self.turn_away(state, |stats| stats.displaced += 1);
        if !open {
            let calls = self.supply.brought(&self.flight, false, now);
            self.make(calls);
        }
        Ok(false)
    }

    /// A session that came is not kept.
    fn turn_away(&self, mut state: MutexGuard<'_, State>, count: impl FnOnce(&mut Stats)) {
        state.counts.discarded += 1;
        drop(state);
        self.count(count);
    }

    /// Something small that the TLS stack wants to know at the next connection; kept once established.
    pub fn set_note(&self, note: u16) {
        if self.check_process().is_ok() {
            self.state.lock().note = note;
        }
    }

    #[must_use]
    pub fn note(&self) -> Option<u16> {
        self.check_process().ok()?;
        self.supply.note()
    }

    /// How many sessions to ask the server for (RFC 9149), if others wait for some.
    #[cfg(feature = "rustls")]
    pub fn demand(&self) -> Option<usize> {
        self.check_process().ok()?;
        self.supply.demand()
    }

    /// Drops the reusable session of this endpoint: the server speaks TLS 1.3 now.
    pub fn remove_reusable(&self) {
        if self.check_process().is_ok() {
            self.config.engine().remove_reusable(&self.key());
        }
    }

    /// Says when the server's certificate ends, which bounds all that is received.
    pub fn set_not_after(&self, unix_seconds: i64) -> Result<(), NotNow> {
        self.check_process()?;
        let mut state = self.state.lock();
        state.not_after = state.not_after.min_some(Some(unix_seconds));
        Ok(())
    }

    /// TLS is verified and the application's login done: publishes what was received.
    pub fn established(&self, resumed: bool) -> Result<(), NotNow> {
        self.check_process()?;
        let cache = self.config.engine();
        // The time is read, and foreign code run, only while the lock is not held.
        let now = cache.now();
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return Err(NotNow::WrongState);
        }
        let offered = state.offer.lineage();
        let lineage = match offered {
            Some(lineage) if resumed => lineage,
            None if resumed => return Err(NotNow::NothingOffered),
            _ => cache.new_lineage(self.begun),
        };
        let lineage = self.bounded(lineage, now, state.not_after);
        let refused = offered.filter(|_| !resumed);
        state.ended = Some(Ended::Established(lineage));
        state.counts.resumed = resumed;
        state.counts.refused = refused.is_some();
        let (note, not_after, unwanted) = (state.note, state.not_after, state.unwanted);
        let staged = std::mem::take(&mut state.staged);
        let spent = state.offer.end();
        let wait = state.wait.take();
        drop(state);

        drop(spent);
        self.return_kept(wait);
        if let Some(refused) = refused {
            self.refuse(refused);
        }
        let calls = self
            .supply
            .established(&self.flight, now, offered.is_some(), resumed);
        self.make(calls);
        for session in staged {
            let calls = self.publish(session, lineage, not_after);
            self.make(calls);
        }
        for _ in 0..unwanted {
            let calls = self.supply.brought(&self.flight, false, now);
            self.make(calls);
        }
        let calls = self.supply.published(&self.flight, now);
        self.make(calls);
        self.supply.set_note(note);
        self.count(|stats| {
            stats.established += 1;
            stats.resumed += u64::from(resumed);
            stats.refused += u64::from(refused.is_some());
        });
        if offered.is_some() {
            let kind = if resumed {
                EventKind::Resumed
            } else {
                EventKind::Refused
            };
            cache.tell(&self.key(), kind, 1);
        }
        Ok(())
    }

    /// The attempt failed: publishes nothing, now or later.
    pub fn failed(&self, why: Failure) -> Result<(), NotNow> {
        self.check_process()?;
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return Err(NotNow::WrongState);
        }
        if why != Failure::NotSent {
            state.offer.send();
        }
        let offered = state.offer.lineage();
        let end = match offered {
            Some(_) if why != Failure::NotSent => End::Failed,
            _ => End::Over,
        };
        self.end(state, Discard::Failed, end);
        if let Some(lineage) = offered.filter(|_| why == Failure::Handshake) {
            self.refuse(lineage);
        }
        self.count(|stats| stats.failed += 1);
        Ok(())
    }

    /// The handle is gone. An attempt that nobody ended is over; one that was established lives on as
    /// long as its TLS connection.
    pub fn release(&self) {
        if self.check_process().is_err() {
            return;
        }
        let state = self.state.lock();
        if state.ended.is_some() {
            return;
        }
        self.end(state, Discard::Unfinished, End::Over);
        self.count(|stats| stats.unfinished += 1);
    }

    pub fn phase(&self) -> Result<(Phase, Counts), NotNow> {
        self.check_process()?;
        let state = self.state.lock();
        let phase = match state.ended {
            None => Phase::Open,
            Some(Ended::Established(_)) => Phase::Established,
            Some(Ended::Failed(_)) => Phase::Failed,
        };
        Ok((phase, state.counts))
    }

    /// Ends an attempt without success: staged sessions go, what was not sent goes back.
    fn end(&self, mut state: MutexGuard<'_, State>, why: Discard, end: End) {
        state.ended = Some(Ended::Failed(why));
        let staged = std::mem::take(&mut state.staged);
        state.counts.discarded += u32::try_from(staged.len()).unwrap_or(u32::MAX);
        let (unsent, spent) = state.offer.end();
        let wait = state.wait.take();
        drop(state);

        drop(spent);
        self.put_back(unsent);
        self.return_kept(wait);
        self.count(|stats| stats.discard(why, staged.len() as u64));
        let calls = self.supply.ended(&self.flight, self.now(), end);
        self.make(calls);
    }

    /// RFC 9149: what else came with it will not be taken either, wherever it is.
    fn refuse(&self, lineage: Lineage) {
        self.supply.refuse(lineage.id);
        self.config.engine().remove_lineage(&self.key(), lineage.id);
    }

    /// Leaves the queue, and puts back what was kept for this attempt.
    fn return_kept(&self, wait: Option<Arc<Wait>>) {
        if let Some(wait) = wait {
            let calls = self.supply.leave(&wait, self.now());
            self.put_back(wait.take());
            self.make(calls);
        }
    }

    /// Puts back what was taken and not sent, for whoever waits or comes next.
    fn put_back(&self, session: Option<Session>) {
        let Some(session) = session else {
            return;
        };
        if self.flight.is_refused() {
            self.count(|stats| stats.removed += 1);
            return;
        }
        self.config.engine().put_back(&self.key(), session);
        let calls = self.supply.returned(self.now());
        self.make(calls);
    }

    /// Tells those whose wait is over. No lock is held here.
    fn make(&self, calls: Calls<'_>) {
        if calls.stale {
            self.supply.engine.remove(&self.key());
        }
        if let Some(change) = calls.breaker {
            let kind = match change {
                Change::Opened => EventKind::BreakerOpened,
                Change::Closed => EventKind::BreakerClosed,
            };
            self.count(|stats| match change {
                Change::Opened => stats.breaker_opened += 1,
                Change::Closed => stats.breaker_closed += 1,
            });
            self.config.engine().tell(&self.key(), kind, 0);
        }
        calls.make();
    }

    fn publish(&self, staged: Staged, lineage: Lineage, not_after: Option<i64>) -> Calls<'_> {
        let cache = self.config.engine();
        let now = cache.now();
        let lineage = self.bounded(lineage, now, not_after.min_some(staged.not_after));
        let expires = expiry(cache.options(), staged.received, staged.lifetime, lineage);
        let session = Session {
            payload: staged.payload,
            kind: staged.kind,
            label: staged.label,
            size: staged.size,
            received: staged.received,
            expires,
            lineage,
        };
        let reusable = session.is_reusable(cache.options());
        let stored = cache.put(&self.key(), session).is_ok();
        let mut state = self.state.lock();
        state.counts.stored += u32::from(stored);
        state.counts.discarded += u32::from(!stored);
        drop(state);
        if stored {
            self.supply.brought(&self.flight, reusable, now)
        } else {
            Calls::new(cache)
        }
    }

    /// A lineage ends with the certificates of both sides, if not before.
    fn bounded(&self, lineage: Lineage, now: Time, not_after: Option<i64>) -> Lineage {
        lineage.until(now, not_after.min_some(self.config.client_not_after))
    }

    fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.supply.count(change);
    }
}

/// The smaller of what is known.
trait MinSome {
    fn min_some(self, other: Self) -> Self;
}

impl MinSome for Option<i64> {
    fn min_some(self, other: Self) -> Self {
        [self, other].into_iter().flatten().min()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.generation != sys::generation() {
            // The parent's; its threads may have been in the middle of a change.
            std::mem::forget(std::mem::take(self.state.get_mut()));
            return;
        }
        if self.flight.established().is_some() {
            self.supply.gone();
        }
        // The TLS connection is gone: whatever it has not brought, it will not.
        if !self.flight.is_over() {
            let calls = self.supply.ended(&self.flight, self.now(), End::Over);
            self.make(calls);
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}
