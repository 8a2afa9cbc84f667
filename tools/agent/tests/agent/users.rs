//! Whom the agent serves, and that users stay apart. Only root can be several users.

use crate::machine::{LONG, Machine, Process};
use crate::raw::Raw;
use crate::trouble::{LOAN, TLS_1_3, loan, offers_beside};
use libtsc::agent::Agent;
use libtsc::{Cache, Options};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The tests run this program again, as another user.
const SOCKET: &str = "TSC_AGENT_TEST_VISITED";

const GROUP: &str = "54321";

/// Brings two tickets to the agent, and says whether it was lent one before.
#[test]
fn visitor() {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else {
        return;
    };
    let agent = Agent::at(socket).budget(LONG);
    let cache = Cache::new(Options::default()).with_agent(agent);
    let process = Process { cache };
    let lent = process.take().is_some();
    if !lent {
        process.connect(2);
    }
    let stats = process.cache.stats();
    let served = lent || stats.agent_stored == 2;
    eprintln!(
        "\nchild: {}",
        match (served, lent) {
            (false, _) => "not served",
            (true, false) => "nothing for it",
            (true, true) => "lent",
        }
    );
}

/// Says whether it takes the agent that the environment names.
#[test]
fn reader() {
    if std::env::var_os(SOCKET).is_some() {
        eprintln!("\nchild: {}", Agent::from_env().is_some());
    }
}

/// Has the socket that it is given listen in its own name.
#[test]
fn impostor() {
    if std::env::var_os(SOCKET).is_some() {
        rustix::net::listen(std::io::stdin(), 8).unwrap();
        eprintln!("\nchild: listens");
    }
}

/// An agent of root's at a place that every user can reach, and this program there.
struct Place {
    machine: Machine,
    program: PathBuf,
}

impl Place {
    /// None: this is not root.
    fn with(args: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not root: skipped");
            return None;
        }
        let machine = Machine::new(args);
        let folder = machine.socket().parent().map(Path::to_owned).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.join("visitor");
        // By another process: what this one has open for writing, a process that it starts meanwhile has too, and
        // such a program does not run.
        let mut copy = Command::new("cp");
        let copied = copy.arg(std::env::current_exe().unwrap()).arg(&program);
        assert!(copied.status().unwrap().success());
        Some(Self { machine, program })
    }

    fn visit(&self, user: &str, groups: &str) -> String {
        self.run_as(user, groups, "users::visitor")
    }

    /// What a test of this program says as that user.
    fn run_as(&self, user: &str, groups: &str, test: &str) -> String {
        self.run_as_with(user, groups, test, Stdio::null())
    }

    fn run_as_with(&self, user: &str, groups: &str, test: &str, stdin: Stdio) -> String {
        let said = Command::new("setpriv")
            .args(["--reuid", user, "--regid", user, "--groups", groups])
            .arg(&self.program)
            .args(["--exact", test, "--nocapture"])
            .env(SOCKET, self.machine.socket())
            .env("TSC_AGENT", self.machine.socket())
            .current_dir("/")
            .stdin(stdin)
            .output()
            .unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        let line = said.lines().find_map(|line| line.strip_prefix("child: "));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    }
}

#[test]
fn an_agent_of_another_user_is_not_believed() {
    let Some(place) = Place::with(&[]) else {
        return;
    };
    for (user, offered) in [("50001", None), ("0", Some(LOAN.to_vec()))] {
        let machine = Machine::without_agent();
        let listener = UnixListener::bind(machine.socket()).unwrap();
        let same = OwnedFd::from(listener.try_clone().unwrap());
        let said = place.run_as_with(user, user, "users::impostor", same.into());
        assert_eq!(said, "listens");
        let offers = offers_beside(&machine, listener, loan(1, TLS_1_3));
        assert_eq!(offers, [offered, None]);
    }
}

#[test]
fn other_users_are_not_served() {
    let Some(place) = Place::with(&[]) else {
        return;
    };
    assert_eq!(place.visit("50001", GROUP), "not served");
    // Nor where the kernel lets them in.
    std::fs::set_permissions(
        place.machine.socket(),
        std::fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    assert_eq!(place.visit("50001", GROUP), "not served");
    assert_eq!(place.visit("0", "0"), "nothing for it");
}

#[test]
fn the_members_of_a_group_are_served_and_kept_apart() {
    let Some(place) = Place::with(&["--group", GROUP]) else {
        return;
    };
    assert_eq!(place.visit("50001", "50009"), "not served");
    assert_eq!(place.visit("50001", GROUP), "nothing for it");
    assert_eq!(place.visit("50002", GROUP), "nothing for it");
    assert_eq!(place.visit("50001", GROUP), "lent");
}

#[test]
fn all_users_are_served_and_kept_apart() {
    let Some(place) = Place::with(&["--all-users"]) else {
        return;
    };
    assert_eq!(place.visit("50001", "50001"), "nothing for it");
    assert_eq!(place.visit("50002", "50002"), "nothing for it");
    assert_eq!(place.visit("50002", "50002"), "lent");
}

#[test]
fn a_user_who_is_connected_is_not_forgotten_for_another() {
    let Some(place) = Place::with(&["--all-users", "--max-users=1"]) else {
        return;
    };
    let mut connected = Raw::new(&place.machine, [7; 16]);
    assert!(connected.is_alive());
    assert_eq!(place.visit("50001", "50001"), "not served");
    drop(connected);
    // As soon as the agent has seen that.
    while place.visit("50001", "50001") == "not served" {}
}

#[test]
fn a_user_leaves_connections_to_others() {
    let Some(place) = Place::with(&["--all-users", "--max-connections=8"]) else {
        return;
    };
    let mut held = [(); 9].map(|()| Raw::new(&place.machine, [7; 16]));
    let served = held.each_mut().map(Raw::is_alive);
    assert_eq!(served.into_iter().filter(|served| *served).count(), 2);
    assert_eq!(place.visit("50001", "50001"), "nothing for it");
}

#[test]
fn users_share_if_the_agent_is_told_so() {
    let Some(place) = Place::with(&["--group", GROUP, "--share-between-users"]) else {
        return;
    };
    assert_eq!(place.visit("50001", GROUP), "nothing for it");
    assert_eq!(place.visit("50002", GROUP), "lent");
}

#[test]
fn a_group_that_there_is_not_is_said() {
    let agent = Command::new(env!("CARGO_BIN_EXE_tsc-agent"))
        .args(["--group", "no-such-group", "--socket", "/nowhere/socket"])
        .output()
        .unwrap();
    assert!(!agent.status.success());
    let said = String::from_utf8(agent.stderr).unwrap();
    assert!(said.contains("no group no-such-group"), "{said}");
}

/// Of an agent that runs as that user: who owns what the kernel shows of it, and how much memory it has locked.
fn shown_of_an_agent_of(user: u32) -> Option<(u32, String)> {
    let place = Place::with(&[])?;
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(user), None).unwrap();
    let program = place.program.with_file_name("tsc-agent");
    // By another process: what this one writes, a child that another test is just starting has open for writing, too, and
    // then nobody may run it.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_tsc-agent")).arg(&program);
    assert!(copy.status().unwrap().success());
    let socket = folder.path().join("socket");
    let mut agent = Command::new("setpriv")
        .args(["--reuid", &user.to_string(), "--clear-groups"])
        .arg(&program)
        .arg("--socket")
        .arg(&socket)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while UnixStream::connect(&socket).is_err() {
        assert!(agent.try_wait().unwrap().is_none(), "the agent ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    let shown = PathBuf::from(format!("/proc/{}", agent.id()));
    let owner = std::fs::metadata(shown.join("maps")).unwrap().uid();
    let status = std::fs::read_to_string(shown.join("status")).unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    let locked = status
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:"))
        .unwrap();
    Some((owner, locked.trim().to_owned()))
}

#[test]
fn the_agent_leaves_no_core_dump() {
    // What the kernel shows of a process that may not be dumped belongs to root.
    if let Some((owner, _)) = shown_of_an_agent_of(50001) {
        assert_eq!(owner, 0);
    }
}

#[test]
fn the_agent_is_locked_into_memory() {
    // For other users, the limit has to be higher than it mostly is.
    if let Some((_, locked)) = shown_of_an_agent_of(0) {
        assert_ne!(locked, "0 kB");
    }
}

#[test]
fn a_program_with_borrowed_rights_takes_no_agent_from_the_environment() {
    let Some(place) = Place::with(&[]) else {
        return;
    };
    let reader = |mode| {
        std::fs::set_permissions(&place.program, std::fs::Permissions::from_mode(mode)).unwrap();
        place.run_as("50001", "50001", "users::reader")
    };
    assert_eq!(reader(0o755), "true");
    assert_eq!(reader(0o4755), "false");
}

/// As systemd hands it over.
#[test]
fn a_socket_that_lets_in_more_than_the_group_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let agent = Command::new("sh")
        .args([
            "-c",
            "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --group 54321 3<&0",
        ])
        .arg(env!("CARGO_BIN_EXE_tsc-agent"))
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
        .output()
        .unwrap();
    assert!(!agent.status.success());
    let said = String::from_utf8(agent.stderr).unwrap();
    assert!(said.contains("SocketGroup="), "{said}");
}
