//! What the wire says about a session, turned into the engine's terms.

use crate::engine::{Kind, Lifetime};

/// Not a version of TLS that sessions can come from.
#[derive(Debug)]
pub struct UnknownVersion;

/// How often, and how long at the most, a session of this protocol version may be used, given the
/// lifetime that the server sent with it.
pub fn rules_of(version: u32, lifetime_seconds: u32) -> Result<(Kind, Lifetime), UnknownVersion> {
    const TLS_1_0: u32 = 0x0301;
    const TLS_1_2: u32 = 0x0303;
    const TLS_1_3: u32 = 0x0304;
    match (version, lifetime_seconds) {
        // RFC 8446, C.4: clients should not reuse a ticket. 4.6.1: 0 means to discard it at once.
        (TLS_1_3, seconds) => Ok((Kind::SingleUse, Lifetime::Seconds(seconds))),
        // RFC 5077, 3.3: 0 means that the lifetime is not specified; nor is it for a session by id.
        (TLS_1_0..=TLS_1_2, 0) => Ok((Kind::Reusable, Lifetime::Unspecified)),
        (TLS_1_0..=TLS_1_2, seconds) => Ok((Kind::Reusable, Lifetime::Seconds(seconds))),
        _ => Err(UnknownVersion),
    }
}
