//! A program in another language that measures its caches when it is asked: bench/engine/go, bench/engine/python.py.

use crate::work::Mix;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Program {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Program {
    pub fn start(command: &[String]) -> Self {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let ask = child.stdin.take();
        Self {
            child,
            ask,
            answers,
        }
    }

    /// Nanoseconds per step, by the wall clock.
    pub fn run(
        &mut self,
        subject: &str,
        order: &str,
        mix: Mix,
        threads: usize,
        steps: usize,
    ) -> f64 {
        let ask = self.ask.as_mut().expect("open until it is dropped");
        writeln!(ask, "{subject} {order} {} {threads} {steps}", mix.name()).expect("it runs");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it runs");
        answer.trim().parse().expect("a number")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Which ends it.
        self.ask = None;
        let _ = self.child.wait();
    }
}
