//! How an attempt ends, and what becomes of what it offered and received.

use super::sharing::Loan;
use super::{Connection, NotNow, Progress};
use crate::engine::{Discard, EventKind, Lineage, Reason};
use crate::supply::{End, Outcome};
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

/// What a driver saw of an attempt that failed: facts, from which the library draws the conclusions.
///
/// The constants name the usual cases: `Failure::NOT_SENT`, `Failure::HANDSHAKE` and so on; with
/// `..` others can be described, for example `Failure { timed_out: true, ..Failure::HANDSHAKE }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The ClientHello may have left. Otherwise, as when the TCP connection was refused, what was taken goes
    /// back.
    pub sent: bool,
    /// The TLS handshake was done, so that it is the application's login that failed.
    pub handshake_done: bool,
    /// The handshake was a resumed one.
    pub resumed: bool,
    /// The server fell silent.
    pub timed_out: bool,
    /// The caller gave up: it lost a race, or its user cancelled. That says nothing about the server.
    pub cancelled: bool,
    /// A fatal TLS alert came or was sent. In TLS 1.3 one can come after the handshake, as when the server rejects the
    /// client's certificate; it still counts as a failure of the handshake.
    pub alert: bool,
}

impl Failure {
    /// The ClientHello was never sent.
    pub const NOT_SENT: Self = Self {
        sent: false,
        handshake_done: false,
        resumed: false,
        timed_out: false,
        cancelled: false,
        alert: false,
    };
    /// The TLS handshake failed.
    pub const HANDSHAKE: Self = Self {
        sent: true,
        ..Self::NOT_SENT
    };
    /// The login failed after a full handshake.
    pub const LOGIN: Self = Self {
        handshake_done: true,
        ..Self::HANDSHAKE
    };
    /// The login failed after a resumed handshake.
    pub const LOGIN_RESUMED: Self = Self {
        resumed: true,
        ..Self::LOGIN
    };

    /// The login failed; `resumed` says whether the handshake was a resumed one.
    #[must_use]
    pub const fn login(resumed: bool) -> Self {
        Self {
            resumed,
            ..Self::LOGIN
        }
    }

    /// The facts as bits, in the order of the fields, which is that of the C API as well.
    #[must_use]
    pub fn bits(&self) -> u8 {
        let facts = [
            self.sent,
            self.handshake_done,
            self.resumed,
            self.timed_out,
            self.cancelled,
            self.alert,
        ];
        let bits = facts.iter().zip(0..);
        bits.map(|(&fact, at)| u8::from(fact) << at).sum()
    }

    /// The facts of these bits; `None`: there are some among them that nobody knows.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        let is = |at: u8| bits & (1 << at) != 0;
        let facts = Self {
            sent: is(0),
            handshake_done: is(1),
            resumed: is(2),
            timed_out: is(3),
            cancelled: is(4),
            alert: is(5),
        };
        (facts.bits() == bits).then_some(facts)
    }

    /// What it says about the server; `None`: nothing.
    fn outcome(&self) -> Option<Outcome> {
        if !self.sent || self.cancelled {
            None
        } else if self.handshake_done && !self.alert {
            Some(Outcome::LoginFailed)
        } else {
            Some(Outcome::HandshakeFailed)
        }
    }
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
    /// Why it did not resume, as far as that is decided.
    pub reason: Reason,
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
    /// It goes on without the cache, and nobody has said yet how it ended.
    Withdrawn,
}

impl Connection {
    /// TLS is verified and the application's login done: publishes what was received.
    pub(crate) fn established(&self, resumed: bool) -> Result<(), NotNow> {
        self.check_process()?;
        let engine = self.supply.engine();
        // The time is read, and foreign code run, only while the lock is not held.
        let now = engine.now();
        let mut progress = self.progress.lock();
        match progress.ended {
            None => {}
            Some(Ended::Withdrawn) if !resumed => {
                self.end_withdrawn(progress, AttemptState::Established);
                self.count(|stats| stats.established += 1);
                return Ok(());
            }
            Some(Ended::Withdrawn) => return Err(NotNow::NothingOffered),
            Some(_) => return Err(NotNow::WrongState),
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
        let not_asked = offered.is_none() && progress.info.reason == Reason::None;
        if resumed {
            progress.info.reason = Reason::None;
        } else if refused.is_some() {
            progress.info.reason = Reason::Refused;
        } else if not_asked {
            progress.info.reason = Reason::NotAsked;
        }
        let (note, not_after, declined) = (progress.note, progress.not_after, progress.declined);
        let staged = std::mem::take(&mut progress.staged);
        let spent = progress.offer.end();
        let wait = progress.wait.take();
        let loan = std::mem::take(&mut progress.loan);
        drop(progress);

        drop(spent);
        self.return_kept(wait);
        self.give_back(loan);
        let supply = &self.supply;
        if let Some(refused) = refused {
            supply.refused(&self.flight, refused.id, now);
        }
        supply.established(&self.flight, now, offered.is_some(), resumed);
        self.publish_staged(staged, lineage, not_after, resumed);
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
        if not_asked {
            engine.tell(&supply.key(), EventKind::NotOffered(Reason::NotAsked), 0);
        }
        Ok(())
    }

    /// The attempt failed: publishes nothing, now or later.
    ///
    /// Once it was established, only a fatal alert matters: what the connection brought may be to blame
    /// (RFC 8446, 6), and is dropped; and its handshake has failed after all.
    pub(crate) fn failed(&self, why: Failure) -> Result<(), NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut progress = self.progress.lock();
        match progress.ended {
            None => {}
            Some(Ended::Established(lineage)) if why.alert => {
                // What still arrives, or is just being published, is as little to be kept.
                progress.ended = Some(Ended::Failed(Discard::Failed));
                let offer = (progress.info.offered, progress.info.resumed);
                drop(progress);
                self.supply.refuse(lineage.id, now);
                self.supply.revoked(&self.flight, now, offer);
                self.tell_agent(why.bits());
                return Ok(());
            }
            Some(Ended::Withdrawn) => {
                self.end_withdrawn(progress, AttemptState::Failed);
                self.count(|stats| stats.failed += 1);
                return Ok(());
            }
            Some(_) => return Err(NotNow::WrongState),
        }
        if why.sent {
            progress.offer.send();
        }
        let offered = progress.offer.lineage();
        // Nothing offered, nothing resumed.
        let resumed = why.resumed && offered.is_some();
        let outcome = why.outcome();
        if offered.is_some() && progress.info.reason == Reason::None {
            progress.info.reason = if why.sent {
                Reason::Failed
            } else {
                Reason::NotSent
            };
        }
        let end = outcome.map_or(End::Over, |outcome| End::Failed {
            outcome,
            offered: offered.is_some(),
            resumed,
        });
        self.end(progress, Ended::Failed(Discard::Failed), end);
        self.tell_agent(why.bits());
        if let (Some(lineage), Some(Outcome::HandshakeFailed)) = (offered, outcome) {
            self.supply.refuse(lineage.id, now);
        }
        self.count(|stats| {
            stats.failed += 1;
            match outcome {
                Some(Outcome::HandshakeFailed) if offered.is_some() => {
                    stats.handshake_failed_offered += 1;
                }
                Some(Outcome::LoginFailed) if resumed => stats.login_failed_resumed += 1,
                _ => {}
            }
        });
        Ok(())
    }

    /// The connection turns out not to be one of the endpoint's, before anything was sent: what was taken goes
    /// back, nothing that comes is kept, and only how it ended is still counted.
    pub(crate) fn withdraw(&self) -> Result<(), NotNow> {
        self.check_process()?;
        let mut progress = self.progress.lock();
        if progress.ended.is_some() || progress.offer.was_sent() {
            return Err(NotNow::WrongState);
        }
        let reason = progress.give_up(Reason::OtherVerification);
        self.end(progress, Ended::Withdrawn, End::Over);
        self.tell(reason);
        Ok(())
    }

    fn end_withdrawn(&self, mut progress: MutexGuard<'_, Progress>, state: AttemptState) {
        progress.ended = Some(Ended::Failed(Discard::Failed));
        progress.info.state = state;
    }

    /// The handle is gone. An attempt that nobody ended is over; one that was established lives on as
    /// long as its TLS connection.
    pub(crate) fn release(&self) {
        if self.check_process().is_err() {
            return;
        }
        let progress = self.progress.lock();
        match progress.ended {
            None => self.end(progress, Ended::Failed(Discard::Unfinished), End::Over),
            Some(Ended::Withdrawn) => self.end_withdrawn(progress, AttemptState::Failed),
            Some(_) => return,
        }
        self.leave_agent();
        self.count(|stats| stats.unfinished += 1);
    }

    pub(crate) fn info(&self) -> Result<AttemptInfo, NotNow> {
        self.check_process()?;
        Ok(self.progress.lock().info)
    }

    /// Ends an attempt without success: staged sessions go, what was not sent goes back.
    fn end(&self, mut progress: MutexGuard<'_, Progress>, ended: Ended, end: End) {
        progress.ended = Some(ended);
        if let Ended::Failed(_) = ended {
            progress.info.state = AttemptState::Failed;
        }
        let staged = std::mem::take(&mut progress.staged);
        let discarded = staged.len();
        progress.info.discarded += u32::try_from(discarded).unwrap_or(u32::MAX);
        let (mut unsent, spent) = progress.offer.end();
        let wait = progress.wait.take();
        let loan = std::mem::take(&mut progress.loan);
        let borrowed = progress.is_borrowed;
        drop(progress);

        drop(spent);
        if let Some(unsent) = unsent.take_if(|_| borrowed) {
            self.give_back(Loan::Kept(Box::new(unsent)));
        }
        if let Some(unsent) = unsent.take() {
            self.supply.put_back(unsent);
        }
        self.return_kept(wait);
        self.give_back(loan);
        staged.discard(self.supply.engine());
        let why = match ended {
            Ended::Failed(why) => why,
            _ => Discard::Failed,
        };
        self.count(|stats| stats.discard(why, discarded as u64));
        self.supply.ended(&self.flight, self.now(), end);
    }
}
