use crate::connection::NotNow;
use crate::endpoint::Invalid;
use crate::engine::Discard;
use crate::error::Error;
use std::ffi::c_char;

/// What a function returns. The values never change; new ones are only added at the end.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum tsc_status {
    /// Done.
    TSC_OK = 0,
    /// There is no session to offer: do a full handshake.
    TSC_NOT_FOUND = 1,
    /// A NULL where none is allowed, a length or value out of range, or a struct of the wrong size.
    TSC_INVALID_ARGUMENT = 2,
    /// The buffer is too small. The length that is needed was written; nothing was lost.
    TSC_TOO_SMALL = 3,
    /// A key, name or session is over its limit (TSC_MAX_KEY, TSC_MAX_NAME, max_session_bytes).
    TSC_TOO_LARGE = 4,
    /// Out of memory. Nothing was lost or changed. Returned for everything whose size depends on the caller's data
    /// or the number of sessions: sessions stored or staged, tables that grow, exports, imports, text. If the
    /// heap has no room for a small block (a handle, a key, a place in a queue) or for the list of what a call
    /// drops at once, Rust's allocator aborts the process. tsc_clear and tsc_cache_free need no such list.
    TSC_NO_MEMORY = 5,
    /// The cache was closed or freed, or the handle was made before a fork in the parent process.
    TSC_CLOSED = 6,
    /// The session was not kept, as intended: its lifetime is over or zero, its connection has failed, the cache
    /// is disabled, or there are enough sessions. The caller has nothing to do. From an import: the wall clock is
    /// before the time of the export.
    TSC_DISCARDED = 7,
    /// The attempt is past the point where this call has a meaning, for example established after
    /// failed. Nothing was changed.
    TSC_WRONG_STATE = 8,
    /// This build or system cannot do it (rustls is not in the build, there are no descriptors to wait with),
    /// or the caller set a field or flag that this version does not know.
    TSC_UNSUPPORTED = 9,
    /// An error inside the library was contained. Treat it as "no session" and please report it.
    TSC_PANIC = 10,
    /// A session is on its way: call tsc_attempt_offer when the wait is over.
    TSC_WAIT = 11,
    /// The data to import is not what was exported with this key and for this config. Nothing was imported.
    TSC_NOT_AUTHENTIC = 12,
}

/// Describes a status in one short English phrase without a full stop.
///
/// status: any number.
/// Returns a static string, which is not to be freed; never NULL, also for numbers that are no status.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_status_text(status: u32) -> *const c_char {
    const TEXTS: [&str; 13] = [
        "done\0",
        "no session to offer, do a full handshake\0",
        "an argument is NULL, out of range or of a wrong size\0",
        "the buffer is too small\0",
        "a key, name or session is over its limit\0",
        "memory could not be had\0",
        "the cache is closed, or the handle is from before a fork\0",
        "the session was not kept\0",
        "the connection is past the point where this call has a meaning\0",
        "this build or version of the library cannot do it\0",
        "an error inside the library was contained\0",
        "a session is on its way, wait for it\0",
        "not what was exported with this key and for this config\0",
    ];
    TEXTS
        .get(status as usize)
        .unwrap_or(&"not a status of this library\0")
        .as_ptr()
        .cast()
}

impl From<Error> for tsc_status {
    fn from(why: Error) -> Self {
        match why {
            Error::InvalidArgument => Self::TSC_INVALID_ARGUMENT,
            Error::TooLarge => Self::TSC_TOO_LARGE,
            Error::Discarded => Self::TSC_DISCARDED,
            Error::Closed => Self::TSC_CLOSED,
            Error::WrongState => Self::TSC_WRONG_STATE,
            Error::NoMemory => Self::TSC_NO_MEMORY,
            Error::Unsupported => Self::TSC_UNSUPPORTED,
            Error::NotAuthentic => Self::TSC_NOT_AUTHENTIC,
        }
    }
}

impl From<Discard> for tsc_status {
    fn from(why: Discard) -> Self {
        Error::from(why).into()
    }
}

impl From<NotNow> for tsc_status {
    fn from(why: NotNow) -> Self {
        Error::from(why).into()
    }
}

impl From<Invalid> for tsc_status {
    fn from(why: Invalid) -> Self {
        Error::from(why).into()
    }
}
