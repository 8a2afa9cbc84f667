//! An agent that answers anything: the library offers nothing but what that very attempt was lent or it received
//! itself, believes no message that is none, and its books balance.

use crate::input::Input;
use libtsc::agent::Agent;
use libtsc::agent::protocol::{LENGTH, MAX_SESSION, Reply, Request, length, whose};
use libtsc::{Cache, Config, Endpoint, Failure, Options, SessionInfo};
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What the agent says to the next requests; then it closes the connection.
static ANSWERS: Mutex<VecDeque<Answer>> = Mutex::new(VecDeque::new());

/// What may be offered.
static GOOD: Mutex<Vec<Good>> = Mutex::new(Vec::new());

struct Good {
    host: String,
    session: Vec<u8>,
    is_single: bool,
}

fn good(host: &str, session: &[u8], is_single: bool) {
    GOOD.lock().expect("nobody panics with it").push(Good {
        host: host.into(),
        session: session.into(),
        is_single,
    });
}

struct Answer {
    bytes: Vec<u8>,
    /// Whether it is about the attempt that asks; otherwise about the one that the bytes say.
    is_right: bool,
    /// Whether the connection ends with it: nobody shall wait for the rest of what is no message.
    is_last: bool,
}

/// Where it listens, for as long as the process lives.
fn socket() -> PathBuf {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    let listen = || {
        let folder = std::env::temp_dir().join(format!("tsc-fuzz-{}", std::process::id()));
        // Of a process that had the same number.
        let _ = std::fs::remove_dir_all(&folder);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.expect("a folder of our own");
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        socket
    };
    SOCKET.get_or_init(listen).clone()
}

fn serve(mut stream: UnixStream) -> Option<()> {
    const UNANSWERED: [u8; 4] = [1, 6, 7, 8]; // Hello, Failed, Gone and Cancel
    loop {
        let mut head = [0; LENGTH];
        stream.read_exact(&mut head).ok()?;
        let mut message = vec![0; u32::from_be_bytes(head) as usize];
        stream.read_exact(&mut message).ok()?;
        if UNANSWERED.contains(message.first()?) {
            continue;
        }
        let mut answer = ANSWERS.lock().expect("nobody panics with it").pop_front()?;
        answer.suit(Request::decode(&message)?);
        stream.write_all(&answer.bytes).ok()?;
        if answer.is_last {
            return None;
        }
    }
}

impl Answer {
    /// Says it of the attempt that asks, if it is to be right, and notes what is lent to whom.
    fn suit(&mut self, request: Request<'_>) -> Option<()> {
        const ATTEMPT: std::ops::Range<usize> = LENGTH + 1..LENGTH + 9;
        if self.is_right {
            self.bytes[ATTEMPT].copy_from_slice(&request.attempt()?.to_be_bytes());
        }
        let end = LENGTH + length(*self.bytes.first_chunk()?)?;
        let reply = Reply::decode(self.bytes.get(LENGTH..end)?)?;
        let (
            Request::Lease { attempt, key, .. },
            Reply::Leased {
                attempt: lent,
                tls_version: version @ (TLS_1_2 | TLS_1_3),
                left_ms: 1..,
                lineage_ms: 1..,
                session,
                ..
            },
        ) = (request, reply)
        else {
            return None;
        };
        if attempt != lent {
            return None;
        }
        let (_, endpoint) = whose(key).expect("the library's own key");
        let host = String::from_utf8_lossy(endpoint.host);
        good(&host, session, version == TLS_1_3);
        Some(())
    }
}

const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;
const HOSTS: [&str; 2] = ["one.example", "other.example"];

fn answer(input: &mut Input<'_>) -> Answer {
    // Whose attempt it is, or a number that some attempt may have.
    let (is_right, attempt) = (input.byte() < 200, u64::from(input.byte()));
    let session = vec![input.byte(); 1 + input.below(8)];
    let reply = match input.below(8) {
        0 => Reply::Done { attempt },
        1 => Reply::Unknown { attempt },
        2 => Reply::None {
            attempt,
            reason: input.byte(),
            waited: input.flag(),
        },
        3 => Reply::Text { text: &session },
        4 => {
            let length = input.below(40);
            let bytes = input.bytes(length).to_vec();
            return Answer {
                bytes,
                is_right: false,
                is_last: true,
            };
        }
        5 => {
            // Longer than any that is shared.
            let session = vec![b'x'; MAX_SESSION + 1];
            return whole(&leased(input, attempt, &session), is_right);
        }
        _ => leased(input, attempt, &session),
    };
    let is_text = matches!(reply, Reply::Text { .. });
    whole(&reply, is_right && !is_text)
}

fn leased<'a>(input: &mut Input<'_>, attempt: u64, session: &'a [u8]) -> Reply<'a> {
    Reply::Leased {
        attempt,
        tls_version: input.pick(&[TLS_1_3, TLS_1_2, 0, 0xFFFF]),
        age_ms: input.pick(&[0, 1000, u64::MAX]),
        left_ms: input.pick(&[3_600_000, 0, u64::MAX]),
        lineage_ms: input.pick(&[3_600_000, 3_600_000, 0, u64::MAX]),
        waited: input.flag(),
        session,
    }
}

fn whole(reply: &Reply<'_>, is_right: bool) -> Answer {
    let (head, tail) = reply.encode();
    Answer {
        bytes: [&head, tail].concat(),
        is_right,
        is_last: false,
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let answers = (0..input.below(12)).map(|_| answer(&mut input)).collect();
    GOOD.lock().expect("nobody panics with it").clear();
    *ANSWERS.lock().expect("nobody panics with it") = answers;

    let agent = Agent::at(socket()).budget(Duration::from_secs(60));
    let cache = Cache::new(Options::default()).with_agent(agent);
    let config = Config::new(&cache).identity(b"one").expect("short enough");
    let mut open = Vec::new();
    let mut brought = 0;
    for _ in 0..12 {
        if input.is_empty() {
            break;
        }
        let host = input.pick(&HOSTS);
        let attempt = config.begin(&Endpoint::new(host, 9142));
        let attempt = attempt.expect("a good endpoint");
        if input.flag() {
            let _ = attempt.wait(Duration::ZERO);
        }
        let offered = attempt.offer().expect("an attempt that has not offered");
        if let Some(session) = &offered {
            let bytes = session.bytes().expect("it was bytes");
            let is_it = |one: &Good| one.session == bytes && one.host == host;
            let mut good = GOOD.lock().unwrap_or_else(PoisonError::into_inner);
            let at = good.iter().position(is_it);
            let at = at.unwrap_or_else(|| panic!("{bytes:?} is not for {host}"));
            if good[at].is_single {
                good.remove(at);
            }
        }
        let count = input.below(3);
        for _ in 0..count {
            brought += 1;
            let session = format!("ticket {brought}").into_bytes();
            if attempt.receive(&SessionInfo::tls13(7200), &session).is_ok() {
                good(host, &session, true);
            }
        }
        let end = input.below(4);
        let _ = match end {
            0 => attempt.established(false),
            1 => attempt.established(offered.is_some()),
            2 => attempt.failed(Failure::HANDSHAKE),
            _ => Ok(()),
        };
        if input.flag() {
            open.push(attempt);
        } else if let Some(session) = offered.filter(|_| end == 3 && count == 0) {
            // It was not sent, and is the next one's.
            let single = session.tls_version() == TLS_1_3;
            good(host, session.bytes().expect("it was bytes"), single);
        }
    }
    drop(open);
    let stats = cache.stats();
    let dropped = stats.expired + stats.evicted + stats.displaced + stats.removed;
    assert_eq!(
        stats.stored + stats.returned,
        stats.taken + dropped + stats.sessions,
        "the books balance: {stats:?}"
    );
}
