//! What a connection receives: staged until the attempt is established, published from then on.

use super::outcome::Ended;
use super::{Connection, MinSome, NotNow, Progress};
use crate::engine::{
    Discard, Engine, Lifetime, Lineage, Payload, SecretBytes, Session, Time, Uses, expiry,
};
use crate::session_info::Received;
use crate::size::Size;

/// A session that waits for the attempt to be established.
pub(super) struct Staged {
    pub(super) payload: Payload,
    pub(super) size: usize,
    pub(super) info: Received,
    at: Time,
}

/// The sessions that wait for an attempt to be established. Their bytes are set aside in the engine, and
/// who takes them out gives that back.
#[derive(Default)]
pub(super) struct Staging {
    /// Oldest first.
    sessions: Vec<Staged>,
    bytes: usize,
}

impl Staging {
    /// Whether there is memory for one more.
    fn can_grow(&mut self) -> bool {
        self.sessions.try_reserve(1).is_ok()
    }

    /// Sets aside room for one more, whose bytes are so many, in place of the oldest if need be; what those were
    /// goes to `displaced`. False: others leave no room.
    fn make_room(&mut self, engine: &Engine, size: usize, displaced: &mut Vec<Staged>) -> bool {
        // A server may send any number before the caller says "established".
        let full = self.sessions.len() >= engine.options().max_sessions_per_endpoint as usize;
        if full {
            displaced.extend(self.pop_oldest(engine));
        }
        while !engine.stage(self.bytes, size) {
            match self.pop_oldest(engine) {
                Some(oldest) => displaced.push(oldest),
                None => return false,
            }
        }
        true
    }

    fn pop_oldest(&mut self, engine: &Engine) -> Option<Staged> {
        if self.sessions.is_empty() {
            return None;
        }
        let oldest = self.sessions.remove(0);
        self.bytes -= oldest.size;
        engine.unstage(oldest.size);
        Some(oldest)
    }

    /// Takes one in for which room was made.
    fn push(&mut self, session: Staged) {
        self.bytes += session.size;
        self.sessions.push(session);
    }

    /// Drops all. To be called with no lock held.
    pub(super) fn discard(self, engine: &Engine) {
        let Self { sessions, bytes } = self;
        drop(sessions);
        engine.unstage(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }
}

impl Progress {
    /// Whether what the server sends may be kept.
    fn keeps(&self) -> Result<(), Discard> {
        match self.ended {
            None | Some(Ended::Established(_)) => Ok(()),
            Some(Ended::Failed(why)) => Err(why),
            Some(Ended::Withdrawn) => Err(Discard::Failed),
        }
    }
}

impl Connection {
    /// Bytes that were received, in memory for secrets.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<SecretBytes, Discard> {
        self.check_process().map_err(|_| Discard::Closed)?;
        let kept = self.supply.engine().keep(&self.supply.key(), bytes);
        kept.inspect_err(|&why| {
            // The server answered, as in `receive`.
            let mut progress = self.send(self.progress.lock());
            progress.info.received += 1;
            self.turn_away(progress, |stats| stats.discard(why, 1));
        })
    }

    /// Takes in what the server sent. On an error the payload comes back.
    pub(crate) fn receive(
        &self,
        payload: Payload,
        size: impl Into<Size>,
        info: &Received,
    ) -> Result<(), (Discard, Payload)> {
        let size = size.into();
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
            engine.admit(size.length, size.alone())
        };
        // Dropped after the lock is gone.
        let mut displaced = Vec::new();
        // The server answered, so it has seen the ClientHello.
        let mut progress = self.send(self.progress.lock());
        progress.info.received += 1;
        if let Err(why) = admitted.and(progress.keeps()) {
            self.turn_away(progress, |stats| stats.discard(why, 1));
            return Err((why, payload));
        }
        let shared = if progress.shares { 0 } else { size.shared };
        progress.shares |= size.shared > 0;
        let staged = Staged {
            payload,
            size: size.memory.saturating_add(shared),
            info: *info,
            at: now,
        };
        if let Some(Ended::Established(lineage)) = progress.ended {
            let stack_bound = progress.not_after;
            drop(progress);
            self.publish(staged, lineage, stack_bound);
            return Ok(());
        }
        if !progress.staged.can_grow() {
            let why = Discard::NoMemory;
            self.turn_away(progress, |stats| stats.discard(why, 1));
            return Err((why, staged.payload));
        }
        let room = progress
            .staged
            .make_room(engine, staged.size, &mut displaced);
        progress.info.discarded += u32::try_from(displaced.len()).unwrap_or(u32::MAX);
        let surplus = displaced.len() as u64 + u64::from(!room);
        let back = if room {
            progress.staged.push(staged);
            drop(progress);
            None
        } else {
            progress.info.discarded += 1;
            drop(progress);
            Some(staged.payload)
        };
        if surplus != 0 {
            self.count(|stats| stats.discard(Discard::Surplus, surplus));
        }
        match back {
            None => Ok(()),
            Some(payload) => Err((Discard::Surplus, payload)),
        }
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
        let admitted = engine.admit(1, 1);
        let there = engine.available_at(&self.supply.key(), now);
        // The server answered, as in `receive`.
        let mut progress = self.send(self.progress.lock());
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
        self.turn_away(progress, |stats| stats.discard(Discard::Surplus, 1));
        if !open {
            self.supply.declined(&self.flight, now);
        }
        Ok(false)
    }

    /// Says when the server's certificate ends, which bounds all that is received and what was published.
    pub(crate) fn set_not_after(&self, unix_seconds: i64) -> Result<(), NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut progress = self.progress.lock();
        progress.not_after = progress.not_after.min_some(Some(unix_seconds));
        let ended = progress.ended;
        drop(progress);
        if let Some(Ended::Established(lineage)) = ended {
            let bounded = self.bounded(lineage, now, Some(unix_seconds));
            self.supply.bound(bounded, now);
        }
        Ok(())
    }

    /// Hands what was staged to all attempts of the endpoint, of this process or of all.
    pub(super) fn publish_staged(
        &self,
        staged: Staging,
        lineage: Lineage,
        not_after: Option<i64>,
        resumed: bool,
    ) {
        let sessions = staged.sessions;
        let sessions = self.share_staged(sessions, lineage, not_after, resumed);
        for session in sessions {
            let size = session.size;
            self.store(session, lineage, not_after);
            self.supply.engine().unstage(size);
        }
    }

    /// Hands a session to all attempts of its endpoint, of this process or of all.
    fn publish(&self, staged: Staged, lineage: Lineage, not_after: Option<i64>) {
        let Some(staged) = self.share(staged, lineage, not_after) else {
            return;
        };
        self.store(staged, lineage, not_after);
    }

    /// How the lineage of a session ends, and when the session does.
    pub(super) fn ends(
        &self,
        staged: &Staged,
        lineage: Lineage,
        not_after: Option<i64>,
        now: Time,
    ) -> (Lineage, Time) {
        let (info, options) = (&staged.info, self.supply.engine().options());
        let lineage = self.bounded(lineage, now, not_after.min_some(info.not_after));
        (lineage, expiry(options, staged.at, info.lifetime, lineage))
    }

    /// Hands a session to all attempts of its endpoint in this process.
    fn store(&self, staged: Staged, lineage: Lineage, not_after: Option<i64>) {
        let engine = self.supply.engine();
        let now = engine.now();
        let (lineage, expires) = self.ends(&staged, lineage, not_after, now);
        let Staged {
            payload,
            size,
            info,
            at,
        } = staged;
        let session = Session {
            payload,
            kind: info.kind,
            label: info.tls_version,
            size,
            received: at,
            expires,
            lineage,
            uses: Uses::default(),
        };
        let (stored, calls) = self.supply.publish(&self.flight, session, now);
        let mut progress = self.progress.lock();
        progress.info.stored += u32::from(stored);
        progress.info.discarded += u32::from(!stored);
        // What was said on another thread meanwhile came before there was something to find.
        let (known, ended) = (progress.not_after, progress.ended);
        drop(progress);
        if let Some(Ended::Failed(_)) = ended {
            self.supply.refuse(lineage.id, now);
        } else if known != not_after {
            self.supply.bound(self.bounded(lineage, now, known), now);
        }
        drop(calls);
    }
}
