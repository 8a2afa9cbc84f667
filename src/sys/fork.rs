//! Noticing a fork.
//!
//! Each process has a number, and keeps it in a word that the kernel wipes in a forked child: it is gone
//! before any code of the child runs, whichever way the child was made. Where the kernel cannot do that, the
//! number is kept beside the process's id, and whoever asks for it asks the system for the id as well. A
//! handler of `pthread_atfork` wipes both there, because an id may be given twice: after its process has
//! ended, or in another namespace.
//!
//! Nothing in here waits for anybody: a child may be forked while another thread is anywhere in it.

#![allow(
    unsafe_code,
    reason = "system calls, and a word in memory that is shared with the system; wrapped here in \
              functions that are safe to call"
)]

use std::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Holds this process's number; 0: it has none yet, or has to be asked for it.
static MARKER: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const UNWATCHED).cast_mut());

/// The marker for as long as nothing would wipe one. Stays 0.
static UNWATCHED: AtomicU32 = AtomicU32::new(0);

/// The marker where the process's id has to be asked for. Stays 0.
static BY_ID: AtomicU32 = AtomicU32::new(0);

/// The last number that was given. Numbers are counted here before they become a process's own, so a
/// child, whose copy goes on from there, is never given one of an ancestor's.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

fn next_number() -> u32 {
    NUMBERS.fetch_add(1, AcqRel) + 1
}

/// The number of this process, which none of its ancestors has. What was made under another number belongs
/// to a parent: its locks may be held by threads that are not here.
#[inline]
pub(crate) fn generation() -> u32 {
    // SAFETY: it always points to one of the words in this file, all of them static.
    match unsafe { &*MARKER.load(Relaxed) }.load(Relaxed) {
        0 => new_generation(),
        number => number,
    }
}

/// The process has just begun, or has to be asked for its id.
#[cold]
fn new_generation() -> u32 {
    if !watch_forks() {
        return 0;
    }
    // SAFETY: as in `generation`.
    let marker = unsafe { &*MARKER.load(Acquire) };
    if std::ptr::eq(marker, &BY_ID) {
        return by_id::generation();
    }
    let number = next_number();
    match marker.compare_exchange(0, number, AcqRel, Acquire) {
        Ok(_) => number,
        Err(another_threads) => another_threads,
    }
}

/// Makes sure that `generation` notices forks. False: memory for that could not be had.
pub(crate) fn watch_forks() -> bool {
    let unwatched = (&raw const UNWATCHED).cast_mut();
    if MARKER.load(Acquire) != unwatched {
        return true;
    }
    let marker = match wiped_by_the_kernel() {
        Some(marker) => marker,
        None if by_id::watch() => &BY_ID,
        None => return false,
    };
    // If several threads come here at once, all go by what the first one found.
    let marker = std::ptr::from_ref(marker).cast_mut();
    let _ = MARKER.compare_exchange(unwatched, marker, AcqRel, Acquire);
    true
}

/// A word in a page that has nothing else on it and that the kernel wipes in a child.
#[cfg(all(
    any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"),
    not(miri)
))]
fn wiped_by_the_kernel() -> Option<&'static AtomicU32> {
    use std::cell::UnsafeCell;
    const LARGEST_PAGE: usize = 64 * 1024;
    // A part of the library's own zeroed memory, and not a mapping: it is there already, and it goes
    // with the library. One whole page lies in it, wherever it begins.
    struct Room(UnsafeCell<[u8; 2 * LARGEST_PAGE]>);
    // SAFETY: only one word of it is used, which is atomic.
    unsafe impl Sync for Room {}
    static ROOM: Room = Room(UnsafeCell::new([0; 2 * LARGEST_PAGE]));

    // SAFETY: takes no pointers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    if !page.is_power_of_two() || page > LARGEST_PAGE {
        return None;
    }
    let start: *mut u8 = ROOM.0.get().cast();
    let start = start.wrapping_add(start.align_offset(page));
    wipe_on_fork(start, page).then(|| {
        // SAFETY: static, zeroed, aligned, and within `ROOM`, of which nothing else is used.
        unsafe { &*start.cast::<AtomicU32>() }
    })
}

#[cfg(all(
    unix,
    not(any(
        target_os = "linux",
        target_os = "freebsd",
        target_os = "openbsd",
        miri
    ))
))]
fn wiped_by_the_kernel() -> Option<&'static AtomicU32> {
    None
}

/// No forks, so nothing has to be wiped.
#[cfg(any(not(unix), miri))]
fn wiped_by_the_kernel() -> Option<&'static AtomicU32> {
    static KEPT: AtomicU32 = AtomicU32::new(0);
    Some(&KEPT)
}

#[cfg(all(target_os = "linux", not(miri)))]
fn wipe_on_fork(page: *mut u8, len: usize) -> bool {
    const NO_ADVICE: libc::c_int = -1;
    // SAFETY: the page is ours, and neither advice changes what is on it in this process.
    let advise = |advice| unsafe { libc::madvise(page.cast(), len, advice) } == 0;
    // Some emulators answer that they took whatever they are advised, and do nothing.
    !advise(NO_ADVICE) && advise(libc::MADV_WIPEONFORK)
}

#[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
fn wipe_on_fork(page: *mut u8, len: usize) -> bool {
    #[cfg(target_os = "freebsd")]
    const ZERO: libc::c_int = libc::INHERIT_ZERO;
    #[cfg(target_os = "openbsd")]
    const ZERO: libc::c_int = libc::MAP_INHERIT_ZERO;
    // SAFETY: the page is ours, and this changes nothing that is on it in this process.
    unsafe { libc::minherit(page.cast(), len, ZERO) == 0 }
}

/// The number of a process by its id.
mod by_id {
    use super::next_number;
    use std::sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire},
    };

    /// The process's id above its number; 0: it has none yet.
    static OWN: AtomicU64 = AtomicU64::new(0);

    pub(super) fn generation() -> u32 {
        let id = u64::from(std::process::id()) << 32;
        let own = OWN.load(Acquire);
        if own != 0 && own >> 32 == id >> 32 {
            return own as u32;
        }
        let number = next_number();
        match OWN.compare_exchange(own, id | u64::from(number), AcqRel, Acquire) {
            Ok(_) => number,
            Err(another_threads) => another_threads as u32,
        }
    }

    /// Has a handler wipe the number. False: memory for one could not be had.
    #[cfg(all(unix, not(miri)))]
    pub(super) fn watch() -> bool {
        extern "C" fn child() {
            OWN.store(0, super::Relaxed);
        }
        // SAFETY: the handler only writes to an atomic, so it may as well be there twice, if two threads
        // come here at once. It goes with this library on dlclose.
        unsafe { libc::pthread_atfork(None, None, Some(child)) == 0 }
    }

    /// No forks.
    #[cfg(any(not(unix), miri))]
    pub(super) fn watch() -> bool {
        true
    }
}
