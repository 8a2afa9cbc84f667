use super::guard::{borrow, guard};
use super::{extensible, tsc_cache, tsc_status};
use crate::engine::{Stats, each_stat};

/// What happened in a cache since it was made (counts), and what is in it now (endpoints, sessions and
/// bytes).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_stats {
    /// Sessions handed out: to an attempt that offers them, or under a key of the caller's own.
    pub offered: u64,
    /// Attempts that were established by resuming what they offered.
    pub resumed: u64,
    /// Attempts whose offer the server did not take.
    pub refused: u64,
    /// Times that there was nothing to offer.
    pub missed: u64,
    /// Sessions that came into the cache.
    pub stored: u64,
    /// Single-use sessions that were taken, never sent, and came back. One that has expired by then, or
    /// was refused meanwhile, also counts as expired or removed.
    pub returned: u64,
    /// Sessions dropped because they had expired.
    pub expired: u64,
    /// Sessions dropped to keep max_endpoints or max_bytes.
    pub evicted: u64,
    /// Sessions dropped for a newer one of the same endpoint: over max_sessions_per_endpoint, or a
    /// reusable one that was renewed.
    pub displaced: u64,
    /// Sessions dropped because one of their lineage was refused, because the caller removed or cleared
    /// them or closed the cache, or because they were exported.
    pub removed: u64,
    /// Sessions not kept because their lifetime was zero or over on arrival.
    pub discarded_lifetime: u64,
    /// Sessions not kept because they are over a limit by themselves.
    pub discarded_too_large: u64,
    /// Sessions not kept because their connection failed.
    pub discarded_failed: u64,
    /// Sessions not kept because their attempt was freed before anybody reported how it ended.
    pub discarded_unfinished: u64,
    /// Sessions not kept because the cache is disabled or closed.
    pub discarded_disabled: u64,
    /// Sessions not kept because memory ran out.
    pub discarded_no_memory: u64,
    /// Attempts that were established.
    pub established: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts freed before anybody reported how they ended. More than a few mean that a driver forgets to
    /// report "established", and the cache stays empty.
    pub unfinished: u64,
    /// Endpoints in the cache now.
    pub endpoints: u64,
    /// Sessions in the cache now.
    pub sessions: u64,
    /// Bytes of the sessions in the cache now.
    pub bytes: u64,
    /// TLS 1.3 tickets handed out while they stayed in the cache (reuse when dry). Also counted as
    /// offered.
    pub reused: u64,
    /// Attempts that were told to wait for a session.
    pub waited: u64,
    /// How many of these got a session while they waited.
    pub waits_served: u64,
    /// Attempts that were offered nothing because their endpoint's breaker was open.
    pub withheld: u64,
    /// Times that a breaker opened: offering sessions to an endpoint did harm.
    pub breaker_opened: u64,
    /// Times that a breaker closed again.
    pub breaker_closed: u64,
    /// Attempts whose handshake failed after they had offered a session.
    pub handshake_failed_offered: u64,
    /// Attempts that resumed a session and whose login then failed.
    pub login_failed_resumed: u64,
    /// Single-use sessions that left the cache because they were handed out. Also counted as offered,
    /// unlike reusable ones, which stay.
    pub taken: u64,
    /// Sessions not kept because there were enough: staged, and displaced by a newer one of the same
    /// attempt; without room to be staged (tsc_options.max_bytes); or not wanted
    /// (tsc_attempt_wants_another).
    pub discarded_surplus: u64,
    /// Bytes of the sessions that attempts have staged now. Not in bytes.
    pub bytes_staged: u64,
    /// Sessions that tsc-agent lent to attempts (TSC_SHARE). They never were in the cache; one that was offered
    /// is counted as offered, too.
    pub agent_leased: u64,
    /// How many of these were given back because they were not sent.
    pub agent_returned: u64,
    /// Sessions received that went to tsc-agent instead of the cache.
    pub agent_stored: u64,
    /// Attempts that asked tsc-agent and got no answer: no agent runs, or it was too slow. They went on without it.
    pub agent_away: u64,
}

macro_rules! from_stats {
    (counters { $($counter:ident),* $(,)? } gauges { $($gauge:ident),* $(,)? }) => {
        impl From<Stats> for tsc_stats {
            fn from(stats: Stats) -> Self {
                Self { $($counter: stats.$counter,)* $($gauge: stats.$gauge),* }
            }
        }
    };
}
each_stat!(from_stats);

/// Reads the statistics of a cache.
///
/// The books balance: whenever no call is under way,
///
/// `stored + returned == taken + expired + evicted + displaced + removed + sessions`
///
/// Whatever came into the cache, for the first time or back from an attempt, has left it for one of these reasons
/// or is in it now. What was discarded (discarded_*) never came in. Under load the counts of one call may be a
/// few operations apart. A forked child begins with zeros.
///
/// out, size: receives the statistics; size is sizeof(tsc_stats).
/// Returns TSC_OK, also for a closed cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_stats_get(
    cache: *const tsc_cache,
    out: *mut tsc_stats,
    size: usize,
) -> tsc_status {
    guard(|| {
        let cache = borrow(cache)?;
        extensible::check_output(out, size)?;
        extensible::write(out, size, &cache.engine().stats().into());
        Ok(())
    })
}
