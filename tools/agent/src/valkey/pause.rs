//! Leaving alone what failed, for longer each time.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(super) struct Pause {
    until: Cell<Option<Instant>>,
    /// How long the next one is.
    next: Cell<Duration>,
    longest: Duration,
}

const FIRST: Duration = Duration::from_millis(100);

impl Pause {
    pub(super) fn up_to(longest: Duration) -> Self {
        Self {
            until: Cell::default(),
            next: Cell::new(FIRST),
            longest,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.until.get().is_some_and(|until| until > Instant::now())
    }

    pub(super) fn begin(&self) {
        let next = self.next.get();
        self.until.set(Some(Instant::now() + next));
        self.next.set((2 * next).min(self.longest));
    }

    /// All is well: the next one is the first again.
    pub(super) fn reset(&self) {
        self.next.set(FIRST);
    }
}
