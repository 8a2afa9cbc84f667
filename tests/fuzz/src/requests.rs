//! Processes that ask an agent anything, in any order: each request gets its one reply or none, no ticket is lent twice, none
//! to another key or user, none before its connection was established, and the books balance.

use super::input::Input;
use libtsc::agent::protocol::{LENGTH, Reply, Request, VERSION, length};
use libtsc::{Failure, Reason};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tsc_agent::args::Args;
use tsc_agent::connection;
use tsc_agent::host::Host;

const IDENTITIES: [&str; 2] = ["one", "other"];
const HOSTS: [&str; 2] = ["a.example", "b.example"];
const PROCESSES: usize = 2;
const ATTEMPTS: usize = 4;
const CONNECTIONS: usize = 3;
const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// Its reply shows that what was said before it was heard.
const UNKNOWN: Request<'_> = Request::Established {
    attempt: ATTEMPTS as u64 + 1,
    resumed: false,
    lineage_ms: 1,
};

/// As the library makes it of an identity and an endpoint.
fn key(input: &mut Input<'_>) -> Vec<u8> {
    let (identity, host) = (input.pick(&IDENTITIES), input.pick(&HOSTS));
    let mut key = vec![1];
    let mut push = |name: &str| {
        key.push(u8::try_from(name.len()).expect("short"));
        key.extend(name.as_bytes());
    };
    push(identity);
    push("");
    push(host);
    key.extend(9142_u16.to_be_bytes());
    key.push(u8::try_from(host.len()).expect("short"));
    key.extend(host.as_bytes());
    key.push(0);
    key
}

/// Of a process, and its own number.
type Attempt = (usize, u64);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Place {
    /// Received on an attempt that is not established.
    Staged(Attempt),
    Stored,
    Lent(Attempt),
    Spent,
}

struct Ticket {
    key: Vec<u8>,
    is_single: bool,
    place: Place,
}

/// What the agent has to know, as its replies tell.
#[derive(Default)]
struct Model {
    tickets: HashMap<Vec<u8>, Ticket>,
    begun: HashMap<Attempt, Vec<u8>>,
    established: HashSet<Attempt>,
}

impl Model {
    fn places(&mut self, of: impl Fn(Place) -> bool, to: Place) {
        let tickets = self.tickets.values_mut();
        for ticket in tickets.filter(|ticket| of(ticket.place)) {
            ticket.place = to;
        }
    }

    /// What a reply comes to. Whether a request is granted is the agent's to say, within these limits.
    fn heard(&mut self, process: usize, request: &Request<'_>, reply: &Reply<'_>) {
        assert_eq!(request.attempt(), reply.attempt(), "{request:?} {reply:?}");
        let Some(number) = request.attempt() else {
            assert!(matches!(reply, Reply::Text { .. }), "{reply:?}");
            return;
        };
        let attempt = (process, number);
        match (*request, *reply) {
            (
                Request::Lease { key, .. },
                Reply::Leased {
                    session,
                    tls_version,
                    left_ms,
                    lineage_ms,
                    ..
                },
            ) => {
                self.begin(attempt, key);
                let ticket = self.tickets.get_mut(session);
                let ticket = ticket.unwrap_or_else(|| panic!("nobody brought {session:?}"));
                assert_eq!(ticket.key, key, "for another identity or endpoint");
                assert_eq!(ticket.is_single, tls_version == TLS_1_3);
                assert!(left_ms > 0 && lineage_ms >= left_ms);
                if ticket.is_single {
                    assert_eq!(ticket.place, Place::Stored, "lent twice, or too early");
                    ticket.place = Place::Lent(attempt);
                } else {
                    assert!(!matches!(ticket.place, Place::Staged(_)), "lent too early");
                }
            }
            // It has not begun: its number is in use, or there are too many.
            (Request::Lease { .. }, Reply::None { reason, .. })
                if reason == Reason::AgentAway as u8 => {}
            (Request::Lease { key, .. }, Reply::None { .. }) => self.begin(attempt, key),
            (Request::Begin { key, .. }, Reply::Done { .. }) => self.begin(attempt, key),
            (
                Request::Received {
                    session,
                    tls_version,
                    ..
                },
                Reply::Done { .. },
            ) => {
                let established = self.established.contains(&attempt);
                let ticket = Ticket {
                    key: self.begun[&attempt].clone(),
                    is_single: tls_version == TLS_1_3,
                    place: if established {
                        Place::Stored
                    } else {
                        Place::Staged(attempt)
                    },
                };
                assert!(self.tickets.insert(session.to_vec(), ticket).is_none());
            }
            (Request::Established { .. }, Reply::Done { .. }) => {
                self.established.insert(attempt);
                self.places(|place| place == Place::Lent(attempt), Place::Spent);
                self.places(|place| place == Place::Staged(attempt), Place::Stored);
            }
            (_, Reply::Unknown { .. }) if !matches!(request, Request::Lease { .. }) => {}
            _ => panic!("{reply:?} is no reply to {request:?}"),
        }
    }

    /// What comes of a request without a reply.
    fn said(&mut self, process: usize, request: &Request<'_>) {
        match *request {
            Request::Failed { attempt, facts } if Failure::from_bits(facts).is_some() => {
                let attempt = (process, attempt);
                if facts == 0 && !self.established.contains(&attempt) {
                    self.places(|place| place == Place::Lent(attempt), Place::Stored);
                }
                self.over(attempt);
            }
            Request::Gone { attempt } => self.over((process, attempt)),
            _ => {}
        }
    }

    fn begin(&mut self, attempt: Attempt, key: &[u8]) {
        assert!(!self.begun.contains_key(&attempt), "it began twice");
        self.begun.insert(attempt, key.to_vec());
    }

    /// A ticket of such an attempt is nobody's any more, unless it was given back before.
    fn over(&mut self, attempt: Attempt) {
        self.places(
            |place| [Place::Staged(attempt), Place::Lent(attempt)].contains(&place),
            Place::Spent,
        );
        self.begun.remove(&attempt);
        self.established.remove(&attempt);
    }
}

/// A connection of a process to the agent.
struct Client {
    process: usize,
    stream: UnixStream,
}

impl Client {
    async fn connect(host: &Rc<Host>, input: &mut Input<'_>) -> Self {
        let (stream, other) = UnixStream::pair().expect("two ends");
        let host = Rc::clone(host);
        tokio::task::spawn_local(async move { connection::serve(&host, other).await });
        let process = input.below(PROCESSES);
        let mut client = Self { process, stream };
        let id = u8::try_from(process).expect("few");
        let process = [id; 16];
        let version = if input.byte() == 255 {
            VERSION.wrapping_add(1)
        } else {
            VERSION
        };
        client.say(&Request::Hello { version, process }).await;
        client
    }

    async fn say(&mut self, request: &Request<'_>) {
        let (head, tail) = request.encode();
        // The agent may have closed it, which the next reply shows.
        let _ = self.stream.write_all(&[&head, tail].concat()).await;
    }

    /// `None`: the agent has closed it.
    async fn hear(&mut self) -> Option<Vec<u8>> {
        let mut start = [0; LENGTH];
        self.stream.read_exact(&mut start).await.ok()?;
        let mut message = vec![0; length(start).expect("a message")];
        let read = self.stream.read_exact(&mut message).await;
        read.expect("all of it");
        Some(message)
    }

    /// Says what may be no message, and hears out what the agent still says.
    async fn end(mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.shutdown().await;
        while let Some(message) = self.hear().await {
            assert!(Reply::decode(&message).is_some(), "{message:?}");
        }
    }
}

fn args() -> Args {
    Args::of(&[
        "--max-attempts=4",
        "--max-user-attempts=7",
        "--max-connections=4",
        "--max-sessions=5",
        "--max-endpoints=3",
    ])
}

pub fn run(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, talk(&mut Input::new(data)));
}

async fn talk(input: &mut Input<'_>) {
    let host = Host::new(&args()).expect("no Valkey, nothing to fail");
    let mut model = Model::default();
    let mut clients: [Option<Client>; CONNECTIONS] = Default::default();
    let mut brought = 0;
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let at = input.below(CONNECTIONS);
        let mut client = match clients[at].take() {
            Some(client) => client,
            None => Client::connect(&host, input).await,
        };
        let kind = input.below(10);
        if kind == 0 {
            let length = input.below(60);
            // What is in it may be a request that the agent grants: not on this model's attempts.
            let bytes = input.bytes(length);
            if is_harmless(bytes) {
                client.end(bytes).await;
            }
            continue;
        }
        let attempt = 1 + input.below(ATTEMPTS) as u64;
        let key = key(input);
        let session = format!("ticket {brought}").into_bytes();
        let request = match kind {
            1 => Request::Begin { attempt, key: &key },
            2..=4 => Request::Lease {
                attempt,
                wait_ms: u32::from(input.byte() > 250),
                key: &key,
            },
            5 | 6 => {
                brought += 1;
                Request::Received {
                    attempt,
                    tls_version: input.pick(&[TLS_1_3, TLS_1_3, TLS_1_2, 0]),
                    left_ms: input.pick(&[3_600_000, 3_600_000, 0, u64::MAX]),
                    session: &session,
                }
            }
            7 => Request::Established {
                attempt,
                resumed: input.flag(),
                lineage_ms: input.pick(&[3_600_000, 3_600_000, 0, u64::MAX]),
            },
            8 => Request::Failed {
                attempt,
                facts: input.pick(&[0, 0, 1, 3, 255]),
            },
            _ => Request::Gone { attempt },
        };
        let has_reply = !matches!(request, Request::Failed { .. } | Request::Gone { .. });
        client.say(&request).await;
        if !has_reply {
            client.say(&UNKNOWN).await;
        }
        if let Some(message) = client.hear().await {
            let reply = Reply::decode(&message);
            let reply = reply.unwrap_or_else(|| panic!("{message:?} is no reply"));
            if has_reply {
                model.heard(client.process, &request, &reply);
            } else {
                model.said(client.process, &request);
                model.heard(client.process, &UNKNOWN, &reply);
            }
            clients[at] = Some(client);
        }
    }
    for client in clients.into_iter().flatten() {
        client.end(&[]).await;
    }
    balanced(&host, input).await;
}

/// Whether no message in it could be about an attempt.
fn is_harmless(bytes: &[u8]) -> bool {
    let Some((start, rest)) = bytes.split_first_chunk() else {
        return true;
    };
    match length(*start) {
        Some(length) if length <= rest.len() => {
            let request = Request::decode(&rest[..length]);
            let harmless = request.is_none_or(|request| request.attempt().is_none());
            harmless && (request.is_none() || is_harmless(&rest[length..]))
        }
        _ => true,
    }
}

async fn balanced(host: &Rc<Host>, input: &mut Input<'_>) {
    let mut client = Client::connect(host, input).await;
    client.say(&Request::Status).await;
    let Some(message) = client.hear().await else {
        return; // Of another version.
    };
    let Some(Reply::Text { text }) = Reply::decode(&message) else {
        panic!("{message:?}");
    };
    let text = std::str::from_utf8(text).expect("UTF-8");
    let number = |name: &str| {
        let line = |line: &str| {
            let rest = line.strip_prefix("tsc_agent_")?.strip_prefix(name)?;
            let value = rest.strip_prefix(' ').or_else(|| {
                rest.strip_prefix("{uid=")
                    .and_then(|rest| rest.split_once("} "))
                    .map(|(_, value)| value)
            });
            value?.parse::<u64>().ok()
        };
        text.lines()
            .find_map(line)
            .unwrap_or_else(|| panic!("{name}: {text}"))
    };
    assert_eq!(number("connections"), 1);
    assert!(number("attempts") <= 7);
    let dropped = ["expired", "evicted", "displaced", "removed"];
    let dropped: u64 = dropped
        .iter()
        .map(|name| number(&format!("{name}_total")))
        .sum();
    assert_eq!(
        number("stored_total") + number("returned_total"),
        number("taken_total") + dropped + number("sessions"),
        "the books balance: {text}"
    );
}
