//! One attempt's place in the queue for a session.

use super::flight::Flight;
use crate::engine::{Session, Time};
use crate::sync::Mutex;
use std::fmt;
use std::sync::Arc;

/// How whoever waits is told.
pub(crate) struct Waker {
    wake: Box<dyn FnOnce() + Send>,
    alarm: Option<Alarm>,
}

/// Sets a clock to so many milliseconds from now, or, without, to the end of the wait.
type Alarm = Box<dyn Fn(Option<u64>) + Send>;

impl Waker {
    /// `wake` says that the wait is over. It is called once at the most, with no lock held.
    pub(crate) fn new(wake: impl FnOnce() + Send + 'static) -> Self {
        Self {
            wake: Box::new(wake),
            alarm: None,
        }
    }

    /// For one that waits by a clock of the library's own, and is to look again when that goes off: `alarm`
    /// sets it. Neither it, which is called under a lock, nor `wake` is foreign code then.
    #[must_use]
    pub(crate) fn with_clock(self, alarm: impl Fn(Option<u64>) + Send + 'static) -> Self {
        Self {
            alarm: Some(Box::new(alarm)),
            ..self
        }
    }

    pub(super) fn has_clock(&self) -> bool {
        self.alarm.is_some()
    }

    pub(super) fn wake(self) {
        (self.wake)();
    }
}

pub(crate) struct Wait {
    /// In the line.
    pub(super) place: u64,
    pub(super) deadline: Time,
    pub(super) flight: Arc<Flight>,
    has_clock: bool,
    outcome: Mutex<Outcome>,
}

enum Outcome {
    Waiting(Waker),
    /// With the session that was kept for it, if it is not to do a full handshake.
    Over(Option<Kept>),
}

/// A session that was taken for an attempt, which has yet to come for it.
pub(crate) struct Kept {
    pub(crate) session: Session,
    /// How often the cache had been cleared when it was taken.
    pub(crate) clears: u64,
}

impl Wait {
    pub(super) fn new(place: u64, deadline: Time, flight: &Arc<Flight>, waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            place,
            deadline,
            flight: Arc::clone(flight),
            has_clock: waker.has_clock(),
            outcome: Mutex::new(Outcome::Waiting(waker)),
        })
    }

    /// One that is over as it begins. It never had a place.
    pub(super) fn served(now: Time, flight: &Arc<Flight>, kept: Kept) -> Arc<Self> {
        Arc::new(Self {
            place: u64::MAX,
            deadline: now,
            flight: Arc::clone(flight),
            has_clock: false,
            outcome: Mutex::new(Outcome::Over(Some(kept))),
        })
    }

    pub(super) fn has_clock(&self) -> bool {
        self.has_clock
    }

    /// Ends the wait, with a session or with a full handshake. Gives what is to be called once no lock
    /// is held.
    pub(super) fn settle(&self, kept: Option<Kept>) -> Option<Waker> {
        match std::mem::replace(&mut *self.outcome.lock(), Outcome::Over(kept)) {
            Outcome::Waiting(waker) => Some(waker),
            Outcome::Over(_) => None,
        }
    }

    /// Has it look again after so many milliseconds, or not before its deadline.
    pub(super) fn set_alarm(&self, millis: Option<u64>) {
        if let Outcome::Waiting(waker) = &*self.outcome.lock() {
            if let Some(alarm) = &waker.alarm {
                alarm(millis);
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(*self.outcome.lock(), Outcome::Over(_))
    }

    /// What was kept for it, of which it is the only owner from then on.
    pub(crate) fn take(&self) -> Option<Kept> {
        match &mut *self.outcome.lock() {
            Outcome::Waiting(_) => None,
            Outcome::Over(kept) => kept.take(),
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}
