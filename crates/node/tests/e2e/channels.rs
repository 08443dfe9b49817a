//! A game of two in a channel, played at the command line. At some moment of the play, from the opening of the channel to the claim, one of the
//! players' machines is killed; the ledger finishes the game, while the other player stays away.
//!
//! Which step, whose machine and how far into the step follow from a seed. Some are fixed, more are played with `BYWAY_TEST_LONG=1`, and
//! `BYWAY_E2E_SEED` plays one again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use byway_primitives::Amount;
use serde_json::Value;

use super::harness::byway::{Node, amount};
use super::harness::network::Network;
use super::harness::process::write;
use super::harness::{PATIENCE, SOON, Story, eventually_or, turn};

const SALT: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";
/// Rock, and scissors: the client wins.
const MOVES: [&str; 2] = ["1", "3"];
const STAKE: &str = "500000000000000000";
/// What the two are charged for what the ledger does in one game, at the most.
const CHARGED_MAX: &str = "0.02";
/// Seeds that are always played, of as many different steps: see `Kill::of`.
const SEEDS: [u64; 4] = [2, 4, 7, 8];
/// As many are played in the long run.
const SEEDS_LONG: u64 = 16;

/// What is done one after the other. Each can be done again: what is done already is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    OpenChannel,
    Deploy,
    ClientCommits,
    ProviderCommits,
    ClientOpens,
    Claim,
}

const PLAY: [Step; 6] =
    [Step::OpenChannel, Step::Deploy, Step::ClientCommits, Step::ProviderCommits, Step::ClientOpens, Step::Claim];

impl Step {
    /// Longer than it takes from the command to the other's signature, or the ledger's word.
    fn lasts_max(self) -> Duration {
        Duration::from_millis(if self == Step::OpenChannel { 1_500 } else { 80 })
    }
}

/// Who is killed, and when.
#[derive(Debug, Clone, Copy)]
struct Kill {
    during: Step,
    after: Duration,
    is_client: bool,
}

impl Kill {
    fn of(seed: u64) -> Self {
        // SplitMix64.
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = mixed ^ (mixed >> 31);
        let during = PLAY[(drawn % 6) as usize];
        let after = during.lasts_max().mul_f64((drawn >> 32) as f64 / f64::from(u32::MAX));
        Self { during, after, is_client: drawn & (1 << 16) != 0 }
    }
}

fn contract_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/contracts/compiled/HiddenMoves.json")
}

/// The two players, and how far they are.
struct Game {
    client: Node,
    provider: Node,
    /// The provider's identity.
    opponent: String,
    channel: String,
    contract: String,
}

impl Game {
    fn new(network: &Network) -> Self {
        let status = network.provider_node.json(&["status"]);
        let opponent = status["identity"]["id"].as_str().unwrap().to_owned();
        let (client, provider) = (network.client_node.clone(), network.provider_node.clone());
        Self { client, provider, opponent, channel: String::new(), contract: String::new() }
    }

    fn contract(&self, node: &Node, what: &str, call: &[&str]) -> Result<Value, String> {
        node.ask(&[&["channel", "contract", what, &self.channel, &self.contract], call].concat())
    }

    /// Whether a call of the client's would return now; if not, what it says instead.
    fn would(&self, call: &[&str]) -> Result<Result<(), String>, String> {
        let asked = [&["channel", "contract", "look", &self.channel, &self.contract], call].concat();
        let output = self.client.run(&asked);
        let [said, failed] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        match output.status.success() {
            true => Ok(Ok(())),
            false if said.starts_with("It would not return") => Ok(Err(said)),
            false => Err(failed),
        }
    }

    fn show(&self, node: &Node) -> Result<Value, String> {
        node.ask(&["channel", "show", &self.channel])
    }

    /// Does a step unless it is done.
    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::OpenChannel => self.open_channel(),
            Step::Deploy => self.deploy(),
            Step::ClientCommits => self.commit(&self.client, MOVES[0]),
            Step::ProviderCommits => self.commit(&self.provider, MOVES[1]),
            Step::ClientOpens if self.is_opened()? => Ok(()),
            Step::ClientOpens => {
                self.contract(&self.client, "call", &["open(uint8,bytes32)", MOVES[0], SALT]).map(drop)
            }
            Step::Claim if self.is_over(&self.client)? => Ok(()),
            Step::Claim => self.contract(&self.client, "call", &["claim()"]).map(drop),
        }
    }

    /// Where the one before died half-way, another is opened: what was only half signed can't come back, and what was
    /// signed is closed in the end like any.
    fn open_channel(&mut self) -> Result<(), String> {
        if let Some(channel) = open_channels(&self.client)?.first() {
            self.channel = channel.clone();
            return Ok(());
        }
        let asked = ["channel", "open", &self.opponent, "2", "--theirs", "1", "--lock", "3"];
        let opened = self.client.ask(&asked)?;
        self.channel = opened["channel"].as_str().unwrap().to_owned();
        if opened["state"] == "open" { Ok(()) } else { Err(opened.to_string()) }
    }

    fn deploy(&mut self) -> Result<(), String> {
        let deployed = self.show(&self.client)?["deployed"].clone();
        let contract = match deployed[0]["contract"].as_str() {
            Some(contract) => contract.to_owned(),
            None => {
                let file = contract_file().display().to_string();
                let asked = ["channel", "contract", "deploy", &self.channel, &file, "me", "peer", STAKE, "2"];
                self.client.ask(&asked)?["contract"].as_str().unwrap().to_owned()
            }
        };
        self.contract = contract;
        Ok(())
    }

    fn commit(&self, node: &Node, its_move: &str) -> Result<(), String> {
        let hash =
            self.contract(node, "look", &["commitment(address,uint8,bytes32)(bytes32)", "me", its_move, SALT])?;
        let hash = hash["output"].as_str().unwrap();
        match self.contract(node, "call", &["commit(bytes32)", hash, "--value", "0.5"]) {
            Err(refused) if refused.contains("committed before") => Ok(()),
            made => made.map(drop),
        }
    }

    fn is_opened(&self) -> Result<bool, String> {
        match self.would(&["open(uint8,bytes32)", MOVES[0], SALT])? {
            Ok(()) => Ok(false),
            Err(refused) if refused.contains("opened before") => Ok(true),
            // What the winner has taken is not there any more.
            Err(refused) if refused.contains("not both have committed") => self.is_over(&self.client),
            Err(other) => Err(other),
        }
    }

    fn is_over(&self, node: &Node) -> Result<bool, String> {
        Ok(self.show(node)?["contracts"] == "0")
    }

    fn force(&self, call: &[&str]) -> Result<(), String> {
        self.client.ask(&[&["channel", "force", &self.channel, &self.contract], call].concat()).map(drop)
    }

    /// Plays on together until both have committed.
    fn play_until_committed(&mut self) {
        for step in &PLAY[..4] {
            eventually_or(&format!("{step:?}"), PATIENCE, || self.take(*step));
        }
    }

    /// The other player is not there.
    fn finish_by_force(&self) {
        let opened = || if self.is_opened()? { Ok(()) } else { self.force(&["open(uint8,bytes32)", MOVES[0], SALT]) };
        eventually_or("the client's move is opened by force", PATIENCE, opened);
        let claimed = || if self.is_over(&self.client)? { Ok(()) } else { self.force(&["claim()"]) };
        eventually_or("the stakes are claimed by force", PATIENCE, claimed);
    }
}

/// The channels of a node in which both sides can act.
fn open_channels(node: &Node) -> Result<Vec<String>, String> {
    let channels = node.ask(&["channel", "list"])?;
    let open = channels.as_array().unwrap().iter().filter(|channel| channel["state"] == "open");
    Ok(open.map(|channel| channel["channel"].as_str().unwrap().to_owned()).collect())
}

fn is_about(value: &Value, due: Amount, charged: Amount) -> Option<()> {
    let has = amount(value);
    (has <= due && has.checked_add(charged).unwrap() >= due).then_some(())
}

fn coins(text: &str) -> Amount {
    text.parse().unwrap()
}

fn deposit(node: &Node, wanted: &str) {
    node.json(&["wallet", "deposit", wanted]);
    node.until("the deposit is in the account", SOON, &["wallet", "balance"], |balance| {
        (amount(&balance["account"]) == coins(wanted)).then_some(())
    });
}

/// A network whose client and provider have accounts out of which they can put money into channels.
fn with_accounts() -> Network {
    let mut network = Network::make();
    let file = network.path("provider.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    write(&file, &format!("{config}[channels]\naccept_max = \"4\"\n"));
    network.start();
    network.prepare_client("6");
    deposit(&network.provider_node, "8");
    network
}

/// Plays until the machine is killed, and says how far that was.
fn play_until_killed(network: &mut Network, game: &mut Game, kill: Kill) {
    for step in PLAY.into_iter().take_while(|step| *step != kill.during) {
        eventually_or(&format!("{step:?}"), PATIENCE, || game.take(step));
    }
    if kill.during == Step::Claim {
        let over = || game.would(&["claim()"])?;
        eventually_or("the time in which the other may open its move is over", PATIENCE, over);
    }
    std::thread::scope(|scope| {
        let victim = if kill.is_client { &mut network.client } else { &mut network.provider };
        scope.spawn(move || {
            std::thread::sleep(kill.after);
            victim.kill();
        });
        // It is done, half done, or not: that depends on the moment.
        let _ = game.take(kill.during);
    });
}

/// A whole game; gives nothing but a client that has won.
fn play(network: &mut Network, story: &Story, seed: u64) {
    let kill = Kill::of(seed);
    story.tell(format!("seed {seed}: {kill:?}; BYWAY_E2E_SEED={seed} plays it again"));
    let mut game = Game::new(network);
    play_until_killed(network, &mut game, kill);
    story.tell("killed");
    let is_committed = matches!(kill.during, Step::ClientOpens | Step::Claim);
    if kill.is_client {
        network.client.start_ready();
    }
    if !is_committed {
        if !kill.is_client {
            network.provider.start_ready();
        }
        game.play_until_committed();
        story.tell("came back, and both have made a move that nobody sees");
    }
    if network.provider.is_running() {
        network.provider.kill();
    }
    game.finish_by_force();
    story.tell("the other player is away, and the client has won the game on the ledger");

    network.provider.start_ready();
    // Where the other had signed the opening before it died, that beats what was forced, and it signs the claim as well.
    for step in [Step::ClientOpens, Step::Claim] {
        eventually_or(&format!("{step:?} at last"), PATIENCE, || game.take(step));
    }
    eventually_or("the other sees what it has lost", PATIENCE, || {
        let shown = game.show(&game.provider)?;
        if shown["ours"] == "0.5" && shown["contracts"] == "0" { Ok(()) } else { Err(shown.to_string()) }
    });
    eventually_or("both go on", PATIENCE, || game.client.ask(&["channel", "pay", &game.channel, "0.25"]));
    eventually_or("all is paid out", PATIENCE, || {
        for channel in open_channels(&game.client)? {
            // Where it does not close at once, it is asked for again.
            let _ = game.client.ask(&["channel", "close", &channel]);
        }
        let left = game.client.ask(&["channel", "list"])?;
        let is_left = |channel: &&Value| channel["state"] != "closed" && channel["state"] != "accepted";
        left.as_array().unwrap().iter().find(is_left).map_or(Ok(()), |channel| Err(channel.to_string()))
    });
    story.tell("the other player came back, both went on and parted");
}

#[test]
fn a_game_is_finished_by_the_ledger_whenever_a_player_is_killed() {
    let _turn = turn();
    let story = Story::begin("channels");
    let chosen = std::env::var("BYWAY_E2E_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
    let is_long = std::env::var_os("BYWAY_TEST_LONG").is_some();
    let seeds = match chosen {
        Some(seed) => vec![seed],
        None if is_long => (1..=SEEDS_LONG).collect(),
        None => SEEDS.to_vec(),
    };
    let mut network = with_accounts();
    let (mut client, mut provider, mut charged) = (coins("6"), coins("8"), Amount::ZERO);
    for seed in seeds {
        play(&mut network, &story, seed);
        // A stake was won, and half of that paid back.
        client = client.checked_add(coins("0.25")).unwrap();
        provider = provider.checked_sub(coins("0.25")).unwrap();
        charged = charged.checked_add(coins(CHARGED_MAX)).unwrap();
        for (node, due) in [(&network.client_node, client), (&network.provider_node, provider)] {
            node.until("it is paid out", PATIENCE, &["wallet", "balance"], |balance| {
                is_about(&balance["account"], due, charged)
            });
        }
    }
    let audit = network.client_node.json(&["ledger", "audit"]);
    assert_eq!(audit["balanced"], true, "{audit}");
    network.stop();
    story.tell("all coins are where they should be");
}
