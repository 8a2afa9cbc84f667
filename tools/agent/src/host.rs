//! All users' sessions, and the processes that have some of them.

use crate::args::Args;
use crate::process::Process;
use crate::valkey::{Fleet, Shared};
use libtsc::agent::protocol;
use libtsc::{Cache, Options};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Host {
    options: Options,
    share_between_users: bool,
    pub(crate) lease: Duration,
    max_attempts: usize,
    /// By user; what one publishes no other is offered.
    caches: RefCell<HashMap<u32, Arc<Cache>>>,
    processes: RefCell<HashMap<(u32, protocol::Process), Weak<Process>>>,
    pub(crate) connections: Cell<usize>,
    /// The agents of other hosts.
    pub(crate) fleet: Option<Rc<Fleet>>,
}

/// How many users are remembered. Their caches stay, as long as the agent runs.
const MAX_USERS: usize = 1000;

impl Host {
    pub(crate) fn new(args: &Args) -> anyhow::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            options: args.options(),
            share_between_users: args.share_between_users,
            lease: args.lease(),
            max_attempts: args.max_attempts,
            caches: RefCell::default(),
            processes: RefCell::default(),
            connections: Cell::new(0),
            fleet: Fleet::new(args)?,
        }))
    }

    fn cache(&self, uid: u32) -> Option<Arc<Cache>> {
        let user = if self.share_between_users { 0 } else { uid };
        let mut caches = self.caches.borrow_mut();
        if caches.len() >= MAX_USERS && !caches.contains_key(&user) {
            return None;
        }
        let cache = caches.entry(user);
        Some(Arc::clone(
            cache.or_insert_with(|| Cache::new(self.options)),
        ))
    }

    /// The process that says it is this one. It has the sessions of its user, whatever it says.
    pub(crate) fn process(
        &self,
        uid: u32,
        pid: Option<i32>,
        id: protocol::Process,
    ) -> Option<Rc<Process>> {
        let known = self
            .processes
            .borrow()
            .get(&(uid, id))
            .and_then(Weak::upgrade);
        if known.is_some() {
            return known;
        }
        let cache = self.cache(uid)?;
        let shared = self.fleet.as_ref().map(|fleet| {
            let user = (!self.share_between_users).then_some(uid);
            Shared::new(fleet, user, &cache)
        });
        let process = Rc::new(Process::new(cache, shared, self.max_attempts));
        process.watch(pid);
        let mut processes = self.processes.borrow_mut();
        processes.retain(|_, process| process.strong_count() != 0);
        processes.insert((uid, id), Rc::downgrade(&process));
        Some(process)
    }

    /// Takes what was lent too long ago for used, and forgets what is over.
    pub(crate) fn sweep(&self) {
        let processes: Vec<_> = self
            .processes
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for process in processes {
            process.end_leases(self.lease);
            process.forget_if_idle();
        }
        if let Some(fleet) = &self.fleet {
            fleet.sweep();
        }
    }

    /// How it is, as text for Prometheus.
    pub(crate) fn status(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let processes = self.processes.borrow();
        let living = processes.values().filter_map(Weak::upgrade);
        let (mut count, mut attempts) = (0, 0);
        for process in living {
            count += 1;
            attempts += process.attempts() as u64;
        }
        let mut own = |kind: &str, name: &str, help: &str, value: u64| {
            let _ = writeln!(text, "# HELP tsc_agent_{name} {help}");
            let _ = writeln!(
                text,
                "# TYPE tsc_agent_{name} {kind}\ntsc_agent_{name} {value}"
            );
        };
        own(
            "gauge",
            "connections",
            "Connections of processes.",
            self.connections.get() as u64,
        );
        own("gauge", "processes", "Processes that are connected.", count);
        own(
            "gauge",
            "attempts",
            "Connection attempts that are under way or established.",
            attempts,
        );
        if let Some(fleet) = &self.fleet {
            fleet.status(&mut own);
        }
        let caches = self.caches.borrow();
        let mut users: Vec<_> = caches
            .iter()
            .map(|(uid, cache)| (*uid, cache.stats()))
            .collect();
        users.sort_unstable_by_key(|&(uid, _)| uid);
        macro_rules! each {
            ($($kind:literal $name:ident $suffix:literal $help:literal),* $(,)?) => { $(
                let name = concat!("tsc_agent_", stringify!($name), $suffix);
                let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {}", $help, $kind);
                for (uid, stats) in &users {
                    let _ = writeln!(text, "{name}{{uid=\"{uid}\"}} {}", stats.$name);
                }
            )* };
        }
        each! {
            "counter" offered "_total" "Sessions that were lent.",
            "counter" resumed "_total" "Of these, how many were resumed.",
            "counter" refused "_total" "Of these, how many the server refused.",
            "counter" returned "_total" "Of these, how many came back because they were not sent.",
            "counter" missed "_total" "Times that there was no session to lend.",
            "counter" stored "_total" "Sessions that processes brought.",
            "counter" expired "_total" "Sessions dropped because they had expired.",
            "counter" evicted "_total" "Sessions dropped to keep a limit.",
            "counter" displaced "_total" "Sessions that made room for newer ones of their endpoint.",
            "counter" removed "_total" "Sessions that were dropped with a refused one of the same handshake, or cleared.",
            "counter" taken "_total" "Sessions that left the store: lent, or reserved for who waits.",
            "counter" established "_total" "Attempts that were established.",
            "counter" failed "_total" "Attempts that failed.",
            "counter" unfinished "_total" "Attempts of which nobody said how they ended.",
            "counter" waited "_total" "Attempts that waited for a session.",
            "counter" waits_served "_total" "Of these, how many got one.",
            "counter" withheld "_total" "Attempts that were lent nothing because offers did harm.",
            "counter" breaker_opened "_total" "Times that offering was stopped at an endpoint because it did harm.",
            "gauge" endpoints "" "Endpoints that have sessions.",
            "gauge" sessions "" "Sessions.",
            "gauge" bytes "" "Bytes of these sessions.",
        }
        text
    }
}
