//! What an attempt is to the agent, which has one of its own for it.

use super::channel::{Channel, after};
use super::protocol::{MAX_SESSION, Reply, Request};
use super::{Agent, Away};
use crate::engine::Reason;
use crate::sync::AtomicU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

pub(crate) struct Counterpart {
    agent: Arc<Agent>,
    key: Box<[u8]>,
    /// What the agent knows the attempt by; 0: it does not.
    attempt: AtomicU64,
}

/// What the agent has for an attempt.
pub(crate) struct Answer<B> {
    pub(crate) session: Result<Lent<B>, Reason>,
    /// Whether it took a wait.
    pub(crate) waited: bool,
}

/// A session that the agent lends. `B` is what was made of its bytes.
pub(crate) struct Lent<B> {
    pub(crate) tls_version: u16,
    pub(crate) age_ms: u64,
    pub(crate) left_ms: u64,
    pub(crate) lineage_ms: u64,
    pub(crate) bytes: B,
}

/// What a connection brought, for the agent.
pub(crate) struct Brought<'a> {
    pub(crate) tls_version: u16,
    pub(crate) left_ms: u64,
    pub(crate) bytes: &'a [u8],
}

impl Brought<'_> {
    fn request(&self, attempt: u64) -> Request<'_> {
        Request::Received {
            attempt,
            tls_version: self.tls_version,
            left_ms: self.left_ms,
            session: self.bytes,
        }
    }
}

/// A question to the agent that it has not answered yet, or whose answer nobody has looked at.
pub(crate) struct Asking {
    channel: Channel,
    attempt: u64,
}

impl AsFd for Asking {
    /// Readable when the answer is there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Counterpart {
    pub(super) fn new(agent: &Arc<Agent>, key: Box<[u8]>) -> Self {
        Self {
            agent: Arc::clone(agent),
            key,
            attempt: AtomicU64::new(0),
        }
    }

    /// Whether the agent knows of the attempt.
    fn is_known(&self) -> bool {
        self.attempt.load(Relaxed) != 0
    }

    fn attempt(&self) -> u64 {
        self.attempt.load(Relaxed)
    }

    /// Asks for a session, and waits for it up to `wait_ms` and the agent's budget. `keep` takes its bytes out.
    pub(crate) fn lease<B>(
        &self,
        wait_ms: u32,
        keep: impl FnOnce(&[u8]) -> Option<B>,
    ) -> Result<Answer<B>, Away> {
        if self.agent.budget.is_zero() {
            return Err(Away::WouldWait);
        }
        let asking = self.ask(wait_ms)?;
        let wait = Duration::from_millis(wait_ms.into());
        let deadline = after(self.agent.budget.saturating_add(wait));
        self.answer(asking, deadline, keep)
    }

    /// Asks for a session, for an attempt that would wait for it.
    pub(crate) fn ask(&self, wait_ms: u32) -> Result<Asking, Away> {
        let attempt = self.agent.number();
        let key = &self.key;
        let channel = self.agent.ask(&Request::Lease {
            attempt,
            wait_ms,
            key,
        })?;
        Ok(Asking { channel, attempt })
    }

    /// Has the answer to what was asked before. If it is not there, the agent is to give one now.
    pub(crate) fn finish<B>(
        &self,
        mut asking: Asking,
        keep: impl FnOnce(&[u8]) -> Option<B>,
    ) -> Result<Answer<B>, Away> {
        let budget = self.agent.budget;
        let channel = &mut asking.channel;
        let told = match channel.receive(after(Duration::ZERO)) {
            Ok(None) if budget.is_zero() => {
                self.give_up(asking);
                return Err(Away::WouldWait);
            }
            Ok(None) => channel.send(&[Request::Cancel], after(budget)),
            answered => answered.map(|_| ()),
        };
        if let Err(why) = told {
            self.agent.failed();
            return Err(why);
        }
        self.answer(asking, after(budget), keep)
    }

    /// Nobody wants the answer any more. A session in it goes back. Waits for nothing, as `Agent::say`.
    pub(crate) fn give_up(&self, asking: Asking) {
        let Asking {
            mut channel,
            attempt,
        } = asking;
        let request = Request::Failed { attempt, facts: 0 };
        if channel.send(&[request], after(Duration::ZERO)).is_ok() {
            channel.owed += 1;
            self.agent.put_by(channel);
        }
    }

    /// Without an answer the channel is closed, and the agent takes what it may have given for spent.
    fn answer<B>(
        &self,
        asking: Asking,
        deadline: Instant,
        keep: impl FnOnce(&[u8]) -> Option<B>,
    ) -> Result<Answer<B>, Away> {
        let Asking {
            mut channel,
            attempt,
        } = asking;
        let answer = match channel.receive(deadline) {
            Ok(None) => Err(Away::Slow),
            Ok(Some(reply)) if reply.attempt() != Some(attempt) => Err(Away::Nonsense),
            Ok(Some(Reply::Leased {
                attempt: _,
                tls_version,
                age_ms,
                left_ms,
                lineage_ms,
                waited,
                session,
            })) => keep(session).ok_or(Away::NoMemory).map(|bytes| Answer {
                session: Ok(Lent {
                    tls_version,
                    age_ms,
                    left_ms,
                    lineage_ms,
                    bytes,
                }),
                waited,
            }),
            Ok(Some(Reply::None {
                attempt: _,
                reason,
                waited,
            })) => Ok(Answer {
                session: Err(Reason::from_number(reason).unwrap_or(Reason::NothingStored)),
                waited,
            }),
            Ok(Some(_)) => Err(Away::Nonsense),
            Err(why) => Err(why),
        };
        match &answer {
            Ok(_) => {
                self.attempt.store(attempt, Relaxed);
                channel.consume();
                self.agent.answered();
                self.agent.put_by(channel);
            }
            Err(_) => self.agent.failed(),
        }
        answer
    }

    /// The attempt goes without a session of the agent's, and may bring some.
    pub(crate) fn begin(&self) -> bool {
        if self.is_known() {
            return true;
        }
        let attempt = self.agent.number();
        let key = &self.key;
        let mut known = true;
        let told = self
            .agent
            .tell(&[Request::Begin { attempt, key }], |_, reply| {
                known = matches!(reply, Reply::Done { .. });
            });
        let known = known && told.is_ok();
        if known {
            self.attempt.store(attempt, Relaxed);
        }
        known
    }

    /// The attempt is established, and has brought these sessions. Says which of them the agent has not
    /// taken, if that is known: what may have arrived nobody else is to offer.
    pub(crate) fn established(
        &self,
        resumed: bool,
        lineage_ms: u64,
        brought: &[Brought<'_>],
    ) -> Vec<usize> {
        let attempt = self.attempt();
        let end = Request::Established {
            attempt,
            resumed,
            lineage_ms,
        };
        let requests = brought.iter().map(|one| one.request(attempt)).chain([end]);
        let requests: Vec<_> = requests.collect();
        let mut left = Vec::new();
        let told = self.agent.tell(&requests, |nth, reply| {
            if nth < brought.len() && matches!(reply, Reply::Unknown { .. }) {
                left.push(nth);
            }
        });
        match told {
            Err(trouble) if !trouble.sent => (0..brought.len()).collect(),
            _ => left,
        }
    }

    /// The connection, established before, has brought another session; false: the agent has not taken it.
    pub(crate) fn received(&self, brought: &Brought<'_>) -> bool {
        let mut taken = true;
        let request = brought.request(self.attempt());
        let told = self.agent.tell(&[request], |_, reply| {
            taken = !matches!(reply, Reply::Unknown { .. });
        });
        taken && told.map_or_else(|trouble| trouble.sent, |()| true)
    }

    /// The attempt failed, with these facts.
    pub(crate) fn failed(&self, facts: u8) {
        match self.attempt.swap(0, Relaxed) {
            0 => {}
            attempt => self.agent.say(&Request::Failed { attempt, facts }),
        }
    }

    /// The connection is closed, or nobody said how the attempt ended.
    pub(crate) fn gone(&self) {
        match self.attempt.swap(0, Relaxed) {
            0 => {}
            attempt => self.agent.say(&Request::Gone { attempt }),
        }
    }

    /// Whether the agent may have a session of this length.
    pub(crate) fn takes(&self, bytes: &[u8]) -> bool {
        self.is_known() && bytes.len() <= MAX_SESSION
    }
}
