//! A first request that only a known client gets the wanted answer to.

use crate::client::{Heard, Open};
use crate::protocol::Protocol;
use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub enum Question {
    /// A path, and the status with which it is answered to a client that is known.
    Http {
        host: String,
        path: String,
        status: u16,
    },
    /// A login without a password.
    Postgres {
        user: String,
        database: String,
    },
    Redis,
    Cql,
    /// A program that has the connection as its standard input and output.
    Command(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it is given to a client that is known.
    Known(String),
    Refused(String),
    Closed,
    Silence,
}

impl Answer {
    pub fn knows(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(text) | Self::Refused(text) => f.write_str(text),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Silence => f.write_str("no answer"),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { path, status, .. } => write!(f, "GET {path}, which should give {status}"),
            Self::Postgres { user, database } => {
                write!(f, "login as {user} to the database {database}")
            }
            Self::Redis => f.write_str("ACL WHOAMI"),
            Self::Cql => f.write_str("STARTUP"),
            Self::Command(command) => f.write_str(command),
        }
    }
}

impl Question {
    pub fn ask(&self, open: &mut Open) -> Answer {
        if let Self::Command(command) = self {
            return run(command, open);
        }
        match open.exchange(&self.request(), |answer| self.read(answer).is_some()) {
            Ok(answer) => self.read(&answer).unwrap_or(Answer::Closed),
            Err(error) if error.kind() == ErrorKind::TimedOut => Answer::Silence,
            Err(_) => Answer::Closed,
        }
    }

    fn request(&self) -> Vec<u8> {
        match self {
            Self::Http { host, path, .. } => format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tsc-probe\r\nConnection: close\r\n\r\n"
            )
            .into(),
            Self::Postgres { user, database } => {
                let mut message = vec![0, 0, 0, 0, 0, 3, 0, 0];
                for text in ["user", user, "database", database, ""] {
                    message.extend_from_slice(text.as_bytes());
                    message.push(0);
                }
                let length = message.len() as u32;
                message[..4].copy_from_slice(&length.to_be_bytes());
                message
            }
            Self::Redis => b"*2\r\n$3\r\nACL\r\n$6\r\nWHOAMI\r\n".to_vec(),
            // Version 4; a map with one entry.
            Self::Cql => {
                let mut body = vec![0, 1];
                for text in ["CQL_VERSION", "3.0.0"] {
                    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
                    body.extend_from_slice(text.as_bytes());
                }
                let mut frame = vec![4, 0, 0, 0, 1];
                frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
                frame.extend_from_slice(&body);
                frame
            }
            Self::Command(_) => Vec::new(),
        }
    }

    /// None: the answer is not all there.
    fn read(&self, answer: &[u8]) -> Option<Answer> {
        match self {
            Self::Http { status, .. } => {
                let end = answer.iter().position(|&byte| byte == b'\n')?;
                let line = String::from_utf8_lossy(&answer[..end]);
                let code = line.split_whitespace().nth(1).unwrap_or_default();
                Some(match code.parse() == Ok(*status) {
                    true => Answer::Known(code.to_owned()),
                    false => Answer::Refused(code.to_owned()),
                })
            }
            Self::Postgres { .. } => postgres(answer),
            Self::Redis => redis(answer),
            Self::Cql => Some(match answer.get(4)? {
                0x02 => Answer::Known("READY".to_owned()),
                0x03 => Answer::Refused("AUTHENTICATE".to_owned()),
                0x00 => Answer::Refused("ERROR".to_owned()),
                other => Answer::Refused(format!("opcode {other}")),
            }),
            Self::Command(_) => None,
        }
    }

    /// What is asked where the user says nothing else.
    pub fn of_protocol(protocol: Protocol, user: &str, database: &str) -> Option<Self> {
        match protocol {
            Protocol::Postgres => Some(Self::Postgres {
                user: user.to_owned(),
                database: database.to_owned(),
            }),
            Protocol::Redis => Some(Self::Redis),
            Protocol::Cql => Some(Self::Cql),
            _ => None,
        }
    }
}

fn postgres(answer: &[u8]) -> Option<Answer> {
    let number = |at: usize| Some(u32::from_be_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    Some(match answer.first()? {
        b'R' => match number(5)? {
            0 => Answer::Known("AuthenticationOk".to_owned()),
            method => Answer::Refused(format!("authentication method {method} is wanted")),
        },
        b'E' => {
            let end = 1 + number(1)? as usize;
            let fields = answer.get(5..end)?.split(|&byte| byte == 0);
            // The SQLSTATE: its text may contain a time or an address.
            let code = fields.filter_map(|field| field.strip_prefix(b"C")).next();
            let code = String::from_utf8_lossy(code.unwrap_or_default());
            Answer::Refused(format!("error {code}"))
        }
        other => Answer::Refused(format!("message {:?}", char::from(*other))),
    })
}

fn redis(answer: &[u8]) -> Option<Answer> {
    let mut lines = answer.split_inclusive(|&byte| byte == b'\n');
    let mut line = || {
        let line = lines.next()?.strip_suffix(b"\r\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    };
    let first = line()?;
    Some(match first.as_bytes().first() {
        Some(b'$') => match line()? {
            // Everybody's, who shows no certificate that names another.
            user if user == "default" => Answer::Refused(user),
            user => Answer::Known(user),
        },
        Some(b'+') => Answer::Known(first[1..].to_owned()),
        _ => Answer::Refused(first),
    })
}

/// The program's end decides: exit status 0 means that the server knows the client.
fn run(command: &str, open: &mut Open) -> Answer {
    let end = Instant::now() + open.patience();
    let spawned = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Answer::Refused(format!("the command did not start: {error}")),
    };
    let (sender, from_command) = mpsc::channel();
    let mut output = child.stdout.take().expect("it is piped");
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut input = child.stdin.take();
    let mut buffer = [0; 4096];
    loop {
        while let Ok(bytes) = from_command.try_recv() {
            let _ = open.say(&bytes);
        }
        match child.try_wait() {
            Ok(None) if Instant::now() < end && !open.is_interrupted() => {}
            Ok(Some(status)) if status.success() => {
                return Answer::Known("the command succeeded".to_owned());
            }
            Ok(Some(status)) => return Answer::Refused(format!("the command ended: {status}")),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Answer::Silence;
            }
        }
        match input.as_ref().map(|_| open.hear(&mut buffer)) {
            Some(Heard::Bytes(read)) => {
                let written = input.as_mut().map(|pipe| write(pipe, &buffer[..read]));
                if !matches!(written, Some(Ok(()))) {
                    input = None;
                }
            }
            Some(Heard::Nothing) => {}
            // The command learns that nothing more will come.
            Some(Heard::Alert(_) | Heard::End) => input = None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn write(pipe: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    pipe.write_all(bytes)?;
    pipe.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Option<Answer> {
        Some(Answer::Known(text.to_owned()))
    }

    fn refused(text: &str) -> Option<Answer> {
        Some(Answer::Refused(text.to_owned()))
    }

    fn http() -> Question {
        Question::Http {
            host: "a".to_owned(),
            path: "/me".to_owned(),
            status: 200,
        }
    }

    fn login() -> Question {
        Question::Postgres {
            user: "u".to_owned(),
            database: "d".to_owned(),
        }
    }

    #[test]
    fn answers_are_read() {
        let error = b"E\0\0\0\x19SFATAL\0C28000\0Mno such\0\0";
        for (question, answer, expected) in [
            (http(), &b"HTTP/1.1 200 OK\r\n"[..], known("200")),
            (http(), b"HTTP/1.1 403 Forbidden\r\n", refused("403")),
            (login(), b"R\0\0\0\x08\0\0\0\0", known("AuthenticationOk")),
            (
                login(),
                b"R\0\0\0\x0C\0\0\0\x05salt",
                refused("authentication method 5 is wanted"),
            ),
            (login(), error, refused("error 28000")),
            (Question::Redis, b"$5\r\nalice\r\n", known("alice")),
            (Question::Redis, b"$7\r\ndefault\r\n", refused("default")),
            (
                Question::Redis,
                b"-NOAUTH Authentication required.\r\n",
                refused("-NOAUTH Authentication required."),
            ),
            (
                Question::Cql,
                &[0x84, 0, 0, 0, 2, 0, 0, 0, 0],
                known("READY"),
            ),
            (
                Question::Cql,
                &[0x84, 0, 0, 0, 3, 0, 0, 0, 0],
                refused("AUTHENTICATE"),
            ),
        ] {
            assert_eq!(question.read(answer), expected, "{question}");
            // Half of an answer is none.
            assert_eq!(question.read(&answer[..2]), None, "{question}");
        }
    }

    #[test]
    fn requests_have_their_lengths() {
        let startup = login().request();
        assert_eq!(startup.len(), usize::from(startup[3]));
        let frame = Question::Cql.request();
        assert_eq!(frame.len(), 9 + usize::from(frame[8]));
    }
}
