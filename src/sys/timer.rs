//! A descriptor that tells when a wait is over.

#![allow(
    unsafe_code,
    reason = "system calls; each is wrapped here in a function that is safe to call"
)]

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// A file descriptor that becomes readable at a deadline, or when it is rung. Closed when dropped.
pub(crate) struct Timer {
    timer: OwnedFd,
    deadline: Instant,
}

impl Timer {
    /// `None`: the process or the system has no descriptor left.
    pub(crate) fn set(millis: u32) -> Option<Self> {
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
        unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                0,
                &raw const time,
                std::ptr::null_mut(),
            )
        };
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
