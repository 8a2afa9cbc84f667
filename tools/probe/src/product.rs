//! Which server it is, where it shows itself in its first answer.

use crate::protocol::Protocol;
use serde::{Deserialize, Serialize};

/// What is known to need advice of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    Nginx,
    Scylla,
    Cassandra,
    Postgresql,
    /// Or Valkey, which answers the same.
    Redis,
}

impl Product {
    /// By the answer to the protocol's first question.
    pub fn of(protocol: Protocol, answer: &[u8]) -> Option<Self> {
        let has = |text: &str| {
            answer
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        match protocol {
            Protocol::Http => server(answer)?.starts_with("nginx").then_some(Self::Nginx),
            // Both list what they support; only Scylla its shards.
            Protocol::Cql if has("SCYLLA_") => Some(Self::Scylla),
            Protocol::Cql if has("CQL_VERSION") => Some(Self::Cassandra),
            // A request for the password, or an error, which begins with its severity.
            Protocol::Postgres => {
                let asks = answer.first() == Some(&b'R');
                let refuses = answer.first() == Some(&b'E') && has("SFATAL");
                (asks || refuses).then_some(Self::Postgresql)
            }
            Protocol::Redis => {
                let is = answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH");
                is.then_some(Self::Redis)
            }
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Scylla => "ScyllaDB",
            Self::Cassandra => "Cassandra",
            Self::Postgresql => "PostgreSQL",
            Self::Redis => "Redis or Valkey",
        }
    }

    /// How it is made to issue sessions.
    pub fn switches_on(self) -> &'static str {
        match self {
            Self::Nginx => {
                "Switch sessions on: ssl_session_tickets on, and ssl_session_cache shared:tls:10m."
            }
            Self::Scylla => {
                "Switch sessions on: enable_session_tickets: true in client_encryption_options."
            }
            Self::Cassandra => {
                "Cassandra issues sessions with the TLS of its JDK and with BoringSSL (netty-tcnative) unless a system \
                 property such as jdk.tls.server.enableSessionTicketExtension=false switches them off."
            }
            Self::Postgresql => {
                "PostgreSQL issues no sessions, by its own choice: put a TLS proxy in front, or do without."
            }
            Self::Redis => {
                "Switch sessions on: tls-session-caching yes. TLS 1.3 tickets come after the handshake, so let clients \
                 read before they close."
            }
        }
    }

    /// Why it refuses what it has issued, and what to do.
    pub fn takes_its_own(self) -> &'static str {
        match self {
            Self::Nginx => {
                "Sessions are issued and not taken. nginx without ssl_session_tickets needs a cache \
                 (ssl_session_cache shared:tls:10m); several servers behind this address need the same keys \
                 (ssl_session_ticket_key)."
            }
            Self::Scylla | Self::Cassandra => {
                "Sessions are issued and not taken: every node has keys of its own, so connections have to return to \
                 the node that issued; a load balancer in between does not let them."
            }
            Self::Postgresql | Self::Redis => {
                "Sessions are issued and not taken: behind this address there seem to be several servers, each with \
                 keys of its own."
            }
        }
    }
}

/// The header of that name.
fn server(answer: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(answer).ok()?;
    let mut lines = head.lines().take_while(|line| !line.is_empty());
    let value = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("server").then_some(value)
    });
    value.map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_show_themselves() {
        let known: [(Protocol, &[u8], Option<Product>); 10] = [
            (
                Protocol::Http,
                b"HTTP/1.1 200 OK\r\nserver: nginx/1.22.1\r\n\r\n",
                Some(Product::Nginx),
            ),
            (
                Protocol::Http,
                b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nServer: nginx",
                None,
            ),
            (
                Protocol::Http,
                b"HTTP/1.1 200 OK\r\nServer: Apache\r\n\r\n",
                None,
            ),
            (
                Protocol::Cql,
                b"\x84\0\0\0\x06..SCYLLA_SHARD..CQL_VERSION",
                Some(Product::Scylla),
            ),
            (
                Protocol::Cql,
                b"\x84\0\0\0\x06..CQL_VERSION..",
                Some(Product::Cassandra),
            ),
            (
                Protocol::Postgres,
                b"R\0\0\0\x17\0\0\0\nSCRAM",
                Some(Product::Postgresql),
            ),
            (
                Protocol::Postgres,
                b"E\0\0\0\x50SFATAL\0",
                Some(Product::Postgresql),
            ),
            (
                Protocol::Redis,
                b"-NOAUTH Authentication required.\r\n",
                Some(Product::Redis),
            ),
            (Protocol::Redis, b"", None),
            (Protocol::None, b"Server: nginx", None),
        ];
        for (protocol, answer, product) in known {
            assert_eq!(
                Product::of(protocol, answer),
                product,
                "{}",
                answer.escape_ascii()
            );
        }
    }
}
