//! Bytes that the caller lends.

use super::guard::Answer;
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_TOO_LARGE};

/// `(NULL, 0)` is the empty slice; NULL with a length, or a length that no object has, is refused.
#[inline]
pub(super) fn bytes<'a>(data: *const u8, len: usize) -> Answer<&'a [u8]> {
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
pub(super) fn bytes_up_to<'a>(data: *const u8, len: usize, limit: usize) -> Answer<&'a [u8]> {
    if len > limit && len <= isize::MAX as usize && !data.is_null() {
        return Err(TSC_TOO_LARGE);
    }
    bytes(data, len)
}
