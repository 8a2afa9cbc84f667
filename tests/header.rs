//! The committed header is the one that the sources make, and its version is the crate's.

use std::fs;

const GENERATED: &str = concat!(env!("OUT_DIR"), "/tsc.h");
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include/tsc.h");

/// With `TSC_UPDATE` set (`make header`) the committed header is replaced instead.
#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = fs::read_to_string(GENERATED).expect("build.rs wrote it");
    if std::env::var_os("TSC_UPDATE").is_some() {
        fs::write(COMMITTED, generated).expect("include/tsc.h can be written");
        return;
    }
    let committed = fs::read_to_string(COMMITTED).expect("include/tsc.h is there");
    let differs = generated
        .lines()
        .zip(committed.lines())
        .find(|(g, c)| g != c);
    assert!(
        generated == committed,
        "include/tsc.h is not what src/capi says: run `make header`. First difference: {differs:#?}"
    );
}

#[test]
fn the_headers_version_is_the_crates() {
    let header = fs::read_to_string(COMMITTED).expect("include/tsc.h is there");
    let part = |name: &str| {
        let define = format!("#define TSC_VERSION_{name} ");
        header
            .lines()
            .find_map(|line| line.strip_prefix(&define))
            .expect("it is defined")
    };
    let version = [part("MAJOR"), part("MINOR"), part("PATCH")].join(".");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}
