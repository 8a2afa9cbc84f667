//! Encrypts and authenticates: ChaCha20-Poly1305 (RFC 8439), of whichever provider is in the build.

#[cfg(feature = "rustls-ffi")]
use aws_lc as provider;
#[cfg(not(feature = "rustls-ffi"))]
use rust_crypto as provider;
use zeroize::Zeroize;

pub const KEY: usize = 32;
pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

pub(super) use provider::nonce;

/// Encrypts in place.
pub(super) fn seal(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    authenticated: &[u8],
    text: &mut [u8],
) -> [u8; TAG] {
    let tag = provider::seal(key, nonce, authenticated, text);
    wipe_stack();
    tag
}

/// Decrypts in place what `sealed` begins with, if the tag that it ends with is right.
pub(super) fn open<'a>(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    authenticated: &[u8],
    sealed: &'a mut [u8],
) -> Option<&'a [u8]> {
    let text = provider::open(key, nonce, authenticated, sealed);
    wipe_stack();
    text
}

/// Overwrites what functions that have returned left on the stack: copies of the key that were moved or
/// spilled, out of reach of the provider's own wiping.
#[inline(never)]
fn wipe_stack() {
    const MORE_THAN_THEY_USE: usize = 16 * 1024;
    [0u8; MORE_THAN_THEY_USE].zeroize();
}

// Never inlined: what they leave on the stack is below the frame of whoever calls `wipe_stack` next.

/// The provider that rustls-ffi's rustls links.
#[cfg(feature = "rustls-ffi")]
mod aws_lc {
    use super::{KEY, NONCE, TAG};
    use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

    fn cipher(key: &[u8; KEY]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("of the right length"))
    }

    /// Random; `None`: the system has none.
    pub(in crate::export) fn nonce() -> Option<[u8; NONCE]> {
        let mut nonce = [0; NONCE];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        Some(nonce)
    }

    #[inline(never)]
    pub(in crate::export) fn seal(
        key: &[u8; KEY],
        nonce: &[u8; NONCE],
        authenticated: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        cipher(key)
            .seal_in_place_separate_tag(nonce, Aad::from(authenticated), text)
            .ok()
            .and_then(|tag| tag.as_ref().try_into().ok())
            .expect("shorter than 256 GiB")
    }

    #[inline(never)]
    pub(in crate::export) fn open<'a>(
        key: &[u8; KEY],
        nonce: &[u8; NONCE],
        authenticated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = cipher(key).open_in_place(nonce, Aad::from(authenticated), sealed);
        text.ok().map(|text| &*text)
    }
}

/// The same without rustls-ffi.
#[cfg(any(test, not(feature = "rustls-ffi")))]
mod rust_crypto {
    use super::{KEY, NONCE, TAG};
    use chacha20poly1305::aead::AeadInPlace;
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

    #[cfg_attr(
        feature = "rustls-ffi",
        expect(dead_code, reason = "for the other build")
    )]
    pub(in crate::export) fn nonce() -> Option<[u8; NONCE]> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        Some(nonce)
    }

    #[inline(never)]
    pub(in crate::export) fn seal(
        key: &[u8; KEY],
        nonce: &[u8; NONCE],
        authenticated: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG] {
        ChaCha20Poly1305::new(key.into())
            .encrypt_in_place_detached(nonce.into(), authenticated, text)
            .expect("shorter than 256 GiB")
            .into()
    }

    #[inline(never)]
    pub(in crate::export) fn open<'a>(
        key: &[u8; KEY],
        nonce: &[u8; NONCE],
        authenticated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>()?;
        ChaCha20Poly1305::new(key.into())
            .decrypt_in_place_detached(nonce.into(), authenticated, text, (&*tag).into())
            .ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439, 2.8.2.
    #[test]
    fn it_is_the_algorithm_of_the_rfc() {
        let key = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let aad = [
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ];
        let text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                     the future, sunscreen would be it.";
        let tag = [
            0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60,
            0x06, 0x91,
        ];
        let mut sealed = text.to_vec();
        assert_eq!(seal(&key, &nonce, &aad, &mut sealed), tag);
        assert_eq!(sealed[..4], [0xd3, 0x1a, 0x8d, 0x34]);
        sealed.extend(tag);
        assert_eq!(open(&key, &nonce, &aad, &mut sealed), Some(&text[..]));
    }

    #[cfg(feature = "rustls-ffi")]
    #[test]
    fn both_providers_do_the_same() {
        for len in [0, 1, 63, 64, 65, 4096] {
            let (key, nonce) = ([len as u8; KEY], nonce().expect("random numbers"));
            let text: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut sealed = text.clone();
            let tag = seal(&key, &nonce, b"aad", &mut sealed);
            let mut other = text.clone();
            assert_eq!(rust_crypto::seal(&key, &nonce, b"aad", &mut other), tag);
            assert_eq!(sealed, other);
            sealed.extend(tag);
            other.extend(tag);
            assert_eq!(open(&key, &nonce, b"aad", &mut other), Some(&text[..]));
            let opened = rust_crypto::open(&key, &nonce, b"aad", &mut sealed);
            assert_eq!(opened, Some(&text[..]));
        }
    }
}
