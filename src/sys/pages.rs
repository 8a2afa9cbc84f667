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
        let pages = map_secret_pages(len.max(1), 1)?;
        Some(Self { pages, len })
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
        // SAFETY: it came from `map_secret_pages`, and nothing refers to it any more.
        unsafe { unmap(self.pages) };
    }
}

/// The largest pages that a system may have.
const PAGES: usize = 64 * 1024;

/// Zeroed pages for secrets: left out of core dumps (on Windows: of crash reports) and, in a forked child, empty, where the system
/// can do that. The length is rounded up to whole pages. They begin at a multiple of `align`, which is a
/// power of two, and stay until `unmap`.
#[cfg(all(unix, not(miri)))]
pub(crate) fn map_secret_pages(len: usize, align: usize) -> Option<NonNull<[u8]>> {
    let len = len.checked_next_multiple_of(PAGES)?;
    let mut pages = map(len)?;
    // Those that are mapped one after the other lie side by side, so the first try is seldom in vain.
    if pages.cast::<u8>().addr().get() % align != 0 {
        // SAFETY: just mapped, and nothing refers to it.
        unsafe { unmap(pages) };
        pages = trim(map(len.checked_add(align)?)?, len, align)?;
    }
    #[cfg(target_os = "linux")]
    for advice in [libc::MADV_DONTDUMP, libc::MADV_WIPEONFORK] {
        // SAFETY: the mapping is ours and new. A kernel that lacks an advice (WIPEONFORK came with
        // 4.14) says so and changes nothing; the cache is sound without it.
        unsafe { libc::madvise(pages.as_ptr().cast(), len, advice) };
    }
    Some(pages)
}

#[cfg(all(unix, not(miri)))]
fn map(len: usize) -> Option<NonNull<[u8]>> {
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
    NonNull::new(std::ptr::slice_from_raw_parts_mut(start.cast(), len))
}

/// Gives back all but the first `len` bytes that begin at a multiple of `align`.
#[cfg(all(unix, not(miri)))]
fn trim(pages: NonNull<[u8]>, len: usize, align: usize) -> Option<NonNull<[u8]>> {
    let start: NonNull<u8> = pages.cast();
    let before = start.addr().get().next_multiple_of(align) - start.addr().get();
    let after = pages.len() - before - len;
    for (at, len) in [(0, before), (before + len, after)] {
        if len != 0 {
            // SAFETY: whole pages of the mapping, which nothing refers to.
            unsafe { libc::munmap(start.as_ptr().add(at).cast(), len) };
        }
    }
    // SAFETY: within the mapping.
    let start = unsafe { start.as_ptr().add(before) };
    NonNull::new(std::ptr::slice_from_raw_parts_mut(start, len))
}

/// # Safety
/// `pages` came from `map_secret_pages` and nothing refers to it any more.
#[cfg(all(unix, not(miri)))]
pub(crate) unsafe fn unmap(pages: NonNull<[u8]>) {
    // In pieces: while the system takes one apart, no other thread of the process can map memory.
    const PIECE: usize = 1 << 20;
    for at in (0..pages.len()).step_by(PIECE) {
        let len = PIECE.min(pages.len() - at);
        // SAFETY: the caller's promise.
        unsafe { libc::munmap(pages.as_ptr().cast::<u8>().add(at).cast(), len) };
    }
}

#[cfg(all(windows, not(miri)))]
mod windows {
    use std::ffi::{c_char, c_void};
    use std::ptr::{NonNull, null_mut, slice_from_raw_parts_mut};

    const MEM_COMMIT: u32 = 0x1000;
    const MEM_RESERVE: u32 = 0x2000;
    const MEM_RELEASE: u32 = 0x8000;
    const PAGE_NOACCESS: u32 = 1;
    const PAGE_READWRITE: u32 = 4;

    unsafe extern "system" {
        fn VirtualAlloc(at: *mut c_void, len: usize, kind: u32, access: u32) -> *mut c_void;
        fn VirtualFree(at: *mut c_void, len: usize, kind: u32) -> i32;
        fn GetModuleHandleA(name: *const c_char) -> *mut c_void;
        fn GetProcAddress(
            module: *mut c_void,
            name: *const c_char,
        ) -> Option<unsafe extern "system" fn() -> isize>;
    }

    pub(crate) fn map(len: usize, align: usize) -> Option<NonNull<[u8]>> {
        // They begin at a multiple of 64 KiB, and of more only by chance.
        let mut start = alloc(null_mut(), len, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE)?;
        // A part of a reservation cannot be given back. So a larger one only finds the place, which
        // another thread may take meanwhile.
        for _ in 0..16 {
            if start.addr().get() % align == 0 {
                exclude(start, len);
                return NonNull::new(slice_from_raw_parts_mut(start.as_ptr().cast(), len));
            }
            free(start);
            let room = alloc(
                null_mut(),
                len.checked_add(align)?,
                MEM_RESERVE,
                PAGE_NOACCESS,
            )?;
            let at = room.as_ptr().map_addr(|at| at.next_multiple_of(align));
            free(room);
            start = alloc(at, len, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE)
                .or_else(|| alloc(null_mut(), len, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE))?;
        }
        free(start);
        None
    }

    /// # Safety
    /// `pages` came from `map` and nothing refers to it any more.
    pub(crate) unsafe fn unmap(pages: NonNull<[u8]>) {
        if let Some(function) = find(c"WerUnregisterExcludedMemoryBlock") {
            // SAFETY: its documented type; it only looks for the address in a list.
            unsafe {
                let unregister: unsafe extern "system" fn(*const c_void) -> i32 =
                    std::mem::transmute(function);
                unregister(pages.as_ptr().cast());
            }
        }
        free(pages.cast());
    }

    fn alloc(at: *mut c_void, len: usize, kind: u32, access: u32) -> Option<NonNull<c_void>> {
        // SAFETY: a new allocation touches nothing that exists.
        NonNull::new(unsafe { VirtualAlloc(at, len, kind, access) })
    }

    /// Gives back what `alloc` gave.
    fn free(start: NonNull<c_void>) {
        // SAFETY: the callers in here have it from `alloc`, and nothing refers to it.
        unsafe { VirtualFree(start.as_ptr(), 0, MEM_RELEASE) };
    }

    /// Leaves it out of the reports of crashes that Windows sends: from Windows 10 1703 on, for the first
    /// 512 blocks of a process. What a debugger dumps has everything in it.
    fn exclude(start: NonNull<c_void>, len: usize) {
        let (Some(function), Ok(len)) = (find(c"WerRegisterExcludedMemoryBlock"), len.try_into())
        else {
            return;
        };
        // SAFETY: its documented type; it only keeps the address and the length.
        unsafe {
            let register: unsafe extern "system" fn(*const c_void, u32) -> i32 =
                std::mem::transmute(function);
            register(start.as_ptr(), len);
        }
    }

    /// A function of kernel32 that not every Windows has.
    fn find(name: &std::ffi::CStr) -> Option<unsafe extern "system" fn() -> isize> {
        // SAFETY: both names end in a zero; kernel32 is always loaded.
        unsafe { GetProcAddress(GetModuleHandleA(c"kernel32.dll".as_ptr()), name.as_ptr()) }
    }
}

#[cfg(all(windows, not(miri)))]
pub(crate) fn map_secret_pages(len: usize, align: usize) -> Option<NonNull<[u8]>> {
    windows::map(len.checked_next_multiple_of(PAGES)?, align)
}

/// # Safety
/// `pages` came from `map_secret_pages` and nothing refers to it any more.
#[cfg(all(windows, not(miri)))]
pub(crate) unsafe fn unmap(pages: NonNull<[u8]>) {
    // SAFETY: the caller's promise.
    unsafe { windows::unmap(pages) };
}

// Under Miri, too: it cannot unmap a part of what was mapped, and allocated memory is what it looks at best.
#[cfg(any(miri, not(any(unix, windows))))]
fn layout(len: usize) -> Option<std::alloc::Layout> {
    // Every caller's `align` divides its length, or is less than this.
    let align = len.checked_next_power_of_two()?.max(PAGES);
    std::alloc::Layout::from_size_align(len, align).ok()
}

#[cfg(any(miri, not(any(unix, windows))))]
pub(crate) fn map_secret_pages(len: usize, align: usize) -> Option<NonNull<[u8]>> {
    let len = len.checked_next_multiple_of(PAGES.max(align))?;
    // SAFETY: of a length that is not zero.
    let start = unsafe { std::alloc::alloc_zeroed(layout(len)?) };
    NonNull::new(std::ptr::slice_from_raw_parts_mut(start, len)).filter(|_| !start.is_null())
}

/// # Safety
/// `pages` came from `map_secret_pages` and nothing refers to it any more.
#[cfg(any(miri, not(any(unix, windows))))]
pub(crate) unsafe fn unmap(pages: NonNull<[u8]>) {
    if let Some(layout) = layout(pages.len()) {
        // SAFETY: the caller's promise.
        unsafe { std::alloc::dealloc(pages.as_ptr().cast(), layout) };
    }
}
