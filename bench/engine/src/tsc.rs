//! libtsc, through the C functions of libtsc.so.

use crate::peer::Peer;
use std::ffi::{c_int, c_void};

unsafe extern "C" {
    fn bench_new(endpoints: u32, each: u32) -> *mut c_void;
    fn bench_put(
        cache: *const c_void,
        key: *const u8,
        len: usize,
        data: *const u8,
        data_len: usize,
        ticket: c_int,
    ) -> c_int;
    fn bench_get(
        cache: *const c_void,
        key: *const u8,
        len: usize,
        buf: *mut u8,
        cap: usize,
    ) -> c_int;
    fn tsc_cache_free(cache: *mut c_void);
}

pub struct Tsc(*mut c_void);

// SAFETY: a handle may be used from any thread.
unsafe impl Send for Tsc {}
// SAFETY: as above.
unsafe impl Sync for Tsc {}

impl Tsc {
    pub fn new(endpoints: usize, each: usize) -> Self {
        // SAFETY: takes numbers.
        let cache = unsafe { bench_new(endpoints as u32, each as u32) };
        assert!(!cache.is_null());
        Self(cache)
    }

    fn store(&self, key: &[u8], data: &[u8], ticket: c_int) {
        // SAFETY: a handle that is alive, and slices' parts.
        let done = unsafe {
            bench_put(
                self.0,
                key.as_ptr(),
                key.len(),
                data.as_ptr(),
                data.len(),
                ticket,
            )
        };
        assert_eq!(done, 0);
    }
}

impl Peer for Tsc {
    #[inline]
    fn get(&self, key: &[u8], buf: &mut [u8]) -> bool {
        // SAFETY: a handle that is alive, and slices' parts.
        unsafe { bench_get(self.0, key.as_ptr(), key.len(), buf.as_mut_ptr(), buf.len()) == 0 }
    }

    fn put(&self, key: &[u8], data: &[u8]) {
        self.store(key, data, 0);
    }

    /// A ticket leaves the cache with `tsc_get`.
    fn take(&self, key: &[u8], buf: &mut [u8]) -> bool {
        self.get(key, buf)
    }

    fn put_ticket(&self, key: &[u8], data: &[u8]) {
        self.store(key, data, 1);
    }
}

impl Drop for Tsc {
    fn drop(&mut self) {
        // SAFETY: freed here only.
        unsafe { tsc_cache_free(self.0) };
    }
}
