//! What became of the sessions of an endpoint, as far as it takes to say why there is none.

use crate::engine::{Kind, Reason, Session, Time};
use crate::sync::{AtomicBool, AtomicU64};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub(super) struct Fate {
    /// Whether any connection to the server stored something, whatever it verified.
    any_stored: Arc<AtomicBool>,
    /// Sessions that came into the cache.
    stored: AtomicU64,
    /// Single-use sessions that attempts took and did not give back.
    taken: AtomicU64,
    /// When the last one expires.
    expires: AtomicU64,
    /// Whether the server refused one, and none was stored since.
    refused: AtomicBool,
}

impl Fate {
    pub(super) fn new(any_stored: Arc<AtomicBool>) -> Self {
        Self {
            any_stored,
            stored: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            expires: AtomicU64::new(0),
            refused: AtomicBool::new(false),
        }
    }

    pub(super) fn stored(&self, expires: Time) {
        self.stored.fetch_add(1, Relaxed);
        self.any_stored.store(true, Relaxed);
        self.expires.fetch_max(expires.0, Relaxed);
        self.refused.store(false, Relaxed);
    }

    #[inline]
    pub(super) fn taken(&self, session: &Session) {
        if session.kind == Kind::SingleUse {
            self.taken.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn returned(&self, session: &Session) {
        if session.kind == Kind::SingleUse {
            self.taken.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn refused(&self) {
        self.refused.store(true, Relaxed);
    }

    /// Why there is none.
    pub(super) fn reason(&self, now: Time) -> Reason {
        let stored = self.stored.load(Relaxed);
        if stored == 0 && self.any_stored.load(Relaxed) {
            Reason::OtherVerification
        } else if stored == 0 {
            Reason::NothingStored
        } else if self.refused.load(Relaxed) {
            Reason::Refused
        } else if self.expires.load(Relaxed) <= now.0 {
            Reason::Expired
        } else if self.taken.load(Relaxed) >= stored {
            Reason::Taken
        } else {
            Reason::Evicted
        }
    }
}
