//! What is done to a cache, in which order, and by how many threads.

use crate::peer::Peer;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// A key as long as those that the library makes for an endpoint.
pub fn key(number: usize) -> Vec<u8> {
    format!("config-01 node-{number:06}.db.example.co 9142").into_bytes()
}

pub fn session(bytes: usize) -> Vec<u8> {
    vec![7; bytes]
}

/// Numbers that are the same in every run (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn uniform(count: usize, below: usize) -> Vec<u32> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .map(|_| ((random.next() >> 16) as usize % below) as u32)
        .collect()
}

/// Number i comes up in proportion to 1 / (i + 1)^0.99.
pub fn zipf(count: usize, below: usize) -> Vec<u32> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=below)
        .map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        })
        .collect();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    (0..count)
        .map(|_| {
            let at = random.unit() * sum;
            sums.partition_point(|&sum| sum <= at).min(below - 1) as u32
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
pub enum Mix {
    /// Nine gets of ten, and a put.
    Mostly,
    /// Take one, put two: what a connection does that resumes under TLS 1.3.
    Churn,
}

impl Mix {
    pub const ALL: [Self; 2] = [Self::Mostly, Self::Churn];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mostly => "90/10",
            Self::Churn => "churn",
        }
    }

    pub fn fill(self, peer: &dyn Peer, keys: &[Vec<u8>], data: &[u8]) {
        for key in keys {
            match self {
                Self::Mostly => peer.put(key, data),
                Self::Churn => (0..crate::peer::EACH).for_each(|_| peer.put_ticket(key, data)),
            }
        }
    }

    #[inline]
    fn step(self, turn: usize, peer: &dyn Peer, key: &[u8], data: &[u8], buf: &mut [u8]) {
        match self {
            Self::Mostly if turn % 10 == 9 => peer.put(key, data),
            Self::Mostly => {
                black_box(peer.get(key, buf));
            }
            Self::Churn => {
                black_box(peer.take(key, buf));
                peer.put_ticket(key, data);
                peer.put_ticket(key, data);
            }
        }
    }

    /// Nanoseconds per step, by the wall clock and of the processor, while so many threads make `steps` of them, each
    /// from its own place in `order`.
    pub fn run(
        self,
        peer: &dyn Peer,
        threads: usize,
        steps: usize,
        order: &[u32],
        keys: &[Vec<u8>],
        data: &[u8],
    ) -> (f64, f64) {
        run(threads, steps, order, |turn, at, buf| {
            buf.resize(data.len(), 0);
            self.step(turn, peer, &keys[at], data, black_box(buf));
        })
    }
}

/// Nanoseconds per step, by the wall clock and of the processor, while so many threads make `steps` of them, each from
/// its own place in `order` and with a buffer of its own.
pub fn run(
    threads: usize,
    steps: usize,
    order: &[u32],
    step: impl Fn(usize, usize, &mut Vec<u8>) + Sync,
) -> (f64, f64) {
    let barrier = Barrier::new(threads);
    let each = steps / threads;
    // The threads look at the clock: one that watched them would be late, there are more of them than
    // processors.
    let ran: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (barrier, step) = (&barrier, &step);
                scope.spawn(move || {
                    let mut buf = Vec::new();
                    let start = order.len() / threads * worker;
                    barrier.wait();
                    let begun = Instant::now();
                    let cpu = thread_cpu();
                    for turn in 0..each {
                        let at = order[(start + turn) % order.len()] as usize;
                        step(turn, at, &mut buf);
                    }
                    let cpu = thread_cpu() - cpu;
                    (begun, Instant::now(), cpu)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let begun = ran.iter().map(|&(begun, ..)| begun).min().unwrap();
    let ended = ran.iter().map(|&(_, ended, _)| ended).max().unwrap();
    let steps = (each * threads) as f64;
    let cpu: f64 = ran.iter().map(|&(.., cpu)| cpu).sum();
    ((ended - begun).as_secs_f64() * 1e9 / steps, cpu / steps)
}

/// Nanoseconds that this thread has had of a processor.
pub fn thread_cpu() -> f64 {
    cpu(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The same of the thread that a clock belongs to.
pub fn cpu(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for a timespec.
    let done = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(done, 0);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
