//! Processes, the agent and the connections between them die at any instant; no ticket is handed out twice.

use crate::machine::{Machine, Process, offer, receive};
use libtsc::{Failure, Options};
use std::collections::HashSet;
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

#[derive(Default)]
struct Seen {
    offered: Mutex<HashSet<Vec<u8>>>,
    resumed: AtomicU64,
    full: AtomicU64,
}

impl Seen {
    /// A ticket is on the wire.
    fn send(&self, ticket: Vec<u8>) {
        let text = String::from_utf8_lossy(&ticket).into_owned();
        assert!(self.offered.lock().unwrap().insert(ticket), "twice: {text}");
    }
}

/// The lives of a few connections of one process.
fn live(process: &Process, dice: &mut Dice, seen: &Seen) {
    let mut open = Vec::new();
    for _ in 0..dice.roll(20) {
        let attempt = process.begin();
        if dice.roll(4) == 0 {
            attempt.wait(Duration::from_millis(dice.roll(20))).unwrap();
        }
        let ticket = offer(&attempt);
        let resumed = ticket.is_some();
        match dice.roll(10) {
            0 => attempt.failed(Failure::NOT_SENT).unwrap(),
            1 => drop(attempt),
            2 => {
                ticket.into_iter().for_each(|ticket| seen.send(ticket));
                attempt.failed(Failure::HANDSHAKE).unwrap();
            }
            3 => {
                // The server refuses it.
                ticket.into_iter().for_each(|ticket| seen.send(ticket));
                attempt.sent().unwrap();
                receive(&attempt);
                attempt.established(false).unwrap();
            }
            _ => {
                ticket.into_iter().for_each(|ticket| seen.send(ticket));
                attempt.sent().unwrap();
                for _ in 0..dice.roll(4) {
                    receive(&attempt);
                }
                attempt.established(resumed).unwrap();
                receive(&attempt);
                let count = if resumed { &seen.resumed } else { &seen.full };
                count.fetch_add(1, Relaxed);
                open.push(attempt);
            }
        }
        if dice.roll(3) == 0 {
            open.clear();
        }
    }
}

#[test]
fn no_ticket_is_handed_out_twice_whatever_dies() {
    let lives = std::env::var("TSC_AGENT_LIVES").map_or(300, |lives| lives.parse().unwrap());
    let seed = std::env::var("TSC_AGENT_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut machine = Machine::new(&[]);
    let seen = Seen::default();
    let done = AtomicBool::new(false);
    let socket = machine.socket();
    thread::scope(|scope| {
        let (seen, done, socket) = (&seen, &done, &socket);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn(move || {
                    let mut dice = Dice(seed * 7919 + number + 1);
                    for _ in 0..lives / 4 {
                        let budget = Duration::from_millis([0, 2, 2, 50][dice.roll(4) as usize]);
                        let agent = libtsc::agent::Agent::at(socket).budget(budget);
                        let cache = libtsc::Cache::new(Options::default()).with_agent(agent);
                        live(&Process { cache }, &mut dice, seen);
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
    let (resumed, full) = (seen.resumed.load(Relaxed), seen.full.load(Relaxed));
    println!("{resumed} resumed, {full} full, none handed out twice");
    assert!(resumed > 0 && full > 0);
}
