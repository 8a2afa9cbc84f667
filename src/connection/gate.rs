//! Where a thread waits until it is let through, or its time is over.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// std's lock and condition variable themselves: what is checked with interleavings does not block.
pub(super) struct Gate {
    /// From when on it is open by itself; `None`: never.
    deadline: Option<Instant>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    /// When whoever waits is to have a look at how things are.
    look: Option<Instant>,
}

/// Why a thread does not wait at a gate any more.
#[derive(PartialEq, Eq)]
pub(super) enum Passed {
    Open,
    ToLook,
}

impl Gate {
    pub(super) fn closed_for(millis: u64) -> Self {
        Self {
            deadline: after(millis),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn open(&self) {
        self.lock().open = true;
        self.changed.notify_one();
    }

    /// Has whoever waits look up after so many milliseconds; `None`: not at all.
    pub(super) fn look_in(&self, millis: Option<u64>) {
        self.lock().look = millis.and_then(after);
        self.changed.notify_one();
    }

    /// Blocks until it is open, or it is time to look.
    pub(super) fn pass(&self) -> Passed {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.open || self.deadline.is_some_and(|deadline| deadline <= now) {
                return Passed::Open;
            }
            if state.look.take_if(|look| *look <= now).is_some() {
                return Passed::ToLook;
            }
            let next = self.deadline.into_iter().chain(state.look).min();
            let left = next.map_or(Duration::MAX, |next| next - now);
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn after(millis: u64) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(millis))
}
