use super::attempt::clone_connection;
use super::guard::{borrow, check_output, guard, write};
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_NO_MEMORY, TSC_UNSUPPORTED, TSC_WAIT};
use super::{tsc_attempt, tsc_status};
use crate::connection::Plan;
use crate::supply::Waker;
use crate::sys::Timer;
use std::ffi::c_void;
use std::sync::Arc;

/// What the caller wants to be called, and with what.
struct ReadyCallback {
    call: unsafe extern "C" fn(*mut c_void),
    arg: *mut c_void,
}

// SAFETY: the header says that ready is called on any thread.
unsafe impl Send for ReadyCallback {}

impl ReadyCallback {
    fn call(self) {
        // SAFETY: the header's contract: the function may be called with this argument until it was
        // called or tsc_attempt_wait_end said that it will not be.
        unsafe { (self.call)(self.arg) }
    }
}

/// How far the library's clock may be behind a timer's: what that is set for has come about then.
const TICK_MS: u64 = 10;

fn status_of(plan: Plan) -> Result<(), tsc_status> {
    match plan {
        Plan::Go => Ok(()),
        Plan::Wait => Err(TSC_WAIT),
    }
}

/// Waits for a session if one is expected in time, and returns when there is nothing to wait for any
/// more: ask tsc_attempt_offer then (or create the rustls connection), and do a full handshake if it has
/// nothing.
///
/// A pool that opens many connections to one endpoint at once has more attempts than tickets. With this,
/// the first does a full handshake and the others are given what it brings, and what these bring in
/// turn, in the order in which they asked. Who would wait in vain, as far as the library can tell from
/// what the endpoint brought before, is told so at once; so is everybody if the endpoint issues no
/// sessions. Others know of an attempt from its tsc_attempt_offer on, until it is established and has
/// brought what it is expected to, has failed, or is freed: say so as soon as you know.
///
/// Ask after the TCP connection stands: a session that was kept for an attempt is kept from others.
/// docs/supply.md says when waiting pays.
///
/// An attempt that hangs is not waited for to the end: after eight times what handshakes take here, between
/// one and ten seconds, nothing is expected of it, and the first in the line goes in its place.
/// max_wait_ms: the longest wait, in milliseconds of real time. 0: do not wait.
/// TSC_WRONG_STATE: the attempt waits already, or is past its offer. TSC_CLOSED: the attempt is from
/// before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait(
    attempt: *const tsc_attempt,
    max_wait_ms: u32,
) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.wait(max_wait_ms)?))
}

/// tsc_attempt_wait for a driver that must not be blocked.
///
/// TSC_OK: there is nothing to wait for; ready will not be called. TSC_WAIT: ready is called when the
/// wait is over, once, on whichever thread ended it, with no lock held, possibly before this call has
/// returned. It may call any function of this library, tsc_attempt_offer among them.
/// The library starts no thread, so it cannot call at the deadline: set a timer of your own to
/// max_wait_ms, and call tsc_attempt_wait_end when it fires. For the same reason a burst that waits for
/// something which does not come (a first one, at a server that issues no sessions; an attempt that hangs)
/// learns of it by the next call about the same endpoint, whatever that is, or by one that waits with one
/// of the other two calls.
/// Callbacks run one after the other: if one ends the wait of another attempt, as by tsc_attempt_free, the
/// other one's is called after it has returned. So any number of them needs no deeper stack than one.
/// ready: not NULL. arg: passed to it.
/// Other statuses: see tsc_attempt_wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait_callback(
    attempt: *const tsc_attempt,
    max_wait_ms: u32,
    ready: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        let call = ready.ok_or(TSC_INVALID_ARGUMENT)?;
        let ready = ReadyCallback { call, arg };
        status_of(connection.plan(max_wait_ms, Waker::new(move || ready.call()))?)
    })
}

/// tsc_attempt_wait for an event loop: by a file descriptor that becomes readable when the wait is over,
/// be it by a session, by a forecast that changed, or by the deadline. No timer and no callback needed.
///
/// TSC_OK: there is nothing to wait for; fd is not written. TSC_WAIT: fd gets the descriptor, which is
/// lent until tsc_attempt_free; poll it for reading, do not read or close it, and take it out of the
/// event loop when it is readable, or else before tsc_attempt_free. The library closes it, once, but not
/// before another thread that is just ending the wait is done with it: for that moment it stays open, so an
/// event loop that still has it could report it after tsc_attempt_free. Its number is not used for anything
/// else meanwhile.
/// TSC_UNSUPPORTED: there are no such descriptors outside Linux; wait with tsc_attempt_wait_callback and a
/// timer of your event loop there. TSC_NO_MEMORY: no descriptor could be had. Other statuses: see
/// tsc_attempt_wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait_fd(
    attempt: *const tsc_attempt,
    max_wait_ms: u32,
    fd: *mut i32,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        check_output(fd)?;
        if !Timer::EXISTS {
            return Err(TSC_UNSUPPORTED);
        }
        let timer = Arc::new(Timer::set(max_wait_ms).ok_or(TSC_NO_MEMORY)?);
        let (rings, looks) = (Arc::clone(&timer), Arc::clone(&timer));
        let waker = Waker::new(move || rings.ring()).with_clock(move |millis| {
            looks.ring_in(millis.map(|millis| millis + TICK_MS));
        });
        let (plan, calls) = connection.plan_later(max_wait_ms, waker)?;
        if plan == Plan::Wait {
            write(fd, timer.fd());
            // It is still there: a clock that had freed it would have ended the attempt, and the plan.
            *borrow(attempt)?.timer.lock() = Some(timer);
        }
        drop(calls);
        status_of(plan)
    })
}

/// Gives up an attempt's place in the queue, as at its deadline: make the offer then.
///
/// TSC_OK: ready has not been called and will not be. TSC_WRONG_STATE: the attempt does not wait, or
/// ready was called, or is being called or about to be: leave the rest to it.
/// tsc_attempt_offer, tsc_attempt_sent, tsc_attempt_receive, tsc_attempt_established, tsc_attempt_failed and
/// tsc_attempt_free end a wait, too, but do not say which it was: use this first if what arg points to is to
/// be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait_end(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.end_wait()?))
}
