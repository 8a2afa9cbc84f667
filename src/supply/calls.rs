//! What is left to do about attempts once no lock is held.

use super::Supply;
use super::breaker::Change;
use super::wait::Waker;
use crate::engine::{EventKind, Garbage};
use std::cell::RefCell;
use std::collections::VecDeque;

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
        wake(std::mem::take(&mut self.wakers));
    }
}

thread_local! {
    /// Whom this thread is about to wake, if it is waking anybody.
    static TO_WAKE: RefCell<Option<VecDeque<Waker>>> = const { RefCell::new(None) };
}

/// Wakes them one after the other. Foreign code that is woken may itself end the waits of others, by calling
/// back: these come after it, and not within, or the stack would have to be as deep as the line is long.
fn wake(wakers: Vec<Waker>) {
    if wakers.is_empty() {
        return;
    }
    // Foreign code may block, until another thread goes on.
    let (own, foreign): (Vec<_>, Vec<_>) = wakers.into_iter().partition(Waker::has_clock);
    own.into_iter().for_each(Waker::wake);
    let begun = TO_WAKE.with_borrow_mut(|to_wake| match to_wake {
        Some(others) => {
            others.extend(foreign);
            None
        }
        None => Some(to_wake.insert(foreign.into()).len()),
    });
    if begun.is_none() {
        return;
    }
    let _ends = Ends;
    while let Some(next) = TO_WAKE.with_borrow_mut(|all| all.as_mut()?.pop_front()) {
        next.wake();
    }
}

/// The thread is not waking anybody any more, be it that foreign code has panicked.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        drop(TO_WAKE.take());
    }
}
