use crate::engine::Reason;

/// tsc_attempt_info.reason: it resumed, or that is not decided yet.
pub const TSC_REASON_NONE: u32 = 0;
/// tsc_attempt_info.reason: nothing was ever stored for this endpoint and config in this process, or it was so long
/// ago that the cache has forgotten it. Normal for a first connection, also for the first one of a forked child, which
/// starts with an empty cache (TSC_SHARE shares sessions between processes). Otherwise check what differs between the
/// endpoints, and that every attempt reports that it is established.
pub const TSC_REASON_NOTHING_STORED: u32 = 1;
/// tsc_attempt_info.reason: what was stored has expired. Check the server's ticket lifetime and
/// ttl_seconds.
pub const TSC_REASON_EXPIRED: u32 = 2;
/// tsc_attempt_info.reason: what was stored was evicted to keep a limit, or cleared. Check max_endpoints
/// and max_bytes.
pub const TSC_REASON_EVICTED: u32 = 3;
/// tsc_attempt_info.reason: other attempts have taken all sessions. Let attempts wait (tsc_attempt_wait),
/// or have the server issue more tickets.
pub const TSC_REASON_TAKEN: u32 = 4;
/// tsc_attempt_info.reason: the server refused what was offered or, just before, refused or broke off a
/// session of the same lineage. It was restarted, or does not have the ticket keys of the node that issued it.
pub const TSC_REASON_REFUSED: u32 = 5;
/// tsc_attempt_info.reason: offers to this endpoint did harm recently (tsc_options.failure_budget), so nothing
/// was offered, or this attempt served as the comparison.
pub const TSC_REASON_WITHHELD: u32 = 6;
/// tsc_attempt_info.reason: it waited for a session, and none came in time.
pub const TSC_REASON_WAITED_IN_VAIN: u32 = 7;
/// tsc_attempt_info.reason: the session that it took was never sent, and went back to the cache.
pub const TSC_REASON_NOT_SENT: u32 = 8;
/// tsc_attempt_info.reason: nobody called tsc_attempt_offer.
pub const TSC_REASON_NOT_ASKED: u32 = 9;
/// tsc_attempt_info.reason: the cache is disabled or closed.
pub const TSC_REASON_CACHE_OFF: u32 = 10;
/// tsc_attempt_info.reason: the attempt failed after it had offered a session.
pub const TSC_REASON_FAILED: u32 = 11;
/// tsc_attempt_info.reason: all sessions of this endpoint come from connections that verified something else
/// (tsc_endpoint.verification): other names, flags or client certificate. Or the attempt itself turned out to, and
/// was withdrawn (tsc_attempt_withdraw): set everything before it begins.
pub const TSC_REASON_OTHER_VERIFICATION: u32 = 12;
/// tsc_attempt_info.reason: with TSC_SHARE, this process has no session, and the agent gave no answer. Either the
/// agent does not run, is too slow (tsc_options.agent_budget_us), is of another release or is at one of its limits;
/// or the attempt did not ask it (TSC_AGENT_NO_WAIT without tsc_attempt_wait_fd). See `tsc-agent status`.
pub const TSC_REASON_AGENT_AWAY: u32 = 13;

pub(super) fn of(reason: Reason) -> u32 {
    reason as u32
}

const _: () = {
    assert!(TSC_REASON_NONE == Reason::None as u32);
    assert!(TSC_REASON_NOTHING_STORED == Reason::NothingStored as u32);
    assert!(TSC_REASON_EXPIRED == Reason::Expired as u32);
    assert!(TSC_REASON_EVICTED == Reason::Evicted as u32);
    assert!(TSC_REASON_TAKEN == Reason::Taken as u32);
    assert!(TSC_REASON_REFUSED == Reason::Refused as u32);
    assert!(TSC_REASON_WITHHELD == Reason::Withheld as u32);
    assert!(TSC_REASON_WAITED_IN_VAIN == Reason::WaitedInVain as u32);
    assert!(TSC_REASON_NOT_SENT == Reason::NotSent as u32);
    assert!(TSC_REASON_NOT_ASKED == Reason::NotAsked as u32);
    assert!(TSC_REASON_CACHE_OFF == Reason::CacheOff as u32);
    assert!(TSC_REASON_FAILED == Reason::Failed as u32);
    assert!(TSC_REASON_OTHER_VERIFICATION == Reason::OtherVerification as u32);
    assert!(TSC_REASON_AGENT_AWAY == Reason::AgentAway as u32);
};
