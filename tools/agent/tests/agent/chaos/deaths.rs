//! Agents, processes and the engine die at any instant, and are slow, full or spoken to badly before.

use super::dice::{Dice, kills, lives};
use super::life::Life;
use super::mortal::{ANY_BUDGET, Mortal};
use super::owner::OWNERS;
use super::server::{Counts, Pipe, Server};
use crate::engine::{Engine, take_all};
use crate::machine::{LONG, Machine, fill};
use libtsc::agent::Agent;
use libtsc::agent::protocol::{Request, VERSION};
use libtsc::{Cache, Failure, Options};
use rustix::process::Signal;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Set when it goes, however a test ends.
pub struct Flag<'a>(pub &'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn an_agent_dies_under_the_threads_of_many_processes() {
    let mut machine = Machine::new(&[]);
    let server = Server::default();
    let done = AtomicBool::new(false);
    let socket = machine.socket();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice::of(0);
            while !done.load(Relaxed) {
                thread::sleep(Duration::from_millis(20 + dice.roll(200)));
                machine.kill();
                machine.start();
            }
        });
        let _done = Flag(&done);
        let threads: Vec<_> = (1..=4)
            .map(|number| {
                let (socket, server) = (&socket, &server);
                scope.spawn(move || {
                    let mut dice = Dice::of(number);
                    for _ in 0..lives() / 4 {
                        let budget = Duration::from_millis([0, 2, 2, 50][dice.roll(4) as usize]);
                        let agent = Agent::at(socket).budget(budget);
                        let life = Life {
                            cache: Cache::new(Options::default()).with_agent(agent),
                            owners: &OWNERS,
                            tell: &|line| server.hear(line),
                            before_sending: &|_, _| (),
                            failure: Failure::HANDSHAKE,
                        };
                        life.live(&mut dice);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    server.judge("an agent dies");
}

#[test]
fn processes_and_their_agent_die() {
    let machines = vec![Machine::new(&[])];
    die("processes and their agent die", machines, None);
}

#[test]
fn processes_and_their_agents_and_the_engine_between_them_die() {
    // What was saved comes back when it is started again.
    let engine = Engine::new(&["--dbfilename", "dump"]);
    let machines = vec![engine.machine(), engine.machine()];
    let what = "processes, agents and the engine die";
    die(what, machines, Some(engine));
}

/// One after the other, processes are killed that share through these machines' agents.
fn die(what: &str, mut machines: Vec<Machine>, mut engine: Option<Engine>) {
    let kills = kills();
    let mut dice = Dice::of(0);
    let server = Arc::new(Server::default());
    let pipe = Pipe::new(&server);
    let sockets: Vec<_> = machines.iter().map(Machine::socket).collect();
    let start = |which: u64| {
        let socket = &sockets[which as usize % sockets.len()];
        Mortal::start(socket, which, ANY_BUDGET, &pipe)
    };
    let mut mortals: Vec<_> = (0..4).map(start).collect();
    let mut rude = Vec::new();
    for round in 0..kills {
        server.progress(what, round);
        // At any instant, or when somebody has just sent a ticket.
        if dice.roll(2) == 0 {
            pause(&mut dice, 30);
        } else {
            server.wait_for_more(|counts| counts.sent, 1 + dice.roll(10));
        }
        let at = dice.roll(machines.len() as u64) as usize;
        let machine = &mut machines[at];
        let chosen = dice.roll(4) as usize;
        match dice.roll(16) {
            0 => {
                machine.kill();
                machine.start();
            }
            1 => {
                machine.stop();
                machine.start();
            }
            2 => {
                machine.signal(Signal::STOP);
                pause(&mut dice, 60);
                machine.signal(Signal::CONT);
            }
            3 => {
                machine.signal(Signal::STOP);
                fill(&machine.socket());
                pause(&mut dice, 60);
                machine.signal(Signal::CONT);
            }
            4 if rude.len() < 8 => rude.push(ask_without_reading(&machine.socket())),
            5 => speak_another_version(&machine.socket()),
            // It hangs with what it was lent, and goes on or dies.
            6 => {
                mortals[chosen].signal(Signal::STOP);
                pause(&mut dice, 60);
                if dice.roll(2) == 0 {
                    mortals[chosen].signal(Signal::CONT);
                    continue;
                }
            }
            event => {
                if let Some(engine) = &mut engine {
                    trouble(engine, &machines, &server, event, &mut dice);
                }
            }
        }
        mortals[chosen].kill();
        mortals[chosen] = start(4 + round);
    }
    // Those that are left go on, and their agents come back by themselves.
    server.wait_for_more(Counts::ended, 40);
    mortals.iter_mut().for_each(Mortal::kill);
    pipe.close();
    server.judge(what);
    drop(rude);
    let up = u64::from(engine.is_some());
    for machine in &machines {
        machine.wait_for("tsc_agent_attempts", 0);
        machine.wait_for("tsc_agent_valkey_up", up);
        serves(machine);
    }
    if engine.is_some() {
        let [one, two] = &machines[..] else {
            panic!("two machines")
        };
        while take_all(&two.process()).is_empty() {
            one.process().connect_or_resume(4);
        }
    }
}

fn pause(dice: &mut Dice, less_than: u64) {
    thread::sleep(Duration::from_millis(dice.roll(less_than)));
}

/// It serves, and what came since it was started has not gone without a reason.
fn serves(machine: &Machine) {
    let agent = Agent::at(machine.socket()).budget(LONG);
    let cache = Cache::new(Options::default()).with_agent(agent);
    let process = crate::machine::Process { cache };
    let _connection = process.connect_or_resume(3);
    assert!(process.take().is_some());
    machine.balance();
}

/// The engine dies, or is slow. After its death it may have again what others have used since.
fn trouble(
    engine: &mut Engine,
    machines: &[Machine],
    server: &Server,
    event: u64,
    dice: &mut Dice,
) {
    match event {
        7 | 8 => {
            engine.kill();
            pause(dice, 60);
            engine.start();
        }
        9 => {
            let () = engine.tell(&["SAVE"]);
            server.wait_for_more(|counts| counts.sent, 1 + dice.roll(40));
            engine.kill();
            engine.start();
            let up = |machine: &Machine| machine.wait_for("tsc_agent_valkey_up", 1);
            machines.iter().for_each(up);
        }
        10 => {
            engine.signal(Signal::STOP);
            pause(dice, 60);
            engine.signal(Signal::CONT);
        }
        _ => {}
    }
}

/// Asks and asks, and never reads an answer, until no more can be written.
fn ask_without_reading(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_nonblocking(true).unwrap();
    let process = [9; 16];
    let hello = Request::Hello {
        version: VERSION,
        process,
    };
    stream.write_all(&hello.encode().0).unwrap();
    while stream.write_all(&Request::Status.encode().0).is_ok() {}
    stream
}

/// Begins as a process of another version would, which the agent does not serve.
fn speak_another_version(socket: &Path) {
    let version = VERSION + 1;
    let process = [8; 16];
    let hello = Request::Hello { version, process };
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    for request in [hello, Request::Status] {
        let _ = stream.write_all(&request.encode().0);
    }
    let answered = stream.read(&mut [0; 1]);
    let closed = |why: &std::io::Error| why.kind() == ErrorKind::ConnectionReset;
    assert!(
        matches!(answered, Ok(0)) || answered.as_ref().is_err_and(closed),
        "{answered:?}"
    );
}
