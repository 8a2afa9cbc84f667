//! A process that says what it likes.

use crate::machine::{LONG, Machine};
use libtsc::agent::protocol::{LENGTH, Process as Id, Reply, Request, VERSION};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// Of the identity `one` and the endpoint `a:1`, as the library makes it.
pub(crate) const KEY: &[u8] = b"\x01\x03one\x00\x01a\x00\x01\x01a\x00";

/// Speaks to the agent by hand.
pub(crate) struct Raw(pub(crate) UnixStream);

impl Raw {
    pub(crate) fn new(machine: &Machine, process: Id) -> Self {
        let mut raw = Self(UnixStream::connect(machine.socket()).unwrap());
        raw.0.set_read_timeout(Some(LONG)).unwrap();
        let version = VERSION;
        raw.say(&Request::Hello { version, process });
        raw
    }

    pub(crate) fn say(&mut self, request: &Request<'_>) {
        self.say_all(&[*request]);
    }

    /// At once.
    pub(crate) fn say_all(&mut self, requests: &[Request<'_>]) {
        let messages = requests.iter().map(Request::encode);
        let messages = messages.map(|(head, tail)| [&head, tail].concat());
        // The agent may have closed it: the next reply shows that.
        let _ = self.0.write_all(&messages.collect::<Vec<_>>().concat());
    }

    pub(crate) fn hear(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; LENGTH];
        self.0.read_exact(&mut length).ok()?;
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut message).ok()?;
        Some(message)
    }

    pub(crate) fn ask(&mut self, request: &Request<'_>) -> Option<Vec<u8>> {
        self.say(request);
        self.hear()
    }

    pub(crate) fn is_done(&mut self, request: &Request<'_>) -> bool {
        let reply = self.ask(request);
        matches!(
            reply.as_deref().and_then(Reply::decode),
            Some(Reply::Done { .. })
        )
    }

    /// Whether the agent answers on this connection.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.ask(&Request::Status).is_some()
    }
}
