//! The program against servers of which is known what they do. Each is looked at TSC_PROBE_RUNS times, 2 by
//! default; `make test-probe-often` looks 20 times.

use crate::servers::{self, Harm, Identity, Memory};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

fn runs() -> usize {
    std::env::var("TSC_PROBE_RUNS").map_or(2, |runs| runs.parse().expect("a number"))
}

pub struct Probe {
    ca: PathBuf,
    arguments: Vec<String>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
        let _ = std::fs::remove_file(self.ca.with_extension("client.pem"));
    }
}

impl Probe {
    pub fn trusting(identity: &Identity) -> Self {
        let name = format!(
            "tsc-probe-test-{}-{}.pem",
            std::process::id(),
            fastrand::u64(..)
        );
        let ca = std::env::temp_dir().join(name);
        std::fs::write(&ca, identity.certificate.to_pem().unwrap()).unwrap();
        Self {
            ca,
            arguments: Vec::new(),
        }
    }

    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub fn run(&self, addresses: &[SocketAddr]) -> Output {
        self.command(addresses).output().unwrap()
    }

    fn command(&self, addresses: &[SocketAddr]) -> Command {
        let mut command = self.for_people(addresses);
        command.arg("--json");
        command
    }

    fn for_people(&self, addresses: &[SocketAddr]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsc-probe"));
        command
            .args(
                addresses
                    .iter()
                    .map(|address| format!("localhost:{}", address.port())),
            )
            .arg("--ca")
            .arg(&self.ca)
            .args(["--protocol", "redis", "--pairs", "5", "--burst", "4"])
            .args(["--rate", "1000", "--quiet", "60", "--patience", "1500"])
            .args(&self.arguments);
        command
    }

    /// The same in each run: the exit status, and what a test looks at.
    fn always(&self, addresses: &[SocketAddr], status: i32, look: impl Fn(&Value)) {
        for run in 0..runs() {
            let output = self.run(addresses);
            let text = String::from_utf8_lossy(&output.stdout);
            let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
                panic!(
                    "run {run}: {error}: {text}{}",
                    String::from_utf8_lossy(&output.stderr)
                )
            });
            assert_eq!(output.status.code(), Some(status), "run {run}: {text}");
            look(&report);
        }
    }
}

/// What was found about the version that was judged.
fn judged(report: &Value) -> &Value {
    let versions = report["versions"].as_array().unwrap();
    versions
        .iter()
        .find(|version| version["version"] == report["version"])
        .unwrap()
}

fn after_full(report: &Value) -> usize {
    judged(report)["tickets"]["after_full"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn tickets_are_counted() {
    let identity = Identity::new(-1, 1);
    for number in [1, 2, 8] {
        let server = servers::tickets(&identity, number);
        Probe::trusting(&identity).always(&[server], 0, |report| {
            assert_eq!(report["resumes"], "yes", "{report}");
            assert_eq!(report["version"], "TLS 1.3");
            assert_eq!(after_full(report), number);
            // OpenSSL's servers renew by one.
            assert_eq!(
                judged(report)["tickets"]["after_resumed"]
                    .as_array()
                    .unwrap()
                    .len(),
                1
            );
            assert_eq!(judged(report)["lifetime"]["longest"], 7200);
            assert_eq!(report["twice"]["one_after_the_other"], "resumed");
            assert_eq!(report["bad_ticket"]["damaged"], "full");
            assert_eq!(report["bad_ticket"]["foreign"], "full");
            let exchange = &report["key_exchange"];
            assert_eq!(exchange["mode"], "psk_dhe_ke");
            assert_eq!(exchange["after_retry"], Value::Null, "it takes X448");
            let size = &judged(report)["size"];
            assert_eq!(size["full_round_trips"], 1);
            assert_eq!(size["resumed_round_trips"], 1);
            assert_eq!(size["retried"], false);
            // One flight of the client, one of the server, and the client's Finished.
            assert_eq!(size["full_segments"], 3, "{report}");
            assert_eq!(size["full_packets"], 3, "{report}");
            assert!(size["certificates"].as_u64() > Some(200));
            let hello = &report["hello"];
            let (with, without) = (&hello["with"], &hello["without"]);
            // The share of ML-KEM-768 alone has 1184 bytes.
            assert!(with["full"].as_u64() > without["full"].as_u64().map(|n| n + 1184));
            assert_eq!(without["fits_one_segment"], true);
            assert_eq!(with["fits_one_segment"], false, "{hello}");
            assert_eq!(report["pool"]["waiting"]["failed"], 0);
            // Of four: one goes first, and each of the others has what an earlier one brought.
            let forecast = &report["pool"]["forecast"];
            assert_eq!(forecast["waiting"], 3, "{report}");
            assert_eq!(forecast["without_waiting"], 0);
            assert_eq!(forecast["seconds"], 7200);
            assert_eq!(report["unknown"].as_array().unwrap().len(), 0, "{report}");
            let saving = &report["saving"]["client_cpu"];
            assert!(saving["low"].as_f64() <= saving["median"].as_f64());
        });
    }
}

#[test]
fn servers_that_begin_without_tls() {
    let identity = Identity::new(-1, 1);
    for protocol in ["postgres", "mysql", "smtp", "imap", "ldap", "xmpp"] {
        let server = servers::starts_tls(&identity, protocol);
        // Enough to judge both versions of TLS.
        let few = ["--protocol", protocol, "--connections", "12"];
        let probe = Probe::trusting(&identity).with(&few);
        probe.always(&[server], 0, |report| {
            assert_eq!(report["resumes"], "yes", "{protocol} {report}");
            assert_eq!(after_full(report), 2);
        });
    }
}

#[test]
fn a_server_that_asks_for_another_group() {
    let identity = Identity::new(-1, 1);
    let server = servers::steady(identity.context(|builder| {
        builder.set_groups_list("P-384").unwrap();
    }));
    // Both stacks begin with X25519.
    Probe::trusting(&identity).always(&[server], 0, |report| {
        assert_eq!(report["resumes"], "yes", "{report}");
        let size = &judged(report)["size"];
        assert_eq!(
            (&size["retried"], &size["full_round_trips"]),
            (&true.into(), &2.into())
        );
        assert_eq!(report["key_exchange"]["after_retry"], "resumed");
        let advice = report["advice"].as_array().unwrap();
        assert!(
            advice
                .iter()
                .any(|text| text.as_str().unwrap().contains("HelloRetryRequest"))
        );
    });
}

#[test]
fn rustls_sees_the_same() {
    let identity = Identity::new(-1, 1);
    let rustls = || Probe::trusting(&identity).with(&["--backend", "rustls"]);
    for number in [1, 8] {
        let server = servers::tickets(&identity, number);
        rustls().always(&[server], 0, |report| {
            assert_eq!(report["resumes"], "yes", "{report}");
            // OpenSSL is asked what rustls does not show.
            assert_eq!(judged(report)["lifetime"]["longest"], 7200, "{report}");
            assert_eq!(report["twice"]["one_after_the_other"], "resumed");
            assert_eq!(report["bad_ticket"]["damaged"], "full");
            assert_eq!(report["ticket_request"]["came"], number);
            assert_eq!(report["key_exchange"]["mode"], "psk_dhe_ke");
            assert_eq!(report["unknown"].as_array().unwrap().len(), 0, "{report}");
            assert_eq!(after_full(report), number);
            let tickets = &judged(report)["tickets"];
            assert_eq!(tickets["after_resumed"].as_array().unwrap().len(), 1);
            assert_eq!(
                (&tickets["offered"], &tickets["resumed"]),
                (&5.into(), &5.into())
            );
            assert_eq!(report["pool"]["waiting"]["failed"], 0);
        });
    }
    rustls().always(&[servers::tickets(&identity, 0)], 1, |report| {
        assert_eq!(report["resumes"], "nothing_issued", "{report}");
    });
    rustls().always(&[servers::ids(&identity)], 0, |report| {
        assert_eq!(report["version"], "TLS 1.2", "{report}");
    });
    for harm in [Harm::Reset, Harm::Alert] {
        let server = servers::harmful(servers::tickets(&identity, 2), harm);
        rustls().always(&[server], 4, |report| {
            assert_eq!(report["resumes"], "harmful", "{report}");
            assert_eq!(judged(report)["tickets"]["failed_when_offered"], 5);
        });
    }
    let (probe, client) = client(rustls());
    let loses = servers::whoami(&identity, &client.certificate, Memory::Loses);
    probe.always(&[loses], 4, |report| {
        assert_eq!(report["identity"]["outcome"], "lost", "{report}");
    });
    let ended = Identity::new(-10, -5);
    let probe = Probe::trusting(&ended).with(&["--backend", "rustls"]);
    probe.always(&[servers::tickets(&ended, 2)], 3, |report| {
        let said = report["verdict"].as_str().unwrap();
        assert!(said.contains("expired"), "{said}");
    });
}

#[test]
fn a_server_that_issues_nothing() {
    let identity = Identity::new(-1, 1);
    let server = servers::tickets(&identity, 0);
    Probe::trusting(&identity).always(&[server], 1, |report| {
        assert_eq!(report["resumes"], "nothing_issued", "{report}");
        assert_eq!(after_full(report), 0);
        assert!(
            report["verdict"]
                .as_str()
                .unwrap()
                .contains("issues no sessions")
        );
        assert!(!report["advice"].as_array().unwrap().is_empty());
    });
}

#[test]
fn single_use_is_seen() {
    let identity = Identity::new(-1, 1);
    let server = servers::single_use(&identity);
    Probe::trusting(&identity).always(&[server], 0, |report| {
        assert_eq!(report["resumes"], "yes", "{report}");
        assert_eq!(report["twice"]["one_after_the_other"], "full");
        assert!(report["twice"]["resumed_of_four_at_once"].as_u64() <= Some(1));
        assert!(
            report["verdict"]
                .as_str()
                .unwrap()
                .contains("takes a session once")
        );
    });
}

#[test]
fn ids_of_tls_1_2() {
    let identity = Identity::new(-1, 1);
    let server = servers::ids(&identity);
    Probe::trusting(&identity).always(&[server], 0, |report| {
        assert_eq!(report["resumes"], "yes", "{report}");
        assert_eq!(report["version"], "TLS 1.2");
        assert_eq!(judged(report)["size"]["ticket"], 0);
        assert_eq!(
            report["bad_ticket"],
            Value::Null,
            "there is no ticket to damage"
        );
        assert!(report["versions"][0]["refused"].is_string());
    });
}

#[test]
fn a_server_that_takes_nothing_back() {
    let identity = Identity::new(-1, 1);
    let probe = Probe::trusting(&identity);
    probe.always(&[servers::new_keys_always(identity)], 1, |report| {
        assert_eq!(report["resumes"], "refuses", "{report}");
        assert_eq!(after_full(report), 2);
        assert_eq!(report["saving"], Value::Null);
    });
}

#[test]
fn two_processes_behind_one_port() {
    let identity = Identity::new(-1, 1);
    let server = servers::two_behind_one(&identity);
    Probe::trusting(&identity).always(&[server], 1, |report| {
        assert_eq!(report["resumes"], "sometimes", "{report}");
    });
}

#[test]
fn a_server_that_harms_those_that_offer() {
    let identity = Identity::new(-1, 1);
    for harm in [Harm::Reset, Harm::Alert, Harm::Hang] {
        let server = servers::harmful(servers::tickets(&identity, 2), harm);
        Probe::trusting(&identity).always(&[server], 4, |report| {
            assert_eq!(report["resumes"], "harmful", "{report}");
            assert_eq!(judged(report)["tickets"]["failed_when_offered"], 5);
        });
    }
}

#[test]
fn a_delay_changes_no_verdict() {
    let identity = Identity::new(-1, 1);
    // Longer than the server is listened to otherwise, before the first request and after it.
    let slow = Harm::Delay(Duration::from_millis(150));
    let server = servers::harmful(servers::tickets(&identity, 2), slow);
    let probe = Probe::trusting(&identity).with(&["--connections", "12"]);
    probe.always(&[server], 0, |report| {
        assert_eq!(report["resumes"], "yes", "{report}");
        assert_eq!(after_full(report), 2);
    });
}

#[test]
fn who_takes_whose() {
    let identity = Identity::new(-1, 1);
    let shared = identity.context(|_| {});
    let one = servers::steady(shared.clone());
    let same = servers::steady(shared);
    let other = servers::steady(identity.context(|_| {}));
    let old = servers::ids(&identity);
    Probe::trusting(&identity).always(&[one, same, other, old], 0, |report| {
        let taken = &report["matrix"]["taken"];
        let (yes, no) = ("resumed", "full");
        assert_eq!(taken[0], serde_json::json!([yes, yes, no, no]), "{report}");
        assert_eq!(taken[1], serde_json::json!([yes, yes, no, no]));
        assert_eq!(taken[2], serde_json::json!([no, no, yes, no]));
        assert_eq!(taken[3], serde_json::json!([no, no, no, yes]), "TLS 1.2");
        let advice = report["advice"].as_array().unwrap();
        assert!(
            advice
                .iter()
                .any(|text| text.as_str().unwrap().contains("share the ticket keys"))
        );
    });
}

#[test]
fn what_cannot_be_spoken_to_is_said_in_a_sentence() {
    let identity = Identity::new(-1, 1);
    let ended = Identity::new(-10, -5);
    let trusts_ended = Probe::trusting(&ended);
    let anybody = Probe::trusting(&identity);
    for (probe, server, says) in [
        (&anybody, servers::plain_text(), "wrong version number"),
        (&anybody, servers::drops(), "closed the connection"),
        (&anybody, servers::silent(), "did not answer"),
        (&anybody, nobody(), "does the server run"),
        (&anybody, servers::tickets(&ended, 2), "not trusted"),
        (&trusts_ended, servers::tickets(&ended, 2), "expired"),
    ] {
        probe.always(&[server], 3, |report| {
            assert_eq!(report["resumes"], "unreachable");
            assert!(
                report["verdict"].as_str().unwrap().contains(says),
                "{says}: {report}"
            );
        });
    }
}

#[test]
fn why_nothing_is_reached_is_said_once() {
    let identity = Identity::new(-1, 1);
    let probe = Probe::trusting(&identity);
    for (server, why) in [
        (nobody(), "no connection: "),
        (
            servers::drops(),
            "closed the connection in the TLS handshake",
        ),
        (servers::silent(), "the server did not answer"),
        (servers::plain_text(), "the TLS handshake failed"),
    ] {
        let output = probe.for_people(&[server]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said: Vec<&str> = said.split_whitespace().collect();
        let said = said.join(" ");
        assert_eq!(said.matches(why).count(), 1, "{said}");
    }
}

/// Where nothing listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsc-probe"));
    let output = command.args(["--ca", "no-such-file"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let begin = "tsc-probe: no-such-file cannot be read: ";
    assert!(
        said.starts_with(begin) && said.lines().count() == 1,
        "{said}"
    );
}

/// A probe that shows a certificate of its own, and what that is.
fn client(probe: Probe) -> (Probe, Identity) {
    let client = Identity::new(-1, 1);
    let certificate = client.certificate.to_pem().unwrap();
    let key = client.key.private_key_to_pem_pkcs8().unwrap();
    let both = probe.ca.with_extension("client.pem");
    std::fs::write(&both, [certificate, key].concat()).unwrap();
    let file = both.to_str().unwrap().to_owned();
    (probe.with(&["--cert", &file, "--key", &file]), client)
}

#[test]
fn an_identity_is_kept_or_lost_by_redis() {
    an_identity_is_kept_or_lost("redis");
}

#[test]
fn an_identity_is_kept_or_lost_by_cql() {
    an_identity_is_kept_or_lost("cql");
}

#[test]
fn an_identity_is_kept_or_lost_by_postgresql() {
    an_identity_is_kept_or_lost("postgres");
}

fn an_identity_is_kept_or_lost(protocol: &str) {
    let identity = Identity::new(-1, 1);
    for (memory, outcome, status, says) in [
        (Memory::Keeps, "kept", 0, "keeps the client's identity"),
        (Memory::Loses, "lost", 4, "loses the client's identity"),
        (Memory::Ignores, "not_determined", 0, "not determined"),
    ] {
        let probe = Probe::trusting(&identity).with(&["--protocol", protocol]);
        let (probe, client) = client(probe);
        let server = servers::whoami(&identity, &client.certificate, memory);
        probe.always(&[server], status, |report| {
            assert_eq!(report["identity"]["outcome"], outcome, "{report}");
            let said = report["verdict"].as_str().unwrap();
            assert!(said.contains(says), "{said}");
        });
    }
}

/// In TLS 1.3 a client without one learns that after its handshake, and receives no ticket.
#[test]
fn a_server_that_demands_a_certificate() {
    let identity = Identity::new(-1, 1);
    for backend in ["openssl", "rustls"] {
        let arguments = ["--backend", backend];
        let (probe, own) = client(Probe::trusting(&identity).with(&arguments));
        let server = servers::demands_certificate(&identity, &own.certificate);
        let nobody = Probe::trusting(&identity).with(&arguments);
        nobody.always(&[server], 3, |report| {
            assert_eq!(report["resumes"], "unreachable", "{report}");
            let said = report["verdict"].as_str().unwrap();
            assert!(said.contains("wants the client's certificate"), "{said}");
        });
        probe.always(&[server], 0, |report| {
            assert_eq!(report["resumes"], "yes", "{report}");
        });
    }
}

#[test]
fn an_identity_is_determined_by_a_command() {
    let identity = Identity::new(-1, 1);
    let command =
        "printf 'WHOAMI\\r\\n'; read length; read name; case $name in alice*) ;; *) exit 1; esac";
    for (memory, outcome, status) in [(Memory::Keeps, "kept", 0), (Memory::Loses, "lost", 4)] {
        let probe = Probe::trusting(&identity).with(&["--identity-command", command]);
        let (probe, client) = client(probe);
        let server = servers::whoami(&identity, &client.certificate, memory);
        probe.always(&[server], status, |report| {
            assert_eq!(report["identity"]["outcome"], outcome, "{report}");
        });
    }
}

#[test]
fn without_a_request_that_needs_an_identity_nothing_is_claimed() {
    let identity = Identity::new(-1, 1);
    let (probe, client) = client(Probe::trusting(&identity).with(&["--protocol", "mqtt"]));
    let server = servers::whoami(&identity, &client.certificate, Memory::Loses);
    probe.always(&[server], 0, |report| {
        assert_eq!(report["identity"]["outcome"], "not_determined", "{report}");
        assert_eq!(report["identity"]["question"], Value::Null);
    });
}

/// Runs a watch, calls a function when it has looked once, and returns the report.
fn watched(probe: &Probe, server: SocketAddr, then: impl FnOnce(&Child)) -> Value {
    let mut child = probe
        .command(&[server])
        .args(["--watch", "4", "--every", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.find(|line| {
        line.as_ref()
            .unwrap()
            .contains("a session 0 s old: resumed")
    });
    first.expect("it looks").unwrap();
    then(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_watch_sees_a_reload() {
    let identity = Identity::new(-1, 1);
    let contexts = [identity.context(|_| {}), identity.context(|_| {})];
    let reloaded = Arc::new(AtomicBool::new(false));
    let seen = reloaded.clone();
    let server = servers::tls(move |_| contexts[usize::from(seen.load(Relaxed))].clone());
    let probe = Probe::trusting(&identity);
    let report = watched(&probe, server, |_| reloaded.store(true, Relaxed));
    let watch = &report["watch"];
    assert_eq!(watch["lost"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(watch["renewal_refused"], Value::Null);
    assert_eq!(watch["checks"].as_array().unwrap().len(), 5);
    let said = report["verdict"].as_str().unwrap();
    assert!(said.contains("once, all sessions were lost"), "{said}");
    let advice = report["advice"][0].as_str().unwrap();
    assert!(advice.contains("changed the server's keys"), "{advice}");
}

#[test]
fn a_watch_that_is_interrupted_reports_what_it_saw() {
    let identity = Identity::new(-1, 1);
    let probe = Probe::trusting(&identity);
    let report = watched(&probe, servers::tickets(&identity, 2), interrupt);
    let watch = &report["watch"];
    assert_eq!(watch["ended"], "stopped by you", "{report}");
    assert!(watch["renewals"].as_u64() >= Some(1));
    assert_eq!(watch["lost"].as_array().unwrap().len(), 0);
}

#[test]
fn a_watch_that_is_interrupted_while_it_waits_has_lost_nothing() {
    let identity = Identity::new(-1, 1);
    let probe = Probe::trusting(&identity).with(&["--patience", "3600000"]);
    let down = Arc::new(AtomicBool::new(false));
    let seen = down.clone();
    let server = servers::tickets(&identity, 2);
    let (server, asked) = servers::silent_when(move || seen.load(Relaxed), server);
    let report = watched(&probe, server, |child| {
        down.store(true, Relaxed);
        asked.recv().unwrap();
        interrupt(child);
    });
    let watch = &report["watch"];
    assert_eq!(watch["ended"], "stopped by you", "{report}");
    assert_eq!(watch["lost"].as_array().unwrap().len(), 0);
    assert_eq!(report["interrupted"], false);
}

#[test]
fn a_monitor_serves_what_it_sees_until_it_is_interrupted() {
    let identity = Identity::new(-1, 1);
    let probe = Probe::trusting(&identity);
    let mut child = Command::new(env!("CARGO_BIN_EXE_tsc-probe"))
        .arg(format!(
            "localhost:{}",
            servers::tickets(&identity, 2).port()
        ))
        .arg(format!("localhost:{}", servers::plain_text().port()))
        .args(["--monitor", "127.0.0.1:0", "--every", "1", "--ca"])
        .arg(&probe.ca)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.split("http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    // The third round of each kind; whoever is slow waits longer.
    let has = |text: &str, labels: &[&str]| {
        text.lines().any(|line| {
            line.starts_with("tsc_probe_handshakes_total")
                && labels.iter().all(|label| line.contains(label))
                && line
                    .rsplit(' ')
                    .next()
                    .is_some_and(|n| n.parse::<u32>().unwrap() >= 2)
        })
    };
    let text = loop {
        let text = get("/metrics");
        if has(
            &text,
            &["error_type=\"handshake\"", "tls_established=\"false\""],
        ) && has(&text, &["tls_resumed=\"true\"", "offered=\"true\""])
        {
            break text;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(has(
        &text,
        &[
            "tls_resumed=\"false\"",
            "offered=\"false\"",
            "tls_protocol_version=\"1.3\""
        ]
    ));
    assert!(
        text.contains("application/openmetrics-text") && text.ends_with("# EOF\n"),
        "{text}"
    );
    for name in [
        "tsc_probe_handshake_duration_seconds_bucket",
        "tsc_probe_session_lifetime_seconds",
        "server_address=\"localhost\"",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(get("/").starts_with("HTTP/1.1 404"));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(lines.any(|line| line.unwrap().contains("stopped by you")));
}

/// As Ctrl-C does.
fn interrupt(child: &Child) {
    let process = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &process])
            .status()
            .unwrap()
            .success()
    );
}

/// Probes what a server never answers, interrupts that once it is waited for, and returns the report. The wait
/// alone would take an hour.
fn interrupted(server: SocketAddr, wait: impl FnOnce()) -> Value {
    let identity = Identity::new(-1, 1);
    interrupted_by(&Probe::trusting(&identity), server, wait)
}

fn interrupted_by(probe: &Probe, server: SocketAddr, wait: impl FnOnce()) -> Value {
    let mut child = probe
        .command(&[server])
        .args(["--patience", "3600000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait();
    interrupt(&child);
    let (ended, watchdog) = mpsc::channel::<()>();
    let process = child.id().to_string();
    let watchdog = std::thread::spawn(move || {
        if watchdog.recv_timeout(Duration::from_secs(300)) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &process]).status();
        }
    });
    let output = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    drop(ended);
    watchdog.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{output}");
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(report["interrupted"], true, "{report}");
    report
}

#[test]
fn ctrl_c_ends_the_wait_for_a_silent_server() {
    let (server, asked) = servers::silent_after(0, servers::plain_text());
    let report = interrupted(server, || asked.recv().unwrap());
    let said = report["verdict"].as_str().unwrap();
    assert!(said.contains("you stopped it before anything"), "{said}");
    assert_eq!(report["versions"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(report["connections"], 1);
}

#[test]
fn ctrl_c_ends_the_wait_for_a_connection() {
    let full = servers::Full::new();
    let before = servers::waiting(full.address);
    let report = interrupted(full.address, || {
        while servers::waiting(full.address) <= before {
            std::thread::yield_now();
        }
    });
    assert_eq!(report["versions"].as_array().unwrap().len(), 0, "{report}");
}

#[test]
fn ctrl_c_prints_what_was_found() {
    let identity = Identity::new(-1, 1);
    let probe = Probe::trusting(&identity);
    // Enough for both versions of TLS.
    let (server, asked) = servers::silent_after(12, servers::tickets(&identity, 2));
    let report = interrupted_by(&probe, server, || asked.recv().unwrap());
    let said = report["verdict"].as_str().unwrap();
    assert!(
        said.starts_with("resumes: yes, TLS 1.3; 2 sessions"),
        "{said}"
    );
    assert_eq!(report["connections"], 13);
    // All that was missed, in one sentence.
    let unknown = report["unknown"].as_array().unwrap();
    assert_eq!(unknown.len(), 1, "{report}");
    assert!(
        unknown[0]
            .as_str()
            .unwrap()
            .ends_with("a pool: stopped by you")
    );
}

#[test]
fn no_more_connections_than_allowed() {
    let identity = Identity::new(-1, 1);
    let server = servers::tickets(&identity, 2);
    let probe = Probe::trusting(&identity).with(&["--connections", "9"]);
    probe.always(&[server], 0, |report| {
        assert_eq!(report["connections"], 9);
        assert!(!report["unknown"].as_array().unwrap().is_empty());
    });
}

#[test]
fn the_schema_is_the_one_that_is_committed() {
    let output = Command::new(env!("CARGO_BIN_EXE_tsc-probe"))
        .args(["--print", "schema"])
        .output()
        .unwrap();
    let committed = include_str!("../../schema.json");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        committed,
        "tools/probe/schema.json is old"
    );
}

#[test]
fn the_page_is_one_file() {
    let identity = Identity::new(-1, 1);
    let server = servers::tickets(&identity, 2);
    let page = std::env::temp_dir().join(format!("tsc-probe-page-{}.html", std::process::id()));
    let probe = Probe::trusting(&identity).with(&["--html", page.to_str().unwrap()]);
    assert!(probe.run(&[server]).status.success());
    let html = std::fs::read_to_string(&page).unwrap();
    let _ = std::fs::remove_file(&page);
    for foreign in ["http:", "https:", "src=", "<link", "<script"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("resumes: yes") && html.contains("<svg"));
}
