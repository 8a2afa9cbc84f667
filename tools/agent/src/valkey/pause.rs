//! Leaving alone what failed, for longer each time.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(super) struct Pause {
    until: Cell<Option<Instant>>,
    /// How long the next one is.
    next: Cell<Duration>,
}

const FIRST: Duration = Duration::from_millis(100);

const LONGEST: Duration = Duration::from_secs(10);

impl Default for Pause {
    fn default() -> Self {
        Self {
            until: Cell::default(),
            next: Cell::new(FIRST),
        }
    }
}

impl Pause {
    pub(super) fn is_on(&self) -> bool {
        self.until.get().is_some_and(|until| until > Instant::now())
    }

    pub(super) fn begin(&self) {
        let next = self.next.get();
        self.until.set(Some(Instant::now() + next));
        self.next.set((2 * next).min(LONGEST));
    }

    /// All is well: the next one is the first again.
    pub(super) fn reset(&self) {
        self.next.set(FIRST);
    }
}
