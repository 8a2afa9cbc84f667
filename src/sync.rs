//! The lock and the atomics that the library is built on; under `--cfg shuttle`, those of the checker
//! that tries many interleavings of the threads (`tests/engine/interleavings.rs`).
//!
//! The lock is std's, which on Linux is one futex word of its own. Not parking_lot's: that parks waiting
//! threads in a table which all of its locks share. A process forked while another thread changes that
//! table has it locked for ever, and the first lock that two threads of the child meet at would hang
//! them. std's has nothing outside itself.

#[cfg(shuttle)]
use shuttle::sync as checked_or_std;
#[cfg(not(shuttle))]
use std::sync as checked_or_std;

pub(crate) use checked_or_std::{
    MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize},
};
use std::sync::PoisonError;

#[derive(Default)]
pub(crate) struct Mutex<T>(checked_or_std::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(checked_or_std::Mutex::new(value))
    }

    /// A panic under the lock is contained at the boundary; what is locked is kept whole before
    /// anything is done that could panic, so it is used on.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
