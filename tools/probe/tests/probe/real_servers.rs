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
    /// Writes the certificate and its key into a folder, and starts what is made of that and a free port.
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

    fn probe(&self, protocol: &str) -> Value {
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
                 ssl_certificate cert.pem; ssl_certificate_key key.pem; }} }}"
            );
            std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
            let mut command = Command::new("nginx");
            command.env(
                "PATH",
                format!("{}:/usr/sbin", std::env::var("PATH").unwrap()),
            );
            command.arg("-p").arg(folder).args(["-c", "nginx.conf"]);
            command
        });
        let report = server.probe("http");
        assert_eq!(report["resumes"], resumes, "{settings} {report}");
        assert_eq!(report["version"], version, "{settings}");
    }
}

#[test]
fn haproxy() {
    let server = Real::start(|folder, port| {
        let configuration = format!(
            "defaults\n mode http\n timeout client 9s\n timeout server 9s\n timeout connect 9s\n\
             frontend all\n bind 127.0.0.1:{port} ssl crt both.pem\n http-request return status 200\n"
        );
        std::fs::write(folder.join("haproxy.cfg"), configuration).unwrap();
        let mut command = Command::new("haproxy");
        command.env(
            "PATH",
            format!("{}:/usr/sbin", std::env::var("PATH").unwrap()),
        );
        command.args(["-db", "-f", "haproxy.cfg"]);
        command
    });
    let report = server.probe("http");
    assert_eq!(report["resumes"], "yes", "{report}");
}
