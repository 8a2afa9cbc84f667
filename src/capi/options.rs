use super::event::EventCallback;
use super::guard::StatusResult;
use super::slice::bytes_up_to;
use super::tsc_status::TSC_UNSUPPORTED;
use super::{TSC_MAX_NAME, extensible, tsc_event};
#[cfg(agent)]
use crate::agent::Agent;
use crate::engine::{Clock, Listener, Options};
use crate::event::Event;
use std::ffi::c_void;
#[cfg(agent)]
use std::time::Duration;

/// tsc_options.flags: the cache keeps and offers nothing; every call still works.
pub const TSC_DISABLED: u32 = 1;
/// tsc_options.flags: the last TLS 1.3 ticket of an endpoint is offered again and again, until a new
/// one comes.
///
/// For servers that accept a ticket more than once, as most do. It costs privacy: anyone watching the network
/// sees that two connections with the same ticket are from the same client, which single use is meant to hide
/// (RFC 8446, C.4). A server that accepts each ticket once refuses the second use, which costs a full handshake;
/// libtsc notices that, and for the next hour it offers each ticket to that endpoint only once. If several attempts
/// wait, one of them tries the used ticket. The others wait for the result if it is expected before their deadlines;
/// otherwise they offer the ticket as well. rustls does not let a TLS 1.3 session be used twice, so there the flag
/// does nothing.
pub const TSC_REUSE_WHEN_DRY: u32 = 2;

/// tsc_options.flags: sessions are shared with other processes, through the tsc-agent of this machine
/// (docs/sharing.md).
///
/// What configs with an identity keep as bytes is then kept by the agent, for all processes of this user whose
/// config has the same identity. If there is any trouble with the agent, the process goes on alone; outside Linux
/// it always does. A program that publishes a session can impersonate its server to any program that resumes it, since
/// a resumed handshake shows no certificate: share only among programs that you trust alike.
pub const TSC_SHARE: u32 = 4;
/// tsc_options.agent_budget_us: no call waits for tsc-agent, as in an event loop. Then only tsc_attempt_wait_fd
/// gets sessions from the agent.
pub const TSC_AGENT_NO_WAIT: u32 = u32::MAX;

/// The limits of a cache. 0 in a field means its default; see docs/limits.md for how to choose.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_options {
    /// 0, or TSC_DISABLED, TSC_REUSE_WHEN_DRY and TSC_SHARE combined by |.
    pub flags: u32,
    /// Endpoints that the cache remembers; the least recently used goes first. Default 100.
    pub max_endpoints: u32,
    /// Sessions per endpoint; the oldest goes first. Default 64.
    pub max_sessions_per_endpoint: u32,
    /// Seconds after which no session is offered any more, whatever its own lifetime. Default 3600.
    pub ttl_seconds: u32,
    /// Bytes of all sessions together. Default 8 MiB, and proportionally more if max_endpoints is above its
    /// default. All attempts together may stage as many bytes again. An attempt that has staged something takes
    /// no more of them than it leaves to the others; at the limit its newest session replaces its oldest.
    pub max_bytes: u64,
    /// Bytes of one session as received: serialised, and for an object including the certificates that it
    /// holds. Larger ones get TSC_TOO_LARGE. Default 64 KiB.
    pub max_session_bytes: u32,
    /// Seconds since the last full handshake after which a lineage ends, however often it was renewed
    /// by resumption. Default 86400 (a day).
    pub max_lineage_age_seconds: u32,
    /// The clock to use in place of the system's: milliseconds that never decrease. For tests. NULL:
    /// the system's monotonic clock, which counts suspend. Called on any thread, with no lock held,
    /// until the last handle that can reach the cache is freed.
    pub clock: Option<unsafe extern "C" fn(clock_arg: *mut c_void) -> u64>,
    /// Passed to clock.
    pub clock_arg: *mut c_void,
    /// How many full handshakes to one endpoint may be in progress before further attempts that call
    /// tsc_attempt_wait, tsc_attempt_wait_callback or tsc_attempt_wait_fd wait for one of them to end. A
    /// handshake that hangs counts until it is overdue: see tsc_attempt_wait. Default: any number.
    pub max_full_handshakes: u32,
    /// Connections to one endpoint that may fail within an hour because they offered a session, where a full
    /// handshake would have succeeded; not counting those in progress at the same time. From two thirds of this
    /// number on, libtsc offers nothing, except that one connection at a time tries. Where full handshakes fail
    /// as well, the bound is approximate. Default 12; UINT32_MAX: any number.
    pub failure_budget: u32,
    /// Called when something happens to sessions (TSC_EVENT_*), or NULL. size is that of tsc_event in the
    /// library: a field that ends beyond it is not there. Called on whichever thread is in the library, with no
    /// lock held and possibly before the call that caused it has returned. It may be called until the last
    /// handle that can reach the cache is freed, and the calls on rustls connections that were in progress then
    /// have returned. It may call the library; it must not throw.
    pub on_event:
        Option<unsafe extern "C" fn(event_arg: *mut c_void, event: *const tsc_event, size: usize)>,
    /// Passed to on_event.
    pub event_arg: *mut c_void,
    /// With TSC_SHARE: where tsc-agent listens, the absolute path of a Unix socket, not NUL-terminated. (NULL, 0):
    /// what the environment variable TSC_AGENT says, except in a process with elevated rights (set-user-ID).
    /// Without an agent, the process goes on alone.
    pub agent: *const u8,
    /// Its length, at most TSC_MAX_NAME.
    pub agent_len: usize,
    /// With TSC_SHARE: for how many microseconds a call may wait for tsc-agent, besides the wait of
    /// tsc_attempt_wait; after that it goes on without the agent. Default 2000; TSC_AGENT_NO_WAIT: not at all.
    pub agent_budget_us: u32,
    /// Always 0.
    pub reserved: u32,
}

/// The agent to share through, if any.
#[cfg(agent)]
pub(super) unsafe fn read_agent(
    options: *const tsc_options,
    size: usize,
) -> StatusResult<Option<Agent>> {
    use std::os::unix::ffi::OsStrExt as _;
    let given = extensible::read(options, size)?;
    let path = bytes_up_to(given.agent, given.agent_len, TSC_MAX_NAME)?;
    let agent = match path {
        _ if given.flags & TSC_SHARE == 0 => None,
        [] => Agent::from_env(),
        path => Some(Agent::at(std::ffi::OsStr::from_bytes(path))),
    };
    Ok(agent.map(|agent| match given.agent_budget_us {
        0 => agent,
        TSC_AGENT_NO_WAIT => agent.budget(Duration::ZERO),
        micros => agent.budget(Duration::from_micros(micros.into())),
    }))
}

/// The caller's clock. It promised that its function may be called with its argument on any thread.
struct ClockCallback {
    read: unsafe extern "C" fn(*mut c_void) -> u64,
    arg: *mut c_void,
}

// SAFETY: the header says that the clock is called on any thread.
unsafe impl Send for ClockCallback {}
// SAFETY: as above.
unsafe impl Sync for ClockCallback {}

impl ClockCallback {
    fn now(&self) -> u64 {
        // SAFETY: the header's contract: the function may be called with this argument until the
        // last handle that can reach the cache is freed.
        unsafe { (self.read)(self.arg) }
    }
}

/// Reads what the caller wants of a cache; 0 means the default, which `Options` has.
pub(super) unsafe fn read(
    options: *const tsc_options,
    size: usize,
) -> StatusResult<(Options, Clock, Option<Listener>)> {
    let given = extensible::read(options, size)?;
    const FLAGS: u32 = TSC_DISABLED | TSC_REUSE_WHEN_DRY | TSC_SHARE;
    if given.flags & !FLAGS != 0 || given.reserved != 0 {
        return Err(TSC_UNSUPPORTED);
    }
    bytes_up_to(given.agent, given.agent_len, TSC_MAX_NAME)?;
    fn or<T: Default + PartialEq>(given: T, default: T) -> T {
        if given == T::default() {
            default
        } else {
            given
        }
    }
    let default = Options::default();
    let options = Options {
        enabled: given.flags & TSC_DISABLED == 0,
        max_endpoints: or(given.max_endpoints, default.max_endpoints),
        max_sessions_per_endpoint: or(
            given.max_sessions_per_endpoint,
            default.max_sessions_per_endpoint,
        ),
        ttl_seconds: or(given.ttl_seconds, default.ttl_seconds),
        max_bytes: given.max_bytes,
        max_session_bytes: or(given.max_session_bytes, default.max_session_bytes),
        max_lineage_age_seconds: or(
            given.max_lineage_age_seconds,
            default.max_lineage_age_seconds,
        ),
        reuse_when_dry: given.flags & TSC_REUSE_WHEN_DRY != 0,
        max_full_handshakes: or(given.max_full_handshakes, default.max_full_handshakes),
        failure_budget: or(given.failure_budget, default.failure_budget),
    };
    let clock = match given.clock {
        None => Clock::System,
        Some(read) => {
            let clock = ClockCallback {
                read,
                arg: given.clock_arg,
            };
            Clock::Driven(Box::new(move || clock.now()))
        }
    };
    let listener = given.on_event.map(|call| {
        let listener = EventCallback {
            call,
            arg: given.event_arg,
        };
        Event::translated_for(move |event| listener.call(event))
    });
    Ok((options, clock, listener))
}
