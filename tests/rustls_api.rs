//! rustls connections through the crate's own API, against rustls's own server over memory.

use libtsc::{Cache, Endpoint, Options, Stats};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, ResolvesClientCert};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ServerConfig, ServerConnection};
use rustls::sign::CertifiedKey;
use rustls::{
    ConnectionCommon, DigitallySignedStruct, HandshakeKind, RootCertStore, SideData,
    SignatureScheme, SupportedProtocolVersion, version,
};
use std::sync::Arc;

const NAME: &str = "db.example.com";

/// A server, and a client's configuration that trusts it.
struct Peer {
    server: Arc<ServerConfig>,
    client: ClientConfig,
    cache: Arc<Cache>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let stats = self.cache.stats();
        let dropped = stats.expired + stats.evicted + stats.displaced + stats.removed;
        let went = stats.taken + dropped + stats.sessions;
        assert_eq!(stats.stored + stats.returned, went, "the books balance");
    }
}

impl Peer {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let cert = made.cert.der().clone();
        let mut server = ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(vec![cert.clone()], PrivateKeyDer::from(key))
            .unwrap();
        server.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert).unwrap();
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client
            .dangerous()
            .set_certificate_verifier(Arc::new(AnyName));
        Self {
            server: Arc::new(server),
            client,
            cache: Cache::new(Options::default()),
        }
    }

    /// The client's configuration with the shared store.
    fn shared(&self) -> Arc<ClientConfig> {
        let mut client = self.client.clone();
        client.resumption = libtsc::rustls::resumption(&self.cache);
        Arc::new(client)
    }

    /// How a connection to this name is made. The server's tickets have arrived.
    fn connect(&self, client: &Arc<ClientConfig>, name: &str) -> HandshakeKind {
        self.run(begin(client, name)).handshake_kind().unwrap()
    }

    fn run(&self, mut client: ClientConnection) -> ClientConnection {
        let mut server = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            transfer(&mut client, &mut server);
            transfer(&mut server, &mut client);
        }
        client
    }

    fn stats(&self) -> Stats {
        self.cache.stats()
    }
}

fn begin(client: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    ClientConnection::new(Arc::clone(client), name).unwrap()
}

/// Carries over what one side has to say.
fn transfer<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
) {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut wire = wire.as_slice();
    while !wire.is_empty() {
        to.read_tls(&mut wire).unwrap();
        to.process_new_packets().unwrap();
    }
}

use HandshakeKind::{Full, Resumed};

#[test]
fn connections_that_share_a_store_use_each_ticket_once() {
    let peer = Peer::new(&version::TLS13);
    let client = peer.shared();
    assert_eq!(peer.connect(&client, NAME), Full);
    assert_eq!(peer.stats().sessions, 2);
    let three = [(); 3].map(|()| begin(&client, NAME));
    let kinds = three.map(|client| peer.run(client).handshake_kind().unwrap());
    assert_eq!(kinds, [Resumed, Resumed, Full]);
    let stats = peer.stats();
    assert_eq!((stats.offered, stats.missed), (2, 2));
    assert_eq!(stats.stored - stats.offered, stats.sessions);
}

/// A client that has a certificate to show, were it asked for one.
#[derive(Debug)]
struct Somebody;

impl ResolvesClientCert for Somebody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

type Change = fn(&mut ClientConfig);

/// What rustls itself looks at: whom the client trusts, in one object, and who it is.
const LOOKED_AT: [Change; 2] = [
    |client| {
        client
            .dangerous()
            .set_certificate_verifier(Arc::new(AnyName));
    },
    |client| client.client_auth_cert_resolver = Arc::new(Somebody),
];

#[test]
fn configs_share_nothing_though_they_share_a_cache() {
    let protocol: Change = |client| client.alpn_protocols = vec![b"x".to_vec()];
    let nothing: Change = |_| ();
    for version in [&version::TLS12, &version::TLS13] {
        for change in LOOKED_AT.into_iter().chain([protocol, nothing]) {
            let peer = Peer::new(version);
            let (first, mut other) = (peer.shared(), peer.client.clone());
            change(&mut other);
            other.resumption = libtsc::rustls::resumption(&peer.cache);
            assert_eq!(peer.connect(&first, NAME), Full);
            assert_eq!(peer.connect(&Arc::new(other), NAME), Full);
            assert_eq!(peer.connect(&first, NAME), Resumed);
        }
    }
}

#[test]
fn a_store_that_configs_share_by_hand_is_not_for_another_verifier_or_client() {
    for version in [&version::TLS12, &version::TLS13] {
        for change in LOOKED_AT {
            let peer = Peer::new(version);
            let first = peer.shared();
            let mut other = ClientConfig::clone(&first);
            change(&mut other);
            assert_eq!(peer.connect(&first, NAME), Full);
            assert_eq!(peer.connect(&Arc::new(other), NAME), Full);
        }
    }
}

#[test]
fn connections_that_share_a_store_share_a_tls12_session() {
    let peer = Peer::new(&version::TLS12);
    let client = peer.shared();
    assert_eq!(peer.connect(&client, NAME), Full);
    let three = [(); 3].map(|()| begin(&client, NAME));
    let kinds = three.map(|client| peer.run(client).handshake_kind().unwrap());
    assert_eq!(kinds, [Resumed; 3]);
    let stats = peer.stats();
    assert_eq!((stats.offered, stats.missed), (3, 1));
    assert_eq!(stats.stored - stats.displaced, stats.sessions);
    assert_eq!(stats.sessions, 1);
}

#[test]
fn names_in_any_case_are_one_and_addresses_another() {
    let peer = Peer::new(&version::TLS13);
    let client = peer.shared();
    assert_eq!(peer.connect(&client, NAME), Full);
    assert_eq!(peer.connect(&client, "DB.Example.COM"), Resumed);
    for other in ["other.example.com", "192.0.2.1", "2001:db8::1", "192.0.2.2"] {
        assert_eq!(peer.connect(&client, other), Full, "{other}");
        assert_eq!(peer.connect(&client, other), Resumed, "{other}");
    }
}

#[test]
fn an_endpoints_configuration_is_for_its_name_alone() {
    let peer = Peer::new(&version::TLS13);
    let config = libtsc::rustls::Config::new(&peer.cache, peer.client.clone());
    let endpoint = |port| Endpoint::new("192.0.2.1", port).server_name(NAME);
    let client = config.for_endpoint(&endpoint(1)).unwrap();
    assert_eq!(peer.connect(&client, "other.example.com"), Full);
    assert_eq!(peer.stats().stored, 0);
    assert_eq!(peer.connect(&client, NAME), Full);
    let other = config.for_endpoint(&endpoint(2)).unwrap();
    assert_eq!(peer.connect(&other, NAME), Full);
    let again = config.for_endpoint(&endpoint(1)).unwrap();
    assert_eq!(peer.connect(&again, NAME), Resumed);
    // Attempts to the same endpoint find the same.
    let attempt = config.begin(&endpoint(1)).unwrap();
    assert_eq!(peer.connect(&attempt.client_config(), NAME), Resumed);
    attempt.established(true).unwrap();
}

#[test]
fn sessions_do_not_cross_to_another_configuration() {
    for version in [&version::TLS12, &version::TLS13] {
        let peer = Peer::new(version);
        let client = peer.shared();
        assert_eq!(peer.connect(&client, NAME), Full);
        assert_eq!(peer.connect(&peer.shared(), NAME), Full);
        // A configuration that was cloned has the same store; rustls itself tells them apart.
        let mut clone = ClientConfig::clone(&client);
        clone
            .dangerous()
            .set_certificate_verifier(Arc::new(AnyName));
        assert_eq!(peer.connect(&Arc::new(clone), NAME), Full);
    }
}

#[test]
fn a_closed_cache_keeps_and_offers_nothing() {
    let peer = Peer::new(&version::TLS13);
    let client = peer.shared();
    assert_eq!(peer.connect(&client, NAME), Full);
    peer.cache.close();
    assert_eq!(peer.connect(&client, NAME), Full);
    let stats = peer.stats();
    assert_eq!((stats.sessions, stats.discarded_disabled), (0, 2));
}

/// Believes every certificate.
#[derive(Debug)]
struct AnyName;

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
