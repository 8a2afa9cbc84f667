//! What differs between operating systems: the clock, noticing a fork, pages for secrets, and a
//! descriptor that tells when a wait is over.

#![allow(
    unsafe_code,
    reason = "system calls; each is wrapped here in a function that is safe to call"
)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds on a clock that never goes back and, on Linux, counts the time the machine sleeps.
///
/// Behind by one tick of the kernel's clock (1 to 10 ms) at the most.
#[cfg(target_os = "linux")]
pub(crate) fn monotonic_ms() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

    fn read(clock: libc::clockid_t) -> (u64, u64) {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid place for a timespec; both clocks exist since Linux 2.6.39.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned())
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

#[cfg(not(target_os = "linux"))]
pub(crate) fn monotonic_ms() -> u64 {
    use once_cell::sync::Lazy;
    use std::time::Instant;
    static START: Lazy<Instant> = Lazy::new(Instant::now);
    START.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch by the wall clock, for comparing with certificates.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_millis().try_into().unwrap_or(i64::MAX))
}

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the library. What was made under
/// another number belongs to a parent: its locks may be held by threads that are not here.
#[inline]
pub(crate) fn generation() -> u32 {
    FORKS.load(Relaxed)
}

/// Makes `generation` notice forks from here on. False: memory for it could not be had.
#[cfg(unix)]
pub(crate) fn watch_forks() -> bool {
    use once_cell::sync::OnceCell;
    extern "C" fn child() {
        FORKS.fetch_add(1, Relaxed);
    }
    static WATCHING: OnceCell<()> = OnceCell::new();
    WATCHING
        .get_or_try_init(|| {
            // SAFETY: the handler only adds to an atomic. It goes with this library on dlclose.
            match unsafe { libc::pthread_atfork(None, None, Some(child)) } {
                0 => Ok(()),
                _ => Err(()),
            }
        })
        .is_ok()
}

#[cfg(not(unix))]
pub(crate) fn watch_forks() -> bool {
    true
}

/// Zeroed pages for secrets: left out of core dumps and, in a forked child, empty, where the system
/// can do that. The length is rounded up to whole pages. They stay until `unmap`.
#[cfg(unix)]
pub(crate) fn map_secret_pages(len: usize) -> Option<NonNull<[u8]>> {
    const PAGES: usize = 64 * 1024;
    let len = len.checked_next_multiple_of(PAGES)?;
    // SAFETY: a new private mapping touches nothing that exists.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    #[cfg(target_os = "linux")]
    for advice in [libc::MADV_DONTDUMP, libc::MADV_WIPEONFORK] {
        // SAFETY: the mapping is ours and new. A kernel that lacks an advice (WIPEONFORK came with
        // 4.14) says so and changes nothing; the cache is sound without it.
        unsafe { libc::madvise(start, len, advice) };
    }
    NonNull::new(std::ptr::slice_from_raw_parts_mut(start.cast(), len))
}

/// # Safety
/// `pages` came from `map_secret_pages` and nothing refers to it any more.
#[cfg(unix)]
pub(crate) unsafe fn unmap(pages: NonNull<[u8]>) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(pages.as_ptr().cast(), pages.len()) };
}

#[cfg(not(unix))]
pub(crate) fn map_secret_pages(len: usize) -> Option<NonNull<[u8]>> {
    let mut pages = Vec::new();
    pages.try_reserve_exact(len).ok()?;
    pages.resize(len, 0u8);
    Some(NonNull::from(Box::leak(pages.into_boxed_slice())))
}

/// # Safety
/// `pages` came from `map_secret_pages` and nothing refers to it any more.
#[cfg(not(unix))]
pub(crate) unsafe fn unmap(pages: NonNull<[u8]>) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(pages.as_ptr()) });
}

/// Has so many bytes at an address brought near, without waiting for them. Nothing is read: there need
/// not be anything.
#[inline]
pub(crate) fn prefetch<const BYTES: usize>(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for offset in (0..BYTES).step_by(64) {
            let line = std::ptr::without_provenance(address.wrapping_add(offset));
            // SAFETY: only a hint, which touches no memory and is valid for any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// A file descriptor that becomes readable after a time, or when it is rung. Closed when dropped.
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Alarm {
    pub(crate) const EXISTS: bool = true;

    /// `None`: the process or the system has no descriptor left.
    pub(crate) fn set(millis: u32) -> Option<Self> {
        use std::os::fd::{FromRawFd, OwnedFd};
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: takes no pointers.
        let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        if timer < 0 {
            return None;
        }
        // SAFETY: a new descriptor, of which nobody else knows.
        let timer = unsafe { OwnedFd::from_raw_fd(timer) };
        let alarm = Self { timer };
        alarm.ring_in(millis.into());
        Some(alarm)
    }

    pub(crate) fn fd(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.timer.as_raw_fd()
    }

    /// Has it ring after this time, in place of when it would have.
    pub(crate) fn ring_in(&self, millis: u64) {
        // SAFETY: all-zero is a value.
        let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
        time.it_value.tv_sec = libc::time_t::try_from(millis / 1000).unwrap_or(libc::time_t::MAX);
        // Zero would be "never".
        time.it_value.tv_nsec = ((millis % 1000 * 1_000_000) as libc::c_long).max(1);
        // SAFETY: our own timer, and a valid time to read.
        unsafe { libc::timerfd_settime(self.fd(), 0, &raw const time, std::ptr::null_mut()) };
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) const EXISTS: bool = false;

    pub(crate) fn set(_: u32) -> Option<Self> {
        None
    }

    pub(crate) fn fd(&self) -> i32 {
        -1
    }

    pub(crate) fn ring_in(&self, _: u64) {}
}
