//! A limit on how many of something there are at a time.

use std::cell::Cell;
use std::rc::Rc;

#[derive(Clone)]
pub(crate) struct Quota {
    used: Rc<Cell<usize>>,
    limit: usize,
}

/// One of them, for as long as this lives.
pub(crate) struct Unit(Rc<Cell<usize>>);

impl Quota {
    pub(crate) fn new(limit: usize) -> Self {
        let used = Rc::default();
        Self { used, limit }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// One more; `None`: that would be too many.
    pub(crate) fn take(&self) -> Option<Unit> {
        let used = self.used.get();
        (used < self.limit).then(|| {
            self.used.set(used + 1);
            Unit(Rc::clone(&self.used))
        })
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let quota = Quota::new(2);
        let (one, two) = (quota.take(), quota.take());
        assert!(one.is_some() && two.is_some() && quota.take().is_none());
        drop(one);
        assert_eq!(quota.used(), 1);
        let again = quota.take();
        assert!(again.is_some() && quota.take().is_none());
    }
}
