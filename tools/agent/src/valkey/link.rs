//! The connection to the engine.

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long an answer may take. An engine that takes longer is as good as gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// For how long an engine that failed is left alone, at first and at the most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

pub(super) struct Link {
    client: Client,
    /// Locked while somebody connects: the others wait for that.
    open: Mutex<Option<Rc<Open>>>,
    /// Until when the engine is left alone, and for how long the next time.
    paused: Cell<Option<Instant>>,
    pause: Cell<Duration>,
    /// Why there is no connection; what is said of it is said once.
    trouble: RefCell<Option<String>>,
}

pub(super) struct Open {
    connection: MultiplexedConnection,
    /// Which run of which primary this is. Entries of another one may have been handed out since: by the engine
    /// before it was restarted from a dump, or before another took its place.
    pub(super) generation: String,
}

/// Why commands brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The engine has not done them.
    NotDone,
    /// It may have done them.
    Unknown,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            open: Mutex::default(),
            paused: Cell::default(),
            pause: Cell::new(PAUSE.0),
            trouble: RefCell::default(),
        }
    }

    /// Whether the engine failed a short time ago, and is left alone.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
            .get()
            .is_some_and(|until| until > Instant::now())
    }

    pub(super) fn is_up(&self) -> bool {
        self.trouble.borrow().is_none() && self.open.try_lock().is_ok_and(|open| open.is_some())
    }

    /// The connection, which is made if need be; `None`: there is none now.
    pub(super) async fn open(&self) -> Option<Rc<Open>> {
        let mut open = self.open.lock().await;
        if open.is_none() && !self.is_paused() {
            match tokio::time::timeout(PATIENCE, self.connect()).await {
                Ok(Ok(connected)) => *open = Some(Rc::new(connected)),
                Ok(Err(why)) => self.failed(&why.to_string()),
                Err(_) => self.failed("no answer"),
            }
        }
        open.clone()
    }

    async fn connect(&self) -> RedisResult<Open> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connected = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connection = connected.await?;
        let (generation, _) = run(&connection, &commands()).await?;
        self.pause.set(PAUSE.0);
        if let Some(why) = self.trouble.take() {
            eprintln!("tsc-agent: Valkey is back, after: {why}");
        }
        Ok(Open {
            connection,
            generation,
        })
    }

    /// Has the engine do `commands`, all of them or none, and says what came of each.
    pub(super) async fn transact(
        &self,
        open: &Rc<Open>,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Failed> {
        match run(&open.connection, commands).await {
            Ok((generation, values)) if generation == open.generation => Ok(values),
            Ok(_) => {
                self.close(open).await;
                Err(Failed::Unknown)
            }
            Err(why) => {
                let text = why.to_string();
                let (failed, usable) = judge(why);
                if !usable {
                    self.close(open).await;
                    self.failed(&text);
                }
                Err(failed)
            }
        }
    }

    /// Closes this connection, if nobody has done so.
    async fn close(&self, which: &Rc<Open>) {
        let mut open = self.open.lock().await;
        open.take_if(|open| Rc::ptr_eq(open, which));
    }

    fn failed(&self, why: &str) {
        let pause = self.pause.get();
        self.paused.set(Some(Instant::now() + pause));
        self.pause.set((2 * pause).min(PAUSE.1));
        if self.trouble.replace(Some(why.into())).is_none() {
            eprintln!("tsc-agent: going on without Valkey: {why}");
        }
    }
}

/// Commands to add to. The first one asks who does them.
pub(super) fn commands() -> Pipeline {
    let mut commands = redis::pipe();
    let who = commands.atomic().cmd("INFO");
    who.arg("server").arg("replication");
    commands
}

async fn run(
    connection: &MultiplexedConnection,
    commands: &Pipeline,
) -> RedisResult<(String, Vec<Value>)> {
    let done: Vec<Value> = commands.query_async(&mut connection.clone()).await?;
    let mut done = done.into_iter();
    let info: String = redis::from_redis_value(done.next().unwrap_or(Value::Nil))?;
    Ok((generation(&info)?, done.collect()))
}

fn generation(info: &str) -> RedisResult<String> {
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    match (field("role"), field("run_id"), field("master_replid")) {
        (Some("master"), Some(run), Some(replication)) => Ok(format!("{run} {replication}")),
        (Some(role), ..) if role != "master" => Err(RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "not the primary",
        ))),
        _ => Err(RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "INFO does not say which server this is; Valkey or Redis from 7.0 on do",
        ))),
    }
}

/// What is known of commands after an error, and whether the connection is still of use.
fn judge(why: RedisError) -> (Failed, bool) {
    let aborted = why.kind() == ErrorKind::Server(redis::ServerErrorKind::ExecAbort);
    let errors = why.into_server_errors().unwrap_or_default();
    // What the engine says of commands that would write, and that it has not begun.
    let all = |codes: &[&str]| {
        let mut errors = errors.iter();
        aborted
            && !errors.as_slice().is_empty()
            && errors.all(|(_, error)| codes.contains(&error.code()))
    };
    if all(&["OOM"]) {
        (Failed::NotDone, true)
    } else if all(&["OOM", "READONLY", "MISCONF", "NOREPLICAS"]) {
        (Failed::NotDone, false)
    } else {
        (Failed::Unknown, false)
    }
}

/// An engine by its URL, with the certificates of files if it is to be spoken to by TLS.
pub(super) fn client(
    url: &str,
    authorities: Option<&std::path::Path>,
    certificate: Option<(&std::path::Path, &std::path::Path)>,
) -> anyhow::Result<Client> {
    let read =
        |path: &std::path::Path| std::fs::read(path).with_context(|| path.display().to_string());
    let client_tls = match certificate {
        None => None,
        Some((certificate, key)) => Some(redis::ClientTlsConfig {
            client_cert: read(certificate)?,
            client_key: read(key)?,
        }),
    };
    let certificates = redis::TlsCertificates {
        client_tls,
        root_cert: authorities.map(read).transpose()?,
    };
    let is_tls = ["rediss:", "valkeys:"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let client = if is_tls {
        Client::build_with_tls(url, certificates)
    } else {
        Client::open(url)
    };
    client.context("the URL of Valkey")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_is_known_by_its_run_and_its_replication() {
        let of = |role: &str, run: &str, replication: &str| {
            generation(&format!(
                "# Server\r\nrun_id:{run}\r\n# Replication\r\nrole:{role}\r\nmaster_replid:{replication}\r\n"
            ))
        };
        let first = of("master", "a", "b").unwrap();
        assert_ne!(of("master", "c", "b").unwrap(), first);
        assert_ne!(of("master", "a", "c").unwrap(), first);
        assert!(of("slave", "a", "b").is_err());
        assert!(generation("role:master\r\n").is_err());
    }
}
