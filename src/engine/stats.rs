//! What happened in a cache, counted.

/// The one list of statistics: calls a macro with what is counted up, and what is there now.
macro_rules! each_stat {
    ($do:ident) => {
        $do! {
            counters {
                offered, resumed, refused, missed, stored, returned,
                expired, evicted, displaced, removed,
                discarded_lifetime, discarded_too_large, discarded_failed, discarded_unfinished,
                discarded_disabled, discarded_no_memory,
                established, failed, unfinished,
                reused, waited, waits_served, withheld, breaker_opened, breaker_closed,
                handshake_failed_offered, login_failed_resumed,
                taken, discarded_surplus,
                agent_leased, agent_returned, agent_stored, agent_away,
            }
            gauges { endpoints, sessions, bytes, bytes_staged, }
        }
    };
}
#[cfg(feature = "capi")]
pub(crate) use each_stat;

// `help!(field)`: what the header says of that field of tsc_stats, on one line. From build.rs.
include!(concat!(env!("OUT_DIR"), "/stats_help.rs"));
#[cfg(feature = "capi")]
pub(crate) use help;

macro_rules! stats {
    (counters { $($counter:ident),* $(,)? } gauges { $($gauge:ident),* $(,)? }) => {
        /// What has happened in a cache since it was made, and what is in it now (`endpoints`, `sessions`,
        /// `bytes`).
        ///
        /// The books balance: whenever no call is under way,
        ///
        /// ```text
        /// stored + returned == taken + expired + evicted + displaced + removed + sessions
        /// ```
        ///
        /// What came into the cache, for the first time or back from an attempt, left it for one of these
        /// reasons or is in it now. What was discarded never came in. A forked child begins with zeros.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $(#[doc = help!($counter)] pub $counter: u64,)*
            $(#[doc = help!($gauge)] pub $gauge: u64),*
        }

        impl Stats {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$counter += other.$counter;)*
                $(self.$gauge += other.$gauge;)*
            }
        }
    };
}
each_stat!(stats);

/// Why a session was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discard {
    /// Its time was over, or zero, when it came.
    Lifetime,
    /// It is over a limit by itself.
    TooLarge,
    /// Its connection failed.
    Failed,
    /// Nobody said how its connection ended.
    Unfinished,
    /// The cache is disabled.
    Disabled,
    /// The cache is closed.
    Closed,
    /// There are enough already.
    Surplus,
    /// Memory could not be had.
    NoMemory,
}

impl Stats {
    pub(crate) fn discard(&mut self, why: Discard, sessions: u64) {
        *match why {
            Discard::Lifetime => &mut self.discarded_lifetime,
            Discard::TooLarge => &mut self.discarded_too_large,
            Discard::Failed => &mut self.discarded_failed,
            Discard::Unfinished => &mut self.discarded_unfinished,
            Discard::Disabled | Discard::Closed => &mut self.discarded_disabled,
            Discard::Surplus => &mut self.discarded_surplus,
            Discard::NoMemory => &mut self.discarded_no_memory,
        } += sessions;
    }
}
