//! Noticing a fork.

#![allow(
    unsafe_code,
    reason = "a system call; it is wrapped here in a function that is safe to call"
)]

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

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
