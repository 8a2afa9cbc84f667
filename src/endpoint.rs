//! Who a session is for.

use crate::error::Error;
use std::fmt;

/// The longest host, server name and group, in bytes: one byte holds the length.
pub(crate) const MAX_NAME: usize = 255;

/// Who a session is for: the host and port that are dialled, and the name that the server's certificate
/// is checked against.
///
/// Sessions of one endpoint are never offered to another one. Hosts and server names are compared
/// without regard to ASCII case, groups byte by byte.
///
/// ```
/// use libtsc::Endpoint;
///
/// let endpoint = Endpoint::new("10.0.0.7", 9142).server_name("node7.db.example");
/// # let text = format!("{endpoint:?}");
/// # assert!(text.contains("\"10.0.0.7\"") && text.contains("\"node7.db.example\""), "{text}");
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Endpoint<'a> {
    /// The host that is dialled.
    pub host: &'a [u8],
    /// Its port; 0 where there is none.
    pub port: u16,
    /// What the server's certificate is checked against; the host if empty.
    pub server_name: &'a [u8],
    /// Stands in place of host and port, for servers that share on purpose. Empty: none.
    pub group: &'a [u8],
    /// What the connection verifies besides the server name. Empty: what its config says.
    pub verification: &'a [u8],
    /// Whether the client may show a certificate of its own on this connection. Then its sessions are not
    /// shared with other processes, unless the config says so.
    pub client_certificate: bool,
}

/// Why an endpoint is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    NoHost,
    NameTooLong,
}

impl From<Invalid> for Error {
    fn from(why: Invalid) -> Self {
        match why {
            Invalid::NoHost => Self::InvalidArgument,
            Invalid::NameTooLong => Self::TooLarge,
        }
    }
}

impl<'a> Endpoint<'a> {
    /// The host that is dialled, a name or an address of 1 to 255 bytes, and its port; 0 where there is
    /// none, as for a Unix socket.
    #[must_use]
    pub fn new(host: &'a str, port: u16) -> Self {
        Self {
            host: host.as_bytes(),
            port,
            server_name: &[],
            group: &[],
            verification: &[],
            client_certificate: false,
        }
    }

    /// The name that the server's certificate is checked against (SNI), at most 255 bytes; by default the
    /// host.
    #[must_use]
    pub fn server_name(self, name: &'a str) -> Self {
        Self {
            server_name: name.as_bytes(),
            ..self
        }
    }

    /// A label that stands in place of host and port, at most 255 bytes: endpoints with the same group
    /// and server name share their sessions. Only for servers that are known to share their ticket keys,
    /// as two ports of one node may.
    #[must_use]
    pub fn group(self, group: &'a [u8]) -> Self {
        Self { group, ..self }
    }

    /// Whatever else decides, on this connection alone, whom it trusts and who it is (further names to verify,
    /// flags, a client certificate), as bytes, at most 255: a digest will do. A session is offered only to
    /// connections with the same bytes.
    #[must_use]
    pub fn verification(self, verification: &'a [u8]) -> Self {
        Self {
            verification,
            ..self
        }
    }
}

impl<'a> Endpoint<'a> {
    /// The client may show a certificate of its own on this connection, of which its config does not know.
    #[must_use]
    pub fn client_certificate(self) -> Self {
        Self {
            client_certificate: true,
            ..self
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.host.is_empty() {
            return Err(Invalid::NoHost);
        }
        let names = [self.host, self.server_name, self.group, self.verification];
        if names.iter().any(|name| name.len() > MAX_NAME) {
            return Err(Invalid::NameTooLong);
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> &[u8] {
        if self.server_name.is_empty() {
            self.host
        } else {
            self.server_name
        }
    }

    /// Appends this endpoint to a key. Each name is preceded by its length, so that no two endpoints
    /// look the same; names are compared without regard to case, as DNS does.
    pub(crate) fn encode(&self, key: &mut Vec<u8>) {
        if self.group.is_empty() {
            key.push(0);
            push_name(key, self.host);
            key.extend(self.port.to_be_bytes());
        } else {
            key.push(1);
            push(key, self.group);
        }
        push_name(key, self.name());
        push(key, self.verification);
    }

    /// How many bytes of what `encode` appended tell connections to the same server apart.
    pub(crate) fn verification_len(&self) -> usize {
        1 + self.verification.len()
    }

    /// The endpoint that `encode` appended: names in lower case, the server name always there, host and
    /// port absent where a group stands for them.
    pub(crate) fn decode(key: &'a [u8]) -> Option<Self> {
        let (&grouped, key) = key.split_first()?;
        let (first, key) = pull(key)?;
        let (host, group, port, key) = match grouped {
            0 => {
                let (port, key) = key.split_first_chunk()?;
                (first, &[][..], u16::from_be_bytes(*port), key)
            }
            1 => (&[][..], first, 0, key),
            _ => return None,
        };
        let (server_name, key) = pull(key)?;
        let (verification, rest) = pull(key)?;
        rest.is_empty().then_some(Self {
            host,
            port,
            server_name,
            group,
            verification,
            client_certificate: false,
        })
    }
}

impl fmt::Debug for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_struct("Endpoint")
            .field("host", &text(self.host))
            .field("port", &self.port)
            .field("server_name", &text(self.server_name))
            .field("group", &text(self.group))
            .finish()
    }
}

fn push_name(key: &mut Vec<u8>, name: &[u8]) {
    let start = key.len() + 1;
    push(key, name);
    key[start..].make_ascii_lowercase();
}

/// Splits off what `push` appended.
pub(crate) fn pull(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, key) = key.split_first()?;
    key.split_at_checked(len.into())
}

/// Appends bytes preceded by their length, of which `check` made sure that it fits.
pub(crate) fn push(key: &mut Vec<u8>, bytes: &[u8]) {
    key.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(bytes);
}
