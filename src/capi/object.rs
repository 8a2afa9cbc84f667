use super::cache::{caller_key, open_engine};
use super::config::clone_config;
use super::guard::{StatusResult, check_output, guard, write};
use super::session::read_info;
use super::tsc_status::{TSC_CLOSED, TSC_INVALID_ARGUMENT, TSC_NOT_FOUND};
use super::{
    endpoint, extensible, tsc_cache, tsc_config, tsc_endpoint, tsc_session_info, tsc_status,
};
use crate::engine::{Discard, Payload, Session};
use crate::session_info::Received;
use crate::size::Size;
use std::any::Any;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

type Release = unsafe extern "C" fn(*mut c_void);

/// An object of the TLS stack, of which the library owns one reference.
pub(super) struct Object {
    object: NonNull<c_void>,
    release: Release,
}

// SAFETY: the header says that the object is released, and lent out, on any thread.
unsafe impl Send for Object {}
// SAFETY: as above; nothing here looks into it.
unsafe impl Sync for Object {}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the header's contract: `release` takes the object, once.
        unsafe { (self.release)(self.object.as_ptr()) }
    }
}

impl Object {
    /// What the caller hands over, and how large it is.
    pub(super) unsafe fn new(
        object: *mut c_void,
        len: usize,
        info: &Received,
        release: Option<Release>,
    ) -> StatusResult<(Arc<Self>, Size)> {
        let (Some(object), Some(release)) = (NonNull::new(object), release) else {
            return Err(TSC_INVALID_ARGUMENT);
        };
        if len > isize::MAX as usize {
            return Err(TSC_INVALID_ARGUMENT);
        }
        Ok((Arc::new(Self { object, release }), info.object_size(len)))
    }

    /// Has `put` store it. If it does not, the object stays the caller's: it is not released here.
    fn keep(self: Arc<Self>, put: impl FnOnce(Payload) -> Result<(), Discard>) -> StatusResult<()> {
        let shared = Arc::clone(&self) as Arc<dyn Any + Send + Sync>;
        put(Payload::Value(shared)).map_err(|why| {
            let _ = self.hand_over();
            why.into()
        })
    }

    /// Whether a session is one of these: rustls keeps values of its own.
    fn is_in(session: &Session) -> bool {
        matches!(&session.payload, Payload::Value(value) if value.is::<Self>())
    }

    /// Out of a session, unless that is something else.
    fn of(session: Session) -> Option<Arc<Self>> {
        match session.payload {
            Payload::Value(value) => value.downcast().ok(),
            Payload::Bytes(_) | Payload::Unique(_) => None,
        }
    }

    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.object.as_ptr()
    }

    /// The reference that the library owns is the caller's, if nobody else is lent it; or else the object
    /// comes back, and the reference stays.
    pub(super) fn hand_over(self: Arc<Self>) -> Result<*mut c_void, Arc<Self>> {
        let object = Arc::try_unwrap(self)?;
        let pointer = object.as_ptr();
        std::mem::forget(object);
        Ok(pointer)
    }
}

/// A reference to the object of a session, for the caller to release.
unsafe fn lend(
    session: Option<Session>,
    retain: unsafe extern "C" fn(*mut c_void),
) -> StatusResult<*mut c_void> {
    let object = session.and_then(Object::of).ok_or(TSC_NOT_FOUND)?;
    Ok(object.hand_over().unwrap_or_else(|shared| {
        // SAFETY: the header's contract; the object is there while `shared` is.
        unsafe { retain(shared.as_ptr()) };
        shared.as_ptr()
    }))
}

/// Stores an object of the TLS stack under a key of your own, as tsc_put stores bytes.
///
/// On TSC_OK the library owns one reference to object and gives it back, once, through release. On any other
/// status the caller still owns it.
///
/// key, key_len, info, info_size: as in tsc_put.
/// object, len, release: as in tsc_attempt_receive_object.
/// Returns TSC_OK, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY as tsc_put does;
/// TSC_INVALID_ARGUMENT if key is empty, or a field of info is out of range.
/// Threads: release may be called on any thread, with no lock held, and before this call returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_put_object(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    info: *const tsc_session_info,
    info_size: usize,
    object: *mut c_void,
    len: usize,
    release: Option<unsafe extern "C" fn(object: *mut c_void)>,
) -> tsc_status {
    guard(|| {
        let engine = open_engine(cache)?;
        let key = caller_key(&engine, key, key_len)?;
        let info = read_info(info, info_size)?;
        let (object, size) = Object::new(object, len, &info, release)?;
        object.keep(|payload| {
            let session = info.alone(&engine, payload, size.alone());
            engine.admit_at(&key, size.length, size.alone())?;
            engine.put(&key, session)
        })
    })
}

/// Hands out the newest object under a key. A single-use session leaves the cache with it.
///
/// key, key_len: 1 to TSC_MAX_KEY bytes.
/// object: receives the object, with a reference that the caller releases.
/// retain: takes another reference to an object of which the cache keeps its own; not NULL. It may call any
/// function of this library.
/// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
/// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is bytes (see tsc_get); TSC_INVALID_ARGUMENT if
/// key is empty; TSC_TOO_LARGE if key is over TSC_MAX_KEY; TSC_CLOSED if the cache is closed.
/// Threads: retain is called on this thread, with no lock held, before this call returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_get_object(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    object: *mut *mut c_void,
    retain: Option<unsafe extern "C" fn(object: *mut c_void)>,
    info: *mut tsc_session_info,
    info_size: usize,
) -> tsc_status {
    guard(|| {
        let engine = open_engine(cache)?;
        let key = caller_key(&engine, key, key_len)?;
        check_output(object)?;
        let retain = retain.ok_or(TSC_INVALID_ARGUMENT)?;
        extensible::check_optional_output(info, info_size)?;
        let taken = engine.take_object(&key, Object::is_in, &mut |session, now| {
            if !info.is_null() {
                extensible::write(info, info_size, &tsc_session_info::of(session, now));
            }
        });
        write(object, lend(taken, retain)?);
        Ok(())
    })
}

/// Stores an object of the TLS stack for this config and endpoint without an attempt, as tsc_config_put stores
/// bytes.
///
/// On TSC_OK the library owns one reference to object and gives it back, once, through release. On any other
/// status the caller still owns it.
///
/// endpoint, size: whose session it is.
/// info, info_size: what is known of the session; tls_version is required.
/// object, len, release: as in tsc_attempt_receive_object.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host or its port is over 65535, object or release is
/// NULL, or a field of info is out of range; TSC_TOO_LARGE if a name or the session is over its limit;
/// TSC_DISCARDED if the session's lifetime is zero or over, or the cache is disabled; TSC_CLOSED if the cache is
/// closed; TSC_NO_MEMORY.
/// Threads: release may be called on any thread, with no lock held, and before this call returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_put_object(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    info: *const tsc_session_info,
    info_size: usize,
    object: *mut c_void,
    len: usize,
    release: Option<unsafe extern "C" fn(object: *mut c_void)>,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        let info = read_info(info, info_size)?;
        let supply = config.supply(&endpoint)?;
        let (object, size) = Object::new(object, len, &info, release)?;
        object.keep(|payload| supply.put_unattended(payload, size, &info, config.client_not_after))
    })
}

/// Hands out the newest object of this config and endpoint without an attempt (see tsc_config_get). A
/// single-use session leaves the cache with it.
///
/// endpoint, size: whose session.
/// object, retain: as in tsc_get_object.
/// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
/// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is bytes, which tsc_config_get finds;
/// TSC_INVALID_ARGUMENT if endpoint has no host, its port is over 65535, or retain is NULL; TSC_TOO_LARGE if a name
/// is over TSC_MAX_NAME; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_get_object(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    object: *mut *mut c_void,
    retain: Option<unsafe extern "C" fn(object: *mut c_void)>,
    info: *mut tsc_session_info,
    info_size: usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        check_output(object)?;
        let retain = retain.ok_or(TSC_INVALID_ARGUMENT)?;
        extensible::check_optional_output(info, info_size)?;
        if config.engine().is_closed() {
            return Err(TSC_CLOSED);
        }
        let supply = config.supply(&endpoint)?;
        let taken = supply.take_object_unattended(Object::is_in, &mut |session, now| {
            if !info.is_null() {
                extensible::write(info, info_size, &tsc_session_info::of(session, now));
            }
        });
        write(object, lend(taken, retain)?);
        Ok(())
    })
}
