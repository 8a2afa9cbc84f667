//! rustls connections through the C functions, against rustls's own server over memory.
//!
//! Real servers on sockets are met by `tests/demo.sh` (the rustls client in C).

#![allow(
    unsafe_code,
    reason = "calls the C functions, which take rustls's configurations as pointers"
)]

use libtsc::capi::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ProducesTickets, ServerConfig, ServerConnection};
use rustls::{
    ConnectionCommon, DigitallySignedStruct, HandshakeKind, RootCertStore, SideData,
    SignatureScheme, version,
};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const NAME: &str = "db.example.com";

#[test]
fn tls13_resumes_with_each_ticket_once() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let config = peer.attach();
    let (kind, _) = peer.connect(&config.attempt(1), true);
    assert_eq!(kind, HandshakeKind::Full);
    assert_eq!(config.available(1), 2);
    // Two at once, before either receives tickets: both tickets are used.
    let (first, second) = (config.attempt(1), config.attempt(1));
    let clients = [first.client(NAME), second.client(NAME)];
    assert_eq!(config.available(1), 0);
    for (client, attempt) in clients.into_iter().zip([first, second]) {
        assert_eq!(peer.run(client, &attempt, true).0, HandshakeKind::Resumed);
        assert_eq!(attempt.info().resumed, 1);
    }
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Resumed
    );
    assert_eq!(peer.cache.stats().resumed, 3);
}

#[test]
fn tls12_resumes_again_and_again_with_the_same_session() {
    let peer = Peer::new(&[&version::TLS12], |_| ());
    let config = peer.attach();
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
    let (first, second) = (config.attempt(1), config.attempt(1));
    let clients = [first.client(NAME), second.client(NAME)];
    for (client, attempt) in clients.into_iter().zip([first, second]) {
        assert_eq!(peer.run(client, &attempt, true).0, HandshakeKind::Resumed);
    }
    assert_eq!(config.available(1), 1);
}

#[test]
fn tls12_resumes_by_id_where_the_server_has_no_tickets() {
    let peer = Peer::new(&[&version::TLS12], |server| {
        server.ticketer = Arc::new(Tickets {
            lifetime: 0,
            enabled: false,
        });
    });
    let config = peer.attach();
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Resumed
    );
}

#[test]
fn another_port_or_config_or_name_never_resumes() {
    for versions in [[&version::TLS12], [&version::TLS13]] {
        let peer = Peer::new(&versions, |_| ());
        let config = peer.attach();
        peer.connect(&config.attempt(1), true);
        assert_eq!(
            peer.connect(&config.attempt(2), true).0,
            HandshakeKind::Full
        );
        // The very same rustls configuration, attached again.
        let again = peer.attach();
        assert_eq!(peer.connect(&again.attempt(1), true).0, HandshakeKind::Full);
        // A driver that connects to another name than it said: nothing is offered, nothing is kept.
        let attempt = config.attempt(1);
        let before = config.available(1);
        let client = attempt.client("other.example.com");
        assert_eq!(peer.run(client, &attempt, true).0, HandshakeKind::Full);
        assert_eq!((config.available(1), attempt.info().received), (before, 0));
        assert_eq!(
            peer.connect(&config.attempt(1), true).0,
            HandshakeKind::Resumed
        );
    }
}

#[test]
fn names_are_compared_without_regard_to_case() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let config = peer.attach();
    peer.connect(&config.attempt(1), true);
    let attempt = config.attempt(1);
    let client = attempt.client("DB.Example.COM");
    assert_eq!(peer.run(client, &attempt, true).0, HandshakeKind::Resumed);
}

#[test]
fn nothing_is_published_before_established_or_after_failed() {
    for versions in [[&version::TLS12], [&version::TLS13]] {
        let peer = Peer::new(&versions, |_| ());
        let config = peer.attach();
        let attempt = config.attempt(1);
        peer.connect(&attempt, false);
        assert!(attempt.info().received > 0);
        assert_eq!(config.available(1), 0);
        attempt.failed(TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE);
        assert_eq!(config.available(1), 0);
        assert_eq!(
            peer.connect(&config.attempt(1), true).0,
            HandshakeKind::Full
        );
    }
}

#[test]
fn tickets_flow_on_after_the_handle_is_freed_if_it_was_established() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let config = peer.attach();
    for established in [false, true] {
        let attempt = config.attempt(1);
        let mut client = attempt.client(NAME);
        let mut server = peer.server();
        // So far that the client is done, and the server's tickets have not arrived.
        transfer(&mut client, &mut server);
        transfer(&mut server, &mut client);
        assert!(!client.is_handshaking());
        if established {
            attempt.established(false);
        }
        drop(attempt);
        transfer(&mut client, &mut server);
        transfer(&mut server, &mut client);
        assert_eq!(config.available(1), if established { 2 } else { 0 });
    }
}

#[test]
fn a_lifetime_of_zero_is_never_offered_and_eight_days_are_seven() {
    for (lifetime, after, resumes) in [
        (0, 0, false),
        (8 * DAY, 7 * DAY - 1, true),
        (8 * DAY, 7 * DAY, false),
        (60, 60, false),
    ] {
        let peer = Peer::new(&[&version::TLS13], |server| {
            server.ticketer = Arc::new(Tickets {
                lifetime,
                enabled: true,
            });
        });
        let config = peer.attach();
        peer.connect(&config.attempt(1), true);
        NOW_OF_TESTS.with(|now| now.fetch_add(u64::from(after) * 1000, Relaxed));
        assert_eq!(
            config.available(1) > 0,
            resumes,
            "{lifetime} s, after {after} s"
        );
    }
}

#[test]
fn a_refused_ticket_takes_its_siblings_along() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let config = peer.attach();
    peer.connect(&config.attempt(1), true);
    assert_eq!(config.available(1), 2);
    // The server was restarted: its keys are new.
    let restarted = Peer {
        server: server(&peer.identity, &[&version::TLS13], |_| ()),
        ..peer
    };
    let attempt = config.attempt(1);
    assert_eq!(restarted.connect(&attempt, true).0, HandshakeKind::Full);
    assert_eq!((attempt.info().offered, attempt.info().refused), (1, 1));
    // What is there now are the two new ones.
    assert_eq!(config.available(1), 2);
    assert_eq!(
        restarted.connect(&config.attempt(1), true).0,
        HandshakeKind::Resumed
    );
}

#[test]
fn the_group_that_the_server_chose_is_remembered_once_established() {
    let peer = Peer::new(&[&version::TLS13], |server| {
        server.send_tls13_tickets = 0;
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::SECP384R1];
        set_provider(server, provider);
    });
    let config = peer.attach();
    let retried = HandshakeKind::FullWithHelloRetryRequest;
    assert_eq!(peer.connect(&config.attempt(1), false).0, retried);
    assert_eq!(peer.connect(&config.attempt(1), true).0, retried);
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
    assert_eq!(peer.connect(&config.attempt(2), true).0, retried);
}

#[test]
fn a_server_that_comes_to_speak_tls13_loses_its_tls12_session() {
    let peer = Peer::new(&[&version::TLS12], |_| ());
    let config = peer.attach();
    peer.connect(&config.attempt(1), true);
    let upgraded = Peer {
        server: server(&peer.identity, &[&version::TLS13], |server| {
            server.send_tls13_tickets = 0
        }),
        ..peer
    };
    assert_eq!(
        upgraded.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
    assert_eq!(config.available(1), 0);
}

#[test]
fn tickets_are_requested_as_the_config_says() {
    let peer = Peer::new(&[&version::TLS13], |server| server.max_tls13_tickets = 10);
    let options = tsc_config_options {
        tickets_new_session: 5,
        tickets_resumption: 1,
        ..zeroed()
    };
    let config = peer.attach_with(&options).unwrap();
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
    assert_eq!(config.available(1), 5);
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Resumed
    );
    assert_eq!(config.available(1), 5);
    // One alone stands for both: the other is not a request for none.
    for options in [
        tsc_config_options {
            tickets_new_session: 3,
            ..zeroed()
        },
        tsc_config_options {
            tickets_resumption: 3,
            ..zeroed()
        },
    ] {
        let config = peer.attach_with(&options).unwrap();
        assert_eq!(
            peer.connect(&config.attempt(1), true).0,
            HandshakeKind::Full
        );
        assert_eq!(config.available(1), 3);
        assert_eq!(
            peer.connect(&config.attempt(1), true).0,
            HandshakeKind::Resumed
        );
        assert_eq!(config.available(1), 5);
    }
    let options = tsc_config_options {
        tickets_new_session: 256,
        ..zeroed()
    };
    assert_eq!(
        peer.attach_with(&options).err(),
        Some(tsc_status::TSC_INVALID_ARGUMENT)
    );
}

#[test]
fn a_burst_waits_for_tickets_and_asks_the_server_for_as_many_as_are_waited_for() {
    extern "C" fn count(told: *mut c_void) {
        // SAFETY: `told` is one of the test's own.
        unsafe { &*told.cast::<AtomicU64>() }.fetch_add(1, Relaxed);
    }
    let peer = Peer::new(&[&version::TLS13], |server| server.max_tls13_tickets = 10);
    let config = peer.attach();
    let leader = config.attempt(1);
    let client = leader.client(NAME);
    let others: Vec<_> = (0..7)
        .map(|_| (config.attempt(1), AtomicU64::new(0)))
        .collect();
    for (attempt, told) in &others {
        let arg = ptr::from_ref(told).cast_mut().cast();
        let waits = attempt.wait(count, arg);
        assert_eq!(waits, tsc_status::TSC_WAIT);
    }
    let told = || {
        others
            .iter()
            .map(|(_, told)| told.load(Relaxed))
            .sum::<u64>()
    };
    // Its ClientHello was made while nobody waited: the two that this server sends to anybody.
    assert_eq!(peer.run(client, &leader, true).0, HandshakeKind::Full);
    assert_eq!(told(), 2);
    // Five wait, and one ticket more is wanted for later.
    assert_eq!(peer.connect(&others[0].0, true).0, HandshakeKind::Resumed);
    assert_eq!((told(), config.available(1)), (7, 1));
    for (attempt, _) in &others[1..] {
        assert_eq!(peer.connect(attempt, true).0, HandshakeKind::Resumed);
    }
    let stats = peer.cache.stats();
    assert_eq!((stats.waited, stats.waits_served, stats.resumed), (7, 7, 7));
}

#[test]
fn the_logger_stays_free_for_the_program() {
    use rustls_ffi::{client, connection::rustls_connection};
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let config = peer.attach();
    let attempt = config.attempt(1);
    let mut tls = ptr::null_mut();
    let rustls: *const client::rustls_client_config = attempt.rustls_config().unwrap().cast();
    client::rustls_client_config::rustls_client_connection_new(
        rustls,
        c"db.example.com".as_ptr(),
        &mut tls,
    );
    assert!(!tls.is_null());
    // This takes the logger in a rustls-ffi that is built otherwise.
    rustls_connection::rustls_connection_set_log_callback(tls, None);
    rustls_connection::rustls_connection_free(tls);
    client::rustls_client_config::rustls_client_config_free(rustls);
    struct Program;
    impl log::Log for Program {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    log::set_logger(&Program).expect("nobody has set one");
}

#[test]
fn rustls_never_reuses_a_ticket() {
    let mut peer = Peer::new(&[&version::TLS13], |_| ());
    peer.cache = Cache::with_flags(TSC_REUSE_WHEN_DRY);
    let config = peer.attach();
    peer.connect(&config.attempt(1), true);
    let attempts = [(); 3].map(|()| config.attempt(1));
    let clients = [0, 1, 2].map(|at: usize| attempts[at].client(NAME));
    let kinds = clients.map(|client| drive(client, peer.server()).0);
    assert_eq!(
        kinds,
        [
            HandshakeKind::Resumed,
            HandshakeKind::Resumed,
            HandshakeKind::Full
        ]
    );
    assert_eq!(peer.cache.stats().reused, 0);
    // Nor is one expected to serve all that wait.
    let leader = config.attempt(2);
    let client = leader.client(NAME);
    let waits = |attempt: &Attempt| {
        extern "C" fn ready(_: *mut c_void) {}
        attempt.wait(ready, ptr::null_mut())
    };
    let others = [(); 3].map(|()| config.attempt(2));
    let answers = [0, 1, 2].map(|at: usize| waits(&others[at]));
    assert_eq!(answers, [tsc_status::TSC_WAIT; 3]);
    peer.run(client, &leader, true);
    assert_eq!(peer.cache.stats().waits_served, 2);
}

#[test]
fn a_lineage_ends_however_often_it_is_renewed() {
    let peer = Peer::new(&[&version::TLS13], |server| server.send_tls13_tickets = 1);
    let config = peer.attach();
    let hour = |hours: u64| NOW_OF_TESTS.with(|now| now.store(hours * 3_600_000, Relaxed));
    hour(1);
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
    // The caches of these tests end a lineage after thirty days.
    for hours in (7..30 * 24).step_by(11) {
        hour(hours);
        let kind = peer.connect(&config.attempt(1), true).0;
        assert_eq!(kind, HandshakeKind::Resumed, "after {hours} hours");
    }
    hour(30 * 24 + 1);
    assert_eq!(config.available(1), 0);
    assert_eq!(
        peer.connect(&config.attempt(1), true).0,
        HandshakeKind::Full
    );
}

#[test]
fn an_identity_is_refused_since_rustls_would_not_resume() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let options = tsc_config_options {
        identity: b"id".as_ptr(),
        identity_len: 2,
        ..zeroed()
    };
    assert_eq!(
        peer.attach_with(&options).err(),
        Some(tsc_status::TSC_UNSUPPORTED)
    );
}

#[test]
fn the_certificates_end_ends_its_sessions_where_the_driver_tells() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let config = peer.attach();
    let attempt = config.attempt(1);
    peer.connect(&attempt, false);
    let now = UnixTime::now().as_secs() as i64;
    // SAFETY: a handle that is alive.
    let done = unsafe { tsc_attempt_set_not_after(attempt.0, now + 100) };
    assert_eq!(done, tsc_status::TSC_OK);
    attempt.established(false);
    assert_eq!(config.available(1), 2);
    NOW_OF_TESTS.with(|now| now.fetch_add(101_000, Relaxed));
    assert_eq!(config.available(1), 0);
}

#[test]
fn the_callers_configuration_is_untouched_and_may_go_first() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let before = Arc::strong_count(&peer.client);
    let config = peer.attach();
    let attempt = config.attempt(1);
    peer.connect(&attempt, true);
    assert!(peer.client.send_ticket_request.is_none());
    // Its own connections use its own store, and leave the cache alone.
    let client = ClientConnection::new(peer.client.clone(), NAME.try_into().unwrap()).unwrap();
    assert_eq!(drive(client, peer.server()).0, HandshakeKind::Full);
    assert_eq!(config.available(1), 2);
    drop((attempt, config));
    assert_eq!(Arc::strong_count(&peer.client), before);
}

#[test]
fn rustls_configs_are_only_for_attempts_of_an_attached_config() {
    let peer = Peer::new(&[&version::TLS13], |_| ());
    let mut config = ptr::null_mut();
    // SAFETY: a handle that is alive, and a place for one.
    let done = unsafe { tsc_config_new(peer.cache.0, ptr::null(), 0, &mut config) };
    assert_eq!(done, tsc_status::TSC_OK);
    let attempt = Config(config).attempt(1);
    assert_eq!(attempt.rustls_config(), Err(tsc_status::TSC_UNSUPPORTED));
}

const DAY: u32 = 24 * 3600;

fn zeroed() -> tsc_config_options {
    // SAFETY: all-zero is every default.
    unsafe { std::mem::zeroed() }
}

/// A server, and a client that trusts it, with a cache of a month and a clock driven by hand.
struct Peer {
    identity: Identity,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    cache: Cache,
}

#[derive(Clone)]
struct Identity {
    cert: CertificateDer<'static>,
    key: Arc<PrivateKeyDer<'static>>,
}

fn server(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
    change: impl FnOnce(&mut ServerConfig),
) -> Arc<ServerConfig> {
    let mut server = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.clone()], identity.key.clone_key())
        .unwrap();
    server.ticketer = aws_lc_rs::Ticketer::new().unwrap();
    change(&mut server);
    Arc::new(server)
}

/// A server configuration cannot change its provider: it is built again around another one.
fn set_provider(server: &mut ServerConfig, provider: CryptoProvider) {
    let (resolver, tickets) = (server.cert_resolver.clone(), server.send_tls13_tickets);
    *server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    server.send_tls13_tickets = tickets;
}

impl Peer {
    fn new(
        versions: &[&'static rustls::SupportedProtocolVersion],
        change: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let identity = Identity {
            cert: made.cert.der().clone(),
            key: Arc::new(key.into()),
        };
        let mut roots = RootCertStore::empty();
        roots.add(identity.cert.clone()).unwrap();
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client
            .dangerous()
            .set_certificate_verifier(Arc::new(AnyName));
        let server = server(&identity, versions, change);
        Self {
            identity,
            server,
            client: Arc::new(client),
            cache: Cache::new(),
        }
    }

    fn server(&self) -> ServerConnection {
        ServerConnection::new(self.server.clone()).unwrap()
    }

    fn attach(&self) -> Config {
        self.attach_with(&zeroed()).unwrap()
    }

    fn attach_with(&self, options: &tsc_config_options) -> Result<Config, tsc_status> {
        let mut config = ptr::null_mut();
        let rustls = Arc::as_ptr(&self.client).cast();
        let size = size_of_val(options);
        // SAFETY: a handle that is alive, the Arc that a configuration of rustls-ffi is, and structs of
        // their size.
        match unsafe { tsc_config_attach(self.cache.0, rustls, options, size, &mut config) } {
            tsc_status::TSC_OK => Ok(Config(config)),
            status => Err(status),
        }
    }

    fn connect(&self, attempt: &Attempt, establish: bool) -> (HandshakeKind, ClientConnection) {
        self.run(attempt.client(NAME), attempt, establish)
    }

    /// Runs a connection until the server's tickets have arrived, and says "established" before.
    fn run(
        &self,
        client: ClientConnection,
        attempt: &Attempt,
        establish: bool,
    ) -> (HandshakeKind, ClientConnection) {
        let (kind, client) = drive(client, self.server());
        if establish {
            attempt.established(kind == HandshakeKind::Resumed);
        }
        (kind, client)
    }
}

fn drive(
    mut client: ClientConnection,
    mut server: ServerConnection,
) -> (HandshakeKind, ClientConnection) {
    while client.is_handshaking() || server.is_handshaking() {
        transfer(&mut client, &mut server);
        transfer(&mut server, &mut client);
    }
    (client.handshake_kind().unwrap(), client)
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

struct Cache(*mut tsc_cache);

thread_local! {
    static NOW_OF_TESTS: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1)));
}

extern "C" fn clock(now: *mut c_void) -> u64 {
    // SAFETY: `now` is the leaked atomic of `Cache::new`.
    unsafe { &*now.cast::<AtomicU64>() }.load(Relaxed)
}

impl Cache {
    fn new() -> Self {
        Self::with_flags(0)
    }

    fn with_flags(flags: u32) -> Self {
        let options = tsc_options {
            flags,
            ttl_seconds: 30 * DAY,
            max_lineage_age_seconds: 30 * DAY,
            clock: Some(clock),
            clock_arg: NOW_OF_TESTS.with(|now| ptr::from_ref(*now).cast_mut().cast()),
            // SAFETY: all-zero is every default.
            ..unsafe { std::mem::zeroed() }
        };
        let mut cache = ptr::null_mut();
        // SAFETY: a struct of its size, whose clock lives as long as the process, and a place.
        let done = unsafe { tsc_cache_new(&options, size_of_val(&options), &mut cache) };
        assert_eq!(done, tsc_status::TSC_OK);
        Self(cache)
    }

    fn stats(&self) -> tsc_stats {
        // SAFETY: all-zero is a value.
        let mut stats: tsc_stats = unsafe { std::mem::zeroed() };
        // SAFETY: a handle that is alive, and room for so much.
        let done = unsafe { tsc_stats_get(self.0, &mut stats, size_of::<tsc_stats>()) };
        assert_eq!(done, tsc_status::TSC_OK);
        stats
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let stats = self.stats();
            let dropped = stats.expired + stats.evicted + stats.displaced + stats.removed;
            let went = stats.taken + dropped + stats.sessions;
            assert_eq!(stats.stored + stats.returned, went, "the books balance");
        }
        // SAFETY: freed here only.
        unsafe { tsc_cache_free(self.0) };
    }
}

#[derive(Debug)]
struct Config(*mut tsc_config);

fn endpoint(port: u32) -> tsc_endpoint {
    tsc_endpoint {
        host: NAME.as_ptr(),
        host_len: NAME.len(),
        port,
        // SAFETY: all-zero is every default.
        ..unsafe { std::mem::zeroed() }
    }
}

impl Config {
    fn attempt(&self, port: u32) -> Attempt {
        let mut attempt = ptr::null_mut();
        let endpoint = endpoint(port);
        let size = size_of_val(&endpoint);
        // SAFETY: a handle that is alive, a struct of its size with names that live, and a place.
        let done = unsafe { tsc_attempt_new(self.0, &endpoint, size, &mut attempt) };
        assert_eq!(done, tsc_status::TSC_OK);
        Attempt(attempt)
    }

    fn available(&self, port: u32) -> usize {
        let (endpoint, mut count) = (endpoint(port), 0);
        let size = size_of_val(&endpoint);
        // SAFETY: as in `attempt`.
        let done = unsafe { tsc_config_available(self.0, &endpoint, size, &mut count) };
        assert_eq!(done, tsc_status::TSC_OK);
        count
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: freed here only.
        unsafe { tsc_config_free(self.0) };
    }
}

struct Attempt(*mut tsc_attempt);

type Ready = unsafe extern "C" fn(*mut c_void);

impl Attempt {
    fn client(&self, name: &str) -> ClientConnection {
        let config = self.rustls_config().unwrap().cast::<ClientConfig>();
        // SAFETY: what rustls_client_config_free would drop.
        let config = unsafe { Arc::from_raw(config) };
        ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap()
    }

    /// For the caller to free; nothing is written on an error.
    fn rustls_config(&self) -> Result<*const rustls_client_config, tsc_status> {
        let mut config = ptr::null();
        // SAFETY: a handle that is alive, and a place.
        match unsafe { tsc_attempt_rustls_config(self.0, &mut config) } {
            tsc_status::TSC_OK => Ok(config),
            status => {
                assert!(config.is_null());
                Err(status)
            }
        }
    }

    fn established(&self, resumed: bool) {
        // SAFETY: a handle that is alive.
        let done = unsafe { tsc_attempt_established(self.0, resumed.into()) };
        assert_eq!(done, tsc_status::TSC_OK);
    }

    fn failed(&self, why: u32) {
        // SAFETY: a handle that is alive.
        let done = unsafe { tsc_attempt_failed(self.0, why) };
        assert_eq!(done, tsc_status::TSC_OK);
    }

    /// For up to a minute. Each test's `ready` takes what the test passes as `arg`, which lives until
    /// the attempt is freed.
    fn wait(&self, ready: Ready, arg: *mut c_void) -> tsc_status {
        // SAFETY: a handle that is alive, and the above.
        unsafe { tsc_attempt_wait_callback(self.0, 60_000, Some(ready), arg) }
    }

    fn info(&self) -> tsc_attempt_info {
        // SAFETY: all-zero is a value.
        let mut info: tsc_attempt_info = unsafe { std::mem::zeroed() };
        let size = size_of::<tsc_attempt_info>();
        // SAFETY: a handle that is alive, and room for so much.
        let done = unsafe { tsc_attempt_info_get(self.0, &mut info, size) };
        assert_eq!(done, tsc_status::TSC_OK);
        info
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // SAFETY: freed here only.
        unsafe { tsc_attempt_free(self.0) };
    }
}

/// Tickets that are what they seal: only their lifetime matters here.
#[derive(Debug)]
struct Tickets {
    lifetime: u32,
    enabled: bool,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.enabled
    }
    fn lifetime(&self) -> u32 {
        self.lifetime
    }
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        Some(plain.to_vec())
    }
    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        Some(cipher.to_vec())
    }
}

/// Trusts the certificate for whatever name, so that a test can connect to the wrong one.
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
