//! What stands between client and server and reads what both say in the clear: tests/tap of the
//! repository, which says what it can be told.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../build/test/tap");

pub struct Tap {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub port: u16,
}

/// What client and server said of one connection's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// What the client offered, so that one session can be told from another; `None`: nothing.
    pub offered: Option<String>,
    pub resumed: bool,
    pub tls: String,
}

impl Tap {
    /// In front of a server on this port.
    pub fn new(server: u16) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg(server.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{PROGRAM}: {error} (make build/test/tap)"));
        let mut tap = Self {
            orders: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
            port: 0,
        };
        tap.port = tap.line().parse().expect("it says its port first");
        tap
    }

    /// Waits until all connections have ended, and gives those that shook hands, in their order.
    pub fn finish(&mut self) -> Vec<Greeting> {
        let mut orders = self.orders.as_ref().expect("it runs");
        orders.write_all(b"finish\n").expect("it runs");
        let mut greetings = Vec::new();
        loop {
            let line = self.line();
            if line == "ok" {
                return greetings;
            }
            let said = |name| {
                let mut words = line.split(' ').filter_map(|word| word.split_once('='));
                let value = words.find(|(found, _)| *found == name).map(|found| found.1);
                value.unwrap_or_else(|| panic!("no {name}: {line}"))
            };
            if said("answer") != "-" {
                greetings.push(Greeting {
                    offered: (said("offered") != "none").then(|| said("identity").to_owned()),
                    resumed: said("answer") == "resumed",
                    tls: said("tls").to_owned(),
                });
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it says text");
        line.trim_end().to_owned()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // It ends when there can be no more orders.
        self.orders = None;
        let _ = self.child.wait();
    }
}
