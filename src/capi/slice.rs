//! Bytes that the caller lends.

use super::guard::{StatusResult, write};
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_TOO_LARGE, TSC_TOO_SMALL};

/// `(NULL, 0)` is the empty slice; NULL with a length, or a length that no object has, is refused.
#[inline]
pub(super) unsafe fn bytes<'a>(data: *const u8, len: usize) -> StatusResult<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || len > isize::MAX as usize {
        return Err(TSC_INVALID_ARGUMENT);
    }
    // SAFETY: not NULL and of a possible length; the rest is the header's contract.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// The same with an upper limit on the length, checked before the bytes are looked at.
#[inline]
pub(super) unsafe fn bytes_up_to<'a>(
    data: *const u8,
    len: usize,
    limit: usize,
) -> StatusResult<&'a [u8]> {
    if len > limit && len <= isize::MAX as usize && !data.is_null() {
        return Err(TSC_TOO_LARGE);
    }
    bytes(data, len)
}

/// Checks the room for bytes that the caller gets; `(NULL, 0)` is none.
#[inline]
pub(super) fn check_buffer(buf: *mut u8, cap: usize) -> StatusResult {
    if (buf.is_null() && cap != 0) || cap > isize::MAX as usize {
        return Err(TSC_INVALID_ARGUMENT);
    }
    Ok(())
}

/// Copies bytes into the room, if they fit, and writes their length either way. The room was checked
/// with `check_buffer`, and `len` with `check_output`.
pub(super) unsafe fn write_bytes(
    data: &[u8],
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
) -> StatusResult {
    write(len, data.len());
    if data.len() > cap {
        return Err(TSC_TOO_SMALL);
    }
    // SAFETY: by the header's contract `buf` has room for `cap` bytes, and they are not the library's.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), buf, data.len()) };
    Ok(())
}
