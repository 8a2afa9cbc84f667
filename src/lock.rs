//! The lock of the library: std's, which on Linux is one futex word of its own.
//!
//! Not parking_lot's: that parks waiting threads in a table which all of its locks share. A process
//! forked while another thread changes that table has it locked for ever, and the first lock that two
//! threads of the child meet at would hang them. std's has nothing outside itself.

use std::sync::{MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
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
