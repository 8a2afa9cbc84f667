//! Pages for secrets.

#![allow(
    unsafe_code,
    reason = "system calls; each is wrapped here in a function that is safe to call"
)]

use std::ptr::NonNull;

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
    #[cfg(all(target_os = "linux", not(miri)))]
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
