//! What the results say: the goals, and the page.

use crate::peer::PEERS;
use crate::plot;
use std::collections::HashMap;
use std::fmt::{self, Display, Write};

pub const HEADER: &str = "part,case,subject,round,value";

/// One measurement. The value is in nanoseconds or bytes.
pub struct Row {
    part: &'static str,
    case: String,
    subject: String,
    round: usize,
    value: f64,
}

impl Row {
    pub fn new(part: &'static str, case: &str, subject: &str, round: usize, value: f64) -> Self {
        Self {
            part,
            case: case.into(),
            subject: subject.into(),
            round,
            value,
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            part,
            case,
            subject,
            round,
            value,
        } = self;
        write!(f, "{part},{case},{subject},{round},{value:.1}")
    }
}

/// For each subject, the values of the rounds.
type Subjects = HashMap<String, Vec<f64>>;

/// Part, case and subjects, in the order in which they were measured.
struct Results(Vec<(String, String, Subjects)>);

impl Results {
    fn read(path: &str) -> Self {
        let mut results = Vec::<(String, String, Subjects)>::new();
        let text = std::fs::read_to_string(path).expect("the results can be read");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(HEADER), "{path} is from another version");
        for line in lines {
            let fields: Vec<&str> = line.split(',').collect();
            let [part, case, subject, _, value] = fields[..] else {
                panic!("{path}: {line}");
            };
            let known = results.iter().position(|(p, c, _)| p == part && c == case);
            let at = known.unwrap_or_else(|| {
                results.push((part.into(), case.into(), Subjects::new()));
                results.len() - 1
            });
            let values = results[at].2.entry(subject.into()).or_default();
            values.push(value.parse().expect("a number"));
        }
        Self(results)
    }

    fn cases(&self, part: &str) -> impl Iterator<Item = (&str, &Subjects)> {
        let of_part = self.0.iter().filter(move |(of, ..)| of == part);
        of_part.map(|(_, case, subjects)| (case.as_str(), subjects))
    }

    fn has(&self, part: &str) -> bool {
        self.cases(part).next().is_some()
    }

    fn median(&self, part: &str, case: &str, subject: &str) -> f64 {
        let found = self.cases(part).find(|(name, _)| *name == case);
        let (_, subjects) = found.unwrap_or_else(|| panic!("{part}, {case} was not measured"));
        quartiles(subjects[subject].clone())[1]
    }

    /// The sizes in the cases of a part, which end in them, in order.
    fn sizes(&self, part: &str) -> Vec<usize> {
        let last = |case: &str| case.rsplit(' ').next()?.parse().ok();
        let mut sizes: Vec<usize> = self
            .cases(part)
            .filter_map(|(case, _)| last(case))
            .collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// How many times as much one subject takes as another, in the same rounds.
fn ratio(subjects: &Subjects, of: &str, to: &str) -> [f64; 3] {
    let pairs = subjects[of].iter().zip(&subjects[to]);
    quartiles(pairs.map(|(of, to)| of / to).collect())
}

struct Goal {
    what: String,
    measured: f64,
    limit: f64,
    at_least: bool,
}

impl Goal {
    fn met(&self) -> bool {
        if self.at_least {
            self.measured >= self.limit
        } else {
            self.measured <= self.limit
        }
    }

    fn sign(&self) -> &'static str {
        if self.at_least { "≥" } else { "≤" }
    }
}

/// With 8 threads. Every cache is to be matched; rustls's own is to be left behind.
fn peer_goal(peer: &str, case: &str) -> Option<f64> {
    if peer == "libtsc" || !case.ends_with(" 8") {
        return None;
    }
    Some(match peer {
        "rustls" if case.starts_with("zipf churn") => 1.8,
        "rustls" => 2.5,
        _ => 1.0,
    })
}

/// What another thread does that has nothing to do with the cache.
const CONTROL: &str = "uses no cache";

/// What is measured in the terms of a language, and what libtsc is beside there.
pub const OWN: [(&str, &str); 3] = [
    ("rustls", "rustls"),
    ("go", "crypto/tls"),
    ("python", "request"),
];

fn judge(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (part, other) in OWN {
        for (case, subjects) in results.cases(part) {
            if let Some(limit) = peer_goal(other, case) {
                goals.push(Goal {
                    what: format!("{other} / libtsc, in {part}, {}", in_words(case)),
                    measured: ratio(subjects, other, "libtsc")[1],
                    limit,
                    at_least: true,
                });
            }
        }
    }
    for (case, peers) in results.cases("throughput") {
        for (peer, _) in PEERS {
            if let Some(limit) = peer_goal(peer, case) {
                goals.push(Goal {
                    what: format!("{peer} / libtsc, {}", in_words(case)),
                    measured: ratio(peers, peer, "libtsc")[1],
                    limit,
                    at_least: true,
                });
            }
        }
    }
    let mut at_most = |what: String, measured: f64, limit: f64| {
        goals.push(Goal {
            what,
            measured,
            limit,
            at_least: false,
        });
    };
    for (case, subjects) in results.cases("floor") {
        let limit = if case == "8" { 1.1 } else { 1.6 };
        let measured = ratio(subjects, "libtsc", "floor")[1];
        at_most(
            format!("tsc_get / floor, {} endpoints", count(case)),
            measured,
            limit,
        );
    }
    for (_, subjects) in results.cases("offer") {
        let pairs = subjects["libtsc"].iter().zip(&subjects["lock"]);
        let above = quartiles(pairs.map(|(own, lock)| own - lock).collect())[1];
        at_most(
            "tsc_attempt_offer of an object, above a lock, ns".into(),
            above,
            50.0,
        );
    }
    for (case, _) in results.cases("memory") {
        let measured = results.median("memory", case, "libtsc");
        let what = format!(
            "memory beyond key and session, {} endpoints, bytes each",
            count(case)
        );
        at_most(what, measured, 250.0);
    }
    let sizes = results.sizes("scale");
    if let (Some(few), Some(many)) = (sizes.first(), sizes.last()) {
        for call in ["get", "put"] {
            let of = |size| results.median("scale", &format!("{call} {size}"), "libtsc");
            let growth = of(many) / of(few);
            let what = format!(
                "{call} with {} endpoints / with {}",
                count(many),
                count(few)
            );
            at_most(what, growth, 3.0);
        }
    }
    for (case, _) in results.cases("p99") {
        let measured = results.median("p99", case, "libtsc") / 1e3;
        at_most(
            format!("p99 of a get, {case}, 8 threads, µs"),
            measured,
            2.0,
        );
    }
    for (case, _) in results.cases("longest") {
        if case.contains(CONTROL) {
            continue;
        }
        let measured = results.median("longest", case, "libtsc") / 1e6;
        let (call, endpoints) = case.rsplit_once(' ').expect("a number of endpoints");
        let what = format!("slowest {call}, {} endpoints, ms", count(endpoints));
        at_most(what, measured, 1.0);
    }
    goals
}

/// 1000000 as 1,000,000.
pub fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b',')).expect("digits")
}

/// The words of a case of the throughput, such as `hot 90/10 1024 8`; without the bytes where sessions have their own.
fn in_words(case: &str) -> String {
    let words: Vec<&str> = case.split(' ').collect();
    let [order, mix, ref bytes @ .., threads] = words[..] else {
        panic!("{case}");
    };
    let bytes: String = bytes
        .iter()
        .map(|bytes| format!(", {bytes} bytes"))
        .collect();
    let plural = if threads == "1" { "" } else { "s" };
    format!("{order}, {mix}{bytes}, {threads} thread{plural}")
}

pub fn goals(path: &str) {
    let goals = judge(&Results::read(path));
    let missed = goals.iter().filter(|goal| !goal.met());
    for goal in missed.clone() {
        println!(
            "not met: {}: {:.2}, goal {} {}",
            goal.what,
            goal.measured,
            goal.sign(),
            goal.limit
        );
    }
    println!(
        "bench: goals met {}/{}",
        goals.len() - missed.count(),
        goals.len()
    );
}

pub fn write(path: &str, folder: &str) {
    let results = Results::read(path);
    let page = page(&results);
    std::fs::write(format!("{folder}/benchmarks.md"), page).expect("the page can be written");
    let plot = |name: &str, svg: String| {
        let path = format!("{folder}/benchmarks-{name}.svg");
        std::fs::write(path, svg).expect("the plot can be written");
    };
    plot("throughput", throughput_plot(&results));
    if results.has("scale") {
        plot("scale", scale_plot(&results));
    }
}

fn throughput_plot(results: &Results) -> String {
    let panels = ["hot 90/10", "hot churn", "zipf 90/10", "zipf churn"].map(|mix| {
        let (_, peers) = results
            .cases("throughput")
            .find(|(case, _)| *case == format!("{mix} 1024 8"))
            .expect("the mix was measured");
        let bars = PEERS.map(|(peer, _)| {
            let took = quartiles(peers[peer].clone());
            plot::Bar {
                name: peer,
                // Millions a second; the slow quartile is the low one.
                values: [2, 1, 0].map(|quarter| 1e3 / took[quarter]),
            }
        });
        (mix, bars.into())
    });
    plot::bars(
        "Million steps per second (8 threads, 1 KiB), with quartiles",
        &panels,
    )
}

fn scale_plot(results: &Results) -> String {
    let lines = [("get", "libtsc"), ("put", "libtsc"), ("copy", "none")].map(|(call, cache)| {
        let points = results.sizes("scale").into_iter().map(|size| {
            let took = results.median("scale", &format!("{call} {size}"), cache);
            (size as f64, took)
        });
        (call, points.collect())
    });
    plot::lines("Nanoseconds per call, by number of endpoints", &lines)
}

fn page(results: &Results) -> String {
    let goals = judge(results);
    let met = goals.iter().filter(|goal| goal.met()).count();
    let mut text = String::from(INTRODUCTION);
    if results.has("machine") {
        let machine = |case| results.median("machine", case, "libtsc");
        let load = machine("load");
        let shared = if load < 1.0 {
            ""
        } else {
            ": other programs used it too, which affects\nwall-clock times and their spread"
        };
        writeln!(
        text,
        "The machine has {:.0} processors; before the run its load average was {load:.1}{shared}.\n",
        machine("processors")
    )
    .unwrap();
    }
    writeln!(
        text,
        "## Goals\n\nMet: {met} of {}. Medians; the peers are compared with 8 threads.\n",
        goals.len()
    )
    .unwrap();
    text += "| what | measured | goal | |\n|---|---|---|---|\n";
    for goal in &goals {
        let met = if goal.met() { "met" } else { "**missed**" };
        let (sign, limit) = (goal.sign(), goal.limit);
        writeln!(
            text,
            "| {} | {:.2} | {sign} {limit} | {met} |",
            goal.what, goal.measured
        )
        .unwrap();
    }
    if results.has("scale") {
        text += SCALE;
        for size in results.sizes("scale") {
            let of = |call, cache| results.median("scale", &format!("{call} {size}"), cache);
            writeln!(
                text,
                "| {} | {:.0} | {:.0} | {:.0} |",
                count(size),
                of("get", "libtsc"),
                of("put", "libtsc"),
                of("copy", "none")
            )
            .unwrap();
        }
    }
    if results
        .cases("longest")
        .any(|(case, _)| case.contains(CONTROL))
    {
        text += MACHINE;
        for (case, _) in results.cases("longest") {
            if case.contains(CONTROL) {
                let took = results.median("longest", case, "libtsc") / 1e6;
                let (call, _) = case.rsplit_once(' ').expect("a number of endpoints");
                writeln!(text, "| {call} | {took:.2} |").unwrap();
            }
        }
    }
    if results.has("p99") {
        text += PERCENTILE;
        for (peer, _) in PEERS {
            let of = |keys| results.median("p99", keys, peer);
            writeln!(text, "| {peer} | {:.0} | {:.0} |", of("hot"), of("zipf")).unwrap();
        }
    }
    if OWN.iter().any(|(part, _)| results.has(part)) {
        text += OWN_WORDS;
        for (part, other) in OWN {
            for (case, subjects) in results.cases(part) {
                let [own, beside] =
                    ["libtsc", other].map(|name| quartiles(subjects[name].clone())[1]);
                let [low, ratio, high] = ratio(subjects, other, "libtsc");
                let words = in_words(case);
                writeln!(
                    text,
                    "| {part} | {words} | {own:.0} | {other} | {beside:.0} | {ratio:.2} ({low:.2} to {high:.2}) |"
                )
                .unwrap();
            }
        }
    }
    text += PEERS_WORDS;
    for (case, peers) in results.cases("throughput") {
        writeln!(text, "### {}\n", in_words(case)).unwrap();
        text += "| cache | ns | ns of CPU | ratio | goal |\n|---|---|---|---|---|\n";
        for (peer, _) in PEERS {
            let wall = quartiles(peers[peer].clone())[1];
            let cpu = results.median("throughput cpu", case, peer);
            let [low, ratio, high] = ratio(peers, peer, "libtsc");
            let goal = peer_goal(peer, case).map_or(String::new(), |goal| {
                let met = if ratio >= goal { "met" } else { "**missed**" };
                format!("{goal} {met}")
            });
            writeln!(
                text,
                "| {peer} | {wall:.0} | {cpu:.0} | {ratio:.2} ({low:.2} to {high:.2}) | {goal} |"
            )
            .unwrap();
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

const INTRODUCTION: &str = "\
# Benchmarks

`make bench` measures, and `make bench-docs` writes this page and its plots from the results
([benchmarks.csv](benchmarks.csv)); nothing here is typed by hand. The caches in a comparison take turns in one run.
libtsc is called through the C functions of `libtsc.so`. In every measurement it keeps sessions in pages of their own
and wipes what it releases. [cost.md](cost.md) says what libtsc adds to a resumed connection, and what a get costs
beyond what every cache needs.

**The other caches neither wipe what they release nor keep sessions in pages of their own.**

![Steps per second of each cache](benchmarks-throughput.svg)

";

const SCALE: &str = "
## Scale

CPU time in nanoseconds of a `tsc_get`, and of a `tsc_put` that replaces a session, with 1 KiB and all endpoints equally
likely. *Slowest*, among the goals, is the CPU time of the slowest call of its kind in a run, as the median of three
runs. For calls that go through the whole cache (statistics, export, purge, clear), *slowest* is the longest time that a
`tsc_get` or `tsc_put` waits for such a call, in CPU time of the thread that makes the call; time in which the waiting
thread could run and has no processor does not count. *In its own CPU* is the longest CPU time of such a get or put
itself.

*copy* is no cache at all: it copies out one of that many sessions of 1 KiB, without a look-up. A million sessions do
not fit into the processor's caches, so the copy alone takes more than three times as long as with a hundred, and no
cache can meet the goal of three here. The rest of the time of a get is the look-up.

![Nanoseconds per get and put, by number of endpoints](benchmarks-scale.svg)

| endpoints | get | put | copy |
|---|---|---|---|
";

const MACHINE: &str = "
The machine itself accounts for part of these times. The slowest calls, in milliseconds, beside a thread that computes
for half a second and does not use the cache:

| slowest | ms |
|---|---|
";

const PERCENTILE: &str = "
## The 99th percentile of a get

Nanoseconds of wall-clock time, with 8 threads, 1 KiB and 10,000 endpoints.

| cache | hot | zipf |
|---|---|---|
";

const OWN_WORDS: &str = "
## In the terms of rustls, Go and Python

These measurements use sessions from real handshakes, and the calls that a driver in the language makes: libtsc's store
for rustls beside rustls's own `ClientSessionMemoryCache`; a Go `View` beside `tls.NewLRUClientSessionCache`;
`tsc.TLSSessionCache` beside a dictionary with a lock, a limit and a time to live (*request*). Nanoseconds of wall-clock
time per step; *ratio* as below.

The steps are those below, except that *churn* with rustls puts back the ticket that it took, because a ticket of rustls
cannot be copied. Go's and Python's caches keep objects, and hand out the same object as often as anyone asks, even a
TLS 1.3 ticket. libtsc hands out each ticket once, and in Go encodes and decodes each session.

| in | work | libtsc | beside | | ratio |
|---|---|---|---|---|---|
";

const PEERS_WORDS: &str = "
## Beside other caches

Keys have 40 bytes, sessions are copied in and copied out, and there is room for 10,000 endpoints with 8 tickets each.
*rustls* is a replica of rustls's `ClientSessionMemoryCache` that takes bytes.

- *hot*: 8 endpoints. *zipf*: 10,000 endpoints with a Zipf distribution (0.99): a few are used often, most seldom.
- *90/10*: nine gets and one put of ten calls. *churn*: take one session and put two, as a connection does that resumes
  with TLS 1.3.
- *ns*: wall time of all threads per step. *ratio*: how many times as long as libtsc the cache takes, as the median of
  the rounds with the quartiles. Above 1, libtsc is faster.

";
