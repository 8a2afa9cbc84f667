//! What each process has for itself.

#![allow(
    unsafe_code,
    reason = "decides by hand whether to drop what may be a parent's"
)]

use super::fork;
use once_cell::race::OnceBox;
use std::mem::ManuallyDrop;

/// A value that a forked child does not inherit: it leaves its parent's alone, locks and all, because
/// threads that are not there may have been in the middle of a change, and begins anew.
pub(crate) struct PerProcess<T> {
    generation: u32,
    value: ManuallyDrop<T>,
    child: OnceBox<PerProcess<T>>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            generation: fork::generation(),
            value: ManuallyDrop::new(value),
            child: OnceBox::new(),
        }
    }

    /// This process's value, which `make` makes in a child that has none yet.
    #[inline]
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &T {
        let generation = fork::generation();
        let mut own = self;
        while own.generation != generation {
            own = own.child.get_or_init(|| Box::new(Self::new(make())));
        }
        &own.value
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if self.generation == fork::generation() {
            // SAFETY: dropped here only, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}
