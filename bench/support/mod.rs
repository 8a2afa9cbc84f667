//! Keys, distributions, rustls's side, and the report.

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, RootCertStore, ServerConfig, ServerConnection,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Nanoseconds per call, one figure a round.
pub type Rounds = Vec<f64>;

/// How many rounds a comparison takes; TSC_BENCH_ROUNDS sets it.
pub fn rounds() -> usize {
    let set = std::env::var("TSC_BENCH_ROUNDS");
    set.ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(31)
}

/// A key as long as those that the library makes for an endpoint.
pub fn key(number: usize) -> Vec<u8> {
    format!("config-01 node-{number:05}.db.example.com 9142").into_bytes()
}

pub fn server_name(number: usize) -> ServerName<'static> {
    format!("node-{number:05}.db.example.com")
        .try_into()
        .unwrap()
}

/// A small generator of our own kind of luck, the same in every run (xorshift).
struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn shuffled(count: usize, below: usize) -> Vec<usize> {
    let mut luck = Luck(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .map(|_| (luck.next() >> 16) as usize % below)
        .collect()
}

/// Numbers below `n`, of which number i comes up in proportion to 1 / (i + 1)^s.
pub struct Zipf {
    sums: Vec<f64>,
    luck: Luck,
}

impl Zipf {
    pub fn new(n: u32, s: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=n)
            .map(|rank| {
                sum += f64::from(rank).powf(-s);
                sum
            })
            .collect();
        Self {
            sums,
            luck: Luck(0x2545_f491_4f6c_dd1d),
        }
    }
}

impl Iterator for Zipf {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let at = self.luck.unit() * self.sums.last()?;
        Some(self.sums.partition_point(|&sum| sum <= at) as u32)
    }
}

pub fn rustls_cache(servers: usize) -> Arc<dyn ClientSessionStore> {
    Arc::new(ClientSessionMemoryCache::new(servers * 8))
}

/// A TLS 1.2 session, which only a handshake can make: one over memory.
pub fn rustls_session() -> Tls12ClientSessionValue {
    let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = cert.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(cert.signing_key.serialize_der()));
    let mut server = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    let mut client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let caught = Arc::new(Catch::default());
    client.resumption = Resumption::store(caught.clone());
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut client =
        ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    caught
        .0
        .lock()
        .unwrap()
        .take()
        .expect("the server sent a ticket")
}

#[derive(Debug, Default)]
struct Catch(Mutex<Option<Tls12ClientSessionValue>>);

impl ClientSessionStore for Catch {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        *self.0.lock().unwrap() = Some(value);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(
        &self,
        _: ServerName<'static>,
        _: rustls::client::Tls13ClientSessionValue,
    ) {
    }
    fn take_tls13_ticket(
        &self,
        _: &ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        None
    }
}

/// Counts what the heap gives out, with what each block costs there beyond its length (glibc's way: 8
/// bytes, rounded up to 16, at least 32).
struct Counting;

static HEAP: AtomicIsize = AtomicIsize::new(0);

fn cost(size: usize) -> isize {
    ((size + 8 + 15) & !15).max(32) as isize
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.fetch_add(cost(layout.size()), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HEAP.fetch_sub(cost(layout.size()), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that the kernel has mapped for this process's data, for what does not come from the heap.
fn mapped() -> isize {
    let status = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    // The pages for secrets are the ones that are left out of dumps ("dd") and wiped on fork ("wf").
    let mut size = 0;
    let mut total = 0;
    for line in status.lines() {
        if let Some(kilobytes) = line.strip_prefix("Size:") {
            size = kilobytes
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .unwrap_or(0);
        }
        if line.starts_with("VmFlags:") && line.contains(" dd") && line.contains(" wf") {
            total += size * 1024;
        }
    }
    total
}

/// What the cache takes for each endpoint with one session, beyond the bytes of key and session.
pub fn overhead(endpoints: usize, session_bytes: usize) -> f64 {
    let before = (HEAP.load(Relaxed), mapped());
    let cache = super::Cache::new(endpoints as u32);
    let mut given = 0;
    for number in 0..endpoints {
        let key = key(number);
        cache.put(&key);
        given += key.len() + session_bytes;
    }
    let after = (HEAP.load(Relaxed), mapped());
    assert!(
        after.1 > before.1,
        "the pages for secrets can be seen in /proc/self/smaps"
    );
    let taken = (after.0 - before.0 + after.1 - before.1) as f64;
    (taken - given as f64) / endpoints as f64
}

/// What a ratio should be.
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Anything: to be compared with another line.
    Shown,
}

/// Measures what the command line asks for, prints each figure with its goal, and remembers whether
/// one was missed.
pub struct Report {
    /// Only the lines whose names contain this.
    only: Option<String>,
    missed: usize,
}

impl Report {
    pub fn new() -> Self {
        println!(
            "{:<54} {:>9} {:>9} {:>7}  goal",
            "median of each round", "ns", "ns", "ratio"
        );
        // `cargo bench` passes options of its own.
        let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
        Self { only, missed: 0 }
    }

    /// a / b.
    pub fn compare(&mut self, what: &str, goal: Goal, measure: impl FnOnce() -> (Rounds, Rounds)) {
        if !self.wants(what) {
            return;
        }
        let (a, b) = measure();
        let ratio = median(a.iter().zip(&b).map(|(a, b)| a / b).collect());
        let (a, b) = (median(a), median(b));
        let line = format!("{what:<54} {a:>9.1} {b:>9.1} {ratio:>7.2}");
        match goal {
            Goal::AtMost(goal) => self.line(ratio <= goal, format!("{line}  ≤ {goal}")),
            Goal::AtLeast(goal) => self.line(ratio >= goal, format!("{line}  ≥ {goal}")),
            Goal::Shown => println!("{line}"),
        }
    }

    /// a - b, which should be at most `goal` nanoseconds.
    pub fn above(&mut self, what: &str, goal: f64, measure: impl FnOnce() -> (Rounds, Rounds)) {
        if !self.wants(what) {
            return;
        }
        let (a, b) = measure();
        let above = median(a.iter().zip(&b).map(|(a, b)| a - b).collect());
        let (a, b) = (median(a), median(b));
        self.line(
            above <= goal,
            format!("{what:<54} {a:>9.1} {b:>9.1} {above:>4.1} ns  ≤ {goal}"),
        );
    }

    pub fn bytes(&mut self, what: &str, goal: u32, measure: impl FnOnce() -> f64) {
        if !self.wants(what) {
            return;
        }
        let bytes = measure();
        let met = bytes <= f64::from(goal);
        self.line(
            met,
            format!("{what:<54} {:>9} {:>9} {bytes:>5.0} B  ≤ {goal}", "", ""),
        );
    }

    fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only))
    }

    fn line(&mut self, met: bool, line: String) {
        println!("{line}  {}", if met { "met" } else { "MISSED" });
        self.missed += usize::from(!met);
    }

    pub fn finish(self) {
        println!("bench: {} missed", self.missed);
        std::process::exit(i32::from(self.missed != 0));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
