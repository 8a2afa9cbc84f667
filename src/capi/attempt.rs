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
#[cfg(target_os = "linux")]
use crate::sync::Mutex;
#[cfg(target_os = "linux")]
use crate::wait_fd::WaitFd;
use std::ffi::c_void;
use std::sync::Arc;

/// tsc_attempt_failed: the ClientHello may have left. Without this fact, as when the TCP connection was refused,
/// the session that the attempt took goes back to the cache.
pub const TSC_FACT_SENT: u32 = 1;
/// tsc_attempt_failed: the TLS handshake was done; the application's own login failed.
pub const TSC_FACT_HANDSHAKE_DONE: u32 = 2;
/// tsc_attempt_failed: the handshake was a resumed one (SSL_session_reused, rustls's handshake kind).
pub const TSC_FACT_RESUMED: u32 = 4;
/// tsc_attempt_failed: the server stopped answering.
pub const TSC_FACT_TIMED_OUT: u32 = 8;
/// tsc_attempt_failed: the caller gave up, because another connection was faster or its user cancelled. This
/// says nothing about the server.
pub const TSC_FACT_CANCELLED: u32 = 16;
/// tsc_attempt_failed: a fatal TLS alert came or was sent. In TLS 1.3 one can come after the handshake, for
/// example when the server rejects the client's certificate.
pub const TSC_FACT_ALERT: u32 = 32;

/// tsc_attempt_info.state: begun, and nobody has reported the outcome yet.
pub const TSC_ATTEMPT_OPEN: u32 = 1;
/// tsc_attempt_info.state: established; what arrives now goes straight into the cache.
pub const TSC_ATTEMPT_ESTABLISHED: u32 = 2;
/// tsc_attempt_info.state: failed; what arrives now is discarded.
pub const TSC_ATTEMPT_FAILED: u32 = 3;

/// What has become of one connection attempt so far.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_attempt_info {
    /// TSC_ATTEMPT_OPEN, TSC_ATTEMPT_ESTABLISHED or TSC_ATTEMPT_FAILED.
    pub state: u32,
    /// 1 if a session was taken to be offered.
    pub offered: u32,
    /// 1 if the connection was established by resuming that session ("session reused").
    pub resumed: u32,
    /// 1 if the server refused that session.
    pub refused: u32,
    /// Sessions received so far.
    pub received: u32,
    /// How many of the received sessions went into the cache.
    pub stored: u32,
    /// How many of the received sessions were discarded. The rest is staged.
    pub discarded: u32,
    /// Why it did not resume: one of TSC_REASON_*. New ones may be added.
    pub reason: u32,
}

/// One connection attempt's view of the cache: what it offers, what it receives, how it ended.
pub struct tsc_attempt {
    pub(super) attempt: Attempt,
    rustls: Option<Arc<Attached>>,
    /// Lent to the caller by tsc_attempt_wait_fd.
    #[cfg(target_os = "linux")]
    pub(super) wait_fd: Mutex<Option<WaitFd>>,
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
/// A closed or disabled cache is no error: the attempt works and has nothing to offer.
///
/// endpoint, size: the server that the connection goes to; copied.
/// out: receives the handle, which the caller frees with tsc_attempt_free.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is over 65535; TSC_TOO_LARGE if a
/// name is over TSC_MAX_NAME.
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
                #[cfg(target_os = "linux")]
                wait_fd: Mutex::default(),
            },
        );
        Ok(())
    })
}

/// Gives the session to offer in the ClientHello, and leases it to this attempt.
///
/// A single-use session leaves the cache with this call, and nobody else gets it. It goes back if the attempt
/// fails with nothing sent, or is freed before tsc_attempt_sent or a call that implies it (tsc_attempt_receive,
/// tsc_attempt_wants_another, tsc_attempt_established, tsc_attempt_failed with another fact). Asking again gives
/// the same session. Ask as late as possible, after the TCP connection is established.
///
/// out, size: receives the session. What it points to is lent until tsc_attempt_established, tsc_attempt_failed
/// or tsc_attempt_free. A reusable object may be lent to several attempts at once; a TLS stack that changes what
/// it is given needs a copy of its own (SSL_SESSION_dup).
/// Returns TSC_OK; TSC_NOT_FOUND if there is nothing to offer, and also if the cache is closed: do a full
/// handshake; TSC_WRONG_STATE if the attempt is past tsc_attempt_sent or a call that implies it, or has failed, or
/// if a callback within this call ended or freed it; TSC_UNSUPPORTED if the config is from tsc_config_attach and
/// the session is rustls's own; TSC_CLOSED if the attempt is from before a fork.
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

/// Says that the ClientHello with the offered session may have left: a single-use session is used up, whatever
/// happens next.
///
/// Call it before the first bytes are written. Calling it twice, after the end of the attempt, or with nothing
/// offered does no harm. An attempt that never called tsc_attempt_offer has sent no session: its wait ends, the
/// session that was held back for it returns to the cache, and tsc_attempt_offer returns TSC_WRONG_STATE from
/// then on. tsc_attempt_receive has the same effects.
///
/// Returns TSC_OK; TSC_CLOSED if the attempt is from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_sent(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.sent()?))
}

/// Takes a session or ticket that the server sent, as the bytes that the TLS stack serialises it to.
///
/// It is staged until tsc_attempt_established. After that it goes straight into the cache, however late it
/// arrives. Its lifetime counts from this call. At a limit of what may be staged (tsc_options.max_bytes,
/// max_sessions_per_endpoint) it replaces the oldest session that this attempt has staged.
///
/// info, info_size: what is known of the session; tls_version is required.
/// data, len: 1 to max_session_bytes bytes; copied, and wiped when released.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if data is empty, or a field of info is out of range; TSC_TOO_LARGE if
/// len is over max_session_bytes or max_bytes; TSC_DISCARDED if the session's lifetime is zero or over, the
/// attempt has failed, the cache is disabled, or other attempts have staged so much that there is no room, and
/// the attempt goes on; TSC_CLOSED if the cache is closed, or the attempt is from before a fork; TSC_NO_MEMORY.
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

/// Takes a session as an object of the TLS stack, without serialising or parsing it.
///
/// On TSC_OK the library owns one reference to object and gives it back, once, through release. On any other
/// status the caller still owns it.
///
/// info, info_size: as in tsc_attempt_receive.
/// object: not NULL. Nobody else may change it from here on.
/// len: how many bytes it would be if serialised; 0 if that is not known. From it, info->certificates and
/// info->certificate_bytes the library estimates the memory, which counts towards max_bytes. The limit
/// max_session_bytes applies to len and certificate_bytes together. The sessions of an attempt share the
/// certificates, which count once.
/// release: not NULL. It may call any function of this library.
/// Returns TSC_OK, TSC_TOO_LARGE, TSC_DISCARDED, TSC_CLOSED or TSC_NO_MEMORY as tsc_attempt_receive does;
/// TSC_INVALID_ARGUMENT if a field of info is out of range.
/// Threads: release may be called on any thread, with no lock held, and before this call returns.
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

/// Asks whether a session that the server has sent is worth taking, where taking it is expensive for the caller:
/// CPython's ssl module, for example, copies each session by encoding and decoding it.
///
/// A session that is not wanted has been counted here as one that the server sent.
///
/// Returns TSC_OK if it is: give it to tsc_attempt_receive or tsc_attempt_receive_object; TSC_DISCARDED if it is
/// not, because the endpoint has max_sessions_per_endpoint already and this one would only replace another, the
/// attempt has failed, or the cache is disabled; TSC_CLOSED if the cache is closed, or the attempt is from before
/// a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wants_another(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| match clone_connection(attempt)?.wants_another() {
        Ok(true) => Ok(()),
        Ok(false) => Err(TSC_DISCARDED),
        Err(why) => Err(why.into()),
    })
}

/// Says when the server's certificate ends, where only the connection knows it (rustls).
///
/// It bounds every session that this attempt has received and will receive. After tsc_attempt_established it also
/// bounds those sessions of its lineage that are in the cache; those that other attempts have taken will not be
/// put back past it.
///
/// not_after: Unix seconds, above 0. Of several, the earliest counts.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if not_after is 0 or below; TSC_CLOSED if the attempt is from before a
/// fork.
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

/// Says that the connection is established: TLS is verified, and the application's own login is done.
///
/// What the attempt received is published, and what it still receives goes straight into the cache. A caller
/// without a login of its own calls this right after the handshake.
///
/// resumed: not 0 if the handshake was a resumed one (SSL_session_reused, rustls's handshake kind). 0 although a
/// session was offered means that the server refused it: the whole lineage of that session is dropped.
/// Returns TSC_OK; TSC_WRONG_STATE if the attempt is already established or failed; TSC_INVALID_ARGUMENT if
/// resumed is not 0 but this attempt offered nothing, and nothing was changed; TSC_CLOSED if the attempt is from
/// before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_established(
    attempt: *const tsc_attempt,
    resumed: i32,
) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.established(resumed != 0)?))
}

/// Says that the connection is not one of its endpoint's after all, for example because it turns out to verify
/// something else.
///
/// Call it before the ClientHello leaves. The session that the attempt took goes back to the cache, nothing that
/// arrives is kept, and tsc_attempt_info.reason is TSC_REASON_OTHER_VERIFICATION. The connection itself goes on:
/// report its outcome as usual, with tsc_attempt_established or tsc_attempt_failed.
///
/// Returns TSC_OK; TSC_WRONG_STATE if the offered session may have left, or the attempt is already established,
/// failed or withdrawn; TSC_CLOSED if the attempt is from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_withdraw(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.withdraw()?))
}

/// Says that the attempt failed: what it received is discarded, and so is what may still arrive.
///
/// The caller reports what it saw. The library decides what becomes of the offered session, and whether offers do
/// harm at this endpoint. After tsc_attempt_established, only TSC_FACT_ALERT has a meaning: what the connection
/// received is dropped (RFC 8446, section 6), and its handshake counts as failed.
///
/// facts: TSC_FACT_* combined by |; 0 if nothing was sent.
/// Returns TSC_OK; TSC_WRONG_STATE if the attempt has failed already, or was established and there is no
/// TSC_FACT_ALERT; TSC_UNSUPPORTED if facts has one that this version does not know; TSC_CLOSED if the attempt is
/// from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_failed(attempt: *const tsc_attempt, facts: u32) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        let facts = facts.try_into().ok().and_then(Failure::from_bits);
        Ok(connection.failed(facts.ok_or(TSC_UNSUPPORTED)?)?)
    })
}

/// Reads what has become of an attempt so far.
///
/// out, size: receives it; size is sizeof(tsc_attempt_info).
/// Returns TSC_OK; TSC_CLOSED if the attempt is from before a fork.
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
/// rustls takes the session to offer within rustls_client_connection_new, so call that after the TCP connection
/// is established. What the server sends is staged and published as with the other calls, also long after the
/// handshake, and also if this attempt was freed after tsc_attempt_established.
///
/// out: receives a configuration that the caller frees with rustls_client_config_free.
/// Returns TSC_OK; TSC_UNSUPPORTED if the config of this attempt is not from tsc_config_attach; TSC_CLOSED if the
/// attempt is from before a fork.
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

/// Frees an attempt.
///
/// If nobody has said how it ended, what it received is discarded, the session that it took and did not send goes
/// back, and the statistics count it as unfinished. After tsc_attempt_established the connection may live on:
/// tickets that rustls still receives on it are kept.
///
/// attempt: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_free(attempt: *mut tsc_attempt) {
    free_handle(attempt);
}
