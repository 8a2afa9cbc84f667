//! How a cache is bounded. The one place where the defaults are.

/// The limits of one cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub enabled: bool,
    pub max_endpoints: u32,
    pub max_sessions_per_endpoint: u32,
    pub ttl_seconds: u32,
    pub max_bytes: u64,
    pub max_session_bytes: u32,
    pub max_lineage_age_seconds: u32,
    /// Whether the last single-use session of an endpoint may be used more than once.
    pub reuse_when_dry: bool,
    /// Full handshakes to one endpoint at the same time; 0: any number.
    pub max_full_handshakes: u32,
    /// Failures after an offer, each followed by a full handshake that succeeded, after which an
    /// endpoint is offered nothing for a while.
    pub breaker_failures: u32,
    /// How long that is at first.
    pub breaker_seconds: u32,
}

impl Options {
    /// `max_bytes` for so many endpoints: as much for each as by default, so that a cache for many is not
    /// full of bytes before it is full of endpoints; and never less.
    pub(crate) fn bytes_for(&self, max_endpoints: u32) -> u64 {
        let each = self.max_bytes / u64::from(self.max_endpoints);
        self.max_bytes.max(each * u64::from(max_endpoints))
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
            max_bytes: 8 << 20,
            // Long chains and post-quantum signatures make sessions of tens of kilobytes.
            max_session_bytes: 64 << 10,
            max_lineage_age_seconds: 24 * 3600,
            reuse_when_dry: false,
            max_full_handshakes: 0,
            breaker_failures: 3,
            breaker_seconds: 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_with_the_endpoints_and_never_shrink() {
        let default = Options::default();
        let bytes = |endpoints| default.bytes_for(endpoints);
        assert_eq!(bytes(1), default.max_bytes);
        assert_eq!(bytes(default.max_endpoints), default.max_bytes);
        let ten = bytes(10 * default.max_endpoints);
        assert!(9 * default.max_bytes < ten && ten <= 10 * default.max_bytes);
        assert!(bytes(u32::MAX) > ten);
    }
}
