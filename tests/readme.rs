//! What the README and the other pages show of the examples is code that the tests compile and run. A block of code
//! that follows a comment with the name of a file is made of regions of that file, marked by `[tsc]` and `[/tsc]` in
//! comments, and each such region is shown somewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The languages of the examples: where they are, how their files end, and what marks a region.
const EXAMPLES: [(&str, &str, [&str; 2]); 5] = [
    ("examples", ".c", ["/* [tsc] */", "/* [/tsc] */"]),
    ("examples", ".cpp", ["/* [tsc] */", "/* [/tsc] */"]),
    ("bindings/go", "example_test.go", ["// [tsc]", "// [/tsc]"]),
    ("bindings/python/examples", ".py", ["# [tsc]", "# [/tsc]"]),
    ("examples/rust/src/bin", ".rs", ["// [tsc]", "// [/tsc]"]),
];

#[test]
fn what_the_pages_show_is_in_the_examples() {
    let regions = regions();
    let mut missing = regions.clone();
    let mut blocks = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page can be read");
        for (file, block) in quoted(&text) {
            // Pages of a binding may quote what that binding's own tests hold them to.
            let Some(of_file) = regions.get(&file) else {
                assert!(
                    root().join(&file).exists(),
                    "{}: {file} is not there",
                    page.display()
                );
                continue;
            };
            blocks += 1;
            let rest = of_file.iter().fold(block.clone(), |rest, region| {
                rest.replacen(region.as_str(), "", 1)
            });
            assert!(
                rest.trim().is_empty(),
                "{}: marked nowhere in {file}:\n{rest}",
                page.display()
            );
            let left = missing.get_mut(&file).expect("as above");
            left.retain(|region| !block.contains(region.as_str()));
        }
    }
    assert!(blocks > 0, "no page shows anything");
    missing.retain(|_, regions| !regions.is_empty());
    assert!(
        missing.is_empty(),
        "marked, and shown on no page: {missing:#?}"
    );
}

#[test]
fn pages_lead_to_what_is_there() {
    assert_lead_somewhere(&pages(), root());
}

/// `tests/install/run.sh` says which tree: pages that are installed lead to what is installed, or into the repository.
#[test]
fn installed_pages_lead_to_what_is_there() {
    let Some(tree) = std::env::var_os("TSC_INSTALLED") else {
        return;
    };
    let tree = fs::canonicalize(tree).expect("the tree is there");
    let mut pages = Vec::new();
    let mut folders = vec![tree.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let entry = entry.expect("it can be read");
            match entry.file_type().expect("it has a type") {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() && is_page(&entry.path()) => pages.push(entry.path()),
                _ => {}
            }
        }
    }
    assert_lead_somewhere(&pages, &tree);
}

/// Every link of `pages` that leads into `tree` or into the repository finds a file, and its heading if it names one.
fn assert_lead_somewhere(pages: &[PathBuf], tree: &Path) {
    let repository = format!("{}/blob/", env!("CARGO_PKG_REPOSITORY"));
    let mut broken = Vec::new();
    let mut links = 0;
    for page in pages {
        let text = fs::read_to_string(page).expect("a page can be read");
        // Every other piece is code.
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1) {
            let link = link.split(')').next().expect("there is a first");
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let (target, within) = match file.strip_prefix(&repository) {
                // What comes first is a branch or a tag.
                Some(file) => match file.split_once('/') {
                    Some((_, file)) => (root().join(file), root()),
                    None => (PathBuf::new(), root()),
                },
                None if file.contains("://") || file.starts_with("mailto:") => continue,
                None if file.is_empty() => (page.clone(), tree),
                None => (page.parent().expect("it is in a folder").join(file), tree),
            };
            links += 1;
            let is_inside =
                fs::canonicalize(&target).is_ok_and(|target| target.starts_with(within));
            let has_heading = anchor.is_empty()
                || !is_page(&target)
                || fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&text).contains(&anchor.to_owned()));
            if !is_inside || !has_heading {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(links > 0, "no page in {} links to anything", tree.display());
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
}

#[test]
fn the_promises_are_those_of_the_header_and_name_what_is_there() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("it can be read");
    let page = read("docs/promises.md");
    let header = read("include/tsc.h");
    for number in 1..=10 {
        assert!(
            header.contains(&format!("// - P{number}, ")),
            "P{number} is not in tsc.h"
        );
        assert!(
            page.contains(&format!("| P{number} ")),
            "P{number} is not on the page"
        );
    }
    let quoted = page.split('`').skip(1).step_by(2);
    for name in quoted.filter(|name| !name.starts_with("make ") && name.contains('/')) {
        assert!(root().join(name).exists(), "{name} is not there");
    }
}

#[test]
fn what_the_pages_tell_to_make_can_be_made() {
    let makefiles = fs::read_dir(root().join("mk")).expect("it is there");
    let rules: String = makefiles
        .map(|file| file.expect("it can be read").path())
        .chain([root().join("Makefile")])
        .map(|file| fs::read_to_string(file).expect("it is text"))
        .collect();
    let is_target = |name: &str| {
        rules
            .lines()
            .filter_map(|line| line.split_once(':'))
            .any(|(targets, _)| targets.split(' ').any(|target| target == name))
    };
    let mut unknown = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page can be read");
        for after in text.split("`make ").skip(1) {
            let target = after
                .split([' ', '`', '\n'])
                .next()
                .expect("there is a first");
            // A pattern makes the target of each part's needs.
            let known = target.starts_with("deps-") || is_target(target);
            if !target.contains('=') && !known {
                unknown.push(format!("{}: make {target}", page.display()));
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "there are no such targets: {unknown:#?}"
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages in the root, in docs and in docs/decisions, and those that registries show.
fn pages() -> Vec<PathBuf> {
    let folders =
        ["", "docs", "docs/decisions", "bindings/python"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(folder).expect("the folder is there");
        entries.map(|entry| entry.expect("it can be read").path())
    });
    files.filter(|path| is_page(path)).collect()
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "md")
}

/// The regions of each example, by its path.
fn regions() -> BTreeMap<String, Vec<String>> {
    let mut regions = BTreeMap::new();
    for (folder, ending, [open, close]) in EXAMPLES {
        for entry in fs::read_dir(root().join(folder)).expect("the examples are there") {
            let path = entry.expect("their folder can be read").path();
            if path.to_string_lossy().ends_with(ending) {
                let source = fs::read_to_string(&path).expect("an example can be read");
                let name = path.file_name().expect("it is a file").to_string_lossy();
                let marked = between(&source, open, close);
                if !marked.is_empty() {
                    regions.insert(format!("{folder}/{name}"), marked);
                }
            }
        }
    }
    regions
}

/// The blocks of code that follow a comment with a file's name, and that name.
fn quoted(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(file) = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        if lines.next().is_some_and(|line| line.starts_with("```")) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((file.to_owned(), block.join("\n")));
        }
    }
    found
}

/// What links to the headings of a page, as GitHub names them.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for heading in text.lines().filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let name: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let again = anchors.iter().filter(|anchor| **anchor == name).count();
        anchors.push(match again {
            0 => name,
            again => format!("{name}-{again}"),
        });
    }
    anchors
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
