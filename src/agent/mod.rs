//! What a process asks of tsc-agent, which keeps the sessions of a machine's processes together.
//!
//! No call waits longer than its budget, and after trouble the agent is left alone for a while: a process then
//! goes on by itself. No lock is held while a call waits, so each that does has a connection of its own.

mod channel;
mod counterpart;
mod health;
pub mod protocol;

pub(crate) use counterpart::{Answer, Asking, Brought, Counterpart, Lent};

use crate::sync::{AtomicU64, Mutex};
use crate::sys::{self, PerProcess};
use channel::{Channel, after};
use health::Health;
use protocol::{Process, Reply, Request};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fmt;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How many connections to the agent are kept while nobody uses them.
const IDLE: usize = 16;

/// For how long a call waits for the agent by default.
const BUDGET: Duration = Duration::from_millis(2);

/// The agent that a cache shares its sessions through. See [`Cache::with_agent`](crate::Cache::with_agent).
pub struct Agent {
    socket: PathBuf,
    budget: Duration,
    own: PerProcess<Own>,
}

/// What a process has of its own.
struct Own {
    /// `None`: the system has no random numbers, and nothing is shared.
    process: Option<Process>,
    attempts: AtomicU64,
    idle: Mutex<Vec<Channel>>,
    health: Mutex<Health>,
}

impl Own {
    fn new() -> Self {
        let mut process = Process::default();
        let random = getrandom::fill(&mut process).is_ok();
        Self {
            process: random.then_some(process),
            attempts: AtomicU64::new(1),
            idle: Mutex::default(),
            health: Mutex::default(),
        }
    }
}

/// Why the agent is of no help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// It did not answer in time.
    Slow,
    /// There is none, or it has closed the connection, as it does if it is of another version.
    Closed,
    /// It is another user's, or others could put theirs in its place.
    NotTrusted,
    /// It does not keep to the protocol.
    Nonsense,
    NoMemory,
    /// It was of no help a short time ago.
    Paused,
    /// Whoever asks must not wait.
    WouldWait,
    System,
}

/// What came of a call that failed.
struct Trouble {
    why: Away,
    /// Whether the agent may have got something of it.
    sent: bool,
}

impl From<Errno> for Away {
    fn from(why: Errno) -> Self {
        match why {
            Errno::AGAIN => Self::Slow,
            Errno::NOENT | Errno::CONNREFUSED | Errno::PIPE | Errno::CONNRESET => Self::Closed,
            _ => Self::System,
        }
    }
}

impl Agent {
    /// The agent that listens on this Unix socket, an absolute path.
    ///
    /// It has to run as this process's own user or as root, and its folder has to belong to one of the two
    /// and be writable for nobody else. Otherwise nothing is shared.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            budget: BUDGET,
            own: PerProcess::new(Own::new()),
        }
    }

    /// The agent that the environment variable `TSC_AGENT` names; `None` if it is not set, or this process runs
    /// with the rights of somebody else than who started it.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let named = !sys::rights_are_borrowed();
        let socket = named.then(|| std::env::var_os("TSC_AGENT")).flatten();
        socket.filter(|path| *path != OsString::new()).map(Self::at)
    }

    /// For how long a call may wait for the agent, by default 2 ms; then it goes on without. `Duration::ZERO`:
    /// not at all, as in an event loop. An offer then finds what a wait by descriptor has brought, and what this
    /// process received while there was no agent.
    #[must_use]
    pub fn budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    fn own(&self) -> &Own {
        self.own.get(Own::new)
    }

    /// A connection that nobody else uses, and whether it is a new one. Unless there is no reply to wait for, what nobody
    /// waited for before is read.
    fn channel(&self, deadline: Instant, replies: bool) -> Result<(Channel, bool), Away> {
        let own = self.own();
        let mut busy = Vec::new();
        let found = loop {
            let Some(mut idle) = own.idle.lock().pop() else {
                break None;
            };
            if !replies {
                break Some(idle);
            }
            match idle.settle(deadline) {
                Ok(true) => break Some(idle),
                Ok(false) => busy.push(idle),
                Err(_) => {}
            }
        };
        busy.into_iter().for_each(|channel| self.put_by(channel));
        if let Some(channel) = found {
            return Ok((channel, false));
        }
        let process = own.process.ok_or(Away::System)?;
        if !own.health.lock().allows(Instant::now()) {
            return Err(Away::Paused);
        }
        let opened = Channel::open(&self.socket, process, deadline);
        opened.map(|channel| (channel, true))
    }

    /// Keeps a connection for the next call, unless the agent has sent something on it that nobody asked for.
    fn put_by(&self, channel: Channel) {
        if channel.has_more() {
            return;
        }
        let mut idle = self.own().idle.lock();
        let surplus = if idle.len() < IDLE {
            idle.push(channel);
            None
        } else {
            Some(channel)
        };
        drop(idle);
        drop(surplus);
    }

    /// Has `exchange` say something and, perhaps, hear the answer. That takes no longer than the budget or, if there is no
    /// reply to wait for, no time.
    fn talk<R>(
        &self,
        replies: bool,
        mut exchange: impl FnMut(&mut Channel, Instant) -> Result<R, Away>,
    ) -> Result<(R, Channel), Trouble> {
        let deadline = after(if replies { self.budget } else { Duration::ZERO });
        let talked = loop {
            let (mut channel, new) = match self.channel(deadline, replies) {
                Ok(channel) => channel,
                Err(why) => break Err(Trouble { why, sent: false }),
            };
            channel.sent = false;
            match exchange(&mut channel, deadline) {
                Ok(answer) => break Ok((answer, channel)),
                // The agent was started again, so the others are of no use either.
                Err(Away::Closed) if !new && !channel.sent => {
                    drop(mem::take(&mut *self.own().idle.lock()));
                }
                Err(why) => {
                    let sent = channel.sent;
                    break Err(Trouble { why, sent });
                }
            }
        };
        if let Err(trouble) = &talked {
            if trouble.why != Away::Paused {
                self.failed();
            }
        }
        talked
    }

    /// Sends requests, and shows `read` their replies, with the number of each; if this process does not wait
    /// for the agent, none.
    fn tell(
        &self,
        requests: &[Request<'_>],
        mut read: impl FnMut(usize, &Reply<'_>),
    ) -> Result<(), Trouble> {
        let wait = !self.budget.is_zero();
        let told = self.talk(true, |channel, deadline| {
            channel.send(requests, deadline)?;
            channel.owed += u32::try_from(requests.len()).unwrap_or(u32::MAX);
            if wait {
                for (nth, request) in requests.iter().enumerate() {
                    let reply = channel.receive(deadline)?.ok_or(Away::Slow)?;
                    let is_verdict = matches!(reply, Reply::Done { .. } | Reply::Unknown { .. });
                    if !is_verdict || reply.attempt() != request.attempt() {
                        return Err(Away::Nonsense);
                    }
                    read(nth, &reply);
                    channel.consume();
                    channel.owed -= 1;
                }
            }
            Ok(())
        });
        let ((), channel) = told?;
        if wait {
            self.answered();
        }
        self.put_by(channel);
        Ok(())
    }

    /// It is of help.
    fn answered(&self) {
        self.own().health.lock().succeeded();
    }

    /// It is of no help, and left alone for a while.
    fn failed(&self) {
        self.own().health.lock().failed(Instant::now());
    }

    /// Sends a request whose answer may take a while.
    fn ask(&self, request: &Request<'_>) -> Result<Channel, Away> {
        let requests = std::slice::from_ref(request);
        let asked = self.talk(true, |channel, deadline| channel.send(requests, deadline));
        asked
            .map(|((), channel)| channel)
            .map_err(|trouble| trouble.why)
    }

    /// Sends what has no reply, and does not wait, also not for room in the socket: whoever frees a connection may hold
    /// a lock of the language's. If it does not arrive, the agent finds out by itself, later.
    fn say(&self, request: &Request<'_>) {
        let requests = std::slice::from_ref(request);
        if let Ok(((), channel)) =
            self.talk(false, |channel, deadline| channel.send(requests, deadline))
        {
            self.put_by(channel);
        }
    }

    /// A number that no other attempt of this process has.
    fn number(&self) -> u64 {
        self.own().attempts.fetch_add(1, Relaxed)
    }

    /// What an attempt with this key is to the agent.
    pub(crate) fn counterpart(self: &Arc<Self>, key: Box<[u8]>) -> Counterpart {
        Counterpart::new(self, key)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
