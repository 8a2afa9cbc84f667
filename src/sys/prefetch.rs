//! A hint to the processor.

#![allow(unsafe_code, reason = "an instruction that only hints")]

/// Has so many bytes at an address brought near, without waiting for them. Nothing is read: there need
/// not be anything.
#[inline]
pub(crate) fn prefetch<const BYTES: usize>(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for offset in (0..BYTES).step_by(64) {
            let line = std::ptr::without_provenance(address.wrapping_add(offset));
            // SAFETY: only a hint, which touches no memory and is valid for any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
