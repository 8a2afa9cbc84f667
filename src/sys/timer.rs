//! A descriptor that tells when a wait is over.

#![allow(
    unsafe_code,
    reason = "system calls; each is wrapped here in a function that is safe to call"
)]

#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

/// A file descriptor that becomes readable at a deadline, or when it is rung. Closed when dropped.
pub(crate) struct Timer {
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
    #[cfg(target_os = "linux")]
    deadline: Instant,
}

#[cfg(target_os = "linux")]
impl Timer {
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
        let deadline = Instant::now().checked_add(Duration::from_millis(millis.into()))?;
        let timer = Self { timer, deadline };
        timer.ring_in(None);
        Some(timer)
    }

    pub(crate) fn fd(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.timer.as_raw_fd()
    }

    #[cfg(agent)]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd as _;
        self.timer.as_fd()
    }

    /// Has it ring at once.
    pub(crate) fn ring(&self) {
        self.set_to(Duration::ZERO);
    }

    /// Has it ring after so many milliseconds, in place of when it would have, but at its deadline at the
    /// latest.
    pub(crate) fn ring_in(&self, millis: Option<u64>) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let after = millis.map_or(left, Duration::from_millis);
        self.set_to(after.min(left));
    }

    fn set_to(&self, after: Duration) {
        // SAFETY: all-zero is a value.
        let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
        // At most u32::MAX milliseconds, so it fits into any type of seconds.
        time.it_value.tv_sec = after.as_secs() as _;
        // Zero would be "never".
        time.it_value.tv_nsec = libc::c_long::from(after.subsec_nanos() as i32).max(1);
        // SAFETY: our own timer, and a valid time to read.
        unsafe { libc::timerfd_settime(self.fd(), 0, &raw const time, std::ptr::null_mut()) };
    }
}

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(crate) const EXISTS: bool = false;

    pub(crate) fn set(_: u32) -> Option<Self> {
        None
    }

    pub(crate) fn fd(&self) -> i32 {
        -1
    }

    pub(crate) fn ring(&self) {}

    pub(crate) fn ring_in(&self, _: Option<u64>) {}
}
