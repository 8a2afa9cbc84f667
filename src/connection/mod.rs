//! One connection's view of the cache, from the attempt to make it until it is closed: what it offers,
//! what it receives, how the attempt ended.

mod gate;
mod offer;
mod outcome;
#[cfg_attr(not(agent), path = "alone.rs")]
mod sharing;
mod staging;
mod waiting;

pub use outcome::{AttemptInfo, AttemptState, Failure};
pub(crate) use waiting::Plan;

use crate::config::Config;
use crate::endpoint::{Endpoint, Invalid};
use crate::engine::{EventKind, Lineage, Reason, Session, Stats, Time};
use crate::error::Error;
use crate::supply::{End, Flight, Supply, Wait};
use crate::sync::{Mutex, MutexGuard};
use crate::sys;
use offer::Offer;
use outcome::Ended;
use sharing::{Link, Loan};
use staging::Staging;
use std::fmt;
use std::sync::Arc;

/// One connection's view of the cache.
///
/// It may outlive the attempt's handle: a TLS connection that is still open holds it (through rustls's
/// session store), and later tickets keep coming in.
pub(crate) struct Connection {
    supply: Arc<Supply>,
    flight: Arc<Flight>,
    /// What the server's certificate is checked against.
    #[cfg(any(test, feature = "rustls"))]
    name: Box<[u8]>,
    /// When the client's own certificate ends, in Unix seconds.
    client_not_after: Option<i64>,
    generation: u32,
    begun: Time,
    link: Link,
    progress: Mutex<Progress>,
}

/// How far a connection has come.
#[derive(Default)]
struct Progress {
    ended: Option<Ended>,
    offer: Offer,
    wait: Option<Arc<Wait>>,
    /// Whether it waited, and nothing was kept for it.
    waited_in_vain: bool,
    loan: Loan,
    /// Whether what it offers is the agent's.
    is_borrowed: bool,
    staged: Staging,
    /// Whether a session was taken in with the peer's certificates, which the next ones share.
    shares: bool,
    /// How many sessions came before it was established, and were not taken.
    declined: u32,
    note: u16,
    /// When the server's certificate ends, in Unix seconds.
    not_after: Option<i64>,
    info: AttemptInfo,
}

impl Progress {
    /// Has `take` find the session to offer; false: there is none.
    #[inline]
    fn lease(&mut self, take: impl FnOnce(&mut Option<Session>)) -> bool {
        let found = self.offer.lease(take);
        self.info.offered |= found;
        found
    }
}

impl Progress {
    /// There is nothing to offer, for this reason. Says what is to be told, if it was not yet.
    fn give_up(&mut self, reason: Reason) -> Option<Reason> {
        if self.info.reason != Reason::None {
            return None;
        }
        self.info.reason = match reason {
            Reason::NothingStored | Reason::Taken if self.waited_in_vain => Reason::WaitedInVain,
            reason => reason,
        };
        Some(self.info.reason)
    }
}

/// Why a call has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// The attempt is past the point where it has a meaning.
    WrongState,
    /// Resumed, it is said, but nothing was offered.
    NothingOffered,
    /// The attempt was begun in the process that this one was forked from.
    Forked,
}

impl From<NotNow> for Error {
    fn from(why: NotNow) -> Self {
        match why {
            NotNow::WrongState => Self::WrongState,
            NotNow::NothingOffered => Self::InvalidArgument,
            NotNow::Forked => Self::Closed,
        }
    }
}

impl Connection {
    pub(crate) fn new(config: &Config, endpoint: &Endpoint<'_>) -> Result<Arc<Self>, Invalid> {
        let supply = config.supply(endpoint)?;
        let client_not_after = config.client_not_after;
        let link = Link::new(config, endpoint);
        // Foreign code, which may free the config.
        let begun = supply.engine().now();
        Ok(Arc::new(Self {
            flight: Supply::join(),
            supply,
            #[cfg(any(test, feature = "rustls"))]
            name: endpoint.name().into(),
            client_not_after,
            generation: sys::generation(),
            begun,
            link,
            progress: Mutex::default(),
        }))
    }

    /// What the server's certificate is checked against.
    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn server_name(&self) -> &[u8] {
        &self.name
    }

    fn now(&self) -> Time {
        self.supply.engine().now()
    }

    /// A child process must not touch what its parent's threads may have been changing.
    pub(crate) fn check_process(&self) -> Result<(), NotNow> {
        if self.generation == sys::generation() {
            Ok(())
        } else {
            Err(NotNow::Forked)
        }
    }

    /// Something small that the TLS stack wants to know at the next connection; kept once established.
    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn set_note(&self, note: u16) {
        if self.check_process().is_ok() {
            self.progress.lock().note = note;
        }
    }

    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn note(&self) -> Option<u16> {
        self.check_process().ok()?;
        self.supply.note()
    }

    /// How many sessions to ask the server for (RFC 9149), if others wait for some.
    #[cfg(feature = "rustls")]
    pub(crate) fn demand(&self) -> Option<usize> {
        self.check_process().ok()?;
        self.supply.demand()
    }

    /// Drops the reusable session of this endpoint: the server speaks TLS 1.3 now.
    #[cfg(any(test, feature = "rustls"))]
    pub(crate) fn remove_reusable(&self) {
        if self.check_process().is_ok() {
            self.supply.engine().remove_reusable(&self.supply.key());
        }
    }

    /// A lineage ends with the certificates of both sides, if not before.
    fn bounded(&self, lineage: Lineage, now: Time, not_after: Option<i64>) -> Lineage {
        lineage.until(now, not_after.min_some(self.client_not_after))
    }

    /// Tells why the attempt goes without a session. No lock is held here.
    fn tell(&self, reason: Option<Reason>) {
        if let Some(reason) = reason {
            let supply = &self.supply;
            supply
                .engine()
                .tell(&supply.key(), EventKind::NotOffered(reason), 0);
        }
    }

    fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.supply.count(change);
    }

    /// A session that came is not kept.
    fn turn_away(&self, mut progress: MutexGuard<'_, Progress>, count: impl FnOnce(&mut Stats)) {
        progress.info.discarded += 1;
        drop(progress);
        self.count(count);
    }
}

/// The smaller of what is known.
trait MinSome {
    fn min_some(self, other: Self) -> Self;
}

impl MinSome for Option<i64> {
    fn min_some(self, other: Self) -> Self {
        [self, other].into_iter().flatten().min()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.generation != sys::generation() {
            // The parent's; its threads may have been in the middle of a change.
            std::mem::forget(std::mem::take(self.progress.get_mut()));
            return;
        }
        let progress = self.progress.get_mut();
        let staged = std::mem::take(&mut progress.staged);
        staged.discard(self.supply.engine());
        self.leave_agent();
        if self.flight.established().is_some() {
            self.supply.gone();
        }
        // The TLS connection is gone: whatever it has not brought, it will not.
        if !self.flight.is_over() {
            self.supply.ended(&self.flight, self.now(), End::Over);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
