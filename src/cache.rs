//! A cache, with what is on its way to each of its endpoints.

#[cfg(agent)]
use crate::agent::Agent;
use crate::engine::{Clock, Engine, Key, Listener, Options, Space, Stats};
use crate::error::Error;
use crate::event::Event;
use crate::identity::EndpointKey;
use crate::registry::{Leftovers, Registry, Value};
use crate::session::Session;
use crate::session_info::SessionInfo;
use crate::supply::Supply;
use crate::sync::{AtomicBool, Mutex};
use crate::sys::{self, PerProcess};
use std::fmt;
use std::mem;
use std::sync::Arc;

/// The longest key of the caller's own, in bytes.
pub(crate) const MAX_KEY: usize = 1024;

/// A bounded, thread-safe store of sessions, and of what is on its way to it. One for each cluster object
/// or connection pool is usual.
///
/// What binds it to a TLS configuration is a [`Config`](crate::Config); for rustls, see the module `rustls`.
/// A child process finds it empty after a fork, and may use it at once.
pub struct Cache {
    engine: Arc<Engine>,
    supplies: PerProcess<Mutex<Supplies>>,
    /// What its sessions are shared through.
    #[cfg(agent)]
    agent: Option<Arc<Agent>>,
}

/// A supply lives while an attempt uses it, and after that as long as there is room: as many are remembered as
/// endpoints, and more of those where offers did harm.
#[derive(Default)]
struct Supplies {
    by_key: Registry<Supply>,
    /// Whether anything was stored for a server, whatever the connection verified; by the key without that.
    any_stored: Registry<AtomicBool>,
}

impl Value for AtomicBool {}

impl Cache {
    /// Makes a cache that is bounded by these options.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        Self::over(options, Clock::System, None)
    }

    /// Makes a cache that calls `listener` when something happens to its sessions: on whichever thread is
    /// using the cache, with no lock held. It may use the cache itself. It must not panic: what the call that
    /// it interrupts had still to do would be left undone.
    #[must_use]
    pub fn with_events(
        options: Options,
        listener: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let listener = Event::translated_for(listener);
        Self::over(options, Clock::System, Some(listener))
    }

    pub(crate) fn over(options: Options, clock: Clock, listener: Option<Listener>) -> Arc<Self> {
        let watched = sys::watch_forks();
        let engine = Engine::new(options, clock, listener);
        // Without it, a child process would share its parent's tickets: rather none at all.
        if !watched {
            engine.close();
        }
        Arc::new(Self {
            engine: Arc::new(engine),
            supplies: PerProcess::new(Mutex::default()),
            #[cfg(agent)]
            agent: None,
        })
    }

    /// The same cache, which has no other owner yet, sharing its sessions with other processes.
    ///
    /// The agent keeps the sessions of configs with an [`identity`](crate::Config::identity) that are bytes, for
    /// all processes of this user that name the same identity and endpoint. All other sessions stay here, and
    /// so does everything while no agent answers. An attempt gets a session from here or, if there is none, on
    /// loan from the agent. A program that publishes a session can impersonate its server to any program that
    /// resumes it, since a resumed handshake shows no certificate: share only among programs that you trust
    /// alike.
    ///
    /// Configs with a client certificate do not share unless
    /// [`share_client_certificate`](crate::Config::share_client_certificate) says so.
    #[cfg(agent)]
    #[must_use]
    pub fn with_agent(mut self: Arc<Self>, agent: Agent) -> Arc<Self> {
        if let Some(cache) = Arc::get_mut(&mut self) {
            cache.agent = Some(Arc::new(agent));
        }
        self
    }

    #[cfg(agent)]
    pub(crate) fn agent(&self) -> Option<&Arc<Agent>> {
        self.agent.as_ref()
    }

    #[inline]
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// How the cache is bounded.
    #[must_use]
    pub fn options(&self) -> &Options {
        self.engine.options()
    }

    /// What has happened in the cache so far, and what it holds now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Stores a session under a key of the caller's own, of 1 to 1024 bytes.
    ///
    /// For callers that do everything themselves: the key must hold all that may not be mixed (host, port,
    /// server name, and everything in the TLS configuration that decides whom to trust and who to be), and
    /// the session must come from a connection that was established. [`Config`](crate::Config) does both.
    ///
    /// # Errors
    /// The session was not kept: [`Error::InvalidArgument`], [`Error::TooLarge`], [`Error::Discarded`],
    /// [`Error::Closed`] or [`Error::NoMemory`].
    pub fn put(&self, key: &[u8], info: &SessionInfo, bytes: &[u8]) -> Result<(), Error> {
        let key = self.key(key)?;
        if bytes.is_empty() {
            return Err(Error::InvalidArgument);
        }
        let received = info.check()?;
        Ok(received.put_alone(&self.engine, &key, bytes)?)
    }

    /// Takes the newest session under a key of the caller's own; a TLS 1.3 ticket leaves the cache with
    /// it. `None`: there is none.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Session> {
        let key = self.key(key).ok()?;
        let now = self.engine.now();
        let mut taken = None;
        let mut garbage = self.engine.garbage();
        self.engine
            .take_at(&key, now, false, &mut garbage, &mut taken);
        Some(Session::taken(taken?, now))
    }

    /// Drops all sessions under a key of the caller's own; false: there was none.
    pub fn remove(&self, key: &[u8]) -> bool {
        self.key(key).is_ok_and(|key| self.engine.remove(&key))
    }

    fn key<'a>(&self, key: &'a [u8]) -> Result<Key<'a>, Error> {
        match key.len() {
            0 => Err(Error::InvalidArgument),
            1..=MAX_KEY => Ok(self.engine.key(Space::Caller, key)),
            _ => Err(Error::TooLarge),
        }
    }

    /// Drops every session of every endpoint and config. Sessions that attempts have taken are not
    /// touched.
    pub fn clear(&self) {
        self.engine.clear();
    }

    /// Drops the expired sessions, and returns how many there were. Optional: expired sessions are never
    /// offered, and later stores purge them gradually. Call it to reclaim memory in an idle cache.
    pub fn clear_expired(&self) -> u64 {
        self.engine.clear_expired()
    }

    /// Drops every session and keeps none from here on. Attempts that wait for a session are told to do
    /// without; configs and attempts stay valid and find nothing.
    pub fn close(&self) {
        self.engine.close();
        let now = self.engine.now();
        let all = mem::take(&mut *self.supplies().lock());
        for supply in all.by_key.into_values() {
            drop(supply.close(now));
        }
    }

    /// The supply of a config and an endpoint.
    pub(crate) fn supply(&self, key: &EndpointKey) -> Arc<Supply> {
        let room = self.engine.options().max_endpoints as usize;
        // Dropped after the lock is gone.
        let (mut idle, mut unused) = (Leftovers::default(), Leftovers::default());
        let Supplies { by_key, any_stored } = &mut *self.supplies().lock();
        by_key.get_or_insert(&key.bytes, room, &mut idle, || {
            let make = AtomicBool::default;
            let any_stored = any_stored.get_or_insert(key.server(), room, &mut unused, make);
            let in_engine = self.engine.key(Space::Endpoint, &key.bytes).into();
            Supply::new(&self.engine, in_engine, any_stored)
        })
    }

    fn supplies(&self) -> &Mutex<Supplies> {
        self.supplies.get(Mutex::default)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
