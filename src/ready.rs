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

/// Becomes ready when an attempt has nothing to wait for any more. See
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
    Waiting(task::Waker),
    Over,
}

impl Ready {
    pub(crate) fn new(connection: &Arc<Connection>, max_wait_ms: u32) -> Self {
        Self {
            connection: Arc::clone(connection),
            max_wait_ms,
            state: State::Unasked,
        }
    }
}

impl Future for Ready {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.state {
            State::Unasked => {
                let signal = Arc::new(Mutex::new(Signal::Waiting(context.waker().clone())));
                let ours = Arc::clone(&signal);
                let waker = Waker::new(move || {
                    let before = mem::replace(&mut *signal.lock(), Signal::Over);
                    // Called with no lock held: it may poll at once.
                    if let Signal::Waiting(task) = before {
                        task.wake();
                    }
                });
                let plan = self.connection.plan(self.max_wait_ms, waker);
                match plan {
                    Ok(Plan::Wait) => {
                        self.state = State::Waiting(ours);
                        Poll::Pending
                    }
                    Ok(Plan::Go) => {
                        self.state = State::Done;
                        Poll::Ready(Ok(()))
                    }
                    Err(why) => {
                        self.state = State::Done;
                        Poll::Ready(Err(why.into()))
                    }
                }
            }
            State::Waiting(signal) => {
                let mut signal = signal.lock();
                let replaced = match &mut *signal {
                    Signal::Over => None,
                    // The task may have moved to another executor.
                    Signal::Waiting(task) => Some(mem::replace(task, context.waker().clone())),
                };
                drop(signal);
                if replaced.is_some() {
                    return Poll::Pending;
                }
                self.state = State::Done;
                Poll::Ready(Ok(()))
            }
            State::Done => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let State::Waiting(_) = self.state {
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
