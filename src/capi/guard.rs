//! What every entry point goes through: no panic leaves the library, and NULL becomes a status.

use super::tsc_status;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(not(panic = "unwind"))]
compile_error!(
    "libtsc needs panic = \"unwind\": with \"abort\" a contained error would end the process"
);

pub(super) type StatusResult<T = ()> = Result<T, tsc_status>;

/// Runs the body of an entry point and turns what comes of it into a status.
#[inline]
pub(super) fn guard(body: impl FnOnce() -> StatusResult) -> tsc_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => tsc_status::TSC_OK,
        Ok(Err(status)) => status,
        Err(panic) => {
            // Dropping the payload may panic in its turn.
            std::mem::forget(panic);
            tsc_status::TSC_PANIC
        }
    }
}

/// A handle that the caller lent for the call.
#[inline]
pub(super) unsafe fn borrow<'a, T>(handle: *const T) -> StatusResult<&'a T> {
    // SAFETY: the header's contract: NULL, or a handle of this type that is not freed while in use.
    unsafe { handle.as_ref() }.ok_or(tsc_status::TSC_INVALID_ARGUMENT)
}

/// Checks an output pointer before anything is done that could not be undone.
pub(super) fn check_output<T>(out: *mut T) -> StatusResult {
    if out.is_null() {
        Err(tsc_status::TSC_INVALID_ARGUMENT)
    } else {
        Ok(())
    }
}

/// Writes an output. `out` was checked with `check_output`.
pub(super) unsafe fn write<T>(out: *mut T, value: T) {
    // SAFETY: `out` is not NULL, and by the header's contract points to room for a `T`.
    unsafe { out.write(value) }
}

/// Hands a new handle to the caller. `out` was checked with `check_output`.
pub(super) unsafe fn write_handle<T>(out: *mut *mut T, handle: T) {
    write(out, Box::into_raw(Box::new(handle)));
}

/// Takes a handle back from the caller and drops it; NULL is nothing.
pub(super) unsafe fn free_handle<T>(handle: *mut T) {
    if !handle.is_null() {
        let _ = guard(|| {
            // SAFETY: not NULL, so by the header's contract it came from `write_handle` and was not
            // freed before.
            drop(unsafe { Box::from_raw(handle) });
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        // Without the hook that would print it.
        let answer = guard(|| std::panic::resume_unwind(Box::new("on purpose")));
        assert_eq!(answer, tsc_status::TSC_PANIC);
    }
}
