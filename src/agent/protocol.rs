//! What a process and tsc-agent say to each other: docs/agent-protocol.md.
//!
//! A message is its length, in four bytes, and then its kind, its numbers and, at the end, at most one piece
//! of any length. Numbers have their most significant byte first.

use crate::endpoint::Endpoint;
use crate::identity::Identity;
use smallvec::SmallVec;

/// Grows with every change of what is written here. An agent closes the connection of a process that has another.
pub const VERSION: u16 = 2;

/// The longest message, in bytes, without its length.
pub const MAX_MESSAGE: usize = 80 << 10;

/// The longest session that is shared, in bytes.
pub const MAX_SESSION: usize = 64 << 10;

/// How many bytes the length of a message takes.
pub const LENGTH: usize = 4;

/// Tells one process from another, also from one that has the same number later.
pub type Process = [u8; 16];

/// What a process says. Each request gets one reply, in the order of the requests, but for those that nobody waits for:
/// `Hello`, `Cancel`, `Failed` and `Gone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The first one of every connection.
    Hello {
        /// [`VERSION`].
        version: u16,
        /// The same on all connections of a process.
        process: Process,
    },
    /// A session for an attempt, which begins with this.
    Lease {
        /// The process's own number of the attempt.
        attempt: u64,
        /// For how long the attempt would wait for one, in milliseconds.
        wait_ms: u32,
        /// Whose sessions: see [`whose`].
        key: &'a [u8],
    },
    /// An attempt begins which has a session, or wants none.
    Begin {
        /// As in `Lease`.
        attempt: u64,
        /// As in `Lease`.
        key: &'a [u8],
    },
    /// What the server sent. It is staged until the attempt is established.
    Received {
        /// Whose connection.
        attempt: u64,
        /// As on the wire: 0x0304 for TLS 1.3.
        tls_version: u16,
        /// For how many milliseconds it may be offered.
        left_ms: u64,
        /// As the TLS stack serialises it.
        session: &'a [u8],
    },
    /// The attempt is established.
    Established {
        /// Which.
        attempt: u64,
        /// Whether it was resumed.
        resumed: bool,
        /// For how many milliseconds what descends from it may be offered.
        lineage_ms: u64,
    },
    /// The attempt failed.
    Failed {
        /// Which.
        attempt: u64,
        /// [`Failure::bits`](crate::Failure::bits).
        facts: u8,
    },
    /// The connection of an attempt is closed, or nobody said how the attempt ended.
    Gone {
        /// Which.
        attempt: u64,
    },
    /// Answer the `Lease` before this one now.
    Cancel,
    /// How the agent is, as text for Prometheus.
    Status,
}

/// What the agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A session, which nobody else has.
    Leased {
        /// For which attempt: nobody offers what was meant for another one.
        attempt: u64,
        /// As on the wire: 0x0304 for TLS 1.3.
        tls_version: u16,
        /// How many milliseconds ago it was received.
        age_ms: u64,
        /// For how many milliseconds it may still be offered.
        left_ms: u64,
        /// For how many milliseconds what descends from it may be offered.
        lineage_ms: u64,
        /// Whether the attempt had to wait for it.
        waited: bool,
        /// As the TLS stack serialised it.
        session: &'a [u8],
    },
    /// No session: do a full handshake.
    None {
        /// As in `Leased`.
        attempt: u64,
        /// Why: the number of a [`Reason`](crate::Reason).
        reason: u8,
        /// Whether the attempt had waited for one.
        waited: bool,
    },
    /// It was noted.
    Done {
        /// As in the request.
        attempt: u64,
    },
    /// The agent knows no such attempt, or does not want what was sent.
    Unknown {
        /// As in the request.
        attempt: u64,
    },
    /// To `Status`.
    Text {
        /// UTF-8.
        text: &'a [u8],
    },
}

/// A message but for the piece at its end.
pub type Head = SmallVec<[u8; 48]>;

struct Writer(Head);

impl Writer {
    fn new(kind: u8) -> Self {
        let mut head = Head::from_slice(&[0; LENGTH]);
        head.push(kind);
        Self(head)
    }

    fn put<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0.extend_from_slice(&bytes);
        self
    }

    /// Gives the message in its two parts.
    fn end(mut self, tail: &[u8]) -> (Head, &[u8]) {
        let length = self.0.len() - LENGTH + tail.len();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.0[..LENGTH].copy_from_slice(&length.to_be_bytes());
        (self.0, tail)
    }
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// How long the message is that begins with these bytes, without its length; `None`: longer than any.
#[must_use]
pub fn length(bytes: [u8; LENGTH]) -> Option<usize> {
    let length = u32::from_be_bytes(bytes) as usize;
    (1..=MAX_MESSAGE).contains(&length).then_some(length)
}

impl<'a> Request<'a> {
    /// Which attempt it is about; `None`: about none.
    #[must_use]
    pub fn attempt(&self) -> Option<u64> {
        match *self {
            Self::Lease { attempt, .. }
            | Self::Begin { attempt, .. }
            | Self::Received { attempt, .. }
            | Self::Established { attempt, .. }
            | Self::Failed { attempt, .. }
            | Self::Gone { attempt } => Some(attempt),
            Self::Hello { .. } | Self::Cancel | Self::Status => None,
        }
    }

    /// As it is sent, in two parts, so that what is secret is copied nowhere.
    #[must_use]
    pub fn encode(&self) -> (Head, &'a [u8]) {
        match *self {
            Self::Hello { version, process } => Writer::new(1)
                .put(version.to_be_bytes())
                .put(process)
                .end(&[]),
            Self::Lease {
                attempt,
                wait_ms,
                key,
            } => Writer::new(2)
                .put(attempt.to_be_bytes())
                .put(wait_ms.to_be_bytes())
                .end(key),
            Self::Begin { attempt, key } => Writer::new(3).put(attempt.to_be_bytes()).end(key),
            Self::Received {
                attempt,
                tls_version,
                left_ms,
                session,
            } => Writer::new(4)
                .put(attempt.to_be_bytes())
                .put(tls_version.to_be_bytes())
                .put(left_ms.to_be_bytes())
                .end(session),
            Self::Established {
                attempt,
                resumed,
                lineage_ms,
            } => Writer::new(5)
                .put(attempt.to_be_bytes())
                .put([u8::from(resumed)])
                .put(lineage_ms.to_be_bytes())
                .end(&[]),
            Self::Failed { attempt, facts } => Writer::new(6)
                .put(attempt.to_be_bytes())
                .put([facts])
                .end(&[]),
            Self::Gone { attempt } => Writer::new(7).put(attempt.to_be_bytes()).end(&[]),
            Self::Cancel => Writer::new(8).end(&[]),
            Self::Status => Writer::new(9).end(&[]),
        }
    }

    /// Reads a message without its length; `None`: it is none.
    #[must_use]
    pub fn decode(message: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(message);
        let request = match rest.u8()? {
            1 => Self::Hello {
                version: rest.u16()?,
                process: rest.take()?,
            },
            2 => Self::Lease {
                attempt: rest.u64()?,
                wait_ms: rest.u32()?,
                key: rest.rest(),
            },
            3 => Self::Begin {
                attempt: rest.u64()?,
                key: rest.rest(),
            },
            4 => Self::Received {
                attempt: rest.u64()?,
                tls_version: rest.u16()?,
                left_ms: rest.u64()?,
                session: rest.rest(),
            },
            5 => Self::Established {
                attempt: rest.u64()?,
                resumed: rest.bool()?,
                lineage_ms: rest.u64()?,
            },
            6 => Self::Failed {
                attempt: rest.u64()?,
                facts: rest.u8()?,
            },
            7 => Self::Gone {
                attempt: rest.u64()?,
            },
            8 => Self::Cancel,
            9 => Self::Status,
            _ => return None,
        };
        rest.0.is_empty().then_some(request)
    }
}

impl<'a> Reply<'a> {
    /// Which attempt it is about; `None`: about none.
    #[must_use]
    pub fn attempt(&self) -> Option<u64> {
        match *self {
            Self::Leased { attempt, .. }
            | Self::None { attempt, .. }
            | Self::Done { attempt }
            | Self::Unknown { attempt } => Some(attempt),
            Self::Text { .. } => None,
        }
    }

    /// As [`Request::encode`].
    #[must_use]
    pub fn encode(&self) -> (Head, &'a [u8]) {
        match *self {
            Self::Leased {
                attempt,
                tls_version,
                age_ms,
                left_ms,
                lineage_ms,
                waited,
                session,
            } => Writer::new(130)
                .put(attempt.to_be_bytes())
                .put(tls_version.to_be_bytes())
                .put(age_ms.to_be_bytes())
                .put(left_ms.to_be_bytes())
                .put(lineage_ms.to_be_bytes())
                .put([u8::from(waited)])
                .end(session),
            Self::None {
                attempt,
                reason,
                waited,
            } => Writer::new(131)
                .put(attempt.to_be_bytes())
                .put([reason, u8::from(waited)])
                .end(&[]),
            Self::Done { attempt } => Writer::new(132).put(attempt.to_be_bytes()).end(&[]),
            Self::Unknown { attempt } => Writer::new(133).put(attempt.to_be_bytes()).end(&[]),
            Self::Text { text } => Writer::new(134).end(text),
        }
    }

    /// As [`Request::decode`].
    #[must_use]
    pub fn decode(message: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(message);
        let reply = match rest.u8()? {
            130 => Self::Leased {
                attempt: rest.u64()?,
                tls_version: rest.u16()?,
                age_ms: rest.u64()?,
                left_ms: rest.u64()?,
                lineage_ms: rest.u64()?,
                waited: rest.bool()?,
                session: rest.rest(),
            },
            131 => Self::None {
                attempt: rest.u64()?,
                reason: rest.u8()?,
                waited: rest.bool()?,
            },
            132 => Self::Done {
                attempt: rest.u64()?,
            },
            133 => Self::Unknown {
                attempt: rest.u64()?,
            },
            134 => Self::Text { text: rest.rest() },
            _ => return None,
        };
        rest.0.is_empty().then_some(reply)
    }
}

/// Whose sessions a key names: the identity of a config, and an endpoint. `None`: it is no key.
#[must_use]
pub fn whose(key: &[u8]) -> Option<(&[u8], Endpoint<'_>)> {
    let identity = Identity::given_of(key)?;
    Some((identity, Identity::endpoint_of(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message((head, tail): (Head, &[u8])) -> Vec<u8> {
        let message = [&head[LENGTH..], tail].concat();
        assert_eq!(
            length(head[..LENGTH].try_into().unwrap()),
            Some(message.len())
        );
        message
    }

    #[test]
    fn what_is_sent_is_read() {
        let (attempt, key, session) = (7, &b"key"[..], &b"session"[..]);
        for request in [
            Request::Hello {
                version: VERSION,
                process: [3; 16],
            },
            Request::Lease {
                attempt,
                wait_ms: 5,
                key,
            },
            Request::Begin { attempt, key },
            Request::Received {
                attempt,
                tls_version: 0x0304,
                left_ms: 9,
                session,
            },
            Request::Established {
                attempt,
                resumed: true,
                lineage_ms: u64::MAX,
            },
            Request::Failed { attempt, facts: 33 },
            Request::Gone { attempt },
            Request::Cancel,
            Request::Status,
        ] {
            let message = message(request.encode());
            assert_eq!(Request::decode(&message), Some(request));
            assert_eq!(Reply::decode(&message), None);
        }
        for reply in [
            Reply::Leased {
                attempt,
                tls_version: 0x0304,
                age_ms: 1,
                left_ms: 2,
                lineage_ms: 3,
                waited: true,
                session,
            },
            Reply::None {
                attempt,
                reason: 4,
                waited: false,
            },
            Reply::Done { attempt },
            Reply::Unknown { attempt },
            Reply::Text { text: b"text" },
        ] {
            let message = message(reply.encode());
            assert_eq!(Reply::decode(&message), Some(reply));
            assert_eq!(Request::decode(&message), None);
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_no_message() {
        let established = Request::Established {
            attempt: 1,
            resumed: false,
            lineage_ms: 2,
        };
        let whole = message(established.encode());
        for end in 0..whole.len() {
            assert_eq!(Request::decode(&whole[..end]), None);
        }
        assert_eq!(Request::decode(&[&whole[..], b"x"].concat()), None);
        assert_eq!(length([0; LENGTH]), None);
        assert_eq!(length((MAX_MESSAGE as u32 + 1).to_be_bytes()), None);
    }
}
