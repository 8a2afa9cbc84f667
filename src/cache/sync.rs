//! The locks and atomics that the engine is built on; under `--cfg shuttle`, those of the checker that
//! tries many interleavings of the threads (`tests/interleavings.rs`).

#[cfg(not(shuttle))]
pub(super) use {
    crate::lock::Mutex,
    std::sync::{
        MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
};

#[cfg(shuttle)]
pub(super) use {
    checked::Mutex,
    shuttle::sync::{
        MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
};

#[cfg(shuttle)]
mod checked {
    /// shuttle's mutex with the interface of the library's.
    #[derive(Default)]
    pub(in crate::cache) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(in crate::cache) fn lock(&self) -> super::MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("no thread panics while it holds a lock of the engine")
        }
    }
}
