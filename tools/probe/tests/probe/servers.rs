//! Servers of which is known what they do, on loopback, in threads.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
    SslVersion,
};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use socket2::{Domain, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Identity {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl Identity {
    /// For localhost, from so many days ago to so many days from now.
    pub fn new(from: i64, until: i64) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, "localhost")
            .unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        let day = |days: i64| {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap();
            Asn1Time::from_unix(now.as_secs() as i64 + days * 86400).unwrap()
        };
        builder.set_version(2).unwrap();
        builder
            .set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap())
            .unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&day(from)).unwrap();
        builder.set_not_after(&day(until)).unwrap();
        builder.set_pubkey(&key).unwrap();
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self {
            certificate: builder.build(),
            key,
        }
    }

    pub fn context(&self, set: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
        let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
        builder.set_certificate(&self.certificate).unwrap();
        builder.set_private_key(&self.key).unwrap();
        builder.set_session_id_context(b"probe").unwrap();
        set(&mut builder);
        builder.build()
    }
}

/// Serves TLS with a context that may change: called with the number of the connection, from 0.
pub fn tls(context: impl Fn(usize) -> SslContext + Send + 'static) -> SocketAddr {
    tls_after(|_| Ok(()), context)
}

/// The same after something that is said in the clear.
fn tls_after(
    prelude: impl Fn(&mut TcpStream) -> io::Result<()> + Copy + Send + 'static,
    context: impl Fn(usize) -> SslContext + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let ssl = Ssl::new(&context(number)).unwrap();
            std::thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                if prelude(&mut stream).is_err() {
                    return;
                }
                let Ok(mut tls) = ssl.accept(stream) else {
                    return;
                };
                let mut buffer = [0; 4096];
                while tls.read(&mut buffer).is_ok_and(|read| read > 0)
                    && tls.write_all(b".").is_ok()
                {}
                // Without a close_notify of its own, OpenSSL forgets a session that it keeps itself.
                let _ = tls.shutdown();
            });
        }
    });
    address
}

/// What a server that asks for a certificate makes of it.
#[derive(Clone, Copy, PartialEq)]
pub enum Memory {
    /// A resumed connection belongs to the client of the first.
    Keeps,
    /// A resumed connection is nobody's.
    Loses,
    /// No connection is anybody's.
    Ignores,
}

/// Asks for the client's certificate, and answers to ACL WHOAMI, CQL's STARTUP and PostgreSQL's with whether it
/// knows the client.
pub fn whoami(identity: &Identity, client: &X509, memory: Memory) -> SocketAddr {
    let context = identity.context(|builder| {
        builder.cert_store_mut().add_cert(client.clone()).unwrap();
        builder.set_verify(SslVerifyMode::PEER);
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let ssl = Ssl::new(&context).unwrap();
            std::thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                let mut first = [0];
                if stream.peek(&mut first).is_ok() && first == [0] {
                    // PostgreSQL's request for TLS.
                    stream.read_exact(&mut [0; 8]).ok()?;
                    stream.write_all(b"S").ok()?;
                }
                let mut tls = ssl.accept(stream).ok()?;
                let forgets = memory == Memory::Ignores
                    || memory == Memory::Loses && tls.ssl().session_reused();
                let known = tls.ssl().peer_certificate().is_some() && !forgets;
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = tls.read(&mut buffer) {
                    let answer: &[u8] = match (&buffer[..read], known) {
                        ([4, _, _, _, 1, ..], true) => &[0x84, 0, 0, 0, 2, 0, 0, 0, 0],
                        ([4, _, _, _, 1, ..], false) => &[0x84, 0, 0, 0, 3, 0, 0, 0, 0],
                        ([0, 0, 0, _, 0, 3, ..], true) => b"R\0\0\0\x08\0\0\0\0",
                        ([0, 0, 0, _, 0, 3, ..], false) => b"E\0\0\0\x0CC28000\0\0",
                        (request, true) if request.ends_with(b"WHOAMI\r\n") => b"$5\r\nalice\r\n",
                        (request, false) if request.ends_with(b"WHOAMI\r\n") => {
                            b"$7\r\ndefault\r\n"
                        }
                        _ => b".",
                    };
                    tls.write_all(answer).ok()?;
                }
                tls.shutdown().ok()
            });
        }
    });
    address
}

/// Lets nobody in that has no certificate of this client's.
pub fn demands_certificate(identity: &Identity, client: &X509) -> SocketAddr {
    steady(identity.context(|builder| {
        builder.cert_store_mut().add_cert(client.clone()).unwrap();
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }))
}

/// A server that begins without TLS, as those of a protocol do, and takes nothing else from its clients.
pub fn starts_tls(identity: &Identity, protocol: &'static str) -> SocketAddr {
    let context = identity.context(|_| {});
    tls_after(
        move |stream| start_tls(stream, protocol),
        move |_| context.clone(),
    )
}

fn start_tls(stream: &mut TcpStream, protocol: &str) -> io::Result<()> {
    match protocol {
        "postgres" => {
            expect(stream, b"\0\0\0\x08\x04\xD2\x16\x2F")?;
            stream.write_all(b"S")
        }
        "mysql" => {
            let text = b"8.0.1\0\x01\0\0\0ABCDEFGH\0\xFF\xFF";
            let mut greeting = vec![46, 0, 0, 0, 10];
            greeting.extend_from_slice(text);
            greeting.resize(4 + 46, 0);
            stream.write_all(&greeting)?;
            // Protocol 4.1, TLS, secure connection; the packet after the greeting.
            expect(stream, &[32, 0, 0, 1, 0x00, 0x8A, 0, 0])?;
            stream.read_exact(&mut [0; 28])
        }
        "smtp" => {
            stream.write_all(b"220-one\r\n220 two\r\n")?;
            expect(stream, b"EHLO tsc-probe.invalid\r\n")?;
            stream.write_all(b"250-localhost\r\n250 STARTTLS\r\n")?;
            expect(stream, b"STARTTLS\r\n")?;
            stream.write_all(b"220 go\r\n")
        }
        "imap" => {
            stream.write_all(b"* OK ready\r\n")?;
            expect(stream, b"a STARTTLS\r\n")?;
            stream.write_all(b"a OK begin\r\n")
        }
        "ldap" => {
            expect(
                stream,
                b"\x30\x1D\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037",
            )?;
            stream.write_all(b"\x30\x0C\x02\x01\x01\x78\x07\x0A\x01\x00\x04\x00\x04\x00")
        }
        "xmpp" => {
            expect(
                stream,
                b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' \
                  xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
            )?;
            stream.write_all(b"<stream:stream><stream:features><starttls/></stream:features>")?;
            expect(
                stream,
                b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            )?;
            stream.write_all(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        }
        other => panic!("{other}"),
    }
}

fn expect(stream: &mut TcpStream, expected: &[u8]) -> io::Result<()> {
    let mut said = vec![0; expected.len()];
    stream.read_exact(&mut said)?;
    match said == expected {
        true => Ok(()),
        false => Err(io::Error::other("the client says something else")),
    }
}

/// Always the same context.
pub fn steady(context: SslContext) -> SocketAddr {
    tls(move |_| context.clone())
}

/// TLS 1.3 with so many tickets.
pub fn tickets(identity: &Identity, number: usize) -> SocketAddr {
    steady(identity.context(|builder| {
        builder.set_num_tickets(number).unwrap();
        if number == 0 {
            builder.set_options(SslOptions::NO_TICKET);
            builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        }
    }))
}

/// TLS 1.3 whose server keeps the sessions, and forgets each when it is used: OpenSSL's protection against
/// replay, which comes with early data.
pub fn single_use(identity: &Identity) -> SocketAddr {
    steady(identity.context(|builder| {
        builder.set_max_early_data(1 << 14).unwrap();
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
    }))
}

/// TLS 1.2 by id alone.
pub fn ids(identity: &Identity) -> SocketAddr {
    steady(identity.context(|builder| {
        builder
            .set_max_proto_version(Some(SslVersion::TLS1_2))
            .unwrap();
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
    }))
}

/// What a broken server does to a ClientHello that offers a session.
#[derive(Clone, Copy)]
pub enum Harm {
    Hang,
    Reset,
    Alert,
    /// None, but each answer comes so much later.
    Delay(Duration),
}

/// Stands before a server of TLS 1.3 and harms those that offer a session.
pub fn harmful(server: SocketAddr, harm: Harm) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || relay(stream, server, harm));
        }
    });
    address
}

fn relay(mut client: TcpStream, server: SocketAddr, harm: Harm) -> Option<()> {
    let mut record = vec![0; 5];
    client.read_exact(&mut record).ok()?;
    let length = usize::from(record[3]) << 8 | usize::from(record[4]);
    record.resize(5 + length, 0);
    client.read_exact(&mut record[5..]).ok()?;
    if offers(&record) {
        match harm {
            Harm::Hang => {
                let _ = client.read(&mut [0; 1]);
                return None;
            }
            Harm::Reset => return None,
            Harm::Alert => {
                client.write_all(&[21, 3, 3, 0, 2, 2, 80]).ok()?; // internal_error
                let _ = client.shutdown(Shutdown::Write);
                let _ = client.read(&mut [0; 1]);
                return None;
            }
            Harm::Delay(_) => {}
        }
    }
    let mut back = TcpStream::connect(server).ok()?;
    let _ = (client.set_nodelay(true), back.set_nodelay(true));
    back.write_all(&record).ok()?;
    let (mut from_client, mut to_server) = (client.try_clone().ok()?, back.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 16384];
    while let Ok(read @ 1..) = back.read(&mut buffer) {
        if let Harm::Delay(delay) = harm {
            std::thread::sleep(delay);
        }
        client.write_all(&buffer[..read]).ok()?;
    }
    let _ = client.shutdown(Shutdown::Both);
    None
}

/// Whether a record is a ClientHello whose last extension is pre_shared_key.
fn offers(record: &[u8]) -> bool {
    let u16_at = |at: usize| usize::from(record[at]) << 8 | usize::from(record[at + 1]);
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(record[at]);
    at += 2 + u16_at(at);
    at += 1 + usize::from(record[at]);
    let end = at + 2 + u16_at(at);
    at += 2;
    while at < end {
        if u16_at(at) == 41 {
            return true;
        }
        at += 4 + u16_at(at + 2);
    }
    false
}

/// Says something that is no TLS.
pub fn plain_text() -> SocketAddr {
    raw(|mut stream| {
        let _ = stream.write_all(b"220 hello\r\n");
        let _ = stream.read(&mut [0; 1024]);
    })
}

/// Closes each connection at once.
pub fn drops() -> SocketAddr {
    raw(drop)
}

/// Never answers.
pub fn silent() -> SocketAddr {
    raw(|mut stream| while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {})
}

/// Stands before a server, and after so many connections never answers.
pub fn silent_after(connections: usize, server: SocketAddr) -> (SocketAddr, Receiver<()>) {
    let number = AtomicUsize::new(0);
    silent_when(
        move || number.fetch_add(1, Ordering::Relaxed) >= connections,
        server,
    )
}

/// The same from when a function says so. It tells when it has been asked and will not answer.
pub fn silent_when(
    is_silent: impl Fn() -> bool + Send + Sync + 'static,
    server: SocketAddr,
) -> (SocketAddr, Receiver<()>) {
    let (asked, tells) = mpsc::channel();
    let address = raw(move |mut stream| {
        if !is_silent() {
            relay(stream, server, Harm::Delay(Duration::ZERO));
            return;
        }
        while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
            let _ = asked.send(());
        }
    });
    (address, tells)
}

/// A port whose queue of connections is full: whoever connects waits.
pub struct Full {
    pub address: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl Full {
    pub fn new() -> Self {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        // As many as there is room for, and one that waits.
        while waiting(address) == 0 {
            let client = socket();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address.into());
            queued.push(client);
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

/// How many wait for a connection to be made there.
pub fn waiting(to: SocketAddr) -> usize {
    const SYN_SENT: &str = "02";
    // In the processor's order of bytes: 127.0.0.1 is 0100007F.
    let address = format!("0100007F:{:04X}", to.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table
        .lines()
        .filter(|line| {
            let mut fields = line.split_whitespace().skip(2);
            fields.next() == Some(&address) && fields.next() == Some(SYN_SENT)
        })
        .count()
}

fn raw(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A server whose ticket keys change with each connection: it takes nothing that it issued.
pub fn new_keys_always(identity: Identity) -> SocketAddr {
    tls(move |_| identity.context(|_| {}))
}

/// Two processes behind one port, in turn, each with keys of its own.
pub fn two_behind_one(identity: &Identity) -> SocketAddr {
    let both = [identity.context(|_| {}), identity.context(|_| {})];
    // Chosen anew after two of each three, so that some are taken and some not.
    let turn = Mutex::new(AtomicUsize::new(0));
    tls(move |_| {
        let turn = turn.lock().unwrap().fetch_add(1, Ordering::Relaxed);
        both[turn / 3 % 2].clone()
    })
}
