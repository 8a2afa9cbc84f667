//! What the README shows is what the program says of its own server, but for the numbers that were measured.

use std::process::Command;

/// Numbers are #, and blanks and line breaks one blank. What CPU was saved depends on the machine.
fn shape(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let bare = word.trim_matches(|c| "(),;:".contains(c));
        let version = words.last().is_some_and(|last| last == "TLS");
        match !version && !bare.is_empty() && bare.chars().all(is_number) {
            true => words.push(word.replace(bare, "#")),
            false => words.push(word.to_owned()),
        }
    }
    // A slow machine is asked before it has sent what it sends unasked.
    let shape = words.join(" ");
    shape
        .replace(", unasked", "")
        .replace(", after the first request", "")
}

fn without_cpu(shape: &str) -> String {
    let (verdict, rest) = shape
        .split_once(" TLS 1.3 cipher")
        .expect("a verdict and a table");
    let begin = ["; resumed handshakes cost", "; no difference in client CPU"]
        .iter()
        .find_map(|clause| verdict.find(clause))
        .expect("what it says of CPU");
    format!("{} {rest}", &verdict[..begin])
}

#[test]
fn the_readme_shows_what_the_program_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_tsc-probe"))
        .args([
            "--rate", "1000", "--pairs", "5", "--burst", "4", "--quiet", "200",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // The rest depends on the version of OpenSSL.
    let said = said.split("\n ClientHello").next().unwrap();
    let readme = include_str!("../../../../README.md");
    let begin = readme.find("resumes: yes");
    let block = begin.and_then(|begin| readme[begin..].split("\n```").next());
    let block = block.expect("the README has a block of what tsc-probe says");
    assert_eq!(without_cpu(&shape(block)), without_cpu(&shape(said)));
    for line in said.lines().chain(block.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
