//! A socket that notes what goes over it and when.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub struct Wire {
    stream: TcpStream,
    began: Instant,
    /// When the server's first bytes came.
    pub first_answer: Option<Duration>,
    pub sent: usize,
    pub received: usize,
    /// The first thing sent: the ClientHello, with its record's header.
    pub client_hello: usize,
    answered: bool,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            began: Instant::now(),
            first_answer: None,
            sent: 0,
            received: 0,
            client_hello: 0,
            answered: false,
        }
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.answered = true;
        self.received += read;
        self.first_answer
            .get_or_insert_with(|| self.began.elapsed());
        Ok(read)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.sent += written;
        if !self.answered {
            self.client_hello += written;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
