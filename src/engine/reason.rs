//! Why an attempt had nothing to resume with.

/// Why an attempt did a full handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It resumed, or that is not decided yet.
    #[default]
    None = 0,
    /// Nothing was ever stored for this endpoint and config in this process, or it was so long ago that the cache has
    /// forgotten it. Normal for a first connection, also for that of a forked child; otherwise look at what tells
    /// endpoints apart (host, port, server name, group, verification) and whether attempts say that they are
    /// established.
    NothingStored = 1,
    /// All that was stored for this endpoint comes from connections that verified something else, or this attempt
    /// was withdrawn.
    OtherVerification = 12,
    /// What was stored has expired. Look at the server's ticket lifetime and at `ttl_seconds`.
    Expired = 2,
    /// What was stored was evicted to keep a limit, or cleared. Look at `max_endpoints` and `max_bytes`.
    Evicted = 3,
    /// Other attempts have taken all there was. Let attempts wait, or have the server issue more tickets.
    Taken = 4,
    /// The server refused what was offered or, just before, refused or broke off a session of the same origin:
    /// it was restarted, or its ticket keys are not those of the node that issued it.
    Refused = 5,
    /// Offers to this endpoint did harm lately, so nothing was offered, or this attempt was the one to be
    /// compared.
    Withheld = 6,
    /// It waited for a session, and none came in time.
    WaitedInVain = 7,
    /// What it took was never sent, and went back.
    NotSent = 8,
    /// The driver never asked for a session to offer.
    NotAsked = 9,
    /// The cache is disabled or closed.
    CacheOff = 10,
    /// The attempt failed before.
    Failed = 11,
    /// Nothing is stored in this process, and the agent gave no answer: it is not there, too slow, of another
    /// version or at one of its limits, or the attempt did not wait for it.
    AgentAway = 13,
}

impl Reason {
    const ALL: [Self; 14] = [
        Self::None,
        Self::NothingStored,
        Self::Expired,
        Self::Evicted,
        Self::Taken,
        Self::Refused,
        Self::Withheld,
        Self::WaitedInVain,
        Self::NotSent,
        Self::NotAsked,
        Self::CacheOff,
        Self::Failed,
        Self::OtherVerification,
        Self::AgentAway,
    ];

    /// The reason of this number, which is that of the C API as well.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_number() {
        for (number, reason) in (0..).zip(Reason::ALL) {
            assert_eq!(reason as u8, number);
            assert_eq!(Reason::from_number(number), Some(reason));
        }
        assert_eq!(Reason::from_number(Reason::ALL.len() as u8), None);
    }
}
