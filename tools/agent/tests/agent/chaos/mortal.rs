//! Processes that live until they are killed.

use super::dice::{Dice, from_environment};
use super::life::Life;
use super::owner::{OWNERS, Owner};
use super::server::{Pipe, TOLD};
use crate::machine::{LONG, NUMBER, signal};
use libtsc::agent::Agent;
use libtsc::{Cache, Failure, Options};
use rustix::process::Signal;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The tests run this program again, as one of these.
const SOCKET: &str = "TSC_AGENT_TEST_MORTAL";

/// How many milliseconds its calls wait for the agent, one of these numbers.
const BUDGETS: &str = "TSC_AGENT_TEST_BUDGETS";

/// Which of those that a test starts it is.
const WHICH: &str = "TSC_AGENT_TEST_WHICH";

#[test]
fn mortal() {
    let Some(me) = Me::from_environment() else {
        return;
    };
    let mut dice = me.dice();
    loop {
        me.life(&mut dice, &tell, &|_, _| ()).live(&mut dice);
    }
}

/// What such a process is told.
pub struct Me {
    socket: PathBuf,
    budgets: Vec<u64>,
}

impl Me {
    /// None: this is none.
    pub fn from_environment() -> Option<Self> {
        let socket = std::env::var_os(SOCKET).map(PathBuf::from)?;
        let budgets = std::env::var(BUDGETS).unwrap();
        let budgets = budgets.split(' ').map(|one| one.parse().unwrap()).collect();
        Some(Self { socket, budgets })
    }

    pub fn dice(&self) -> Dice {
        Dice::of(1000 + from_environment(WHICH, 0))
    }

    pub fn life<'a>(
        &self,
        dice: &mut Dice,
        tell: &'a dyn Fn(&str),
        before_sending: &'a dyn Fn(&Owner, Option<&str>),
    ) -> Life<'a> {
        let budget = *dice.choose(&self.budgets);
        let agent = Agent::at(&self.socket).budget(Duration::from_millis(budget));
        Life {
            cache: Cache::new(Options::default()).with_agent(agent),
            owners: &OWNERS,
            tell,
            before_sending,
            failure: Failure::HANDSHAKE,
        }
    }
}

pub fn tell(line: &str) {
    let line = format!("{TOLD}{line}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// One of them, which talks to the server by that pipe.
pub struct Mortal(Child);

/// Calls end in time with an agent of any speed, or only if there is none or a good one.
pub const ANY_BUDGET: &[u64] = &[2, 50, 5000];
pub const LONG_BUDGET: &[u64] = &[LONG.as_millis() as u64];

impl Mortal {
    pub fn start(socket: &Path, which: u64, budgets: &[u64], pipe: &Pipe) -> Self {
        Self::start_as("chaos::mortal::mortal", socket, which, budgets, pipe)
    }

    /// With another test of this program in place of `mortal`.
    pub fn start_as(test: &str, socket: &Path, which: u64, budgets: &[u64], pipe: &Pipe) -> Self {
        let budgets: Vec<_> = budgets.iter().map(u64::to_string).collect();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(SOCKET, socket)
            .env(BUDGETS, budgets.join(" "))
            .env(WHICH, which.to_string())
            .env(NUMBER, format!("m{which}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(pipe.told.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn signal(&self, what: Signal) {
        signal(self.0.id(), what);
    }

    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// It would have ended by itself if a connection had failed because of the agent.
    pub fn kill(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "a process failed");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// One that ends by itself has done so well.
    pub fn join(&mut self) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < LONG, "a process hangs");
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(status.success(), "a process failed");
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
