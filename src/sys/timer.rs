//! A descriptor that tells when a wait is over.

#![allow(
    unsafe_code,
    reason = "system calls; each is wrapped here in a function that is safe to call"
)]

/// A file descriptor that becomes readable after a time, or when it is rung. Closed when dropped.
pub(crate) struct Timer {
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
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
        let timer = Self { timer };
        timer.ring_in(millis.into());
        Some(timer)
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
impl Timer {
    pub(crate) const EXISTS: bool = false;

    pub(crate) fn set(_: u32) -> Option<Self> {
        None
    }

    pub(crate) fn fd(&self) -> i32 {
        -1
    }

    pub(crate) fn ring_in(&self, _: u64) {}
}
