//! What is spoken before TLS, and the first question within it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TLS at once, and no request: tickets that come only after one are not seen.
    None,
    Http,
    Postgres,
    Mysql,
    Smtp,
    Imap,
    Ldap,
    Xmpp,
    Cql,
    Redis,
    Mqtt,
}

impl Protocol {
    /// What usually listens there.
    pub fn of_port(port: u16) -> Self {
        match port {
            443 | 4443 | 8443 | 9443 => Self::Http,
            5432 | 6432 => Self::Postgres,
            3306 => Self::Mysql,
            25 | 587 => Self::Smtp,
            143 => Self::Imap,
            389 => Self::Ldap,
            5222 => Self::Xmpp,
            9042 | 9142 | 19042 | 19142 => Self::Cql,
            6379 | 6380 => Self::Redis,
            8883 => Self::Mqtt,
            _ => Self::None,
        }
    }

    /// Asks the server to begin with TLS, where it begins without.
    pub fn prelude(self, stream: &mut (impl Read + Write), name: &str) -> io::Result<()> {
        match self {
            Self::None | Self::Http | Self::Cql | Self::Redis | Self::Mqtt => Ok(()),
            Self::Postgres => {
                stream.write_all(&[0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F])?;
                let mut answer = [0];
                stream.read_exact(&mut answer)?;
                wants(
                    answer[0] == b'S',
                    "PostgreSQL has TLS switched off (ssl = on)",
                )
            }
            Self::Mysql => mysql(stream),
            Self::Smtp => {
                line(stream, |line| line.starts_with("220 "))?;
                write!(stream, "EHLO tsc-probe.invalid\r\n")?;
                line(stream, |line| line.starts_with("250 "))?;
                write!(stream, "STARTTLS\r\n")?;
                let answer = line(stream, |_| true)?;
                wants(answer.starts_with("220"), "the mail server has no STARTTLS")
            }
            Self::Imap => {
                line(stream, |_| true)?;
                write!(stream, "a STARTTLS\r\n")?;
                let answer = line(stream, |line| line.starts_with("a "))?;
                wants(
                    answer.starts_with("a OK"),
                    "the mail server has no STARTTLS",
                )
            }
            Self::Ldap => {
                // An extended request, 1.3.6.1.4.1.1466.20037, with message number 1.
                let mut request = vec![0x30, 0x1D, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
                request.extend_from_slice(b"1.3.6.1.4.1.1466.20037");
                stream.write_all(&request)?;
                let answer = ldap(stream)?;
                // Its result code is the first enumeration.
                let success = answer.windows(3).any(|w| w == [0x0A, 0x01, 0x00]);
                wants(success, "the LDAP server has no StartTLS")
            }
            Self::Xmpp => {
                write!(
                    stream,
                    "<?xml version='1.0'?><stream:stream to='{name}' xmlns='jabber:client' \
                     xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
                )?;
                until(stream, "</stream:features>")?;
                write!(
                    stream,
                    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                )?;
                let answer = until(stream, ">")?;
                wants(
                    answer.contains("<proceed"),
                    "the XMPP server has no STARTTLS",
                )
            }
        }
    }

    /// The first thing to ask within TLS, which needs no login; empty: there is none.
    pub fn request(self, name: &str) -> Vec<u8> {
        match self {
            Self::Http => {
                format!("HEAD / HTTP/1.1\r\nHost: {name}\r\nUser-Agent: tsc-probe\r\n\r\n").into()
            }
            // OPTIONS, in version 4.
            Self::Cql => vec![4, 0, 0, 0, 5, 0, 0, 0, 0],
            Self::Redis => b"*1\r\n$4\r\nPING\r\n".to_vec(),
            Self::Smtp => b"EHLO tsc-probe.invalid\r\n".to_vec(),
            Self::Imap => b"b CAPABILITY\r\n".to_vec(),
            // A startup message for version 3.0; the server asks for the password or refuses the user.
            Self::Postgres => {
                let mut message = vec![0, 0, 0, 0, 0, 3, 0, 0];
                message.extend_from_slice(b"user\0tsc_probe\0\0");
                message[3] = message.len() as u8;
                message
            }
            Self::Mqtt => {
                let mut connect = vec![0x10, 0, 0, 4];
                connect.extend_from_slice(b"MQTT\x04\x02\0\x1E\0\x09tsc-probe");
                connect[1] = (connect.len() - 2) as u8;
                connect
            }
            Self::None | Self::Mysql | Self::Ldap | Self::Xmpp => Vec::new(),
        }
    }
}

fn mysql(stream: &mut (impl Read + Write)) -> io::Result<()> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = usize::from(header[0]) | usize::from(header[1]) << 8;
    let mut greeting = vec![0; length];
    stream.read_exact(&mut greeting)?;
    // The version number, its text with a zero, a thread, eight bytes and a zero; then capabilities.
    let text = greeting.iter().skip(1).position(|&byte| byte == 0);
    let at = text.map_or(usize::MAX, |text| 1 + text + 1 + 4 + 8 + 1);
    let flags = greeting.get(at..at.saturating_add(2));
    const SSL: u8 = 0x08; // in the second byte: 0x0800
    wants(
        flags.is_some_and(|flags| flags[1] & SSL != 0),
        "MySQL has TLS switched off",
    )?;
    // SSLRequest: protocol 4.1, TLS, secure connection; 16 MiB; utf8.
    let mut request = vec![32, 0, 0, header[3].wrapping_add(1)];
    request.extend_from_slice(&0x8A00_u32.to_le_bytes());
    request.extend_from_slice(&0x0100_0000_u32.to_le_bytes());
    request.push(33);
    request.extend_from_slice(&[0; 23]);
    stream.write_all(&request)
}

/// A message, behind its tag and length.
fn ldap(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut length = usize::from(head[1]);
    if length > 127 {
        // The number of bytes that the length has.
        let mut bytes = vec![0; length - 128];
        stream.read_exact(&mut bytes)?;
        length = bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    }
    wants(length < 65536, "the LDAP server's answer does not end")?;
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn wants(condition: bool, or: &str) -> io::Result<()> {
    match condition {
        true => Ok(()),
        false => Err(io::Error::other(or.to_owned())),
    }
}

/// Reads lines up to the one that ends an answer.
fn line(stream: &mut impl Read, ends: impl Fn(&str) -> bool) -> io::Result<String> {
    for _ in 0..100 {
        let line = until(stream, "\n")?;
        if ends(&line) {
            return Ok(line);
        }
    }
    Err(io::Error::other("the server's greeting does not end"))
}

/// Reads up to a text, one byte at a time: what comes behind it is TLS's.
fn until(stream: &mut impl Read, end: &str) -> io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
        wants(text.len() < 65536, "the server's greeting does not end")?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script {
        answers: io::Cursor<Vec<u8>>,
        sent: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sent.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn play(protocol: Protocol, answers: &[u8]) -> (io::Result<()>, Vec<u8>, usize) {
        let mut script = Script {
            answers: io::Cursor::new(answers.to_vec()),
            sent: Vec::new(),
        };
        let result = protocol.prelude(&mut script, "localhost");
        let read = script.answers.position() as usize;
        (result, script.sent, answers.len() - read)
    }

    #[test]
    fn a_server_with_tls_is_taken_up_to_the_first_byte_of_tls() {
        let mysql = [
            &[0x2F, 0, 0, 0, 10][..],
            b"8.0.1\0\x01\0\0\0ABCDEFGH\0\xFF\xFF",
            &[0; 25],
        ]
        .concat();
        for (protocol, answers) in [
            (Protocol::Postgres, &b"S"[..]),
            (Protocol::Mysql, &mysql),
            (Protocol::Smtp, b"220-a\r\n220 b\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n"),
            (Protocol::Imap, b"* OK\r\na OK begin\r\n"),
            (Protocol::Ldap, b"\x30\x0C\x02\x01\x01\x78\x07\x0A\x01\x00\x04\x00\x04\x00"),
            // With lengths as Active Directory writes them.
            (Protocol::Ldap, b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0A\x01\x00\x04\x00\x04\x00"),
            (Protocol::Xmpp, b"<stream:stream><stream:features><starttls/></stream:features><proceed xmlns='x'/>"),
        ] {
            let (result, sent, left) = play(protocol, answers);
            assert!(result.is_ok(), "{protocol:?}: {result:?}");
            assert!(!sent.is_empty());
            assert_eq!(left, 0, "{protocol:?}");
        }
    }

    #[test]
    fn a_server_without_tls_is_an_error_that_says_so() {
        for (protocol, answers) in [
            (Protocol::Postgres, &b"N"[..]),
            (Protocol::Smtp, b"220 b\r\n250 a\r\n502 no\r\n"),
            (Protocol::Imap, b"* OK\r\na BAD no\r\n"),
            (
                Protocol::Ldap,
                b"\x30\x0C\x02\x01\x01\x78\x07\x0A\x01\x02\x04\x00\x04\x00",
            ),
            (
                Protocol::Xmpp,
                b"<stream:features></stream:features><failure/>",
            ),
            (Protocol::Mysql, b"\x04\0\0\0\x0A8\0\0"),
            (Protocol::Smtp, b"220 b\r\n"),
        ] {
            assert!(play(protocol, answers).0.is_err(), "{protocol:?}");
        }
    }

    #[test]
    fn lengths_in_requests_are_right() {
        let startup = Protocol::Postgres.request("a");
        assert_eq!(startup.len(), usize::from(startup[3]));
        let connect = Protocol::Mqtt.request("a");
        assert_eq!(connect.len(), usize::from(connect[1]) + 2);
    }
}
