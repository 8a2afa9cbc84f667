//! The server of all connections: it issues every ticket, and knows whose it is and how often it came back.

use super::life::{Books, Connection};
use crate::machine::LONG;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, PipeWriter};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;

#[derive(Default)]
pub struct Server {
    seen: Mutex<Seen>,
    news: Condvar,
}

#[derive(Default)]
struct Seen {
    tickets: HashMap<String, Ticket>,
    /// Those with which a process hung before it sent them.
    hanging: HashSet<String>,
    /// By owner.
    counts: HashMap<String, Counts>,
}

struct Ticket {
    owner: String,
    times_sent: u32,
}

#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub issued: u64,
    pub sent: u64,
    /// Tickets that came again.
    pub twice: u64,
    /// Tickets of another identity, endpoint or version.
    pub elsewhere: u64,
    /// Tickets that were never issued.
    pub forged: u64,
    pub resumed: u64,
    pub full: u64,
    /// Connections that came to nothing for reasons of their own.
    pub given_up: u64,
    /// Connections that failed because of the library or the agent.
    pub failed: u64,
    /// Of all connections of which was said how they ended.
    pub books: Books,
}

impl Counts {
    /// Connections of which was said how they ended.
    pub fn ended(&self) -> u64 {
        self.resumed + self.full + self.given_up + self.failed
    }

    fn add(&mut self, other: &Self) {
        self.issued += other.issued;
        self.sent += other.sent;
        self.twice += other.twice;
        self.elsewhere += other.elsewhere;
        self.forged += other.forged;
        self.resumed += other.resumed;
        self.full += other.full;
        self.given_up += other.given_up;
        self.failed += other.failed;
        self.books.add(&other.books);
    }
}

impl Server {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// A client says so before it does anything with the ticket, or after the connection.
    pub fn hear(&self, line: &str) {
        let mut seen = self.seen();
        let Seen {
            tickets,
            hanging,
            counts,
        } = &mut *seen;
        let (what, rest) = line.split_once(' ').unwrap();
        let (owner, rest) = rest.split_once(' ').unwrap();
        let counts = counts.entry(owner.to_owned()).or_default();
        match what {
            "issued" => {
                let ticket = Ticket {
                    owner: owner.to_owned(),
                    times_sent: 0,
                };
                counts.issued += 1;
                assert!(tickets.insert(rest.to_owned(), ticket).is_none(), "{line}");
            }
            "hangs" => assert!(hanging.insert(rest.to_owned()), "{line}"),
            "sent" => {
                counts.sent += 1;
                match tickets.get_mut(rest) {
                    None => counts.forged += 1,
                    Some(ticket) => {
                        counts.elsewhere += u64::from(ticket.owner != owner);
                        counts.twice += u64::from(ticket.times_sent != 0);
                        ticket.times_sent += 1;
                    }
                }
            }
            _ => {
                let (connection, books) = Connection::read(what, rest).expect(line);
                counts.books.add(&books);
                *match connection {
                    Connection::Resumed => &mut counts.resumed,
                    Connection::Full => &mut counts.full,
                    Connection::GivenUp => &mut counts.given_up,
                    Connection::Failed => &mut counts.failed,
                } += 1;
            }
        }
        drop(seen);
        self.news.notify_all();
    }

    /// What came of connections of owners of this version.
    pub fn counts_of(&self, version: &str) -> Counts {
        self.seen().counts_of(version)
    }

    pub fn counts(&self) -> Counts {
        self.counts_of("")
    }

    /// Until so much has come of connections.
    pub fn wait_until(&self, enough: impl Fn(&Counts) -> bool) {
        self.wait(|seen| enough(&seen.counts_of("")));
    }

    /// Until so much more of it has come of connections.
    pub fn wait_for_more(&self, what: impl Fn(&Counts) -> u64, more: u64) {
        let enough = what(&self.counts()) + more;
        self.wait_until(|counts| what(counts) >= enough);
    }

    /// Until processes hang with so many tickets, which it says.
    pub fn wait_for_hanging(&self, many: usize) -> HashSet<String> {
        self.wait(|seen| seen.hanging.len() >= many);
        self.seen().hanging.clone()
    }

    fn wait(&self, enough: impl Fn(&Seen) -> bool) {
        let begun = Instant::now();
        let mut seen = self.seen();
        while !enough(&seen) {
            let left = LONG.checked_sub(begun.elapsed());
            let left = left.expect("connections hang");
            (seen, _) = self.news.wait_timeout(seen, left).unwrap();
        }
    }

    /// Shows, of many kills, how far a test has come.
    pub fn progress(&self, what: &str, kills: u64) {
        const OFTEN: u64 = 100;
        if kills != 0 && kills.is_multiple_of(OFTEN) {
            self.show(&format!("{what}, {kills} kills so far"));
        }
    }

    fn show(&self, what: &str) -> Counts {
        let counts = self.counts();
        let Counts {
            issued,
            sent,
            twice,
            elsewhere,
            forged,
            resumed,
            full,
            failed,
            ..
        } = counts;
        println!(
            "\n{what}: {issued} tickets issued, {sent} sent: {twice} twice, {elsewhere} elsewhere, {forged} forged; \
             {resumed} connections resumed, {full} full, {failed} failed"
        );
        counts
    }

    /// What must never have happened, counted.
    pub fn judge(&self, what: &str) -> Counts {
        let counts = self.show(what);
        let findings = counts.twice + counts.elsewhere + counts.forged + counts.failed;
        let checks = counts.issued;
        println!("assurance: agent chaos: checks {checks}, findings {findings}");
        assert!(counts.resumed > 0 && counts.full > 0);
        assert_eq!(findings, 0);
        counts
    }
}

impl Seen {
    fn counts_of(&self, version: &str) -> Counts {
        let mut sum = Counts::default();
        let counts = self.counts.iter();
        let counts = counts.filter(|(owner, _)| owner.starts_with(version));
        counts.for_each(|(_, counts)| sum.add(counts));
        sum
    }
}

/// By which other processes talk to the server, a line at a time, which the kernel keeps whole.
pub struct Pipe {
    pub told: PipeWriter,
    thread: JoinHandle<()>,
}

/// What is said to the server begins so; the rest is what a test that fails says.
pub const TOLD: &str = "chaos: ";

impl Pipe {
    pub fn new(server: &Arc<Server>) -> Self {
        let (heard, told) = std::io::pipe().unwrap();
        let server = Arc::clone(server);
        let thread = thread::spawn(move || {
            for line in BufReader::new(heard).lines().map(Result::unwrap) {
                match line.strip_prefix(TOLD) {
                    Some(told) => server.hear(told),
                    None => eprintln!("{line}"),
                }
            }
        });
        Self { told, thread }
    }

    /// After all processes have ended.
    pub fn close(self) {
        drop(self.told);
        self.thread.join().unwrap();
    }
}
