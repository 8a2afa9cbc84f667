//! An agent of a test's own, and processes that use it.

use libtsc::agent::Agent;
use libtsc::{Attempt, Cache, Config, Endpoint, Failure, Options, SessionInfo};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder with an agent's socket, and the agent if it runs.
pub struct Machine {
    folder: TempDir,
    args: Vec<String>,
    agent: Option<Running>,
}

/// An agent, which dies with its handle.
pub struct Running(Child);

impl Running {
    /// Has it end by itself.
    pub fn stop(mut self) {
        signal(self.0.id(), Signal::TERM);
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
        self.agent = Some(Running(agent));
        self.heard();
    }

    /// Has the agent do nothing, or go on.
    pub fn signal(&self, what: Signal) {
        signal(self.agent.as_ref().unwrap().0.id(), what);
    }

    pub fn kill(&mut self) {
        self.agent = None;
    }

    /// Has the agent end by itself.
    pub fn stop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.stop();
        }
    }

    /// Starts another agent at the place of the one that is there, which goes on with those that it knows.
    pub fn replace(&mut self) -> Running {
        std::fs::remove_file(self.socket()).unwrap();
        let before = self.agent.take().unwrap();
        self.start();
        before
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

    /// The same, however long it takes.
    fn heard(&self) -> String {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.status() {
                return status;
            }
            assert!(begun.elapsed() < LONG, "the agent does not answer");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// One number of it.
    pub fn number(&self, name: &str) -> u64 {
        let status = self.heard();
        let mut lines = status.lines().filter(|line| !line.starts_with('#'));
        let line = lines
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split(' ').next_back().unwrap().parse().unwrap_or(0)
    }

    /// What came since the agent was started has gone for a reason, or is there.
    pub fn balance(&self) {
        let status = self.heard();
        let total = |names: &[&str]| -> u64 {
            let numbers = names.iter().map(|name| {
                let name = format!("tsc_agent_{name}{{");
                let line = status.lines().find(|line| line.starts_with(&name));
                let number = line.unwrap().split(' ').next_back().unwrap();
                number.parse::<u64>().unwrap()
            });
            numbers.sum()
        };
        let came = total(&["stored_total", "returned_total"]);
        let went = ["taken", "expired", "evicted", "displaced", "removed"];
        let went = went.map(|name| format!("{name}_total"));
        let went = total(&went.each_ref().map(String::as_str)) + total(&["sessions"]);
        assert!(came > 0);
        assert_eq!(came, went, "the books balance");
    }

    pub fn wait_for(&self, name: &str, number: u64) {
        let begun = Instant::now();
        while self.number(name) != number {
            assert!(begun.elapsed() < LONG, "{name} is not {number}");
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

pub fn signal(process: u32, signal: Signal) {
    let pid = Pid::from_raw(process.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Connects to an agent that accepts no connection until no more can wait for that. They wait although they were
/// closed.
pub fn fill(socket: &Path) {
    let address = SocketAddrUnix::new(socket).unwrap();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    loop {
        let one = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        match connect(&one, &address) {
            Err(Errno::AGAIN) => break,
            connected => connected.unwrap(),
        }
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

    /// A connection that resumes if it can.
    pub fn connect_or_resume(&self, tickets: u32) -> Attempt {
        let attempt = self.begin();
        let resumed = offer(&attempt).is_some();
        for _ in 0..tickets {
            receive(&attempt);
        }
        attempt.established(resumed).unwrap();
        attempt
    }

    /// What an attempt offers now; nothing comes of it.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.take_of(self.begin())
    }

    pub fn take_of(&self, attempt: Attempt) -> Option<Vec<u8>> {
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

/// Names a process in its tickets, where processes come and go and their ids are used again.
pub const NUMBER: &str = "TSC_AGENT_TEST_NUMBER";

/// A ticket that no other is like.
pub fn new_ticket() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let of = std::env::var(NUMBER).unwrap_or_else(|_| std::process::id().to_string());
    format!("{of}.{}", NEXT.fetch_add(1, Relaxed))
}

pub fn receive(attempt: &Attempt) -> Vec<u8> {
    let ticket = new_ticket().into_bytes();
    attempt.receive(&SessionInfo::tls13(7200), &ticket).unwrap();
    ticket
}
