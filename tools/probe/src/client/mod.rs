//! One TLS configuration, and the connections made with it, on OpenSSL or on rustls.

mod openssl;
mod rustls;

pub use rustls::Held;

use crate::hello::ServerHello;
use crate::interrupt::Interrupt;
use crate::protocol::Protocol;
use crate::ticket::{Session, Ticket};
use crate::wire::Wire;
use ::openssl::ssl::SslVersion;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The TLS stack of the client.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    ValueEnum,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// As most programs have it
    #[default]
    Openssl,
    /// As clients on rustls, through libtsc; OpenSSL asks what rustls does not show
    Rustls,
}

/// What decides how the server is spoken to; the same for all connections of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub backend: Backend,
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
    pub interrupt: Arc<Interrupt>,
}

/// A way to connect: the settings, one version of TLS, and what is asked for.
pub struct Client {
    stack: Stack,
    settings: Settings,
}

enum Stack {
    OpenSsl(openssl::Client),
    Rustls(rustls::Client),
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
    pub segments: usize,
    /// None: TCP does not count them here.
    pub packets: Option<u32>,
    pub round_trips: usize,
    pub hello: Option<ServerHello>,
    /// The server's certificates, as they are sent.
    pub certificates: usize,
    pub cipher: String,
    pub version: SslVersion,
    /// What the server answered to a request for tickets (RFC 9149); None: nothing.
    pub promised: Option<u8>,
    /// What the server said after the handshake, the beginning of it.
    pub answer: Vec<u8>,
}

impl Visit {
    /// Whether the server asked for another ClientHello.
    pub fn retried(&self) -> bool {
        self.hello.is_some_and(|hello| hello.retried)
    }

    /// Of the version of TLS.
    pub fn version_number(&self) -> &'static str {
        match self.version {
            SslVersion::TLS1_3 => "1.3",
            _ => "1.2",
        }
    }

    /// Of a handshake that was just over, without what only the TLS stack knows.
    fn of(wire: &Wire, version: SslVersion, cpu: Duration) -> Self {
        let handshake = wire.began().elapsed();
        Self {
            resumed: false,
            tickets: Vec::new(),
            cpu,
            server_hello: wire.first_answer.unwrap_or(handshake),
            handshake,
            client_hello: wire.client_hello,
            sent: wire.sent,
            received: wire.received,
            segments: wire.segments(),
            packets: wire.packets(),
            round_trips: wire.round_trips,
            hello: wire.server_hello(),
            certificates: 0,
            cipher: String::new(),
            version,
            promised: None,
            answer: Vec::new(),
        }
    }
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

impl Refusal {
    /// In a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Prelude(_) => "prelude",
            Self::Handshake(_) => "handshake",
            Self::Closed => "closed",
            Self::Silent => "timeout",
            Self::Certificate(_) => "certificate",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(why) => write!(
                f,
                "no connection: {why}: does the server run, and are its address, port, and firewall right?"
            ),
            Self::Prelude(why) => write!(f, "{why}"),
            Self::Handshake(why) => {
                write!(f, "the TLS handshake failed: {why}")?;
                match wants_certificate(why) {
                    true => f.write_str(
                        ": the server wants the client's certificate (--cert FILE --key FILE)",
                    ),
                    false => Ok(()),
                }
            }
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

/// As OpenSSL and rustls name that alert.
fn wants_certificate(why: &str) -> bool {
    why.contains("certificate required") || why.contains("CertificateRequired")
}

impl std::error::Error for Refusal {}

impl Client {
    /// `tickets`: how many to ask for (RFC 9149), with OpenSSL; 0: do not ask.
    pub fn new(settings: &Settings, version: SslVersion, tickets: u8) -> anyhow::Result<Self> {
        Self::of(settings, Some(version), tickets)
    }

    /// On OpenSSL, TLS 1.3: also resumes without a key exchange, if the server wants to.
    pub fn that_allows_psk_ke(settings: &Settings) -> anyhow::Result<Self> {
        let mut client = Self::new(settings, SslVersion::TLS1_3, 0)?;
        if let Stack::OpenSsl(client) = &mut client.stack {
            client.allows_psk_ke = true;
        }
        Ok(client)
    }

    /// Speaks whichever version the server likes best.
    pub fn any_version(settings: &Settings) -> anyhow::Result<Self> {
        Self::of(settings, None, 0)
    }

    fn of(settings: &Settings, version: Option<SslVersion>, tickets: u8) -> anyhow::Result<Self> {
        Ok(Self {
            stack: match settings.backend {
                Backend::Openssl => {
                    Stack::OpenSsl(openssl::Client::new(settings, version, tickets)?)
                }
                Backend::Rustls => Stack::Rustls(rustls::Client::new(settings, version)?),
            },
            settings: settings.clone(),
        })
    }

    /// Connects once, offers a session if there is one, asks the protocol's first question, and listens for
    /// tickets until the server is quiet.
    pub fn visit(&self, address: SocketAddr, offer: Option<&Session>) -> Result<Visit, Refusal> {
        let mut open = self.open(address, offer)?;
        open.listen(Phase::BeforeRequest, until_quiet);
        open.ask(until_quiet);
        open.accepted()
    }

    /// The same, but no longer than for one ticket.
    pub fn visit_briefly(
        &self,
        address: SocketAddr,
        offer: Option<&Session>,
    ) -> Result<Visit, Refusal> {
        let mut open = self.open(address, offer)?;
        open.listen(Phase::BeforeRequest, until_ticket);
        if open.tickets().is_empty() {
            open.ask(until_ticket);
        } else if open.is_kept_by_server() {
            // It may say first that the handshake is over, and keep the session then; it has when it answers.
            open.ask(|visit| !visit.answer.is_empty());
        }
        open.accepted()
    }

    /// Connects, and offers a session if there is one.
    pub fn open(&self, address: SocketAddr, offer: Option<&Session>) -> Result<Open, Refusal> {
        self.shake(self.dial(address)?, offer)
    }

    /// Connects, and says what comes before TLS.
    pub fn dial(&self, address: SocketAddr) -> Result<Arc<TcpStream>, Refusal> {
        let stream = self
            .connect(address)
            .map_err(|error| Refusal::Connect(error.to_string()))?;
        self.settings
            .protocol
            .prelude(&mut &*stream, &self.settings.name)
            .map_err(|error| match is_timeout(&error) {
                true => Refusal::Silent,
                false => Refusal::Prelude(error.to_string()),
            })?;
        Ok(stream)
    }

    fn connect(&self, address: SocketAddr) -> io::Result<Arc<TcpStream>> {
        let patience = self.settings.patience;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        let stream = Arc::new(TcpStream::from(socket));
        self.settings.interrupt.ends(&stream);
        SockRef::from(&*stream).connect_timeout(&address.into(), patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(stream)
    }

    /// Shakes hands.
    pub fn shake(&self, stream: Arc<TcpStream>, offer: Option<&Session>) -> Result<Open, Refusal> {
        let shaken = match &self.stack {
            Stack::OpenSsl(client) => client.shake(stream, offer.and_then(Session::openssl)),
            Stack::Rustls(client) => client.shake(stream, offer.and_then(Session::rustls)),
        };
        shaken.map(|shaken| self.opened(shaken))
    }

    /// On rustls: shakes hands with a configuration that libtsc made for this one connection.
    pub fn shake_with(
        &self,
        stream: Arc<TcpStream>,
        config: Arc<::rustls::ClientConfig>,
    ) -> Result<Open, Refusal> {
        let Stack::Rustls(client) = &self.stack else {
            unreachable!("only a client on rustls has such a configuration");
        };
        let shaken = client.connect(stream, config);
        shaken.map(|(tls, visit)| self.opened((Box::new(tls), visit)))
    }

    /// On rustls: the configuration to bind to a cache.
    pub fn rustls_config(&self) -> Option<Arc<::rustls::ClientConfig>> {
        match &self.stack {
            Stack::OpenSsl(_) => None,
            Stack::Rustls(client) => Some(client.config()),
        }
    }

    /// How long to wait for the server at each step.
    pub fn patience(&self) -> Duration {
        self.settings.patience
    }

    /// Asked for and verified.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    fn opened(&self, (tls, visit): (Box<dyn Tls>, Visit)) -> Open {
        // What a server far away, or a busy one, sends next takes as long as its first answer did.
        let answers_in = visit.server_hello.min(MOST_QUIET / 2);
        let mut open = Open {
            over: Instant::now(),
            patience: self.settings.patience,
            interrupt: self.settings.interrupt.clone(),
            tls,
            visit,
            quiet: self.settings.quiet.max(answers_in * 2),
            request: self.settings.protocol.request(&self.settings.name),
            alert: None,
        };
        open.collect(Phase::Handshake);
        open
    }
}

/// For how long a slow server is listened to at most, unless the user says more.
const MOST_QUIET: Duration = Duration::from_secs(2);

/// How long one look at the socket takes: neither stack says while it reads that a ticket has come.
const MOMENT: Duration = Duration::from_millis(5);

/// A TLS connection of either stack.
pub trait Tls: Send {
    /// Reads for a moment.
    fn hear(&mut self, buffer: &mut [u8]) -> Heard;

    fn say(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The tickets that came since it was last asked, and when.
    fn arrived(&mut self) -> Vec<(Instant, Ticket)>;

    /// What the server answered to a request for tickets.
    fn promised(&self) -> Option<u8> {
        None
    }

    /// Calls a function for each ticket from now on, as it comes. On rustls libtsc itself is told.
    fn on_ticket(&mut self, _listener: Box<dyn Fn(&Ticket) + Send>) {}

    fn close(&mut self);
}

/// A connection that stands.
pub struct Open {
    tls: Box<dyn Tls>,
    visit: Visit,
    over: Instant,
    quiet: Duration,
    patience: Duration,
    interrupt: Arc<Interrupt>,
    request: Vec<u8>,
    alert: Option<String>,
}

/// What a moment of reading brought.
pub enum Heard {
    Bytes(usize),
    Nothing,
    /// The server ended the connection for a reason.
    Alert(String),
    End,
}

/// Never enough: until the server is quiet.
pub fn until_quiet(_: &Visit) -> bool {
    false
}

pub fn until_ticket(visit: &Visit) -> bool {
    !visit.tickets.is_empty()
}

/// More than that is not needed to see which server it is.
const MOST_OF_ANSWER: usize = 4096;

impl Open {
    pub fn resumed(&self) -> bool {
        self.visit.resumed
    }

    /// How long to wait for an answer.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    pub fn tickets(&self) -> &[Arrival] {
        &self.visit.tickets
    }

    /// Calls a function for each ticket from now on, as it comes.
    pub fn on_ticket(&mut self, listener: impl Fn(&Ticket) + Send + 'static) {
        self.tls.on_ticket(Box::new(listener));
    }

    /// Whether what it gave is the id of a session of TLS 1.2. rustls does not tell an id from a ticket.
    fn is_kept_by_server(&self) -> bool {
        let mut tickets = self.visit.tickets.iter().map(|arrival| &arrival.ticket);
        self.visit.version == SslVersion::TLS1_2
            && tickets.any(|ticket| ticket.length.unwrap_or(0) == 0)
    }

    /// Reads until it is enough, or the server has said nothing for a while, or at most for ten such whiles.
    pub fn listen(&mut self, phase: Phase, enough: impl Fn(&Visit) -> bool) {
        let end = Instant::now() + self.quiet * 10;
        let mut last = Instant::now();
        let mut buffer = [0; 4096];
        while last.elapsed() < self.quiet && Instant::now() < end && !enough(&self.visit) {
            let before = self.visit.tickets.len();
            match self.hear(&mut buffer) {
                Heard::Bytes(read) => {
                    last = Instant::now();
                    let free = MOST_OF_ANSWER - self.visit.answer.len();
                    self.visit
                        .answer
                        .extend_from_slice(&buffer[..read.min(free)]);
                }
                Heard::Nothing => {}
                Heard::Alert(why) => {
                    self.alert = Some(why);
                    break;
                }
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
        self.tls.hear(buffer)
    }

    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.say(bytes)
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
                Heard::Bytes(_) | Heard::Alert(_) | Heard::End => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        }
        self.collect(Phase::AfterRequest);
        Ok(answer)
    }

    /// Asks the protocol's first question and listens to the answer.
    pub fn ask(&mut self, enough: impl Fn(&Visit) -> bool) {
        if self.request.is_empty() {
            return;
        }
        let request = std::mem::take(&mut self.request);
        if self.say(&request).is_ok() {
            self.listen(Phase::AfterRequest, enough);
        }
    }

    /// In TLS 1.3 the handshake is over for the client before the server has seen its certificate, or that it has
    /// none. An alert in place of any answer is a handshake that failed.
    fn accepted(mut self) -> Result<Visit, Refusal> {
        let alert = self.alert.take();
        let visit = self.close();
        match alert.filter(|_| visit.tickets.is_empty() && visit.answer.is_empty()) {
            Some(why) => Err(Refusal::Handshake(why)),
            None => Ok(visit),
        }
    }

    pub fn close(mut self) -> Visit {
        self.tls.close();
        self.visit
    }

    fn collect(&mut self, phase: Phase) {
        for (came, ticket) in self.tls.arrived() {
            self.visit.tickets.push(Arrival {
                ticket,
                phase,
                after: came.saturating_duration_since(self.over),
            });
        }
        self.visit.promised = self.tls.promised();
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
