//! An agent of a test's own, and processes that use it.

use libtsc::agent::Agent;
use libtsc::{Attempt, Cache, Config, Endpoint, Failure, Options, SessionInfo};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with an agent's socket, and the agent if it runs.
pub struct Machine {
    folder: TempDir,
    args: Vec<String>,
    agent: Option<Child>,
}

/// No test waits that long, however busy the machine is.
pub const LONG: Duration = Duration::from_secs(60);

pub const ENDPOINT: &str = "db.example";

impl Machine {
    pub fn new(args: &[&str]) -> Self {
        let mut machine = Self::without_agent();
        machine.args = args.iter().map(|&arg| arg.into()).collect();
        machine.start();
        machine
    }

    pub fn without_agent() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            args: Vec::new(),
            agent: None,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn start(&mut self) {
        let agent = Command::new(env!("CARGO_BIN_EXE_tsc-agent"))
            .arg("--socket")
            .arg(self.socket())
            .args(&self.args)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.agent = Some(agent);
        while self.status().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn process_id(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }

    pub fn kill(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.kill().unwrap();
            agent.wait().unwrap();
        }
    }

    /// Has the agent end by itself.
    pub fn stop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            kill_process(Pid::from_child(&agent), Signal::TERM).unwrap();
            assert!(agent.wait().unwrap().success());
        }
    }

    /// What `tsc-agent status` prints.
    pub fn status(&self) -> Option<String> {
        let status = Command::new(env!("CARGO_BIN_EXE_tsc-agent"))
            .arg("status")
            .arg("--socket")
            .arg(self.socket())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(status.stdout).unwrap();
        status.status.success().then_some(text)
    }

    /// One number of it.
    pub fn number(&self, name: &str) -> u64 {
        let status = self.status().unwrap();
        let mut lines = status.lines().filter(|line| !line.starts_with('#'));
        let line = lines
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split(' ').next_back().unwrap().parse().unwrap_or(0)
    }

    pub fn wait_for(&self, name: &str, number: u64) {
        while self.number(name) != number {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A process that shares: it says of itself that it is one.
    pub fn process(&self) -> Process {
        self.process_with(Options::default(), LONG)
    }

    pub fn process_with(&self, options: Options, budget: Duration) -> Process {
        let agent = Agent::at(self.socket()).budget(budget);
        Process {
            cache: Cache::new(options).with_agent(agent),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

pub struct Process {
    pub cache: Arc<Cache>,
}

impl Process {
    pub fn config(&self) -> Config {
        Config::new(&self.cache).identity(b"one").unwrap()
    }

    pub fn begin(&self) -> Attempt {
        let endpoint = Endpoint::new(ENDPOINT, 9142);
        self.config().begin(&endpoint).unwrap()
    }

    /// A connection by a full handshake, which brings so many tickets.
    pub fn connect(&self, tickets: u32) -> Attempt {
        let attempt = self.begin();
        assert!(attempt.offer().unwrap().is_none());
        for _ in 0..tickets {
            receive(&attempt);
        }
        attempt.established(false).unwrap();
        attempt
    }

    /// What an attempt offers now; nothing comes of it.
    pub fn take(&self) -> Option<Vec<u8>> {
        let attempt = self.begin();
        let bytes = offer(&attempt);
        let cancelled = true;
        attempt
            .failed(Failure {
                cancelled,
                ..Failure::HANDSHAKE
            })
            .unwrap();
        bytes
    }
}

pub fn offer(attempt: &Attempt) -> Option<Vec<u8>> {
    let session = attempt.offer().unwrap();
    session.map(|session| session.bytes().unwrap().to_vec())
}

/// Names this process in its tickets, where processes come and go and their ids are used again.
pub const NUMBER: &str = "TSC_AGENT_TEST_NUMBER";

/// A ticket that no other is like.
pub fn receive(attempt: &Attempt) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let of = std::env::var(NUMBER).unwrap_or_else(|_| std::process::id().to_string());
    let ticket = format!("ticket {} of {of}", NEXT.fetch_add(1, Relaxed));
    let ticket = ticket.into_bytes();
    attempt.receive(&SessionInfo::tls13(7200), &ticket).unwrap();
    ticket
}
