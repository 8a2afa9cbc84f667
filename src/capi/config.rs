use super::cache::open_cache;
use super::guard::{StatusResult, borrow, check_output, free_handle, guard, write, write_handle};
use super::session::{SessionOutput, read_info};
use super::slice::{bytes, bytes_up_to};
use super::tsc_status::{TSC_CLOSED, TSC_INVALID_ARGUMENT, TSC_NOT_FOUND, TSC_UNSUPPORTED};
use super::{
    TSC_MAX_NAME, endpoint, extensible, tsc_cache, tsc_endpoint, tsc_session_info, tsc_status,
};
use crate::cache::Cache;
use crate::config::Config;
use crate::engine::Payload;
use std::sync::Arc;

#[cfg(feature = "rustls-ffi")]
pub(super) use crate::rustls::Attached;

/// A finished rustls configuration, as rustls-ffi hands it out.
pub struct rustls_client_config {}

/// There is none without rustls in the build.
#[cfg(not(feature = "rustls-ffi"))]
pub(super) enum Attached {}

/// tsc_config_options.flags: the client may show a certificate of its own, also one that a callback supplies. A
/// session is then the client's identity without its key, so sessions are not shared with other processes
/// (TSC_SHARE). client_not_after says the same.
pub const TSC_CONFIG_CLIENT_CERTIFICATE: u32 = 1;
/// tsc_config_options.flags: sessions are shared with other processes although the client shows a certificate.
/// Any program of this user can then act as the client, without its key, for as long as the sessions last.
pub const TSC_CONFIG_SHARE_CLIENT_CERTIFICATE: u32 = 2;

/// What distinguishes a config, and how it behaves. 0 in a field means its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_config_options {
    /// Bytes that name the TLS configuration. Two configs of one cache with the same identity share
    /// their sessions: do so only if they agree on trust roots, client certificate,
    /// verification and ALPN, as when a program builds the same configuration again. (NULL, 0), the
    /// default: this config shares with no other.
    pub identity: *const u8,
    /// Its length, at most TSC_MAX_NAME.
    pub identity_len: usize,
    /// When the client's own certificate ends, in Unix seconds; no session is offered after that. 0: there is
    /// none, or it is not known.
    pub client_not_after: i64,
    /// Only rustls: how many tickets to ask the server for on a full handshake (RFC 9149), at most
    /// 255. 0 here and in tickets_resumption: as many as attempts wait for (tsc_attempt_wait) or, if none
    /// waits, what the rustls configuration says.
    pub tickets_new_session: u32,
    /// Only rustls: how many to ask for on a resumed handshake, at most 255. If only one of the two is
    /// 0, it is what the rustls configuration says or, if that requests none, the same as the other.
    pub tickets_resumption: u32,
    /// What connections verify if their endpoint has no verification of its own (tsc_endpoint), as bytes: this
    /// keeps configs with the same identity apart if they verify differently. (NULL, 0): not specified.
    pub verification: *const u8,
    /// Its length, at most TSC_MAX_NAME.
    pub verification_len: usize,
    /// 0, or TSC_CONFIG_CLIENT_CERTIFICATE and TSC_CONFIG_SHARE_CLIENT_CERTIFICATE combined by |.
    pub flags: u32,
    /// Always 0.
    pub reserved: u32,
}

/// One TLS configuration, bound to one cache. Sessions never cross from one config to another.
pub struct tsc_config {
    pub(super) config: Config,
    pub(super) rustls: Option<Arc<Attached>>,
}

/// What a handle stands for, held for the call: it may run a callback in which the caller frees the handle.
pub(super) unsafe fn clone_config(config: *const tsc_config) -> StatusResult<Config> {
    Ok(borrow(config)?.config.clone())
}

unsafe fn read(
    options: *const tsc_config_options,
    size: usize,
) -> StatusResult<tsc_config_options> {
    let options = extensible::read(options, size)?;
    const FLAGS: u32 = TSC_CONFIG_CLIENT_CERTIFICATE | TSC_CONFIG_SHARE_CLIENT_CERTIFICATE;
    if options.flags & !FLAGS != 0 || options.reserved != 0 {
        return Err(TSC_UNSUPPORTED);
    }
    let one_byte = u32::from(u8::MAX);
    if options.client_not_after < 0
        || options.tickets_new_session > one_byte
        || options.tickets_resumption > one_byte
    {
        return Err(TSC_INVALID_ARGUMENT);
    }
    Ok(options)
}

unsafe fn new_config(cache: &Arc<Cache>, options: &tsc_config_options) -> StatusResult<Config> {
    let config = Config::new(cache);
    let config = match bytes_up_to(options.identity, options.identity_len, TSC_MAX_NAME)? {
        [] => config,
        identity => config.identity(identity)?,
    };
    let verification = bytes_up_to(options.verification, options.verification_len, TSC_MAX_NAME)?;
    let mut config = config.verification(verification)?;
    if options.flags & TSC_CONFIG_CLIENT_CERTIFICATE != 0 {
        config = config.client_certificate();
    }
    if options.flags & TSC_CONFIG_SHARE_CLIENT_CERTIFICATE != 0 {
        config = config.share_client_certificate();
    }
    Ok(match options.client_not_after {
        0 => config,
        unix_seconds => config.client_not_after(unix_seconds),
    })
}

#[cfg(feature = "rustls-ffi")]
unsafe fn attach(
    rustls: *const rustls_client_config,
    options: &tsc_config_options,
) -> StatusResult<Arc<Attached>> {
    if options.identity_len != 0 {
        return Err(TSC_UNSUPPORTED);
    }
    let rustls = rustls.cast::<::rustls::ClientConfig>();
    // SAFETY: rustls-ffi documents a rustls_client_config to be an Arc<ClientConfig>, in the version
    // that Cargo.toml pins, and by the header's contract this one is alive and this library's.
    let config = unsafe {
        Arc::increment_strong_count(rustls);
        Arc::from_raw(rustls)
    };
    // `read` made sure that both fit.
    Ok(Arc::new(Attached::new(
        config,
        options.tickets_new_session as u8,
        options.tickets_resumption as u8,
    )))
}

#[cfg(not(feature = "rustls-ffi"))]
unsafe fn attach(
    _: *const rustls_client_config,
    _: &tsc_config_options,
) -> StatusResult<Arc<Attached>> {
    Err(TSC_UNSUPPORTED)
}

/// Makes a config for any TLS stack.
///
/// Make one for each TLS configuration (each SSL_CTX, say), not for each connection: no config finds what another
/// received, unless both have the same identity.
///
/// options, size: (NULL, 0) for the defaults.
/// out: receives the handle, which the caller frees with tsc_config_free.
/// Returns TSC_OK; TSC_TOO_LARGE if identity or verification is over TSC_MAX_NAME; TSC_INVALID_ARGUMENT if a
/// number in options is out of range; TSC_UNSUPPORTED if options asks for a number of tickets, which only rustls
/// can do; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_new(
    cache: *const tsc_cache,
    options: *const tsc_config_options,
    size: usize,
    out: *mut *mut tsc_config,
) -> tsc_status {
    guard(|| {
        let cache = open_cache(cache)?;
        let options = read(options, size)?;
        check_output(out)?;
        if options.tickets_new_session != 0 || options.tickets_resumption != 0 {
            return Err(TSC_UNSUPPORTED);
        }
        write_handle(
            out,
            tsc_config {
                config: new_config(&cache, &options)?,
                rustls: None,
            },
        );
        Ok(())
    })
}

/// Makes a config from a finished rustls configuration.
///
/// Connections then take their rustls configuration from tsc_attempt_rustls_config. Attach once, and use the
/// config for every connection.
///
/// rustls: from rustls_client_config_builder_build of this same library (libtsc exports rustls_*); no other copy
/// of rustls will do. Not changed, and the caller may free it as soon as this call has returned.
/// options, size: as in tsc_config_new, but without an identity: rustls itself refuses to resume across
/// configurations that were built separately, so sharing would only lose tickets.
/// out: receives the handle, which the caller frees with tsc_config_free.
/// Returns TSC_OK; TSC_UNSUPPORTED if options has an identity, or rustls is not in this build; TSC_TOO_LARGE if
/// verification is over TSC_MAX_NAME; TSC_INVALID_ARGUMENT if a number in options is out of range; TSC_CLOSED if
/// the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_attach(
    cache: *const tsc_cache,
    rustls: *const rustls_client_config,
    options: *const tsc_config_options,
    size: usize,
    out: *mut *mut tsc_config,
) -> tsc_status {
    guard(|| {
        let cache = open_cache(cache)?;
        check_output(rustls.cast_mut())?;
        let options = read(options, size)?;
        check_output(out)?;
        let rustls = attach(rustls, &options)?;
        write_handle(
            out,
            tsc_config {
                config: new_config(&cache, &options)?,
                rustls: Some(rustls),
            },
        );
        Ok(())
    })
}

/// Frees a config. Attempts made from it stay valid.
///
/// config: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_free(config: *mut tsc_config) {
    free_handle(config);
}

/// Counts the sessions that attempts of this config to this endpoint would find, one after another. A reusable
/// one counts once.
///
/// endpoint, size: whose sessions.
/// count: receives the number, 0 if there is none or the cache is closed.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is over 65535; TSC_TOO_LARGE if a
/// name is over TSC_MAX_NAME.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_available(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    count: *mut usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        check_output(count)?;
        let available = config.available(&endpoint)?;
        write(count, available);
        Ok(())
    })
}

/// Stores a session of this config and endpoint without an attempt, for a TLS stack that shares one store among
/// all its connections.
///
/// The session is published at once, so it has to come from a connection that was established. Nobody can tell
/// which full handshake it descends from, so everything that an endpoint has without attempts counts as one
/// lineage: max_lineage_age_seconds after the lineage began, nothing of it is offered. tsc_attempt_receive can
/// tell lineages apart.
///
/// endpoint, size: whose session it is.
/// info, info_size: what is known of the session; tls_version is required.
/// data, len: the session as the TLS stack serialises it, 1 to max_session_bytes bytes; copied.
/// Returns TSC_OK; TSC_INVALID_ARGUMENT if endpoint has no host or its port is over 65535, data is empty, or a
/// field of info is out of range; TSC_TOO_LARGE if a name or the session is over its limit; TSC_DISCARDED if the
/// session's lifetime is zero or over, or the cache is disabled; TSC_CLOSED if the cache is closed;
/// TSC_NO_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_put(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    info: *const tsc_session_info,
    info_size: usize,
    data: *const u8,
    len: usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        let info = read_info(info, info_size)?;
        let data = bytes(data, len)?;
        if data.is_empty() {
            return Err(TSC_INVALID_ARGUMENT);
        }
        let supply = config.supply(&endpoint)?;
        let payload = config
            .engine()
            .keep(&supply.key(), data)
            .inspect_err(|&why| supply.count(|stats| stats.discard(why, 1)))?;
        let payload = Payload::Bytes(payload);
        Ok(supply.put_unattended(payload, data.len().into(), &info, config.client_not_after)?)
    })
}

/// Copies out the newest session of this config and endpoint without an attempt (see tsc_config_put). A
/// single-use session leaves the cache with it.
///
/// While offers do harm to the attempts of this endpoint (tsc_options.failure_budget), there is none. The library
/// does not learn how connections without attempts end.
///
/// endpoint, size: whose session.
/// buf, cap: where the session goes; (NULL, 0) asks for the length alone.
/// len: receives the length, also with TSC_TOO_SMALL.
/// info, info_size: receives what is known of the session; (NULL, 0) if not wanted.
/// Returns TSC_OK; TSC_NOT_FOUND if there is none, or the newest is an object; TSC_TOO_SMALL if cap is below the
/// session's length, and the session stays in the cache; TSC_INVALID_ARGUMENT if endpoint has no host, or its
/// port is over 65535; TSC_TOO_LARGE if a name is over TSC_MAX_NAME; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_get(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
    info: *mut tsc_session_info,
    info_size: usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        let out = SessionOutput::check((buf, cap, len), (info, info_size))?;
        if config.engine().is_closed() {
            return Err(TSC_CLOSED);
        }
        let supply = config.supply(&endpoint)?;
        out.copy_by(|copy| supply.copy_unattended(copy))
    })
}

/// Drops all sessions of this config and endpoint, also those that attempts received.
///
/// What attempts have taken is not touched.
///
/// endpoint, size: whose sessions.
/// Returns TSC_OK; TSC_NOT_FOUND if there was none; TSC_INVALID_ARGUMENT if endpoint has no host, or its port is
/// over 65535; TSC_TOO_LARGE if a name is over TSC_MAX_NAME; TSC_CLOSED if the cache is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_remove(
    config: *const tsc_config,
    endpoint: *const tsc_endpoint,
    size: usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let endpoint = endpoint::read(endpoint, size)?;
        if config.engine().is_closed() {
            return Err(TSC_CLOSED);
        }
        if config.remove(&endpoint)? {
            Ok(())
        } else {
            Err(TSC_NOT_FOUND)
        }
    })
}
