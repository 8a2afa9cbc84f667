use super::cache::open_engine;
use super::config::clone_config;
use super::guard::{StatusResult, check_output, guard, write};
use super::slice::{bytes, check_buffer, write_bytes};
use super::tsc_status::{
    TSC_DISCARDED, TSC_INVALID_ARGUMENT, TSC_NO_MEMORY, TSC_NOT_AUTHENTIC, TSC_TOO_SMALL,
    TSC_UNSUPPORTED,
};
use super::{TSC_MAX_KEY, tsc_cache, tsc_config, tsc_status};
use crate::cache::MAX_KEY;
use crate::export::{KEY, Refused, Scope};

/// The length of the key that exports are sealed with, in bytes.
pub const TSC_EXPORT_KEY: usize = 32;

const _: () = assert!(TSC_EXPORT_KEY == KEY && TSC_MAX_KEY == MAX_KEY);

impl From<Refused> for tsc_status {
    fn from(why: Refused) -> Self {
        match why {
            Refused::TooSmall(_) => TSC_TOO_SMALL,
            Refused::NotAuthentic => TSC_NOT_AUTHENTIC,
            Refused::ClockBehind => TSC_DISCARDED,
            Refused::NoRandom => TSC_UNSUPPORTED,
            Refused::NoMemory => TSC_NO_MEMORY,
        }
    }
}

unsafe fn sealing_key<'a>(key: *const u8, len: usize) -> StatusResult<&'a [u8; KEY]> {
    bytes(key, len)?
        .try_into()
        .map_err(|_| TSC_INVALID_ARGUMENT)
}

unsafe fn export(
    scope: &Scope<'_>,
    key: &[u8; KEY],
    (buf, cap, len): (*mut u8, usize, *mut usize),
    left_out: *mut usize,
) -> StatusResult {
    check_output(len)?;
    check_buffer(buf, cap)?;
    match scope.seal(key, cap, |_| true) {
        Ok(sealed) => {
            if !left_out.is_null() {
                write(left_out, sealed.left_out);
            }
            let mut at = 0;
            for part in sealed.all() {
                // SAFETY: all parts together are not longer than `cap`.
                write_bytes(part, unsafe { buf.add(at) }, cap - at, len)?;
                at += part.len();
            }
            write(len, at);
            Ok(())
        }
        Err(why) => {
            if let Refused::TooSmall(needed) = why {
                write(len, needed);
            }
            Err(why.into())
        }
    }
}

unsafe fn import(
    scope: &Scope<'_>,
    key: &[u8; KEY],
    export: &[u8],
    count: *mut usize,
) -> StatusResult {
    check_output(count)?;
    write(count, scope.import(key, export)?);
    Ok(())
}

/// Seals the sessions of a config for the next process to import, as for a warm restart.
///
/// The sessions of every endpoint of the config, and of all that carry the same identity. A single-use
/// session leaves the cache with the export, or it could be offered twice; a reusable one stays as
/// well. Sessions that are kept as objects stay and are not exported: for OpenSSL attach with
/// TSC_SSL_SERIALISE, and rustls's cannot be exported. What attempts have taken or staged is not in it.
///
/// Who has an export and its key has the sessions. Import it once, in one process: the library cannot
/// know of a second time, in which every single-use session would be offered again. It is encrypted
/// with ChaCha20-Poly1305 and a random nonce, so a key is good for 2^32 exports.
///
/// key, key_len: TSC_EXPORT_KEY random bytes.
/// buf, cap: where the export goes; (NULL, 0) asks for the length alone. The library writes no file.
/// len: gets the length, also with TSC_TOO_SMALL, which leaves everything in the cache. It changes with
/// what the cache has, so leave some room or ask again.
/// left_out: gets how many sessions stayed because they are objects; NULL if not wanted.
/// TSC_TOO_SMALL: cap is below the length. TSC_UNSUPPORTED: the config has no identity
/// (tsc_config_options), so that nothing could tell in another process which config is the same; or
/// the system has no random numbers. TSC_CLOSED. TSC_NO_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_export(
    config: *const tsc_config,
    key: *const u8,
    key_len: usize,
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
    left_out: *mut usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let scope = config.scope()?;
        export(
            &scope,
            sealing_key(key, key_len)?,
            (buf, cap, len),
            left_out,
        )
    })
}

/// Takes in what tsc_config_export sealed in another process, for a config with the same identity.
///
/// All of it or, if a byte of it is not as it was, nothing. Lifetimes go on by the wall clock: nothing
/// is offered for longer than was left at the export, and the limits of this config and its cache hold
/// as well. What is over by now, or over a limit, is dropped and counted in the statistics. Import
/// before the first connection.
///
/// key, key_len: the key of the export. data, len: the export.
/// count: gets how many sessions came into the cache.
/// TSC_NOT_AUTHENTIC: it was altered or cut short, or made with another key, for another identity, for
/// the caller's own keys, or by a version of the library with another format. TSC_DISCARDED: the wall
/// clock stands before the export, so that nobody can tell how much time is left. TSC_UNSUPPORTED: the
/// config has no identity. TSC_CLOSED. TSC_NO_MEMORY. With each of these nothing was imported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_config_import(
    config: *const tsc_config,
    key: *const u8,
    key_len: usize,
    data: *const u8,
    len: usize,
    count: *mut usize,
) -> tsc_status {
    guard(|| {
        let config = clone_config(config)?;
        let scope = config.scope()?;
        import(&scope, sealing_key(key, key_len)?, bytes(data, len)?, count)
    })
}

/// The same as tsc_config_export for the sessions under keys of the caller's own (tsc_put).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_cache_export(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    buf: *mut u8,
    cap: usize,
    len: *mut usize,
    left_out: *mut usize,
) -> tsc_status {
    guard(|| {
        let engine = open_engine(cache)?;
        let scope = Scope::Caller(&engine);
        export(
            &scope,
            sealing_key(key, key_len)?,
            (buf, cap, len),
            left_out,
        )
    })
}

/// The same as tsc_config_import for what tsc_cache_export sealed. The caller's keys are in it: that
/// they mean the same in both processes is the caller's to know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_cache_import(
    cache: *const tsc_cache,
    key: *const u8,
    key_len: usize,
    data: *const u8,
    len: usize,
    count: *mut usize,
) -> tsc_status {
    guard(|| {
        let engine = open_engine(cache)?;
        let scope = Scope::Caller(&engine);
        import(&scope, sealing_key(key, key_len)?, bytes(data, len)?, count)
    })
}
