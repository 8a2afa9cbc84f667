//! Connects three times to HOST PORT, trusting CAFILE, and prints how many connections resumed.

use libtsc::{Cache, Endpoint, Options};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, cafile] = &arguments[..] else {
        return Err("usage: client HOST PORT CAFILE".into());
    };
    let port = port.parse()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cafile)?)?;
    let tls = ClientConfig::builder().with_root_certificates(roots);
    let cache = Cache::new(Options::default());
    let config = libtsc::rustls::Config::new(&cache, tls.with_no_client_auth());

    let mut resumed = 0;
    for _ in 0..3 {
        let tcp = TcpStream::connect((host.as_str(), port))?;
        tcp.set_nodelay(true)?;
        let attempt = config.begin(&Endpoint::new(host, port))?;
        let name = ServerName::try_from(host.clone())?;
        let tls = ClientConnection::new(attempt.client_config(), name)?;
        let mut stream = StreamOwned::new(tls, tcp);
        stream.write_all(b"hello\n")?;
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut String::new())?;
        let tls = &stream.get_ref().conn;
        let again = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        attempt.established(again)?;
        resumed += u32::from(again);
    }
    println!("{resumed} of 3 resumed");
    Ok(())
}
