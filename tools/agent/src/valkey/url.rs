//! Where Valkey is: a URL.

use super::cluster::Cluster;
use super::engine::Engine;
use super::link::{Link, Primary};
use super::sentinel::Sentinels;
use anyhow::{Context as _, bail};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, TlsCertificates,
};
use std::path::Path;

/// The files with the certificates.
pub(super) struct Files<'a> {
    pub(super) authorities: Option<&'a Path>,
    /// The agent's own, and its key.
    pub(super) own: Option<(&'a Path, &'a Path)>,
}

const SENTINEL_PORT: u16 = 26379;

pub(super) fn engine(url: &str, files: &Files<'_>) -> anyhow::Result<Engine> {
    let certificates = files.read()?;
    parse(url, &certificates).context("the URL of Valkey")
}

fn parse(url: &str, certificates: &TlsCertificates) -> anyhow::Result<Engine> {
    let (scheme, rest) = url.split_once("://").context("it has no scheme")?;
    let (scheme, kind) = match scheme.split_once('+') {
        Some((scheme @ ("redis" | "rediss" | "valkey" | "valkeys"), kind)) => (scheme, kind),
        _ => (scheme, ""),
    };
    let several = Several::of(scheme, rest);
    Ok(match kind {
        "sentinel" => {
            let link = Link::new(Primary::Sentinels(several.sentinels(certificates)?.into()));
            Engine::One(link.into())
        }
        "cluster" => Engine::Cluster(Cluster::new(several.seeds(certificates)?).into()),
        _ => {
            let client = Client::open(with(url.into_connection_info()?, certificates)?)?;
            Engine::One(Link::new(Primary::At(client.into())).into())
        }
    })
}

/// The parts of `SCHEME+KIND://USER:PASSWORD@HOST:PORT,HOST:PORT/PATH?QUERY`.
struct Several<'a> {
    scheme: &'a str,
    /// With its `@`.
    user: &'a str,
    hosts: std::str::Split<'a, char>,
    path: &'a str,
    /// With its `?`.
    query: &'a str,
}

impl<'a> Several<'a> {
    fn of(scheme: &'a str, rest: &'a str) -> Self {
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        Self {
            scheme,
            user,
            hosts: hosts.split(','),
            path: path.trim_matches('/'),
            query,
        }
    }

    fn sentinels(self, certificates: &TlsCertificates) -> anyhow::Result<Sentinels> {
        let (service, database) = self.path.split_once('/').unwrap_or((self.path, ""));
        if service.is_empty() {
            bail!("it does not name the service: /SERVICE after the hosts");
        }
        let mut clients = Vec::new();
        let mut server = None;
        for host in self.hosts {
            let (scheme, user, query) = (self.scheme, self.user, self.query);
            let url = format!("{scheme}://{user}{host}/{database}{query}");
            let mut url = redis::parse_redis_url(&url).context("it is not valid")?;
            let info = with(url.clone().into_connection_info()?, certificates)?;
            let mut login = RedisConnectionInfo::default();
            for (name, value) in url.query_pairs() {
                match &*name {
                    "sentinel_username" => login = login.set_username(value),
                    "sentinel_password" => login = login.set_password(value),
                    _ => {}
                }
            }
            if url.port().is_none() {
                let _ = url.set_port(Some(SENTINEL_PORT));
            }
            let sentinel = with(url.into_connection_info()?, certificates)?;
            clients.push(Client::open(sentinel.set_redis_settings(login))?);
            server = Some(info);
        }
        let server = server.context("it names no host")?;
        Ok(Sentinels {
            clients,
            service: service.into(),
            server,
        })
    }

    fn seeds(self, certificates: &TlsCertificates) -> anyhow::Result<Vec<ConnectionInfo>> {
        let (scheme, user, path, query) = (self.scheme, self.user, self.path, self.query);
        let seeds = self.hosts.map(|host| {
            let url = format!("{scheme}://{user}{host}/{path}{query}");
            with(url.into_connection_info()?, certificates)
        });
        seeds.collect()
    }
}

/// With the certificates, if it is spoken to by TLS.
fn with(info: ConnectionInfo, certificates: &TlsCertificates) -> anyhow::Result<ConnectionInfo> {
    if let ConnectionAddr::TcpTls { .. } = info.addr() {
        let client = Client::build_with_tls(info, certificates.clone())?;
        return Ok(client.get_connection_info().clone());
    }
    Ok(info)
}

/// A server spoken to in the same way, that is elsewhere.
pub(super) fn at(info: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let mut address = info.addr().clone();
    match &mut address {
        ConnectionAddr::TcpTls {
            host: old_host,
            port: old_port,
            ..
        }
        | ConnectionAddr::Tcp(old_host, old_port) => {
            *old_host = host;
            *old_port = port;
        }
        _ => {}
    }
    info.clone().set_addr(address)
}

impl Files<'_> {
    fn read(&self) -> anyhow::Result<TlsCertificates> {
        let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
        let client_tls = match self.own {
            None => None,
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read(certificate)?,
                client_key: read(key)?,
            }),
        };
        Ok(TlsCertificates {
            client_tls,
            root_cert: self.authorities.map(read).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_CERTIFICATES: TlsCertificates = TlsCertificates {
        client_tls: None,
        root_cert: None,
    };

    #[test]
    fn a_url_names_sentinels_a_service_and_who_asks() {
        let rest =
            "me:p%40ss@one,two:1,[::1]:2/fleet/3?sentinel_username=asker&sentinel_password=a%26b";
        let found = Several::of("redis", rest).sentinels(&NO_CERTIFICATES);
        let found = found.unwrap();
        assert_eq!(found.service, "fleet");
        let login = found.server.redis_settings();
        assert_eq!(
            (login.username(), login.password()),
            (Some("me"), Some("p@ss"))
        );
        assert_eq!(login.db(), 3);
        let addresses = [("one", 26379), ("two", 1), ("::1", 2)];
        assert_eq!(found.clients.len(), addresses.len());
        for (client, (host, port)) in found.clients.iter().zip(addresses) {
            let info = client.get_connection_info();
            assert_eq!(*info.addr(), ConnectionAddr::Tcp(host.into(), port));
            let login = info.redis_settings();
            assert_eq!(
                (login.username(), login.password()),
                (Some("asker"), Some("a&b"))
            );
            assert_eq!(login.db(), 0);
        }
        let elsewhere = at(&found.server, "other".into(), 4);
        assert_eq!(*elsewhere.addr(), ConnectionAddr::Tcp("other".into(), 4));
        assert_eq!(elsewhere.redis_settings().username(), Some("me"));
    }

    #[test]
    fn all_that_a_url_leads_to_is_spoken_to_by_tls_or_none() {
        for (scheme, tls) in [
            ("redis", false),
            ("valkey", false),
            ("rediss", true),
            ("valkeys", true),
        ] {
            let is_tls = |info: &ConnectionInfo| {
                matches!(
                    info.addr(),
                    ConnectionAddr::TcpTls {
                        insecure: false,
                        ..
                    }
                )
            };
            let found = Several::of(scheme, "one,two/fleet").sentinels(&NO_CERTIFICATES);
            let found = found.unwrap();
            assert_eq!(is_tls(&at(&found.server, "other".into(), 1)), tls);
            for client in &found.clients {
                assert_eq!(is_tls(client.get_connection_info()), tls);
            }
            for seed in Several::of(scheme, "one,two")
                .seeds(&NO_CERTIFICATES)
                .unwrap()
            {
                assert_eq!(is_tls(&seed), tls);
            }
        }
    }
}
