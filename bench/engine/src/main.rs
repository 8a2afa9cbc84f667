//! Measures libtsc beside other caches, in one run that takes them in turn: `engine-bench RESULTS [quick]`.
//!
//! Writes each measurement to RESULTS (CSV), and says at the end which goals were not met. `engine-bench
//! RESULTS report PAGE` writes the page from the results.

mod peer;
mod report;
mod tsc;
mod work;

use std::io::Write;
use work::Mix;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [results, verb, page] if verb == "report" => report::write(results, page),
        [results] => measure(results, false),
        [results, quick] if quick == "quick" => measure(results, true),
        _ => {
            eprintln!("usage: engine-bench RESULTS [quick] | RESULTS report PAGE");
            std::process::exit(2);
        }
    }
}

fn measure(results: &str, quick: bool) {
    let mut out = std::fs::File::create(results).expect("the results can be written");
    writeln!(out, "{}", report::HEADER).unwrap();
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
                    for round in 0..rounds {
                        for (name, peer) in &peers {
                            let (wall, cpu) = mix.run(&**peer, threads, steps, order, &keys, &data);
                            let mix = mix.name();
                            writeln!(out, "{name},{order_name},{mix},{bytes},{threads},{round},{wall:.1},{cpu:.1}").unwrap();
                        }
                    }
                }
            }
        }
    }
    report::goals(results);
}
