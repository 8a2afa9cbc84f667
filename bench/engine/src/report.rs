//! What the results say: the goals, and the page.

use crate::peer::PEERS;
use std::collections::BTreeMap;
use std::fmt::Write;

pub const HEADER: &str = "peer,keys,mix,bytes,threads,round,wall_ns,cpu_ns";

/// What is compared: keys, mix, bytes, threads.
type Case = (String, String, usize, usize);

/// Of each case, for each peer, the wall time and the processor's time of each round.
type Results = BTreeMap<Case, BTreeMap<String, Vec<(f64, f64)>>>;

fn read(path: &str) -> Results {
    let mut results = Results::new();
    let text = std::fs::read_to_string(path).expect("the results can be read");
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields[at].parse::<f64>().expect("a number");
        let case = (
            fields[1].into(),
            fields[2].into(),
            number(3) as usize,
            number(4) as usize,
        );
        let rounds = results.entry(case).or_default();
        rounds
            .entry(fields[0].into())
            .or_default()
            .push((number(6), number(7)));
    }
    results
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// How many times as long as libtsc a peer takes, by the wall clock.
fn ratio(peers: &BTreeMap<String, Vec<(f64, f64)>>, peer: &str) -> [f64; 3] {
    let pairs = peers[peer].iter().zip(&peers["libtsc"]);
    quartiles(pairs.map(|(peer, own)| peer.0 / own.0).collect())
}

/// With 8 threads. Everybody is to be matched; rustls's own cache is to be left behind.
fn goal(peer: &str, keys: &str, mix: &str) -> f64 {
    match (peer, keys, mix) {
        ("rustls", "zipf", "churn") => 1.8,
        ("rustls", ..) => 2.5,
        _ => 1.0,
    }
}

/// Each goal: what it is of, what it is, what was measured.
fn judge(results: &Results) -> Vec<(String, f64, f64)> {
    let mut judged = Vec::new();
    for ((keys, mix, bytes, threads), peers) in results {
        if *threads != 8 {
            continue;
        }
        for (peer, _) in PEERS.iter().filter(|(name, _)| *name != "libtsc") {
            let what = format!("{peer} / libtsc, {keys}, {mix}, {bytes} B, 8 threads");
            judged.push((what, goal(peer, keys, mix), ratio(peers, peer)[1]));
        }
    }
    judged
}

pub fn goals(path: &str) {
    let judged = judge(&read(path));
    let missed = judged.iter().filter(|(_, goal, is)| is < goal);
    for (what, goal, is) in missed.clone() {
        println!("not met: {what}: {is:.2}, goal {goal}");
    }
    println!(
        "bench: goals met {}/{}",
        judged.len() - missed.count(),
        judged.len()
    );
}

pub fn write(path: &str, page: &str) {
    let results = read(path);
    let judged = judge(&results);
    let met = judged.iter().filter(|(_, goal, is)| is >= goal).count();
    let mut text = String::from(
        "# Benchmarks\n\n\
        Written by `make bench-docs` from the results of `make bench` (benchmarks.csv), not by hand. All caches do the same work in one\n\
        run, one after the other in each round: keys of 40 bytes, sessions copied in and copied out, room for 10,000\n\
        endpoints with 8 tickets each. libtsc is called through the C functions of `libtsc.so`.\n\n\
        **The other caches neither wipe what they release nor keep it in pages of its own. libtsc does both, also here.**\n\n\
        - *hot*: 8 endpoints. *zipf*: 10,000, the few often and the many seldom (0.99).\n\
        - *90/10*: a get, and every tenth time a put. *churn*: take one and put two, as a connection does that resumes\n\
        \x20 under TLS 1.3.\n\
        - *ratio*: how many times as long as libtsc a cache takes by the wall clock, the median of the rounds with the\n\
        \x20 quartiles. Above 1, libtsc is faster.\n\n",
    );
    writeln!(text, "Goals with 8 threads: rustls 2.5 (churn on zipf 1.8), every other cache 1. Met: {met} of {}.\n", judged.len()).unwrap();
    for ((keys, mix, bytes, threads), peers) in &results {
        writeln!(
            text,
            "## {keys}, {mix}, {bytes} bytes, {threads} thread{}\n",
            if *threads == 1 { "" } else { "s" }
        )
        .unwrap();
        text += "| cache | ns | ns of CPU | ratio | goal |\n|---|---|---|---|---|\n";
        for (peer, _) in PEERS {
            let wall = quartiles(peers[peer].iter().map(|time| time.0).collect())[1];
            let cpu = quartiles(peers[peer].iter().map(|time| time.1).collect())[1];
            let [low, ratio, high] = ratio(peers, peer);
            let goal = match (*threads, peer) {
                (8, "libtsc") | (1..8, _) => String::new(),
                _ => {
                    let goal = goal(peer, keys, mix);
                    format!(
                        "{goal} {}",
                        if ratio >= goal { "met" } else { "**missed**" }
                    )
                }
            };
            writeln!(
                text,
                "| {peer} | {wall:.0} | {cpu:.0} | {ratio:.2} ({low:.2} to {high:.2}) | {goal} |"
            )
            .unwrap();
        }
        text.push('\n');
    }
    std::fs::write(page, text.trim_end().to_owned() + "\n").expect("the page can be written");
}
