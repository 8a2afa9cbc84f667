//! Sessions of one endpoint, each sealed by itself, for whichever process comes for it.

use super::{KEY, Record, Refused, Scope, aead, secret};
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::engine::{Kind, Session, Space, Time};
use crate::error::Error;
use crate::identity::Identity;
use std::time::Duration;

/// How far the wall clocks of two hosts may be apart.
pub(super) const TOLERANCE_MS: i64 = 30_000;

/// A session that has left the cache, or a copy of one that may be used again.
#[derive(Debug)]
#[non_exhaustive]
pub struct SealedSession {
    /// For [`Config::import_session`]. Without its key nobody can read or alter it.
    pub sealed: Vec<u8>,
    /// Whether more than one process may import it: it is not a TLS 1.3 ticket.
    pub is_reusable: bool,
    /// For how long it is of use.
    pub remaining: Duration,
}

impl Config {
    /// Seals sessions of one endpoint, each by itself, for other processes, perhaps of other hosts, to import:
    /// TLS 1.3 tickets, the oldest first and at most so many, which leave the cache, and a copy of a session
    /// that may be used again. As for [`export`](Self::export), each is to be imported once.
    ///
    /// The seal binds them to this config's identity and to the endpoint. Derive a key for each endpoint: one is
    /// good for 2^32 sessions.
    ///
    /// # Errors
    /// As [`export`](Self::export) and [`begin`](Self::begin). Everything is still in the cache.
    pub fn export_sessions(
        &self,
        endpoint: &Endpoint<'_>,
        key: &[u8; KEY],
        most: usize,
    ) -> Result<Vec<SealedSession>, Error> {
        let (scope, engine) = (self.endpoint_scope(endpoint)?, self.engine());
        let now = engine.now();
        let out = engine.move_out_of(&engine.key(Space::Endpoint, &scope.prefix()), most, now);
        let sealed = if out.no_memory {
            Err(Refused::NoMemory)
        } else {
            let sessions = out.iter().map(|(_, session)| session);
            sessions
                .filter_map(|session| scope.seal_session(key, session, now).transpose())
                .collect()
        };
        match sealed {
            Ok(_) => engine.moved(Space::Endpoint, out),
            Err(_) => engine.move_back(Space::Endpoint, out),
        }
        Ok(sealed?)
    }

    /// Takes in a session that [`export_sessions`](Self::export_sessions) sealed, for a config with the same
    /// identity and the same endpoint, and gives it to an attempt that waits, if there is one. False: it is of no
    /// use any more, or there is no room for it.
    ///
    /// It ends half a minute before its time, since the wall clocks of two hosts are not the same.
    ///
    /// # Errors
    /// As [`import`](Self::import) and [`begin`](Self::begin); [`Error::Discarded`] only if the wall clock is
    /// more than half a minute behind that of the export.
    pub fn import_session(
        &self,
        endpoint: &Endpoint<'_>,
        key: &[u8; KEY],
        sealed: &[u8],
    ) -> Result<bool, Error> {
        let taken = self.endpoint_scope(endpoint)?.import(key, sealed)?;
        Ok(taken != 0)
    }

    fn endpoint_scope(&self, endpoint: &Endpoint<'_>) -> Result<Scope<'_>, Error> {
        if self.engine().is_closed() {
            return Err(Error::Closed);
        }
        match self.identity {
            Identity::Own(_) => Err(Error::Unsupported),
            Identity::Given(_) => Ok(Scope::Endpoint(self, self.supply(endpoint)?)),
        }
    }
}

impl Scope<'_> {
    /// `None`: its time is over.
    fn seal_session(
        &self,
        key: &[u8; KEY],
        session: &Session,
        now: Time,
    ) -> Result<Option<SealedSession>, Refused> {
        let Some(record) = Record::of(&[], session, now) else {
            return Ok(None);
        };
        let Some(remaining) = record.left.checked_sub(TOLERANCE_MS as u64) else {
            return Ok(None);
        };
        let nonce = aead::nonce().ok_or(Refused::NoRandom)?;
        let (header, authenticated) = self.header(self.engine().wall_ms(), &nonce);
        let mut text = secret(record.len())?;
        record.write(&mut &mut text[..]);
        let tag = aead::seal(key, &nonce, &authenticated, &mut text);
        Ok(Some(SealedSession {
            sealed: [&header[..], &text, &tag].concat(),
            is_reusable: record.kind == Kind::Reusable,
            remaining: Duration::from_millis(remaining),
        }))
    }
}
