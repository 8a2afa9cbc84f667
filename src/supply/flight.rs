//! An attempt that may bring tickets.

use super::breaker::Permit;
use crate::engine::{Time, Uses};
use crate::sync::{AtomicU8, AtomicU32, AtomicU64};
use std::sync::atomic::Ordering::Relaxed;

/// What kind of handshake an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    Full,
    Resumed,
}

impl Handshake {
    pub(super) const BOTH: [Self; 2] = [Self::Full, Self::Resumed];
}

/// What others may know of an attempt, to reckon with what it will bring.
///
/// Changed under the queue's lock only, and read without it by the attempt itself. So the atomics order
/// nothing.
#[derive(Default)]
pub(crate) struct Flight {
    stage: AtomicU8,
    /// The time by which `Cohorts` counts it.
    counted_at: AtomicU64,
    /// 0: not begun; 1: full; 2: resumed.
    handshake: AtomicU8,
    begun: AtomicU64,
    /// When it was established; 0: not yet.
    established: AtomicU64,
    /// How many sessions of it came into the cache.
    brought: AtomicU32,
    /// What the breaker lets it do; 0: it was not asked.
    permit: AtomicU64,
    /// Of the session that it offers, which is for one; 0: no other has it, or there was a verdict.
    uses: AtomicU32,
    /// What that session descends from.
    lineage: AtomicU64,
}

/// How far an attempt has come, as far as it is expected to bring something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody reckons with it yet.
    Idle,
    /// Its handshake has begun.
    Opening,
    /// It is established, and what it had received by then is in the cache; more may come.
    Bringing,
    /// Nothing more is expected of it.
    Over,
}

impl Flight {
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Idle,
            1 => Stage::Opening,
            2 => Stage::Bringing,
            _ => Stage::Over,
        }
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    pub(super) fn counted_at(&self) -> Time {
        Time(self.counted_at.load(Relaxed))
    }

    pub(super) fn set_counted_at(&self, at: Time) {
        self.counted_at.store(at.0, Relaxed);
    }

    pub(super) fn begin(&self, handshake: Handshake, now: Time) {
        self.begun.store(now.0, Relaxed);
        self.handshake.store(1 + (handshake as u8), Relaxed);
    }

    pub(super) fn handshake(&self) -> Option<Handshake> {
        match self.handshake.load(Relaxed) {
            1 => Some(Handshake::Full),
            2 => Some(Handshake::Resumed),
            _ => None,
        }
    }

    pub(super) fn begun(&self) -> Time {
        Time(self.begun.load(Relaxed))
    }

    /// It is established; what it offered was refused if it is full after all.
    pub(super) fn establish(&self, handshake: Handshake, now: Time) {
        if self.handshake().is_none() {
            self.begun.store(now.0, Relaxed);
        }
        self.handshake.store(1 + (handshake as u8), Relaxed);
        self.established.store(now.0.max(1), Relaxed);
    }

    pub(crate) fn established(&self) -> Option<Time> {
        match self.established.load(Relaxed) {
            0 => None,
            at => Some(Time(at)),
        }
    }

    /// It brought one more.
    pub(super) fn bring(&self) {
        self.brought.store(self.brought() + 1, Relaxed);
    }

    pub(super) fn brought(&self) -> u32 {
        self.brought.load(Relaxed)
    }

    pub(super) fn set_use(&self, uses: Uses, lineage: u64) {
        let bits = u32::from(uses.of) << 16 | u32::from(uses.count);
        self.uses.store(bits, Relaxed);
        self.lineage.store(lineage, Relaxed);
    }

    #[allow(clippy::cast_possible_truncation, reason = "each is a half")]
    pub(super) fn uses(&self) -> Uses {
        let bits = self.uses.load(Relaxed);
        let (count, of) = (bits as u16, (bits >> 16) as u16);
        Uses { count, of }
    }

    pub(super) fn lineage(&self) -> u64 {
        self.lineage.load(Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage() == Stage::Over
    }

    /// What the breaker said that it may do.
    pub(super) fn set_permit(&self, permit: Option<Permit>) {
        self.permit
            .store(permit.map_or(0, Permit::to_bits), Relaxed);
    }

    /// `None`: it was not asked, because all was well.
    pub(super) fn permit(&self) -> Option<Permit> {
        Permit::from_bits(self.permit.load(Relaxed))
    }
}
