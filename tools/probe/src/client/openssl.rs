//! On OpenSSL, which can offer a session twice, or a damaged one.

use super::{Heard, MOMENT, Refusal, Settings, Tls, Visit, is_timeout};
use crate::ffi;
use crate::ticket::Ticket;
use crate::wire::Wire;
use anyhow::Context as _;
use cpu_time::ThreadTime;
use openssl::ssl::{
    ErrorCode, ExtensionContext, HandshakeError, Ssl, SslContext, SslFiletype, SslMethod,
    SslOptions, SslRef, SslSession, SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509VerifyResult;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

pub struct Client {
    context: SslContext,
    name: String,
    insecure: bool,
    moment: Duration,
    pub allows_psk_ke: bool,
}

/// What a connection's callbacks gather.
#[derive(Default)]
struct Gathered {
    sessions: Vec<(Instant, SslSession)>,
    promised: Option<u8>,
    listener: Option<Listener>,
}

type Listener = Box<dyn Fn(&Ticket) + Send>;

type Basket = Arc<Mutex<Gathered>>;

fn basket() -> openssl::ex_data::Index<Ssl, Basket> {
    static INDEX: OnceLock<openssl::ex_data::Index<Ssl, Basket>> = OnceLock::new();
    *INDEX.get_or_init(|| Ssl::new_ex_index().expect("OpenSSL has room for one index"))
}

fn gather(ssl: &SslRef, with: impl FnOnce(&mut Gathered)) {
    if let Some(basket) = ssl.ex_data(basket()) {
        with(&mut basket.lock().expect("nobody panics with it"));
    }
}

impl Client {
    /// `tickets`: how many to ask for (RFC 9149); 0: do not ask.
    pub fn new(
        settings: &Settings,
        version: Option<SslVersion>,
        tickets: u8,
    ) -> anyhow::Result<Self> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(version.or(Some(SslVersion::TLS1_2)))?;
        builder.set_max_proto_version(version)?;
        builder.clear_options(SslOptions::NO_TICKET);
        builder
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        builder.set_new_session_callback(|ssl, session| {
            gather(ssl, |gathered| {
                if let Some(listener) = &gathered.listener {
                    listener(&Ticket::of(session.clone()));
                }
                gathered.sessions.push((Instant::now(), session));
            });
        });
        if settings.insecure {
            builder.set_verify(SslVerifyMode::NONE);
        } else {
            builder.set_verify(SslVerifyMode::PEER);
            match &settings.ca {
                Some(file) => builder
                    .set_ca_file(file)
                    .with_context(|| format!("--ca {}", file.display()))?,
                None => builder.set_default_verify_paths()?,
            }
        }
        if let Some((certificate, key)) = &settings.certificate {
            builder
                .set_certificate_chain_file(certificate)
                .with_context(|| format!("--cert {}", certificate.display()))?;
            builder
                .set_private_key_file(key, SslFiletype::PEM)
                .with_context(|| format!("--key {}", key.display()))?;
        }
        if !settings.alpn.is_empty() {
            let mut protocols = Vec::new();
            for name in &settings.alpn {
                protocols.push(u8::try_from(name.len()).context("--alpn: a name is too long")?);
                protocols.extend_from_slice(name.as_bytes());
            }
            builder.set_alpn_protos(&protocols)?;
        }
        if let Some(groups) = &settings.groups {
            builder.set_groups_list(groups)?;
        }
        if tickets > 0 {
            ask_for_tickets(&mut builder, tickets)?;
        }
        Ok(Self {
            context: builder.build(),
            name: settings.name.clone(),
            insecure: settings.insecure,
            moment: MOMENT.min(settings.quiet),
            allows_psk_ke: false,
        })
    }

    pub fn shake(
        &self,
        stream: Arc<TcpStream>,
        offer: Option<&SslSession>,
    ) -> Result<(Box<dyn Tls>, Visit), Refusal> {
        let fault = |error: openssl::error::ErrorStack| Refusal::Handshake(error.to_string());
        let mut ssl = Ssl::new(&self.context).map_err(fault)?;
        if self.allows_psk_ke {
            ffi::allow_psk_ke(&mut ssl);
        }
        let name = &self.name;
        if name.parse::<std::net::IpAddr>().is_err() {
            ssl.set_hostname(name).map_err(fault)?;
        }
        if !self.insecure {
            let verified = match name.parse() {
                Ok(address) => ssl.param_mut().set_ip(address),
                Err(_) => ssl.param_mut().set_host(name),
            };
            verified.map_err(fault)?;
        }
        let gathered = Basket::default();
        ssl.set_ex_data(basket(), gathered.clone());
        if let Some(session) = offer {
            // SAFETY: it came from a context of this client's kind, and OpenSSL counts who refers to it.
            unsafe { ssl.set_session(session) }.map_err(fault)?;
        }
        let cpu = ThreadTime::now();
        let tls = match ssl.connect(Wire::new(stream)) {
            Ok(tls) => tls,
            Err(error) => return Err(refusal(error)),
        };
        let cpu = cpu.elapsed();
        let ssl = tls.ssl();
        let version = ssl.version2().unwrap_or(SslVersion::TLS1_2);
        let visit = Visit {
            resumed: ssl.session_reused(),
            certificates: match ssl.session_reused() {
                true => 0,
                false => ssl
                    .peer_cert_chain()
                    .into_iter()
                    .flatten()
                    .filter_map(|certificate| certificate.to_der().ok())
                    .map(|encoded| encoded.len())
                    .sum(),
            },
            cipher: ssl
                .current_cipher()
                .map_or_else(String::new, |c| c.name().to_owned()),
            ..Visit::of(tls.get_ref(), version, cpu)
        };
        let _ = tls.get_ref().socket().set_read_timeout(Some(self.moment));
        Ok((Box::new(Connection { tls, gathered }), visit))
    }
}

struct Connection {
    tls: SslStream<Wire>,
    gathered: Basket,
}

impl Connection {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().expect("nobody panics with it")
    }
}

impl Tls for Connection {
    fn hear(&mut self, buffer: &mut [u8]) -> Heard {
        match self.tls.ssl_read(buffer) {
            Ok(read) => Heard::Bytes(read),
            Err(error) if error.code() == ErrorCode::WANT_READ => Heard::Nothing,
            Err(error) => match reason(&error).filter(|reason| reason.contains(" alert ")) {
                Some(alert) => Heard::Alert(alert.to_owned()),
                None => Heard::End,
            },
        }
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.write_all(bytes)
    }

    fn arrived(&mut self) -> Vec<(Instant, Ticket)> {
        let sessions = std::mem::take(&mut self.gathered().sessions);
        sessions
            .into_iter()
            .map(|(came, session)| (came, Ticket::of(session)))
            .collect()
    }

    fn promised(&self) -> Option<u8> {
        self.gathered().promised
    }

    fn on_ticket(&mut self, listener: Box<dyn Fn(&Ticket) + Send>) {
        self.gathered().listener = Some(listener);
    }

    fn close(&mut self) {
        let _ = self.tls.shutdown();
    }
}

/// Adds the extension `ticket_request`, which OpenSSL does not know by itself.
fn ask_for_tickets(
    builder: &mut openssl::ssl::SslContextBuilder,
    tickets: u8,
) -> Result<(), openssl::error::ErrorStack> {
    const TICKET_REQUEST: u16 = 58;
    builder.add_custom_ext(
        TICKET_REQUEST,
        ExtensionContext::CLIENT_HELLO | ExtensionContext::TLS1_3_ENCRYPTED_EXTENSIONS,
        // For a new session, and for a resumed one.
        move |_ssl, _context, _certificate| Ok(Some([tickets, tickets])),
        |ssl, _context, answer, _certificate| {
            gather(ssl, |gathered| gathered.promised = answer.first().copied());
            Ok(())
        },
    )
}

/// What OpenSSL says first.
fn reason(error: &openssl::ssl::Error) -> Option<&'static str> {
    error.ssl_error()?.errors().first()?.reason()
}

fn refusal(error: HandshakeError<Wire>) -> Refusal {
    let stream = match error {
        HandshakeError::SetupFailure(error) => return Refusal::Handshake(error.to_string()),
        HandshakeError::WouldBlock(_) => return Refusal::Silent,
        HandshakeError::Failure(stream) => stream,
    };
    let verified = stream.ssl().verify_result();
    if verified != X509VerifyResult::OK && stream.ssl().verify_mode() != SslVerifyMode::NONE {
        return Refusal::Certificate(verified.error_string().to_owned());
    }
    let error = stream.error();
    match (error.io_error(), error.ssl_error()) {
        (Some(io), _) if is_timeout(io) => Refusal::Silent,
        (Some(_), _) => Refusal::Closed,
        (None, Some(_)) => match reason(error) {
            Some("unexpected eof while reading") => Refusal::Closed,
            reason => Refusal::Handshake(reason.unwrap_or("OpenSSL does not say why").to_owned()),
        },
        (None, None) => Refusal::Closed,
    }
}
