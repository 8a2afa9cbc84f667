//! Pages for secrets.

#![allow(
    unsafe_code,
    reason = "system calls; each is wrapped here in a function that is safe to call"
)]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use zeroize::Zeroize;

/// Memory for secrets, zeroed at first: left out of core dumps and, in a forked child, empty, where the
/// system can do that. It goes back to the system when dropped, and is not wiped before.
pub(crate) struct SecretPages {
    pages: NonNull<[u8]>,
    /// How much of it was asked for.
    len: usize,
}

// SAFETY: it owns its memory as a `Box<[u8]>` would.
unsafe impl Send for SecretPages {}
// SAFETY: shared, it is only read.
unsafe impl Sync for SecretPages {}

impl SecretPages {
    /// `None`: there is no memory.
    pub(crate) fn map(len: usize) -> Option<Self> {
        let pages = map(len.max(1))?;
        Some(Self { pages, len })
    }

    /// All of it, in whole pages.
    pub(crate) fn whole(&self) -> NonNull<[u8]> {
        self.pages
    }
}

impl Deref for SecretPages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: it is ours, initialised, and at least `len` long.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for SecretPages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.pages.as_ptr().cast(), self.len) }
    }
}

impl Zeroize for SecretPages {
    fn zeroize(&mut self) {
        (**self).zeroize();
    }
}

impl Drop for SecretPages {
    fn drop(&mut self) {
        // SAFETY: it came from `map`, and nothing refers to it any more.
        unsafe { unmap(self.pages) };
    }
}

#[cfg(unix)]
fn map(len: usize) -> Option<NonNull<[u8]>> {
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
/// `pages` came from `map` and nothing refers to it any more.
#[cfg(unix)]
unsafe fn unmap(pages: NonNull<[u8]>) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(pages.as_ptr().cast(), pages.len()) };
}

#[cfg(not(unix))]
fn map(len: usize) -> Option<NonNull<[u8]>> {
    let mut pages = Vec::new();
    pages.try_reserve_exact(len).ok()?;
    pages.resize(len, 0u8);
    Some(NonNull::from(Box::leak(pages.into_boxed_slice())))
}

/// # Safety
/// `pages` came from `map` and nothing refers to it any more.
#[cfg(not(unix))]
unsafe fn unmap(pages: NonNull<[u8]>) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(pages.as_ptr()) });
}
