//! Objects of a TLS stack that count who owns them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;

thread_local! {
    static REFERENCES: RefCell<HashMap<usize, usize>> = RefCell::default();
}

/// An object that stands for a session, with one reference.
pub(crate) fn new(number: usize) -> *mut c_void {
    let object: *mut c_void = Box::into_raw(Box::new(number)).cast();
    REFERENCES.with_borrow_mut(|all| all.insert(object.addr(), 1));
    object
}

/// The session that an object stands for.
pub(crate) fn number_of(object: *mut c_void) -> usize {
    let alive = REFERENCES.with_borrow(|all| all.contains_key(&object.addr()));
    assert!(alive, "an object that was given back is handed out");
    // SAFETY: made by `new`, and not released.
    unsafe { *object.cast::<usize>() }
}

pub(crate) unsafe extern "C" fn retain(object: *mut c_void) {
    REFERENCES.with_borrow_mut(|all| *all.get_mut(&object.addr()).expect("alive") += 1);
}

pub(crate) unsafe extern "C" fn release(object: *mut c_void) {
    let last = REFERENCES.with_borrow_mut(|all| {
        let count = all.get_mut(&object.addr()).expect("given back twice");
        *count -= 1;
        let last = *count == 0;
        if last {
            all.remove(&object.addr());
        }
        last
    });
    if last {
        // SAFETY: the last reference of what `new` made.
        drop(unsafe { Box::from_raw(object.cast::<usize>()) });
    }
}

/// Nobody owns any more.
pub(crate) fn assert_none_left() {
    REFERENCES.with_borrow(|all| {
        assert!(
            all.is_empty(),
            "{} objects were never given back",
            all.len()
        )
    });
}
