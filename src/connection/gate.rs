//! Where a thread waits until it is let through, or its time is over.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// std's lock and condition variable themselves: what is checked with interleavings does not block.
pub(super) struct Gate {
    /// From when on it is open; `None`: never, by itself.
    opens: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn closed_for(millis: u64) -> Self {
        Self {
            opens: Mutex::new(Instant::now().checked_add(Duration::from_millis(millis))),
            changed: Condvar::new(),
        }
    }

    /// Opens it after this time, if it would not have opened before.
    pub(super) fn open_in(&self, millis: u64) {
        let Some(at) = Instant::now().checked_add(Duration::from_millis(millis)) else {
            return;
        };
        let mut opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        *opens = Some(opens.map_or(at, |before| before.min(at)));
        self.changed.notify_one();
    }

    /// Blocks until it is open.
    pub(super) fn pass(&self) {
        let mut opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = opens.map_or(Duration::MAX, |at| {
                at.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(opens, left);
            opens = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
