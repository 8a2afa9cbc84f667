//! Which server it is, where it shows itself by what it answers.

use super::Unknown;
use crate::client::Client;
use crate::pace::Pace;
use crate::protocol::Protocol;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

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
    Haproxy,
}

/// What a server of HTTP answers to a request that has a line without a colon in its head. A proxy answers it by
/// itself, so that this shows who speaks TLS, and not who is behind. None: it does not answer.
pub fn look(pace: &Pace, client: &Client, address: SocketAddr) -> Result<Option<Vec<u8>>, Unknown> {
    pace.connection()?;
    let mut open = client.open(address, None)?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nUser-Agent: tsc-probe\r\nConnection: close\r\nwhich server is this\r\n\r\n",
        client.name()
    );
    let answer = open.exchange(request.as_bytes(), is_enough);
    open.close();
    Ok(answer.ok())
}

/// All of an error; of anything else, the head.
fn is_enough(answer: &[u8]) -> bool {
    let Some((head, body)) = parts(answer) else {
        return false;
    };
    let length = header(head, "content-length").and_then(|length| length.parse().ok());
    !head.contains(" 400 ") || body.len() >= length.unwrap_or(0)
}

impl Product {
    /// By the answer to the protocol's first question, or of HTTP to a malformed one.
    pub fn of(protocol: Protocol, answer: &[u8]) -> Option<Self> {
        let has = |text: &str| {
            answer
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        match protocol {
            // It says its name nowhere, but these words in the errors of its own.
            Protocol::Http if has(HAPROXY_400) => Some(Self::Haproxy),
            Protocol::Http => {
                let (head, _) = parts(answer)?;
                let server = header(head, "server")?;
                server.starts_with("nginx").then_some(Self::Nginx)
            }
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
            Self::Haproxy => "HAProxy",
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
            Self::Haproxy => {
                "Switch sessions on: remove no-tls-tickets from the bind line and from ssl-default-bind-options, and \
                 tune.ssl.cachesize 0 if it is there."
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
            Self::Haproxy => {
                "Sessions are issued and not taken. HAProxy with no-tls-tickets needs its cache (no tune.ssl.cachesize \
                 0); several of them behind this address need the same keys (tls-ticket-keys FILE on the bind line)."
            }
        }
    }

    /// How several of them share their keys, and one keeps them when it is reloaded; None: not at all.
    pub fn keeps_keys(self) -> Option<&'static str> {
        match self {
            Self::Nginx => Some("nginx: ssl_session_ticket_key FILE"),
            Self::Haproxy => Some("HAProxy: tls-ticket-keys FILE on the bind line"),
            Self::Scylla | Self::Cassandra | Self::Postgresql | Self::Redis => None,
        }
    }
}

const HAPROXY_400: &str =
    "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n";

/// Head and body, if the head is all there.
fn parts(answer: &[u8]) -> Option<(&str, &[u8])> {
    const END: &[u8] = b"\r\n\r\n";
    let at = answer.windows(END.len()).position(|part| part == END)?;
    let head = std::str::from_utf8(&answer[..at]).ok()?;
    Some((head, &answer[at + END.len()..]))
}

/// The header of that name.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let value = head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value)
    });
    value.map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_to_its_end() {
        let error = b"HTTP/1.1 400 Bad request\r\nContent-Length: 4\r\n\r\nbody";
        for length in 0..error.len() {
            assert!(!is_enough(&error[..length]), "{length}");
        }
        assert!(is_enough(error));
        assert!(is_enough(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"));
        assert!(is_enough(b"HTTP/1.1 400 Bad request\r\n\r\n"));
    }

    #[test]
    fn servers_show_themselves() {
        let known: [(Protocol, &[u8], Option<Product>); 12] = [
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
                Protocol::Http,
                b"HTTP/1.1 400 Bad request\r\nContent-length: 90\r\n\r\n<html><body><h1>400 Bad request</h1>\nYour \
                  browser sent an invalid request.\n</body></html>\n",
                Some(Product::Haproxy),
            ),
            (
                Protocol::Http,
                b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<center>nginx</center>",
                Some(Product::Nginx),
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
