//! What sessions are found by.

/// Who made up a key. Keys of different spaces are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Space {
    /// The caller of `tsc_put`, byte by byte.
    Caller,
    /// The library, from config and endpoint.
    Endpoint,
}

/// A key, lent for a call, with its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub(super) hash: u64,
    pub(super) space: Space,
    pub(crate) bytes: &'a [u8],
}

/// A key and its hash, for a caller that uses it again and again.
#[derive(Debug)]
pub(crate) struct OwnedKey {
    hash: u64,
    space: Space,
    bytes: Box<[u8]>,
}

impl Key<'_> {
    /// Chooses a shard and a pool. A table takes its bits from both ends of the hash, so these come from the middle.
    #[inline]
    pub(super) fn place(&self) -> usize {
        (self.hash >> 32) as usize
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

impl OwnedKey {
    #[inline]
    #[must_use]
    pub(crate) fn lend(&self) -> Key<'_> {
        Key {
            hash: self.hash,
            space: self.space,
            bytes: &self.bytes,
        }
    }
}

impl From<Key<'_>> for OwnedKey {
    fn from(key: Key<'_>) -> Self {
        Self {
            hash: key.hash,
            space: key.space,
            bytes: key.bytes.into(),
        }
    }
}
