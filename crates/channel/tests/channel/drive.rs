//! Both sides, their disks and the ledger, driven by bytes: each byte is one action of whoever acts next.
//!
//! A disk may fail while its side runs on: then nothing more becomes durable, and nothing that waits for that may leave, until the side is
//! started anew, which is how a node treats such a disk. What a side hands in the ledger executes when the bytes say so: late, twice, in
//! another order, or not at all. Commits come when the bytes say so too. Only a channel that is closing can't wait for a whole lock
//! period: what was handed in is executed before that much time has passed, and the ledger loses [`LOST_MAX`] calls of a side at the
//! most.
//!
//! Whatever the bytes do, everything is let run at the end, and settles: both can pay each other again, or the channel is
//! closed. Then all coins are there, and nobody has less than the worst of what it signed that could still count, less what the
//! ledger charged it for its own acts.

use byway_channel::{
    ANSWER_TIME_MAX, Change, ChannelNews, ContractChange, Health, Life, SUBMIT_AGAIN, UNHEARD_TIME_MAX,
};
use byway_primitives::{Amount, AssetId, MemoryStore, Span};
use byway_records::Value;
use byway_records::call::ChannelsCall;
use byway_records::channel::{
    AssetParts, ChannelAssets, ChannelState, ChannelTerms, FundingChange, Movement, Phase, Position, Side,
};
use byway_records::genesis::Wait;
use byway_records::state::Settled;
use byway_vm::{Address, code_hash};

use super::scene::{COUNTER, COUNTER_BY_TWO, DEPOSIT, LOCK, Rig, SAVED, count, terms, transfer};
use super::strict::Signing;
use super::world::{ALICE, CHANNEL_PRICE, World, units};

/// What an action moves, by its two highest bits.
pub const AMOUNTS: [u128; 4] = [1_000, 37_003, 250_001, 1_300_000];
/// Of the asset it is so many times as much; each puts so much in at first.
const ASSET_UNIT: u128 = 1_000_000_000_000;
const ASSET_FIRST: u128 = 2_000_000 * ASSET_UNIT;

/// What each has of an asset beside WAY, in its account, where a world has one.
const ASSET_SAVED: u128 = 10_000_000_000_000_000_000;

/// A world with an asset that both have.
fn with_asset() -> (World, AssetId) {
    let mut world = World::new();
    let asset = world.give_asset(ALICE, units(ASSET_SAVED));
    (world, asset)
}

/// The lock period here: a side that hands something in again as often as it may be lost is in time.
const LONG_LOCK: Wait = Wait { millis: Span::seconds(90), ..LOCK };
/// How often what a side hands in while the channel is closing is lost.
const LOST_MAX: u8 = 3;

/// A state that a side signed, and what it had paid into the channel and taken out of it once that state counts.
#[derive(Debug, Clone, Copy)]
struct Noted {
    position: Position,
    total: u128,
    moved: [i128; 2],
}

pub struct Drive {
    pub rig: Rig,
    pub counter: Address,
    /// Nobody pays anybody of it, so whatever goes in and out everybody has as much in the end as in the beginning.
    asset: AssetId,
    /// Old disks, by side.
    pub copies: [MemoryStore; 2],
    /// The side that has been started from an old disk: the other never is, for nobody could help them then.
    pub restored: Option<usize>,
    signed: [Vec<Noted>; 2],
    /// The newest round that each side durably knows to be co-signed.
    known: [u64; 2],
    /// The newest co-signed round that the ledger was shown.
    shown: u64,
    /// What each side durably took for paid out of the other's lane.
    taken: [Amount; 2],
    /// How often what each side handed in was lost while the channel was closing.
    lost: [u8; 2],
}

impl Drive {
    /// An open channel with an asset and a contract in it and something in both lanes.
    pub fn begin() -> Self {
        Self::begin_with(LOCK)
    }

    fn begin_with(lock: Wait) -> Self {
        let (world, asset) = with_asset();
        let assets = ChannelAssets::new([AssetParts { asset, parts: [units(ASSET_FIRST); 2] }]).unwrap();
        let mut rig = Rig::opened(Rig::begun_in(world, ChannelTerms { assets, lock, ..terms() }));
        let counter = rig.create_counter(0);
        [0, 1].into_iter().for_each(|side| rig.fill_lane(side, 600_000));
        let copies = [0, 1].map(|side: usize| rig.parties[side].disk.clone());
        rig.writes_late = true;
        let mut drive = Self {
            rig,
            counter,
            asset,
            copies,
            restored: None,
            signed: Default::default(),
            known: [0; 2],
            shown: 0,
            taken: [Amount::ZERO; 2],
            lost: [0; 2],
        };
        drive.note([0; 2]);
        drive
    }

    /// What each side has paid in after the opening, less what it has taken out.
    pub fn moved(&self) -> [i128; 2] {
        self.rig.moved.map(|[deposited, withdrawn]| deposited.units() as i128 - withdrawn.units() as i128)
    }

    /// Takes down what was signed in a step, before which so much was moved, and what is known now.
    pub fn note(&mut self, before: [i128; 2]) {
        for side in [0, 1] {
            let party = &self.rig.parties[side];
            let signings: Vec<Signing> = party.signings.lock().unwrap().drain(..).collect();
            self.signed[side].extend(signings.into_iter().map(|signing| noted(signing, before)));
            let cosigned = party.machine.cosigned().filter(|_| party.is_durable());
            if party.is_durable() && party.machine.life() == Life::Open {
                self.taken[side] = party.machine.promised(Side::BOTH[1 - side]).amount;
            }
            self.known[side] = self.known[side].max(cosigned.map_or(0, |state| state.body.position.round));
        }
        self.shown = self.shown.max(self.rig.entry().map_or(0, |entry| entry.signed));
    }

    pub fn step(&mut self, byte: u8) {
        let before = self.moved();
        let (side, amount) = (usize::from(byte & 1), AMOUNTS[usize::from(byte >> 6)]);
        match (byte >> 1) & 31 {
            kind @ 0..=15 => self.happen(kind, side, byte >> 6),
            kind => self.act(kind, side, amount),
        }
        self.note(before);
    }

    /// What happens to a side.
    fn happen(&mut self, kind: u8, side: usize, size: u8) {
        let rig = &mut self.rig;
        match kind {
            2 if size < 3 => rig.execute_at(side, [0, 0, 1][usize::from(size)]),
            0..=2 => drop(rig.write(side)),
            6 if size == 0 => self.lose(side),
            // Somebody else has seen it, and hands it in as well.
            6 if size == 1 => {
                if let Some(call) = rig.parties[side].handed_in.front().cloned() {
                    rig.submit(side, call);
                }
            }
            3..=6 => drop(rig.deliver(side)),
            7 => rig.lose(),
            8 => rig.cut(side),
            9 => rig.connect(),
            10 if size == 3 => rig.parties[side].has_failed = true,
            10 => rig.crash(side),
            // What it wrote is durable, and it dies before it hears of that.
            11 => {
                rig.write(side);
                rig.crash(side);
            }
            12 if size == 0 => self.restore(side),
            12 => self.copies[side] = rig.parties[side].disk.clone(),
            13 if size == 0 => rig.show_ledger(side),
            13 if size == 1 => drop(rig.world.commit(&[])),
            13 => rig.parties[side].is_watching ^= true,
            14 => self.pass(Span::seconds(1)),
            _ => self.pass([Span::seconds(20), ANSWER_TIME_MAX, Span::minutes(2), UNHEARD_TIME_MAX][usize::from(size)]),
        }
    }

    /// What a side handed in first never reaches the ledger.
    fn lose(&mut self, side: usize) {
        let is_closing = self.is_closing();
        if is_closing && self.lost[side] == LOST_MAX {
            return;
        }
        if self.rig.parties[side].handed_in.pop_front().is_some() && is_closing {
            self.lost[side] += 1;
        }
    }

    fn is_closing(&self) -> bool {
        self.rig.entry().is_some_and(|entry| entry.phase != Phase::Active)
    }

    /// Time passes. Whoever looks away for a whole lock period while the channel is closing has only itself to blame.
    fn pass(&mut self, span: Span) {
        let mut left = span;
        while self.is_closing() && left > SUBMIT_AGAIN {
            self.look();
            self.rig.tick(SUBMIT_AGAIN);
            left = Span(left.0 - SUBMIT_AGAIN.0);
        }
        if self.is_closing() {
            self.look();
        }
        self.rig.tick(left);
    }

    /// Both see the ledger, and that executes what they have handed in. Whose disk has failed is started anew in time.
    fn look(&mut self) {
        self.start_failed();
        for side in [0, 1] {
            self.rig.parties[side].is_watching = true;
            self.rig.show_ledger(side);
        }
        self.rig.execute_all();
    }

    /// Starts a side from an old disk.
    pub fn restore(&mut self, side: usize) {
        if self.restored.is_some_and(|restored| restored != side) {
            return;
        }
        self.restored = Some(side);
        // What it has forgotten it has when the peer tells it, which the bytes may put off until all is over.
        (self.known[side], self.taken[side]) = (0, Amount::ZERO);
        let disk = self.copies[side].clone();
        self.rig.restore(side, disk);
    }

    /// What a side does. What it can't do now it does not do.
    pub fn act(&mut self, kind: u8, side: usize, amount: u128) {
        let (counter, now) = (self.counter, self.rig.now);
        let rig = &mut self.rig;
        let is_large = amount == AMOUNTS[3];
        let change = match kind {
            16..=18 => Some(transfer(side, amount)),
            19 => Some(Change::Lane { side: Side::BOTH[side], capacity: units(amount) }),
            22 => rig.machine(side).absorption(),
            23 if is_large => Some(Change::Contract(other_code(rig, side, counter))),
            23 => Some(Change::Call(count(side, counter, 3, amount))),
            _ => None,
        };
        if let Some(change) = change {
            let _ = rig.propose(side, change);
        }
        match kind {
            20 | 21 => drop(rig.promise(side, amount)),
            24 => drop(rig.machine(side).force(now, &count(side, counter, 5, amount / 10))),
            25 => drop(rig.fund(side, Movement::Deposit, amount)),
            26 => drop(rig.fund(side, Movement::Withdraw, amount)),
            27 if !rig.machine(side).released().is_empty() => drop(rig.machine(side).cancel(now)),
            28 if is_large => drop(rig.machine(side).close(now)),
            29 if is_large => drop(rig.close_alone(side)),
            30 if is_large => drop(rig.machine(side).leave(now, counter)),
            31 if amount != AMOUNTS[0] => {
                let movement = if amount == AMOUNTS[2] { Movement::Withdraw } else { Movement::Deposit };
                let value = Value { asset: self.asset, amount: units(amount * ASSET_UNIT) };
                let _ = rig.fund_in(side, movement, value);
            }
            30 | 31 => rig.exchange(),
            _ => {}
        }
        rig.collect(side);
    }

    /// Everything is let run until it settles.
    fn settle(&mut self, last: u8) {
        let before = self.moved();
        self.rig.parties.iter_mut().for_each(|party| party.is_watching = true);
        self.start_failed();
        self.rig.execute_all();
        self.rig.is_late = false;
        self.rig.lose();
        self.rig.exchange();
        self.pass(Span::millis(1));
        self.rig.exchange();
        self.note(before);
        if !self.is_ending() {
            self.go_on();
        }
        let before = self.moved();
        if !self.is_ending() {
            let (side, now) = (usize::from(last & 1), self.rig.now);
            if last & 2 == 0 {
                self.rig.close_alone(side).unwrap();
            } else {
                self.rig.machine(side).close(now).unwrap();
                self.rig.collect(side);
            }
        }
        self.close();
        self.note(before);
    }

    fn start_failed(&mut self) {
        for side in [0, 1] {
            if self.rig.parties[side].has_failed {
                self.rig.crash(side);
            }
        }
    }

    fn is_ending(&self) -> bool {
        let is_open = self.rig.parties.iter().all(|party| party.machine.life() == Life::Open);
        !is_open || self.rig.entry().is_none_or(|entry| entry.phase != Phase::Active)
    }

    /// Both pay each other, once what was asked for and lost is over; and what was promised goes into the balances.
    fn go_on(&mut self) {
        let before = self.moved();
        self.pass(Span::minutes(4));
        self.rig.exchange();
        self.pass(Span::millis(1));
        self.rig.exchange();
        self.note(before);
        if self.is_ending() {
            return;
        }
        self.rig.assert_agreed();
        // Whoever has nothing beside the reserve is paid first.
        let free = [0, 1].map(|side| self.rig.machine(side).free_balance());
        let sides = if free[0] < free[1] { [1, 0] } else { [0, 1] };
        for side in sides {
            self.rig.tick(ANSWER_TIME_MAX);
            let round = self.rig.parties[side].round();
            self.rig.pay(side, 1);
            self.rig.exchange();
            assert!(self.rig.assert_agreed().round > round);
            self.rig.tick(ANSWER_TIME_MAX);
            if let Some(absorption) = self.rig.machine(side).absorption() {
                self.rig.propose(side, absorption).unwrap();
                self.rig.exchange();
                self.rig.assert_agreed();
                assert_eq!(self.rig.machine(side).absorption(), None);
            }
        }
        self.note(before);
    }

    /// Time passes until the ledger has paid out.
    fn close(&mut self) {
        for _ in 0..30 {
            self.rig.exchange();
            if self.rig.entry().is_none() {
                break;
            }
            (0..LOCK.commits).for_each(|_| drop(self.rig.world.commit(&[])));
            self.pass(Span::seconds(50));
        }
        self.pass(Span::millis(1));
        assert_eq!(self.rig.entry(), None, "it is closed; refused: {:?}", self.rig.refused);
    }

    /// The worst that a side agreed to and that may still count, with what it had paid in and taken out.
    fn worst(&self, side: usize, newest: u64) -> i128 {
        let promised = |payer: usize, party: usize| self.rig.parties[party].machine.promised(Side::BOTH[payer]);
        // Where both have forgotten it, since a disk failed and another was an old one, the ledger may have been shown it before.
        let left = Settled { serial: 1, amount: self.rig.parties[side].given };
        let given = [promised(side, 0), promised(side, 1), left];
        let given = given.into_iter().max_by_key(|given| given.amount).expect("three");
        let taken = Settled { serial: 1, amount: self.taken[side] };
        let states = self.signed[side].iter().filter(|noted| noted.position.round >= newest);
        let worst = states.map(|noted| noted.worth(side, given, taken)).min();
        let first = (newest == 0).then_some(DEPOSIT as i128);
        worst.into_iter().chain(first).min().expect("it signed what is co-signed")
    }

    /// What is charged for reading what has shown the purses at the end.
    fn read(&self) -> u128 {
        let shown = self.rig.parties.iter().flat_map(|party| &party.news).filter_map(|news| match news {
            ChannelNews::Submit(ChannelsCall::Settle { witness, .. }) => Some(witness.len() as u128),
            _ => None,
        });
        16 * shown.max().unwrap_or_default()
    }

    /// All coins are there by the ledger's own audit; here is whose they are, where these sides show the ledger what they know.
    pub fn assert_paid(&self, side: usize, shown_by: &[usize]) {
        let newest = shown_by.iter().map(|party| self.known[*party]).fold(self.shown, u64::max);
        let got = self.rig.world.balance(side) as i128 - (SAVED - DEPOSIT) as i128;
        let own = self.rig.charged[side].units() + self.rig.forced[side].units() + CHANNEL_PRICE + self.read();
        let due = self.worst(side, newest) - own as i128 - 2;
        assert!(got >= due, "side {side} got {got} of {due}");
        let of_asset = self.rig.world.account_in(side, self.asset).unwrap().balance;
        assert!(of_asset >= units(ASSET_SAVED), "side {side} has {of_asset} of the asset");
    }
}

impl Noted {
    /// What a state is worth to a side, were the channel closed with it, where its lane and the other's were promised out of
    /// so far.
    fn worth(&self, side: usize, given: Settled, taken: Settled) -> i128 {
        let Position { balances, lanes, .. } = self.position;
        let rest = self.position.rest(units(self.total)).expect("no more is divided than there is");
        let share = terms().remainder.shares(rest)[side];
        let own = lanes[side].capacity.units() - lanes[side].due(given).units();
        let worth = balances[side].units() + share.units() + own + lanes[1 - side].due(taken).units();
        worth as i128 - self.moved[side]
    }
}

/// The change of the counter to the code that it does not have.
fn other_code(rig: &mut Rig, side: usize, contract: Address) -> ContractChange {
    let account = rig.machine(side).state().account(contract).and_then(|account| account.contract);
    let is_first = account.is_some_and(|account| account.code == code_hash(&COUNTER));
    let code = if is_first { COUNTER_BY_TWO.to_vec() } else { COUNTER.to_vec() };
    ContractChange::Upgrade { contract, code }
}

fn noted((state, change): Signing, mut moved: [i128; 2]) -> Noted {
    let ChannelState { position, total, .. } = state;
    if let Some(FundingChange { side, movement, value, .. }) =
        change.filter(|change| change.value.asset == AssetId::WAY)
    {
        let amount = value.amount.units() as i128;
        moved[side.index()] += match movement {
            Movement::Deposit => amount,
            Movement::Withdraw => -amount,
            Movement::Leave { .. } => 0,
        };
    }
    Noted { position, total: total.units(), moved }
}

impl Rig {
    /// Of what a side has handed in the ledger executes this, whatever came before it.
    pub fn execute_at(&mut self, side: usize, at: usize) {
        if let Some(call) = self.parties[side].handed_in.remove(at) {
            self.submit(side, call);
        }
    }

    /// All that is written becomes durable, and all that was handed in is executed.
    pub fn execute_all(&mut self) {
        [0, 1].into_iter().for_each(|side| while self.write(side) {});
        while let Some(side) = [0, 1].into_iter().find(|side| !self.parties[*side].handed_in.is_empty()) {
            self.execute_at(side, 0);
        }
    }
}

/// Drives both sides by these bytes, and checks how it ends.
pub fn drive(bytes: &[u8]) {
    let mut drive = Drive::begin_with(LONG_LOCK);
    drive.rig.is_late = true;
    bytes.iter().for_each(|byte| drive.step(*byte));
    drive.settle(bytes.last().copied().unwrap_or_default());
    for side in [0, 1] {
        let machine = &drive.rig.parties[side].machine;
        assert_eq!(machine.life(), Life::Closed);
        assert!(!matches!(machine.health(), Health::Frozen(_)), "nobody signed two states of one round");
        drive.assert_paid(side, &[0, 1]);
    }
}
