//! A server's certificate for "localhost", which signs itself.

use crate::folder::Folder;
use std::process::Command;

/// The paths of certificate and key.
pub struct Certificate {
    pub file: String,
    pub key: String,
}

impl Certificate {
    pub fn new(folder: &Folder) -> Self {
        let made = Self {
            file: folder.file("cert.pem"),
            key: folder.file("key.pem"),
        };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-subj", "/CN=tests"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            // rustls takes no authority's certificate for a server's.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-out", &made.file, "-keyout", &made.key])
            .output()
            .expect("openssl is there");
        assert!(output.status.success(), "{output:?}");
        made
    }
}
