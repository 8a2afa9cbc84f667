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
    fn tsc_get(
        cache: *const c_void,
        key: *const u8,
        key_len: usize,
        buf: *mut u8,
        cap: usize,
        len: *mut usize,
        info: *mut c_void,
        info_size: usize,
    ) -> c_int;
    fn bench_stats(cache: *const c_void) -> c_int;
    fn tsc_clear_expired(cache: *const c_void, expired: *mut usize) -> c_int;
    fn tsc_clear(cache: *const c_void) -> c_int;
    fn tsc_cache_export(
        cache: *const c_void,
        key: *const u8,
        key_len: usize,
        buf: *mut u8,
        cap: usize,
        len: *mut usize,
        left_out: *mut usize,
    ) -> c_int;
    fn bench_config(cache: *const c_void) -> *mut c_void;
    fn tsc_config_free(config: *mut c_void);
    fn bench_config_put(config: *const c_void, port: u32, data: *const u8, len: usize) -> c_int;
    fn bench_config_put_object(config: *const c_void, port: u32, len: usize) -> c_int;
    fn bench_attempt(config: *const c_void, port: u32) -> *mut c_void;
    fn bench_offer(attempt: *const c_void) -> c_int;
    fn tsc_attempt_free(attempt: *mut c_void);
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

impl Tsc {
    pub fn stats(&self) {
        // SAFETY: a handle that is alive.
        assert_eq!(unsafe { bench_stats(self.0) }, 0);
    }

    pub fn purge(&self) {
        // SAFETY: a handle that is alive; how many there were is not asked for.
        let done = unsafe { tsc_clear_expired(self.0, std::ptr::null_mut()) };
        assert_eq!(done, 0);
    }

    pub fn clear(&self) {
        // SAFETY: a handle that is alive.
        assert_eq!(unsafe { tsc_clear(self.0) }, 0);
    }

    /// Exports into `buf`; if it is empty, gives the length alone.
    pub fn export(&self, buf: &mut [u8]) -> usize {
        let (key, mut len) = ([7; 32], 0);
        let to = if buf.is_empty() {
            std::ptr::null_mut()
        } else {
            buf.as_mut_ptr()
        };
        // SAFETY: a handle that is alive, slices' parts, and a place; what was left out is not asked for.
        let done = unsafe {
            let left_out = std::ptr::null_mut();
            tsc_cache_export(self.0, key.as_ptr(), 32, to, buf.len(), &mut len, left_out)
        };
        assert!(buf.is_empty() || done == 0, "export: {done}");
        len
    }

    /// Nanoseconds of CPU of an offer of an object, each to an attempt of its own: so few at a time that they are in
    /// the processor's cache, as an attempt is that was just made.
    pub fn offer(&self, batches: usize, bytes: usize) -> f64 {
        const ATTEMPTS: usize = 100;
        let mut spent = 0.0;
        // SAFETY: handles that are alive until they are freed here.
        unsafe {
            let config = bench_config(self.0);
            assert_eq!(bench_config_put_object(config, 1, bytes), 0);
            for _ in 0..batches {
                let attempts = [(); ATTEMPTS].map(|()| bench_attempt(config, 1));
                let start = crate::work::thread_cpu();
                for attempt in attempts {
                    assert_eq!(bench_offer(attempt), 0);
                }
                spent += crate::work::thread_cpu() - start;
                for attempt in attempts {
                    tsc_attempt_free(attempt);
                }
            }
            tsc_config_free(config);
        }
        spent / (batches * ATTEMPTS) as f64
    }

    /// Nanoseconds of CPU of the slowest of so many offers, each of an attempt of its own.
    pub fn slowest_offer(&self, attempts: usize, data: &[u8]) -> f64 {
        let ports = 1000;
        let mut slowest = 0.0_f64;
        // SAFETY: handles that are alive until they are freed here, and a slice's parts.
        unsafe {
            let config = bench_config(self.0);
            for port in 1..=ports {
                let done = bench_config_put(config, port, data.as_ptr(), data.len());
                assert_eq!(done, 0);
            }
            for turn in 0..attempts {
                let attempt = bench_attempt(config, turn as u32 % ports + 1);
                let start = crate::work::thread_cpu();
                let done = bench_offer(attempt);
                slowest = slowest.max(crate::work::thread_cpu() - start);
                assert_eq!(done, 0);
                tsc_attempt_free(attempt);
            }
            tsc_config_free(config);
        }
        slowest
    }
}

impl Peer for Tsc {
    #[inline]
    fn get(&self, key: &[u8], buf: &mut [u8]) -> bool {
        // SAFETY: a handle that is alive, and slices' parts.
        unsafe {
            let (key, key_len) = (key.as_ptr(), key.len());
            let (mut len, info) = (0, std::ptr::null_mut());
            tsc_get(
                self.0,
                key,
                key_len,
                buf.as_mut_ptr(),
                buf.len(),
                &mut len,
                info,
                0,
            ) == 0
        }
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
