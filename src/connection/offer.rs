//! What a connection offers to the server, and whether it has left.

use super::{Connection, NotNow, Progress};
use crate::engine::{Lineage, Session, Time};
use crate::sync::MutexGuard;

/// What a connection offers to the server.
#[derive(Default)]
pub(super) struct Offer {
    stage: Stage,
    /// What was taken from the cache; the payload may be lent to the caller, also once it was sent.
    session: Option<Session>,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    /// Nobody has asked yet.
    #[default]
    Unasked,
    /// There is a session.
    Leased,
    /// On the wire, or may be: of this lineage.
    Sent(Lineage),
    /// Nothing, and nothing will be: the ClientHello left without one.
    Nothing,
}

impl Offer {
    pub(super) fn is_unasked(&self) -> bool {
        matches!(self.stage, Stage::Unasked)
    }

    /// Has `take` put a session into its place, where it stays: moving it costs as much as looking it up.
    /// False: there was none.
    #[inline]
    pub(super) fn lease(&mut self, take: impl FnOnce(&mut Option<Session>)) -> bool {
        take(&mut self.session);
        let found = self.session.is_some();
        if found {
            self.stage = Stage::Leased;
        }
        found
    }

    /// What may be offered now.
    #[inline]
    pub(super) fn leased(&self) -> Option<&Session> {
        match self.stage {
            Stage::Leased => self.session.as_ref(),
            _ => None,
        }
    }

    pub(super) fn lineage(&self) -> Option<Lineage> {
        match self.stage {
            Stage::Sent(lineage) => Some(lineage),
            _ => self.leased().map(|session| session.lineage),
        }
    }

    pub(super) fn was_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(_))
    }

    /// The ClientHello has left, or may have.
    pub(super) fn send(&mut self) {
        self.stage = self.lineage().map_or(Stage::Nothing, Stage::Sent);
    }

    /// Gives what was leased to a stack that sends it at once and keeps it as its own.
    #[cfg(any(test, feature = "rustls"))]
    pub(super) fn give(&mut self) -> Option<Session> {
        self.leased()?;
        self.send();
        self.session.take()
    }

    /// There is nothing to offer from here on. Gives what was taken and not sent, and what was sent.
    pub(super) fn end(&mut self) -> (Option<Session>, Option<Session>) {
        let unsent = self.leased().is_some();
        self.stage = Stage::Nothing;
        let session = self.session.take();
        if unsent {
            (session, None)
        } else {
            (None, session)
        }
    }
}

impl Connection {
    /// Leases the session to offer, the same at each call, and shows it to `look`: what that sees stays
    /// where it is until the attempt ends. `None`: a full handshake.
    pub(crate) fn offer<R>(
        &self,
        look: impl FnOnce(&Session, Time) -> R,
    ) -> Result<Option<R>, NotNow> {
        self.check_process()?;
        let now = self.now();
        // Dropped after the lock is gone.
        let mut garbage = self.supply.engine().garbage();
        let mut progress = self.progress.lock();
        if progress.wait.is_some() {
            progress = self.lease_kept(progress, now);
        }
        if !progress.loan.is_none() {
            progress = self.lease_loan(progress, now);
        }
        if progress.offer.is_unasked() && progress.ended.is_none() {
            let supply = &self.supply;
            let mut found =
                progress.lease(|place| supply.take(&self.flight, now, &mut garbage, place));
            let mut reason = None;
            if !found {
                (progress, found, reason) = self.borrow(progress, now);
            }
            if !found {
                let reason = reason.unwrap_or_else(|| supply.reason(&self.flight, now));
                let reason = progress.give_up(reason);
                drop(progress);
                supply.has_none(&self.flight);
                self.tell(reason);
                return Ok(None);
            }
            if !garbage.is_empty() {
                // Foreign code, which may end this attempt. So what it is lent is looked at after.
                drop(progress);
                drop(garbage);
                progress = self.progress.lock();
            }
        }
        match progress.offer.leased() {
            Some(session) => Ok(Some(look(session, now))),
            None => Err(NotNow::WrongState),
        }
    }

    /// Takes the session to offer for a stack that sends it at once and keeps it as its own.
    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn take(&self) -> Option<Session> {
        self.offer(|_, _| ()).ok()??;
        self.progress.lock().offer.give()
    }

    /// Says that the ClientHello may have left.
    pub(crate) fn sent(&self) -> Result<(), NotNow> {
        self.check_process()?;
        let now = self.now();
        let progress = self.progress.lock();
        if progress.ended.is_none() {
            if progress.offer.is_unasked() {
                self.supply.begin_full(&self.flight, now);
            }
            drop(self.send(progress));
        }
        Ok(())
    }

    /// The ClientHello has left, or may have. Nobody waits for a session after that.
    #[inline]
    pub(super) fn send<'a>(
        &'a self,
        mut progress: MutexGuard<'a, Progress>,
    ) -> MutexGuard<'a, Progress> {
        progress.offer.send();
        if progress.wait.is_none() && progress.loan.is_none() {
            return progress;
        }
        self.leave(progress)
    }

    /// It did not come for what was kept for it, which goes back.
    #[cold]
    fn leave<'a>(&'a self, mut progress: MutexGuard<'a, Progress>) -> MutexGuard<'a, Progress> {
        let wait = progress.wait.take();
        let loan = std::mem::take(&mut progress.loan);
        drop(progress);
        self.return_kept(wait);
        self.give_back(loan);
        self.progress.lock()
    }
}
