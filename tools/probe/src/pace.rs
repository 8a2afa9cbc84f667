//! How many connections may be made, how fast, and for how long.

use crate::interrupt::Interrupt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The time, which tests move by hand.
pub trait Clock {
    /// Since some moment.
    fn now(&self) -> Duration;

    fn wait_until(&self, then: Duration) -> Result<(), Stopped>;
}

pub struct Pace {
    began: Instant,
    most: u32,
    made: AtomicU32,
    interval: Duration,
    next: std::sync::Mutex<Instant>,
    end: Instant,
    interrupt: Arc<Interrupt>,
}

/// Why there are no more connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    ByUser,
    OutOfTime,
    OutOfConnections,
}

impl Pace {
    /// `rate`: connections a second, after which the next one waits for its turn.
    pub fn new(most: u32, rate: u32, time: Duration, interrupt: Arc<Interrupt>) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            most,
            made: AtomicU32::new(0),
            interval: Duration::from_secs(1) / rate.max(1),
            next: std::sync::Mutex::new(now),
            end: now + time,
            interrupt,
        }
    }

    /// Waits for the turn of one connection.
    pub fn connection(&self) -> Result<(), Stopped> {
        let turn = {
            let mut next = self.next.lock().expect("nobody panics with it");
            let turn = (*next).max(Instant::now());
            *next = turn + self.interval;
            turn
        };
        self.wait_until(turn)?;
        self.count()
    }

    /// Lets so many connections begin at once, and waits afterwards for as long as they would have taken.
    pub fn burst(&self, connections: u32) -> Result<(), Stopped> {
        let turn = {
            let mut next = self.next.lock().expect("nobody panics with it");
            let turn = (*next).max(Instant::now());
            *next = turn + self.interval * connections;
            turn
        };
        self.wait_until(turn)?;
        for _ in 0..connections {
            self.count()?;
        }
        Ok(())
    }

    /// Whether the user has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.interrupt.is_set()
    }

    pub fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// Waits, but not longer than the user or the limit of time allows.
    pub fn wait_until(&self, then: Instant) -> Result<(), Stopped> {
        loop {
            let now = Instant::now();
            if self.is_stopped() {
                return Err(Stopped::ByUser);
            }
            if now >= self.end {
                return Err(Stopped::OutOfTime);
            }
            if now >= then {
                return Ok(());
            }
            self.interrupt.wait(then.min(self.end) - now);
        }
    }

    fn count(&self) -> Result<(), Stopped> {
        if self.made.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.made.fetch_sub(1, Ordering::Relaxed);
            return Err(Stopped::OutOfConnections);
        }
        Ok(())
    }
}

impl Clock for Pace {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wait_until(&self, then: Duration) -> Result<(), Stopped> {
        Self::wait_until(self, self.began + then)
    }
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ByUser => "stopped by you",
            Self::OutOfTime => "out of time (--time)",
            Self::OutOfConnections => "out of connections (--connections)",
        })
    }
}

impl std::error::Error for Stopped {}
