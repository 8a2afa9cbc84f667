//! What is bounded, whatever the size: memory, the cost of a call, how long others wait for it.

use crate::peer::{EACH, PEERS, Peer};
use crate::report::Row;
use crate::tsc::Tsc;
use crate::work::{self, Mix, Random, thread_cpu};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Barrier, mpsc};
use std::time::Instant;

const BYTES: usize = 1024;

/// Memory per endpoint beyond key and session, and what a get and a put cost, by the number of endpoints.
pub fn scale(quick: bool, rows: &mut Vec<Row>) {
    let sizes: &[usize] = if quick {
        &[100, 10_000, 1_000_000]
    } else {
        &[100, 1_000, 10_000, 100_000, 1_000_000]
    };
    let data = work::session(BYTES);
    let caches: Vec<_> = sizes
        .iter()
        .map(|&endpoints| {
            let before = taken();
            let cache = Tsc::new(endpoints, EACH);
            let mut given = 0;
            for number in 0..endpoints {
                let key = work::key(number);
                given += key.len() + data.len();
                cache.put(&key, &data);
            }
            let beyond = (taken() - before - given as f64) / endpoints as f64;
            if endpoints >= 10_000 {
                rows.push(Row::new(
                    "memory",
                    &endpoints.to_string(),
                    "libtsc",
                    0,
                    beyond,
                ));
            }
            (endpoints, cache)
        })
        .collect();
    // What no cache can be faster than: a session is found without a look-up, and copied out.
    let blocks: Vec<Vec<_>> = sizes
        .iter()
        .map(|&endpoints| (0..endpoints).map(|_| data.clone()).collect())
        .collect();
    let calls = 20_000;
    let mut buf = vec![0; BYTES];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..if quick { 5 } else { 21 } {
        for ((endpoints, cache), blocks) in caches.iter().zip(&blocks) {
            let order: Vec<_> = (0..calls)
                .map(|_| (random.next() >> 16) as usize % endpoints)
                .collect();
            let start = thread_cpu();
            for at in order {
                black_box(&mut buf).copy_from_slice(&blocks[at]);
            }
            let spent = thread_cpu() - start;
            let case = format!("copy {endpoints}");
            rows.push(Row::new(
                "scale",
                &case,
                "none",
                round,
                spent / calls as f64,
            ));
            // A driver has just made its key: these lie one behind the other in memory.
            let keys: Vec<u8> = (0..calls)
                .flat_map(|_| work::key((random.next() >> 16) as usize % endpoints))
                .collect();
            let keys = keys.chunks(keys.len() / calls);
            let start = thread_cpu();
            for key in keys.clone() {
                assert!(black_box(cache.get(key, &mut buf)));
            }
            let middle = thread_cpu();
            for key in keys {
                cache.put(key, &data);
            }
            for (call, spent) in [("get", middle - start), ("put", thread_cpu() - middle)] {
                let case = format!("{call} {endpoints}");
                rows.push(Row::new(
                    "scale",
                    &case,
                    "libtsc",
                    round,
                    spent / calls as f64,
                ));
            }
        }
    }
}

/// Bytes that the process has: of the heap, and in the pages for secrets.
fn taken() -> f64 {
    // SAFETY: takes nothing.
    let heap = unsafe { libc::mallinfo2() };
    // The pages for secrets are the ones that are left out of dumps ("dd") and wiped on fork ("wf").
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("the process's maps");
    let (mut size, mut secret) = (0.0, 0.0);
    for line in maps.lines() {
        if let Some(kilobytes) = line.strip_prefix("Size:") {
            let kilobytes = kilobytes.trim().trim_end_matches(" kB");
            size = kilobytes.parse::<f64>().expect("a size") * 1024.0;
        }
        if line.starts_with("VmFlags:") && line.contains(" dd") && line.contains(" wf") {
            secret += size;
        }
    }
    (heap.uordblks + heap.hblkhd) as f64 + secret
}

/// The 99th percentile of a get, by the wall clock, with 8 threads.
pub fn percentile(quick: bool, rows: &mut Vec<Row>) {
    let (threads, calls, rounds) = (8, 20_000, if quick { 5 } else { 15 });
    let endpoints = 10_000;
    let data = work::session(BYTES);
    let keys: Vec<_> = (0..endpoints).map(work::key).collect();
    let orders = [
        ("hot", work::uniform(1 << 16, 8)),
        ("zipf", work::zipf(1 << 16, endpoints)),
    ];
    let peers: Vec<_> = PEERS
        .iter()
        .map(|(name, make)| {
            let peer = make(endpoints);
            Mix::Mostly.fill(&*peer, &keys, &data);
            (*name, peer)
        })
        .collect();
    for (order_name, order) in &orders {
        for round in 0..rounds {
            for (name, peer) in &peers {
                let barrier = Barrier::new(threads);
                let (barrier, keys) = (&barrier, &keys);
                let mut took: Vec<f64> = std::thread::scope(|scope| {
                    let workers: Vec<_> = (0..threads)
                        .map(|worker| {
                            scope.spawn(move || {
                                let mut buf = vec![0; BYTES];
                                let start = order.len() / threads * worker;
                                barrier.wait();
                                (0..calls)
                                    .map(|turn| {
                                        let at = order[(start + turn) % order.len()] as usize;
                                        let begun = Instant::now();
                                        black_box(peer.get(&keys[at], &mut buf));
                                        begun.elapsed().as_nanos() as f64
                                    })
                                    .collect::<Vec<_>>()
                            })
                        })
                        .collect();
                    let took = workers
                        .into_iter()
                        .flat_map(|worker| worker.join().unwrap());
                    took.collect()
                });
                took.sort_by(f64::total_cmp);
                let value = took[took.len() / 100 * 99];
                rows.push(Row::new("p99", order_name, name, round, value));
            }
        }
    }
}

/// The slowest call of each kind, in nanoseconds of CPU; for the calls that go through the whole cache, the
/// longest that a get or a put of another thread waits for them. A short run has a tenth of the endpoints, and the results
/// say how many there were.
pub fn longest(quick: bool, rows: &mut Vec<Row>) {
    let endpoints = if quick { 100_000 } else { 1_000_000 };
    let data = work::session(BYTES);
    let mut buf = vec![0; BYTES];
    for round in 0..3 {
        let cache = Tsc::new(endpoints, EACH);
        let mut slowest = |call: &str, from: usize, run: &mut dyn FnMut(&[u8])| {
            let mut slowest = 0.0_f64;
            for number in from..from + endpoints {
                let key = work::key(number);
                let start = thread_cpu();
                run(&key);
                slowest = slowest.max(thread_cpu() - start);
            }
            let case = format!("{call} {endpoints}");
            rows.push(Row::new("longest", &case, "libtsc", round, slowest));
        };
        slowest("growing put", 0, &mut |key| cache.put(key, &data));
        slowest("put", 0, &mut |key| cache.put(key, &data));
        slowest("get", 0, &mut |key| assert!(cache.get(key, &mut buf)));
        slowest("evicting put", endpoints, &mut |key| cache.put(key, &data));
        let offer = cache.slowest_offer(endpoints / 10, &data);
        let mut longest = |call: &str, took| {
            let case = format!("{call} {endpoints}");
            rows.push(Row::new("longest", &case, "libtsc", round, took));
        };
        longest("offer", offer);
        let mut exported = Vec::new();
        for does in WALKS {
            let [get, put] = waits(&cache, endpoints, &data, || match does {
                "uses no cache" => busy(),
                "reads the statistics" => cache.stats(),
                "asks for the export's length" => {
                    let length = cache.export(&mut []);
                    exported = vec![1; length + length / 8];
                }
                "exports" => _ = cache.export(&mut exported),
                "purges" => cache.purge(),
                _ => cache.clear(),
            });
            for (call, [wait, cpu]) in [("get", get), ("put", put)] {
                longest(&format!("{call} while another thread {does}"), wait);
                longest(
                    &format!("{call} in its own CPU while another thread {does}"),
                    cpu,
                );
            }
        }
    }
}

/// What goes through the whole cache; and something that does not, to tell what the machine adds.
const WALKS: [&str; 6] = [
    "uses no cache",
    "reads the statistics",
    "asks for the export's length",
    "exports",
    "purges",
    "clears",
];

/// Computes for half a second.
fn busy() {
    let (start, mut random) = (thread_cpu(), Random(1));
    while thread_cpu() - start < 5e8 {
        black_box((0..1000).fold(0, |sum: u64, _| sum.wrapping_add(random.next())));
    }
}

/// How long a get and a put wait, at the most, while another thread makes a call: in the CPU time of that thread, so
/// that what other processes do meanwhile does not count. Nor does the time for which the get or put is ready to run
/// and has no processor. And what they take of CPU themselves.
fn waits(cache: &Tsc, endpoints: usize, data: &[u8], call: impl FnOnce() + Send) -> [[f64; 2]; 2] {
    let done = AtomicBool::new(false);
    let barrier = Barrier::new(2);
    let (say, hear) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut clock = 0;
            // SAFETY: this thread, and a place.
            unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
            say.send(clock).unwrap();
            barrier.wait();
            call();
            done.store(true, SeqCst);
            barrier.wait(); // the clock ends with the thread
        });
        let clock = hear.recv().unwrap();
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut buf = vec![0; BYTES];
        let mut longest = [[0.0_f64; 2]; 2];
        barrier.wait();
        while !done.load(SeqCst) {
            let key = work::key(endpoints + (random.next() >> 16) as usize % endpoints);
            for (puts, [longest, most]) in longest.iter_mut().enumerate() {
                let ready = ready_to_run();
                let (start, own) = (work::cpu(clock), thread_cpu());
                if puts == 0 {
                    black_box(cache.get(&key, &mut buf));
                } else {
                    cache.put(&key, data);
                }
                *most = most.max(thread_cpu() - own);
                let waited = work::cpu(clock) - start;
                *longest = longest.max(waited - (ready_to_run() - ready));
            }
        }
        barrier.wait();
        longest
    })
}

/// Nanoseconds for which this thread was ready to run and had no processor.
fn ready_to_run() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the scheduler's");
    let field = text.split(' ').nth(1).expect("three numbers");
    field.parse().expect("a number")
}
