//! What the `openssl` crate does not ask a session, or tell it.

use foreign_types::ForeignTypeRef;
use openssl::ssl::{SslRef, SslSessionRef};
use openssl_sys::{SSL, SSL_SESSION};
use std::ffi::{c_long, c_uchar, c_ulong};

unsafe extern "C" {
    fn SSL_set_options(ssl: *mut SSL, options: u64) -> u64;
    fn SSL_SESSION_set_time(session: *mut SSL_SESSION, seconds: c_long) -> c_long;
    fn SSL_SESSION_get_ticket_lifetime_hint(session: *const SSL_SESSION) -> c_ulong;
    fn SSL_SESSION_get0_ticket(
        session: *const SSL_SESSION,
        ticket: *mut *const c_uchar,
        length: *mut usize,
    );
}

/// The lifetime that the server gave with the ticket, in seconds; 0 if none.
pub fn lifetime(session: &SslSessionRef) -> u32 {
    // SAFETY: a live session, only read.
    let seconds = unsafe { SSL_SESSION_get_ticket_lifetime_hint(session.as_ptr()) };
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Has a client resume without a key exchange, if the server wants to.
pub fn allow_psk_ke(ssl: &mut SslRef) {
    const SSL_OP_ALLOW_NO_DHE_KEX: u64 = 1 << 10;
    // SAFETY: a live connection that nobody else has.
    unsafe { SSL_set_options(ssl.as_ptr(), SSL_OP_ALLOW_NO_DHE_KEX) };
}

/// Has a session begin now, so that OpenSSL offers it however old it is.
pub fn rejuvenate(session: &SslSessionRef) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    // SAFETY: a live session, and no other thread has this one.
    unsafe { SSL_SESSION_set_time(session.as_ptr(), now as c_long) };
}

/// The ticket's bytes; empty for a TLS 1.2 session that the server knows by its id.
pub fn ticket(session: &SslSessionRef) -> Vec<u8> {
    let (mut bytes, mut length) = (std::ptr::null(), 0);
    // SAFETY: a live session, only read; what is given belongs to it and is copied at once.
    unsafe {
        SSL_SESSION_get0_ticket(session.as_ptr(), &mut bytes, &mut length);
        match bytes.is_null() {
            true => Vec::new(),
            false => std::slice::from_raw_parts(bytes, length).to_vec(),
        }
    }
}
