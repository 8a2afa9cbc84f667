//! A server on loopback, for a first try without one.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

pub struct Server {
    pub address: SocketAddr,
    pub certificate: X509,
}

impl Server {
    /// Answers whatever it is asked with a byte, in threads that end with the program.
    pub fn start() -> anyhow::Result<Self> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509Name::builder()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "localhost")?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        let serial = BigNum::from_u32(1)?.to_asn1_integer()?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(1)?)?;
        builder.set_pubkey(&key)?;
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .build(&builder.x509v3_context(None, None))?;
        builder.append_extension(names)?;
        builder.sign(&key, MessageDigest::sha256())?;
        let certificate = builder.build();

        let mut context = SslContext::builder(SslMethod::tls_server())?;
        context.set_certificate(&certificate)?;
        context.set_private_key(&key)?;
        let context = context.build();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(ssl) = Ssl::new(&context) else {
                    continue;
                };
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let Ok(mut tls) = ssl.accept(stream) else {
                        return;
                    };
                    let mut buffer = [0; 4096];
                    while tls.read(&mut buffer).is_ok_and(|read| read > 0)
                        && tls.write_all(b".").is_ok()
                    {}
                });
            }
        });
        Ok(Self {
            address,
            certificate,
        })
    }
}
