//! Waiting for a session that another connection is about to bring.

use super::gate::{Gate, Passed};
use super::{Connection, NotNow, Progress};
use crate::engine::Time;
use crate::supply::{Answer, Calls, Kept, Wait, Waker};
use crate::sync::MutexGuard;
use std::sync::Arc;

/// What an attempt that asked for a session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// There is nothing to wait for: make the offer now.
    Go,
    /// Make it when the wait is over.
    Wait,
}

/// Opens a gate when it is called or dropped: also a wait that another thread ends with an offer or an
/// outcome is over.
struct Opens(Arc<Gate>);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Connection {
    /// Asks for a session to offer, and for a place in the queue if none is there and one is expected
    /// within `max_wait_ms`. With `Plan::Wait`, `waker` is called when the wait is over, unless
    /// `end_wait` or `offer` came first.
    pub(crate) fn plan(&self, max_wait_ms: u32, waker: Waker) -> Result<Plan, NotNow> {
        let (plan, _calls) = self.plan_later(max_wait_ms, waker)?;
        Ok(plan)
    }

    /// The same for a caller that has something to do before foreign code runs, which it does when the calls are
    /// dropped: it may free the attempt.
    pub(crate) fn plan_later(
        &self,
        max_wait_ms: u32,
        waker: Waker,
    ) -> Result<(Plan, Calls<'_>), NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut progress = self.progress.lock();
        let begun = !progress.offer.is_unasked() || progress.wait.is_some();
        let begun = begun || !progress.loan.is_none();
        if begun || progress.ended.is_some() {
            return Err(NotNow::WrongState);
        }
        let deadline = now.plus_ms(max_wait_ms.into());
        let (answer, calls) = self.supply.ask(&self.flight, now, deadline, waker);
        let plan = match answer {
            Answer::Full => Plan::Go,
            Answer::Kept(wait) => {
                progress.wait = Some(wait);
                Plan::Go
            }
            Answer::Wait(wait) => {
                progress.wait = Some(wait);
                Plan::Wait
            }
        };
        drop(progress);
        if plan == Plan::Wait {
            self.count(|stats| stats.waited += 1);
        }
        Ok((plan, calls))
    }

    /// `plan` for a caller that may be blocked: returns when there is nothing to wait for any more.
    pub(crate) fn wait(&self, max_wait_ms: u32) -> Result<(), NotNow> {
        let Some(max_wait_ms) = self.wait_for_agent(max_wait_ms)? else {
            return Ok(());
        };
        let gate = Arc::new(Gate::closed_for(max_wait_ms.into()));
        let (opens, looks) = (Opens(Arc::clone(&gate)), Arc::clone(&gate));
        let waker = Waker::new(move || drop(opens)).with_clock(move |millis| looks.look_in(millis));
        if self.plan(max_wait_ms, waker)? == Plan::Wait {
            while gate.pass() == Passed::ToLook {
                self.supply.look(self.now());
            }
        }
        Ok(())
    }

    /// Gives up a place in the queue. `WrongState`: there is none, or the wait is over.
    pub(crate) fn end_wait(&self) -> Result<(), NotNow> {
        self.check_process()?;
        let now = self.now();
        let mut progress = self.progress.lock();
        if progress.loan.is_awaited() {
            drop(self.end_asking(progress));
            return Ok(());
        }
        let Some(wait) = progress.wait.as_ref() else {
            return Err(NotNow::WrongState);
        };
        let calls = self.supply.leave(wait, now, true);
        let ended = !wait.is_over();
        let left = progress.wait.take_if(|_| ended);
        progress.waited_in_vain |= ended;
        drop(progress);
        drop((left, calls));
        if ended {
            Ok(())
        } else {
            Err(NotNow::WrongState)
        }
    }

    /// Leaves the queue, and leases what was kept for this attempt if it is still good.
    #[cold]
    pub(super) fn lease_kept<'a>(
        &'a self,
        mut progress: MutexGuard<'a, Progress>,
        now: Time,
    ) -> MutexGuard<'a, Progress> {
        let Some(wait) = progress.wait.take() else {
            return progress;
        };
        let calls = self.supply.leave(&wait, now, true);
        let kept = wait.take();
        progress.waited_in_vain = kept.is_none();
        let is_over = |kept: &Kept| kept.session.expires <= now;
        let expired = kept.as_ref().is_some_and(is_over);
        let (mut spoilt, mut withheld) = (None, None);
        match kept {
            Some(kept) if expired || !self.supply.is_good(&kept) => spoilt = Some(kept),
            // Offers were found to do harm since it was kept.
            Some(kept) if !self.supply.may_offer(&self.flight, now) => withheld = Some(kept),
            Some(kept) => {
                progress.lease(|place| *place = Some(kept.session));
            }
            None => {}
        }
        drop(progress);
        if let Some(kept) = spoilt {
            self.supply.spoil(kept.session, now);
        }
        if let Some(kept) = withheld {
            self.supply.put_back_kept(kept);
        }
        drop((wait, calls));
        self.progress.lock()
    }

    /// Leaves the queue, and puts back what was kept for this attempt.
    pub(super) fn return_kept(&self, wait: Option<Arc<Wait>>) {
        if let Some(wait) = wait {
            let _calls = self.supply.leave(&wait, self.now(), false);
            if let Some(kept) = wait.take() {
                self.supply.put_back_kept(kept);
            }
        }
    }
}
