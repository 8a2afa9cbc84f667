//! A connection to the agent.

use super::Away;
use super::protocol::{self, LENGTH, MAX_MESSAGE, Process, Reply, Request, VERSION};
use crate::sys::SecretPages;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, recv, sendmsg, socket_with, sockopt::socket_peercred,
};
use smallvec::SmallVec;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use zeroize::Zeroize as _;

/// Some requests may be sent before their replies are read, which come in the same order.
pub(super) struct Channel {
    socket: OwnedFd,
    /// What was read and not used yet, in memory for secrets.
    buffer: SecretPages,
    filled: usize,
    /// How many replies are still to come that nobody waits for.
    pub(super) owed: u32,
    /// Whether anything was sent since this was last set to false.
    pub(super) sent: bool,
}

/// How many parts of messages are sent at once, of which the system takes no more than 1024.
const MOST_PARTS: usize = 64;

impl Channel {
    /// Connects, without blocking, to an agent of this user's own or of the system's.
    pub(super) fn open(path: &Path, process: Process, deadline: Instant) -> Result<Self, Away> {
        check_folder(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        // Who else could have put a socket there. Whoever gives out sessions can read what they protect.
        if !is_trusted(socket_peercred(&socket)?.uid.as_raw()) {
            return Err(Away::NotTrusted);
        }
        let mut channel = Self {
            socket,
            buffer: SecretPages::map(LENGTH + MAX_MESSAGE).ok_or(Away::NoMemory)?,
            filled: 0,
            owed: 0,
            sent: false,
        };
        let version = VERSION;
        channel.send(&[Request::Hello { version, process }], deadline)?;
        Ok(channel)
    }

    /// Sends requests, all of them. What was sent in part can't be taken back: on an error the channel is of no
    /// use any more.
    pub(super) fn send(&mut self, requests: &[Request<'_>], deadline: Instant) -> Result<(), Away> {
        let messages: SmallVec<[_; 4]> = requests.iter().map(Request::encode).collect();
        let parts = messages.iter().flat_map(|(head, tail)| [&head[..], tail]);
        let parts = parts.filter(|part| !part.is_empty());
        let mut parts: SmallVec<[_; 8]> = parts.map(IoSlice::new).collect();
        let mut parts = &mut parts[..];
        while !parts.is_empty() {
            let most = parts.len().min(MOST_PARTS);
            let mut nothing = SendAncillaryBuffer::default();
            match sendmsg(
                &self.socket,
                &parts[..most],
                &mut nothing,
                SendFlags::NOSIGNAL,
            ) {
                Ok(sent) => {
                    self.sent = true;
                    IoSlice::advance_slices(&mut parts, sent);
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }

    /// The next reply; `None`: it is not there by the deadline. After it was used, `consume`.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Option<Reply<'_>>, Away> {
        while self.whole()?.is_none() {
            match self.wait(PollFlags::IN, deadline) {
                Err(Away::Slow) => return Ok(None),
                waited => waited?,
            }
            let free = &mut self.buffer[self.filled..];
            match recv(&self.socket, free, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Away::Closed),
                Ok((read, _)) => self.filled += read,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
        let end = self.whole()?.unwrap_or(LENGTH);
        let reply = Reply::decode(&self.buffer[LENGTH..end]);
        reply.map(Some).ok_or(Away::Nonsense)
    }

    /// Where the first message ends, if all of it is there.
    fn whole(&self) -> Result<Option<usize>, Away> {
        let Some(&length) = self.buffer[..self.filled].first_chunk() else {
            return Ok(None);
        };
        let end = LENGTH + protocol::length(length).ok_or(Away::Nonsense)?;
        Ok((end <= self.filled).then_some(end))
    }

    /// Wipes the first message, which was used.
    pub(super) fn consume(&mut self) {
        let end = self.whole().ok().flatten().unwrap_or(self.filled);
        self.buffer.copy_within(end..self.filled, 0);
        let left = self.filled - end;
        self.buffer[left..self.filled].zeroize();
        self.filled = left;
    }

    /// Reads what nobody waits for; false: not all of it was there by the deadline.
    pub(super) fn settle(&mut self, deadline: Instant) -> Result<bool, Away> {
        while self.owed > 0 {
            match self.receive(deadline)? {
                None => return Ok(false),
                Some(Reply::Text { .. }) => return Err(Away::Nonsense),
                Some(_) => {}
            }
            self.consume();
            self.owed -= 1;
        }
        if self.has_more() {
            return Err(Away::Nonsense);
        }
        Ok(true)
    }

    /// Whether more was read than what is still to come.
    pub(super) fn has_more(&self) -> bool {
        self.owed == 0 && self.filled != 0
    }

    fn wait(&self, what: PollFlags, deadline: Instant) -> Result<(), Away> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // A deadline that is over is one look.
            let left = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&self.socket, what)], Some(&left)) {
                Ok(0) => return Err(Away::Slow),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let filled = self.filled;
        self.buffer[..filled].zeroize();
    }
}

/// Only this user, or root, may give out sessions.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Nobody else may be able to put another socket in the place of the agent's.
fn check_folder(path: &Path) -> Result<(), Away> {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let folder = match path.parent() {
        Some(folder) if path.is_absolute() => folder,
        _ => return Err(Away::NotTrusted),
    };
    let folder = std::fs::metadata(folder).map_err(|_| Away::Closed)?;
    if is_trusted(folder.uid()) && folder.mode() & WRITABLE_BY_OTHERS == 0 {
        Ok(())
    } else {
        Err(Away::NotTrusted)
    }
}

/// Long enough for a deadline that is as good as none.
pub(super) fn after(wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(wait.min(YEAR)).unwrap_or(now)
}
