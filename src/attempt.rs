//! One connection attempt, as a driver holds it.

use crate::config::Config;
use crate::connection::{AttemptInfo, Connection, Failure};
use crate::endpoint::Endpoint;
use crate::engine::Payload;
use crate::error::Error;
use crate::ready::Ready;
use crate::session::Session;
use crate::session_info::SessionInfo;
#[cfg(target_os = "linux")]
use crate::wait_fd::WaitFd;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// One connection attempt: what it offers, what it receives, how it ended.
///
/// What the connection receives is staged, and others see it once the driver says
/// [`established`](Self::established). Dropped before that, the attempt counts as unfinished: what it
/// received is discarded, and what it had taken and not sent goes back.
///
/// ```
/// use libtsc::{Cache, Config, Endpoint, Options, SessionInfo};
///
/// # fn main() -> Result<(), libtsc::Error> {
/// let config = Config::new(&Cache::new(Options::default()));
/// let endpoint = Endpoint::new("db.example", 9142);
///
/// let first = config.begin(&endpoint)?;
/// assert!(first.offer()?.is_none()); // nothing yet: a full handshake
/// first.receive(&SessionInfo::tls13(7200), b"what the TLS stack makes of a ticket")?;
/// first.established(false)?; // once the login is done, too
///
/// let second = config.begin(&endpoint)?;
/// let session = second.offer()?.expect("the ticket");
/// assert_eq!(session.bytes(), Some(&b"what the TLS stack makes of a ticket"[..]));
/// second.established(true)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Attempt(Arc<Connection>);

impl Config {
    /// Begins a connection attempt.
    ///
    /// A closed or disabled cache is no error: the attempt works and has nothing to offer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an endpoint without a host, [`Error::TooLarge`] if one of its names
    /// has more than 255 bytes.
    pub fn begin(&self, endpoint: &Endpoint<'_>) -> Result<Attempt, Error> {
        Ok(Attempt::of(Connection::new(self, endpoint)?))
    }
}

impl Attempt {
    pub(crate) fn of(connection: Arc<Connection>) -> Self {
        Self(connection)
    }

    #[cfg(any(test, feature = "rustls", feature = "capi"))]
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }

    /// The session to offer in the ClientHello, leased to this attempt; `None`: do a full handshake.
    ///
    /// A TLS 1.3 ticket is out of the cache from here on, and nobody else gets it. It goes back if the
    /// attempt fails with [`Failure::NOT_SENT`], or is dropped before [`sent`](Self::sent) and all that
    /// imply it. Asking again gives the same session. Ask as late as possible, once the TCP connection
    /// is established.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the ClientHello was sent or the attempt has ended, [`Error::Closed`] in a
    /// forked child.
    pub fn offer(&self) -> Result<Option<Session>, Error> {
        let offered = self.0.offer(Session::shared)?;
        // Without memory for a copy: a full handshake.
        Ok(offered.flatten())
    }

    /// Says that the ClientHello with the offered session may have left: a TLS 1.3 ticket is used up,
    /// whatever happens next. Call it before the first bytes are written. An attempt that never asked for an
    /// offer has sent no session: its wait ends, and the session that was held back for it returns to the cache.
    ///
    /// # Errors
    /// [`Error::Closed`] in a forked child.
    pub fn sent(&self) -> Result<(), Error> {
        Ok(self.0.sent()?)
    }

    /// Takes a session or ticket that the server sent, as the bytes that the TLS stack makes of it. They
    /// are copied, and wiped when released. The session's lifetime counts from this call.
    ///
    /// # Errors
    /// The session was not kept: [`Error::Discarded`], [`Error::TooLarge`], [`Error::Closed`],
    /// [`Error::NoMemory`], or [`Error::InvalidArgument`] for no bytes or a TLS version that has no
    /// sessions.
    pub fn receive(&self, info: &SessionInfo, bytes: &[u8]) -> Result<(), Error> {
        let info = info.check()?;
        if bytes.is_empty() {
            return Err(Error::InvalidArgument);
        }
        let payload = Payload::Bytes(self.0.keep(bytes)?);
        let received = self.0.receive(payload, bytes.len(), &info);
        received.map_err(|(why, _)| why.into())
    }

    /// Takes a session as an object of the TLS stack, which costs no serialising and no parsing.
    /// `length` is what it would be as bytes; 0 if that is not known. With the certificates in `info`, the
    /// library decides from it what the object costs in memory.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); the object is dropped.
    pub fn receive_object(
        &self,
        info: &SessionInfo,
        object: Arc<dyn Any + Send + Sync>,
        length: usize,
    ) -> Result<(), Error> {
        let info = info.check()?;
        let payload = Payload::Value(object);
        let received = self.0.receive(payload, info.object_size(length), &info);
        received.map_err(|(why, _)| why.into())
    }

    /// Whether a session that the server has sent is worth taking, where taking it is expensive for the caller:
    /// not if the endpoint has `max_sessions_per_endpoint` already, so that it would only replace another one.
    /// A session that is not wanted has been counted here as one that the server sent.
    #[must_use]
    pub fn wants_another(&self) -> bool {
        self.0.wants_another().unwrap_or(false)
    }

    /// Says when the server's certificate ends, in Unix seconds, where only the connection knows it. Bounds
    /// every session that this attempt has received and will receive. After [`established`](Self::established)
    /// it also bounds the sessions of its lineage that are in the cache; those that other attempts have taken
    /// are not put back past it.
    ///
    /// # Errors
    /// [`Error::Closed`] in a forked child.
    pub fn set_not_after(&self, unix_seconds: i64) -> Result<(), Error> {
        Ok(self.0.set_not_after(unix_seconds)?)
    }

    /// Says that the connection is established: TLS verified and the application's own login done. What it
    /// received is published, and what it still receives goes straight into the cache.
    ///
    /// `resumed` says whether the handshake was a resumed one. If a session was offered and it was not,
    /// the server refused it, and its whole lineage is dropped.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the attempt has ended, [`Error::InvalidArgument`] if it was resumed though
    /// nothing was offered, [`Error::Closed`] in a forked child. Nothing was changed.
    pub fn established(&self, resumed: bool) -> Result<(), Error> {
        Ok(self.0.established(resumed)?)
    }

    /// Says, before anything was sent, that the connection is not one of its endpoint's after all, for example
    /// because it turns out to verify something else. The session that was taken goes back, nothing that the
    /// connection receives is kept, and it goes on without the cache. Report how it ended as usual.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the offer was sent or the attempt has ended, [`Error::Closed`] in a forked child.
    pub fn withdraw(&self) -> Result<(), Error> {
        Ok(self.0.withdraw()?)
    }

    /// Says that the attempt failed: what it received is discarded, then and later.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the attempt has ended, [`Error::Closed`] in a forked child.
    pub fn failed(&self, why: Failure) -> Result<(), Error> {
        Ok(self.0.failed(why)?)
    }

    /// What became of the attempt so far.
    ///
    /// # Errors
    /// [`Error::Closed`] in a forked child.
    pub fn info(&self) -> Result<AttemptInfo, Error> {
        Ok(self.0.info()?)
    }

    /// Blocks until there is nothing to wait for any more: a session is there, or none is expected within
    /// `max_wait`. Make the offer then.
    ///
    /// A pool that opens many connections to one endpoint at once has more attempts than tickets. The first
    /// attempt does a full handshake; the others get the tickets that it receives, and those that they receive
    /// in turn. An attempt that cannot get a session in time is told so immediately, and the others do not wait
    /// for an attempt that hangs. Call this after the TCP connection is established: a session that is held back
    /// for this attempt is not available to others.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the attempt waits already or is past its offer, [`Error::Closed`] in a
    /// forked child.
    pub fn wait(&self, max_wait: Duration) -> Result<(), Error> {
        Ok(self.0.wait(millis(max_wait))?)
    }

    /// [`wait`](Self::wait) as a future, for any runtime.
    ///
    /// The library has no timer: `max_wait` tells it what is worth waiting for, and the runtime ends the
    /// wait, as with `tokio::time::timeout(max_wait, attempt.ready(max_wait))`. Dropping the future gives
    /// up the place in the queue. Make the offer when it is done or dropped. Without a timer of the library's, a
    /// first burst at a server that issues no sessions may wait until the runtime ends it; if one of them uses
    /// [`wait`](Self::wait), that one notices earlier, for all.
    ///
    /// The future borrows nothing, and may be spawned as a task of its own.
    ///
    /// ```
    /// # use libtsc::{Attempt, Cache, Config, Endpoint, Error, Options};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Error> {
    /// # let config = Config::new(&Cache::new(Options::default()));
    /// let attempt = config.begin(&Endpoint::new("db.example", 9142))?;
    /// # let waits = async {
    /// attempt.ready(Duration::from_secs(2)).await?;
    /// let session = attempt.offer()?;
    /// # assert!(session.is_none());
    /// # Ok::<(), Error>(())
    /// # };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(std::pin::pin!(waits).poll(&mut context).is_ready());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A future has no thread that would read the answers of tsc-agent, so where sessions are shared with other
    /// processes it waits for connections of this process only. `wait_fd` waits for those of all.
    #[must_use = "futures do nothing unless polled"]
    pub fn ready(&self, max_wait: Duration) -> Ready {
        Ready::new(&self.0, millis(max_wait))
    }

    /// [`wait`](Self::wait) for an event loop: a descriptor that becomes readable when the wait is over, by a
    /// session, a changed forecast or the deadline. `None`: there is nothing to wait for. Make the offer then.
    ///
    /// It needs no timer, and where sessions are shared with other processes it waits for their connections, too;
    /// with tokio, by an `AsyncFd`. Only on Linux. Keep it until the wait is over. If it is dropped earlier, the
    /// attempt keeps its place in the queue until its offer.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and [`Error::NoMemory`] if the system gives no descriptor.
    #[cfg(target_os = "linux")]
    pub fn wait_fd(&self, max_wait: Duration) -> Result<Option<WaitFd>, Error> {
        let mut waits = None;
        WaitFd::ask(&self.0, millis(max_wait), |wait_fd| waits = Some(wait_fd))?;
        Ok(waits)
    }
}

fn millis(duration: Duration) -> u32 {
    duration.as_millis().try_into().unwrap_or(u32::MAX)
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.release();
    }
}
