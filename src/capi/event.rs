use super::reason::{self, TSC_REASON_NONE};
use crate::endpoint::Endpoint;
use crate::engine::EventKind;
use crate::event::Event;
use std::ffi::c_void;

/// tsc_event.kind: sessions came into the cache.
pub const TSC_EVENT_STORED: u32 = 1;
/// tsc_event.kind: a session was handed out, to an attempt that offers it or by tsc_get.
pub const TSC_EVENT_OFFERED: u32 = 2;
/// tsc_event.kind: an attempt was established by resuming what it offered.
pub const TSC_EVENT_RESUMED: u32 = 3;
/// tsc_event.kind: an attempt was established, and the server had refused what it offered.
pub const TSC_EVENT_REFUSED: u32 = 4;
/// tsc_event.kind: expired sessions were dropped. The event comes when the library finds them, which
/// may be some time after they expired.
pub const TSC_EVENT_EXPIRED: u32 = 5;
/// tsc_event.kind: sessions were dropped to keep max_endpoints or max_bytes.
pub const TSC_EVENT_EVICTED: u32 = 6;
/// tsc_event.kind: libtsc offers nothing to this endpoint for a while, because offering did harm there.
pub const TSC_EVENT_BREAKER_OPENED: u32 = 7;
/// tsc_event.kind: libtsc offers sessions to this endpoint again.
pub const TSC_EVENT_BREAKER_CLOSED: u32 = 8;

/// tsc_event.kind: an attempt does a full handshake; tsc_event.reason says why.
pub const TSC_EVENT_NOT_OFFERED: u32 = 9;

/// Something that happened in a cache, passed to tsc_options.on_event. What it points to is lent for the
/// call. It contains no part of a session.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_event {
    /// TSC_EVENT_*. New ones may be added: ignore those that you do not know.
    pub kind: u32,
    /// The endpoint's port; 0 if it has none, or a group stands in its place.
    pub port: u32,
    /// Number of sessions affected; 0 for breaker events and TSC_EVENT_NOT_OFFERED. tsc_stats has a counter of
    /// the same name.
    pub count: u64,
    /// The endpoint's host, in lower case. (NULL, 0) if a group stands in its place, and for sessions
    /// under a key of the caller's own.
    pub host: *const u8,
    /// Its length.
    pub host_len: usize,
    /// The name that the server's certificate is checked against, in lower case; the host's if none
    /// was given. (NULL, 0) for sessions under a key of the caller's own.
    pub server_name: *const u8,
    /// Its length.
    pub server_name_len: usize,
    /// The endpoint's group, or (NULL, 0).
    pub group: *const u8,
    /// Its length.
    pub group_len: usize,
    /// The key that tsc_put was given, or (NULL, 0) for the sessions of attempts.
    pub key: *const u8,
    /// Its length.
    pub key_len: usize,
    /// With TSC_EVENT_NOT_OFFERED one of TSC_REASON_*, otherwise 0.
    pub reason: u32,
    /// Always 0.
    pub reserved: u32,
}

fn kind_of(kind: EventKind) -> u32 {
    match kind {
        EventKind::Stored => TSC_EVENT_STORED,
        EventKind::Offered => TSC_EVENT_OFFERED,
        EventKind::Resumed => TSC_EVENT_RESUMED,
        EventKind::Refused => TSC_EVENT_REFUSED,
        EventKind::Expired => TSC_EVENT_EXPIRED,
        EventKind::Evicted => TSC_EVENT_EVICTED,
        EventKind::BreakerOpened => TSC_EVENT_BREAKER_OPENED,
        EventKind::BreakerClosed => TSC_EVENT_BREAKER_CLOSED,
        EventKind::NotOffered(_) => TSC_EVENT_NOT_OFFERED,
    }
}

impl tsc_event {
    /// What is lent of an event.
    fn of(event: &Event<'_>) -> Self {
        const NOWHERE: Endpoint<'_> = Endpoint {
            host: &[],
            port: 0,
            server_name: &[],
            group: &[],
            verification: &[],
            client_certificate: false,
        };
        let endpoint = event.endpoint.unwrap_or(NOWHERE);
        let key = event.key.unwrap_or_default();
        let pointer = |bytes: &[u8]| {
            if bytes.is_empty() {
                std::ptr::null()
            } else {
                bytes.as_ptr()
            }
        };
        Self {
            kind: kind_of(event.kind),
            port: endpoint.port.into(),
            count: event.count,
            host: pointer(endpoint.host),
            host_len: endpoint.host.len(),
            server_name: pointer(endpoint.server_name),
            server_name_len: endpoint.server_name.len(),
            group: pointer(endpoint.group),
            group_len: endpoint.group.len(),
            key: pointer(key),
            key_len: key.len(),
            reason: match event.kind {
                EventKind::NotOffered(why) => reason::of(why),
                _ => TSC_REASON_NONE,
            },
            reserved: 0,
        }
    }
}

/// The caller's function that is told. It promised that it may be called with its argument on any
/// thread.
pub(super) struct EventCallback {
    pub(super) call: unsafe extern "C" fn(*mut c_void, *const tsc_event, usize),
    pub(super) arg: *mut c_void,
}

// SAFETY: the header says that it is called on any thread.
unsafe impl Send for EventCallback {}
// SAFETY: as above.
unsafe impl Sync for EventCallback {}

impl EventCallback {
    pub(super) fn call(&self, event: &Event<'_>) {
        let event = tsc_event::of(event);
        // SAFETY: the header's contract: the function may be called with this argument until the last
        // handle that can reach the cache is freed.
        unsafe { (self.call)(self.arg, &raw const event, size_of::<tsc_event>()) }
    }
}
