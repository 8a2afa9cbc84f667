//! A socket that notes what goes over it and when.

use crate::facts::size::SEGMENT;
use crate::hello::ServerHello;
use crate::tcp::{self, Packets};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Wire {
    stream: Arc<TcpStream>,
    began: Instant,
    /// When the server's first bytes came.
    pub first_answer: Option<Duration>,
    pub sent: usize,
    pub received: usize,
    /// The first thing sent: the ClientHello, with its record's header.
    pub client_hello: usize,
    /// How often the client spoke and the server answered.
    pub round_trips: usize,
    /// Segments of TCP, both ways, if each of them takes 1440 bytes.
    segments: usize,
    /// What went one way since the other side last spoke.
    flight: usize,
    direction: Direction,
    /// The first that was received.
    head: Vec<u8>,
    /// What had gone over the socket before.
    before: Option<Packets>,
    packets: Packets,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Nowhere,
    Out,
    In,
}

impl Wire {
    pub fn new(stream: Arc<TcpStream>) -> Self {
        Self {
            before: tcp::packets(&stream),
            packets: Packets::default(),
            stream,
            began: Instant::now(),
            first_answer: None,
            sent: 0,
            received: 0,
            client_hello: 0,
            round_trips: 0,
            segments: 0,
            flight: 0,
            direction: Direction::Nowhere,
            head: Vec::new(),
        }
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn segments(&self) -> usize {
        self.segments + self.flight.div_ceil(SEGMENT)
    }

    /// Those with data, both ways, as TCP counted them; None: it does not.
    pub fn packets(&self) -> Option<u32> {
        let before = self.before?;
        Some(
            self.packets.sent.saturating_sub(before.sent)
                + self.packets.received.saturating_sub(before.received),
        )
    }

    fn counts(&self) -> Packets {
        // Where it is not known, nobody asks for the sum either.
        self.before
            .and_then(|_| tcp::packets(&self.stream))
            .unwrap_or_default()
    }

    pub fn server_hello(&self) -> Option<ServerHello> {
        ServerHello::read(&self.head)
    }

    fn moves(&mut self, direction: Direction, bytes: usize) {
        if direction != self.direction {
            self.segments += self.flight.div_ceil(SEGMENT);
            self.flight = 0;
            self.direction = direction;
            self.round_trips += usize::from(direction == Direction::In);
        }
        self.flight += bytes;
    }

    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }
}

/// A signal ends a read that has a limit of time. What Ctrl-C means, its handler says.
fn through_signals<T>(mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match step() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = through_signals(|| (&*self.stream).read(buffer))?;
        self.packets.received = self.counts().received;
        self.moves(Direction::In, read);
        self.received += read;
        /// A HelloRetryRequest and a ServerHello, however long their key exchange.
        const HEAD: usize = 4096;
        let room = HEAD.saturating_sub(self.head.len()).min(read);
        self.head.extend_from_slice(&buffer[..room]);
        self.first_answer
            .get_or_insert_with(|| self.began.elapsed());
        Ok(read)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = through_signals(|| (&*self.stream).write(bytes))?;
        // Only these: what was received may belong to what comes after the handshake.
        self.packets.sent = self.counts().sent;
        self.sent += written;
        self.moves(Direction::Out, written);
        if self.received == 0 {
            self.client_hello += written;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}
