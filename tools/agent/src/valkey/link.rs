//! The connection to a server.

use super::pause::Pause;
use super::sentinel::Sentinels;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// How long an answer may take. An engine that takes longer is as good as gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// For how long an engine that failed is left alone at the most.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Link {
    primary: Primary,
    /// Locked while somebody connects: the others wait for that.
    open: Mutex<Option<Rc<Open>>>,
    pause: Pause,
    trouble: Trouble,
    /// The server says that another one has what it was asked for.
    moved: Cell<bool>,
}

/// Which server it is.
pub(super) enum Primary {
    At(Box<Client>),
    /// The one that sentinels say it is.
    Sentinels(Rc<Sentinels>),
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
    /// The engine has not done them: it cannot write now.
    NoRoom,
    /// It has not done them: another server is to be asked.
    NotHere,
    /// It may have done them.
    Unknown,
}

/// Why there is no connection; what is said of it is said once.
#[derive(Default)]
pub(super) struct Trouble(RefCell<Option<String>>);

impl Trouble {
    pub(super) fn is_none(&self) -> bool {
        self.0.borrow().is_none()
    }

    pub(super) fn begins(&self, why: &str) {
        if self.0.replace(Some(why.into())).is_none() {
            eprintln!("tsc-agent: going on without Valkey: {why}");
        }
    }

    pub(super) fn ends(&self) {
        if let Some(why) = self.0.take() {
            eprintln!("tsc-agent: Valkey is back, after: {why}");
        }
    }
}

impl Open {
    pub(super) async fn to(server: &Client) -> RedisResult<Self> {
        let connection = connect(server).await?;
        let (generation, _) = run(&connection, &commands()).await?;
        Ok(Self {
            connection,
            generation,
        })
    }
}

impl Link {
    pub(super) fn new(primary: Primary) -> Self {
        Self {
            primary,
            open: Mutex::default(),
            pause: Pause::up_to(PAUSE),
            trouble: Trouble::default(),
            moved: Cell::default(),
        }
    }

    /// Whether the engine failed a short time ago, and is left alone.
    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_on()
    }

    pub(super) fn is_up(&self) -> bool {
        self.trouble.is_none() && self.open.try_lock().is_ok_and(|open| open.is_some())
    }

    /// Whether the server did not answer when it was last asked.
    pub(super) fn is_in_trouble(&self) -> bool {
        !self.trouble.is_none()
    }

    /// Whether it said then that another one is to be asked.
    pub(super) fn moved(&self) -> bool {
        self.moved.get()
    }

    /// Somebody else knows that this is the server to ask.
    pub(super) fn confirm(&self) {
        self.moved.set(false);
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
        let open = match &self.primary {
            Primary::At(client) => Open::to(client).await?,
            Primary::Sentinels(sentinels) => sentinels.open().await?,
        };
        self.pause.reset();
        self.trouble.ends();
        Ok(open)
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
                self.moved.set(failed == Failed::NotHere);
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
        self.pause.begin();
        self.trouble.begins(why);
    }
}

pub(super) async fn connect(server: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    server
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// What the first of them brings that is no error. All go on at once, since any may take for ever.
pub(super) async fn first<T: 'static>(
    tasks: impl Iterator<Item = impl Future<Output = RedisResult<T>> + 'static>,
) -> RedisResult<T> {
    let mut running = JoinSet::new();
    for task in tasks {
        running.spawn_local(task);
    }
    let mut why = error("there is nobody to ask");
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failed)) => why = failed,
            Err(_) => {}
        }
    }
    Err(why)
}

pub(super) fn error(why: &'static str) -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, why))
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
        (Some(role), ..) if role != "master" => Err(error("not the primary")),
        _ => Err(error(
            "INFO does not say which server this is; Valkey or Redis from 7.0 on do",
        )),
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
        (Failed::NoRoom, true)
    } else if all(&["OOM", "READONLY", "MISCONF", "NOREPLICAS"]) {
        (Failed::NoRoom, false)
    } else if all(&["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"]) {
        (Failed::NotHere, true)
    } else {
        (Failed::Unknown, false)
    }
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
