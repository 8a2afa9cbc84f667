//! A session that was lent to a process that is no more, or silent, is spent.

use crate::machine::{Machine, offer};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The tests run this program again, as a process that takes a session and holds it.
const SOCKET: &str = "TSC_AGENT_TEST_SOCKET";

#[test]
fn holder() {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else {
        return;
    };
    let agent = libtsc::agent::Agent::at(socket).budget(crate::machine::LONG);
    let cache = libtsc::Cache::new(libtsc::Options::default()).with_agent(agent);
    let process = crate::machine::Process { cache };
    let attempt = process.begin();
    let lent = offer(&attempt).is_some();
    eprintln!("\nholder: {}", if lent { "lent" } else { "nothing" });
    loop {
        std::thread::park();
    }
}

fn hold(machine: &Machine) -> Child {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lease::holder", "--nocapture"])
        .env(SOCKET, machine.socket())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stderr.take().unwrap()).lines();
    let said = lines
        .map(Result::unwrap)
        .find(|line| line.starts_with("holder: "));
    assert_eq!(said.unwrap(), "holder: lent");
    holder
}

#[test]
fn what_a_killed_process_had_is_nobodys() {
    let machine = Machine::new(&[]);
    let process = machine.process();
    let _connection = process.connect(1);
    let mut holder = hold(&machine);
    assert_eq!(process.take(), None);
    holder.kill().unwrap();
    holder.wait().unwrap();
    machine.wait_for("tsc_agent_unfinished_total", 1);
    assert_eq!(process.take(), None);
    assert_eq!(machine.number("tsc_agent_returned_total"), 0);
}

#[test]
fn a_process_that_has_nothing_here_is_forgotten() {
    let machine = Machine::new(&["--lease", "1"]);
    // All of them are this process, which lives on.
    for _ in 0..20 {
        let process = machine.process();
        process.take();
    }
    machine.wait_for("tsc_agent_processes", 0);
}

#[test]
fn what_a_silent_process_has_is_nobodys_after_the_lease() {
    let machine = Machine::new(&["--lease", "1"]);
    let process = machine.process();
    let connection = process.connect(1);
    let silent = machine.process();
    let attempt = silent.begin();
    assert!(offer(&attempt).is_some());
    machine.wait_for("tsc_agent_unfinished_total", 1);
    // It comes too late to give it back.
    attempt.failed(libtsc::Failure::NOT_SENT).unwrap();
    assert_eq!(process.take(), None);
    // An established connection is not silent.
    let ticket = crate::machine::receive(&connection);
    assert_eq!(process.take(), Some(ticket));
}
