//! What the cache costs, against what it cannot cost less than and against rustls's own cache.
//!
//! `make bench` runs it, `cargo bench --features capi -- floor` only the lines whose names contain
//! "floor". Each comparison alternates its two sides in one run and reports the median of the ratios, so
//! that a machine that speeds up or slows down meanwhile does not matter much.

#![expect(
    clippy::disallowed_types,
    reason = "parking_lot's lock is the yardstick"
)]
#![allow(
    unsafe_code,
    reason = "measures the C functions as C calls them, through pointers"
)]

mod support;

use libtsc::capi::*;
use std::ffi::c_void;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::hint::black_box;
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::Goal::{AtLeast, AtMost, Shown};
use support::{Report, Rounds, Zipf, key, rustls_session};

const SESSION_BYTES: usize = 1024;

/// Not all zeros: what is zeroed by the system is one page, however long it is.
const SESSION: [u8; SESSION_BYTES] = {
    let mut bytes = [7; SESSION_BYTES];
    bytes[SESSION_BYTES - 1] = 0;
    bytes
};

fn main() {
    let mut report = Report::new();
    for (what, endpoints, goal) in [
        ("8 hot endpoints", 8, 1.1),
        ("10,000 endpoints", 10_000, 1.6),
    ] {
        let name = format!("tsc_get / floor, {what}");
        report.compare(&name, AtMost(goal), || get_against_floor(endpoints, true));
        let name = format!("tsc_get / floor that overlaps, {what}");
        report.compare(&name, Shown, || get_against_floor(endpoints, false));
    }
    report.above(
        "tsc_attempt_offer of an object, above the lock",
        50.0,
        offer_against_lock,
    );
    report.compare(
        "rustls / tsc_get, 8 threads, 8 hot endpoints",
        AtLeast(2.5),
        || {
            let hot: Vec<u32> = (0..1 << 16).map(|i| i % 8).collect();
            rustls_against_threads(8, &hot, 10_000)
        },
    );
    for (what, of, goal) in [
        (
            "rustls / tsc_get, 8 threads, Zipf 0.99 over 1,000",
            1_000,
            4.0,
        ),
        (
            "Zipf over 10,000 in room for 1,000: many are stored anew",
            10_000,
            1.0,
        ),
    ] {
        report.compare(what, AtLeast(goal), || {
            let zipf: Vec<u32> = Zipf::new(of, 0.99).take(1 << 18).collect();
            rustls_against_threads(8, &zipf, 1_000)
        });
    }
    report.bytes("memory per endpoint beyond key and session", 250, || {
        support::overhead(10_000, SESSION_BYTES)
    });
    report.finish();
}

struct Cache(*mut tsc_cache);
// SAFETY: a handle may be used from any thread.
unsafe impl Sync for Cache {}

impl Cache {
    fn new(endpoints: u32) -> Self {
        let options = tsc_options {
            max_endpoints: endpoints,
            max_bytes: 1 << 30,
            // SAFETY: all-zero is every default.
            ..unsafe { std::mem::zeroed() }
        };
        let mut cache = ptr::null_mut();
        // SAFETY: a struct of its size, and a place.
        let done = unsafe { tsc_cache_new(&options, size_of_val(&options), &mut cache) };
        assert_eq!(done, tsc_status::TSC_OK);
        Self(cache)
    }

    fn put(&self, key: &[u8]) {
        let info = tsc_session_info {
            tls_version: 0x0303,
            lifetime_seconds: 0,
            not_after: 0,
            age_ms: 0,
            certificates: 0,
            certificate_bytes: 0,
        };
        let data = SESSION;
        type Put = unsafe extern "C" fn(
            *const tsc_cache,
            *const u8,
            usize,
            *const tsc_session_info,
            usize,
            *const u8,
            usize,
        ) -> tsc_status;
        let put = black_box(tsc_put as Put);
        // SAFETY: a handle that is alive, slices' parts, and a struct of its size.
        let done = unsafe {
            put(
                self.0,
                key.as_ptr(),
                key.len(),
                &info,
                size_of_val(&info),
                data.as_ptr(),
                data.len(),
            )
        };
        assert_eq!(done, tsc_status::TSC_OK);
    }

    #[inline]
    fn get(&self, key: &[u8], buf: &mut [u8; SESSION_BYTES]) -> bool {
        type Get = unsafe extern "C" fn(
            *const tsc_cache,
            *const u8,
            usize,
            *mut u8,
            usize,
            *mut usize,
            *mut tsc_session_info,
            usize,
        ) -> tsc_status;
        let get = black_box(tsc_get as Get);
        let mut len = 0;
        let (info, no_info) = (ptr::null_mut(), 0);
        // SAFETY: a handle that is alive, slices' parts, and a place.
        let done = unsafe {
            get(
                self.0,
                key.as_ptr(),
                key.len(),
                buf.as_mut_ptr(),
                buf.len(),
                &mut len,
                info,
                no_info,
            )
        };
        done == tsc_status::TSC_OK
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: freed here only.
        unsafe { tsc_cache_free(self.0) };
    }
}

/// What no cache can do without: hash the key (as std does, and rustls's cache with it), take a lock,
/// copy the bytes.
///
/// In a cache the hash decides which bytes these are, so it has to be there before the copy begins.
/// The floor knows them without it. A processor that sees that hashes and copies at the same time,
/// which is a floor that no cache can stand on; `chained` keeps it from that.
struct Floor {
    hasher: RandomState,
    /// All bits of the hash that are added to the place to copy from: none, but that is only known
    /// when it runs, so the place waits for the hash.
    of_the_hash: u64,
    lock: parking_lot::Mutex<u64>,
    sessions: Vec<[u8; SESSION_BYTES]>,
}

extern "C" fn floor_get<const CHAINED: bool>(
    floor: &Floor,
    key: *const u8,
    len: usize,
    at: usize,
    buf: *mut [u8; SESSION_BYTES],
) -> u64 {
    let mut hasher = floor.hasher.build_hasher();
    // SAFETY: called with a slice's parts.
    hasher.write(unsafe { std::slice::from_raw_parts(key, len) });
    let hash = hasher.finish();
    let at = if CHAINED {
        at + (hash & floor.of_the_hash) as usize
    } else {
        at
    };
    let mut count = floor.lock.lock();
    *count += 1;
    // SAFETY: both are that long.
    unsafe { ptr::copy_nonoverlapping(&floor.sessions[at], buf, 1) };
    hash
}

fn get_against_floor(endpoints: usize, chained: bool) -> (Rounds, Rounds) {
    const CALLS: usize = 200_000;
    let keys: Vec<Vec<u8>> = (0..endpoints).map(key).collect();
    let cache = Cache::new(endpoints.max(100) as u32);
    keys.iter().for_each(|key| cache.put(key));
    let floor = Floor {
        hasher: RandomState::new(),
        of_the_hash: black_box(0),
        lock: parking_lot::Mutex::new(0),
        sessions: vec![SESSION; endpoints],
    };
    let order: Vec<usize> = support::shuffled(CALLS, endpoints);
    type Get = extern "C" fn(&Floor, *const u8, usize, usize, *mut [u8; SESSION_BYTES]) -> u64;
    let get_floor = black_box(if chained {
        floor_get::<true> as Get
    } else {
        floor_get::<false>
    });
    alternate(
        || in_turn(&order, |at, buf| assert!(cache.get(&keys[at], buf))),
        || {
            in_turn(&order, |at, buf| {
                black_box(get_floor(
                    &floor,
                    keys[at].as_ptr(),
                    keys[at].len(),
                    at,
                    buf,
                ));
            })
        },
    )
}

/// Makes one call after the other, each of which needs what the one before gave: as in a driver, none
/// can begin before the last has ended.
fn in_turn(order: &[usize], mut call: impl FnMut(usize, &mut [u8; SESSION_BYTES])) -> f64 {
    let mut buf = [0; SESSION_BYTES];
    let start = Instant::now();
    for turn in 0..order.len() {
        // The last byte of every session is 0, which the processor does not know.
        call(
            order[turn ^ usize::from(buf[SESSION_BYTES - 1])],
            black_box(&mut buf),
        );
    }
    per_call(start, order.len())
}

static RELEASED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn release(_: *mut c_void) {
    RELEASED.fetch_add(1, Relaxed);
}

/// Offering an object to an attempt, against taking and releasing a lock as often.
fn offer_against_lock() -> (Rounds, Rounds) {
    // So few at a time that they are in the processor's cache, as an attempt is that was just made.
    const ATTEMPTS: usize = 100;
    const BATCHES: usize = 500;
    let cache = Cache::new(100);
    let mut config = ptr::null_mut();
    // SAFETY: a handle that is alive, and a place.
    let done = unsafe { tsc_config_new(cache.0, ptr::null(), 0, &mut config) };
    assert_eq!(done, tsc_status::TSC_OK);
    let attempt = |config| {
        let host = b"db.example.com";
        let endpoint = tsc_endpoint {
            host: host.as_ptr(),
            host_len: host.len(),
            port: 5432,
            // SAFETY: all-zero is every default.
            ..unsafe { std::mem::zeroed() }
        };
        let mut attempt = ptr::null_mut();
        let size = size_of_val(&endpoint);
        // SAFETY: a handle that is alive, a struct of its size, and a place.
        let done = unsafe { tsc_attempt_new(config, &endpoint, size, &mut attempt) };
        assert_eq!(done, tsc_status::TSC_OK);
        attempt
    };
    // One TLS 1.2 session, offered to every attempt.
    let first = attempt(config);
    let info = tsc_session_info {
        tls_version: 0x0303,
        lifetime_seconds: 0,
        not_after: 0,
        age_ms: 0,
        certificates: 0,
        certificate_bytes: 0,
    };
    let object = ptr::dangling_mut::<u8>().cast();
    let size = size_of_val(&info);
    // SAFETY: a handle that is alive, a struct of its size, and an object that `release` does not touch.
    let done = unsafe {
        tsc_attempt_receive_object(first, &info, size, object, SESSION_BYTES, Some(release))
    };
    assert_eq!(done, tsc_status::TSC_OK);
    // SAFETY: a handle that is alive.
    let done = unsafe { tsc_attempt_established(first, 0) };
    assert_eq!(done, tsc_status::TSC_OK);
    let lock = parking_lot::Mutex::new(0u64);
    let rounds = alternate(
        || {
            type Offer =
                unsafe extern "C" fn(*const tsc_attempt, *mut tsc_session, usize) -> tsc_status;
            let offer = black_box(tsc_attempt_offer as Offer);
            // SAFETY: all-zero is a value.
            let mut session: tsc_session = unsafe { std::mem::zeroed() };
            let mut time = Duration::ZERO;
            for _ in 0..BATCHES {
                let attempts: Vec<_> = (0..ATTEMPTS).map(|_| attempt(config)).collect();
                let start = Instant::now();
                for &attempt in &attempts {
                    // SAFETY: a handle that is alive, and room for so much.
                    let done = unsafe { offer(attempt, &mut session, size_of_val(&session)) };
                    assert_eq!(done, tsc_status::TSC_OK);
                }
                time += start.elapsed();
                for attempt in attempts {
                    // SAFETY: freed here only.
                    unsafe { tsc_attempt_free(attempt) };
                }
            }
            nanos(time, ATTEMPTS * BATCHES)
        },
        || {
            let start = Instant::now();
            for _ in 0..ATTEMPTS * BATCHES {
                *black_box(&lock).lock() += 1;
            }
            per_call(start, ATTEMPTS * BATCHES)
        },
    );
    // SAFETY: freed here only.
    unsafe {
        tsc_attempt_free(first);
        tsc_config_free(config);
    }
    rounds
}

/// Threads that look sessions up and, when there is none, store one: through the C API, and in
/// rustls's cache behind its trait.
fn rustls_against_threads(threads: usize, order: &[u32], endpoints: u32) -> (Rounds, Rounds) {
    let keys: Vec<Vec<u8>> = (0..10_000).map(key).collect();
    let names: Vec<_> = (0..10_000).map(support::server_name).collect();
    let session = rustls_session();
    let cache = Cache::new(endpoints.max(100));
    let rustls = support::rustls_cache(endpoints as usize);
    for &at in order {
        cache.put(&keys[at as usize]);
        rustls.set_tls12_session(names[at as usize].clone(), session.clone());
    }
    let (ours, rustls) = alternate(
        || {
            together(threads, order, |at, buf| {
                if !cache.get(&keys[at], buf) {
                    cache.put(&keys[at]);
                }
            })
        },
        || {
            together(threads, order, |at, _| {
                if black_box(rustls.tls12_session(&names[at])).is_none() {
                    rustls.set_tls12_session(names[at].clone(), session.clone());
                }
            })
        },
    );
    (rustls, ours)
}

/// Wall time per call while `threads` threads make the calls in `order`, each from its own place on.
fn together(
    threads: usize,
    order: &[u32],
    call: impl Fn(usize, &mut [u8; SESSION_BYTES]) + Sync,
) -> f64 {
    let barrier = Barrier::new(threads);
    // The threads look at the clock: one that watched them would be late, there are more of them than
    // processors.
    let ran: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (barrier, call) = (&barrier, &call);
                scope.spawn(move || {
                    let (before, after) = order.split_at(order.len() / threads * worker);
                    let mut buf = [0; SESSION_BYTES];
                    barrier.wait();
                    let begun = Instant::now();
                    for &at in after.iter().chain(before) {
                        call(at as usize, black_box(&mut buf));
                    }
                    (begun, Instant::now())
                })
            })
            .collect();
        let ran = workers.into_iter().map(|worker| worker.join().unwrap());
        ran.collect()
    });
    let begun = ran.iter().map(|&(begun, _)| begun).min().unwrap();
    let ended = ran.iter().map(|&(_, ended)| ended).max().unwrap();
    nanos(ended - begun, threads * order.len())
}

/// Runs both sides in turn, after one turn to warm up.
fn alternate(mut a: impl FnMut() -> f64, mut b: impl FnMut() -> f64) -> (Rounds, Rounds) {
    a();
    b();
    (0..support::rounds()).map(|_| (a(), b())).unzip()
}

fn per_call(start: Instant, calls: usize) -> f64 {
    nanos(start.elapsed(), calls)
}

fn nanos(time: Duration, calls: usize) -> f64 {
    time.as_secs_f64() * 1e9 / calls as f64
}
