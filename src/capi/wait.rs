use super::attempt::clone_connection;
use super::guard::{borrow, check_output, guard, write};
#[cfg(not(target_os = "linux"))]
use super::tsc_status::TSC_UNSUPPORTED;
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_WAIT};
use super::{tsc_attempt, tsc_status};
use crate::connection::Plan;
use crate::supply::Waker;
#[cfg(target_os = "linux")]
use crate::wait_fd::WaitFd;
use std::ffi::c_void;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;

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

fn status_of(plan: Plan) -> Result<(), tsc_status> {
    match plan {
        Plan::Go => Ok(()),
        Plan::Wait => Err(TSC_WAIT),
    }
}

/// Waits for a session if one is expected in time, and returns when there is nothing left to wait for.
///
/// Then call tsc_attempt_offer (or create the rustls connection), and do a full handshake if it has nothing. Call
/// this after the TCP connection is established: a session that is held back for this attempt is not available to
/// others.
///
/// A pool that opens many connections to one endpoint at once has more attempts than tickets. The first attempt
/// does a full handshake; the others get the tickets that it receives, and those that they receive in turn, in
/// the order in which they asked. An attempt that cannot get a session before its deadline, judging by what the
/// endpoint issued before, is told so immediately, and so is every attempt if the endpoint issues no sessions.
/// The library counts on an attempt from its tsc_attempt_offer until it has been established and has received
/// what is expected of it, has failed, or is freed: report the outcome as soon as you know it.
///
/// If an attempt hangs, the others do not wait for it to the end: after eight times the usual duration of a
/// handshake at this endpoint, but at least one second and at most ten, nothing is expected of it any more, and
/// the first in the queue does a full handshake in its place. docs/supply.md says when waiting pays.
///
/// max_wait_ms: the longest wait, in milliseconds of real time; 0: do not wait.
/// Returns TSC_OK when the wait is over, or there is nothing to wait for; TSC_WRONG_STATE if the attempt waits
/// already, or is past its offer; TSC_CLOSED if the attempt is from before a fork.
/// Threads: blocks this one, and holds no lock while it does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait(
    attempt: *const tsc_attempt,
    max_wait_ms: u32,
) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.wait(max_wait_ms)?))
}

/// Waits as tsc_attempt_wait does, for a driver that must not block: calls a function when the wait is over.
///
/// The library starts no thread, so it cannot call at the deadline: set a timer of your own to max_wait_ms, and
/// call tsc_attempt_wait_end when it fires. For the same reason, attempts that wait for something which does not
/// come (the tickets of a server that issues none, or an attempt that hangs) learn of it only by the next call
/// about the same endpoint, or from an attempt that waits with one of the other two calls. And with TSC_SHARE it
/// waits for connections of this process only, where the other two wait for those of all processes.
///
/// max_wait_ms: the longest wait, in milliseconds; 0: do not wait.
/// ready: called once when the wait is over; not NULL. It may call any function of this library,
/// tsc_attempt_offer included.
/// arg: passed to ready; may be NULL.
/// Returns TSC_OK if there is nothing to wait for, and ready will not be called; TSC_WAIT if ready will be
/// called; TSC_WRONG_STATE if the attempt waits already, or is past its offer; TSC_CLOSED if the attempt is from
/// before a fork.
/// Threads: ready is called on whichever thread ended the wait, with no lock held, possibly before this call has
/// returned. On one thread, callbacks run one after another: if one ends the wait of another attempt, for example
/// by tsc_attempt_free, the other attempt's callback runs after it has returned. So any number of them needs no
/// deeper stack than one.
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

/// Waits as tsc_attempt_wait does, for an event loop: gives a file descriptor that becomes readable when the wait
/// is over, by a session, a changed forecast or the deadline.
///
/// It needs no timer and no callback.
///
/// max_wait_ms: the longest wait, in milliseconds; 0: do not wait.
/// fd: with TSC_WAIT, receives the descriptor, lent until tsc_attempt_free. Poll it for reading; do not read or
/// close it. Take it out of the event loop when it is readable, or at the latest before tsc_attempt_free. The
/// library closes it once, when no thread is still ending the wait; for that moment after tsc_attempt_free an
/// event loop that still has the descriptor could report it. Its number is not reused meanwhile.
/// Returns TSC_OK if there is nothing to wait for, and fd is not written; TSC_WAIT if fd was written;
/// TSC_WRONG_STATE if the attempt waits already, or is past its offer; TSC_UNSUPPORTED outside Linux, where such
/// descriptors do not exist: use tsc_attempt_wait_callback and a timer of your event loop; TSC_NO_MEMORY if the
/// system gives no descriptor; TSC_CLOSED if the attempt is from before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait_fd(
    attempt: *const tsc_attempt,
    max_wait_ms: u32,
    fd: *mut i32,
) -> tsc_status {
    guard(|| {
        let connection = clone_connection(attempt)?;
        check_output(fd)?;
        #[cfg(target_os = "linux")]
        return status_of(WaitFd::ask(&connection, max_wait_ms, |wait_fd| {
            write(fd, wait_fd.as_raw_fd());
            // The handle is still there: foreign code has not run since it was looked at.
            if let Ok(attempt) = borrow(attempt) {
                *attempt.wait_fd.lock() = Some(wait_fd);
            }
        })?);
        #[cfg(not(target_os = "linux"))]
        Err(TSC_UNSUPPORTED)
    })
}

/// Gives up an attempt's place in the queue, as at its deadline: call tsc_attempt_offer then.
///
/// tsc_attempt_offer, tsc_attempt_sent, tsc_attempt_receive, tsc_attempt_established, tsc_attempt_failed and
/// tsc_attempt_free end a wait as well, but do not tell whether ready is still to come. Call this first if you
/// are going to free what arg points to.
///
/// Returns TSC_OK if ready has not been called and will not be; TSC_WRONG_STATE if the attempt does not wait, or
/// ready was called, is being called or is about to be: leave the rest to it; TSC_CLOSED if the attempt is from
/// before a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tsc_attempt_wait_end(attempt: *const tsc_attempt) -> tsc_status {
    guard(|| Ok(clone_connection(attempt)?.end_wait()?))
}
