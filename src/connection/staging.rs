//! What a connection receives: staged until the attempt is established, published from then on.

use super::outcome::Ended;
use super::{Connection, MinSome, NotNow, Progress};
use crate::engine::{Discard, Lifetime, Lineage, Payload, SecretBytes, Session, Time, expiry};
use crate::session_info::Received;

/// A session that waits for the attempt to be established.
pub(super) struct Staged {
    payload: Payload,
    size: usize,
    info: Received,
    at: Time,
}

impl Progress {
    /// Whether what the server sends may be kept.
    fn keeps(&self) -> Result<(), Discard> {
        match self.ended {
            None | Some(Ended::Established(_)) => Ok(()),
            Some(Ended::Failed(why)) => Err(why),
        }
    }
}

impl Connection {
    /// Bytes that were received, in memory for secrets.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<SecretBytes, Discard> {
        self.check_process().map_err(|_| Discard::Closed)?;
        self.supply.engine().keep(bytes).inspect_err(|&why| {
            let mut progress = self.progress.lock();
            // The server answered, as in `receive`.
            progress.offer.send();
            progress.info.received += 1;
            self.turn_away(progress, |stats| stats.discard(why, 1));
        })
    }

    /// Takes in what the server sent. On an error the payload comes back.
    pub(crate) fn receive(
        &self,
        payload: Payload,
        size: usize,
        info: &Received,
    ) -> Result<(), (Discard, Payload)> {
        let engine = self.supply.engine();
        if self.check_process().is_err() {
            return Err((Discard::Closed, payload));
        }
        let now = engine.now();
        let ends = info.not_after.min_some(self.client_not_after);
        let over = info.lifetime == Lifetime::Seconds(0)
            || ends.is_some_and(|unix_seconds| now.at_wall(unix_seconds) <= now);
        let admitted = if over {
            Err(Discard::Lifetime)
        } else {
            engine.admit(size)
        };
        let mut displaced = None;
        let mut progress = self.progress.lock();
        progress.info.received += 1;
        // The server answered, so it has seen the ClientHello.
        progress.offer.send();
        if let Err(why) = admitted.and(progress.keeps()) {
            self.turn_away(progress, |stats| stats.discard(why, 1));
            return Err((why, payload));
        }
        let staged = Staged {
            payload,
            size,
            info: *info,
            at: now,
        };
        if let Some(Ended::Established(lineage)) = progress.ended {
            let stack_bound = progress.not_after;
            drop(progress);
            self.publish(staged, lineage, stack_bound);
            return Ok(());
        }
        if progress.staged.try_reserve(1).is_err() {
            let why = Discard::NoMemory;
            self.turn_away(progress, |stats| stats.discard(why, 1));
            return Err((why, staged.payload));
        }
        // A server may send any number before the caller says "established".
        if progress.staged.len() >= engine.options().max_sessions_per_endpoint as usize {
            displaced = Some(progress.staged.remove(0));
            progress.info.discarded += 1;
        }
        progress.staged.push(staged);
        drop(progress);
        if displaced.is_some() {
            self.count(|stats| stats.displaced += 1);
        }
        Ok(())
    }

    /// Whether a session that the server sent is worth taking, where that costs the caller much: not if
    /// it would only take the place of another. Who takes it says so with `receive`; one that is not
    /// wanted has counted, here, as one that the server sent.
    pub(crate) fn wants_another(&self) -> Result<bool, Discard> {
        if self.check_process().is_err() {
            return Err(Discard::Closed);
        }
        let engine = self.supply.engine();
        let now = engine.now();
        let admitted = engine.admit(1);
        let there = engine.available_at(&self.supply.key(), now);
        let mut progress = self.progress.lock();
        // The server answered, as in `receive`.
        progress.offer.send();
        let verdict = admitted.and(progress.keeps());
        let most = engine.options().max_sessions_per_endpoint as usize;
        if verdict.is_ok() && there + progress.staged.len() < most {
            return Ok(true);
        }
        progress.info.received += 1;
        if let Err(why) = verdict {
            self.turn_away(progress, |stats| stats.discard(why, 1));
            return Err(why);
        }
        let open = progress.ended.is_none();
        progress.declined += u32::from(open);
        self.turn_away(progress, |stats| stats.displaced += 1);
        if !open {
            self.supply.declined(&self.flight, now);
        }
        Ok(false)
    }

    /// Says when the server's certificate ends, which bounds all that is received.
    pub(crate) fn set_not_after(&self, unix_seconds: i64) -> Result<(), NotNow> {
        self.check_process()?;
        let mut progress = self.progress.lock();
        progress.not_after = progress.not_after.min_some(Some(unix_seconds));
        Ok(())
    }

    /// Hands a session to all attempts of its endpoint.
    pub(super) fn publish(&self, staged: Staged, lineage: Lineage, not_after: Option<i64>) {
        let engine = self.supply.engine();
        let now = engine.now();
        let Staged {
            payload,
            size,
            info,
            at,
        } = staged;
        let lineage = self.bounded(lineage, now, not_after.min_some(info.not_after));
        let session = Session {
            payload,
            kind: info.kind,
            label: info.tls_version,
            size,
            received: at,
            expires: expiry(engine.options(), at, info.lifetime, lineage),
            lineage,
        };
        let (stored, calls) = self.supply.publish(&self.flight, session, now);
        let mut progress = self.progress.lock();
        progress.info.stored += u32::from(stored);
        progress.info.discarded += u32::from(!stored);
        drop(progress);
        drop(calls);
    }
}
