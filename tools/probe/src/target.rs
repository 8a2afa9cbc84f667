//! Where to connect: each address of each host that was named.

use anyhow::{Context as _, bail};
use std::net::{SocketAddr, ToSocketAddrs};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub address: SocketAddr,
}

impl Target {
    /// As it is shown: host, port, and the address where the host has several.
    pub fn label(&self) -> String {
        match self.host.parse::<std::net::IpAddr>() {
            Ok(_) => self.address.to_string(),
            Err(_) => format!("{} ({})", self.host, self.address),
        }
    }
}

/// Reads `host`, `host:port`, `[address]:port`; the port is 443 if there is none.
pub fn parse(text: &str) -> anyhow::Result<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
            let port = port
                .parse()
                .with_context(|| format!("{text}: {port:?} is no port"))?;
            (host, port)
        }
        _ => (text, 443),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        bail!("{text:?} names no host: write host:port");
    }
    Ok((host.to_owned(), port))
}

/// Looks a host up: all its addresses.
pub fn resolve(host: &str, port: u16) -> anyhow::Result<Vec<Target>> {
    let mut targets: Vec<Target> = Vec::new();
    let found = (host, port).to_socket_addrs().with_context(|| {
        format!("{host} is not found: is the name right, and is there a network?")
    })?;
    for address in found {
        let target = Target {
            host: host.to_owned(),
            address,
        };
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ports_and_addresses() {
        for (text, host, port) in [
            ("db.example", "db.example", 443),
            ("db.example:9142", "db.example", 9142),
            ("[::1]:5432", "::1", 5432),
            ("::1", "::1", 443),
            ("127.0.0.1:1", "127.0.0.1", 1),
        ] {
            assert_eq!(parse(text).unwrap(), (host.to_owned(), port), "{text}");
        }
        for text in ["", ":443", "a:b", "a:70000"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
