//! The program against servers that people run.

use crate::servers::Identity;
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server's process, its files, and its port.
struct Real {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Real {
    /// Writes the certificate and its key into a folder, and those of a client; and starts what is made of that
    /// and a free port.
    fn start(command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let folder = std::env::temp_dir().join(format!("tsc-probe-real-{}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        let identity = Identity::new(-1, 1);
        std::fs::write(
            folder.join("cert.pem"),
            identity.certificate.to_pem().unwrap(),
        )
        .unwrap();
        let key = identity.key.private_key_to_pem_pkcs8().unwrap();
        std::fs::write(folder.join("key.pem"), &key).unwrap();
        let both = [key, identity.certificate.to_pem().unwrap()].concat();
        std::fs::write(folder.join("both.pem"), both).unwrap();
        let client = Identity::new(-1, 1);
        let certificate = client.certificate.to_pem().unwrap();
        std::fs::write(folder.join("client.pem"), certificate).unwrap();
        let key = client.key.private_key_to_pem_pkcs8().unwrap();
        std::fs::write(folder.join("client.key"), key).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = command(&folder, port)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server is installed: make deps-probe");
        let mut real = Self {
            process,
            folder,
            port,
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = real.process.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        real
    }

    /// The same, with the client's certificate and what is needed to determine its identity.
    fn probe_as_client(&self, protocol: &str, arguments: &[&str]) -> Value {
        let file = |name| self.folder.join(name).to_str().unwrap().to_owned();
        let (certificate, key) = (file("client.pem"), file("client.key"));
        let own = ["--cert", &certificate, "--key", &key];
        self.probe_with(protocol, &[&own, arguments].concat())
    }

    fn probe(&self, protocol: &str) -> Value {
        self.probe_with(protocol, &[])
    }

    fn probe_with(&self, protocol: &str, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_tsc-probe"))
            .arg(format!("127.0.0.1:{}", self.port))
            .args([
                "--name",
                "localhost",
                "--protocol",
                protocol,
                "--json",
                "--pairs",
                "5",
                "--burst",
                "4",
            ])
            .args([
                "--rate",
                "1000",
                "--ca",
                self.folder.join("cert.pem").to_str().unwrap(),
            ])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
        })
    }
}

#[test]
fn s_server() {
    let server = Real::start(|_, port| {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-www", "-cert", "cert.pem", "-key", "key.pem"]);
        command.args(["-accept", &port.to_string()]);
        command
    });
    let report = server.probe("http");
    assert_eq!(report["resumes"], "yes", "{report}");
    assert_eq!(report["version"], "TLS 1.3");
    assert_eq!(
        report["versions"][0]["tickets"]["after_full"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

/// It shakes hands with one client at a time, so most of a large pool wait for too long.
#[test]
fn a_pool_that_fails_says_why() {
    let server = Real::start(|_, port| {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-www", "-cert", "cert.pem", "-key", "key.pem"]);
        command.args(["-accept", &port.to_string()]);
        command
    });
    let report = server.probe_with("http", &["--burst", "48", "--patience", "1000"]);
    let burst = &report["pool"]["without_waiting"];
    assert!(burst["failed"].as_u64() > Some(0), "{report}");
    let why = burst["failure"].as_str().unwrap();
    assert!(why.contains("did not answer"), "{why}");
    let advice = report["advice"].as_array().unwrap();
    let says = |text: &str| advice.iter().any(|a| a.as_str().unwrap().contains(text));
    assert!(says("of 48 connections that were opened at once failed"));
}

#[test]
fn nginx() {
    for (settings, version, resumes) in [
        (
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on;",
            "TLS 1.3",
            "yes",
        ),
        // It then issues names of sessions that it does not keep.
        (
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;",
            "TLS 1.3",
            "refuses",
        ),
        // The same session is offered again when its two seconds are over.
        (
            "ssl_protocols TLSv1.3; ssl_session_tickets on; ssl_session_timeout 2s;",
            "TLS 1.3",
            "yes",
        ),
        (
            "ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_session_cache shared:tls:1m;",
            "TLS 1.2",
            "yes",
        ),
    ] {
        let server = Real::start(|folder, port| {
            let configuration = format!(
                "daemon off; worker_processes 1; pid nginx.pid; error_log stderr; events {{}}
                 http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl; {settings}
                 ssl_certificate cert.pem; ssl_certificate_key key.pem;
                 ssl_client_certificate client.pem; ssl_verify_client optional;
                 location = /me {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} return 200; }}
                 location / {{ return 200; }} }} }}"
            );
            std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
            let mut command = server("nginx");
            command.arg("-p").arg(folder).args(["-c", "nginx.conf"]);
            command
        });
        let report = server.probe_as_client("http", &["--identity-path", "/me"]);
        assert_eq!(report["resumes"], resumes, "{settings} {report}");
        assert_eq!(report["version"], version, "{settings}");
        assert_eq!(report["product"], "nginx", "{settings}");
        if resumes == "refuses" {
            let advice = report["advice"][0].as_str().unwrap();
            assert!(advice.contains("ssl_session_cache"), "{advice}");
        }
        let outcome = if resumes == "yes" { "kept" } else { "refused" };
        assert_eq!(report["identity"]["outcome"], outcome, "{report}");
        if settings.contains("2s") {
            assert_eq!(report["bad_ticket"]["expired"], "full", "{report}");
        }
    }
}

/// A program that Debian keeps where only servers look.
fn server(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

/// An HAProxy with one frontend: settings of its bind line, global ones, and what it answers.
fn haproxy(bind: &str, global: &str, answers: &str) -> Real {
    Real::start(|folder, port| {
        let configuration = format!(
            "global\n {global}\ndefaults\n mode http\n timeout client 9s\n timeout server 9s\n \
             timeout connect 9s\nfrontend all\n bind 127.0.0.1:{port} ssl crt both.pem {bind}\n {answers}\n"
        );
        std::fs::write(folder.join("haproxy.cfg"), configuration).unwrap();
        let mut command = server("haproxy");
        command.args(["-db", "-f", "haproxy.cfg"]);
        command
    })
}

/// Whether some advice has this in it.
fn advises(report: &Value, text: &str) -> bool {
    let advice = report["advice"].as_array().unwrap();
    advice.iter().any(|a| a.as_str().unwrap().contains(text))
}

#[test]
fn haproxy_and_the_identity() {
    // Both ask whether the client has a certificate: one of the session, one of this very handshake.
    let server = haproxy(
        "ca-file client.pem verify optional",
        "",
        "http-request return status 200 if { path / }\n \
         http-request return status 200 if { path /session } { ssl_c_used }\n \
         http-request return status 200 if { path /handshake } { ssl_fc_has_crt }\n \
         http-request return status 403",
    );
    let report = server.probe("http");
    assert_eq!(report["resumes"], "yes", "{report}");
    for (path, outcome, resumes) in [
        ("/session", "kept", "yes"),
        ("/handshake", "lost", "identity_lost"),
        ("/", "not_determined", "yes"),
    ] {
        let report = server.probe_as_client("http", &["--identity-path", path]);
        assert_eq!(report["identity"]["outcome"], outcome, "{path} {report}");
        assert_eq!(report["resumes"], resumes);
    }
}

/// What is advised is what makes the difference.
#[test]
fn haproxy_is_known_by_its_errors() {
    // It says nothing of itself in its answers, and what it says here is as if it passed on another's.
    let answers = "http-request return status 200 hdr Server nginx/1.22.1";
    for (bind, global, resumes, advice) in [
        ("", "", "yes", ""),
        // There is the cache.
        ("no-tls-tickets", "", "yes", ""),
        ("", "tune.ssl.cachesize 0", "yes", ""),
        (
            "no-tls-tickets",
            "tune.ssl.cachesize 0",
            "refuses",
            "tune.ssl.cachesize",
        ),
        (
            "ssl-max-ver TLSv1.2",
            "tune.ssl.cachesize 0\n ssl-default-bind-options no-tls-tickets",
            "nothing_issued",
            "remove no-tls-tickets",
        ),
    ] {
        let report = haproxy(bind, global, answers).probe("http");
        assert_eq!(report["resumes"], resumes, "{bind} {global} {report}");
        assert_eq!(report["product"], "haproxy", "{bind} {global} {report}");
        assert!(advice.is_empty() || advises(&report, advice), "{report}");
    }
}

#[test]
fn several_haproxies_share_what_is_in_a_file() {
    let keys = std::env::temp_dir().join(format!("tsc-probe-keys-{}", fastrand::u64(..)));
    let lines = ["QUJD", "REVG", "R0hJ"].map(|text| format!("{}\n", text.repeat(16)));
    std::fs::write(&keys, lines.concat()).unwrap();
    let shares = format!("tls-ticket-keys {}", keys.display());
    let answers = "http-request return status 200";
    for (bind, shared) in [(shares.as_str(), true), ("", false)] {
        let [one, other] = [(); 2].map(|()| haproxy(bind, "", answers));
        let second = format!("127.0.0.1:{}", other.port);
        let report = one.probe_with("http", &["--insecure", &second]);
        let taken = &report["matrix"]["taken"][0][1];
        assert_eq!(taken, if shared { "resumed" } else { "full" }, "{report}");
        assert_eq!(
            advises(&report, "tls-ticket-keys FILE"),
            !shared,
            "{report}"
        );
        // They have their price.
        let none = "No ticket comes after a resumed handshake";
        assert_eq!(advises(&report, none), shared, "{report}");
    }
    let _ = std::fs::remove_file(&keys);
}

#[test]
fn gnutls_serv() {
    let server = Real::start(|_, port| {
        let mut command = Command::new("gnutls-serv");
        command.args(["--http", "--x509certfile", "cert.pem"]);
        command.args(["--x509keyfile", "key.pem", "--port", &port.to_string()]);
        command
    });
    let report = server.probe("http");
    assert_eq!(report["resumes"], "yes", "{report}");
    let tickets = &report["versions"][0]["tickets"];
    // Unlike OpenSSL's, its servers renew by two.
    for when in ["after_full", "after_resumed"] {
        assert_eq!(tickets[when].as_array().unwrap().len(), 2, "{report}");
    }
}

#[test]
fn psk_ke() {
    let server = Real::start(|folder, port| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe/psk_ke.c");
        let program = folder.join("psk_ke");
        let mut compiler = Command::new("cc");
        compiler.args([source, "-lwolfssl", "-o"]).arg(&program);
        let built = compiler.status().expect("there is a C compiler");
        assert!(
            built.success(),
            "wolfSSL is installed: make deps-probe-test"
        );
        let mut command = Command::new(program);
        command.arg(port.to_string());
        command
    });
    let report = server.probe("redis");
    assert_eq!(report["key_exchange"]["mode"], "psk_ke", "{report}");
    assert_eq!(report["resumes"], "harmful", "{report}");
    let advice = report["advice"][0].as_str().unwrap();
    assert!(advice.contains("psk_dhe_ke"), "{advice}");
}

#[test]
fn redis() {
    let server_that = |authenticates: &str| {
        Real::start(|_, port| {
            let mut command = Command::new("redis-server");
            command.args(["--port", "0", "--tls-port", &port.to_string()]);
            command.args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"]);
            command.args(["--tls-ca-cert-file", "client.pem", "--save", ""]);
            command.args(["--tls-auth-clients", authenticates]);
            command
        })
    };
    let server = server_that("optional");
    let report = server.probe_as_client("redis", &[]);
    assert_eq!(report["resumes"], "yes", "{report}");
    assert_eq!(report["product"], "redis");
    // Its certificates name no user unless tls-auth-clients-user is set, which only new ones have.
    assert_eq!(report["identity"]["outcome"], "not_determined");
    assert_eq!(report["identity"]["resumed"], "default");
    let demands = server_that("yes").probe("redis");
    let said = demands["verdict"].as_str().unwrap();
    assert!(said.contains("wants the client's certificate"), "{said}");
}

#[test]
fn postgresql() {
    let server = Real::start(|folder, port| {
        let script = "\
            bin=$(dirname \"$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)\")
            $bin/initdb -D data -U localhost --no-sync || exit 1
            echo 'hostssl all all all cert' >data/pg_hba.conf
            exec $bin/postgres -D data -k \"$PWD\" -p $PORT -c fsync=off -c ssl=on \
                -c ssl_cert_file=\"$PWD/cert.pem\" -c ssl_key_file=\"$PWD/key.pem\" \
                -c ssl_ca_file=\"$PWD/client.pem\"";
        std::fs::write(folder.join("serve"), script).unwrap();
        // It does not run as root, and wants its key to itself.
        let start = "chmod 600 key.pem
            [ $(id -u) != 0 ] || {
                chown -R postgres .
                exec setpriv --reuid=postgres --regid=postgres --init-groups sh serve
            }
            exec sh serve";
        let mut command = Command::new("sh");
        command.args(["-c", start]).env("PORT", port.to_string());
        command
    });
    // The client's certificate names the user.
    let as_user = ["--identity-user", "localhost"];
    let report = server.probe_as_client("postgres", &as_user);
    assert_eq!(report["resumes"], "nothing_issued", "{report}");
    assert_eq!(report["product"], "postgresql");
    let advice = report["advice"][0].as_str().unwrap();
    assert!(advice.contains("TLS proxy"), "{advice}");
    assert_eq!(report["identity"]["outcome"], "not_determined");
    assert_eq!(report["identity"]["full"], "AuthenticationOk");
    assert_ne!(report["identity"]["without"], "AuthenticationOk");
}

#[test]
#[ignore = "needs Java and Cassandra: make test-probe-cassandra"]
fn cassandra() {
    for tls in ["jdk", "native"] {
        let server = Real::start(|_, port| {
            let run = "/../../tests/servers/cassandra/run";
            let mut command = Command::new(format!("{}{run}", env!("CARGO_MANIFEST_DIR")));
            let storage = TcpListener::bind("127.0.0.1:0").unwrap();
            let storage = storage.local_addr().unwrap().port();
            command.args(["node", &port.to_string(), &storage.to_string()]);
            command.env("CASSANDRA_TLS", tls);
            command
        });
        let ca = server.folder.join("node/cert.pem");
        let report = server.probe_with("cql", &["--ca", ca.to_str().unwrap()]);
        assert_eq!(report["product"], "cassandra", "{tls}");
        assert_eq!(report["resumes"], "yes", "{tls} {report}");
    }
}
