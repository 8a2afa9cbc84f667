use std::ffi::c_char;

/// The version of this header. tsc_version_number gives that of the library in use.
pub const TSC_VERSION_MAJOR: u32 = 0;
/// See TSC_VERSION_MAJOR.
pub const TSC_VERSION_MINOR: u32 = 1;
/// See TSC_VERSION_MAJOR.
pub const TSC_VERSION_PATCH: u32 = 0;

/// The version of the library in use, as "major.minor.patch".
///
/// Never NULL; static, not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the library in use as one number: major << 16 | minor << 8 | patch.
///
/// A program compiled against a newer header than the library it runs with can tell here.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_version_number() -> u32 {
    TSC_VERSION_MAJOR << 16 | TSC_VERSION_MINOR << 8 | TSC_VERSION_PATCH
}

/// 1 if the library in use has rustls in it (tsc_config_attach works and it exports rustls_*), else 0.
#[unsafe(no_mangle)]
pub extern "C" fn tsc_has_rustls() -> u32 {
    cfg!(feature = "rustls-ffi").into()
}
