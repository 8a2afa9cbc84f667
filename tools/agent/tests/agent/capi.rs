//! Sharing as a C program asks for it.

#![allow(unsafe_code, reason = "calls the C API")]

use crate::machine::{LONG, Machine};
use libtsc::capi::*;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::process::Signal;
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const HOST: &[u8] = b"db.example";

/// A cache that shares, and a config of it.
struct Program {
    cache: *mut tsc_cache,
    config: *mut tsc_config,
}

impl Program {
    fn new(machine: &Machine, budget_us: u32) -> Self {
        Self::with(machine, budget_us, |_| ())
    }

    fn with(machine: &Machine, budget_us: u32, set: impl Fn(&mut tsc_options)) -> Self {
        let socket = machine.socket();
        let socket = socket.to_str().unwrap();
        // SAFETY: all-zero is "every default".
        let mut options: tsc_options = unsafe { std::mem::zeroed() };
        options.flags = TSC_SHARE;
        options.agent = socket.as_ptr();
        options.agent_len = socket.len();
        options.agent_budget_us = budget_us;
        set(&mut options);
        // SAFETY: as above.
        let mut config_options: tsc_config_options = unsafe { std::mem::zeroed() };
        config_options.identity = HOST.as_ptr();
        config_options.identity_len = HOST.len();
        let (mut cache, mut config) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as the header says.
        unsafe {
            assert_eq!(
                tsc_cache_new(&options, size_of_val(&options), &mut cache),
                tsc_status::TSC_OK
            );
            let size = size_of_val(&config_options);
            assert_eq!(
                tsc_config_new(cache, &config_options, size, &mut config),
                tsc_status::TSC_OK
            );
        }
        Self { cache, config }
    }

    fn begin(&self) -> Attempt {
        // SAFETY: all-zero is "every default".
        let mut endpoint: tsc_endpoint = unsafe { std::mem::zeroed() };
        endpoint.host = HOST.as_ptr();
        endpoint.host_len = HOST.len();
        endpoint.port = 9142;
        let mut attempt = ptr::null_mut();
        // SAFETY: as the header says.
        let status = unsafe {
            tsc_attempt_new(self.config, &endpoint, size_of_val(&endpoint), &mut attempt)
        };
        assert_eq!(status, tsc_status::TSC_OK);
        Attempt(attempt)
    }

    fn stats(&self) -> tsc_stats {
        // SAFETY: as the header says.
        unsafe {
            let mut stats: tsc_stats = std::mem::zeroed();
            assert_eq!(
                tsc_stats_get(self.cache, &mut stats, size_of::<tsc_stats>()),
                tsc_status::TSC_OK
            );
            stats
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe {
            tsc_config_free(self.config);
            tsc_cache_free(self.cache);
        }
    }
}

struct Attempt(*mut tsc_attempt);

impl Attempt {
    fn offer(&self) -> Option<Vec<u8>> {
        // SAFETY: as the header says.
        unsafe {
            let mut session: tsc_session = std::mem::zeroed();
            match tsc_attempt_offer(self.0, &mut session, size_of::<tsc_session>()) {
                tsc_status::TSC_OK => {
                    Some(std::slice::from_raw_parts(session.data, session.len).to_vec())
                }
                status => {
                    assert_eq!(status, tsc_status::TSC_NOT_FOUND);
                    None
                }
            }
        }
    }

    fn receive(&self, ticket: &[u8]) {
        // SAFETY: as the header says.
        unsafe {
            let mut info: tsc_session_info = std::mem::zeroed();
            info.tls_version = 0x0304;
            info.lifetime_seconds = 7200;
            let size = size_of::<tsc_session_info>();
            let status = tsc_attempt_receive(self.0, &info, size, ticket.as_ptr(), ticket.len());
            assert_eq!(status, tsc_status::TSC_OK);
        }
    }

    /// The login fails.
    fn refused(&self) {
        let facts = TSC_FACT_SENT | TSC_FACT_HANDSHAKE_DONE | TSC_FACT_RESUMED;
        // SAFETY: as the header says.
        let status = unsafe { tsc_attempt_failed(self.0, facts) };
        assert_eq!(status, tsc_status::TSC_OK);
    }

    fn established(&self, resumed: bool) {
        // SAFETY: as the header says.
        let status = unsafe { tsc_attempt_established(self.0, resumed.into()) };
        assert_eq!(status, tsc_status::TSC_OK);
    }

    /// Waits by descriptor; `None`: there is nothing to wait for.
    fn wait_fd(&self, millis: u32) -> Option<BorrowedFd<'_>> {
        let mut fd = -1;
        // SAFETY: as the header says; the descriptor is lent for as long as the attempt is there.
        unsafe {
            match tsc_attempt_wait_fd(self.0, millis, &mut fd) {
                tsc_status::TSC_WAIT => Some(BorrowedFd::borrow_raw(fd)),
                status => {
                    assert_eq!(status, tsc_status::TSC_OK);
                    None
                }
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { tsc_attempt_free(self.0) }
    }
}

fn is_readable(fd: BorrowedFd<'_>, millis: i64) -> bool {
    let time = Timespec {
        tv_sec: millis / 1000,
        tv_nsec: millis % 1000 * 1_000_000,
    };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&time)).unwrap() == 1
}

#[test]
fn one_program_resumes_what_another_received() {
    let machine = Machine::new(&[]);
    let (one, two) = (
        Program::new(&machine, 60_000_000),
        Program::new(&machine, 60_000_000),
    );
    let first = one.begin();
    assert_eq!(first.offer(), None);
    first.receive(b"a ticket");
    first.established(false);
    let second = two.begin();
    assert_eq!(second.offer().unwrap(), b"a ticket");
    second.established(true);
    assert_eq!((one.stats().agent_stored, two.stats().agent_leased), (1, 1));
}

#[test]
fn an_event_loop_waits_by_descriptor_and_never_blocks() {
    let machine = Machine::new(&[]);
    let one = Program::new(&machine, TSC_AGENT_NO_WAIT);
    let two = Program::new(&machine, TSC_AGENT_NO_WAIT);
    // An agent that does not answer would be noticed: no call waits for it.
    let wait = LONG.as_millis() as u32;
    let first = one.begin();
    let answer = first.wait_fd(wait).unwrap();
    assert!(
        is_readable(answer, wait.into()),
        "there is nothing to wait for"
    );
    assert_eq!(first.offer(), None);
    let second = two.begin();
    let answer = second.wait_fd(wait).unwrap();
    machine.wait_for("tsc_agent_waited_total{", 1);
    assert!(!is_readable(answer, 20));
    first.receive(b"a ticket");
    first.established(false);
    assert!(is_readable(answer, wait.into()));
    assert_eq!(second.offer().unwrap(), b"a ticket");
    second.established(true);
    // Without a wait the agent is not asked.
    let third = two.begin();
    assert_eq!(third.offer(), None);
    assert_eq!((two.stats().waited, two.stats().waits_served), (1, 1));
    // Which is no fault of the agent's.
    assert_eq!(two.stats().agent_away, 0);
}

/// The agent goes on because the loop does.
#[test]
fn an_event_loop_goes_on_while_the_agent_does_not() {
    let machine = Machine::new(&[]);
    let other = Program::new(&machine, 60_000_000);
    let brings = other.begin();
    assert_eq!(brings.offer(), None);
    brings.receive(b"a ticket");
    brings.established(false);
    let program = Program::new(&machine, TSC_AGENT_NO_WAIT);
    machine.signal(Signal::STOP);
    let attempt = program.begin();
    let answer = attempt.wait_fd(LONG.as_millis() as u32).unwrap();
    let looper = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let (data, interest) = (epoll::EventData::new_u64(1), epoll::EventFlags::IN);
    epoll::add(&looper, answer, data, interest).unwrap();
    let turn = Timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    let mut events = Vec::with_capacity(1);
    while epoll::wait(&looper, spare_capacity(&mut events), Some(&turn)).unwrap() == 0 {
        machine.signal(Signal::CONT);
    }
    assert_eq!(attempt.offer().unwrap(), b"a ticket");
    machine.signal(Signal::STOP);
    attempt.receive(b"another");
    attempt.established(true);
    drop(attempt);
    machine.signal(Signal::CONT);
    machine.wait_for("tsc_agent_stored_total", 2);
    assert_eq!(program.stats().agent_away, 0);
}

#[test]
fn a_wait_by_descriptor_ends_at_its_deadline() {
    let machine = Machine::new(&[]);
    let program = Program::new(&machine, 60_000_000);
    let first = program.begin();
    assert_eq!(first.offer(), None);
    let second = program.begin();
    let answer = second.wait_fd(200).unwrap();
    assert!(is_readable(answer, LONG.as_millis() as i64));
    assert_eq!(second.offer(), None);
    let third = program.begin();
    // Given up before its time.
    assert!(third.wait_fd(LONG.as_millis() as u32).is_some());
    assert_eq!(third.offer(), None);
    first.receive(b"a ticket");
    first.established(false);
    // Given up without a word: what it was lent goes to the next.
    let fourth = program.begin();
    let answer = fourth.wait_fd(LONG.as_millis() as u32).unwrap();
    assert!(is_readable(answer, LONG.as_millis() as i64));
    drop(fourth);
    assert_eq!(program.begin().offer().unwrap(), b"a ticket");
}

#[test]
fn a_forked_child_shares_by_itself() {
    let machine = Machine::new(&[]);
    let program = Program::new(&machine, 60_000_000);
    let first = program.begin();
    assert_eq!(first.offer(), None);
    first.receive(b"one");
    first.receive(b"two");
    first.established(false);
    let second = program.begin();
    assert_eq!(second.offer().unwrap(), b"two");
    // SAFETY: the child uses nothing of other threads': this library, which says that it may be used, and _exit.
    match unsafe { libc::fork() } {
        0 => {
            let attempt = std::mem::ManuallyDrop::new(program.begin());
            let taken = attempt.offer();
            let status = match taken.as_deref() {
                Some(b"one") => 0,
                Some(_) => 1,
                None => 2,
            };
            // SAFETY: always allowed.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: a child of ours.
            unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(libc::WEXITSTATUS(status), 0);
        }
    }
    // The child dropped its copy of the parent's attempt, which is still the parent's.
    second.established(true);
    assert_eq!(program.begin().offer(), None);
    assert_eq!(machine.number("tsc_agent_resumed_total"), 1);
}

static CLOCK: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn read_clock(_: *mut std::ffi::c_void) -> u64 {
    CLOCK.load(Relaxed)
}

/// When the pause of the breaker is over, one attempt at a time tries again, also with a session of the agent's.
#[test]
fn one_attempt_at_a_time_probes_with_what_the_agent_lends() {
    let machine = Machine::new(&[]);
    let program = Program::with(&machine, u32::MAX - 1, |options| {
        options.failure_budget = 3;
        options.clock = Some(read_clock);
    });
    let full = || {
        let attempt = program.begin();
        assert_eq!(attempt.offer(), None);
        for ticket in [b"one", b"two"] {
            attempt.receive(ticket);
        }
        attempt.established(false);
    };
    full();
    // After each of two failures one does a full handshake, here and as the agent has it.
    for _ in 0..2 {
        let attempt = program.begin();
        assert!(attempt.offer().is_some());
        attempt.refused();
        full();
    }
    assert_eq!(program.stats().breaker_opened, 1);
    CLOCK.fetch_add(61_000, Relaxed);
    let (probe, other) = (program.begin(), program.begin());
    assert!(probe.offer().is_some());
    assert_eq!(other.offer(), None);
    probe.established(true);
    assert_eq!(program.stats().breaker_closed, 1);
}
