//! A server on rustls that says how each handshake went.
//!
//! It sends two tickets on every connection whatever a client asks for, remembers them itself, and takes each
//! of them once, which are rustls's defaults.

use crate::certificate::Certificate;
use crate::folder::Folder;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{HandshakeKind, ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

/// It serves until the tests end.
pub struct RustlsServer {
    pub port: u16,
    pub certificate: Certificate,
    counts: Arc<Counts>,
    _folder: Folder,
}

#[derive(Default)]
struct Counts {
    full: AtomicU32,
    resumed: AtomicU32,
}

/// How many handshakes there were.
#[derive(Debug, PartialEq, Eq)]
pub struct Handshakes {
    pub full: u32,
    pub resumed: u32,
}

impl RustlsServer {
    /// `together`: it answers so many ClientHellos at a time, once it has them all.
    pub fn new(version: &'static SupportedProtocolVersion, together: usize) -> Self {
        let folder = Folder::new();
        let certificate = Certificate::new(&folder);
        let chain = CertificateDer::pem_file_iter(&certificate.file).expect("it is a PEM file");
        let chain = chain.collect::<Result<_, _>>().expect("of certificates");
        let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("it is a key");
        let config = ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        listener.set_nonblocking(true).expect("it is a socket");
        let counts = Arc::new(Counts::default());
        let server = Self {
            port,
            certificate,
            counts: Arc::clone(&counts),
            _folder: folder,
        };
        let gate = Arc::new(Barrier::new(together));
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_io().build();
            runtime.expect("there are resources").block_on(async {
                let listener = TcpListener::from_std(listener).expect("it is non-blocking");
                while let Ok((tcp, _)) = listener.accept().await {
                    let (acceptor, gate) = (acceptor.clone(), Arc::clone(&gate));
                    let counts = Arc::clone(&counts);
                    tokio::spawn(async move {
                        // A client that fails says so itself.
                        let _ = serve(tcp, &acceptor, &gate, &counts).await;
                    });
                }
            });
        });
        server
    }

    /// Those up to now: each is counted before the client's login is answered.
    pub fn handshakes(&self) -> Handshakes {
        Handshakes {
            full: self.counts.full.load(SeqCst),
            resumed: self.counts.resumed.load(SeqCst),
        }
    }
}

async fn serve(
    tcp: TcpStream,
    acceptor: &TlsAcceptor,
    gate: &Barrier,
    counts: &Counts,
) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    tcp.peek(&mut [0]).await?;
    gate.wait().await;
    let mut tls = acceptor.accept(tcp).await?;
    match tls.get_ref().1.handshake_kind() {
        Some(HandshakeKind::Resumed) => &counts.resumed,
        _ => &counts.full,
    }
    .fetch_add(1, SeqCst);
    tls.read_exact(&mut [0; b"hello\n".len()]).await?;
    tls.write_all(b"welcome\n").await?;
    tls.flush().await?;
    // Until the client closes.
    tls.read(&mut [0]).await.map(|_| ())
}
