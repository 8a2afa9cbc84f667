//! How an attempt ends, and what becomes of what it offered and received.

use super::{Connection, NotNow, Progress};
use crate::engine::{Discard, EventKind, Lineage};
use crate::supply::End;
use crate::sync::MutexGuard;

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptState {
    /// Begun, and nobody has said yet how it ended.
    #[default]
    Open,
    /// Established: what arrives now goes straight into the cache.
    Established,
    /// Failed, or given up: what arrives now is discarded.
    Failed,
}

/// Why an attempt failed, which decides what becomes of the session that it offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The ClientHello was never sent, as when the TCP connection was refused. What was taken goes back.
    NotSent,
    /// The TLS handshake failed, or the server fell silent during it. The session that was offered may
    /// be to blame, so its whole lineage is dropped: the next attempt is a full handshake.
    Handshake,
    /// TLS was fine, the application's own login was not. What the cache held before stays.
    Login,
}

/// What became of an attempt so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptInfo {
    /// How far it has come.
    pub state: AttemptState,
    /// Whether a session was taken to be offered.
    pub offered: bool,
    /// Whether the connection was established by resuming it.
    pub resumed: bool,
    /// Whether the server did not take it.
    pub refused: bool,
    /// Sessions received so far.
    pub received: u32,
    /// Of these, how many went into the cache.
    pub stored: u32,
    /// Of these, how many were discarded. The rest is staged.
    pub discarded: u32,
}

#[derive(Clone, Copy)]
pub(super) enum Ended {
    /// What still arrives belongs to this lineage.
    Established(Lineage),
    Failed(Discard),
}

impl Connection {
    /// TLS is verified and the application's login done: publishes what was received.
    pub(crate) fn established(&self, resumed: bool) -> Result<(), NotNow> {
        self.check_process()?;
        let engine = self.supply.engine();
        // The time is read, and foreign code run, only while the lock is not held.
        let now = engine.now();
        let mut progress = self.progress.lock();
        if progress.ended.is_some() {
            return Err(NotNow::WrongState);
        }
        let offered = progress.offer.lineage();
        let lineage = match offered {
            Some(lineage) if resumed => lineage,
            None if resumed => return Err(NotNow::NothingOffered),
            _ => engine.new_lineage(self.begun),
        };
        let lineage = self.bounded(lineage, now, progress.not_after);
        let refused = offered.filter(|_| !resumed);
        progress.ended = Some(Ended::Established(lineage));
        progress.info.state = AttemptState::Established;
        progress.info.resumed = resumed;
        progress.info.refused = refused.is_some();
        let (note, not_after, declined) = (progress.note, progress.not_after, progress.declined);
        let staged = std::mem::take(&mut progress.staged);
        let spent = progress.offer.end();
        let wait = progress.wait.take();
        drop(progress);

        drop(spent);
        self.return_kept(wait);
        let supply = &self.supply;
        if let Some(refused) = refused {
            supply.refuse(refused.id);
        }
        supply.established(&self.flight, now, offered.is_some(), resumed);
        for session in staged {
            self.publish(session, lineage, not_after);
        }
        for _ in 0..declined {
            supply.declined(&self.flight, now);
        }
        supply.published(&self.flight, now);
        supply.set_note(note);
        self.count(|stats| {
            stats.established += 1;
            stats.resumed += u64::from(resumed);
            stats.refused += u64::from(refused.is_some());
        });
        if offered.is_some() {
            let kind = if resumed {
                EventKind::Resumed
            } else {
                EventKind::Refused
            };
            engine.tell(&supply.key(), kind, 1);
        }
        Ok(())
    }

    /// The attempt failed: publishes nothing, now or later.
    pub(crate) fn failed(&self, why: Failure) -> Result<(), NotNow> {
        self.check_process()?;
        let mut progress = self.progress.lock();
        if progress.ended.is_some() {
            return Err(NotNow::WrongState);
        }
        if why != Failure::NotSent {
            progress.offer.send();
        }
        let offered = progress.offer.lineage();
        let end = match offered {
            Some(_) if why != Failure::NotSent => End::Failed,
            _ => End::Over,
        };
        self.end(progress, Discard::Failed, end);
        if let Some(lineage) = offered.filter(|_| why == Failure::Handshake) {
            self.supply.refuse(lineage.id);
        }
        self.count(|stats| stats.failed += 1);
        Ok(())
    }

    /// The handle is gone. An attempt that nobody ended is over; one that was established lives on as
    /// long as its TLS connection.
    pub(crate) fn release(&self) {
        if self.check_process().is_err() {
            return;
        }
        let progress = self.progress.lock();
        if progress.ended.is_some() {
            return;
        }
        self.end(progress, Discard::Unfinished, End::Over);
        self.count(|stats| stats.unfinished += 1);
    }

    pub(crate) fn info(&self) -> Result<AttemptInfo, NotNow> {
        self.check_process()?;
        Ok(self.progress.lock().info)
    }

    /// Ends an attempt without success: staged sessions go, what was not sent goes back.
    fn end(&self, mut progress: MutexGuard<'_, Progress>, why: Discard, end: End) {
        progress.ended = Some(Ended::Failed(why));
        progress.info.state = AttemptState::Failed;
        let staged = std::mem::take(&mut progress.staged);
        progress.info.discarded += u32::try_from(staged.len()).unwrap_or(u32::MAX);
        let (unsent, spent) = progress.offer.end();
        let wait = progress.wait.take();
        drop(progress);

        drop(spent);
        if let Some(unsent) = unsent {
            self.supply.put_back(&self.flight, unsent);
        }
        self.return_kept(wait);
        self.count(|stats| stats.discard(why, staged.len() as u64));
        self.supply.ended(&self.flight, self.now(), end);
    }
}
