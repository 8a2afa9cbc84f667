//! The sessions of all users, and the processes that share them.

use crate::args::Args;
use crate::process::Process;
use crate::quota::Quota;
use crate::user::{User, Users};
use crate::valkey::{Fleet, Shared};
use libtsc::agent::protocol;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

pub struct Host {
    pub(crate) users: Users,
    pub(crate) lease: Duration,
    max_attempts: usize,
    processes: RefCell<HashMap<(u32, protocol::Process), Weak<Process>>>,
    pub(crate) connections: Quota,
    /// The agents of other hosts.
    pub(crate) fleet: Option<Rc<Fleet>>,
}

impl Host {
    pub fn new(args: &Args) -> anyhow::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            users: Users::new(args),
            lease: args.lease(),
            max_attempts: args.max_attempts,
            processes: RefCell::default(),
            connections: Quota::new(args.max_connections),
            fleet: Fleet::new(args)?,
        }))
    }

    /// The process with this id. Whatever id it gives, it gets the sessions of its own user only. `None`: the user has
    /// too many processes.
    pub(crate) fn process(
        &self,
        user: &Rc<User>,
        pid: Option<i32>,
        id: protocol::Process,
    ) -> Option<Rc<Process>> {
        let known = self
            .processes
            .borrow()
            .get(&(user.uid, id))
            .and_then(Weak::upgrade);
        if known.is_some() {
            return known;
        }
        let place = user.processes.take()?;
        let shared = self.fleet.as_ref().map(|fleet| {
            let uid = self.users.are_apart().then_some(user.uid);
            Shared::new(fleet, uid, &user.cache)
        });
        let process = Process::new(user, place, shared, self.max_attempts);
        let process = Rc::new(process);
        process.watch(pid);
        let mut processes = self.processes.borrow_mut();
        processes.retain(|_, process| process.strong_count() != 0);
        processes.insert((user.uid, id), Rc::downgrade(&process));
        Some(process)
    }

    /// Ends leases that have run out, and forgets processes that have nothing here.
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

    /// The statistics, as text for Prometheus.
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
            self.connections.used() as u64,
        );
        own(
            "gauge",
            "processes",
            "Processes that are connected or have sessions on loan.",
            count,
        );
        own(
            "gauge",
            "attempts",
            "Connection attempts that are under way or established.",
            attempts,
        );
        if let Some(fleet) = &self.fleet {
            fleet.status(&mut own);
        }
        let caches = self.users.caches().into_iter();
        let users: Vec<_> = caches
            .map(|(uid, cache, lent)| (uid, cache.stats(), lent))
            .collect();
        let name = "tsc_agent_lent_total";
        let _ = writeln!(text, "# HELP {name} Sessions lent to processes.");
        let _ = writeln!(text, "# TYPE {name} counter");
        for (uid, _, lent) in &users {
            let _ = writeln!(text, "{name}{{uid=\"{uid}\"}} {lent}");
        }
        macro_rules! each {
            ($($kind:literal $name:ident $suffix:literal $help:literal),* $(,)?) => { $(
                let name = concat!("tsc_agent_", stringify!($name), $suffix);
                let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {}", $help, $kind);
                for (uid, stats, _) in &users {
                    let _ = writeln!(text, "{name}{{uid=\"{uid}\"}} {}", stats.$name);
                }
            )* };
        }
        each! {
            "counter" resumed "_total" "Lent sessions that the server resumed.",
            "counter" refused "_total" "Lent sessions that the server refused.",
            "counter" returned "_total" "Sessions that came back: lent and not sent, or reserved for an attempt that did not take them.",
            "counter" missed "_total" "Requests for which there was no session to lend.",
            "counter" stored "_total" "Sessions that processes received and handed to the agent.",
            "counter" expired "_total" "Sessions dropped because they had expired.",
            "counter" evicted "_total" "Sessions dropped to keep a limit.",
            "counter" displaced "_total" "Sessions that made room for newer ones of their endpoint.",
            "counter" removed "_total" "Sessions dropped because the server refused another one of the same lineage.",
            "counter" taken "_total" "Sessions that left the store: lent, or reserved for a waiting attempt.",
            "counter" established "_total" "Attempts that were established.",
            "counter" failed "_total" "Attempts that failed.",
            "counter" unfinished "_total" "Attempts whose end the agent was not told.",
            "counter" waited "_total" "Attempts that waited for a session.",
            "counter" waits_served "_total" "Attempts that waited for a session and got one.",
            "counter" withheld "_total" "Attempts that were lent nothing because the breaker of their endpoint was open.",
            "counter" breaker_opened "_total" "Times that the breaker of an endpoint opened: resumption did harm there.",
            "gauge" endpoints "" "Endpoints with sessions.",
            "gauge" sessions "" "Sessions in the store.",
            "gauge" bytes "" "Bytes of the sessions in the store.",
        }
        text
    }
}
