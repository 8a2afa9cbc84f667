use super::guard::{StatusResult, borrow, check_output, free_handle, guard, write, write_handle};
use super::session::{SessionOutput, read_info};
use super::slice::{bytes, bytes_up_to};
use super::tsc_status::{TSC_CLOSED, TSC_INVALID_ARGUMENT, TSC_NO_MEMORY, TSC_NOT_FOUND};
use super::{options, tsc_options, tsc_session_info, tsc_status};
use crate::cache::Cache;
use crate::engine::{Engine, Key, Space};
use crate::sys;
use std::sync::Arc;

/// The longest key of tsc_put and the other functions with a key of your own, in bytes.
pub const TSC_MAX_KEY: usize = 1024;

/// A bounded, thread-safe store of sessions. One for each cluster object is usual.
pub struct tsc_cache {
    open: Arc<Open>,
    /// The same cache at hand, for look-ups: each step to it is a load that waits for the one before.
    engine: Arc<Engine>,
}

/// A cache that has handles; it closes with the last of them.
struct Open(Arc<Cache>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl tsc_cache {
    fn of(open: Arc<Open>) -> Self {
        Self {
            engine: Arc::clone(open.0.engine()),
            open,
        }
    }

    #[inline]
    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

/// The cache of a handle, unless it is closed; lent for as long as no foreign code runs.
#[inline]
unsafe fn borrow_engine<'a>(cache: *const tsc_cache) -> StatusResult<&'a Arc<Engine>> {
    let engine = borrow(cache)?.engine();
    if engine.is_closed() {
        Err(TSC_CLOSED)
    } else {
        Ok(engine)
    }
}

/// Has `call` use the cache of a handle, unless that is closed. It is held for the call only if foreign code may
/// run before the end of it, a clock or a listener, in which the caller may free the handle: to count the users of
/// a cache takes longer than a look-up, where several threads do it. What `call` does last may be foreign code, too.
#[inline]
unsafe fn with_engine(
    cache: *const tsc_cache,
    call: impl FnOnce(&Engine) -> StatusResult,
) -> StatusResult {
    let engine = borrow_engine(cache)?;
    let held = engine.calls_back().then(|| Arc::clone(engine));
    call(held.as_ref().unwrap_or(engine))
}

/// The cache of a handle, unless it is closed. Held for the call, which may run a callback in which the caller
/// frees the handle.
pub(super) unsafe fn open_engine(cache: *const tsc_cache) -> StatusResult<Arc<Engine>> {
    borrow_engine(cache).cloned()
}

/// The same with what is on its way to it.
pub(super) unsafe fn open_cache(cache: *const tsc_cache) -> StatusResult<Arc<Cache>> {
    borrow_engine(cache)?;
    Ok(Arc::clone(&borrow(cache)?.open.0))
}

#[inline]
pub(super) unsafe fn caller_key<'a>(
    engine: &Engine,
    key: *const u8,
    len: usize,
) -> StatusResult<Key<'a>> {
    match bytes_up_to(key, len, TSC_MAX_KEY)? {
        [] => Err(TSC_INVALID_ARGUMENT),
        key => Ok(engine.key(Space::Caller, key)),
    }
}

/// Makes a cache.
///
/// options, size: the limits; (NULL, 0) for the defaults.
/// out: receives the handle, which the caller frees with tsc_cache_free.
/// Returns TSC_OK; TSC_UNSUPPORTED if options.flags has a flag that this version does not know; TSC_TOO_LARGE if
/// options.agent is over TSC_MAX_NAME; TSC_NO_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_cache_new(
    options: *const tsc_options,
    size: usize,
    out: *mut *mut tsc_cache,
) -> tsc_status {
    guard(|| {
        #[cfg(agent)]
        let agent = options::read_agent(options, size)?;
        let options = options::read(options, size)?;
        check_output(out)?;
        if !sys::watch_forks() {
            return Err(TSC_NO_MEMORY);
        }
        let (options, clock, listener) = options;
        let cache = Cache::over(options, clock, listener);
        #[cfg(agent)]
        let cache = match agent {
            Some(agent) => cache.with_agent(agent),
            None => cache,
        };
        write_handle(out, tsc_cache::of(Arc::new(Open(cache))));
        Ok(())
    })
}

/// Makes a second handle to the same cache, for another owner to free.
///
/// The cache closes when the last of its handles is freed. A closed cache can be shared, too.
///
/// out: receives the handle, which the caller frees with tsc_cache_free.
/// Returns TSC_OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_cache_share(
    cache: *const tsc_cache,
    out: *mut *mut tsc_cache,
) -> tsc_status {
    guard(|| {
        let cache = borrow(cache)?;
        check_output(out)?;
        write_handle(out, tsc_cache::of(Arc::clone(&cache.open)));
        Ok(())
    })
}

/// Closes a cache at once, for all its handles: drops every session, and from here on keeps and offers nothing.
///
/// Calls that would store or look up a session then return TSC_CLOSED. Configs and attempts that use the cache
/// stay valid and find nothing; attempts that wait for a session stop waiting and do a full handshake.
///
/// Returns TSC_OK, also for a cache that is closed already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_cache_close(cache: *const tsc_cache) -> tsc_status {
    guard(|| {
        let cache = Arc::clone(&borrow(cache)?.open.0);
        cache.close();
        Ok(())
    })
}

/// Frees a handle to a cache.
///
/// With the last handle the cache closes (tsc_cache_close), even if configs or attempts still use it.
///
/// cache: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_cache_free(cache: *mut tsc_cache) {
    free_handle(cache);
}

/// Stores a session under a key of your own.
///
/// For callers that do everything themselves. The key must contain everything that keeps sessions apart: host,
/// port, server name, and whatever in the TLS configuration decides whom to trust and which identity to use. The
/// session must come from a connection that was established. tsc_attempt_* takes care of both.
///
/// key, key_len: 1 to TSC_MAX_KEY bytes; copied.
/// info, info_size: what is known of the session; tls_version is required.
/// data, len: the session as the TLS stack serialises it, 1 to max_session_bytes bytes; copied.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if key or data is empty, or a field of info is out of range;
/// TSC_TOO_LARGE if the key or the session is over its limit; TSC_DISCARDED if the session's lifetime is zero or
/// over, or the cache is disabled; TSC_CLOSED if the cache is closed; TSC_NO_MEMORY, and whatever was stored
/// before is still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_put(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    info: *const tsc_session_info,
    info_size: usize,
    data: *const u8,
    len: usize,
) -> tsc_status {
    guard(|| {
        with_engine(cache, |engine| {
            let key = caller_key(engine, key, key_len)?;
            let info = read_info(info, info_size)?;
            let data = bytes(data, len)?;
            if data.is_empty() {
                return Err(TSC_INVALID_ARGUMENT);
            }
            Ok(info.put_alone(engine, &key, data)?)
        })
    })
}

/// Copies out the newest session under a key. A single-use session leaves the cache with it.
///
/// key, key_len: 1 to TSC_MAX_KEY bytes.
/// buf, cap: where the session goes; (NULL, 0) asks for the length alone.
/// len: receives the length, also with TSC_TOO_SMALL.
/// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
/// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is an object (see tsc_get_object); TSC_TOO_SMALL
/// if cap is below the session's length, and the session stays in the cache; TSC_INVALID_ARGUMENT if key is
/// empty; TSC_TOO_LARGE if key is over TSC_MAX_KEY; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_get(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
    info: *mut tsc_session_info,
    info_size: usize,
) -> tsc_status {
    guard(|| {
        with_engine(cache, |engine| {
            let key = caller_key(engine, key, key_len)?;
            let out = SessionOutput::check((buf, cap, len), (info, info_size))?;
            out.copy_by(|copy| engine.copy_out(&key, copy))
        })
    })
}

/// Counts the sessions that calls of tsc_get would find under a key, one after another. A reusable one counts
/// once.
///
/// key, key_len: 1 to TSC_MAX_KEY bytes.
/// count: receives the number, 0 if there is none.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if key is empty; TSC_TOO_LARGE if key is over TSC_MAX_KEY; TSC_CLOSED if
/// the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_available(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    count: *mut usize,
) -> tsc_status {
    guard(|| {
        let engine = open_engine(cache)?;
        let key = caller_key(&engine, key, key_len)?;
        check_output(count)?;
        write(count, engine.available(&key));
        Ok(())
    })
}

/// Drops all sessions under a key.
///
/// key, key_len: 1 to TSC_MAX_KEY bytes.
/// Returns TSC_OK; TSC_NOT_FOUND if there was none; TSC_INVALID_ARGUMENT if key is empty; TSC_TOO_LARGE if key is
/// over TSC_MAX_KEY; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_remove(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
) -> tsc_status {
    guard(|| {
        let engine = open_engine(cache)?;
        let key = caller_key(&engine, key, key_len)?;
        if engine.remove(&key) {
            Ok(())
        } else {
            Err(TSC_NOT_FOUND)
        }
    })
}

/// Drops the expired sessions.
///
/// Optional. Expired sessions are never handed out, and later stores purge them gradually. Call this to reclaim
/// memory in an idle cache.
///
/// count: receives how many were dropped; NULL if not wanted.
/// Returns TSC_OK; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_clear_expired(
    cache: *const tsc_cache,
    count: *mut usize,
) -> tsc_status {
    guard(|| {
        let expired = open_engine(cache)?.clear_expired();
        if !count.is_null() {
            write(count, expired as usize);
        }
        Ok(())
    })
}

/// Drops every session of every endpoint and config.
///
/// Sessions that the cache holds back for attempts that waited for them go, too. Sessions that an attempt has
/// been offered are not touched.
///
/// Returns TSC_OK; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_clear(cache: *const tsc_cache) -> tsc_status {
    guard(|| {
        open_engine(cache)?.clear();
        Ok(())
    })
}
