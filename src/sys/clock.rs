//! The monotonic clock and the wall clock.

#![allow(
    unsafe_code,
    reason = "a system call; it is wrapped here in a function that is safe to call"
)]

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds on a clock that never goes back and, on Linux, Windows and Apple's systems, counts the
/// time the machine sleeps.
///
/// Behind by one tick of the kernel's clock (1 to 16 ms) at the most.
#[cfg(target_os = "linux")]
pub(crate) fn monotonic_ms() -> u64 {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

    fn read(clock: libc::clockid_t) -> (u64, u64) {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid place for a timespec; both clocks exist since Linux 2.6.39.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        (time.tv_sec as u64, time.tv_nsec as u64)
    }

    // CLOCK_BOOTTIME counts suspend but costs five times CLOCK_MONOTONIC_COARSE, which does not. So
    // the coarse clock only says whether a tick has passed since the last look at the other one.
    static TICK: AtomicU64 = AtomicU64::new(u64::MAX);
    static TIME: AtomicU64 = AtomicU64::new(0);
    let (seconds, nanos) = read(libc::CLOCK_MONOTONIC_COARSE);
    let tick = seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
    if TICK.load(Acquire) != tick {
        let (seconds, nanos) = read(libc::CLOCK_BOOTTIME);
        // Threads may come here together, in any order: time only goes up.
        TIME.fetch_max(seconds * 1000 + nanos / 1_000_000, Relaxed);
        TICK.store(tick, Release);
    }
    TIME.load(Relaxed)
}

/// GetTickCount64 goes on while the machine sleeps, where QueryUnbiasedInterruptTime and the counter behind
/// `Instant` need not, and exists since Windows Vista; QueryInterruptTime is finer, but came with 10.
#[cfg(windows)]
pub(crate) fn monotonic_ms() -> u64 {
    unsafe extern "system" {
        fn GetTickCount64() -> u64;
    }
    // SAFETY: takes nothing, and cannot fail.
    unsafe { GetTickCount64() }
}

/// Apple's CLOCK_MONOTONIC counts sleep, and its CLOCK_UPTIME_RAW, which is behind `Instant`, does not.
#[cfg(target_vendor = "apple")]
pub(crate) fn monotonic_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for a timespec, and the clock exists since macOS 10.12.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

#[cfg(not(any(target_os = "linux", windows, target_vendor = "apple")))]
pub(crate) fn monotonic_ms() -> u64 {
    use once_cell::race::OnceBox;
    use std::time::Instant;
    // Nobody waits for the thread that sets it: a child may be forked meanwhile.
    static START: OnceBox<Instant> = OnceBox::new();
    let start = START.get_or_init(|| Box::new(Instant::now()));
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch by the wall clock, for comparing with certificates.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_millis().try_into().unwrap_or(i64::MAX))
}
