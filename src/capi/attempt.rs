use super::config::{Attached, rustls_client_config};
use super::guard::{StatusResult, borrow, check_output, free_handle, guard, write, write_handle};
use super::object::Object;
use super::session::read_info;
use super::slice::bytes;
use super::tsc_status::{TSC_DISCARDED, TSC_INVALID_ARGUMENT, TSC_NOT_FOUND, TSC_UNSUPPORTED};
use super::{
    endpoint, extensible, reason, tsc_config, tsc_endpoint, tsc_session, tsc_session_info,
    tsc_status,
};
use crate::attempt::Attempt;
use crate::connection::{AttemptState, Connection, Failure};
use crate::engine::Payload;
use crate::sync::Mutex;
use crate::sys::Timer;
use std::ffi::c_void;
use std::sync::Arc;

/// tsc_attempt_failed: the ClientHello may have left. Without it, as when the TCP connection was refused,
/// what was taken goes back to the cache.
pub const TSC_FACT_SENT: u32 = 1;
/// tsc_attempt_failed: the TLS handshake was done; the application's own login failed.
pub const TSC_FACT_HANDSHAKE_DONE: u32 = 2;
/// tsc_attempt_failed: the handshake was a resumed one (SSL_session_reused, rustls's handshake kind).
pub const TSC_FACT_RESUMED: u32 = 4;
/// tsc_attempt_failed: the server fell silent.
pub const TSC_FACT_TIMED_OUT: u32 = 8;
/// tsc_attempt_failed: the caller gave up, because it lost a race or its user cancelled. That says nothing
/// about the server.
pub const TSC_FACT_CANCELLED: u32 = 16;
/// tsc_attempt_failed: a fatal TLS alert came. In TLS 1.3 one can come after the handshake, as when the
/// server rejects the client's certificate.
pub const TSC_FACT_ALERT: u32 = 32;

/// tsc_attempt_info.state: begun, and nobody has said yet how it ended.
pub const TSC_ATTEMPT_OPEN: u32 = 1;
/// tsc_attempt_info.state: established; what arrives now goes straight into the cache.
pub const TSC_ATTEMPT_ESTABLISHED: u32 = 2;
/// tsc_attempt_info.state: failed; what arrives now is discarded.
pub const TSC_ATTEMPT_FAILED: u32 = 3;

/// What became of one connection attempt so far.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_attempt_info {
    /// TSC_ATTEMPT_OPEN, TSC_ATTEMPT_ESTABLISHED or TSC_ATTEMPT_FAILED.
    pub state: u32,
    /// 1 if a session was taken to be offered.
    pub offered: u32,
    /// 1 if the connection was established by resuming it ("session reused").
    pub resumed: u32,
    /// 1 if the server did not take it.
    pub refused: u32,
    /// Sessions received so far.
    pub received: u32,
    /// Of these, how many went into the cache.
    pub stored: u32,
    /// Of these, how many were discarded. The rest is staged.
    pub discarded: u32,
    /// Why it did not resume: one of TSC_REASON_*. New ones may be added.
    pub reason: u32,
}

/// One connection attempt's view of the cache: what it offers, what it receives, how it ended.
pub struct tsc_attempt {
    pub(super) attempt: Attempt,
    rustls: Option<Arc<Attached>>,
    /// Lent to the caller by tsc_attempt_wait_fd.
    pub(super) timer: Mutex<Option<Arc<Timer>>>,
}

/// What a handle stands for, held for the call: it may run a callback in which the caller frees the
/// handle, which is not looked at again.
pub(super) unsafe fn clone_connection(
    attempt: *const tsc_attempt,
) -> StatusResult<Arc<Connection>> {
    Ok(Arc::clone(borrow(attempt)?.attempt.connection()))
}

#[cfg(feature = "rustls-ffi")]
fn rustls_config(attached: &Attached, connection: &Arc<Connection>) -> *const rustls_client_config {
    // As rustls-ffi makes them: see `attached` in config.rs.
    Arc::into_raw(Arc::new(attached.for_connection(connection))).cast()
}

#[cfg(not(feature = "rustls-ffi"))]
fn rustls_config(attached: &Attached, _: &Arc<Connection>) -> *const rustls_client_config {
    match *attached {}
}

/// Begins a connection attempt.
///
/// endpoint, size: who it is for; copied.
/// out: gets the handle, which the caller frees with tsc_attempt_free.
/// TSC_TOO_LARGE: a name is over TSC_MAX_NAME. TSC_UNSUPPORTED: a reserved field is not 0. A closed or
/// disabled cache is no error: the attempt works and offers nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_new(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    out: *mut *mut tsc_attempt,
) -> tsc_status {
    guard(|| {
        let config = borrow(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        check_output(out)?;
        let rustls = config.rustls.clone();
        let attempt = Attempt::of(Connection::new(&config.config, &endpoint)?);
        write_handle(
            out,
            tsc_attempt {
                attempt,
                rustls,
                timer: Mutex::default(),
            },
        );
        Ok(())
    })
}

/// Gives the session to offer in the ClientHello, and leases it to this attempt.
///
/// A single-use session is out of the cache from here on: nobody else gets it. It goes back if the
/// attempt fails with nothing sent, or is freed before tsc_attempt_sent and all that imply it
/// (tsc_attempt_receive, tsc_attempt_wants_another, tsc_attempt_established, the other failures). Asking
/// again gives the same session. Ask as late as possible, after the TCP connection is established.
///
/// out, size: gets the session. What it points to is lent until tsc_attempt_established,
/// tsc_attempt_failed or tsc_attempt_free. An object may be lent to several attempts at once if it is
/// reusable; a TLS stack that changes what it is given needs a copy of its own (SSL_SESSION_dup).
/// TSC_NOT_FOUND: nothing to offer, do a full handshake; also for a closed cache, whose
/// callers need no error. TSC_WRONG_STATE: the attempt was sent, established or failed, or a callback within
/// this call did that or freed it. TSC_CLOSED: the attempt is from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_offer(
    attempt: *const tsc_attempt,
    out: *mut tsc_session,
    size: usize,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        extensible::check_output(out, size)?;
        // The connection keeps the session for as long as it is lent.
        let session = connection.offer(tsc_session::of)?.ok_or(TSC_NOT_FOUND)??;
        extensible::write(out, size, &session);
        Ok(())
    })
}

/// Says that the ClientHello with the offered session may have left: a single-use session is used up,
/// whatever comes. Call it before the first bytes are written. Calling it twice, or with nothing
/// offered, is TSC_OK.
///
/// An attempt that has not asked tsc_attempt_offer sent none: its wait is over, what was kept for it goes
/// back, and tsc_attempt_offer is TSC_WRONG_STATE from then on. So it is after tsc_attempt_receive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_sent(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.sent()?))
}

/// Takes a session or ticket that the server sent, as the bytes that the TLS stack makes of it.
///
/// Staged until tsc_attempt_established; after it, it goes straight into the cache, whenever it comes.
/// Its lifetime counts from this call. At a limit of what may be staged (tsc_options.max_bytes,
/// max_sessions_per_endpoint) it takes the place of the oldest that this attempt has staged.
/// info, info_size: what is known of it; tls_version is required.
/// data, len: 1 to max_session_bytes bytes, copied; wiped when released.
/// TSC_TOO_LARGE. TSC_DISCARDED: lifetime zero or over, the attempt has failed, the cache is disabled, or
/// others have staged so much that there is no room; the attempt goes on. TSC_CLOSED. TSC_NO_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_receive(
    attempt: *const tsc_attempt,
    info: *const tsc_session_info,
    info_size: usize,
    data: *const u8,
    len: usize,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        let info = read_info(info, info_size)?;
        let data = bytes(data, len)?;
        if data.is_empty() {
            return Err(TSC_INVALID_ARGUMENT);
        }
        let payload = Payload::Bytes(connection.keep(data)?);
        let done = connection.receive(payload, data.len(), &info);
        done.map_err(|(why, _)| why.into())
    })
}

/// Takes a session as an object of the TLS stack: no serialising, no parsing.
///
/// On TSC_OK the library owns one reference to object and gives it back, once, through release, on
/// any thread, with no lock held, possibly before this call returns. On any other status the caller
/// still owns it.
/// info, info_size: as in tsc_attempt_receive.
/// object: not NULL. Nobody else may change it from here on.
/// len: how many bytes it would be if serialised; 0 if that is not known. With info->certificates and
/// info->certificate_bytes the library decides what it costs in memory, which counts against max_bytes;
/// max_session_bytes bounds len and certificate_bytes together. The sessions of an attempt share the
/// certificates, which count once.
/// release: not NULL. May call any function of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_receive_object(
    attempt: *const tsc_attempt,
    info: *const tsc_session_info,
    info_size: usize,
    object: *mut c_void,
    len: usize,
    release: Option<unsafe extern "C" fn(object: *mut c_void)>,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        let info = read_info(info, info_size)?;
        let (object, size) = Object::new(object, len, &info, release)?;
        let payload = Payload::Value(object);
        connection
            .receive(payload, size, &info)
            .map_err(|(why, payload)| {
                // It stays the caller's: not to be released here.
                if let Payload::Value(value) = payload {
                    let _ = value.downcast().map(Object::hand_over);
                }
                why.into()
            })
    })
}

/// Asks whether a session that the server has sent is worth taking, where taking it costs the caller
/// much: CPython's ssl module, for one, copies each by encoding and decoding it.
///
/// TSC_OK: take it, and give it to tsc_attempt_receive or tsc_attempt_receive_object. TSC_DISCARDED:
/// leave it. The endpoint has max_sessions_per_endpoint already, and it would only take another's place;
/// or it would be discarded whatever it is. It has been counted as one that the server sent. TSC_CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wants_another(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| match clone_connection(attempt)?.wants_another() {
        Ok(true) => Ok(()),
        Ok(false) => Err(TSC_DISCARDED),
        Err(why) => Err(why.into()),
    })
}

/// Says when the server's certificate ends, where only the connection knows (rustls): bounds all that
/// this attempt received and will receive. After tsc_attempt_established that holds for what is in the cache
/// of its lineage, and what others have taken of that does not come back. not_after: Unix seconds, above 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_set_not_after(
    attempt: *const tsc_attempt,
    not_after: i64,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        if not_after <= 0 {
            return Err(TSC_INVALID_ARGUMENT);
        }
        Ok(connection.set_not_after(not_after)?)
    })
}

/// Says that the connection is established: TLS verified and the application's own login done. What
/// it received is published, and what it still receives goes straight into the cache.
///
/// A caller without a login of its own calls this right after the handshake.
/// resumed: not 0 if the handshake was a resumed one (SSL_session_reused, rustls's handshake kind). If
/// a session was offered and this is 0, the server refused it: its whole lineage is dropped.
/// TSC_WRONG_STATE: already established or failed. TSC_INVALID_ARGUMENT: resumed, but nothing was
/// offered through this attempt; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_established(
    attempt: *const tsc_attempt,
    resumed: i32,
) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.established(resumed != 0)?))
}

/// Says that the attempt failed: what it received is discarded, then and later.
///
/// The caller reports what it saw, and the library decides what becomes of the offered session, and whether
/// offers do harm at this endpoint. Once the attempt was established, only TSC_FACT_ALERT has a meaning: a
/// fatal alert came on the connection, and what it brought is dropped (RFC 8446, section 6).
///
/// facts: TSC_FACT_* combined by |; 0: nothing was sent.
/// TSC_WRONG_STATE: already failed, or established and no alert. TSC_UNSUPPORTED: a fact that this version
/// does not know. TSC_CLOSED: the attempt is from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_failed(attempt: *const tsc_attempt, facts: u32) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        const ALL: u32 = 2 * TSC_FACT_ALERT - 1;
        if facts & !ALL != 0 {
            return Err(TSC_UNSUPPORTED);
        }
        let is = |fact| facts & fact != 0;
        Ok(connection.failed(Failure {
            sent: is(TSC_FACT_SENT),
            handshake_done: is(TSC_FACT_HANDSHAKE_DONE),
            resumed: is(TSC_FACT_RESUMED),
            timed_out: is(TSC_FACT_TIMED_OUT),
            cancelled: is(TSC_FACT_CANCELLED),
            alert: is(TSC_FACT_ALERT),
        })?)
    })
}

/// Reads what became of the attempt so far. size is sizeof(tsc_attempt_info).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_info_get(
    attempt: *const tsc_attempt,
    out: *mut tsc_attempt_info,
    size: usize,
) -> tsc_status {
    guard(|| {
        let connection = borrow(attempt)?.attempt.connection();
        extensible::check_output(out, size)?;
        let now = connection.info()?;
        let info = tsc_attempt_info {
            state: match now.state {
                AttemptState::Open => TSC_ATTEMPT_OPEN,
                AttemptState::Established => TSC_ATTEMPT_ESTABLISHED,
                AttemptState::Failed => TSC_ATTEMPT_FAILED,
            },
            offered: now.offered.into(),
            resumed: now.resumed.into(),
            refused: now.refused.into(),
            received: now.received,
            stored: now.stored,
            discarded: now.discarded,
            reason: reason::of(now.reason),
        };
        extensible::write(out, size, &info);
        Ok(())
    })
}

/// Gives the rustls configuration for this one connection, to pass to rustls_client_connection_new.
///
/// Only for an attempt whose config was made by tsc_config_attach. rustls takes the session to offer in
/// rustls_client_connection_new, so call that after the TCP connection stands. What the server sends
/// is staged and published as with the other calls, also long after the handshake, and also when this
/// attempt was freed after tsc_attempt_established.
/// out: gets a configuration that the caller frees with rustls_client_config_free.
/// TSC_UNSUPPORTED: the config is not from tsc_config_attach, or rustls is not in this build.
/// TSC_CLOSED: the attempt is from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_rustls_config(
    attempt: *const tsc_attempt,
    out: *mut *const rustls_client_config,
) -> tsc_status {
    guard(|| {
        let attempt = borrow(attempt)?;
        check_output(out)?;
        attempt.attempt.connection().check_process()?;
        let attached = attempt.rustls.as_ref().ok_or(TSC_UNSUPPORTED)?;
        let config = rustls_config(attached, attempt.attempt.connection());
        write(out, config);
        Ok(())
    })
}

/// Frees an attempt; NULL is nothing.
///
/// If nobody said how the attempt ended, what it received is discarded, what it had taken and not
/// sent goes back, and the statistics count it as unfinished. After tsc_attempt_established, the
/// connection may live on: tickets that still arrive for it are kept (rustls).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_free(attempt: *mut tsc_attempt) {
    free_handle(attempt);
}
