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
/// It takes the sessions of every endpoint of the config, and of all configs with the same identity. A single-use
/// session leaves the cache with the export, because otherwise it could be offered twice; a reusable one also
/// stays. Sessions that are kept as objects stay and are not exported: for OpenSSL attach with TSC_SSL_SERIALISE;
/// rustls's own sessions cannot be exported. What attempts have taken or staged is not exported.
///
/// An export and its key give access to the sessions. Import it once, in one process: the library cannot detect
/// a second import, which would offer every single-use session again. The export is encrypted with
/// ChaCha20-Poly1305 and a random nonce, so a key is good for 2^32 exports.
///
/// key, key_len: TSC_EXPORT_KEY random bytes.
/// buf, cap: where the export goes; (NULL, 0) asks for the length alone. The library writes no file.
/// len: receives the length, also with TSC_TOO_SMALL. It changes with the content of the cache, so leave some
/// room or ask again.
/// left_out: receives how many sessions stayed because they are objects; NULL if not wanted.
/// Returns TSC_OK; TSC_TOO_SMALL if cap is below the length, and everything stays in the cache;
/// TSC_INVALID_ARGUMENT if key_len is not TSC_EXPORT_KEY; TSC_UNSUPPORTED if the config has no identity
/// (tsc_config_options), so that no other process could tell which config is the same, or the system has no
/// random numbers; TSC_CLOSED if the cache is closed; TSC_NO_MEMORY, and everything stays in the cache.
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
/// It imports everything or, if a single byte was changed, nothing. Lifetimes continue by the wall clock: nothing
/// is offered for longer than was left at the export, and the limits of this config and its cache apply as well.
/// Sessions that have expired since, or are over a limit, are dropped and counted in the statistics. Import
/// before the first connection.
///
/// key, key_len: the key of the export, TSC_EXPORT_KEY bytes.
/// data, len: the export.
/// count: receives how many sessions came into the cache.
/// Returns TSC_OK; TSC_NOT_AUTHENTIC if the export was altered or cut short, or was made with another key, for
/// another identity, by tsc_cache_export, or by a version of the library with another format; TSC_DISCARDED if
/// the wall clock is before the time of the export, so that nobody can tell how much time is left;
/// TSC_INVALID_ARGUMENT if key_len is not TSC_EXPORT_KEY; TSC_UNSUPPORTED if the config has no identity;
/// TSC_CLOSED if the cache is closed; TSC_NO_MEMORY. Unless it is TSC_OK, nothing was imported.
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

/// Seals the sessions under keys of your own (tsc_put), as tsc_config_export does those of a config.
///
/// key, key_len, buf, cap, len, left_out: as in tsc_config_export.
/// Returns as tsc_config_export: TSC_OK; TSC_TOO_SMALL; TSC_INVALID_ARGUMENT; TSC_UNSUPPORTED only if the system
/// has no random numbers; TSC_CLOSED; TSC_NO_MEMORY.
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

/// Takes in what tsc_cache_export sealed in another process, as tsc_config_import does for a config.
///
/// Your keys are part of the export. Only you can know that they mean the same in both processes.
///
/// key, key_len, data, len, count: as in tsc_config_import.
/// Returns as tsc_config_import: TSC_OK; TSC_NOT_AUTHENTIC, also for an export of tsc_config_export;
/// TSC_DISCARDED; TSC_INVALID_ARGUMENT; TSC_CLOSED; TSC_NO_MEMORY.
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
