//! The lifetime of a session that rustls holds.
//!
//! rustls does not tell it, and takes a lifetime of 0 for "forever". Its `Debug` output has it, so it
//! is read from there. Debug output may change with any version: where the lifetime is not found, the
//! session is not kept, and the tests fail. The output is looked at as it is written, and stops
//! being written once the lifetime is seen: nothing of it is stored.

use std::fmt::{self, Write};

const FIELD: &[u8] = b"lifetime_secs: ";

pub(super) struct Inspected {
    /// `None`: not to be had, so the session is best not kept.
    pub(super) lifetime_seconds: Option<u32>,
    /// How many bytes were written up to there, about; the server's certificates come after it.
    pub(super) length: usize,
}

pub(super) fn inspect(session: &dyn fmt::Debug) -> Inspected {
    let mut reader = Reader {
        matched: 0,
        lifetime: None,
        read: 0,
    };
    // An error is how the reader says that it has seen enough.
    let complete = write!(reader, "{session:?}").is_err();
    Inspected {
        lifetime_seconds: reader.lifetime.filter(|_| complete),
        // The ticket is the most of it, two digits a byte.
        length: reader.read / 2,
    }
}

struct Reader {
    matched: usize,
    lifetime: Option<u32>,
    read: usize,
}

impl Write for Reader {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.read += text.len();
        // Most of what is written is the ticket, two digits at a time.
        if self.matched == 0 && !text.as_bytes().contains(&FIELD[0]) {
            return Ok(());
        }
        for &byte in text.as_bytes() {
            if self.matched < FIELD.len() {
                let next = byte == FIELD[self.matched];
                self.matched = if next {
                    self.matched + 1
                } else {
                    (byte == FIELD[0]).into()
                };
            } else if byte.is_ascii_digit() {
                let digit = u32::from(byte - b'0');
                self.lifetime = Some(self.lifetime.unwrap_or(0).saturating_mul(10) + digit);
            } else {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "read through Debug")]
    struct Session {
        ticket: &'static str,
        lifetime_secs: u32,
        chain: u8,
    }

    #[test]
    fn lifetime_is_read_from_debug_output() {
        for lifetime_secs in [0, 7200, u32::MAX] {
            let session = Session {
                ticket: "lifetime_lifetime_secs:",
                lifetime_secs,
                chain: 1,
            };
            assert_eq!(inspect(&session).lifetime_seconds, Some(lifetime_secs));
        }
    }

    #[test]
    fn a_session_that_does_not_tell_is_not_kept() {
        assert_eq!(inspect(&"lifetime_secs: 12").lifetime_seconds, Some(12));
        assert_eq!(inspect(&"ticket: 12").lifetime_seconds, None);
        assert_eq!(inspect(&12).lifetime_seconds, None);
    }
}
