//! What the README shows is code that the tests compile and run: its blocks are made of regions of the
//! examples, marked by `[tsc]` and `[/tsc]` in a comment, and each such region is shown.

use std::fs;
use std::path::Path;

#[test]
fn the_readmes_c_is_that_of_the_examples() {
    compare("c", "examples", ".c", ["/* [tsc] */", "/* [/tsc] */"]);
}

#[test]
fn the_readmes_cpp_is_that_of_the_examples() {
    compare("cpp", "examples", ".cpp", ["/* [tsc] */", "/* [/tsc] */"]);
}

#[test]
fn the_readmes_go_is_that_of_the_example() {
    compare(
        "go",
        "bindings/go",
        "example_test.go",
        ["// [tsc]", "// [/tsc]"],
    );
}

#[test]
fn the_readmes_python_is_that_of_the_example() {
    compare(
        "python",
        "bindings/python/examples",
        ".py",
        ["# [tsc]", "# [/tsc]"],
    );
}

#[test]
fn the_readmes_rust_is_that_of_the_examples() {
    compare(
        "rust",
        "examples/rust/src/bin",
        ".rs",
        ["// [tsc]", "// [/tsc]"],
    );
}

/// Compares the README's blocks of a language with the regions of the files in a folder whose names
/// end in a certain way.
fn compare(language: &str, folder: &str, ending: &str, [open, close]: [&str; 2]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md is there");
    let shown = between(&readme, &format!("```{language}"), "```");

    let mut marked = Vec::new();
    for entry in fs::read_dir(root.join(folder)).expect("the examples are there") {
        let path = entry.expect("their folder can be read").path();
        if path.to_string_lossy().ends_with(ending) {
            let source = fs::read_to_string(&path).expect("an example can be read");
            marked.extend(between(&source, open, close));
        }
    }
    assert!(!marked.is_empty(), "no example has a marked region");

    for region in &marked {
        assert!(
            shown.iter().any(|block| block.contains(region)),
            "marked in an example, and not in the README:\n{region}"
        );
    }
    for block in &shown {
        let rest = marked.iter().fold(block.clone(), |rest, region| {
            rest.replacen(region.as_str(), "", 1)
        });
        assert!(
            rest.trim().is_empty(),
            "in the README, and marked in no example:\n{rest}"
        );
    }
}

/// What stands between each line `open` and the next line `close`, without common indentation.
fn between(text: &str, open: &str, close: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.trim() == open) {
        let inside: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != close)
            .collect();
        let common = inside
            .iter()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or(0);
        let lines: Vec<&str> = inside
            .iter()
            .map(|line| line.get(common..).unwrap_or(""))
            .collect();
        found.push(lines.join("\n"));
    }
    found
}
