//! Whether to try the agent.

use std::time::{Duration, Instant};

/// After a failure nobody tries for a while, which becomes the longer the more often it fails: a process must
/// not wait again and again for an agent that is not there.
#[derive(Default)]
pub(super) struct Health {
    pause: Duration,
    until: Option<Instant>,
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

impl Health {
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, now: Instant) {
        // Many may have been under way at once.
        if self.allows(now) {
            self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
            self.until = now.checked_add(self.pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_limit_and_ends_with_a_success() {
        let mut health = Health::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(health.allows(now));
            health.failed(now);
            health.failed(now);
            let pause = health.until.unwrap() - now;
            assert!(!health.allows(now + pause - Duration::from_millis(1)));
            pauses.push(pause.as_millis());
            now += pause;
        }
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        health.succeeded();
        assert!(health.allows(now));
        health.failed(now);
        assert_eq!(health.until, Some(now + SHORTEST));
    }
}
