//! Measures libtsc beside other caches and against its own limits, in one run that takes all sides in turn:
//! `engine-bench RESULTS [quick]`.
//!
//! Writes each measurement to RESULTS (CSV), and says at the end which goals were not met. `engine-bench
//! report RESULTS FOLDER` writes the page and its plots from the results.

mod floor;
mod limits;
mod peer;
mod plot;
mod report;
mod tsc;
mod work;

use report::Row;
use std::io::Write;
use work::Mix;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report", results, folder] => report::write(results, folder),
        [results] => measure(results, false),
        [results, "quick"] => measure(results, true),
        _ => {
            eprintln!("usage: engine-bench RESULTS [quick] | report RESULTS FOLDER");
            std::process::exit(2);
        }
    }
}

fn measure(results: &str, quick: bool) {
    let mut rows = machine();
    floor::measure(quick, &mut rows);
    throughput(quick, &mut rows);
    limits::percentile(quick, &mut rows);
    limits::scale(quick, &mut rows);
    limits::longest(quick, &mut rows);
    let mut out = std::fs::File::create(results).expect("the results can be written");
    writeln!(out, "{}", report::HEADER).unwrap();
    for row in &rows {
        writeln!(out, "{row}").unwrap();
    }
    report::goals(results);
}

/// What the times depend on.
fn machine() -> Vec<Row> {
    let mut load = [0.0];
    // SAFETY: a place for one number.
    let given = unsafe { libc::getloadavg(load.as_mut_ptr(), 1) };
    assert_eq!(given, 1);
    let processors = std::thread::available_parallelism().expect("a number of processors");
    [("processors", processors.get() as f64), ("load", load[0])]
        .map(|(case, value)| Row::new("machine", case, "libtsc", 0, value))
        .into()
}

fn throughput(quick: bool, rows: &mut Vec<Row>) {
    let endpoints = 10_000;
    let keys: Vec<_> = (0..endpoints).map(work::key).collect();
    let orders = [
        ("hot", work::uniform(1 << 16, 8)),
        ("zipf", work::zipf(1 << 16, endpoints)),
    ];
    let (sizes, threads, rounds, steps): (&[usize], &[usize], _, _) = if quick {
        (&[1024], &[1, 8], 5, 20_000)
    } else {
        (&[200, 1024, 2560], &[1, 2, 8], 15, 40_000)
    };
    for &bytes in sizes {
        let data = work::session(bytes);
        for (order_name, order) in &orders {
            let used = &keys[..if *order_name == "hot" { 8 } else { endpoints }];
            for mix in Mix::ALL {
                let peers: Vec<_> = peer::PEERS
                    .iter()
                    .map(|(name, make)| {
                        let peer = make(endpoints);
                        mix.fill(&*peer, used, &data);
                        (*name, peer)
                    })
                    .collect();
                for &threads in threads {
                    let case = format!("{order_name} {} {bytes} {threads}", mix.name());
                    for round in 0..rounds {
                        for (name, peer) in &peers {
                            let (wall, cpu) = mix.run(&**peer, threads, steps, order, &keys, &data);
                            rows.push(Row::new("throughput", &case, name, round, wall));
                            rows.push(Row::new("throughput cpu", &case, name, round, cpu));
                        }
                    }
                }
            }
        }
    }
}
