//! Waiting for a session as a future.

use crate::connection::{Connection, Plan};
use crate::error::Error;
use crate::supply::Waker;
use crate::sync::Mutex;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};

/// Becomes ready when an attempt has nothing to wait for any more, or has made its offer or ended. See
/// [`Attempt::ready`](crate::Attempt::ready).
#[must_use = "futures do nothing unless polled"]
pub struct Ready {
    connection: Arc<Connection>,
    max_wait_ms: u32,
    state: State,
}

enum State {
    /// Not polled yet.
    Unasked,
    Waiting(Arc<Mutex<Signal>>),
    Done,
}

/// What the queue and the runtime's task share.
enum Signal {
    /// With the task to wake, once it is known.
    Waiting(Option<task::Waker>),
    Over,
}

/// Ends the wait when it is dropped: the queue calls for it, or lets go of it because the attempt made its
/// offer or came to its end.
struct Over(Arc<Mutex<Signal>>);

impl Drop for Over {
    fn drop(&mut self) {
        let before = mem::replace(&mut *self.0.lock(), Signal::Over);
        // Called with no lock held: it may poll at once.
        if let Signal::Waiting(Some(task)) = before {
            task.wake();
        }
    }
}

impl Ready {
    pub(crate) fn new(connection: &Arc<Connection>, max_wait_ms: u32) -> Self {
        Self {
            connection: Arc::clone(connection),
            max_wait_ms,
            state: State::Unasked,
        }
    }

    /// Asks for a place in the queue.
    fn ask(&self) -> Result<State, Error> {
        let signal = Arc::new(Mutex::new(Signal::Waiting(None)));
        let over = Over(Arc::clone(&signal));
        let plan = self
            .connection
            .plan(self.max_wait_ms, Waker::new(move || drop(over)))?;
        Ok(match plan {
            Plan::Go => State::Done,
            Plan::Wait => State::Waiting(signal),
        })
    }
}

impl Future for Ready {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Unasked = self.state {
            self.state = State::Done;
            self.state = self.ask()?;
        }
        let State::Waiting(signal) = &self.state else {
            return Poll::Ready(Ok(()));
        };
        // A parent's threads may have been in the middle of a change.
        self.connection.check_process().map_err(Error::from)?;
        // Cloned and dropped with no lock held: both may be the runtime's code. The task may have moved
        // to another executor.
        let task = context.waker().clone();
        let mut signal = signal.lock();
        let replaced = match &mut *signal {
            Signal::Over => None,
            Signal::Waiting(place) => Some(place.replace(task)),
        };
        drop(signal);
        if replaced.is_some() {
            return Poll::Pending;
        }
        self.state = State::Done;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let State::Waiting(signal) = &self.state else {
            return;
        };
        if self.connection.check_process().is_ok() {
            // Nobody is to be woken any more.
            let _task = mem::replace(&mut *signal.lock(), Signal::Over);
            // Whether the wait was over just now makes no difference: a session that was kept for the
            // attempt is still there to be offered.
            let _ = self.connection.end_wait();
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
