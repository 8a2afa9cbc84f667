//! How a cache is bounded. The one place where the defaults are.

/// How a cache is bounded, and what it does beyond the ordinary.
///
/// ```
/// let mut options = libtsc::Options::default();
/// options.max_endpoints = 1000;
/// options.ttl_seconds = 600;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Whether sessions are kept and offered at all. By default, yes.
    pub enabled: bool,
    /// Endpoints that have sessions at the same time; the least recently used goes first. At least 1, by
    /// default 100.
    pub max_endpoints: u32,
    /// Sessions of one endpoint; the oldest goes first. At least 1, by default 64.
    pub max_sessions_per_endpoint: u32,
    /// Seconds for which a session may be offered at the most, by default 3600.
    pub ttl_seconds: u32,
    /// Bytes of all sessions together. 0, the default: 8 MiB, and proportionally more for more endpoints than the
    /// default. All attempts together may stage as many bytes again. An attempt that has staged something takes
    /// no more of them than it leaves to the others; at the limit its newest session replaces its oldest.
    pub max_bytes: u64,
    /// Bytes of one session as it came: serialised, and for an object with the certificates that it holds.
    /// By default 64 KiB.
    pub max_session_bytes: u32,
    /// Seconds for which sessions may descend from one full handshake, however often they are renewed;
    /// by default a day.
    pub max_lineage_age_seconds: u32,
    /// Whether the last TLS 1.3 ticket of an endpoint may be offered more than once, which lets anyone
    /// watching the network see that the connections come from one client. By default, no.
    pub reuse_when_dry: bool,
    /// Full handshakes to one endpoint at the same time, for attempts that wait; 0, the default: any
    /// number.
    pub max_full_handshakes: u32,
    /// Connections to one endpoint that may fail within an hour because they offered a session, where a full
    /// handshake would have made them; besides those under way at the same time. By default 12;
    /// `u32::MAX`: any number.
    pub failure_budget: u32,
}

/// Bytes for the default number of endpoints.
const DEFAULT_BYTES: u64 = 8 << 20;

impl Options {
    /// `max_bytes`, or its default: as much for each endpoint as by default, so that a cache for many is not
    /// full of bytes before it is full of endpoints; and never less.
    pub(super) fn bytes(&self) -> u64 {
        if self.max_bytes != 0 {
            return self.max_bytes;
        }
        let each = DEFAULT_BYTES / u64::from(Self::default().max_endpoints);
        DEFAULT_BYTES.max(each * u64::from(self.max_endpoints))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enabled: true,
            max_endpoints: 100,
            // A pool that opens that many connections at once can resume them all.
            max_sessions_per_endpoint: 64,
            ttl_seconds: 3600,
            max_bytes: 0,
            // Long chains and post-quantum signatures make sessions of tens of kilobytes.
            max_session_bytes: 64 << 10,
            max_lineage_age_seconds: 24 * 3600,
            reuse_when_dry: false,
            max_full_handshakes: 0,
            failure_budget: 12,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_with_the_endpoints_and_never_shrink() {
        let default = Options::default();
        let bytes = |max_endpoints| {
            Options {
                max_endpoints,
                ..default
            }
            .bytes()
        };
        assert_eq!(bytes(1), DEFAULT_BYTES);
        assert_eq!(bytes(default.max_endpoints), DEFAULT_BYTES);
        let ten = bytes(10 * default.max_endpoints);
        assert!(9 * DEFAULT_BYTES < ten && ten <= 10 * DEFAULT_BYTES);
        assert!(bytes(u32::MAX) > ten);
    }
}
