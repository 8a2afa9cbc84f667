//! Programs that the tests start: servers and clients.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// For what takes long on a machine that is busy. What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ended when dropped.
pub struct Process {
    child: Child,
    output: Arc<Output>,
    /// What ends it; without one it is killed.
    signal: Option<&'static str>,
}

#[derive(Default)]
struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    text: String,
    /// How many of standard output and standard error have ended.
    ended: u32,
}

impl Output {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().expect("no thread has panicked")
    }

    fn collect(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                output.said().text += &String::from_utf8_lossy(&line);
                output.changed.notify_all();
                line.clear();
            }
            output.said().ended += 1;
            output.changed.notify_all();
        });
    }
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Arc::new(Output::default());
        output.collect(child.stdout.take().expect("it is piped"));
        output.collect(child.stderr.take().expect("it is piped"));
        Self {
            child,
            output,
            signal: None,
        }
    }

    /// Has a signal of this name end it.
    pub fn ended_by(mut self, signal: &'static str) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Waits until what it has said is enough, and gives that.
    pub fn said(&self, is_enough: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.output.said();
        while !is_enough(&said.text) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(said.ended < 2 && !left.is_zero(), "it said:\n{}", said.text);
            let waited = self.output.changed.wait_timeout(said, left);
            said = waited.expect("no thread has panicked").0;
        }
        said.text.clone()
    }

    /// Waits until it takes connections on this port.
    pub fn listens(&self, port: u16) {
        const AGAIN: Duration = Duration::from_millis(10);
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.output.said();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let late = Instant::now() > deadline;
            assert!(said.ended < 2 && !late, "it said:\n{}", said.text);
            let waited = self.output.changed.wait_timeout(said, AGAIN);
            said = waited.expect("no thread has panicked").0;
        }
    }

    /// Waits until it ends well, and gives what it said.
    pub fn finish(mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.output.said();
        while said.ended < 2 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end, and said:\n{}", said.text);
            let waited = self.output.changed.wait_timeout(said, left);
            said = waited.expect("no thread has panicked").0;
        }
        let text = said.text.clone();
        drop(said);
        let status = self.child.wait().expect("it is this process's child");
        assert!(status.success(), "{status}; it said:\n{text}");
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let (Some(signal), Ok(None)) = (self.signal, self.child.try_wait()) {
            let id = self.child.id().to_string();
            let _ = Command::new("kill").args(["-s", signal, &id]).status();
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Runs one of the clients to its end, and gives what it said.
pub fn run_client<const N: usize>(program: &str, arguments: [&str; N]) -> String {
    Process::start(Command::new(program).args(arguments)).finish()
}

/// A port of 127.0.0.1 on which nobody listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}
