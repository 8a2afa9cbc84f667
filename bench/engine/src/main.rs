mod peer;
mod tsc;
mod work;
use work::Mix;

fn median(mut v: Vec<f64>) -> f64 { v.sort_by(f64::total_cmp); v[v.len()/2] }

fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(9, |a| a.parse().unwrap());
    let bytes: usize = std::env::args().nth(2).map_or(1024, |a| a.parse().unwrap());
    let n = 10_000;
    let keys: Vec<_> = (0..n).map(work::key).collect();
    assert_eq!(keys[0].len(), 40);
    let orders = [("hot", work::uniform(1<<16, 8)), ("zipf", work::zipf(1<<16, n))];
    let data = work::session(bytes);
    for (name, order) in &orders {
        for mix in Mix::ALL {
            let used = if *name == "hot" { &keys[..8] } else { &keys[..] };
            let peers: Vec<_> = peer::PEERS.iter().map(|(name, make)| { let p = make(n); mix.fill(&*p, used, &data); (*name, p) }).collect();
            for threads in [1, 2, 8] {
                let mut t = vec![Vec::new(); peers.len()];
                for _ in 0..rounds {
                    for (i, (_, p)) in peers.iter().enumerate() {
                        t[i].push(mix.run(&**p, threads, 40_000, order, &keys, &data).1);
                    }
                }
                print!("{name:5} {:5} {threads} |", mix.name());
                for i in 0..peers.len() {
                    let r: Vec<f64> = (0..rounds).map(|k| t[i][k]/t[0][k]).collect();
                    print!(" {} {:.0} ({:.2})", peers[i].0, median(t[i].clone()), median(r));
                }
                println!();
            }
        }
    }
}
