//! Processes that ask anything. The target is tests/fuzz's; it is replayed here, where the agent is built anyway.

#[path = "../../../../tests/fuzz/src/input.rs"]
#[allow(dead_code, reason = "other targets need more of it")]
mod input;
#[path = "../../../../tests/fuzz/src/requests.rs"]
mod target;

use std::path::Path;

#[test]
fn what_the_fuzzer_kept() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    let mut replayed = 0;
    for folder in ["corpus/requests", "found/requests"] {
        let Ok(files) = std::fs::read_dir(fuzz.join(folder)) else {
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            // Shown if it fails.
            println!("{}", path.display());
            target::run(&std::fs::read(path).unwrap());
            replayed += 1;
        }
    }
    assert!(replayed > 10, "the corpus is there");
}
