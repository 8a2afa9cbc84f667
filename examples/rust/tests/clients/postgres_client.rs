//! tokio-postgres, with PostgreSQL behind stunnel. PostgreSQL speaks TLS itself, too, but issues no sessions.

use crate::certificate::Certificate;
use crate::folder::Folder;
use crate::process::{Process, free_port, run_client};
use std::process::Command;

const POSTGRES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/servers/postgres/run"
);

fn postgres(folder: &Folder) -> Process {
    let server = Process::start(Command::new(POSTGRES).arg(folder.path())).ended_by("INT");
    server.said(|said| said.contains("ready to accept connections"));
    server
}

/// stunnel answers PostgreSQL's request for TLS, and speaks it. Each has ticket keys of its own.
fn stunnel(postgres: &Folder, port: u16, certificate: &Certificate, version: &str) -> Process {
    let folder = Folder::new();
    let socket = postgres.file(".s.PGSQL.5432");
    let config = format!(
        "foreground = yes
syslog = no
debug = info
pid =
[postgres]
protocol = pgsql
accept = 127.0.0.1:{port}
connect = {socket}
sslVersion = {version}
cert = {}
key = {}
",
        certificate.file, certificate.key
    );
    let config = folder.write("stunnel.conf", &config);
    let server = Process::start(Command::new("stunnel").arg(config));
    server.listens(port);
    server
}

/// What stunnel says of each handshake, before it passes anything on: whether it was resumed.
fn handshakes(said: &str) -> Vec<bool> {
    let lines = said.lines();
    let accepted = lines.filter_map(|line| line.split_once("TLS accepted: "));
    let resumed = |what| match what {
        "new session negotiated" => false,
        "previous session reused" => true,
        other => panic!("{other}"),
    };
    accepted.map(|(_, what)| resumed(what)).collect()
}

#[test]
fn every_connection_of_tokio_postgres_but_the_first_to_each_port_is_resumed() {
    const ROUNDS: usize = 10;
    let (home, keys) = (Folder::new(), Folder::new());
    let certificate = Certificate::new(&keys);
    let _postgres = postgres(&home);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let ports = [free_port(), free_port()];
        let servers = ports.map(|port| stunnel(&home, port, &certificate, version));
        let users = run_client(
            env!("CARGO_BIN_EXE_postgres_client"),
            [
                "localhost",
                &ports.map(|port| port.to_string()).join(","),
                "tsc",
                "secret",
                &certificate.file,
                &ROUNDS.to_string(),
            ],
        );
        assert_eq!(users, "tsc\n".repeat(ROUNDS * servers.len()));
        for server in servers {
            let said = server.said(|said| handshakes(said).len() >= ROUNDS);
            let mut expected = vec![true; ROUNDS];
            expected[0] = false;
            assert_eq!(handshakes(&said), expected, "{version}");
            assert!(said.contains(&format!("{version} ciphersuite")), "{said}");
        }
    }
}
