//! Every function of the C API, with NULL for each pointer in turn and for all: a status, whatever it is given.

#![allow(unsafe_code, reason = "calls the C API as C does")]

use libtsc::capi::*;
use std::collections::BTreeSet;
use std::ffi::c_void;
use std::mem::zeroed;
use std::ptr::{null, null_mut};

/// Which of the pointers that a call takes is NULL.
struct Nulls {
    which: Option<usize>,
    seen: usize,
}

impl Nulls {
    fn is_next(&mut self) -> bool {
        let at = self.seen;
        self.seen += 1;
        self.which.is_none_or(|which| which == at)
    }

    fn of<T>(&mut self, pointer: *mut T) -> *mut T {
        if self.is_next() { null_mut() } else { pointer }
    }
}

unsafe extern "C" fn nothing(_: *mut c_void) {}

unsafe extern "C" fn some_function() {}

/// What was called, and with what: all that a pointer may point to.
struct World {
    called: BTreeSet<&'static str>,
    cache: *mut tsc_cache,
    config: *mut tsc_config,
    attempt: *mut tsc_attempt,
    bytes: [u8; 64],
    info: tsc_session_info,
    endpoint: tsc_endpoint,
    len: usize,
}

impl World {
    fn new() -> Self {
        // SAFETY: the header says of each struct that it may start from {0}.
        let (mut info, mut endpoint) =
            unsafe { (zeroed::<tsc_session_info>(), zeroed::<tsc_endpoint>()) };
        info.tls_version = 0x0304;
        (endpoint.host, endpoint.host_len) = (b"host".as_ptr(), 4);
        let (mut cache, mut config, mut attempt) = (null_mut(), null_mut(), null_mut());
        let size = size_of_val(&endpoint);
        // SAFETY: places for handles, and a struct of its size.
        unsafe {
            assert_eq!(tsc_cache_new(null(), 0, &mut cache), tsc_status::TSC_OK);
            let done = tsc_config_new(cache, null(), 0, &mut config);
            assert_eq!(done, tsc_status::TSC_OK);
            let done = tsc_attempt_new(config, &endpoint, size, &mut attempt);
            assert_eq!(done, tsc_status::TSC_OK);
        }
        Self {
            called: BTreeSet::from(["tsc_cache_new", "tsc_config_new", "tsc_attempt_new"]),
            cache,
            config,
            attempt,
            bytes: [7; 64],
            info,
            endpoint,
            len: 0,
        }
    }

    /// Calls a function whose first pointer is a handle that it cannot do without.
    fn each(
        &mut self,
        name: &'static str,
        mut call: impl FnMut(&mut Self, &mut Nulls) -> tsc_status,
    ) {
        self.called.insert(name);
        let (mut which, mut pointers) = (None, usize::MAX);
        while which.unwrap_or(0) < pointers {
            let mut nulls = Nulls { which, seen: 0 };
            let answer = call(self, &mut nulls);
            pointers = nulls.seen;
            let expected = which.unwrap_or(0) == 0;
            let invalid = answer == tsc_status::TSC_INVALID_ARGUMENT;
            assert!(invalid || !expected, "{name}, {which:?}: {answer:?}");
            assert_ne!(answer, tsc_status::TSC_PANIC, "{name}, {which:?}");
            which = Some(which.map_or(0, |which| which + 1));
        }
    }
}

/// Calls functions with the fields of a world, of which those after `*` are pointers.
macro_rules! each {
    ($world:ident: $($name:ident($($argument:tt)*);)*) => {
        $($world.each(stringify!($name), |world, nulls| {
            each!(@call world nulls $name () $($argument)*)
        });)*
    };
    (@call $world:ident $nulls:ident $name:ident ($($done:expr,)*)) => {
        // SAFETY: handles that are alive, structs of their sizes and slices' parts, or NULL.
        unsafe { $name($($done,)*) }
    };
    (@call $world:ident $nulls:ident $name:ident ($($done:expr,)*) *$field:ident $(, $($rest:tt)*)?) => {
        each!(@call $world $nulls $name ($($done,)* $nulls.of($world.$field()),) $($($rest)*)?)
    };
    (@call $world:ident $nulls:ident $name:ident ($($done:expr,)*) fn $(, $($rest:tt)*)?) => {
        each!(@call $world $nulls $name ($($done,)* (!$nulls.is_next()).then_some(nothing as _),) $($($rest)*)?)
    };
    (@call $world:ident $nulls:ident $name:ident ($($done:expr,)*) $value:literal $(, $($rest:tt)*)?) => {
        each!(@call $world $nulls $name ($($done,)* $value,) $($($rest)*)?)
    };
    (@call $world:ident $nulls:ident $name:ident ($($done:expr,)*) $size:ident $(, $($rest:tt)*)?) => {
        each!(@call $world $nulls $name ($($done,)* size_of::<$size>(),) $($($rest)*)?)
    };
}

impl World {
    fn cache(&self) -> *mut tsc_cache {
        self.cache
    }
    fn config(&self) -> *mut tsc_config {
        self.config
    }
    fn attempt(&self) -> *mut tsc_attempt {
        self.attempt
    }
    fn bytes(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }
    fn text(&mut self) -> *mut std::ffi::c_char {
        self.bytes.as_mut_ptr().cast()
    }
    fn info(&mut self) -> *mut tsc_session_info {
        &mut self.info
    }
    fn endpoint(&mut self) -> *mut tsc_endpoint {
        &mut self.endpoint
    }
    fn len(&mut self) -> *mut usize {
        &mut self.len
    }
    fn object(&self) -> *mut c_void {
        std::ptr::dangling_mut::<u8>().cast()
    }
    /// No output: only to see what is said without one.
    fn none<T>(&self) -> *mut T {
        null_mut()
    }
}

#[test]
fn every_function_answers_null_with_a_status() {
    let mut world = World::new();
    each! { world:
        tsc_put(*cache, *bytes, 8, *info, tsc_session_info, *bytes, 8);
        tsc_get(*cache, *bytes, 8, *bytes, 64, *len, *info, tsc_session_info);
        tsc_available(*cache, *bytes, 8, *len);
        tsc_remove(*cache, *bytes, 8);
        tsc_clear_expired(*cache, *len);
        tsc_clear(*cache);
        tsc_put_object(*cache, *bytes, 8, *info, tsc_session_info, *object, 8, fn);
        tsc_get_object(*cache, *bytes, 8, *none, fn, *info, tsc_session_info);
        tsc_stats_get(*cache, *none, tsc_stats);
        tsc_stats_prometheus(*cache, *text, 8, *text, 0, *len);
        tsc_cache_share(*cache, *none);
        tsc_cache_export(*cache, *bytes, 32, *bytes, 64, *len, *len);
        tsc_cache_import(*cache, *bytes, 32, *bytes, 64, *len);
        tsc_config_attach(*cache, *none, *none, 0, *none);
        tsc_config_put(*config, *endpoint, tsc_endpoint, *info, tsc_session_info, *bytes, 8);
        tsc_config_get(*config, *endpoint, tsc_endpoint, *bytes, 64, *len, *info, tsc_session_info);
        tsc_config_available(*config, *endpoint, tsc_endpoint, *len);
        tsc_config_remove(*config, *endpoint, tsc_endpoint);
        tsc_config_put_object(*config, *endpoint, tsc_endpoint, *info, tsc_session_info, *object, 8, fn);
        tsc_config_get_object(*config, *endpoint, tsc_endpoint, *none, fn, *info, tsc_session_info);
        tsc_config_forecast(*config, *endpoint, tsc_endpoint, *none, tsc_forecast);
        tsc_config_export(*config, *bytes, 32, *bytes, 64, *len, *len);
        tsc_config_import(*config, *bytes, 32, *bytes, 64, *len);
        tsc_attempt_offer(*attempt, *none, tsc_session);
        tsc_attempt_receive(*attempt, *info, tsc_session_info, *bytes, 8);
        tsc_attempt_receive_object(*attempt, *info, tsc_session_info, *object, 8, fn);
        tsc_attempt_info_get(*attempt, *none, tsc_attempt_info);
        tsc_attempt_rustls_config(*attempt, *none);
        tsc_attempt_wait(*attempt, 0);
        tsc_attempt_wait_callback(*attempt, 0, fn, *none);
        tsc_attempt_wait_fd(*attempt, 0, *none);
        tsc_attempt_wait_end(*attempt);
        tsc_attempt_withdraw(*attempt);
        tsc_attempt_sent(*attempt);
        tsc_attempt_wants_another(*attempt);
        tsc_attempt_set_not_after(*attempt, 0);
        tsc_attempt_established(*attempt, 0);
        tsc_attempt_failed(*attempt, 0);
        tsc_cache_close(*cache);
    }
    // Those that make a handle have no handle first, or keep what they make.
    // SAFETY: NULL, or handles that are alive, which are freed here only.
    unsafe {
        let invalid = tsc_status::TSC_INVALID_ARGUMENT;
        assert_eq!(tsc_cache_new(null(), 0, null_mut()), invalid);
        assert_eq!(tsc_config_new(null(), null(), 0, null_mut()), invalid);
        assert_eq!(tsc_config_new(world.cache, null(), 0, null_mut()), invalid);
        let (endpoint, size) = (&raw const world.endpoint, size_of::<tsc_endpoint>());
        let mut out = null_mut();
        assert_eq!(tsc_attempt_new(null(), endpoint, size, &mut out), invalid);
        let config = world.config;
        assert_eq!(tsc_attempt_new(config, null(), size, &mut out), invalid);
        let done = tsc_attempt_new(config, endpoint, size, null_mut());
        assert_eq!((done, out.is_null()), (invalid, true));
        let (id, own) = (world.bytes(), some_function as unsafe extern "C" fn());
        assert_eq!(tsc_function_id(None, id), invalid);
        assert_eq!(tsc_function_id(Some(own), null_mut()), invalid);
        for (attempt, config, cache) in [
            (null_mut(), null_mut(), null_mut()),
            (world.attempt, world.config, world.cache),
        ] {
            tsc_attempt_free(attempt);
            tsc_config_free(config);
            tsc_cache_free(cache);
        }
        assert!(!tsc_version().is_null() && !tsc_status_text(u32::MAX).is_null());
    }
    let called = world.called.iter().copied().chain([
        "tsc_function_id",
        "tsc_attempt_free",
        "tsc_config_free",
        "tsc_cache_free",
        "tsc_version",
        "tsc_status_text",
        // They take nothing.
        "tsc_version_number",
        "tsc_has_rustls",
    ]);
    let exported = include_str!("../../../packaging/libtsc.map")
        .split(|of: char| !of.is_ascii_alphanumeric() && of != '_')
        .filter(|word| word.starts_with("tsc_"));
    assert_eq!(
        called.collect::<BTreeSet<_>>(),
        exported.collect::<BTreeSet<_>>()
    );
}
