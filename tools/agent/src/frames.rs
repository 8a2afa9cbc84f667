//! Messages on a socket.

use libtsc::agent::protocol::{Head, LENGTH, length};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) struct Frames {
    stream: UnixStream,
    /// What was read and not used yet.
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
    /// Replies that are sent as soon as there is no other request to read.
    queued: Vec<u8>,
}

/// What most messages are shorter than.
const USUAL: usize = 4 << 10;

impl Frames {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            buffer: Zeroizing::new(vec![0; USUAL]),
            filled: 0,
            queued: Vec::new(),
        }
    }

    /// Waits for a whole message, without its length; `None`: the other side has closed. May be dropped while it
    /// waits, and called again. After the message was used, `consume`.
    pub(crate) async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(end) = self.whole()? {
                return Ok(Some(&self.buffer[LENGTH..end]));
            }
            self.flush().await?;
            let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                return Ok(None);
            }
            self.filled += read;
        }
    }

    /// Where the first message ends, if all of it is there, for which there is room from then on.
    fn whole(&mut self) -> io::Result<Option<usize>> {
        let Some(&start) = self.buffer[..self.filled].first_chunk() else {
            return Ok(None);
        };
        let length = length(start).ok_or(io::ErrorKind::InvalidData)?;
        let end = LENGTH + length;
        if end > self.buffer.len() {
            // A new one: growing in place would leave a copy behind.
            let mut larger = Zeroizing::new(vec![0; end.next_power_of_two()]);
            larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.buffer = larger;
        }
        Ok((end <= self.filled).then_some(end))
    }

    /// Wipes the first message.
    pub(crate) fn consume(&mut self) {
        let end = self.whole().ok().flatten().unwrap_or(self.filled);
        self.buffer.copy_within(end..self.filled, 0);
        let left = self.filled - end;
        self.buffer[left..self.filled].zeroize();
        self.filled = left;
    }

    /// Sends a message, which is all in its head, with those that answer the requests that have come as well.
    pub(crate) async fn queue(&mut self, (head, _): (Head, &[u8])) -> io::Result<()> {
        self.queued.extend_from_slice(&head);
        if self.queued.len() < USUAL {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.queued.is_empty() {
            let sent = self.stream.write(&self.queued).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.queued.drain(..sent);
        }
        Ok(())
    }

    /// Sends a message, given in two parts.
    pub(crate) async fn send(&mut self, (head, tail): (Head, &[u8])) -> io::Result<()> {
        self.flush().await?;
        let mut parts = [io::IoSlice::new(&head), io::IoSlice::new(tail)];
        let mut parts = &mut parts[..];
        while !parts.is_empty() {
            let sent = self.stream.write_vectored(parts).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            io::IoSlice::advance_slices(&mut parts, sent);
            // What is left may be nothing.
            while parts.first().is_some_and(|part| part.is_empty()) {
                parts = &mut std::mem::take(&mut parts)[1..];
            }
        }
        Ok(())
    }
}
