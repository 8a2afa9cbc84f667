//! Waiting as a future, with an executor made by hand.

use super::*;
use crate::attempt::Attempt;
use crate::connection::Failure;
use crate::error::Error;
use crate::ready::Ready;
use std::cell::Cell;
use std::pin::pin;
use std::ptr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(1000);

/// A task that counts how often it was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Task {
    fn poll(self: &Arc<Self>, ready: &mut Ready) -> Poll<Result<(), Error>> {
        let waker = Waker::from(Arc::clone(self));
        poll(ready, &waker)
    }

    fn woken(&self) -> usize {
        self.0.load(Relaxed)
    }
}

fn poll(ready: &mut Ready, waker: &Waker) -> Poll<Result<(), Error>> {
    pin!(ready).poll(&mut Context::from_waker(waker))
}

const DONE: Poll<Result<(), Error>> = Poll::Ready(Ok(()));

/// A world in which a full handshake is under way, and an attempt that waits for what it brings.
struct Waiting {
    world: World,
    leader: Arc<Connection>,
    attempt: Attempt,
    ready: Ready,
    task: Arc<Task>,
}

impl Waiting {
    fn new() -> Self {
        let world = World::new(WIDE);
        let leader = world.connect();
        assert_eq!(offer(&leader), Ok(None));
        let attempt = world.config.begin(&HOST).expect("a good endpoint");
        let mut ready = attempt.ready(LONG);
        let task = Arc::new(Task::default());
        assert_eq!(task.poll(&mut ready), Poll::Pending);
        Self {
            world,
            leader,
            attempt,
            ready,
            task,
        }
    }

    /// The full handshake brings these tickets.
    fn lead(&self, tickets: &[u32]) {
        for &ticket in tickets {
            receive(&self.leader, ticket, TLS_1_3, HOUR).expect("staged");
        }
        self.leader.established(false).expect("open");
    }

    fn offer(&self) -> Option<u32> {
        offer(self.attempt.connection()).expect("open")
    }

    fn poll(&mut self) -> Poll<Result<(), Error>> {
        self.task.poll(&mut self.ready)
    }
}

#[test]
fn it_is_ready_when_a_ticket_comes() {
    let mut waiting = Waiting::new();
    assert_eq!(waiting.poll(), Poll::Pending);
    waiting.lead(&[1]);
    assert_eq!(waiting.task.woken(), 1);
    assert_eq!(waiting.poll(), DONE);
    assert_eq!(waiting.poll(), DONE, "polled once more");
    assert_eq!(waiting.offer(), Some(1));
}

#[test]
fn it_is_ready_when_nothing_comes() {
    let mut waiting = Waiting::new();
    waiting.leader.failed(Failure::HANDSHAKE).expect("open");
    assert_eq!(waiting.task.woken(), 1);
    assert_eq!(waiting.poll(), DONE);
    assert_eq!(waiting.offer(), None);
}

#[test]
fn the_last_task_that_polled_is_woken() {
    let mut waiting = Waiting::new();
    let other = Arc::new(Task::default());
    assert_eq!(other.poll(&mut waiting.ready), Poll::Pending);
    assert_eq!(Arc::strong_count(&waiting.task), 1, "the first is let go");
    waiting.lead(&[1]);
    assert_eq!((waiting.task.woken(), other.woken()), (0, 1));
}

#[test]
fn who_drops_it_gives_up_its_place() {
    let waiting = Waiting::new();
    drop(waiting.ready);
    let Waiting { world, attempt, .. } = waiting;
    assert_eq!(world.config.forecast(&HOST).expect("good").waiting, 0);
    assert_eq!(offer(attempt.connection()), Ok(None));
    receive(&waiting.leader, 1, TLS_1_3, HOUR).expect("staged");
    waiting.leader.established(false).expect("open");
    assert_eq!(waiting.task.woken(), 0);
    assert_eq!(world.available(), 1);
}

#[test]
fn what_was_kept_for_one_that_dropped_it_is_still_offered_or_goes_back() {
    for offers in [true, false] {
        let waiting = Waiting::new();
        waiting.lead(&[1]);
        let Waiting {
            world,
            attempt,
            ready,
            ..
        } = waiting;
        thread::spawn(|| drop(ready)).join().expect("no panic");
        assert_eq!(world.available(), 0);
        if offers {
            assert_eq!(offer(attempt.connection()), Ok(Some(1)));
            attempt.failed(Failure::NOT_SENT).expect("open");
        }
        drop(attempt);
        assert_eq!(world.available(), 1);
    }
}

#[test]
fn it_does_not_outlast_its_attempt() {
    type End = fn(&Attempt);
    let ends: [End; 4] = [
        |attempt| assert_eq!(offer(attempt.connection()), Ok(None)),
        |attempt| attempt.established(false).expect("open"),
        |attempt| attempt.failed(Failure::LOGIN).expect("open"),
        |attempt| attempt.connection().release(),
    ];
    for end in ends {
        let mut waiting = Waiting::new();
        end(&waiting.attempt);
        assert_eq!(waiting.task.woken(), 1);
        assert_eq!(waiting.poll(), DONE);
    }
    // Not even asked yet.
    let world = World::new(WIDE);
    let attempt = world.config.begin(&HOST).expect("a good endpoint");
    let mut ready = attempt.ready(LONG);
    drop(attempt);
    let task = Arc::new(Task::default());
    assert_eq!(task.poll(&mut ready), Poll::Ready(Err(Error::WrongState)));
}

#[test]
fn an_attempt_has_one_place() {
    let mut waiting = Waiting::new();
    let mut second = waiting.attempt.ready(LONG);
    let answer = waiting.task.poll(&mut second);
    assert_eq!(answer, Poll::Ready(Err(Error::WrongState)));
    drop(second);
    waiting.lead(&[1]);
    assert_eq!(waiting.poll(), DONE);
    assert_eq!(waiting.offer(), Some(1));
}

/// A task that, woken, polls at once, on the thread and at the moment; and so does a copy of its waker.
struct Hasty {
    ready: Mutex<Option<Ready>>,
    done: AtomicUsize,
}

impl Hasty {
    fn poll(self: &Arc<Self>) {
        let taken = self.ready.lock().expect("not poisoned").take();
        // Nobody else: it is being polled.
        let Some(mut ready) = taken else { return };
        if poll(&mut ready, &self.waker()).is_ready() {
            self.done.fetch_add(1, Relaxed);
        } else {
            *self.ready.lock().expect("not poisoned") = Some(ready);
        }
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Hasty {
    fn wake(self: Arc<Self>) {
        self.poll();
    }
}

#[test]
fn a_task_may_poll_while_it_is_woken() {
    let world = World::new(WIDE);
    let leader = world.connect();
    assert_eq!(offer(&leader), Ok(None));
    let attempt = world.config.begin(&HOST).expect("a good endpoint");
    let task = Arc::new(Hasty {
        ready: Mutex::new(Some(attempt.ready(LONG))),
        done: AtomicUsize::new(0),
    });
    task.poll();
    assert_eq!(task.done.load(Relaxed), 0);
    receive(&leader, 1, TLS_1_3, HOUR).expect("staged");
    leader.established(false).expect("open");
    assert_eq!(task.done.load(Relaxed), 1);
    assert_eq!(offer(attempt.connection()), Ok(Some(1)));
}

thread_local! {
    static WHILE_CLONED: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// A waker that has foreign code run while it is cloned.
#[allow(unsafe_code, reason = "a waker made by hand")]
fn odd_waker() -> Waker {
    const fn raw() -> RawWaker {
        static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());
        RawWaker::new(ptr::null(), &VTABLE)
    }
    fn clone(_: *const ()) -> RawWaker {
        if let Some(call) = WHILE_CLONED.take() {
            call();
        }
        raw()
    }
    // SAFETY: there is no data, and the functions are safe.
    unsafe { Waker::from_raw(raw()) }
}

#[test]
fn a_wait_may_end_while_the_waker_is_cloned() {
    let (done, ends) = mpsc::channel();
    thread::spawn(move || {
        let mut waiting = Waiting::new();
        let leader = Arc::clone(&waiting.leader);
        WHILE_CLONED.set(Some(Box::new(move || {
            leader.failed(Failure::HANDSHAKE).expect("open");
        })));
        let answer = poll(&mut waiting.ready, &odd_waker());
        done.send(answer).expect("the test waits");
    });
    let answer = ends.recv_timeout(Duration::from_secs(60));
    assert_eq!(answer, Ok(DONE), "it hangs");
}

#[cfg(unix)]
#[test]
#[allow(unsafe_code, reason = "forks")]
fn a_forked_child_does_not_wait_for_what_its_parent_is_brought() {
    let mut waiting = Waiting::new();
    // SAFETY: the child does nothing but poll, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let told = waiting.poll() == Poll::Ready(Err(Error::Closed));
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!told)) };
    }
    assert!(child > 0);
    let mut status = -1;
    // SAFETY: a child of ours, and a place for its status.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    waiting.lead(&[1]);
    assert_eq!(waiting.poll(), DONE);
}
