//! tokio-rustls, with a server on rustls.

use crate::process::run_client;
use crate::rustls_server::{Handshakes, RustlsServer};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

const CONNECTIONS: u32 = 64;

/// Opens a pool of 64 at once.
fn open_pool(server: &RustlsServer, max_wait_ms: u32) {
    let said = run_client(
        env!("CARGO_BIN_EXE_tokio_pool"),
        [
            "localhost",
            &server.port.to_string(),
            &server.certificate.file,
            &CONNECTIONS.to_string(),
            &max_wait_ms.to_string(),
        ],
    );
    let resumed = server.handshakes().resumed;
    assert_eq!(said, format!("{resumed} of 64 connections resumed\n"));
}

/// Of each version: in TLS 1.2 one session is enough for all, in TLS 1.3 each connection needs a ticket of
/// its own.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[test]
fn in_a_pool_that_waits_every_connection_but_the_first_is_resumed() {
    for version in VERSIONS {
        let server = RustlsServer::new(version, 1);
        // Far longer than it takes, so that a slow machine changes nothing.
        open_pool(&server, 60_000);
        let expected = Handshakes {
            full: 1,
            resumed: CONNECTIONS - 1,
        };
        assert_eq!(server.handshakes(), expected, "{version:?}");
    }
}

#[test]
fn in_a_pool_that_does_not_wait_no_connection_is_resumed_that_began_before_an_answer() {
    for version in VERSIONS {
        let server = RustlsServer::new(version, CONNECTIONS as usize);
        open_pool(&server, 0);
        let expected = Handshakes {
            full: CONNECTIONS,
            resumed: 0,
        };
        assert_eq!(server.handshakes(), expected, "{version:?}");
    }
}
