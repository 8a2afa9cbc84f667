//! Every input of the corpora, and of what was once found, keeps every promise.

use std::path::Path;

/// `TSC_REPLAY_EVERY=50` takes every fiftieth input, where all would take too long.
fn replay(name: &str) {
    let every = std::env::var("TSC_REPLAY_EVERY").ok();
    let every = every.map_or(1, |every| every.parse().expect("a number"));
    let run = libtsc_fuzz::TARGETS
        .into_iter()
        .find(|&(target, _)| target == name);
    let (_, run) = run.expect("a target");
    let (mut inputs, mut looked_at) = (0, 0);
    for folder in ["corpus", "found"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(folder)
            .join(name);
        let Ok(files) = std::fs::read_dir(&folder) else {
            continue;
        };
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        inputs += files.len();
        for file in files.iter().step_by(every) {
            // Shown if it fails.
            println!("{}", file.display());
            run(&std::fs::read(file).expect("readable"));
            looked_at += 1;
        }
    }
    assert!(inputs > 10, "the corpus of {name} is there");
    println!("replayed {looked_at}");
}

#[test]
fn sequences() {
    replay("sequences");
}

#[test]
fn arguments() {
    replay("arguments");
}

#[test]
fn import() {
    replay("import");
}

#[test]
fn endpoints() {
    replay("endpoints");
}

#[test]
fn messages() {
    replay("messages");
}

#[test]
fn lenders() {
    replay("lenders");
}
