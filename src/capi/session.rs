use super::extensible;
use super::guard::{StatusResult, check_output, write};
use super::object::Object;
use super::slice::check_buffer;
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_NOT_FOUND, TSC_TOO_SMALL, TSC_UNSUPPORTED};
use crate::engine::{Payload, Session, Time};
use crate::session_info::{Received, SessionInfo};
use std::ffi::c_void;
use std::ptr;

/// What the caller knows of a session: what the wire said. The rules are the library's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_session_info {
    /// The protocol version on the wire: 0x0303 for TLS 1.2, 0x0304 for TLS 1.3 (0x0301 and 0x0302 are
    /// treated like 1.2). A TLS 1.3 session is single-use, an older one is reusable. Required.
    pub tls_version: u32,
    /// The lifetime that the server gave, in seconds. TLS 1.3: 0 means that it must not be kept
    /// (RFC 8446). Before TLS 1.3: 0 means that the server said nothing (RFC 5077), as for sessions
    /// by id; the cache's own limits then hold. More than seven days counts as seven days. In outputs:
    /// seconds for which the session may still be offered, rounded down.
    pub lifetime_seconds: u32,
    /// When the server's certificate ends, in Unix seconds; 0 if not known. 0 in outputs.
    pub not_after: i64,
    /// Milliseconds since the session was received. Only in outputs; ignored in inputs.
    pub age_ms: u64,
    /// For an object: how many of the peer's certificates it holds; 0 if that is not known, or the session is bytes.
    /// 0 in outputs.
    pub certificates: u32,
    /// For an object: how many bytes these certificates have in DER, together. 0 in outputs.
    pub certificate_bytes: u32,
}

/// A session to offer to the server. What it points to is lent: see tsc_attempt_offer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_session {
    /// The bytes that tsc_attempt_receive was given, or NULL for an object.
    pub data: *const u8,
    /// How many.
    pub len: usize,
    /// The object that tsc_attempt_receive_object was given, or NULL for bytes.
    pub object: *mut c_void,
    /// As in tsc_session_info.
    pub tls_version: u32,
    /// Seconds for which it may still be offered, rounded down.
    pub lifetime_seconds: u32,
    /// Milliseconds since it was received.
    pub age_ms: u64,
}

/// What the caller said about a session that it received.
pub(super) unsafe fn read_info(
    info: *const tsc_session_info,
    size: usize,
) -> StatusResult<Received> {
    let info = extensible::read(info, size)?;
    if info.not_after < 0 {
        return Err(TSC_INVALID_ARGUMENT);
    }
    let version = info.tls_version.try_into();
    let version = version.map_err(|_| TSC_INVALID_ARGUMENT)?;
    let info = SessionInfo {
        not_after: (info.not_after != 0).then_some(info.not_after),
        certificates: info.certificates,
        certificate_bytes: info.certificate_bytes,
        ..SessionInfo::of(version, info.lifetime_seconds)
    };
    Ok(info.check()?)
}

fn remaining_seconds(session: &Session, now: Time) -> u32 {
    u32::try_from(session.expires.since(now) / 1000).unwrap_or(u32::MAX)
}

impl tsc_session_info {
    pub(super) fn of(session: &Session, now: Time) -> Self {
        Self {
            tls_version: session.label.into(),
            lifetime_seconds: remaining_seconds(session, now),
            not_after: 0,
            age_ms: now.since(session.received),
            certificates: 0,
            certificate_bytes: 0,
        }
    }
}

impl tsc_session {
    /// What is lent of a session; an error if it is not one that came through these functions.
    pub(super) fn of(session: &Session, now: Time) -> StatusResult<Self> {
        let (data, len, object) = match &session.payload {
            Payload::Bytes(data) => (data.as_ptr(), data.len(), ptr::null_mut()),
            Payload::Value(value) => {
                let object: &Object = value.downcast_ref().ok_or(TSC_UNSUPPORTED)?;
                (ptr::null(), 0, object.as_ptr())
            }
            Payload::Unique(_) => return Err(TSC_UNSUPPORTED),
        };
        Ok(Self {
            data,
            len,
            object,
            tls_version: session.label.into(),
            lifetime_seconds: remaining_seconds(session, now),
            age_ms: now.since(session.received),
        })
    }
}

/// Where the bytes of a session go, and what is known of it.
pub(super) struct SessionOutput {
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
    info: *mut tsc_session_info,
    info_size: usize,
}

impl SessionOutput {
    pub(super) unsafe fn check(
        (buf, cap, len): (*mut u8, usize, *mut usize),
        (info, info_size): (*mut tsc_session_info, usize),
    ) -> StatusResult<Self> {
        check_output(len)?;
        check_buffer(buf, cap)?;
        extensible::check_optional_output(info, info_size)?;
        Ok(Self {
            buf,
            cap,
            len,
            info,
            info_size,
        })
    }

    /// Has `find` show the session to a function that copies it, and says whether it did. `None`: there is no
    /// session.
    #[inline]
    pub(super) unsafe fn copy_by(
        &self,
        find: impl FnOnce(&mut dyn FnMut(&Session, Time) -> bool) -> Option<bool>,
    ) -> StatusResult {
        let mut needed = 0;
        let copied = find(&mut |session, now| {
            let Payload::Bytes(data) = &session.payload else {
                return false;
            };
            needed = data.len();
            if needed > self.cap {
                return false;
            }
            // The caller said that so many bytes fit, and they are not the library's own.
            ptr::copy_nonoverlapping(data.as_ptr(), self.buf, needed);
            if !self.info.is_null() {
                extensible::write(
                    self.info,
                    self.info_size,
                    &tsc_session_info::of(session, now),
                );
            }
            true
        });
        let answer = match copied {
            None => return Err(TSC_NOT_FOUND),
            // No session is empty: this one is an object.
            Some(false) if needed == 0 => return Err(TSC_NOT_FOUND),
            Some(false) => Err(TSC_TOO_SMALL),
            Some(true) => Ok(()),
        };
        write(self.len, needed);
        answer
    }
}
