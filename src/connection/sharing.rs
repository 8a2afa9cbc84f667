//! What a connection has of the agent, and gives to it.
//!
//! The agent comes after the cache: it is asked for what is not there, and given what nobody in this process
//! waits for. All calls to it are made with no lock held.

use super::staging::Staged;
use super::{Connection, NotNow, Progress};
use crate::agent::{Answer, Asking, Away, Brought, Counterpart, Lent};
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::engine::{
    EventKind, Lineage, Payload, Reason, SecretBytes, Session, Time, Uses, restored,
};
use crate::session_info::SessionInfo;
use crate::sync::MutexGuard;
use std::time::Instant;

/// What a connection is to the agent, if its config shares.
pub(super) struct Link(Option<Counterpart>);

impl Link {
    pub(super) fn new(config: &Config, endpoint: &Endpoint<'_>) -> Self {
        Self(config.counterpart(endpoint))
    }
}

/// What the agent has for an attempt that waits for it, or has waited. Small, for all attempts have one.
#[derive(Default)]
pub(super) enum Loan {
    #[default]
    Unasked,
    /// Asked, and did not answer: the attempt goes on as if there were no agent.
    Unanswered,
    Asking(Box<Asking>),
    Kept(Box<Session>),
    /// Nothing, for this reason.
    Denied(Reason),
}

impl Loan {
    /// Whether the agent has no part in the attempt.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Unasked | Self::Unanswered)
    }

    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Asking(_))
    }
}

impl Connection {
    fn keep_lent(&self, bytes: &[u8]) -> Option<SecretBytes> {
        self.supply.engine().keep(&self.supply.key(), bytes).ok()
    }

    /// A session that the agent lends, under the limits of this cache as well; `None`: there is no such session, or it
    /// is over.
    fn of_agent(&self, lent: Lent<SecretBytes>) -> Option<Session> {
        let info = SessionInfo::of(lent.tls_version, 0).check().ok()?;
        let engine = self.supply.engine();
        let now = engine.now();
        let begun = engine.new_lineage(now);
        let lineage = Lineage {
            ends: now.plus_ms(lent.lineage_ms).min(begun.ends),
            ..begun
        };
        let lineage = self.bounded(lineage, now, None);
        let expires = restored(engine.options(), now, lent.age_ms, lent.left_ms, lineage);
        if expires <= now {
            return None;
        }
        Some(Session {
            kind: info.kind,
            label: info.tls_version,
            size: 0,
            received: now.minus_ms(lent.age_ms),
            expires,
            lineage,
            uses: Uses::default(),
            payload: Payload::Bytes(lent.bytes),
        })
    }

    /// What an answer of the agent's comes to, and whether it took a wait.
    fn loan_of(&self, answer: Result<Answer<SecretBytes>, Away>) -> (Loan, bool) {
        let answer = answer.and_then(|Answer { session, waited }| match session {
            Ok(lent) => {
                let session = self.of_agent(lent).ok_or(Away::Nonsense)?;
                Ok((Loan::Kept(Box::new(session)), waited))
            }
            Err(reason) => Ok((Loan::Denied(reason), waited)),
        });
        match answer {
            Ok((loan, waited)) => {
                self.count(|stats| {
                    stats.agent_leased += u64::from(matches!(loan, Loan::Kept(_)));
                    stats.waited += u64::from(waited);
                    stats.waits_served += u64::from(waited && matches!(loan, Loan::Kept(_)));
                });
                (loan, waited)
            }
            // One that must not wait was not asked.
            Err(Away::WouldWait) => (Loan::Unasked, false),
            Err(_) => {
                self.count(|stats| stats.agent_away += 1);
                (Loan::Unanswered, false)
            }
        }
    }

    /// Asks the agent for a session, where the cache has none, and has the attempt offer it. Says whether there is
    /// nothing more to find, and otherwise why there is none, if the agent said so.
    #[inline]
    pub(super) fn borrow<'a>(
        &'a self,
        progress: MutexGuard<'a, Progress>,
        now: Time,
    ) -> (MutexGuard<'a, Progress>, bool, Option<Reason>) {
        match &self.link.0 {
            None => (progress, false, None),
            Some(agents) => self.borrow_from(agents, progress, now),
        }
    }

    #[cold]
    #[inline(never)]
    fn borrow_from<'a>(
        &'a self,
        agents: &Counterpart,
        mut progress: MutexGuard<'a, Progress>,
        now: Time,
    ) -> (MutexGuard<'a, Progress>, bool, Option<Reason>) {
        let asks = !self.supply.is_off() && !self.supply.withheld(&self.flight);
        if asks && matches!(progress.loan, Loan::Unasked) {
            drop(progress);
            let (loan, _) = self.loan_of(agents.lease(0, |bytes| self.keep_lent(bytes)));
            progress = self.lend(self.progress.lock(), loan);
            progress = self.lease_lent(progress, now);
        }
        let reason = match progress.loan {
            Loan::Denied(reason) => Some(reason),
            Loan::Unasked | Loan::Unanswered if asks => Some(Reason::AgentAway),
            _ => None,
        };
        let found = !progress.offer.is_unasked() || progress.ended.is_some();
        (progress, found, reason)
    }

    /// Puts a loan where the attempt's offer finds it. One that made its offer meanwhile, or ended, gives it back.
    fn lend<'a>(
        &'a self,
        mut progress: MutexGuard<'a, Progress>,
        loan: Loan,
    ) -> MutexGuard<'a, Progress> {
        if progress.ended.is_none() && progress.offer.is_unasked() && progress.loan.is_none() {
            progress.loan = loan;
            return progress;
        }
        drop(progress);
        self.give_back(loan);
        self.progress.lock()
    }

    /// Has the attempt offer what the agent has lent it, or will if it is asked now, unless offers were found to do
    /// harm since.
    #[cold]
    pub(super) fn lease_loan<'a>(
        &'a self,
        progress: MutexGuard<'a, Progress>,
        now: Time,
    ) -> MutexGuard<'a, Progress> {
        let mut progress = self.end_asking(progress);
        let lent = matches!(progress.loan, Loan::Kept(_));
        if !lent || self.supply.may_offer(&self.flight, now) {
            return self.lease_lent(progress, now);
        }
        let lent = std::mem::replace(&mut progress.loan, Loan::Denied(Reason::Withheld));
        drop(progress);
        self.give_back(lent);
        self.progress.lock()
    }

    /// Has the attempt offer what the agent has lent it.
    fn lease_lent<'a>(
        &'a self,
        mut progress: MutexGuard<'a, Progress>,
        now: Time,
    ) -> MutexGuard<'a, Progress> {
        if !progress.offer.is_unasked() || progress.ended.is_some() {
            return progress;
        }
        let session = match std::mem::take(&mut progress.loan) {
            Loan::Kept(session) => session,
            other => {
                progress.loan = other;
                return progress;
            }
        };
        if session.expires <= now {
            progress.loan = Loan::Denied(Reason::Expired);
            drop(progress);
            self.give_back(Loan::Kept(session));
            return self.progress.lock();
        }
        progress.lease(|place| *place = Some(*session));
        progress.is_borrowed = true;
        drop(progress);
        let supply = &self.supply;
        supply.begin_resumed(&self.flight, now);
        self.count(|stats| stats.offered += 1);
        let engine = supply.engine();
        engine.tell(&supply.key(), EventKind::Offered, 1);
        self.progress.lock()
    }

    /// The answer to a wait by descriptor is there, or its time is over.
    pub(super) fn end_asking<'a>(
        &'a self,
        mut progress: MutexGuard<'a, Progress>,
    ) -> MutexGuard<'a, Progress> {
        let (Some(agents), Loan::Asking(_)) = (&self.link.0, &progress.loan) else {
            return progress;
        };
        let Loan::Asking(asking) = std::mem::take(&mut progress.loan) else {
            return progress;
        };
        drop(progress);
        let answer = agents.finish(*asking, |bytes| self.keep_lent(bytes));
        let (loan, waited) = self.loan_of(answer);
        let mut progress = self.progress.lock();
        progress.waited_in_vain |= waited && matches!(loan, Loan::Denied(_));
        self.lend(progress, loan)
    }

    /// Gives back what the agent had lent and was not offered. The agent knows nothing of the attempt from then
    /// on.
    #[inline]
    pub(super) fn give_back(&self, loan: Loan) {
        if !loan.is_none() {
            self.give_loan_back(loan);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_loan_back(&self, loan: Loan) {
        match (loan, &self.link.0) {
            (Loan::Kept(session), Some(agents)) => {
                drop(session);
                self.count(|stats| stats.agent_returned += 1);
                agents.failed(0);
            }
            (Loan::Asking(asking), Some(agents)) => agents.give_up(*asking),
            _ => {}
        }
    }

    /// Asks the agent for a session, and waits until it has one, or none is expected in time. Gives what is left
    /// of the time; `None`: there is nothing to wait for any more.
    pub(super) fn wait_for_agent(&self, max_wait_ms: u32) -> Result<Option<u32>, NotNow> {
        let Some(agents) = self.waits_for_agent()? else {
            return Ok(Some(max_wait_ms));
        };
        let begun = Instant::now();
        let answer = agents.lease(max_wait_ms, |bytes| self.keep_lent(bytes));
        let (loan, waited) = self.loan_of(answer);
        let is_none = loan.is_none();
        let mut progress = self.progress.lock();
        progress.waited_in_vain |= waited && matches!(loan, Loan::Denied(_));
        drop(self.lend(progress, loan));
        Ok(is_none.then(|| {
            let passed = begun.elapsed().as_millis().try_into().unwrap_or(u32::MAX);
            max_wait_ms.saturating_sub(passed)
        }))
    }

    /// Asks the agent for a session, and has `watch` look at the descriptor that becomes readable with the
    /// answer. `None`: the agent has no part in this.
    pub(crate) fn ask_agent<R>(
        &self,
        max_wait_ms: u32,
        watch: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> Option<R>,
    ) -> Result<Option<R>, NotNow> {
        use std::os::fd::AsFd as _;
        let Some(agents) = self.waits_for_agent()? else {
            return Ok(None);
        };
        let Ok(asking) = agents.ask(max_wait_ms) else {
            self.count(|stats| stats.agent_away += 1);
            drop(self.lend(self.progress.lock(), Loan::Unanswered));
            return Ok(None);
        };
        let watched = watch(asking.as_fd());
        if watched.is_some() {
            let loan = Loan::Asking(Box::new(asking));
            drop(self.lend(self.progress.lock(), loan));
        }
        Ok(watched)
    }

    /// Who is to be asked, if this attempt may wait and has nothing here.
    fn waits_for_agent(&self) -> Result<Option<&Counterpart>, NotNow> {
        self.check_process()?;
        let Some(agents) = &self.link.0 else {
            return Ok(None);
        };
        // The clock may be foreign code, which may end this attempt. So that is looked at after.
        let alone = self.supply.decides_alone(self.now());
        let progress = self.progress.lock();
        let begun = !progress.offer.is_unasked() || progress.wait.is_some();
        if begun || progress.ended.is_some() || !progress.loan.is_none() {
            return Err(NotNow::WrongState);
        }
        let alone = alone || matches!(progress.loan, Loan::Unanswered);
        Ok(Some(agents).filter(|_| !alone))
    }

    /// Has the agent tell all processes of what was staged. What it does not take comes back.
    #[inline]
    pub(super) fn share_staged(
        &self,
        staged: Vec<Staged>,
        lineage: Lineage,
        not_after: Option<i64>,
        resumed: bool,
    ) -> Vec<Staged> {
        match &self.link.0 {
            None => staged,
            Some(agents) => self.share_staged_with(agents, staged, lineage, not_after, resumed),
        }
    }

    #[cold]
    #[inline(never)]
    fn share_staged_with(
        &self,
        agents: &Counterpart,
        staged: Vec<Staged>,
        lineage: Lineage,
        not_after: Option<i64>,
        resumed: bool,
    ) -> Vec<Staged> {
        let borrowed = self.progress.lock().is_borrowed;
        if !agents.begin() {
            return staged;
        }
        let now = self.now();
        // Who waits here is served here.
        let waiting = self.supply.waiting();
        let offered = staged.iter().enumerate().skip(waiting);
        let offered = offered.filter_map(|(at, session)| {
            Some((at, self.brought(agents, session, lineage, not_after, now)?))
        });
        let (places, brought): (Vec<_>, Vec<_>) = offered.unzip();
        let lineage_ms = self.bounded(lineage, now, not_after).ends.since(now);
        let refused = agents.established(resumed && borrowed, lineage_ms, &brought);
        drop(brought);
        let taken: Vec<_> = (0..places.len())
            .filter(|nth| !refused.contains(nth))
            .map(|nth| places[nth])
            .collect();
        self.shared(taken.len());
        let mut left = Vec::new();
        for (at, session) in staged.into_iter().enumerate() {
            if taken.contains(&at) {
                self.supply.engine().unstage(session.size);
            } else {
                left.push(session);
            }
        }
        left
    }

    /// The same for one that came later; `None`: the agent has it.
    #[inline]
    pub(super) fn share(
        &self,
        staged: Staged,
        lineage: Lineage,
        not_after: Option<i64>,
    ) -> Option<Staged> {
        match &self.link.0 {
            None => Some(staged),
            Some(agents) => self.share_with(agents, staged, lineage, not_after),
        }
    }

    #[cold]
    #[inline(never)]
    fn share_with(
        &self,
        agents: &Counterpart,
        staged: Staged,
        lineage: Lineage,
        not_after: Option<i64>,
    ) -> Option<Staged> {
        if self.supply.waiting() != 0 {
            return Some(staged);
        }
        let brought = self.brought(agents, &staged, lineage, not_after, self.now());
        if brought.is_some_and(|brought| agents.received(&brought)) {
            self.shared(1);
            None
        } else {
            Some(staged)
        }
    }

    /// A session as it is sent to the agent; `None`: that does not take it.
    fn brought<'a>(
        &self,
        agents: &Counterpart,
        staged: &'a Staged,
        lineage: Lineage,
        not_after: Option<i64>,
        now: Time,
    ) -> Option<Brought<'a>> {
        let Payload::Bytes(bytes) = &staged.payload else {
            return None;
        };
        let (_, expires) = self.ends(staged, lineage, not_after, now);
        let left_ms = expires.since(now);
        (left_ms != 0 && agents.takes(bytes)).then_some(Brought {
            tls_version: staged.info.tls_version,
            left_ms,
            bytes,
        })
    }

    /// So many sessions were given to the agent.
    fn shared(&self, count: usize) {
        let now = self.now();
        self.progress.lock().info.stored += u32::try_from(count).unwrap_or(u32::MAX);
        self.count(|stats| stats.agent_stored += count as u64);
        for _ in 0..count {
            self.supply.declined(&self.flight, now);
        }
    }

    /// Tells the agent how the attempt failed.
    pub(super) fn tell_agent(&self, facts: u8) {
        if let Some(agents) = &self.link.0 {
            agents.failed(facts);
        }
    }

    /// Tells the agent that the attempt or its connection is no more.
    pub(super) fn leave_agent(&self) {
        if let Some(agents) = &self.link.0 {
            agents.gone();
        }
    }
}
