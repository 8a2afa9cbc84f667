use std::ffi::c_char;

/// The version of this header. tsc_version_number gives the version of the library in use.
pub const TSC_VERSION_MAJOR: u32 = 0;
/// See TSC_VERSION_MAJOR.
pub const TSC_VERSION_MINOR: u32 = 1;
/// See TSC_VERSION_MAJOR.
pub const TSC_VERSION_PATCH: u32 = 0;

/// Gives the version of the library in use, as "major.minor.patch".
///
/// Returns a static string, which is not to be freed; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Gives the version of the library in use as one number.
///
/// A program compiled with a newer header than the library it runs with can find out here.
///
/// Returns major << 16 | minor << 8 | patch.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_version_number() -> u32 {
    TSC_VERSION_MAJOR << 16 | TSC_VERSION_MINOR << 8 | TSC_VERSION_PATCH
}

/// Tells whether rustls is in the library in use: then tsc_config_attach works, and the library exports rustls_*.
///
/// Returns 1 if it is, 0 if not.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_has_rustls() -> u32 {
    cfg!(feature = "rustls-ffi").into()
}
