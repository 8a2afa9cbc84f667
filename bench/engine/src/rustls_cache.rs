//! rustls's own cache beside libtsc's store for rustls, both behind rustls's trait, with sessions that handshakes made.

use crate::work::{self, Mix};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use std::hint::black_box;
use std::sync::{Arc, Mutex};

pub const SUBJECTS: [&str; 2] = ["libtsc", "rustls"];

/// Tickets that each endpoint has when the work begins.
const TICKETS: usize = 2;

/// The caches of one mix and order, filled.
pub struct Stores {
    mix: Mix,
    names: Vec<ServerName<'static>>,
    session: Tls12ClientSessionValue,
    stores: [Arc<dyn ClientSessionStore>; 2],
}

impl Stores {
    /// With room for so many endpoints, of which the first `used` have something.
    pub fn new(mix: Mix, endpoints: usize, used: usize) -> Self {
        let names: Vec<_> = (0..endpoints)
            .map(|number| {
                let name = format!("node-{number:06}.db.example.com");
                ServerName::try_from(name).expect("a name")
            })
            .collect();
        let mut options = libtsc::Options::default();
        options.max_endpoints = endpoints as u32;
        options.max_sessions_per_endpoint = crate::peer::EACH as u32;
        options.max_bytes = 16 << 30;
        let cache = libtsc::Cache::new(options);
        let stores: [Arc<dyn ClientSessionStore>; 2] = [
            Arc::new(libtsc::rustls::SessionStore::new(&cache)),
            Arc::new(ClientSessionMemoryCache::new(endpoints * crate::peer::EACH)),
        ];
        let session = caught(&rustls::version::TLS12, 0)
            .session
            .expect("one came");
        for store in &stores {
            match mix {
                Mix::Mostly => {
                    for name in &names[..used] {
                        store.set_tls12_session(name.clone(), session.clone());
                    }
                }
                Mix::Churn => {
                    let mut tickets = caught(&rustls::version::TLS13, TICKETS * used).tickets;
                    for name in names[..used].iter().cycle().take(TICKETS * used) {
                        let ticket = tickets.pop().expect("as many as were asked for");
                        store.insert_tls13_ticket(name.clone(), ticket);
                    }
                }
            }
        }
        Self {
            mix,
            names,
            session,
            stores,
        }
    }

    /// Nanoseconds per step, by the wall clock and of the processor.
    pub fn run(&self, subject: usize, threads: usize, steps: usize, order: &[u32]) -> (f64, f64) {
        let store = &*self.stores[subject];
        work::run(threads, steps, order, |turn, at, _| {
            let name = &self.names[at];
            match self.mix {
                Mix::Mostly if turn % 10 == 9 => {
                    store.set_tls12_session(name.clone(), self.session.clone());
                }
                Mix::Mostly => drop(black_box(store.tls12_session(name))),
                // What was taken goes back: a ticket cannot be copied.
                Mix::Churn => {
                    if let Some(ticket) = store.take_tls13_ticket(name) {
                        store.insert_tls13_ticket(name.clone(), black_box(ticket));
                    }
                }
            }
        })
    }
}

/// What a handshake brings.
#[derive(Default)]
struct Caught {
    session: Option<Tls12ClientSessionValue>,
    tickets: Vec<Tls13ClientSessionValue>,
}

/// Handshakes in memory, until they have brought so many tickets.
fn caught(version: &'static SupportedProtocolVersion, tickets: usize) -> Caught {
    let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let der = cert.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(cert.signing_key.serialize_der()));
    let mut server = ServerConfig::builder_with_protocol_versions(&[version])
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .expect("a config");
    server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("random numbers");
    // rustls takes no more than fit into 64 KiB.
    server.send_tls13_tickets = tickets.min(64);
    let mut roots = RootCertStore::empty();
    roots.add(der).expect("a certificate");
    let mut client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let catcher = Arc::new(Catcher::default());
    client.resumption = Resumption::store(catcher.clone());
    let (server, client) = (Arc::new(server), Arc::new(client));
    loop {
        shake_hands(&server, &client);
        let mut caught = catcher.0.lock().expect("no panic");
        if caught.tickets.len() >= tickets {
            return std::mem::take(&mut caught);
        }
    }
}

fn shake_hands(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) {
    let mut server = ServerConnection::new(Arc::clone(server)).expect("a config");
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::clone(client), name).expect("a config");
    while client.is_handshaking() || server.wants_write() || client.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory");
        }
        let mut rest = &*wire;
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("memory");
            server.process_new_packets().expect("what a client sends");
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory");
        }
        let mut rest = &*wire;
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory");
            client.process_new_packets().expect("what a server sends");
        }
    }
}

#[derive(Default)]
struct Catcher(Mutex<Caught>);

impl std::fmt::Debug for Catcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catcher")
    }
}

impl ClientSessionStore for Catcher {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.lock().expect("no panic").session = Some(value);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.lock().expect("no panic").tickets.push(value);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
