//! Time inside the engine.

use crate::sys;

/// A moment, in milliseconds on the cache's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) u64);

impl Time {
    pub(crate) const NEVER: Time = Time(u64::MAX);

    #[must_use]
    pub(crate) fn plus_seconds(self, seconds: u32) -> Time {
        Time(self.0.saturating_add(u64::from(seconds) * 1000))
    }

    #[must_use]
    pub(crate) fn plus_ms(self, milliseconds: u64) -> Time {
        Time(self.0.saturating_add(milliseconds))
    }

    /// That long ago, or when the clock began if that is later.
    #[must_use]
    pub(crate) fn minus_ms(self, milliseconds: u64) -> Time {
        Time(self.0.saturating_sub(milliseconds))
    }

    /// Milliseconds since `earlier`; 0 if a driven clock went back.
    #[must_use]
    pub(crate) fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment on this clock, of which `self` is now, that the wall clock calls `unix_seconds`.
    #[must_use]
    pub(crate) fn at_wall(self, unix_seconds: i64) -> Time {
        let ahead = unix_seconds
            .saturating_mul(1000)
            .saturating_sub(sys::wall_ms());
        Time(self.0.saturating_add_signed(ahead))
    }
}

/// Where a cache reads the time.
pub(crate) enum Clock {
    /// The system's monotonic clock.
    System,
    /// A clock that is driven by hand. Called with no lock held.
    #[cfg(any(test, feature = "capi"))]
    Driven(Box<dyn Fn() -> u64 + Send + Sync>),
    /// The same for both clocks of a machine: the monotonic one, and the wall clock in milliseconds
    /// since the Unix epoch.
    #[cfg(test)]
    BothDriven(
        Box<dyn Fn() -> u64 + Send + Sync>,
        Box<dyn Fn() -> i64 + Send + Sync>,
    ),
}

impl Clock {
    #[inline]
    pub(crate) fn now(&self) -> Time {
        match self {
            Clock::System => Time(sys::monotonic_ms()),
            #[cfg(any(test, feature = "capi"))]
            Clock::Driven(read) => Time(read()),
            #[cfg(test)]
            Clock::BothDriven(read, _) => Time(read()),
        }
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        match self {
            Clock::System => sys::wall_ms(),
            #[cfg(any(test, feature = "capi"))]
            Clock::Driven(_) => sys::wall_ms(),
            #[cfg(test)]
            Clock::BothDriven(_, read) => read(),
        }
    }
}
