//! reqwest, with nginx.

use crate::certificate::Certificate;
use crate::folder::Folder;
use crate::process::{Process, free_port, run_client};
use std::env;
use std::process::Command;

fn nginx(folder: &Folder, certificate: &Certificate, port: u16, version: &str) -> Process {
    let home = folder.path().display();
    let config = format!(
        "daemon off;
master_process off;
pid {home}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  log_format handshakes 'handshake: $ssl_protocol $ssl_session_reused';
  access_log /dev/stdout handshakes;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_protocols {version};
    ssl_certificate {};
    ssl_certificate_key {};
    location / {{ return 200 \"page\\n\"; }}
  }}
}}
",
        certificate.file, certificate.key
    );
    let config = folder.write("nginx.conf", &config);
    let server = Process::start(
        Command::new("nginx")
            // Where an ordinary user's PATH does not look.
            .env("PATH", env::var("PATH").unwrap_or_default() + ":/usr/sbin")
            .args(["-p", &folder.file(""), "-e", "stderr", "-c", &config]),
    );
    server.listens(port);
    server
}

#[test]
fn every_connection_of_reqwest_but_the_first_is_resumed() {
    const REQUESTS: usize = 10;
    for version in ["TLSv1.2", "TLSv1.3"] {
        let folder = Folder::new();
        let certificate = Certificate::new(&folder);
        let port = free_port();
        let server = nginx(&folder, &certificate, port, version);
        let pages = run_client(
            env!("CARGO_BIN_EXE_reqwest_client"),
            [
                &format!("https://localhost:{port}/"),
                &certificate.file,
                &REQUESTS.to_string(),
            ],
        );
        assert_eq!(pages, "page\n".repeat(REQUESTS));
        // nginx writes of a request once it is answered; "." is a full handshake, "r" a resumed one.
        let of = |said: &str| -> Vec<String> {
            let lines = said.lines();
            let handshakes = lines.filter_map(|line| line.strip_prefix("handshake: "));
            handshakes.map(str::to_owned).collect()
        };
        let said = server.said(|said| of(said).len() >= REQUESTS);
        let mut expected = vec![format!("{version} r"); REQUESTS];
        expected[0] = format!("{version} .");
        assert_eq!(of(&said), expected);
    }
}
