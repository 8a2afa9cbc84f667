//! A Redis of a test's own, and machines that share through it.

use crate::machine::{LONG, Machine, Process, offer};
use libtsc::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub struct Engine {
    folder: TempDir,
    args: Vec<String>,
    server: Option<Child>,
}

pub const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

impl Engine {
    pub fn new(args: &[&str]) -> Self {
        let mut engine = Self {
            folder: tempfile::tempdir().unwrap(),
            args: args.iter().map(|&arg| arg.into()).collect(),
            server: None,
        };
        engine.write("key", KEY);
        engine.start();
        engine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.path("engine").display())
    }

    pub fn start(&mut self) {
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", ""])
            // Replicas do not wait for each other.
            .args(["--repl-diskless-sync-delay", "0", "--unixsocket"])
            .arg(self.path("engine"))
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.args)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server: make deps installs it");
        self.server = Some(server);
        while self.ask::<String>(&["PING"]).is_err() {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "it does not start");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
            let _ = std::fs::remove_file(self.path("engine"));
        }
    }

    /// Has it do nothing, or go on.
    pub fn signal(&self, signal: Signal) {
        let server = Pid::from_child(self.server.as_ref().unwrap());
        kill_process(server, signal).unwrap();
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        let (name, args) = command.split_first().unwrap();
        redis::cmd(name).arg(args).query(&mut connection)
    }

    pub fn tell<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        self.ask(command).unwrap()
    }

    pub fn names(&self) -> Vec<String> {
        self.tell(&["KEYS", "*"])
    }

    /// Waits until it says this of its replication.
    pub fn wait_to_be(&self, what: &str) {
        // Sentinels close the connections to a server that they promote.
        let says = |info: String| info.contains(what);
        wait_until(|| self.ask(&["INFO", "replication"]).is_ok_and(says));
    }

    /// A machine whose agent keeps one session of each endpoint to itself.
    pub fn machine(&self) -> Machine {
        self.machine_with(&[])
    }

    pub fn machine_with(&self, args: &[&str]) -> Machine {
        self.machine_at(&self.url(), "key", args)
    }

    pub fn machine_at(&self, url: &str, key: &str, args: &[&str]) -> Machine {
        let key = self.path(key);
        let own = ["--valkey", url, "--valkey-key", key.to_str().unwrap()];
        let stock = ["--valkey-stock", "1"];
        let stock = if args.contains(&stock[0]) {
            &[][..]
        } else {
            &stock
        };
        let machine = Machine::new(&[&own[..], stock, args].concat());
        machine.wait_for("tsc_agent_valkey_up", 1);
        machine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn wait_until(event: impl Fn() -> bool) {
    while !event() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ports of this machine that nobody has.
pub fn free_ports<const N: usize>() -> [String; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|held| held.local_addr().unwrap().port().to_string())
}

/// What an attempt offers that would wait for it.
pub fn wait_and_take(process: &Process) -> Option<Vec<u8>> {
    let attempt = process.begin();
    attempt.wait(LONG).unwrap();
    let bytes = offer(&attempt);
    let cancelled = true;
    let why = Failure {
        cancelled,
        ..Failure::HANDSHAKE
    };
    attempt.failed(why).unwrap();
    bytes
}

/// All that there is for a process.
pub fn take_all(process: &Process) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| wait_and_take(process)).collect()
}
