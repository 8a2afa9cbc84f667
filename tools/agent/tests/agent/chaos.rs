//! Processes, the agent and the connections between them die at any instant; no ticket is handed out twice.

use crate::machine::{LONG, Machine, NUMBER, Process, offer, receive};
use libtsc::agent::Agent;
use libtsc::agent::protocol::{Request, VERSION};
use libtsc::{Attempt, Endpoint, Failure, Options};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, PipeWriter, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Small, and the same everywhere: what happens follows from the seed, but for the order of the threads.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// How many connections were established.
#[derive(Default)]
struct Ended {
    resumed: u64,
    full: u64,
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// The lives of a few connections of one process. `send` is told of each ticket before it is on the wire.
fn live(begin: impl Fn() -> Attempt, dice: &mut Dice, send: impl Fn(Vec<u8>)) -> Ended {
    let mut ended = Ended::default();
    let mut open = Vec::new();
    for _ in 0..dice.roll(20) {
        let attempt = begin();
        if dice.roll(4) == 0 {
            attempt.wait(Duration::from_millis(dice.roll(20))).unwrap();
        }
        let ticket = offer(&attempt);
        let resumed = ticket.is_some();
        match dice.roll(10) {
            0 => attempt.failed(Failure::NOT_SENT).unwrap(),
            1 => drop(attempt),
            2 => {
                ticket.into_iter().for_each(&send);
                attempt.failed(Failure::HANDSHAKE).unwrap();
            }
            3 => {
                // The server refuses it.
                ticket.into_iter().for_each(&send);
                attempt.sent().unwrap();
                receive(&attempt);
                attempt.established(false).unwrap();
            }
            _ => {
                ticket.into_iter().for_each(&send);
                attempt.sent().unwrap();
                for _ in 0..dice.roll(4) {
                    receive(&attempt);
                }
                attempt.established(resumed).unwrap();
                receive(&attempt);
                let count = if resumed {
                    &mut ended.resumed
                } else {
                    &mut ended.full
                };
                *count += 1;
                open.push(attempt);
            }
        }
        if dice.roll(3) == 0 {
            open.clear();
        }
    }
    ended
}

#[test]
fn no_ticket_is_handed_out_twice_whatever_dies() {
    let lives = from_environment("TSC_AGENT_LIVES", 300);
    let seed = from_environment("TSC_AGENT_SEED", 1);
    let mut machine = Machine::new(&[]);
    let sent = Mutex::new(HashSet::new());
    let send = |ticket: Vec<u8>| {
        let text = String::from_utf8_lossy(&ticket).into_owned();
        assert!(sent.lock().unwrap().insert(ticket), "twice: {text}");
    };
    let (resumed, full) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let socket = machine.socket();
    thread::scope(|scope| {
        let (send, resumed, full) = (&send, &resumed, &full);
        let (done, socket) = (&done, &socket);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn(move || {
                    let mut dice = Dice(seed * 7919 + number + 1);
                    for _ in 0..lives / 4 {
                        let budget = Duration::from_millis([0, 2, 2, 50][dice.roll(4) as usize]);
                        let agent = Agent::at(socket).budget(budget);
                        let cache = libtsc::Cache::new(Options::default()).with_agent(agent);
                        let process = Process { cache };
                        let ended = live(|| process.begin(), &mut dice, send);
                        resumed.fetch_add(ended.resumed, Relaxed);
                        full.fetch_add(ended.full, Relaxed);
                    }
                })
            })
            .collect();
        let killer = scope.spawn(|| {
            let mut dice = Dice(seed);
            while !done.load(Relaxed) {
                thread::sleep(Duration::from_millis(20 + dice.roll(200)));
                machine.kill();
                machine.start();
            }
        });
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Relaxed);
        killer.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
    let (resumed, full) = (resumed.into_inner(), full.into_inner());
    println!("{resumed} resumed, {full} full, none handed out twice");
    assert!(resumed > 0 && full > 0);
}

// ---- Processes that are killed -------------------------------------------------------------------

/// The tests run this program again, as processes that live until they are killed.
const SOCKET: &str = "TSC_AGENT_TEST_MORTAL";
const HOST: &str = "TSC_AGENT_TEST_HOST";

/// Says on one line, which the kernel keeps whole, which ticket is about to be sent, and to whom.
#[test]
fn mortal() {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else {
        return;
    };
    let host = std::env::var(HOST).unwrap();
    let seed = from_environment("TSC_AGENT_SEED", 1);
    let mut dice = Dice(seed * 7919 + from_environment(NUMBER, 0) + 1);
    loop {
        let budget = [2, 50, 5000][dice.roll(3) as usize];
        let agent = Agent::at(&socket).budget(Duration::from_millis(budget));
        let cache = libtsc::Cache::new(Options::default()).with_agent(agent);
        let process = Process { cache };
        let endpoint = Endpoint::new(&host, 9142);
        let begin = || process.config().begin(&endpoint).unwrap();
        live(begin, &mut dice, |ticket| {
            let ticket = String::from_utf8(ticket).unwrap();
            let line = format!("sent {host}: {ticket}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        });
    }
}

/// One of them, which talks to that pipe; even ones have another server than odd ones.
struct Mortal(Child);

fn host_of(number: u64) -> String {
    format!("db{}.example", number % 2)
}

impl Mortal {
    fn start(socket: &Path, number: u64, told: &PipeWriter) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "chaos::mortal", "--nocapture"])
            .env(SOCKET, socket)
            .env(HOST, host_of(number))
            .env(NUMBER, number.to_string())
            .stdout(Stdio::null())
            .stderr(told.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// It would have ended by itself if a connection had failed because of the agent.
    fn kill(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "a process failed");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn signal(process: u32, signal: Signal) {
    let pid = Pid::from_raw(process.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Asks and asks, and never reads an answer, until no more can be written.
fn ask_without_reading(socket: &Path) -> Option<UnixStream> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_nonblocking(true).unwrap();
    let process = [9; 16];
    let hello = Request::Hello {
        version: VERSION,
        process,
    };
    stream.write_all(&hello.encode().0).ok()?;
    while stream.write_all(&Request::Status.encode().0).is_ok() {}
    Some(stream)
}

/// Begins as a process of another version would, which the agent does not serve.
fn speak_another_version(socket: &Path) {
    let version = VERSION + 1;
    let process = [8; 16];
    let hello = Request::Hello { version, process };
    if let Ok(mut stream) = UnixStream::connect(socket) {
        let _ = stream.write_all(&hello.encode().0);
    }
}

#[test]
fn no_ticket_is_sent_twice_or_elsewhere_whichever_process_dies() {
    let kills = from_environment("TSC_AGENT_KILLS", 60);
    let mut dice = Dice(from_environment("TSC_AGENT_SEED", 1));
    let mut machine = Machine::new(&[]);
    let (heard, told) = std::io::pipe().unwrap();
    let listener = thread::spawn(move || {
        let mut sent = HashSet::new();
        for line in BufReader::new(heard).lines().map(Result::unwrap) {
            // What else the test's own frame says.
            let Some(line) = line.strip_prefix("sent ") else {
                continue;
            };
            assert!(sent.insert(line.to_owned()), "twice: {line}");
        }
        sent
    });
    let mut rude = Vec::new();
    let mut mortals: Vec<_> = (0..4)
        .map(|number| Mortal::start(&machine.socket(), number, &told))
        .collect();
    for round in 0..kills {
        thread::sleep(Duration::from_millis(dice.roll(30)));
        let chosen = dice.roll(4) as usize;
        match dice.roll(12) {
            0 => {
                machine.kill();
                machine.start();
            }
            // A slow agent.
            1 => {
                signal(machine.process_id(), Signal::STOP);
                thread::sleep(Duration::from_millis(dice.roll(60)));
                signal(machine.process_id(), Signal::CONT);
            }
            2 if rude.len() < 8 => rude.extend(ask_without_reading(&machine.socket())),
            3 => speak_another_version(&machine.socket()),
            // It hangs with what it was lent, before it dies.
            4 => {
                signal(mortals[chosen].0.id(), Signal::STOP);
                thread::sleep(Duration::from_millis(dice.roll(60)));
            }
            _ => {}
        }
        mortals[chosen].kill();
        mortals[chosen] = Mortal::start(&machine.socket(), 4 + round, &told);
    }
    mortals.iter_mut().for_each(Mortal::kill);
    drop(told);
    let sent = listener.join().unwrap();
    for line in &sent {
        let (host, ticket) = line.split_once(": ").unwrap();
        let issuer = ticket.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(host, host_of(issuer), "{ticket} was sent elsewhere");
    }
    drop(rude);
    machine.wait_for("tsc_agent_attempts", 0);
    // It still serves.
    let agent = Agent::at(machine.socket()).budget(LONG);
    let cache = libtsc::Cache::new(Options::default()).with_agent(agent);
    let process = Process { cache };
    process.connect(2);
    assert!(process.take().is_some());
    // What came since the agent was last started has not gone without a reason.
    let number = |name: &str| machine.number(&format!("tsc_agent_{name}"));
    let total = |names: &[&str]| -> u64 {
        names
            .iter()
            .map(|name| number(&format!("{name}_total")))
            .sum()
    };
    let came = total(&["stored", "returned"]);
    let went = total(&["taken", "expired", "evicted", "displaced", "removed"]);
    assert!(came >= 2);
    assert_eq!(came, went + number("sessions{"), "the books balance");
    println!(
        "{} tickets sent while {kills} processes were killed, none twice",
        sent.len()
    );
    assert!(!sent.is_empty());
}
