//! Measures libtsc beside other caches and against its own limits, in one run that takes all sides in turn:
//! `engine-bench RESULTS [quick] [LANGUAGE=PROGRAM...]`. A program measures the caches of its language when it is
//! asked (program.rs).
//!
//! Writes each measurement to RESULTS (CSV), and says at the end which goals were not met. `engine-bench
//! report RESULTS FOLDER` writes the page and its plots from the results.

mod floor;
mod limits;
mod peer;
mod plot;
mod program;
mod report;
mod rustls_cache;
mod tsc;
mod work;

use program::Program;
use report::Row;
use rustls_cache::Stores;
use std::io::Write;
use work::Mix;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (programs, arguments): (Vec<_>, Vec<_>) = arguments
        .iter()
        .partition(|argument| argument.contains('='));
    match arguments
        .iter()
        .map(|word| word.as_str())
        .collect::<Vec<_>>()[..]
    {
        ["report", results, folder] => report::write(results, folder),
        [results] => measure(results, false, &programs),
        [results, "quick"] => measure(results, true, &programs),
        _ => {
            eprintln!(
                "usage: engine-bench RESULTS [quick] [LANGUAGE=PROGRAM...] | report RESULTS FOLDER"
            );
            std::process::exit(2);
        }
    }
}

fn measure(results: &str, quick: bool, programs: &[&String]) {
    let mut rows = machine();
    floor::measure(quick, &mut rows);
    floor::measure_offer(quick, &mut rows);
    throughput(quick, &mut rows);
    own_sessions(quick, programs, &mut rows);
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

/// libtsc in the terms of rustls, Go and Python, beside what each of them has, with sessions that handshakes made.
fn own_sessions(quick: bool, programs: &[&String], rows: &mut Vec<Row>) {
    let endpoints = 10_000;
    let (threads, rounds, steps): (&[usize], _, _) = if quick {
        (&[1, 8], 5, 20_000)
    } else {
        (&[1, 2, 8], 15, 40_000)
    };
    let mut programs: Vec<_> = report::OWN
        .iter()
        .filter_map(|&(part, other)| {
            let given = programs.iter().find_map(|given| {
                let (language, command) = given.split_once('=')?;
                (language == part).then_some(command)
            })?;
            let command: Vec<_> = given.split(' ').map(String::from).collect();
            Some((part, ["libtsc", other], Program::start(&command)))
        })
        .collect();
    let orders = [
        ("hot", work::uniform(1 << 16, 8), 8),
        ("zipf", work::zipf(1 << 16, endpoints), endpoints),
    ];
    for (order_name, order, used) in &orders {
        for mix in Mix::ALL {
            let stores = Stores::new(mix, endpoints, *used);
            for &threads in threads {
                let case = format!("{order_name} {} {threads}", mix.name());
                for round in 0..rounds {
                    for (at, name) in rustls_cache::SUBJECTS.into_iter().enumerate() {
                        let (wall, _) = stores.run(at, threads, steps, order);
                        rows.push(Row::new("rustls", &case, name, round, wall));
                    }
                    for (part, subjects, program) in &mut programs {
                        for subject in *subjects {
                            // They take longer for each.
                            let wall = program.run(subject, order_name, mix, threads, steps / 5);
                            rows.push(Row::new(part, &case, subject, round, wall));
                        }
                    }
                }
            }
        }
    }
}
