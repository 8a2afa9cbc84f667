//! Every input of the corpora, and of what was once found, keeps every promise.

use std::path::Path;

fn replay(name: &str) {
    let run = libtsc_fuzz::TARGETS
        .into_iter()
        .find(|&(target, _)| target == name);
    let (_, run) = run.expect("a target");
    let mut inputs = 0;
    for folder in ["corpus", "found"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(folder)
            .join(name);
        let Ok(files) = std::fs::read_dir(&folder) else {
            continue;
        };
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        for file in files {
            // Shown if it fails.
            println!("{}", file.display());
            run(&std::fs::read(&file).expect("readable"));
            inputs += 1;
        }
    }
    assert!(inputs > 10, "the corpus of {name} is there");
    println!("replayed {inputs}");
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
