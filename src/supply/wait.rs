//! One attempt's place in the queue for a session.

use super::flight::Flight;
use crate::engine::{Session, Time};
use crate::sync::Mutex;
use std::fmt;
use std::sync::Arc;

/// How whoever waits is told.
pub(crate) struct Waker {
    wake: Box<dyn FnOnce() + Send>,
    hasten: Option<Box<dyn Fn(u64) + Send>>,
}

impl Waker {
    /// `wake` says that the wait is over. It is called once at the most, with no lock held.
    pub(crate) fn new(wake: impl FnOnce() + Send + 'static) -> Self {
        Self {
            wake: Box::new(wake),
            hasten: None,
        }
    }

    /// `hasten` brings the end of the wait forward to so many milliseconds from now, for one that has a
    /// clock of its own. It is called under a lock, so it is not foreign code.
    #[must_use]
    pub(crate) fn hastened_by(self, hasten: impl Fn(u64) + Send + 'static) -> Self {
        Self {
            hasten: Some(Box::new(hasten)),
            ..self
        }
    }

    pub(crate) fn wake(self) {
        (self.wake)();
    }
}

pub(crate) struct Wait {
    pub(crate) deadline: Time,
    pub(crate) flight: Arc<Flight>,
    outcome: Mutex<Outcome>,
}

enum Outcome {
    Waiting(Waker),
    /// With the session that was kept for it, if it is not to do a full handshake.
    Over(Option<Session>),
}

impl Wait {
    pub(crate) fn new(deadline: Time, flight: &Arc<Flight>, waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            deadline,
            flight: Arc::clone(flight),
            outcome: Mutex::new(Outcome::Waiting(waker)),
        })
    }

    /// Ends the wait, with a session or with a full handshake. Gives what is to be called once no lock
    /// is held.
    pub(crate) fn settle(&self, session: Option<Session>) -> Option<Waker> {
        match std::mem::replace(&mut *self.outcome.lock(), Outcome::Over(session)) {
            Outcome::Waiting(waker) => Some(waker),
            Outcome::Over(_) => None,
        }
    }

    /// There is reason to wait for so long, and not longer.
    pub(crate) fn hasten(&self, millis: u64) {
        if let Outcome::Waiting(waker) = &*self.outcome.lock() {
            if let Some(hasten) = &waker.hasten {
                hasten(millis);
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(*self.outcome.lock(), Outcome::Over(_))
    }

    /// The session that was kept for it, of which it is the only owner from then on.
    pub(crate) fn take(&self) -> Option<Session> {
        match &mut *self.outcome.lock() {
            Outcome::Waiting(_) => None,
            Outcome::Over(session) => session.take(),
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}
