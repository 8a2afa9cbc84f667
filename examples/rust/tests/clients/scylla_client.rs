//! The scylla driver, with Cassandra.

use crate::folder::Folder;
use crate::process::{Process, free_port, run_client};
use crate::tap::Tap;
use std::collections::HashSet;
use std::process::Command;

const CASSANDRA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/servers/cassandra/run"
);

/// One after the other. Each has one connection that follows the cluster and one that queries.
const SESSIONS: usize = 4;
const CONNECTIONS: usize = 2 * SESSIONS;

/// Runs the client with a node that speaks one version of TLS, and gives what the node said.
fn sessions(version: &str, environment: (&str, &str)) -> String {
    let folder = Folder::new();
    let (port, storage) = (free_port(), free_port());
    let node = Process::start(
        Command::new(CASSANDRA)
            .arg(folder.path())
            .args([port.to_string(), storage.to_string(), version.to_owned()])
            .env(environment.0, environment.1),
    );
    node.listens(port);
    let mut tap = Tap::new(port);
    let versions = run_client(
        env!("CARGO_BIN_EXE_scylla_client"),
        [
            &format!("127.0.0.1:{}", tap.port),
            &folder.file("cert.pem"),
            &SESSIONS.to_string(),
        ],
    );
    assert_eq!(versions.lines().count(), SESSIONS, "{versions}");

    let seen = tap.finish();
    assert_eq!(seen.len(), CONNECTIONS, "{seen:#?}");
    for (number, greeting) in seen.iter().enumerate() {
        assert_eq!(greeting.resumed, number > 0, "{number}: {seen:#?}");
        assert_eq!(format!("TLSv{}", greeting.tls), version, "{seen:#?}");
    }
    if version == "TLSv1.3" {
        let offered = seen.iter().filter_map(|seen| seen.offered.as_ref());
        let tickets: HashSet<_> = offered.collect();
        assert_eq!(tickets.len(), CONNECTIONS - 1, "each once: {seen:#?}");
    }
    node.said(|_| true)
}

// Cassandra takes netty's BoringSSL for TLS if it is not told otherwise.
#[test]
fn every_connection_of_the_scylla_driver_but_the_first_is_resumed_by_cassandra_with_boringssl() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        sessions(version, ("CASSANDRA_TLS", "native"));
    }
}

#[test]
fn every_connection_of_the_scylla_driver_but_the_first_is_resumed_by_cassandra_with_the_jdk() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let said = sessions(version, ("JAVA_OPTS", "-Djavax.net.debug=ssl:handshake"));
        // The JDK's own word for each handshake, and for each certificate that it has shown.
        let count = |what| said.matches(what).count();
        assert_eq!(count("Produced server Finished"), CONNECTIONS, "{version}");
        assert_eq!(count("Produced server Certificate "), 1, "{version}"); // not CertificateVerify
    }
}
