//! What the server says in the clear: its ServerHello, or a HelloRetryRequest before it.

/// The random of a HelloRetryRequest (RFC 8446, 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// A HelloRetryRequest came first.
    pub retried: bool,
    /// The group of the key exchange; None: there was none in TLS 1.3, or it is TLS 1.2.
    pub group: Option<u16>,
    /// Whether a session was accepted, in TLS 1.3.
    pub accepted: bool,
}

impl ServerHello {
    /// Of the first bytes that a server sends; None: they are not all there, or something else.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        const HANDSHAKE: u8 = 22;
        const SERVER_HELLO: u8 = 2;
        let mut retried = false;
        loop {
            let kind = *bytes.first()?;
            let length = u16_at(bytes, 3)?;
            let record = bytes.get(5..5 + length)?;
            bytes = &bytes[5 + length..];
            if kind != HANDSHAKE {
                continue;
            }
            if *record.first()? != SERVER_HELLO {
                return None;
            }
            let mut hello = Self::of_message(record.get(4..)?)?;
            if hello.retried {
                retried = true;
                continue;
            }
            hello.retried = retried;
            return Some(hello);
        }
    }

    fn of_message(message: &[u8]) -> Option<Self> {
        const PRE_SHARED_KEY: usize = 41;
        const KEY_SHARE: usize = 51;
        let mut hello = Self {
            retried: message.get(2..34)? == RETRY,
            ..Self::default()
        };
        let after_id = 35 + usize::from(*message.get(34)?);
        let Some(mut extensions) = message.get(after_id + 5..) else {
            return Some(hello); // TLS 1.2 may have none
        };
        while let (Some(kind), Some(length)) = (u16_at(extensions, 0), u16_at(extensions, 2)) {
            match kind {
                PRE_SHARED_KEY => hello.accepted = true,
                KEY_SHARE => hello.group = u16_at(extensions, 4).map(|group| group as u16),
                _ => {}
            }
            extensions = extensions.get(4 + length..)?;
        }
        Some(hello)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(*bytes.get(at)?) << 8 | usize::from(*bytes.get(at + 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(random: [u8; 32], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend_from_slice(&random);
        body.extend_from_slice(&[1, 9, 0x13, 1, 0]);
        body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        body.extend_from_slice(extensions);
        let mut message = vec![2, 0, 0, body.len() as u8];
        message.extend_from_slice(&body);
        let mut record = vec![22, 3, 3, 0, message.len() as u8];
        record.extend_from_slice(&message);
        record
    }

    #[test]
    fn a_session_with_and_without_a_key_exchange() {
        let share = [0, 51, 0, 4, 0, 29, 0, 0];
        let session = [0, 41, 0, 2, 0, 0];
        let both = ServerHello::read(&record([7; 32], &[&share[..], &session].concat())).unwrap();
        assert_eq!(
            (both.group, both.accepted, both.retried),
            (Some(29), true, false)
        );
        let alone = ServerHello::read(&record([7; 32], &session)).unwrap();
        assert_eq!((alone.group, alone.accepted), (None, true));
    }

    #[test]
    fn a_retry_and_then_the_hello() {
        let retry = record(RETRY, &[0, 51, 0, 2, 0, 23]);
        let change = [20, 3, 3, 0, 1, 1];
        let hello = record([7; 32], &[0, 51, 0, 4, 0, 23, 0, 0]);
        let found = ServerHello::read(&[&retry[..], &change, &hello].concat()).unwrap();
        assert_eq!((found.retried, found.group), (true, Some(23)));
        assert_eq!(ServerHello::read(&retry), None, "the hello is yet to come");
    }

    #[test]
    fn what_is_none() {
        assert_eq!(ServerHello::read(b""), None);
        assert_eq!(ServerHello::read(b"220 hello\r\n"), None);
        let whole = record([7; 32], &[0, 51, 0, 4, 0, 29, 0, 0]);
        for cut in 0..whole.len() {
            assert_eq!(ServerHello::read(&whole[..cut]), None);
        }
    }
}
