//! The members of a kernel change while payments go on: a node joins and is killed while it catches up and again while it
//! counts, a founder leaves and its process stops, another one gets a new hot key on a new address. And a node joins when all
//! founders have moved.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use byway_primitives::Amount;
use serde_json::Value;
use tempfile::TempDir;

use super::harness::byway::{Node, call};
use super::harness::network::process;
use super::harness::process::{Process, write};
use super::harness::{PATIENCE, SOON, Story, eventually_or, free_ports, local, turn};

/// A test network's fewest.
const FOUNDERS: usize = 4;
/// The seat of who comes then.
const NEWCOMER: u64 = 4;
/// Kernel nodes in all: founders, the newcomer, and the machines that founders move to. Then the owner's four.
const PORTS: usize = OWNER + 4;
const MOVED: usize = FOUNDERS + 1;
const OWNER: usize = MOVED + FOUNDERS;
/// Long enough for followers on a busy machine, who stop at changes that are longer ago.
const LOCK_MS: u64 = 12_000;
/// What each payment sends.
const PAYMENT: &str = "0.5";

/// Founders, a newcomer and the one who owns them all, each in a process of its own.
struct World {
    owner: Node,
    owner_process: Process,
    receiver: Node,
    founders: Vec<Process>,
    passphrase: PathBuf,
    ports: [u16; PORTS],
    /// Last, so that it goes when the processes have ended.
    folder: TempDir,
}

impl World {
    /// Makes keys, genesis and configurations, as somebody would who sets this up by hand.
    fn make(lock_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, ports) = (folder.path(), free_ports::<PORTS>());
        let passphrase = root.join("passphrase.txt");
        write(&passphrase, "correct horse battery staple\n");
        let node = |name: &str| Node::new(root.join(name), Some(&passphrase));
        let (owner, receiver) = (node("owner"), node("receiver"));
        let address = |node: &Node| {
            node.json(&["identity", "new"]);
            node.json(&["identity", "show"])["address"].as_str().unwrap().to_owned()
        };
        let fund = format!("{}=rest", address(&owner));
        address(&receiver);
        let owned_by = owner.json(&["kernel", "owner"])["owner"].as_str().unwrap().to_owned();
        let world = Self {
            owner_process: process(root, &passphrase, "owner", &["run"]),
            founders: (0..FOUNDERS).map(|index| kernel_process(root, &passphrase, &format!("k{index}"))).collect(),
            owner,
            receiver,
            passphrase: passphrase.clone(),
            ports,
            folder,
        };
        let genesis = world.path("network.json").display().to_string();
        let mut arguments: Vec<String> =
            ["genesis", "new", "--test", "--name", "members", "--out", &genesis, "--fund", &fund]
                .map(Into::into)
                .into();
        for index in 0..FOUNDERS {
            let name = format!("k{index}");
            world.init(&name, &name, index, &owned_by);
            let member = world.path(&name).join("member.json").display().to_string();
            arguments.extend(["--kernel".to_owned(), member]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        world.node("genesis").json(&arguments);
        world.hasten(lock_ms);
        world.configure_owner("");
        world
    }

    /// Makes the waits of this network short, as its makers may before anyone runs it.
    fn hasten(&self, lock_ms: u64) {
        let file = self.path("network.json");
        let mut genesis: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let parameters = &mut genesis["parameters"];
        parameters["checkpoint_idle"] = 500.into();
        parameters["pledge_lock"] = serde_json::json!({ "millis": lock_ms, "commits": 20 });
        parameters["rotation_pause"] = serde_json::json!({ "millis": 0, "commits": 0 });
        write(&file, &genesis.to_string());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn node(&self, name: &str) -> Node {
        Node::new(self.path(name), Some(&self.passphrase))
    }

    fn config(&self, name: &str) -> String {
        self.path(&format!("{name}.toml")).display().to_string()
    }

    /// Makes the keys and the configuration of a kernel node that is called `name`, in the folder `place`.
    fn init(&self, place: &str, name: &str, port: usize, owner: &str) {
        let address = local(self.ports[port]).to_string();
        self.node(place).json(&["kernel", "init", "--name", name, "--address", &address, "--owner", owner]);
        let text = format!(
            "dir = \"{place}\"\nrole = \"kernel\"\nnetwork = \"network.json\"\n[kernel]\nlisten = \"{address}\"\n\
             [log]\nlevel = \"warn,byway_node=info\"\n"
        );
        write(&self.path(&format!("{place}.toml")), &text);
    }

    /// Names a kernel node for this one to ask, from its next start.
    fn name_peer(&self, place: &str, peer: &str) {
        let file = self.path(&format!("{place}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        write(&file, &text.replace("[log]", &format!("peers = [\"{peer}\"]\n[log]")));
    }

    fn kernel(&self, place: &str) -> Process {
        kernel_process(self.folder.path(), &self.passphrase, place)
    }

    /// Writes the owner's configuration, for its next start.
    fn configure_owner(&self, more: &str) {
        let [link, proxy, rpc, page] = [0, 1, 2, 3].map(|step| local(self.ports[OWNER + step]));
        let text = format!(
            "dir = \"owner\"\nrole = \"peer\"\nnetwork = \"network.json\"\n[link]\nlisten = \"{link}\"\n\
             [proxy]\nlisten = \"{proxy}\"\n[rpc]\nlisten = \"{rpc}\"\n[page]\nlisten = \"{page}\"\n{more}\
             [log]\nlevel = \"warn,byway_node=info\"\n"
        );
        write(&self.path("owner.toml"), &text);
    }

    fn start(&mut self) {
        let mut all: Vec<&mut Process> = self.founders.iter_mut().chain([&mut self.owner_process]).collect();
        all.iter_mut().for_each(|process| process.start());
        all.iter_mut().for_each(|process| process.wait_ready());
        self.owner.until("the owner's node follows", SOON, &["status"], |status| status["ledger"]["lag_ms"].as_u64());
    }

    /// Watches the receiver's wallet with its view key alone.
    fn watch(&self) -> Process {
        let key_file = self.path("view-key.txt");
        let key = self.receiver.run(&["wallet", "view-key"]).stdout;
        write(&key_file, std::str::from_utf8(&key).unwrap());
        let paths = [&self.receiver.dir, &self.path("network.json"), &key_file].map(|path| path.display().to_string());
        let [dir, network, key_file] = &paths;
        let watch = ["wallet", "watch", "--json", "--dir", dir, "--network", network, "--view-key-file", key_file];
        let mut watcher = Process::new("watcher", self.path("watcher.log"), &watch);
        watcher.start();
        watcher
    }

    /// What a kernel node prints for its owner.
    fn entry(&self, place: &str) -> String {
        let entry = self.node(place).json(&["kernel", "entry", "--config", &self.config(place)]);
        entry["entry"].as_str().unwrap().to_owned()
    }

    /// Waits until the owner's node sees the member in this seat like this.
    fn until<T>(&self, what: &str, seat: u64, seen: impl Fn(&Value) -> Option<T>) -> T {
        self.owner.until(what, PATIENCE, &["kernel", "members"], |members| seen(member(members, seat)?))
    }

    /// Waits until snapshots of `seat` are committed whose rounds are above `round`; gives the newest of their rounds.
    fn signs(&self, what: &str, seat: u64, round: u64) -> u64 {
        eventually_or(what, PATIENCE, || {
            let pulse = call(&self.owner, "kernel_pulse")?;
            let snapshots = pulse["snapshots"].as_array().unwrap();
            let own = snapshots.iter().filter(|snapshot| snapshot["author"] == seat && snapshot["commit"].is_u64());
            let newest = own.filter_map(|snapshot| snapshot["round"].as_u64()).max();
            newest.filter(|newest| *newest > round).ok_or_else(|| pulse.to_string())
        })
    }

    /// What a kernel node says of itself.
    fn status(&self, place: &str) -> Value {
        let arguments = ["kernel", "status", "--config", &self.config(place), "--json"];
        // It ends with 1 where the node is not healthy, and answers all the same.
        let output = self.node(place).run(&arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what is left of the network lies in {}", self.folder.path().display());
        }
    }
}

fn kernel_process(root: &std::path::Path, passphrase: &std::path::Path, place: &str) -> Process {
    process(root, passphrase, place, &["kernel", "run"])
}

fn member(members: &Value, seat: u64) -> Option<&Value> {
    members.as_array()?.iter().find(|member| member["index"] == seat)
}

fn stands(standing: &'static str) -> impl Fn(&Value) -> Option<()> {
    move |member| (member["standing"] == standing).then_some(())
}

/// Payments that go on in the background, one after the other, each waited for until it is final.
struct Payments {
    made: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Payments {
    fn start(from: &Node, to: &Node) -> Self {
        let to = to.json(&["identity", "show"])["address"].as_str().unwrap().to_owned();
        let (made, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (from, counter, over) = (from.clone(), made.clone(), is_over.clone());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let key = format!("payment-{}", counter.load(Ordering::Relaxed));
                let send = ["wallet", "send", &to, PAYMENT, "--wait", "--idempotency-key", &key];
                // Another transaction may hold the outputs for a moment; under the same key nothing is paid twice.
                from.until("a payment is final", PATIENCE, &send, |paid| (paid["stage"] == "final").then_some(()));
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { made, is_over, thread }
    }

    /// Waits until payments have become final that were begun after this was called.
    fn flow(&self, when: &str) {
        let target = self.made.load(Ordering::Relaxed) + 2;
        eventually_or(&format!("payments become final {when}"), PATIENCE, || {
            let made = self.made.load(Ordering::Relaxed);
            if self.thread.is_finished() {
                panic!("a payment failed {when}");
            }
            (made >= target).then_some(()).ok_or_else(|| format!("{made} of {target}"))
        });
    }

    /// How many were made.
    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.made.load(Ordering::Relaxed)
    }
}

#[test]
fn members_come_and_go_while_payments_go_on() {
    let _turn = turn();
    let story = Story::begin("members");
    let mut world = World::make(LOCK_MS);
    story.tell("keys, genesis and configurations are made");
    world.start();
    let watcher = world.watch();
    let payments = Payments::start(&world.owner, &world.receiver);
    payments.flow("with the founders");
    story.tell("four founders and their owner run, payments flow");

    let owned_by = world.owner.json(&["kernel", "owner"])["owner"].as_str().unwrap().to_owned();
    let mut newcomer = join(&story, &world, &payments, &owned_by);
    leave(&story, &mut world, &payments);

    let before = world.signs("the newcomer signs", NEWCOMER, 0);
    newcomer.kill();
    payments.flow("with one of four killed");
    newcomer.start_ready();
    world.signs("the newcomer signs again after it was killed", NEWCOMER, before);
    story.tell("the newcomer was killed while it counted, came back and signs");

    let mut moved = rotate(&story, &mut world, 1, &owned_by);
    payments.flow("with the new key");
    reclaim(&story, &world);
    found_by_followed_addresses(&story, &mut world, payments, watcher);

    for process in world.founders[2..].iter_mut().chain([&mut newcomer, &mut moved, &mut world.owner_process]) {
        let status = process.interrupt();
        assert!(status.success(), "{} ended with {status}", process.name);
    }
    story.tell("everything stopped");
}

/// Nobody answers at the addresses of genesis any more. One that the operator names is enough.
#[test]
fn a_node_joins_when_every_founder_has_moved() {
    let _turn = turn();
    let story = Story::begin("members-moved");
    // Nothing is too long ago to be proved.
    let mut world = World::make(3_600_000);
    world.start();
    let owned_by = world.owner.json(&["kernel", "owner"])["owner"].as_str().unwrap().to_owned();
    let mut moved: Vec<Process> = (0..FOUNDERS).map(|seat| rotate(&story, &mut world, seat, &owned_by)).collect();

    world.init("k4", "k4", FOUNDERS, &owned_by);
    let peer = world.status("k2-moved")["peer"].as_str().unwrap().to_owned();
    world.name_peer("k4", &peer);
    let mut newcomer = world.kernel("k4");
    newcomer.start_ready();
    let epoch = world.status("k2-moved")["epoch"].as_u64().unwrap();
    let own = eventually_or("the newcomer knows the epoch in force", SOON, || {
        let own = world.status("k4");
        (own["newest_epoch"] == epoch).then_some(own.clone()).ok_or_else(|| own.to_string())
    });
    assert_eq!((&own["counts_there"], &own["healthy"]), (&false.into(), &false.into()), "{own}");
    story.tell(format!("a newcomer that was named one of four moved nodes knows epoch {epoch}"));
    let entry = world.entry("k4");
    world.owner.json(&["kernel", "join", &entry, "--yes", "--idempotency-key", "join-k4"]);
    world.until("the newcomer counts", NEWCOMER, stands("counting"));
    world.signs("the newcomer's snapshots are committed", NEWCOMER, 0);
    story.tell("it has joined, counts and signs");

    for process in moved.iter_mut().chain([&mut newcomer, &mut world.owner_process]) {
        assert!(process.interrupt().success(), "{}", process.name);
    }
}

/// A fifth kernel node joins, and is killed as soon as it runs.
fn join(story: &Story, world: &World, payments: &Payments, owned_by: &str) -> Process {
    world.init("k4", "k4", FOUNDERS, owned_by);
    let mut newcomer = world.kernel("k4");
    newcomer.start_ready();
    assert_eq!(world.status("k4")["seat"], Value::Null, "it has no seat yet");
    let told = world.owner.failure(&["kernel", "join", "waynode00", "--yes"]);
    assert!(told.contains("kernel entry"), "{told}");
    let entry = world.entry("k4");
    let asked = world.owner.failure(&["kernel", "join", &entry]);
    assert!(asked.contains("10000 WAY") && asked.contains("--yes"), "nothing is pledged unasked: {asked}");
    newcomer.kill();
    let command = ["kernel", "join", &entry, "--yes", "--idempotency-key", "join-k4"];
    // A payment may hold the outputs for a moment.
    let joined = world.owner.until("the pledge is paid", SOON, &command, |joined| Some(joined.clone()));
    assert_eq!((&joined["seat"], &joined["entry"]["stage"]), (&NEWCOMER.into(), &"final".into()), "{joined}");
    let again = world.owner.json(&command);
    assert_eq!(again["entry"]["transaction_id"], joined["entry"]["transaction_id"], "a repeated call pays once");
    story.tell("the owner has pledged for a newcomer, which has a seat");

    // It catches up, and is killed at it.
    newcomer.start_ready();
    newcomer.kill();
    payments.flow("while the newcomer is down");
    newcomer.start_ready();
    world.until("the newcomer counts", NEWCOMER, stands("counting"));
    let round = world.signs("the newcomer's snapshots are committed", NEWCOMER, 0);
    payments.flow("with the newcomer");
    let own = world.status("k4");
    assert_eq!((&own["standing"], &own["pledge"]), (&"counting".into(), &"10000".into()), "{own}");
    story.tell(format!("the newcomer was killed while it caught up, came back, counts and signs (round {round})"));
    newcomer
}

/// A founder leaves, and its process is stopped.
fn leave(story: &Story, world: &mut World, payments: &Payments) {
    world.owner.json(&["kernel", "leave", "0", "--yes"]);
    world.until("a founder has left", 0, |member| {
        (member["standing"] == "left" && member["unlocks_ms"].is_u64()).then_some(())
    });
    let few = world.owner.failure(&["kernel", "leave", "1", "--yes"]);
    assert!(few.contains("at least 4"), "{few}");
    eventually_or("the founder knows that it has left", SOON, || {
        let own = world.status("k0");
        (own["standing"] == "left").then_some(()).ok_or_else(|| own.to_string())
    });
    assert!(world.founders[0].interrupt().success());
    payments.flow("without the founder that has left");
    story.tell("a founder has left and its process is stopped, payments flow");
}

/// A founder's seat gets another hot key, on another machine.
fn rotate(story: &Story, world: &mut World, seat: usize, owned_by: &str) -> Process {
    let (name, place) = (format!("k{seat}"), format!("k{seat}-moved"));
    world.init(&place, &name, MOVED + seat, owned_by);
    let entry = world.entry(&place);
    let mut moved = world.kernel(&place);
    moved.start_ready();
    if seat > 0 {
        // The last founder is the last who can tell the node where the others are now.
        let epoch = world.status(&name)["epoch"].as_u64().unwrap();
        eventually_or("the new node knows the epoch in force", SOON, || {
            let own = world.status(&place);
            (own["newest_epoch"] == epoch).then_some(()).ok_or_else(|| own.to_string())
        });
    }
    assert!(world.founders[seat].interrupt().success());
    let before = world.owner.json(&["kernel", "members"]);
    let before = member(&before, seat as u64).unwrap();
    let (key, round) = (before["key"].clone(), before["round"].as_u64().unwrap());
    // The one that the owner's node talked with may be the one that has just ended; it finds another.
    eventually_or("a kernel node answers", SOON, || {
        let asked = world.owner.ask(&["kernel", "rotate", &seat.to_string(), &entry, "--yes"]);
        asked.inspect_err(|told| assert!(told.contains("kernel_unreachable"), "{told}"))
    });
    world.until("the seat has another key", seat as u64, |member| (member["key"] != key).then_some(()));
    world.signs("the new key signs", seat as u64, round);
    story.tell(format!("the seat of {name} has another hot key on another address, which signs"));
    moved
}

/// The pledge of the founder that has left is drawn.
fn reclaim(story: &Story, world: &World) {
    let entry = eventually_or("the pledge is unlocked", PATIENCE, || {
        let reclaimed = world.owner.ask(&["kernel", "reclaim", "0"]);
        reclaimed.inspect_err(|told| assert!(told.contains("locked for"), "{told}"))
    });
    assert_eq!((&entry["kind"], &entry["amount"]), (&"node_reclaim".into(), &"10000".into()), "{entry}");
    assert_eq!(entry["stage"], "final", "{entry}");
    world
        .owner
        .until("the seat is free", SOON, &["kernel", "members"], |members| member(members, 0).is_none().then_some(()));
    story.tell("the pledge of the founder that has left is reclaimed, its seat is free");
}

/// The owner's node starts again where no founding address answers, and finds the members that came later.
fn found_by_followed_addresses(story: &Story, world: &mut World, payments: Payments, mut watcher: Process) {
    let made = payments.stop();
    assert!(world.owner_process.interrupt().success());
    let nobody = local(free_ports::<1>()[0]);
    world.configure_owner(&format!("[ledger]\naddresses = [\"k2={nobody}\", \"k3={nobody}\"]\n"));
    world.owner_process.start_ready();
    let to = world.receiver.json(&["identity", "show"])["address"].as_str().unwrap().to_owned();
    let paid = world.owner.json(&["wallet", "send", &to, PAYMENT, "--wait"]);
    assert_eq!(paid["stage"], "final", "{paid}");
    let reached = world.owner.until("the members that came later are reached", SOON, &["kernel", "members"], |all| {
        let reachable = all.as_array()?.iter().filter(|member| member["reachable"] == true);
        let seats: Vec<u64> = reachable.filter_map(|member| member["index"].as_u64()).collect();
        (seats.len() >= 2).then_some(seats)
    });
    assert_eq!(reached, [1, NEWCOMER]);
    story.tell("the owner's node finds the kernel by the addresses that it has followed");

    let all = amount_of(made + 1).to_string();
    eventually_or("every payment has arrived", SOON, || {
        let log = watcher.log_text();
        let balance = log.lines().rfind(|line| line.contains("\"balance\"")).unwrap_or_default();
        let balance: Value = serde_json::from_str(balance).unwrap_or_default();
        (balance["balances"][0]["amount"] == all.as_str()).then_some(()).ok_or_else(|| format!("{balance}, not {all}"))
    });
    assert!(watcher.interrupt().success());
    assert_eq!(world.owner.json(&["ledger", "audit"])["balanced"], true);
    story.tell(format!("{} payments arrived, the books are balanced", made + 1));
}

fn amount_of(payments: u64) -> Amount {
    let one: Amount = PAYMENT.parse().unwrap();
    Amount::from_units(one.units() * u128::from(payments))
}
