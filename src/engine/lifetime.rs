//! Until when a session may be offered (promise 4), in one place.

use super::{Options, Time};

/// RFC 8446, 4.6.1: no ticket is used for longer than this, whatever the server says.
const SEVEN_DAYS_SECONDS: u32 = 7 * 24 * 3600;

/// How long the server says that a session may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The server said nothing; the cache's limits hold.
    Unspecified,
    /// 0: not to be kept at all.
    Seconds(u32),
}

/// All sessions that descend, by resumption, from one full handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub(crate) id: u64,
    /// When its age or a certificate ends it, however often it was renewed.
    pub(crate) ends: Time,
}

impl Lineage {
    /// The same lineage, ended by a certificate, if the end of one is known (in Unix seconds).
    #[must_use]
    pub(crate) fn until(self, now: Time, not_after: Option<i64>) -> Self {
        let ends = not_after.map_or(Time::NEVER, |unix_seconds| now.at_wall(unix_seconds));
        Self {
            ends: self.ends.min(ends),
            ..self
        }
    }
}

/// The first moment at which a session is no longer offered.
pub(crate) fn expiry(
    options: &Options,
    received: Time,
    lifetime: Lifetime,
    lineage: Lineage,
) -> Time {
    let given = match lifetime {
        Lifetime::Unspecified => SEVEN_DAYS_SECONDS,
        Lifetime::Seconds(seconds) => seconds.min(SEVEN_DAYS_SECONDS),
    };
    received
        .plus_seconds(given.min(options.ttl_seconds))
        .min(lineage.ends)
}

/// The same for a session that comes from another process: received so long ago, and with so much left
/// of what bounded it there (in milliseconds). This cache's own bounds hold as well.
pub(crate) fn restored(
    options: &Options,
    now: Time,
    age: u64,
    left: u64,
    lineage: Lineage,
) -> Time {
    let longest = u64::from(SEVEN_DAYS_SECONDS.min(options.ttl_seconds)) * 1000;
    let left = left.min(longest.saturating_sub(age));
    now.plus_ms(left).min(lineage.ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_exported_elsewhere_lasts_no_longer_than_seven_days_either() {
        let options = Options {
            ttl_seconds: u32::MAX,
            ..Options::default()
        };
        let lineage = Lineage {
            id: 1,
            ends: Time::NEVER,
        };
        let day = 24 * 3600 * 1000;
        let left = |age, left| restored(&options, Time(0), age, left, lineage).0;
        assert_eq!(left(0, 8 * day), 7 * day);
        assert_eq!(left(6 * day, 2 * day), day);
        assert_eq!(left(8 * day, day), 0);
        assert_eq!(left(day, day), day);
    }
}
