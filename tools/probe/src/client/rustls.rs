//! On rustls, with libtsc between: what a client gets that uses `libtsc::rustls`.

use super::{Heard, MOMENT, Refusal, Settings, Tls, Visit, is_timeout};
use crate::ticket::Ticket;
use crate::wire::Wire;
use anyhow::Context as _;
use cpu_time::ThreadTime;
use libtsc::rustls::{Attempt, Config};
use libtsc::{Cache, Endpoint, Failure, Options};
use openssl::ssl::SslVersion;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion,
    RootCertStore, SignatureScheme,
};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    endpoint: String,
    moment: Duration,
}

/// The sessions that descend from one full handshake, in a cache of their own: rustls has no other way to say
/// which of them to offer.
pub struct Held {
    config: Config,
    endpoint: String,
}

impl Held {
    fn new(client: &Client) -> Arc<Self> {
        let cache = Cache::new(Options::default());
        Arc::new(Self {
            config: Config::new(&cache, client.config.clone()),
            endpoint: client.endpoint.clone(),
        })
    }

    fn endpoint(&self) -> Endpoint<'_> {
        // Each cache is for one server, so that the port tells nothing apart.
        Endpoint::new(&self.endpoint, 443)
    }

    pub fn available(&self) -> usize {
        let available = self.config.config().available(&self.endpoint());
        available.unwrap_or(0)
    }
}

impl Client {
    pub fn new(settings: &Settings, version: Option<SslVersion>) -> anyhow::Result<Self> {
        let mut provider = aws_lc_rs::default_provider();
        if let Some(groups) = &settings.groups {
            provider.kx_groups = chosen(groups)?;
        }
        let provider = Arc::new(provider);
        let versions = match version {
            None => rustls::ALL_VERSIONS,
            Some(SslVersion::TLS1_3) => &[&rustls::version::TLS13],
            Some(_) => &[&rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)?;
        let builder = match settings.insecure {
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            false => builder.with_root_certificates(roots(settings)?),
        };
        let mut config = match &settings.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect)
                    .with_context(|| format!("--cert {}", certificate.display()))?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .with_context(|| format!("--key {}", key.display()))?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        let names = settings.alpn.iter();
        config.alpn_protocols = names.map(|name| name.clone().into()).collect();
        Ok(Self {
            config: Arc::new(config),
            name: ServerName::try_from(settings.name.clone())
                .with_context(|| format!("{} is no name of a server", settings.name))?,
            endpoint: settings.name.clone(),
            moment: MOMENT.min(settings.quiet),
        })
    }

    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// What a driver does for each connection, with libtsc.
    pub fn shake(
        &self,
        stream: Arc<TcpStream>,
        offer: Option<&Arc<Held>>,
    ) -> Result<(Box<dyn Tls>, Visit), Refusal> {
        let held = offer.cloned().unwrap_or_else(|| Held::new(self));
        let begun = held.config.begin(&held.endpoint());
        let attempt = begun.map_err(|error| Refusal::Connect(error.to_string()))?;
        let (mut tls, visit) = self
            .connect(stream, attempt.client_config())
            .inspect_err(|_| _ = attempt.failed(Failure::HANDSHAKE))?;
        // There is no login here.
        let _ = attempt.established(visit.resumed);
        tls.gathers = Some(Gathers {
            attempt,
            held,
            version: visit.version,
            seen: 0,
        });
        Ok((Box::new(tls), visit))
    }

    /// Shakes hands with a configuration that may have sessions.
    pub fn connect(
        &self,
        stream: Arc<TcpStream>,
        config: Arc<ClientConfig>,
    ) -> Result<(Connection, Visit), Refusal> {
        let cpu = ThreadTime::now();
        let mut tls = ClientConnection::new(config, self.name.clone())
            .map_err(|error| Refusal::Handshake(error.to_string()))?;
        let mut wire = Wire::new(stream);
        while tls.is_handshaking() {
            tls.complete_io(&mut wire).map_err(refusal)?;
        }
        // The client's last message may still wait to be sent.
        while tls.wants_write() {
            tls.write_tls(&mut wire).map_err(refusal)?;
        }
        let certificates = tls.peer_certificates().unwrap_or_default();
        let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let version = match tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => SslVersion::TLS1_3,
            _ => SslVersion::TLS1_2,
        };
        let suite = tls.negotiated_cipher_suite();
        let visit = Visit {
            resumed,
            certificates: match resumed {
                true => 0,
                false => certificates.iter().map(|encoded| encoded.len()).sum(),
            },
            cipher: suite.map_or_else(String::new, |suite| {
                let name = suite.suite().as_str().unwrap_or_default();
                name.replace("TLS13_", "TLS_")
            }),
            ..Visit::of(&wire, version, cpu.elapsed())
        };
        let _ = wire.socket().set_read_timeout(Some(self.moment));
        let connection = Connection {
            tls,
            wire,
            gathers: None,
        };
        Ok((connection, visit))
    }
}

/// The groups that are named, in that order.
fn chosen(names: &str) -> anyhow::Result<Vec<&'static dyn SupportedKxGroup>> {
    let named = |name| {
        // OpenSSL says P-256, and rustls secp256r1.
        let spelled = match name {
            "P-256" => "secp256r1",
            "P-384" => "secp384r1",
            other => other,
        };
        let mut groups = aws_lc_rs::ALL_KX_GROUPS.iter();
        let found =
            groups.find(|group| format!("{:?}", group.name()).eq_ignore_ascii_case(spelled));
        found
            .copied()
            .with_context(|| format!("--groups {name}: rustls does not have it"))
    };
    names.split(':').map(named).collect()
}

fn roots(settings: &Settings) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(file) => {
            let named = || format!("--ca {}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).with_context(named)? {
                let certificate = certificate.with_context(named)?;
                roots.add(certificate).with_context(named)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// --insecure.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub struct Connection {
    tls: ClientConnection,
    wire: Wire,
    /// None: the caller has the attempt, and libtsc gets what comes.
    gathers: Option<Gathers>,
}

struct Gathers {
    attempt: Attempt,
    held: Arc<Held>,
    version: SslVersion,
    seen: u32,
}

impl Connection {
    /// What is decrypted already.
    fn decrypted(&mut self, buffer: &mut [u8]) -> Heard {
        match self.tls.reader().read(buffer) {
            Ok(read @ 1..) => Heard::Bytes(read),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Heard::Nothing,
            Ok(0) | Err(_) => Heard::End,
        }
    }
}

impl Tls for Connection {
    fn hear(&mut self, buffer: &mut [u8]) -> Heard {
        let decrypted = self.decrypted(buffer);
        if !matches!(decrypted, Heard::Nothing) {
            return decrypted;
        }
        match self.tls.read_tls(&mut self.wire) {
            Err(error) if is_timeout(&error) => Heard::Nothing,
            Ok(1..) => match self.tls.process_new_packets() {
                Ok(_) => self.decrypted(buffer),
                Err(error @ rustls::Error::AlertReceived(_)) => Heard::Alert(error.to_string()),
                Err(_) => Heard::End,
            },
            Ok(_) | Err(_) => Heard::End,
        }
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire)?;
        }
        Ok(())
    }

    fn arrived(&mut self) -> Vec<(Instant, Ticket)> {
        let Some(gathers) = &mut self.gathers else {
            return Vec::new();
        };
        let received = gathers.attempt.info().map_or(0, |info| info.received);
        let new = received.saturating_sub(gathers.seen);
        gathers.seen = received;
        let now = Instant::now();
        (0..new)
            .map(|_| {
                let held = gathers.held.clone();
                (now, Ticket::held(held, gathers.version))
            })
            .collect()
    }

    fn close(&mut self) {
        self.tls.send_close_notify();
        while self.tls.wants_write() && self.tls.write_tls(&mut self.wire).is_ok() {}
    }
}

fn refusal(error: io::Error) -> Refusal {
    if is_timeout(&error) {
        return Refusal::Silent;
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => Refusal::Certificate(explained(why)),
        Some(other) => Refusal::Handshake(other.to_string()),
        None => Refusal::Closed,
    }
}

/// rustls names what webpki alone checks by its identifier.
fn explained(why: &rustls::CertificateError) -> String {
    let text = why.to_string();
    match text.contains("CaUsedAsEndEntity") {
        true => "it is an authority's own (CA:TRUE), which rustls does not take from a server; OpenSSL does \
                 (--backend openssl)"
            .to_owned(),
        false => text,
    }
}
