//! One session of an export, as it is before it is sealed.

use crate::engine::{Kind, Payload, Session, Time};

/// What does not change from session to session: kind, label, age, what is left, lineage, what is left
/// of that, and the lengths of key and session.
const FIXED: usize = 1 + 2 + 4 * 8 + 2 + 4;

pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    /// The session's own label.
    pub(super) label: u16,
    /// Milliseconds since it was received.
    pub(super) age: u64,
    /// Milliseconds for which it may still be offered.
    pub(super) left: u64,
    /// The number of its lineage.
    pub(super) lineage: u64,
    /// Milliseconds until its lineage ends.
    pub(super) lineage_left: u64,
    /// Whom it is for, within the scope.
    pub(super) key: &'a [u8],
    pub(super) bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// `None`: an object, which is no bytes.
    pub(super) fn of(key: &'a [u8], session: &'a Session, now: Time) -> Option<Self> {
        let Payload::Bytes(bytes) = &session.payload else {
            return None;
        };
        Some(Self {
            kind: session.kind,
            label: session.label,
            age: now.since(session.received),
            left: session.expires.since(now),
            lineage: session.lineage.id,
            lineage_left: session.lineage.ends.since(now),
            key,
            bytes,
        })
    }

    pub(super) fn len(&self) -> usize {
        FIXED + self.key.len() + self.bytes.len()
    }

    /// Writes it to where `to` begins, which then begins behind it and was long enough. The limits of
    /// keys and sessions make sure that the lengths fit.
    pub(super) fn write(&self, to: &mut &mut [u8]) {
        let kind = match self.kind {
            Kind::Reusable => 0,
            Kind::SingleUse => 1,
        };
        put(to, &[kind]);
        put(to, &self.label.to_be_bytes());
        for number in [self.age, self.left, self.lineage, self.lineage_left] {
            put(to, &number.to_be_bytes());
        }
        put(to, &(self.key.len() as u16).to_be_bytes());
        put(to, &(self.bytes.len() as u32).to_be_bytes());
        put(to, self.key);
        put(to, self.bytes);
    }

    /// Splits off the first one.
    fn split(from: &mut &'a [u8]) -> Option<Self> {
        let kind = match number(from)? {
            [0] => Kind::Reusable,
            [1] => Kind::SingleUse,
            _ => return None,
        };
        let label = u16::from_be_bytes(number(from)?);
        let [age, left, lineage, lineage_left] = [
            u64::from_be_bytes(number(from)?),
            u64::from_be_bytes(number(from)?),
            u64::from_be_bytes(number(from)?),
            u64::from_be_bytes(number(from)?),
        ];
        let key = u16::from_be_bytes(number(from)?).into();
        let bytes = u32::from_be_bytes(number(from)?).try_into().ok()?;
        Some(Self {
            kind,
            label,
            age,
            left,
            lineage,
            lineage_left,
            key: take(from, key)?,
            bytes: take(from, bytes).filter(|bytes| !bytes.is_empty())?,
        })
    }
}

fn put(to: &mut &mut [u8], bytes: &[u8]) {
    let (first, rest) = std::mem::take(to).split_at_mut(bytes.len());
    first.copy_from_slice(bytes);
    *to = rest;
}

fn number<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    take(from, N)?.try_into().ok()
}

/// Splits off so many bytes.
fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (first, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(first)
}

/// The sessions of an export, one after the other. The last may be none: then this is no export.
pub(super) struct Records<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Option<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = Record::split(&mut self.0);
        if record.is_none() {
            self.0 = &[];
        }
        Some(record)
    }
}
