//! Whose rights a process has.

#![allow(unsafe_code, reason = "a call of the C library's without pointers")]

/// Whether the process has other rights than whoever started it, and so must not believe its environment.
pub(crate) fn are_borrowed() -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
