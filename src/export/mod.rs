//! Sessions that go from one process to the next, sealed with a key of the caller's.
//!
//! An export is a header, what was sealed, and a tag. The header is the magic bytes, the format's
//! version, the scope, the time of the export by the wall clock, and a nonce; it and the identity of the
//! config are authenticated along. All numbers are big-endian.

mod aead;
mod record;
#[cfg(agent)]
mod sealed_session;

use crate::cache::{Cache, MAX_KEY};
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::engine::{Engine, Lineage, Payload, Session, Space, Uses, restored};
use crate::error::Error;
use crate::identity::Identity;
#[cfg(agent)]
use crate::supply::Supply;
use crate::sys::SecretPages;
use record::{Record, Records};
#[cfg(agent)]
pub use sealed_session::SealedSession;
#[cfg(agent)]
use std::sync::Arc;
use zeroize::Zeroizing;

pub(crate) use aead::KEY;

const MAGIC: [u8; 4] = *b"tscx";
/// Grows with every change of what is written here and in `record`.
const VERSION: u8 = 2;
const HEADER: usize = MAGIC.len() + 4 + size_of::<i64>() + aead::NONCE;

/// Whose sessions.
pub(crate) enum Scope<'a> {
    /// Those under keys of the caller's own.
    Caller(&'a Engine),
    /// Those of a config that can be told again in another process, by this identity.
    Config(&'a Config, &'a [u8]),
    /// One session of such a config's endpoint.
    #[cfg(agent)]
    Endpoint(&'a Config, Arc<Supply>),
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// So many bytes are needed.
    TooSmall(usize),
    /// Not what was exported with this key for this scope, by this version of the format.
    NotAuthentic,
    /// The wall clock stands before the export, so that nobody can tell how much time is left.
    ClockBehind,
    /// The system has no random numbers.
    NoRandom,
    NoMemory,
}

/// Sealed sessions, for another process to import.
#[derive(Debug)]
#[non_exhaustive]
pub struct Export {
    /// The export. Without its key nobody can read or alter it.
    pub sealed: Vec<u8>,
    /// Number of sessions that stayed in the cache because they are objects.
    pub left_out: usize,
}

/// An export in its parts. The text, which may be large, stays where it was sealed.
pub(crate) struct Sealed {
    header: Vec<u8>,
    text: Zeroizing<SecretPages>,
    tag: [u8; aead::TAG],
    pub(crate) left_out: usize,
}

impl Sealed {
    /// One after the other they are the export.
    pub(crate) fn all(&self) -> [&[u8]; 3] {
        [&self.header, &self.text, &self.tag]
    }
}

impl From<Refused> for Error {
    fn from(why: Refused) -> Self {
        match why {
            Refused::TooSmall(_) => Self::TooLarge,
            Refused::NotAuthentic => Self::NotAuthentic,
            Refused::ClockBehind => Self::Discarded,
            Refused::NoRandom => Self::Unsupported,
            Refused::NoMemory => Self::NoMemory,
        }
    }
}

impl Config {
    /// Seals the sessions of this config, and of all with the same identity, for the next process to
    /// import, as for a warm restart. TLS 1.3 tickets leave the cache with the export.
    ///
    /// Whoever has an export and its key has the sessions. Import it once, in one process: the library
    /// cannot know of a second import, in which every ticket would be offered again. It is encrypted with
    /// ChaCha20-Poly1305 and a random nonce, so a key is good for 2^32 exports. The library writes no
    /// file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a config without an identity, or if the system has no random numbers;
    /// [`Error::Closed`]; [`Error::NoMemory`]. Everything is still in the cache.
    pub fn export(&self, key: &[u8; KEY]) -> Result<Export, Error> {
        Ok(self.scope()?.export(key, usize::MAX)?)
    }

    /// Takes in what [`export`](Self::export) sealed in another process, for a config with the same
    /// identity, and returns how many sessions came into the cache. Import before the first connection.
    ///
    /// Nothing is offered for longer than was left at the export, by the wall clock; the limits of this
    /// config and its cache hold as well.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] if it was altered or cut short, or made with another key or for another
    /// identity; [`Error::Discarded`] if the wall clock stands before the export; [`Error::Unsupported`]
    /// for a config without an identity; [`Error::Closed`]; [`Error::NoMemory`]. Nothing was imported.
    pub fn import(&self, key: &[u8; KEY], export: &[u8]) -> Result<usize, Error> {
        Ok(self.scope()?.import(key, export)?)
    }

    pub(crate) fn scope(&self) -> Result<Scope<'_>, Error> {
        if self.engine().is_closed() {
            return Err(Error::Closed);
        }
        Scope::of(self).ok_or(Error::Unsupported)
    }
}

impl Cache {
    /// Seals the sessions under keys of the caller's own; as [`Config::export`].
    ///
    /// # Errors
    /// As [`Config::export`].
    pub fn export(&self, key: &[u8; KEY]) -> Result<Export, Error> {
        Ok(self.scope()?.export(key, usize::MAX)?)
    }

    /// Takes in what [`export`](Self::export) sealed in another process; as [`Config::import`]. That the
    /// caller's keys mean the same in both processes is the caller's to know.
    ///
    /// # Errors
    /// As [`Config::import`].
    pub fn import(&self, key: &[u8; KEY], export: &[u8]) -> Result<usize, Error> {
        Ok(self.scope()?.import(key, export)?)
    }

    fn scope(&self) -> Result<Scope<'_>, Error> {
        if self.engine().is_closed() {
            return Err(Error::Closed);
        }
        Ok(Scope::Caller(self.engine()))
    }
}

/// Where an export is while anybody could read it.
fn secret(len: usize) -> Result<Zeroizing<SecretPages>, Refused> {
    SecretPages::map(len)
        .map(Zeroizing::new)
        .ok_or(Refused::NoMemory)
}

impl<'a> Scope<'a> {
    /// `None`: the config's sessions mean nothing outside this process.
    #[must_use]
    pub(crate) fn of(config: &'a Config) -> Option<Self> {
        match &config.identity {
            Identity::Own(_) => None,
            Identity::Given(identity) => Some(Self::Config(config, identity)),
        }
    }

    fn engine(&self) -> &Engine {
        match self {
            Self::Caller(engine) => engine,
            Self::Config(config, _) => config.engine(),
            #[cfg(agent)]
            Self::Endpoint(config, _) => config.engine(),
        }
    }

    fn space(&self) -> Space {
        match self {
            Self::Caller(_) => Space::Caller,
            _ => Space::Endpoint,
        }
    }

    /// What the keys of this scope begin with, which is not exported.
    fn prefix(&self) -> Vec<u8> {
        match self {
            Self::Caller(_) => Vec::new(),
            Self::Config(config, _) => config.identity.prefix(),
            #[cfg(agent)]
            Self::Endpoint(_, supply) => supply.key().bytes.into(),
        }
    }

    /// Whether what follows the prefix is of the form that keys have.
    fn is_key(&self, key: &[u8]) -> bool {
        match self {
            Self::Caller(_) => (1..=MAX_KEY).contains(&key.len()),
            Self::Config(..) => Endpoint::decode(key).is_some(),
            #[cfg(agent)]
            Self::Endpoint(..) => key.is_empty(),
        }
    }

    fn client_not_after(&self) -> Option<i64> {
        match self {
            Self::Caller(_) => None,
            Self::Config(config, _) => config.client_not_after,
            #[cfg(agent)]
            Self::Endpoint(config, _) => config.client_not_after,
        }
    }

    /// By how many milliseconds the wall clock may be behind the one by which was exported. What is imported
    /// ends so much earlier.
    fn tolerance_ms(&self) -> i64 {
        match self {
            #[cfg(agent)]
            Self::Endpoint(..) => sealed_session::TOLERANCE_MS,
            _ => 0,
        }
    }

    /// The bytes before what is sealed, and those that are authenticated.
    fn header(&self, exported: i64, nonce: &[u8; aead::NONCE]) -> (Vec<u8>, Vec<u8>) {
        let (scope, whose) = match self {
            Self::Caller(_) => (0, &[][..]),
            Self::Config(_, identity) => (1, *identity),
            #[cfg(agent)]
            Self::Endpoint(_, supply) => (2, supply.key().bytes),
        };
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend([VERSION, scope, 0, 0]);
        header.extend(exported.to_be_bytes());
        header.extend(nonce);
        let authenticated = [&header, whose].concat();
        (header, authenticated)
    }

    /// Seals the sessions of this scope, as `seal`.
    pub(crate) fn export(&self, key: &[u8; KEY], room: usize) -> Result<Export, Refused> {
        let mut sealed = Vec::new();
        let parts = self.seal(key, room, |len| sealed.try_reserve_exact(len).is_ok())?;
        for part in parts.all() {
            sealed.extend_from_slice(part);
        }
        let left_out = parts.left_out;
        Ok(Export { sealed, left_out })
    }

    /// Seals the sessions of this scope that are kept as bytes, into at most `room` bytes, for which
    /// `reserve` finds a place. Those that may be used once leave the cache; or, on an error, none.
    pub(crate) fn seal(
        &self,
        key: &[u8; KEY],
        room: usize,
        reserve: impl FnOnce(usize) -> bool,
    ) -> Result<Sealed, Refused> {
        let nonce = aead::nonce().ok_or(Refused::NoRandom)?;
        let (header, authenticated) = self.header(self.engine().wall_ms(), &nonce);
        let (engine, space, prefix) = (self.engine(), self.space(), self.prefix());
        let len = |sessions: usize| HEADER + sessions + aead::TAG;
        if room != usize::MAX {
            // Nothing leaves for a caller who only asks for the length.
            let mut sessions = 0;
            engine.each(space, &prefix, |key, session, now| {
                let record = Record::of(&key[prefix.len()..], session, now);
                sessions += record.map_or(0, |record| record.len());
            });
            if len(sessions) > room {
                return Err(Refused::TooSmall(len(sessions)));
            }
        }
        let now = engine.now();
        let out = engine.move_out(space, &prefix, now);
        let written = (|| {
            let records = || {
                out.iter()
                    .filter_map(|(key, session)| Record::of(&key[prefix.len()..], session, now))
            };
            let text_len = records().map(|record| record.len()).sum();
            // More came in since the first look.
            if len(text_len) > room {
                return Err(Refused::TooSmall(len(text_len)));
            }
            if out.no_memory || !reserve(len(text_len)) {
                return Err(Refused::NoMemory);
            }
            let mut text = secret(text_len)?;
            let mut rest = &mut text[..];
            records().for_each(|record| record.write(&mut rest));
            Ok(text)
        })();
        let mut text = match written {
            Ok(text) => text,
            Err(why) => {
                engine.move_back(space, out);
                return Err(why);
            }
        };
        let left_out = out.objects;
        engine.moved(space, out);
        let tag = aead::seal(key, &nonce, &authenticated, &mut text);
        Ok(Sealed {
            header,
            text,
            tag,
            left_out,
        })
    }

    /// Puts the sessions of an export into the cache, and says how many it took. On an error it took
    /// none.
    pub(crate) fn import(&self, key: &[u8; KEY], export: &[u8]) -> Result<usize, Refused> {
        let (header, sealed) = export
            .split_at_checked(HEADER)
            .ok_or(Refused::NotAuthentic)?;
        let rest = &header[MAGIC.len() + 4..];
        let (exported, nonce) = rest.split_first_chunk().ok_or(Refused::NotAuthentic)?;
        let exported = i64::from_be_bytes(*exported);
        let nonce = nonce.try_into().map_err(|_| Refused::NotAuthentic)?;
        let (expected, authenticated) = self.header(exported, nonce);
        if header != expected {
            return Err(Refused::NotAuthentic);
        }
        let mut opened = secret(sealed.len())?;
        opened.copy_from_slice(sealed);
        let opened = aead::open(key, nonce, &authenticated, &mut opened);
        let opened = opened.ok_or(Refused::NotAuthentic)?;

        // All of it is looked at before any of it is taken.
        let mut lineages = Vec::new();
        for record in Records(opened) {
            let record = record.filter(|record| self.is_key(record.key));
            let record = record.ok_or(Refused::NotAuthentic)?;
            if lineages.try_reserve(1).is_err() {
                return Err(Refused::NoMemory);
            }
            lineages.push(record.lineage);
        }
        lineages.sort_unstable();
        lineages.dedup();
        let latest = self.engine().wall_ms().saturating_add(self.tolerance_ms());
        let passed = latest.checked_sub(exported);
        let passed = passed.and_then(|passed| u64::try_from(passed).ok());
        let passed = passed.ok_or(Refused::ClockBehind)?;
        // Numbered anew, so that they are not taken for lineages of this process: one after the other, whatever
        // their numbers were, of which there are enough for ever.
        let first = self.engine().reserve_lineages(lineages.len() as u64);
        let prefix = self.prefix();
        let taken = Records(opened).flatten().filter(|record| {
            let at = lineages.partition_point(|&number| number < record.lineage);
            let lineage = if self.keeps_lineages() {
                record.lineage
            } else {
                first + at as u64
            };
            self.take(record, &prefix, passed, lineage)
        });
        Ok(taken.count())
    }

    /// Whether siblings come one by one, and perhaps from several processes: their lineage keeps its number, so
    /// that what the server refuses of one is refused of all. Numbers begin at random, so processes have none in
    /// common.
    fn keeps_lineages(&self) -> bool {
        match self {
            #[cfg(agent)]
            Self::Endpoint(..) => true,
            _ => false,
        }
    }

    /// Puts one session into the cache, `passed` milliseconds after the export.
    fn take(&self, record: &Record<'_>, prefix: &[u8], passed: u64, lineage: u64) -> bool {
        let engine = self.engine();
        let key = [prefix, record.key].concat();
        let key = engine.key(self.space(), &key);
        let now = engine.now();
        let begun = engine.numbered_lineage(lineage, now);
        let left = now.plus_ms(record.lineage_left.saturating_sub(passed));
        let lineage = Lineage {
            ends: begun.ends.min(left),
            ..begun
        }
        .until(now, self.client_not_after());
        let age = record.age.saturating_add(passed);
        let left = record.left.saturating_sub(passed);
        let payload = match engine.keep(&key, record.bytes) {
            Ok(payload) => payload,
            Err(why) => {
                engine.count(&key, |stats| stats.discard(why, 1));
                return false;
            }
        };
        let session = Session {
            payload: Payload::Bytes(payload),
            kind: record.kind,
            label: record.label,
            size: record.bytes.len(),
            received: now.minus_ms(age),
            expires: restored(engine.options(), now, age, left, lineage),
            lineage,
            uses: Uses::default(),
        };
        match self {
            #[cfg(agent)]
            Self::Endpoint(_, supply) => supply.stock(session, now),
            _ => engine.put(&key, session).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Clock, Kind, Options};

    const KEY_OF_ALL: [u8; KEY] = [1; KEY];

    fn sealed(scope: &Scope<'_>, text: &[u8]) -> Vec<u8> {
        let nonce = aead::nonce().expect("random numbers");
        let (mut export, authenticated) = scope.header(0, &nonce);
        let mut text = text.to_vec();
        let tag = aead::seal(&KEY_OF_ALL, &nonce, &authenticated, &mut text);
        export.extend(text);
        export.extend(tag);
        export
    }

    fn record(key: &[u8], bytes: &[u8]) -> Vec<u8> {
        record_of(u64::MAX, key, bytes)
    }

    fn record_of(lineage: u64, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        let record = Record {
            kind: Kind::SingleUse,
            label: 0x0304,
            age: 0,
            left: 1000,
            lineage,
            lineage_left: u64::MAX,
            key,
            bytes,
        };
        let mut text = vec![0; record.len()];
        let mut rest = &mut text[..];
        record.write(&mut rest);
        assert!(rest.is_empty());
        text
    }

    /// Who has the key can seal what is no export: that, too, is rejected whole.
    #[test]
    fn what_was_sealed_badly_brings_nothing() {
        let clock = Clock::BothDriven(Box::new(|| 5), Box::new(|| 0));
        let config = Config::new(&Cache::over(Options::default(), clock, None))
            .identity(b"id")
            .expect("short enough");
        let scopes = [
            (Scope::Caller(config.engine()), &b"key"[..]),
            (
                Scope::of(&config).expect("it has one"),
                &[0, 1, b'h', 0, 1, 1, b'h', 0],
            ),
        ];
        for (scope, key) in scopes {
            let import = |text: &[u8]| scope.import(&KEY_OF_ALL, &sealed(&scope, text));
            let before = config.engine().stats().stored;
            let (first, second) = (record(key, b"session"), record(key, b"another"));
            let both = [&first[..], &second].concat();
            for len in (1..first.len()).chain(first.len() + 1..both.len()) {
                assert_eq!(import(&both[..len]), Err(Refused::NotAuthentic), "{len}");
            }
            let no_kind = [&first[..], &[2], &second[1..]].concat();
            for second in [record(key, b""), record(b"", b"x"), no_kind] {
                let bad = [&first[..], &second].concat();
                assert_eq!(import(&bad), Err(Refused::NotAuthentic));
            }
            let no_key = vec![0; MAX_KEY + 1];
            let bad = [first, record(&no_key, b"x")].concat();
            assert_eq!(import(&bad), Err(Refused::NotAuthentic));
            assert_eq!(config.engine().stats().stored, before);
            assert_eq!(import(&both), Ok(2));
        }
    }

    /// Whatever numbers lineages have in an export, here they get the next ones: the same that were the same.
    #[test]
    fn no_number_of_a_lineage_is_taken_over_from_an_export() {
        let clock = Clock::BothDriven(Box::new(|| 5), Box::new(|| 0));
        let cache = Cache::over(Options::default(), clock, None);
        let engine = cache.engine();
        let scope = Scope::Caller(engine);
        let before = engine.reserve_lineages(1);
        let numbers = [u64::MAX, 0, 7, u64::MAX, u64::MAX - 1];
        let text: Vec<u8> = numbers
            .iter()
            .zip(1u8..)
            .flat_map(|(&lineage, byte)| record_of(lineage, b"key", &[byte]))
            .collect();
        assert_eq!(scope.import(&KEY_OF_ALL, &sealed(&scope, &text)), Ok(5));
        let key = engine.key(Space::Caller, b"key");
        let taken = std::iter::from_fn(|| engine.take(&key));
        let mut lineages: Vec<_> = taken
            .map(|session| match session.payload {
                Payload::Bytes(bytes) => (bytes[0], session.lineage.id - before),
                _ => panic!("bytes were imported"),
            })
            .collect();
        lineages.sort_unstable();
        assert_eq!(lineages, [(1, 4), (2, 1), (3, 2), (4, 4), (5, 3)]);
        assert_eq!(engine.reserve_lineages(1), before + 5);
    }
}
