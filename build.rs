//! Generates `tsc.h` into `OUT_DIR`, never into the source tree, and from the same source the descriptions of
//! the statistics.
//!
//! `make header` copies the generated header over `include/tsc.h`; `tests/header.rs` fails when the
//! two differ.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/capi");
    // Only Linux tells who is at the other end of a socket in a way that is used here.
    println!("cargo::rustc-check-cfg=cfg(agent)");
    let linux = env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux");
    if linux && env::var_os("CARGO_FEATURE_AGENT").is_some() {
        println!("cargo::rustc-cfg=agent");
    }
    std::fs::write(out.join("stats_help.rs"), stats_help(&root)).expect("OUT_DIR can be written");
    #[cfg(feature = "capi")]
    header::generate(&root, &out);
}

#[cfg(feature = "capi")]
mod header {
    use std::path::Path;

    pub fn generate(root: &Path, out: &Path) {
        println!("cargo::rerun-if-changed=cbindgen.toml");

        let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))
            .expect("cbindgen.toml is valid");
        config.header = Some(manual(root));
        let mut builder = cbindgen::Builder::new().with_config(config);
        for file in CAPI {
            builder = builder.with_src(root.join("src/capi").join(file));
        }
        builder
            .generate()
            .expect("src/capi can be read by cbindgen")
            .write_to_file(out.join("tsc.h"));
    }

    /// The files whose items make up the header, in the order in which a reader wants them.
    const CAPI: [&str; 17] = [
        "version.rs",
        "status.rs",
        "event.rs",
        "options.rs",
        "session.rs",
        "endpoint.rs",
        "function.rs",
        "cache.rs",
        "object.rs",
        "stats.rs",
        "prometheus.rs",
        "config.rs",
        "forecast.rs",
        "reason.rs",
        "attempt.rs",
        "wait.rs",
        "export.rs",
    ];

    /// The header's opening: the module documentation of `src/capi/mod.rs`, which is the manual.
    fn manual(root: &Path) -> String {
        let path = root.join("src/capi/mod.rs");
        let text = std::fs::read_to_string(path).expect("src/capi/mod.rs is there");
        text.lines()
            .map_while(|line| line.strip_prefix("//!"))
            .fold(String::new(), |all, line| all + "//" + line + "\n")
    }
}

/// The macro `help!(field)`: what the documentation of `tsc_stats` says of that field, on one line. A
/// field without documentation is one that the macro does not know.
fn stats_help(root: &Path) -> String {
    let text = std::fs::read_to_string(root.join("src/capi/stats.rs")).expect("it is there");
    let fields = text
        .lines()
        .skip_while(|line| !line.starts_with("pub struct tsc_stats"));
    let mut arms = String::new();
    let mut help = Vec::new();
    for line in fields.take_while(|line| *line != "}").map(str::trim) {
        if let Some(doc) = line.strip_prefix("/// ") {
            help.push(doc);
        } else if let Some(name) = line
            .strip_prefix("pub ")
            .and_then(|l| l.strip_suffix(": u64,"))
        {
            if !help.is_empty() {
                arms += &format!("({name}) => {{ {:?} }};\n", help.join(" "));
            }
            help.clear();
        }
    }
    format!("macro_rules! help {{\n{arms}}}\n")
}
