//! What takes the place of `sharing.rs` where there is no agent.

use super::staging::Staged;
use super::{Connection, NotNow, Progress};
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::engine::{Lineage, Reason, Session, Time};
use crate::sync::MutexGuard;

#[derive(Clone, Copy)]
pub(super) struct Link;

impl Link {
    pub(super) fn new(_: &Config, _: &Endpoint<'_>) -> Self {
        Self
    }
}

#[derive(Default)]
pub(super) enum Loan {
    #[default]
    Unasked,
    #[expect(dead_code, reason = "nobody lends")]
    Kept(Box<Session>),
}

impl Loan {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Unasked)
    }

    pub(super) fn is_awaited(&self) -> bool {
        false
    }
}

impl Connection {
    pub(super) fn borrow<'a>(
        &'a self,
        progress: MutexGuard<'a, Progress>,
        _: Time,
    ) -> (MutexGuard<'a, Progress>, bool, Option<Reason>) {
        (progress, false, None)
    }

    pub(super) fn lease_loan<'a>(
        &'a self,
        progress: MutexGuard<'a, Progress>,
        _: Time,
    ) -> MutexGuard<'a, Progress> {
        progress
    }

    pub(super) fn end_asking<'a>(
        &'a self,
        progress: MutexGuard<'a, Progress>,
    ) -> MutexGuard<'a, Progress> {
        progress
    }

    pub(super) fn give_back(&self, _: Loan) {}

    pub(super) fn wait_for_agent(&self, max_wait_ms: u32) -> Result<Option<u32>, NotNow> {
        Ok(Some(max_wait_ms))
    }

    pub(super) fn share_staged(
        &self,
        staged: Vec<Staged>,
        _: Lineage,
        _: Option<i64>,
        _: bool,
    ) -> Vec<Staged> {
        staged
    }

    pub(super) fn share(&self, staged: Staged, _: Lineage, _: Option<i64>) -> Option<Staged> {
        Some(staged)
    }

    pub(super) fn tell_agent(&self, _: u8) {
        let Link = self.link;
    }

    pub(super) fn leave_agent(&self) {}
}
