//! The C API as its callers see it: structs that begin as zeros, and statuses that are never TSC_PANIC.

use libtsc::capi::*;
use std::mem::zeroed;

/// A struct of the header with all its defaults.
pub(crate) fn zero<T: Copy>() -> T {
    // SAFETY: the header says of each that it may start from {0}.
    unsafe { zeroed() }
}

/// The status of a call, which is whatever it is but no error inside the library.
#[track_caller]
pub(crate) fn status(status: tsc_status) -> tsc_status {
    assert!(
        status != tsc_status::TSC_PANIC,
        "an error inside the library"
    );
    status
}

#[track_caller]
pub(crate) fn ok(is: tsc_status) {
    assert_eq!(is, tsc_status::TSC_OK);
}

pub(crate) fn pointer(bytes: &[u8]) -> *const u8 {
    if bytes.is_empty() {
        std::ptr::null()
    } else {
        bytes.as_ptr()
    }
}

pub(crate) fn stats(cache: *const tsc_cache) -> tsc_stats {
    let mut out = zero();
    // SAFETY: the handle is alive, and there is room for the struct.
    ok(unsafe { tsc_stats_get(cache, &raw mut out, size_of::<tsc_stats>()) });
    out
}

/// What came into a cache went for one of the reasons in its statistics, or is there.
#[track_caller]
pub(crate) fn check_books(stats: &tsc_stats) {
    let dropped = stats.expired + stats.evicted + stats.displaced + stats.removed;
    let came = stats.stored + stats.returned;
    assert_eq!(came, stats.taken + dropped + stats.sessions, "the books");
    assert!(stats.taken <= stats.offered && stats.returned <= stats.taken);
}

/// An endpoint in the terms of Rust.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoint<'a> {
    pub(crate) host: &'a [u8],
    pub(crate) port: u16,
    pub(crate) server_name: &'a [u8],
    pub(crate) group: &'a [u8],
    pub(crate) verification: &'a [u8],
}

impl Endpoint<'_> {
    pub(crate) fn lend(&self) -> tsc_endpoint {
        tsc_endpoint {
            host: pointer(self.host),
            host_len: self.host.len(),
            server_name: pointer(self.server_name),
            server_name_len: self.server_name.len(),
            group: pointer(self.group),
            group_len: self.group.len(),
            port: self.port.into(),
            flags: 0,
            verification: pointer(self.verification),
            verification_len: self.verification.len(),
        }
    }

    /// What an endpoint is by the words of the header, told without the library: two are the same if this is.
    pub(crate) fn meaning(&self, config_verifies: &[u8]) -> Meaning {
        let name = if self.server_name.is_empty() {
            self.host
        } else {
            self.server_name
        };
        let verification = if self.verification.is_empty() {
            config_verifies
        } else {
            self.verification
        };
        let place = if self.group.is_empty() {
            Place::Host(self.host.to_ascii_lowercase(), self.port)
        } else {
            Place::Group(self.group.to_vec())
        };
        Meaning {
            place,
            name: name.to_ascii_lowercase(),
            verification: verification.to_vec(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Host(Vec<u8>, u16),
    Group(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Meaning {
    pub(crate) place: Place,
    pub(crate) name: Vec<u8>,
    pub(crate) verification: Vec<u8>,
}
