//! An attempt that may bring tickets.

use super::breaker::Permit;
use crate::engine::{Lineage, Time};
use crate::sync::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};
use std::sync::atomic::Ordering::Relaxed;

/// What kind of handshake an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    Full,
    Resumed,
}

/// What others may know of an attempt, to reckon with what it will bring.
///
/// An attempt sets these as it goes, without a lock: an offer should cost no more than it must, and a
/// forecast that is a moment old is as good.
#[derive(Default)]
pub(crate) struct Flight {
    /// 0: not begun; 1: full; 2: resumed.
    handshake: AtomicU8,
    begun: AtomicU64,
    /// Of what it offers; 0: nothing. Lineages count from 1.
    lineage: AtomicU64,
    /// Whether that lineage was refused meanwhile.
    refused: AtomicBool,
    /// When it was established; 0: not yet.
    established: AtomicU64,
    /// How many sessions of it came into the cache.
    brought: AtomicU32,
    /// Whether no more is expected of it.
    over: AtomicBool,
    /// What the breaker lets it do; 0: it was not asked.
    permit: AtomicU8,
}

impl Flight {
    /// It goes without a session.
    pub(crate) fn begin_full(&self, now: Time) {
        if self.handshake() != Some(Handshake::Full) {
            self.lineage.store(0, Relaxed);
            self.begin(1, now);
        }
    }

    /// It offers a session of this lineage.
    pub(crate) fn begin_resumed(&self, now: Time, lineage: Lineage) {
        self.refused.store(false, Relaxed);
        self.lineage.store(lineage.id, Relaxed);
        self.begin(2, now);
    }

    fn begin(&self, handshake: u8, now: Time) {
        self.begun.store(now.0, Relaxed);
        self.handshake.store(handshake, Relaxed);
    }

    pub(crate) fn handshake(&self) -> Option<Handshake> {
        match self.handshake.load(Relaxed) {
            1 => Some(Handshake::Full),
            2 => Some(Handshake::Resumed),
            _ => None,
        }
    }

    pub(crate) fn begun(&self) -> Time {
        Time(self.begun.load(Relaxed))
    }

    /// It is established; what it offered was refused if it is full after all.
    pub(crate) fn establish(&self, now: Time, handshake: Handshake) {
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

    /// It brought one more. Says how many that makes.
    pub(crate) fn bring(&self) -> u32 {
        self.brought.fetch_add(1, Relaxed) + 1
    }

    pub(crate) fn brought(&self) -> u32 {
        self.brought.load(Relaxed)
    }

    /// Nothing more is expected of it.
    pub(crate) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// A session of this lineage was refused by the server.
    pub(crate) fn refuse(&self, lineage: u64) {
        if self.lineage.load(Relaxed) == lineage {
            self.refused.store(true, Relaxed);
        }
    }

    /// Whether what it has to offer would be refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// What the breaker said that it may do.
    pub(super) fn set_permit(&self, permit: Option<Permit>) {
        self.permit
            .store(permit.map_or(0, |permit| 1 + permit as u8), Relaxed);
    }

    /// `None`: it was not asked, because all was well.
    pub(super) fn permit(&self) -> Option<Permit> {
        match self.permit.load(Relaxed) {
            1 => Some(Permit::Offer),
            2 => Some(Permit::Probe),
            3 => Some(Permit::Trial),
            4 => Some(Permit::Withheld),
            _ => None,
        }
    }
}
