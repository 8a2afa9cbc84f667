//! What is left to do about attempts once no lock is held.

use super::Supply;
use super::breaker::Change;
use super::wait::Waker;
use crate::engine::{EventKind, Garbage};

/// Those whose wait is over, and what there is to drop and to tell. All of it may run foreign code, so
/// this settles itself when it is dropped, after the locks are gone.
#[must_use = "dropped at once, it settles under whatever lock the caller holds"]
pub(crate) struct Calls<'a> {
    supply: &'a Supply,
    pub(super) wakers: Vec<Waker>,
    pub(super) garbage: Garbage<'a>,
    pub(super) breaker: Option<Change>,
    /// What is in the cache for this endpoint is of no use any more.
    pub(super) stale: bool,
}

impl<'a> Calls<'a> {
    pub(super) fn new(supply: &'a Supply) -> Self {
        Self {
            supply,
            wakers: Vec::new(),
            garbage: supply.engine.garbage(),
            breaker: None,
            stale: false,
        }
    }
}

impl Drop for Calls<'_> {
    fn drop(&mut self) {
        let supply = self.supply;
        if self.stale {
            supply.engine.remove(&supply.key());
        }
        if let Some(change) = self.breaker {
            let kind = match change {
                Change::Opened => EventKind::BreakerOpened,
                Change::Closed => EventKind::BreakerClosed,
            };
            supply.count(|stats| match change {
                Change::Opened => stats.breaker_opened += 1,
                Change::Closed => stats.breaker_closed += 1,
            });
            supply.engine.tell(&supply.key(), kind, 0);
        }
        for waker in std::mem::take(&mut self.wakers) {
            waker.wake();
        }
    }
}
