//! Waiting for a session by a descriptor.

use crate::connection::{Connection, Plan};
use crate::error::Error;
use crate::supply::Waker;
use crate::sys::Timer;
#[cfg(agent)]
use rustix::event::epoll;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

/// A descriptor that becomes readable when an attempt has nothing to wait for any more. See
/// [`Attempt::wait_fd`](crate::Attempt::wait_fd).
///
/// It is for an event loop to watch, and not to be read. It is closed when it is dropped.
pub struct WaitFd(Watched);

enum Watched {
    /// The call that ends the wait rings it.
    Queue(Arc<Timer>),
    /// The agent's answer, beside a timer, which is open for as long as it is watched.
    #[cfg(agent)]
    Agent {
        epoll: std::os::fd::OwnedFd,
        _timer: Timer,
    },
}

/// How far the library's clock may be behind a timer's: what that is set for has come about then.
const TICK_MS: u64 = 10;

impl WaitFd {
    /// Has an attempt wait, if there is something to wait for, and `keep` take what tells when that is over, before
    /// foreign code runs.
    pub(crate) fn ask(
        connection: &Connection,
        max_wait_ms: u32,
        keep: impl FnOnce(Self),
    ) -> Result<Plan, Error> {
        #[cfg(agent)]
        {
            let watch = |answer: BorrowedFd<'_>| Self::of_agent(answer, max_wait_ms);
            if let Some(watched) = connection.ask_agent(max_wait_ms, watch)? {
                keep(watched);
                return Ok(Plan::Wait);
            }
        }
        let timer = Arc::new(Timer::set(max_wait_ms).ok_or(Error::NoMemory)?);
        let (rings, looks) = (Arc::clone(&timer), Arc::clone(&timer));
        let waker = Waker::new(move || rings.ring()).with_clock(move |millis| {
            looks.ring_in(millis.map(|millis| millis + TICK_MS));
        });
        let (plan, calls) = connection.plan_later(max_wait_ms, waker)?;
        if plan == Plan::Wait {
            keep(Self(Watched::Queue(timer)));
        }
        drop(calls);
        Ok(plan)
    }

    #[cfg(agent)]
    fn of_agent(answer: BorrowedFd<'_>, max_wait_ms: u32) -> Option<Self> {
        let timer = Timer::set(max_wait_ms)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).ok()?;
        for fd in [answer, timer.as_fd()] {
            let any = epoll::EventData::new_u64(0);
            epoll::add(&epoll, fd, any, epoll::EventFlags::IN).ok()?;
        }
        let _timer = timer;
        Some(Self(Watched::Agent { epoll, _timer }))
    }
}

impl AsFd for WaitFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Watched::Queue(timer) => timer.as_fd(),
            #[cfg(agent)]
            Watched::Agent { epoll, .. } => epoll.as_fd(),
        }
    }
}

impl AsRawFd for WaitFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for WaitFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitFd").field(&self.as_raw_fd()).finish()
    }
}
