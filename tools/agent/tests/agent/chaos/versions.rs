//! Libraries and agents of two versions at once, and agents that take each other's place.

use super::deaths::Flag;
use super::dice::{Dice, kills};
use super::life::Life;
use super::owner::{OWNERS, THIS};
use super::server::{Counts, Server};
use crate::machine::Machine;
use libtsc::agent::Agent;
use libtsc::agent::protocol::{LENGTH, Process, Request, VERSION, length};
use libtsc::{Cache, Failure, Options};
use rustix::net::Shutdown as Both;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const NEXT: u16 = VERSION + 1;

/// Makes a library or an agent of this version one of another: they differ in the number in the greeting.
struct Relay {
    path: PathBuf,
    listener: UnixListener,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Whoever connects to `path` and is of version `hears` is served by the agent at `to`, as one of version `says`.
    fn new(path: &Path, hears: u16, to: PathBuf, says: u16) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let accepts = listener.try_clone().unwrap();
        let open = Arc::clone(&streams);
        let thread = thread::spawn(move || {
            for stream in accepts.incoming().map_while(Result::ok) {
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let to = to.clone();
                thread::spawn(move || {
                    // What goes wrong on the way looks like an agent that has gone.
                    let _ = pass(&stream, hears, &to, says);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self {
            path: path.into(),
            listener,
            streams,
            thread: Some(thread),
        }
    }
}

impl Drop for Relay {
    /// As an agent that is killed.
    fn drop(&mut self) {
        rustix::net::shutdown(&self.listener, Both::Both).unwrap();
        self.thread.take().unwrap().join().unwrap();
        let streams = std::mem::take(&mut *self.streams.lock().unwrap());
        for stream in streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        std::fs::remove_file(&self.path).unwrap();
    }
}

/// The version and the process that a connection begins with.
fn greeting(mut stream: &UnixStream) -> Option<(u16, Process)> {
    let mut head = [0; LENGTH];
    stream.read_exact(&mut head).ok()?;
    let mut message = vec![0; length(head)?];
    stream.read_exact(&mut message).ok()?;
    match Request::decode(&message) {
        Some(Request::Hello { version, process }) => Some((version, process)),
        _ => None,
    }
}

fn pass(near: &UnixStream, hears: u16, to: &Path, says: u16) -> io::Result<()> {
    let greeting = greeting(near).filter(|(version, _)| *version == hears);
    let Some((_, process)) = greeting else {
        return Ok(());
    };
    let far = UnixStream::connect(to)?;
    let version = says;
    let hello = Request::Hello { version, process };
    (&far).write_all(&hello.encode().0)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*near, &mut &far);
            let _ = far.shutdown(Shutdown::Both);
        });
        let copied = io::copy(&mut &far, &mut &*near);
        near.shutdown(Shutdown::Both).and(copied.map(drop))
    })
}

/// Who serves those that connect to the common place.
enum Serving {
    This,
    Next(Relay),
}

#[test]
fn agents_of_two_versions_take_turns_under_processes_of_both() {
    let mut this = Machine::new(&[]);
    let next = Machine::new(&[]);
    let place = this.socket();
    // By this, processes of the next version connect to the same place.
    let entrance = next.socket().with_file_name("entrance");
    let _entrance = Relay::new(&entrance, VERSION, place.clone(), NEXT);
    let server = Server::default();
    let done = AtomicBool::new(false);
    let mut dice = Dice::of(0);
    thread::scope(|scope| {
        let _done = Flag(&done);
        for number in 1..=4 {
            let (version, socket) = match number % 2 {
                0 => (THIS, &place),
                _ => ("next", &entrance),
            };
            let owners = OWNERS.map(|owner| owner.of_version(version));
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut dice = Dice::of(number);
                while !done.load(Relaxed) {
                    let budget = Duration::from_millis(*dice.choose(&[2, 50, 5000]));
                    let agent = Agent::at(socket).budget(budget);
                    let life = Life {
                        cache: Cache::new(Options::default()).with_agent(agent),
                        owners: &owners,
                        tell: &|line| server.hear(line),
                        before_sending: &|_, _| (),
                        failure: Failure::HANDSHAKE,
                    };
                    life.live(&mut dice);
                }
            });
        }
        let mut serving = Serving::This;
        for _ in 0..kills() {
            server.wait_for_more(Counts::ended, dice.roll(100));
            serving = match (serving, dice.roll(4)) {
                (Serving::This, 0) => {
                    this.kill();
                    this.start();
                    Serving::This
                }
                (Serving::This, 1) => {
                    // Both serve for a while. The first one leaves what is not its own alone.
                    let before = this.replace();
                    server.wait_for_more(Counts::ended, 100);
                    before.stop();
                    assert!(place.exists(), "the socket is gone");
                    Serving::This
                }
                (Serving::This, how) => {
                    if how == 2 {
                        this.stop();
                    } else {
                        this.kill();
                        std::fs::remove_file(&place).unwrap();
                    }
                    Serving::Next(Relay::new(&place, NEXT, next.socket(), VERSION))
                }
                (Serving::Next(relay), _) => {
                    drop(relay);
                    this.start();
                    Serving::This
                }
            };
        }
    });
    server.judge("two versions");
    // Each was served, by its own.
    for version in [THIS, "next"] {
        let books = server.counts_of(version).books;
        assert!(books.shared > 0 && books.leased > 0, "{version}: {books:?}");
    }
}
