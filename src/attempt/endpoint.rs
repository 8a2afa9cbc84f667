//! Who a session is for.

/// The longest name, in bytes: one byte holds its length.
pub const MAX_NAME: usize = 255;

/// Who a session is for. Empty: not given.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    pub host: &'a [u8],
    pub port: u16,
    /// What the certificate is checked against; the host if empty.
    pub server_name: &'a [u8],
    /// Stands in place of host and port, for servers that share on purpose.
    pub group: &'a [u8],
}

/// Why an endpoint is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    NoHost,
    NameTooLong,
}

impl<'a> Endpoint<'a> {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        if self.host.is_empty() {
            return Err(Invalid::NoHost);
        }
        let names = [self.host, self.server_name, self.group];
        if names.iter().any(|name| name.len() > MAX_NAME) {
            return Err(Invalid::NameTooLong);
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &[u8] {
        if self.server_name.is_empty() {
            self.host
        } else {
            self.server_name
        }
    }

    /// Appends this endpoint to a key. Each name is preceded by its length, so that no two endpoints
    /// look the same; names are compared without regard to case, as DNS does.
    pub(super) fn encode(&self, key: &mut Vec<u8>) {
        if self.group.is_empty() {
            key.push(0);
            push_name(key, self.host);
            key.extend(self.port.to_be_bytes());
        } else {
            key.push(1);
            push(key, self.group);
        }
        push_name(key, self.name());
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
        let (server_name, rest) = pull(key)?;
        rest.is_empty().then_some(Self {
            host,
            port,
            server_name,
            group,
        })
    }
}

fn push_name(key: &mut Vec<u8>, name: &[u8]) {
    let start = key.len() + 1;
    push(key, name);
    key[start..].make_ascii_lowercase();
}

/// Splits off what `push` appended.
pub(super) fn pull(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, key) = key.split_first()?;
    key.split_at_checked(len.into())
}

/// Appends bytes preceded by their length, of which `check` made sure that it fits.
pub(super) fn push(key: &mut Vec<u8>, bytes: &[u8]) {
    key.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(bytes);
}
