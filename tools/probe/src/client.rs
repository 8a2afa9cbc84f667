//! One TLS configuration, and the connections made with it.

use crate::protocol::Protocol;
use crate::ticket::Ticket;
use crate::wire::Wire;
use anyhow::Context as _;
use cpu_time::ThreadTime;
use openssl::ssl::{
    ErrorCode, ExtensionContext, HandshakeError, Ssl, SslContext, SslFiletype, SslMethod,
    SslOptions, SslRef, SslSession, SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509VerifyResult;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What decides how the server is spoken to; the same for all connections of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: String,
    pub protocol: Protocol,
    pub insecure: bool,
    pub ca: Option<PathBuf>,
    pub certificate: Option<(PathBuf, PathBuf)>,
    pub alpn: Vec<String>,
    pub groups: Option<String>,
    /// For each step: to connect, to shake hands, to answer.
    pub patience: Duration,
    /// For how long a server is listened to that may yet send tickets.
    pub quiet: Duration,
}

/// A way to connect: the settings, one version of TLS, and what is asked for.
pub struct Client {
    context: SslContext,
    settings: Settings,
}

/// When a ticket came.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// In the handshake itself, as in TLS 1.2.
    Handshake,
    /// After it, before anything was asked.
    BeforeRequest,
    /// After the first request.
    AfterRequest,
}

#[derive(Clone)]
pub struct Arrival {
    pub ticket: Ticket,
    pub phase: Phase,
    /// Since the handshake was over.
    pub after: Duration,
}

/// A connection that was made and is over.
pub struct Visit {
    pub resumed: bool,
    pub tickets: Vec<Arrival>,
    /// The client's, for the handshake alone.
    pub cpu: Duration,
    /// Until the server's first bytes of TLS.
    pub server_hello: Duration,
    pub handshake: Duration,
    pub client_hello: usize,
    /// Of the handshake.
    pub sent: usize,
    pub received: usize,
    /// The server's certificates, as they are sent.
    pub certificates: usize,
    pub cipher: String,
    /// What the server answered to a request for tickets (RFC 9149); None: nothing.
    pub promised: Option<u8>,
}

/// Why there was no connection.
#[derive(Clone, Debug)]
pub enum Refusal {
    Connect(String),
    Prelude(String),
    /// The server ended the handshake by an alert, or OpenSSL did.
    Handshake(String),
    Closed,
    Silent,
    Certificate(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Prelude(why) => write!(f, "{why}"),
            Self::Handshake(why) => write!(f, "the TLS handshake failed: {why}"),
            Self::Closed => f.write_str(
                "the server closed the connection in the TLS handshake: is this its TLS port?",
            ),
            Self::Silent => f.write_str(
                "the server did not answer: is this its TLS port, and does it need --protocol?",
            ),
            Self::Certificate(why) => write!(
                f,
                "the server's certificate is not trusted: {why} (--ca FILE, --name NAME; or --insecure, \
                 which trusts anybody)"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

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
    pub fn new(settings: &Settings, version: SslVersion, tickets: u8) -> anyhow::Result<Self> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(version))?;
        builder.set_max_proto_version(Some(version))?;
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
            settings: settings.clone(),
        })
    }

    /// Connects once, offers a session if there is one, asks the protocol's first question, and listens for
    /// tickets until the server is quiet.
    pub fn visit(&self, address: SocketAddr, offer: Option<&SslSession>) -> Result<Visit, Refusal> {
        let mut open = self.open(address, offer)?;
        open.listen(Phase::BeforeRequest, usize::MAX);
        open.ask(usize::MAX);
        Ok(open.close())
    }

    /// The same, but no longer than for one ticket.
    pub fn visit_briefly(
        &self,
        address: SocketAddr,
        offer: Option<&SslSession>,
    ) -> Result<Visit, Refusal> {
        let mut open = self.open(address, offer)?;
        open.listen(Phase::BeforeRequest, 1);
        if open.tickets().is_empty() {
            open.ask(1);
        }
        Ok(open.close())
    }

    /// Connects, and offers a session if there is one.
    pub fn open(&self, address: SocketAddr, offer: Option<&SslSession>) -> Result<Open, Refusal> {
        self.shake(self.dial(address)?, offer)
    }

    /// Connects, and says what comes before TLS.
    pub fn dial(&self, address: SocketAddr) -> Result<TcpStream, Refusal> {
        let patience = self.settings.patience;
        let mut stream = TcpStream::connect_timeout(&address, patience)
            .map_err(|error| Refusal::Connect(error.to_string()))?;
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(patience)))
            .and_then(|()| stream.set_write_timeout(Some(patience)));
        prepared.map_err(|error| Refusal::Connect(error.to_string()))?;
        self.settings
            .protocol
            .prelude(&mut stream, &self.settings.name)
            .map_err(|error| match is_timeout(&error) {
                true => Refusal::Silent,
                false => Refusal::Prelude(error.to_string()),
            })?;
        Ok(stream)
    }

    pub fn shake(&self, stream: TcpStream, offer: Option<&SslSession>) -> Result<Open, Refusal> {
        let fault = |error: openssl::error::ErrorStack| Refusal::Handshake(error.to_string());
        let mut ssl = Ssl::new(&self.context).map_err(fault)?;
        let name = &self.settings.name;
        if name.parse::<std::net::IpAddr>().is_err() {
            ssl.set_hostname(name).map_err(fault)?;
        }
        if !self.settings.insecure {
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
        let wire = tls.get_ref();
        let handshake = wire.began().elapsed();
        let ssl = tls.ssl();
        let visit = Visit {
            resumed: ssl.session_reused(),
            tickets: Vec::new(),
            cpu,
            server_hello: wire.first_answer.unwrap_or(handshake),
            handshake,
            client_hello: wire.client_hello,
            sent: wire.sent,
            received: wire.received,
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
            promised: None,
        };
        /// OpenSSL does not return from reading when it has read a ticket. So it reads for a moment at a time.
        const MOMENT: Duration = Duration::from_millis(5);
        let moment = MOMENT.min(self.settings.quiet);
        let _ = tls.get_ref().socket().set_read_timeout(Some(moment));
        let mut open = Open {
            over: Instant::now(),
            patience: self.settings.patience,
            tls,
            gathered,
            visit,
            quiet: self.settings.quiet,
            request: self.settings.protocol.request(name),
        };
        open.collect(Phase::Handshake);
        Ok(open)
    }
}

/// A connection that stands.
pub struct Open {
    tls: SslStream<Wire>,
    gathered: Basket,
    visit: Visit,
    over: Instant,
    quiet: Duration,
    patience: Duration,
    request: Vec<u8>,
}

/// What a moment of reading brought.
pub enum Heard {
    Bytes(usize),
    Nothing,
    End,
}

impl Open {
    pub fn resumed(&self) -> bool {
        self.visit.resumed
    }

    /// How long to wait for an answer.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    pub fn tickets(&self) -> &[Arrival] {
        &self.visit.tickets
    }

    /// Calls a function for each ticket from now on, as it comes.
    pub fn on_ticket(&mut self, listener: impl Fn(&Ticket) + Send + 'static) {
        let mut gathered = self.gathered.lock().expect("nobody panics with it");
        gathered.listener = Some(Box::new(listener));
    }

    /// Reads until there are `enough` tickets, or the server has said nothing for a while, or at most for ten
    /// such whiles.
    pub fn listen(&mut self, phase: Phase, enough: usize) {
        let end = Instant::now() + self.quiet * 10;
        let mut last = Instant::now();
        let mut buffer = [0; 4096];
        while last.elapsed() < self.quiet
            && Instant::now() < end
            && self.visit.tickets.len() < enough
        {
            let before = self.visit.tickets.len();
            match self.hear(&mut buffer) {
                Heard::Bytes(_) => last = Instant::now(),
                Heard::Nothing => {}
                Heard::End => break,
            }
            self.collect(phase);
            if self.visit.tickets.len() != before {
                last = Instant::now();
            }
        }
    }

    /// Reads for a moment.
    pub fn hear(&mut self, buffer: &mut [u8]) -> Heard {
        match self.tls.ssl_read(buffer) {
            Ok(read) => Heard::Bytes(read),
            Err(error) if error.code() == ErrorCode::WANT_READ => Heard::Nothing,
            Err(_) => Heard::End,
        }
    }

    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.write_all(bytes)
    }

    /// Says something, and reads until the answer is enough. An error: no such answer came, because the server
    /// closed the connection or let the patience run out.
    pub fn exchange(
        &mut self,
        request: &[u8],
        enough: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Vec<u8>> {
        const MOST: usize = 65536;
        self.request.clear();
        self.say(request)?;
        let end = Instant::now() + self.patience;
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        while !enough(&answer) {
            match self.hear(&mut buffer) {
                Heard::Bytes(read) if answer.len() < MOST => {
                    answer.extend_from_slice(&buffer[..read]);
                }
                Heard::Nothing if Instant::now() < end => {}
                Heard::Nothing => return Err(ErrorKind::TimedOut.into()),
                Heard::Bytes(_) | Heard::End => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        self.collect(Phase::AfterRequest);
        Ok(answer)
    }

    /// Asks the protocol's first question and listens to the answer.
    pub fn ask(&mut self, enough: usize) {
        if self.request.is_empty() {
            return;
        }
        let request = std::mem::take(&mut self.request);
        if self.say(&request).is_ok() {
            self.listen(Phase::AfterRequest, enough);
        }
    }

    pub fn close(mut self) -> Visit {
        let _ = self.tls.shutdown();
        self.visit
    }

    fn collect(&mut self, phase: Phase) {
        let mut gathered = self.gathered.lock().expect("nobody panics with it");
        for (came, session) in gathered.sessions.drain(..) {
            self.visit.tickets.push(Arrival {
                ticket: Ticket::of(session),
                phase,
                after: came.saturating_duration_since(self.over),
            });
        }
        self.visit.promised = gathered.promised;
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

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
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
        (None, Some(stack)) => {
            let reason = stack
                .errors()
                .first()
                .and_then(openssl::error::Error::reason);
            match reason {
                Some("unexpected eof while reading") => Refusal::Closed,
                reason => {
                    Refusal::Handshake(reason.unwrap_or("OpenSSL does not say why").to_owned())
                }
            }
        }
        (None, None) => Refusal::Closed,
    }
}
