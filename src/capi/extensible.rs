//! Structs that grow at their end and are passed with their size.

use super::guard::StatusResult;
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_UNSUPPORTED};

/// A struct of the header that is passed with its size.
///
/// # Safety
/// Every bit pattern is a valid value, all-zero means "every default", and there is no padding, so
/// that copying it out copies no stray bytes.
pub(super) unsafe trait Extensible: Copy {}

macro_rules! extensible {
    ($($name:ident),*) => {$(
        // SAFETY: integers, pointers and optional function pointers only, laid out without padding
        // (tests/c/api_layout.c pins the size, and the offset of every field).
        unsafe impl Extensible for super::$name {}
    )*};
}
extensible!(
    tsc_options,
    tsc_event,
    tsc_session_info,
    tsc_session,
    tsc_endpoint,
    tsc_config_options,
    tsc_attempt_info,
    tsc_stats,
    tsc_forecast
);

/// Reads a struct that the caller passed with its size. `(NULL, 0)` is all defaults.
pub(super) unsafe fn read<T: Extensible>(from: *const T, size: usize) -> StatusResult<T> {
    let ours = size_of::<T>();
    if size == ours && !from.is_null() {
        // The usual caller: field by field, in place of a copy that waits for all of them to be there.
        // SAFETY: readable by the header's contract, and every bit pattern is a value.
        return Ok(unsafe { from.read_unaligned() });
    }
    // SAFETY: all-zero is a value of every `Extensible`.
    let mut value: T = unsafe { std::mem::zeroed() };
    if from.is_null() != (size == 0) || size > isize::MAX as usize {
        return Err(TSC_INVALID_ARGUMENT);
    }
    if size == 0 {
        return Ok(value);
    }
    // SAFETY: `from` has `size` readable bytes by the header's contract, of which at most the length
    // of `value` is copied, as bytes, so alignment does not matter.
    unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut value).cast(), size.min(ours));
    }
    if size > ours {
        // SAFETY: the bytes from `ours` to `size` are readable too.
        let unknown =
            unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(ours), size - ours) };
        if unknown.iter().any(|&byte| byte != 0) {
            return Err(TSC_UNSUPPORTED);
        }
    }
    Ok(value)
}

/// Checks the place for an output struct before anything is done that could not be undone.
#[inline]
pub(super) fn check_output<T: Extensible>(to: *mut T, size: usize) -> StatusResult {
    if to.is_null() || size == 0 || size > isize::MAX as usize {
        return Err(TSC_INVALID_ARGUMENT);
    }
    Ok(())
}

/// The same for an output that the caller may do without: `(NULL, 0)`.
#[inline]
pub(super) fn check_optional_output<T: Extensible>(to: *mut T, size: usize) -> StatusResult {
    if to.is_null() && size == 0 {
        return Ok(());
    }
    check_output(to, size)
}

/// Writes as much of `value` as the caller has room for. The place was checked with `check_output`.
pub(super) unsafe fn write<T: Extensible>(to: *mut T, size: usize, value: &T) {
    let ours = size_of::<T>();
    if size == ours {
        // The usual caller: field by field, in place of a copy that waits for all of them to be there.
        // SAFETY: `to` has room for a `T` by the header's contract.
        return unsafe { to.write_unaligned(*value) };
    }
    // SAFETY: `to` has room for `size` bytes by the header's contract; what is past `value` is zeroed.
    unsafe {
        std::ptr::copy_nonoverlapping((&raw const *value).cast::<u8>(), to.cast(), size.min(ours));
        if size > ours {
            to.cast::<u8>().add(ours).write_bytes(0, size - ours);
        }
    }
}
