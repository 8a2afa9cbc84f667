//! How large a session is, as it came and in memory. The one place that knows what an object costs.
//!
//! The figures are those of OpenSSL's heap. `make bench-objects` measures them, with chains of several
//! lengths and kinds; `tests/c/openssl_size.c` fails where they are far from what is measured.

/// An `SSL_SESSION` beyond its serialised form.
const OBJECT: usize = 640;

/// A certificate of the peer's, parsed: by itself, and for each byte of its DER.
const CERTIFICATE: usize = 3584;
const CERTIFICATE_FACTOR: usize = 4;

/// An object of which nothing is known: OpenSSL's, with a leaf and an intermediate certificate on P-256.
const UNKNOWN_OBJECT: usize = 12 << 10;

/// The server's certificates as rustls keeps them, in DER, of which it does not tell: a typical chain.
#[cfg(feature = "rustls")]
const RUSTLS_CHAIN: usize = 4 << 10;

/// The peer's certificates that a session holds, as far as the caller knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Certificates {
    pub(crate) count: u32,
    /// Of their DER, together.
    pub(crate) bytes: u32,
}

/// How large a session is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// As it came: serialised, with the peer's certificates.
    pub(crate) length: usize,
    /// What it takes by itself.
    pub(crate) memory: usize,
    /// What the peer's certificates take, which the sessions of a connection share.
    pub(crate) shared: usize,
}

impl Size {
    /// A session that is kept as bytes.
    pub(crate) fn bytes(length: usize) -> Self {
        Self {
            length,
            memory: length,
            shared: 0,
        }
    }

    /// An object of a TLS stack. `length`: what it would be as bytes, 0 if that is not known.
    pub(crate) fn object(length: usize, certificates: Certificates) -> Self {
        let count = certificates.count as usize;
        let bytes = certificates.bytes as usize;
        Self {
            length: length.saturating_add(bytes),
            memory: match length {
                0 => UNKNOWN_OBJECT,
                length => length.saturating_add(OBJECT),
            },
            shared: count
                .saturating_mul(CERTIFICATE)
                .saturating_add(bytes.saturating_mul(CERTIFICATE_FACTOR)),
        }
    }

    /// A session of rustls. `length`: what is known to be in it.
    #[cfg(feature = "rustls")]
    pub(crate) fn rustls(length: usize) -> Self {
        Self::bytes(length.saturating_add(RUSTLS_CHAIN))
    }

    /// All that it takes where nothing is shared.
    pub(crate) fn alone(self) -> usize {
        self.memory.saturating_add(self.shared)
    }
}

impl From<usize> for Size {
    fn from(length: usize) -> Self {
        Self::bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overflows() {
        let certificates = Certificates {
            count: u32::MAX,
            bytes: u32::MAX,
        };
        let size = Size::object(usize::MAX, certificates);
        assert_eq!((size.length, size.memory), (usize::MAX, usize::MAX));
        assert_eq!(size.alone(), usize::MAX);
    }
}
