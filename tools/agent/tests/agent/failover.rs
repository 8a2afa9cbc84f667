//! The engine is more than one server, and one of them ends or gives away what it has.

use crate::engine::{Engine, free_ports, take_all, wait_and_take, wait_until};
use crate::fleet::{LOST, RIGHTS, certificate, publish};
use crate::machine::{Machine, Process, offer, receive};
use libtsc::Attempt;
use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::{scope, sleep};
use std::time::Duration;

const UP: &str = "tsc_agent_valkey_up";

type Ticket = Vec<u8>;

/// A replica of the server at that port, which has all that this one has.
fn replica_of(port: &str, args: &[&str]) -> Engine {
    let replica = Engine::new(&[&["--replicaof", "127.0.0.1", port], args].concat());
    replica.wait_to_be("master_link_status:up");
    replica
}

/// Waits until so many agents have asked this server for sessions.
fn wait_for_agents(server: &Engine, number: usize) {
    wait_until(|| {
        let clients: String = server.tell(&["CLIENT", "LIST"]);
        clients.matches("cmd=exec").count() >= number
    });
}

/// Processes of all of these machines take what there is, without a pause. After the first 20, this `happens`, and
/// then they stop.
fn take_while(machines: &[&Machine], happens: impl FnOnce()) -> Vec<Ticket> {
    /// Ends them also if what happens panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    let (sender, tickets) = mpsc::channel();
    scope(|scope| {
        let end = Over(&over);
        for machine in machines {
            let (sender, over) = (sender.clone(), &over);
            scope.spawn(move || {
                let process = machine.process();
                while !over.load(Relaxed) {
                    match wait_and_take(&process) {
                        Some(ticket) => sender.send(ticket).unwrap(),
                        None => sleep(Duration::from_millis(2)),
                    }
                }
            });
        }
        drop(sender);
        let mut taken: Vec<_> = tickets.iter().take(20).collect();
        happens();
        drop(end);
        taken.extend(tickets);
        taken
    })
}

struct Shared {
    brought: HashSet<Ticket>,
    taken: Vec<Ticket>,
    _connection: (Process, Attempt),
}

/// One machine brings tickets, of which another gets one.
fn share(from: &Machine, to: &Machine) -> Shared {
    let process = from.process();
    let connection = process.begin();
    let offered = offer(&connection);
    let brought: HashSet<_> = (0..5).map(|_| receive(&connection)).collect();
    connection.established(offered.is_some()).unwrap();
    let mut taken = Vec::from_iter(offered);
    let receiver = to.process();
    while !taken.last().is_some_and(|last| brought.contains(last)) {
        match wait_and_take(&receiver) {
            Some(ticket) => taken.push(ticket),
            None => sleep(Duration::from_millis(2)),
        }
    }
    Shared {
        brought,
        taken,
        _connection: (process, connection),
    }
}

fn take_from_all(machines: &[&Machine]) -> Vec<Ticket> {
    let all = machines.iter();
    all.flat_map(|machine| take_all(&machine.process()))
        .collect()
}

fn assert_none_twice(taken: &[Ticket]) {
    let tickets: HashSet<_> = taken.iter().collect();
    assert_eq!(tickets.len(), taken.len());
}

#[test]
fn nothing_is_offered_twice_after_a_replica_took_over() {
    let [port] = free_ports();
    let mut primary = Engine::new(&["--port", &port]);
    let replica = replica_of(&port, &[]);
    // What an operator has in place of this: a name or a proxy.
    let (name, next) = (primary.path("primary"), primary.path("next"));
    symlink(primary.path("engine"), &name).unwrap();
    symlink(replica.path("engine"), &next).unwrap();
    let url = format!("unix://{}", name.display());
    let machine = || primary.machine_at(&url, "key", &[]);
    let (one, two, three) = (machine(), machine(), machine());
    let (_process, _connection) = publish(&one, 60);
    let [list] = &primary.names()[..] else {
        panic!("one list")
    };
    let length = |server: &Engine| server.tell::<u64>(&["LLEN", list]);
    wait_until(|| length(&replica) == length(&primary));
    // The replica hears of none of the takes.
    let () = primary.tell(&["ACL", "SETUSER", "default", "-sync", "-psync"]);
    let () = primary.tell(&["CLIENT", "KILL", "TYPE", "replica"]);
    let mut taken = take_while(&[&one, &two], || {
        primary.kill();
        one.wait_for(UP, 0);
        two.wait_for(UP, 0);
        let () = replica.tell(&["REPLICAOF", "NO", "ONE"]);
        std::fs::rename(&next, &name).unwrap();
        one.wait_for(UP, 1);
        two.wait_for(UP, 1);
    });
    assert_eq!(length(&replica), 59);
    let shared = share(&one, &two);
    taken.extend(shared.taken);
    taken.extend(take_from_all(&[&one, &two, &three]));
    assert_none_twice(&taken);
    let left: HashSet<_> = taken.into_iter().collect();
    assert!(shared.brought.is_subset(&left));
}

/// A sentinel of a test's own, which watches over `fleet`.
struct Sentinel {
    _folder: tempfile::TempDir,
    server: Child,
}

impl Sentinel {
    fn new(primary: &str, config: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let own = [
            &format!("dir {}", folder.path().display()),
            &format!("sentinel monitor fleet 127.0.0.1 {primary} 1"),
            "sentinel down-after-milliseconds fleet 300",
            "sentinel failover-timeout fleet 2000",
        ];
        std::fs::write(&path, [&own[..], config].concat().join("\n")).unwrap();
        let server = Command::new("redis-server")
            .arg(path)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            _folder: folder,
            server,
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

#[test]
fn agents_find_the_primary_that_sentinels_chose() {
    let [port, other, watcher, gone] = free_ports();
    let mut primary = Engine::new(&["--port", &port]);
    let replica = replica_of(&port, &["--port", &other]);
    let _sentinel = Sentinel::new(&port, &[&format!("port {watcher}")]);
    // One that never answers, and one that is not there.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let sentinels = [
        hangs.local_addr().unwrap().to_string(),
        format!("127.0.0.1:{gone}"),
        format!("127.0.0.1:{watcher}"),
    ];
    let url = format!("redis+sentinel://{}/fleet", sentinels.join(","));
    let machine = || replica.machine_at(&url, "key", &[]);
    let (one, two) = (machine(), machine());
    let (_process, _connection) = publish(&one, 60);
    sentinel_knows_replica(&watcher);
    let mut taken = take_while(&[&one, &two], || {
        primary.kill();
        replica.wait_to_be("role:master");
        wait_for_agents(&replica, 2);
    });
    let shared = share(&one, &two);
    taken.extend(shared.taken);
    // One that starts now finds it as well.
    let three = machine();
    taken.extend(take_from_all(&[&one, &two, &three, &one, &two]));
    assert_none_twice(&taken);
    let left: HashSet<_> = taken.into_iter().collect();
    let gone = shared.brought.difference(&left).count() as u64;
    assert!(gone <= one.number(LOST) + two.number(LOST), "{gone}");
}

/// Waits until the sentinel at that port could promote a replica.
fn sentinel_knows_replica(port: &str) {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut command = redis::cmd("SENTINEL");
    let command = command.arg("REPLICAS").arg("fleet");
    wait_until(|| {
        let mut connection = client.get_connection().unwrap();
        let replicas: Vec<HashMap<String, String>> = command.query(&mut connection).unwrap();
        let good = |replica: &HashMap<String, String>| {
            replica["flags"] == "slave" && replica["master-link-status"] == "ok"
        };
        replicas.iter().any(good)
    });
}

/// A certificate that servers and agents show to each other.
struct Tls {
    _folder: tempfile::TempDir,
    certificate: String,
    key: String,
}

impl Tls {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate(folder.path());
        Self {
            _folder: folder,
            certificate,
            key,
        }
    }

    fn options(&self) -> [[&str; 2]; 5] {
        [
            ["tls-cert-file", &self.certificate],
            ["tls-key-file", &self.key],
            ["tls-ca-cert-file", &self.certificate],
            ["tls-replication", "yes"],
            ["tls-cluster", "yes"],
        ]
    }

    /// With a user for agents.
    fn of_server(&self) -> Vec<String> {
        let options = self.options();
        let options = options.map(|[option, value]| [format!("--{option}"), value.into()]);
        let user = ["--user", "agent", "+cluster|slots"].into_iter();
        let user = user.chain(RIGHTS.split(' ')).map(String::from);
        options.into_iter().flatten().chain(user).collect()
    }

    fn of_agent(&self) -> [&str; 6] {
        let (certificate, key) = (&*self.certificate, &*self.key);
        let own = ["--valkey-cert", certificate, "--valkey-cert-key", key];
        let [cert, of_cert, key, of_key] = own;
        [cert, of_cert, key, of_key, "--valkey-ca", certificate]
    }
}

fn strs(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

#[test]
fn sentinels_may_want_tls_and_a_user_as_well() {
    let tls = Tls::new();
    let [port, watcher] = free_ports();
    let options = tls.of_server();
    let primary = Engine::new(&[&["--tls-port", &port], &*strs(&options)].concat());
    let lines = tls.options().map(|option| option.join(" "));
    let mut config: Vec<_> = lines.iter().map(String::as_str).collect();
    let tls_port = format!("tls-port {watcher}");
    config.extend([
        "port 0",
        &tls_port,
        "user default off",
        "user asker on >other +sentinel|get-master-addr-by-name",
    ]);
    let _sentinel = Sentinel::new(&port, &config);
    let url = |user: &str| {
        let login = format!("sentinel_username={user}&sentinel_password=other");
        format!("rediss+sentinel://agent:secret@127.0.0.1:{watcher}/fleet?{login}")
    };
    let machine = || primary.machine_at(&url("asker"), "key", &tls.of_agent());
    let (one, two) = (machine(), machine());
    let (_process, _connection) = publish(&one, 3);
    assert_eq!(take_all(&two.process()).len(), 2);
    let clients: String = primary.tell(&["CLIENT", "LIST"]);
    assert_eq!(clients.matches("user=agent").count(), 2);
}

/// Three primaries that have the slots among them, and a replica of the first.
struct Cluster {
    servers: Vec<Engine>,
    ports: [String; 4],
    tls: Option<Tls>,
}

impl Cluster {
    fn new(tls: Option<Tls>) -> Self {
        let ports: [String; 4] = free_ports();
        let buses: [String; 4] = free_ports();
        let server = |at: usize| {
            let port = tls.as_ref().map_or("--port", |_| "--tls-port");
            let own = [port, &ports[at], "--cluster-port", &buses[at]];
            let options = tls.as_ref().map(Tls::of_server).unwrap_or_default();
            let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
            // However long a busy machine takes to find out that a primary is gone, its replica may follow it.
            let cluster = [&cluster[..], &["--cluster-replica-validity-factor", "0"]].concat();
            Engine::new(&[&own[..], &cluster, &strs(&options)].concat())
        };
        let cluster = Self {
            servers: (0..4).map(server).collect(),
            ports,
            tls,
        };
        let slots = ["0 5460", "5461 10922", "10923 16383"];
        for (at, server) in cluster.servers.iter().enumerate() {
            let epoch = (at + 1).to_string();
            let () = server.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            if let Some((first, last)) = slots.get(at).and_then(|slots| slots.split_once(' ')) {
                let () = server.tell(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            }
        }
        for (port, bus) in cluster.ports.iter().zip(&buses).skip(1) {
            let () = cluster.servers[0].tell(&["CLUSTER", "MEET", "127.0.0.1", port, bus]);
        }
        cluster.wait_for("cluster_known_nodes:4");
        cluster.wait_for("cluster_state:ok");
        cluster
    }

    /// Until all say so.
    fn wait_for(&self, what: &str) {
        let all = |server: &Engine| server.tell::<String>(&["CLUSTER", "INFO"]).contains(what);
        wait_until(|| self.servers.iter().all(all));
    }

    fn id(&self, at: usize) -> String {
        self.servers[at].tell(&["CLUSTER", "MYID"])
    }

    /// The server that has sessions.
    fn owner(&self) -> usize {
        let mut servers = self.servers.iter();
        servers
            .position(|server| !server.names().is_empty())
            .unwrap()
    }

    fn machine(&self) -> Machine {
        // A server without slots, which knows who has them.
        let seed = format!("127.0.0.1:{}", self.ports[3]);
        let (url, args) = match &self.tls {
            None => (format!("redis+cluster://{seed}"), Vec::new()),
            Some(tls) => (
                format!("rediss+cluster://agent:secret@{seed}"),
                tls.of_agent().to_vec(),
            ),
        };
        self.servers[3].machine_at(&url, "key", &args)
    }

    /// Moves a slot with all that is in it, in the steps of `redis-cli --cluster reshard`.
    fn migrate(&self, slot: &str, from: usize, to: usize, between: impl FnOnce()) {
        let set = |at: usize, what: &str, node: usize| {
            let command = ["CLUSTER", "SETSLOT", slot, what, &self.id(node)];
            let () = self.servers[at].tell(&command);
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
        for name in self.servers[from].names() {
            let whom = ["127.0.0.1", &self.ports[to], &name];
            let () = self.servers[from].tell(&[&["MIGRATE"], &whom[..], &["0", "5000"]].concat());
        }
        between();
        set(to, "NODE", to);
        set(from, "NODE", to);
    }
}

#[test]
fn nothing_is_offered_twice_when_a_slot_of_a_cluster_moves() {
    let cluster = Cluster::new(None);
    let (one, two) = (cluster.machine(), cluster.machine());
    let (_process, _connection) = publish(&one, 60);
    let from = cluster.owner();
    let to = (from + 1) % 3;
    let [list] = &cluster.servers[from].names()[..] else {
        panic!("one list")
    };
    let slot: u16 = cluster.servers[from].tell(&["CLUSTER", "KEYSLOT", list]);
    let slot = slot.to_string();
    let mut taken = take_while(&[&one, &two], || {
        cluster.migrate(&slot, from, to, || {});
    });
    let there = share(&one, &two);
    taken.extend(there.taken);
    taken.extend(take_from_all(&[&one, &two]));
    // While it moves back, with what was in it at first, nobody is asked for it.
    let left: u64 = cluster.servers[to].tell(&["LLEN", list]);
    let mut alone = None;
    cluster.migrate(&slot, to, from, || {
        let process = one.process();
        let connection = process.connect(3);
        taken.extend(take_all(&process));
        alone = Some(connection);
    });
    let back = share(&one, &two);
    taken.extend(back.taken);
    taken.extend(take_from_all(&[&one, &two, &cluster.machine()]));
    assert_none_twice(&taken);
    let tickets: HashSet<_> = taken.into_iter().collect();
    assert!(
        there
            .brought
            .union(&back.brought)
            .all(|ticket| tickets.contains(ticket))
    );
    assert!(left > 0);
    assert_eq!(
        tickets.len(),
        60 + 3 + there.brought.len() + back.brought.len()
    );
}

#[test]
fn agents_go_on_with_what_is_left_of_a_cluster() {
    let mut cluster = Cluster::new(Some(Tls::new()));
    let owner = {
        let machine = cluster.machine();
        let (_process, _connection) = publish(&machine, 3);
        cluster.owner()
    };
    let replica = &cluster.servers[3];
    let () = replica.tell(&["CLUSTER", "REPLICATE", &cluster.id(owner)]);
    replica.wait_to_be("master_link_status:up");
    // They vote for nobody else than a replica of it.
    let (own, whose) = (cluster.id(3), cluster.id(owner));
    wait_until(|| {
        cluster.servers[..3].iter().all(|server| {
            let nodes: String = server.tell(&["CLUSTER", "NODES"]);
            let mut nodes = nodes.lines();
            nodes.any(|node| node.starts_with(&own) && node.contains(&format!("slave {whose}")))
        })
    });
    let (one, two) = (cluster.machine(), cluster.machine());
    let (_process, _connection) = publish(&one, 60);
    let mut taken = take_while(&[&one, &two], || {
        cluster.servers[owner].kill();
        // By the votes of the others.
        cluster.servers[3].wait_to_be("role:master");
        wait_for_agents(&cluster.servers[3], 2);
    });
    let after = share(&one, &two);
    taken.extend(after.taken);
    taken.extend(take_from_all(&[&one, &two]));
    assert_none_twice(&taken);
    one.wait_for(UP, 1);
    two.wait_for(UP, 1);
}
