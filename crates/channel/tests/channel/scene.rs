//! Two sides of a channel with a disk each, wires between them, and the real ledger.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use byway_channel::{Change, ChannelMachine, ChannelMessage, ChannelNews, ContractCall, LedgerView, Life, PeerFault};
use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, Batch, Decode, Effect, Encode, Hash, MemoryStore, Span, Time, Token};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{ChannelAssets, ChannelTerms, Environment, Movement, Remainder, Side, WatchSecret};
use byway_records::genesis::Wait;
use byway_records::{Call, Channel, ProgramId, Reject, Value};
use byway_vm::{Address, Target};

use super::strict::{Ever, Signed, Signing, StrictSigner, round_in, sent_after};
use super::world::{ALICE, BOB, CAROL, Draft, World, units};

pub const SECRET: WatchSecret = WatchSecret([7; 16]);
pub const LOCK: Wait = Wait { millis: Span::seconds(10), commits: 5 };
pub const RESERVE: u128 = 500_000;
pub const DEPOSIT: u128 = 5_000_000;
/// What each has in its account before.
pub const SAVED: u128 = 20_000_000;
pub const GAS: u64 = 200_000;

/// Adds one to the slot that the input names, and takes whatever it is paid.
pub const COUNTER: [u8; 10] = [0x5f, 0x35, 0x80, 0x54, 0x60, 1, 0x01, 0x90, 0x55, 0x00];
/// Adds two.
pub const COUNTER_BY_TWO: [u8; 10] = [0x5f, 0x35, 0x80, 0x54, 0x60, 2, 0x01, 0x90, 0x55, 0x00];
/// What gives the code behind it to a new contract.
pub const CREATE: [u8; 9] = [0x60, 10, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];

pub type Machine = ChannelMachine<StrictSigner>;

/// One side: what runs, what is on its disk, and what waits for it.
pub struct Party {
    pub machine: Machine,
    pub disk: MemoryStore,
    /// With what it had signed by then.
    writes: VecDeque<(Batch, Token, BTreeMap<u64, Hash>)>,
    durable: Option<Token>,
    outgoing: VecDeque<(Option<Token>, ChannelMessage)>,
    /// What goes to the ledger once this is durable.
    ledger_calls: VecDeque<(Token, ChannelNews)>,
    pub news: Vec<ChannelNews>,
    /// What it signed in this life, and in all lives what of that is durable: nothing else may leave.
    signed: Signed,
    pub kept: BTreeMap<u64, Hash>,
    pub signings: Arc<Mutex<Vec<Signing>>>,
    /// Whatever it signed in all lives, durable or not.
    ever: Ever,
    /// Whether it hands anything to the ledger.
    pub is_watching: bool,
    /// Whether it signs one state for a round only, whatever disk it has.
    pub is_honest: bool,
    /// A write has failed, as on a disk that is full: nothing becomes durable any more until it is started anew.
    pub has_failed: bool,
    /// What it has handed in that the ledger has not executed yet, where that is late.
    pub handed_in: VecDeque<ChannelsCall>,
    /// What of its promises has left it, in all its lives.
    pub given: Amount,
}

pub struct Rig {
    pub world: World,
    pub parties: [Party; 2],
    /// What is on its way to each side, encoded.
    wires: [VecDeque<Vec<u8>>; 2],
    /// Whether nothing that is said arrives.
    is_cut: bool,
    /// Whether what is handed in waits until it is executed.
    pub is_late: bool,
    /// Whether what goes to the ledger waits until somebody lets the disk write, or time passes. Otherwise it is written at once.
    pub writes_late: bool,
    pub now: Time,
    /// What the ledger refused.
    pub refused: Vec<Reject>,
    /// What the ledger has charged each side as long as it had the channel.
    pub charged: [Amount; 2],
    /// What each side's forced calls paid into contracts.
    pub forced: [Amount; 2],
    /// What each side was charged for the call that ended the channel, beside that.
    pub charged_at_end: [Amount; 2],
    /// The channel as the ledger had it last.
    pub last: Option<Channel>,
    /// What each has deposited and withdrawn of WAY since, as the ledger did it.
    pub moved: [[Amount; 2]; 2],
}

pub fn person(side: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[[1; 32], [2; 32]][side]).unwrap()
}

impl Party {
    fn new(machine: Machine, signer: &StrictSigner) -> Self {
        let StrictSigner { signed, ever, signings, .. } = signer.clone();
        Self {
            machine,
            disk: MemoryStore::new(),
            writes: VecDeque::new(),
            durable: None,
            outgoing: VecDeque::new(),
            ledger_calls: VecDeque::new(),
            news: Vec::new(),
            signed,
            kept: BTreeMap::new(),
            signings,
            ever,
            is_watching: true,
            is_honest: true,
            has_failed: false,
            handed_in: VecDeque::new(),
            given: Amount::ZERO,
        }
    }

    /// Who signs for it in its next life, knowing what is durable.
    fn next_signer(&mut self, side: usize) -> StrictSigner {
        self.signed = Arc::new(Mutex::new(self.kept.clone()));
        let (signed, ever, signings) = (self.signed.clone(), self.ever.clone(), self.signings.clone());
        StrictSigner { secret: person(side), signed, ever, shows: Some(SECRET), signings }
    }

    /// Whether all that it has written is durable.
    pub fn is_durable(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether it was told this.
    pub fn has(&self, is_it: impl Fn(&ChannelNews) -> bool) -> bool {
        self.news.iter().any(is_it)
    }

    pub fn round(&self) -> u64 {
        self.machine.position().round
    }
}

impl Rig {
    /// Both have agreed to a channel, and nothing has been said yet.
    pub fn begun() -> Self {
        Self::begun_in(World::new(), terms())
    }

    /// The same in a world in which something has happened.
    pub fn begun_in(mut world: World, terms: ChannelTerms) -> Self {
        for person in [ALICE, BOB] {
            world.must(&world.deposit(world.coin(person), person, SAVED));
        }
        let (now, network) = (world.time, world.network);
        let signer =
            |side: usize| StrictSigner { shows: Some(SECRET), ..StrictSigner::new(person(side), &Ever::default()) };
        let signers = [0, 1].map(signer);
        let initiator = ChannelMachine::initiate(signers[0].clone(), network, terms, 0, now).unwrap();
        let responder = ChannelMachine::respond(signers[1].clone(), network, terms, 0, now).unwrap();
        let party = |machine, side: usize| Party::new(machine, &signers[side]);
        let mut rig = Self {
            world,
            parties: [party(initiator, 0), party(responder, 1)],
            wires: Default::default(),
            is_cut: false,
            is_late: false,
            writes_late: false,
            now,
            refused: Vec::new(),
            charged: Default::default(),
            forced: Default::default(),
            charged_at_end: Default::default(),
            last: None,
            moved: Default::default(),
        };
        // The responder's machine was made of the first message.
        rig.collect(0);
        assert!(matches!(rig.next_message(1), Some(ChannelMessage::Open { .. })));
        rig.wires[1].clear();
        rig.parties[1].machine.agree(now);
        rig.collect(1);
        rig
    }

    /// An open channel, both connected.
    pub fn new() -> Self {
        Self::opened(Self::begun())
    }

    pub fn opened(begun: Self) -> Self {
        let mut rig = begun;
        rig.run();
        for side in [0, 1] {
            assert_eq!(rig.machine(side).life(), Life::Open);
            assert!(rig.machine(side).is_connected());
        }
        let code = Call::Channels(ChannelsCall::RegisterCode { code: COUNTER.to_vec() });
        let draft = Draft { call: Some(code), fee: units(30_000), ..Draft::default() };
        rig.world.must(&rig.world.funded(rig.world.coin(CAROL), draft));
        rig.tick(Span::millis(10));
        rig
    }

    pub fn machine(&mut self, side: usize) -> &mut Machine {
        &mut self.parties[side].machine
    }

    /// Takes what a machine wants done.
    pub fn collect(&mut self, side: usize) {
        let party = &mut self.parties[side];
        let mut handed = Vec::new();
        let effects = party.machine.poll();
        // Of several batches the last has all that was signed, and each what may leave after it.
        let is_write = |effect: &&_| matches!(effect, Effect::Persist { .. });
        let mut batches = effects.iter().filter(is_write).count();
        let sent: Vec<_> = effects.iter().filter_map(sent_after).collect();
        for effect in effects {
            match effect {
                Effect::Persist { batch, token } => {
                    batches -= 1;
                    let mut signed = party.signed.lock().unwrap().clone();
                    signed.retain(|round, _| batches == 0 || sent.contains(&(Some(token), *round)));
                    party.writes.push_back((batch, token, signed));
                }
                Effect::Send { message, after, .. } => party.outgoing.push_back((after, message)),
                Effect::WakeAt(_) => {}
                Effect::Notify(news) => {
                    if party.is_watching && news.goes_to_ledger() {
                        handed.push(news.clone());
                    }
                    party.news.push(news);
                }
            }
        }
        let written = party.writes.back().map(|(_, token, _)| *token);
        self.dispatch(side);
        for news in handed {
            match written {
                Some(token) => self.parties[side].ledger_calls.push_back((token, news)),
                None => self.hand_in(side, news),
            }
        }
        if !self.writes_late {
            self.write_for_ledger(side);
        }
    }

    /// Lets go of the messages that wait for nothing any more.
    fn dispatch(&mut self, side: usize) {
        let party = &mut self.parties[side];
        while party.outgoing.front().is_some_and(|(after, _)| *after <= party.durable) {
            let Some((_, message)) = party.outgoing.pop_front() else { return };
            if let Some(round) = round_in(&message) {
                let is_durable = party.kept.contains_key(&round) || !party.is_honest;
                assert!(is_durable, "round {round} leaves before it is durable");
            }
            if let ChannelMessage::Promise(given) = &message {
                party.given = party.given.max(given.promise.promise.amount);
            }
            if !self.is_cut {
                self.wires[1 - side].push_back(message.to_bytes());
            }
        }
    }

    /// The oldest write becomes durable.
    pub fn write(&mut self, side: usize) -> bool {
        let party = &mut self.parties[side];
        if party.has_failed {
            return false;
        }
        let Some((batch, token, signed)) = party.writes.pop_front() else { return false };
        party.kept.extend(signed);
        party.disk.apply(&batch);
        party.durable = Some(token);
        self.dispatch(side);
        while let Some((_, news)) = self.parties[side].ledger_calls.pop_front_if(|(after, _)| *after <= token) {
            self.hand_in(side, news);
        }
        true
    }

    /// The oldest message arrives.
    pub fn deliver(&mut self, side: usize) -> bool {
        let Some(message) = self.steal(side) else { return false };
        self.hear(side, message).expect("both are honest");
        true
    }

    /// A side is told this, by whomever.
    pub fn hear(&mut self, side: usize, message: ChannelMessage) -> Result<(), PeerFault> {
        let now = self.now;
        let heard = self.machine(side).handle_message(now, message);
        self.collect(side);
        heard
    }

    /// Takes the oldest message off its way.
    pub fn steal(&mut self, side: usize) -> Option<ChannelMessage> {
        let bytes = self.wires[side].pop_front()?;
        Some(ChannelMessage::from_bytes(&bytes).expect("it was encoded"))
    }

    /// What would arrive next.
    pub fn next_message(&self, side: usize) -> Option<ChannelMessage> {
        self.wires[side].front().map(|bytes| ChannelMessage::from_bytes(bytes).unwrap())
    }

    pub fn disconnect(&mut self) {
        [0, 1].into_iter().for_each(|side| self.cut(side));
    }

    /// The connection is gone, and one side has noticed.
    pub fn cut(&mut self, side: usize) {
        self.is_cut = true;
        self.wires.iter_mut().for_each(VecDeque::clear);
        self.parties[side].outgoing.clear();
        self.machine(side).handle_disconnected();
        self.collect(side);
    }

    /// A new connection; whoever has not noticed that the one before is gone hears of the new one first.
    pub fn connect(&mut self) {
        let now = self.now;
        self.is_cut = false;
        self.wires.iter_mut().for_each(VecDeque::clear);
        self.parties.iter_mut().for_each(|party| party.outgoing.clear());
        for side in [0, 1] {
            self.machine(side).handle_connected(now);
            self.collect(side);
        }
    }

    /// Loses whatever is on its way, and connects again.
    pub fn lose(&mut self) {
        self.disconnect();
        self.connect();
    }

    /// Kills a side: what was not durable is gone, and so is what was on its way.
    pub fn crash(&mut self, side: usize) {
        self.disconnect();
        let disk = self.parties[side].disk.clone();
        self.restart(side, disk);
        self.connect();
    }

    /// Starts a side from a disk, which may be an old one.
    pub fn restart(&mut self, side: usize, disk: MemoryStore) {
        self.start(side, disk);
        self.show_ledger(side);
    }

    /// Starts a side, which sees no ledger yet.
    pub fn start(&mut self, side: usize, disk: MemoryStore) {
        // Nothing dies and starts within one millisecond.
        self.now = self.now + Span::millis(1);
        let party = &mut self.parties[side];
        let id = party.machine.id().expect("only what has an id is on disk");
        let machine = ChannelMachine::load(party.next_signer(side), id, &disk).expect("the journal is whole");
        party.machine = machine;
        party.disk = disk;
        party.writes.clear();
        party.ledger_calls.clear();
        party.outgoing.clear();
        party.durable = None;
        party.has_failed = false;
    }

    /// Takes a side's disk away: all that it has is what the ledger shows. It waits for its peer to speak.
    pub fn lose_disk(&mut self, side: usize) {
        self.disconnect();
        self.now = self.now + Span::millis(1);
        let (now, network, entry) = (self.now, self.world.network, self.entry().unwrap());
        let party = &mut self.parties[side];
        let id = party.machine.id().unwrap();
        party.machine = ChannelMachine::found(party.next_signer(side), network, id, &entry, now).unwrap();
        party.disk = MemoryStore::new();
        party.writes.clear();
        party.ledger_calls.clear();
        party.durable = None;
        self.is_cut = false;
        self.show_ledger(side);
        self.machine(side).listen(now);
        self.collect(side);
        self.machine(1 - side).handle_connected(now);
        self.collect(1 - side);
    }

    /// A new connection of two who have both lost their disks: each waits for the other to speak.
    pub fn listen(&mut self) {
        let now = self.now;
        self.is_cut = false;
        for side in [0, 1] {
            self.machine(side).listen(now);
            self.collect(side);
        }
    }

    /// Restarts a side from an old disk, and connects. Whatever it has forgotten that it signed, it signs nothing else for those rounds, whether or
    /// not anybody tells it of them.
    pub fn restore(&mut self, side: usize, disk: MemoryStore) {
        self.disconnect();
        self.restart(side, disk);
        self.connect();
    }

    pub fn view(&self) -> LedgerView {
        let (commits, height) = (self.world.ledger.commits(), self.height());
        let environment = Environment { time: self.world.time, height };
        LedgerView { environment, commits, entry: self.entry() }
    }

    fn height(&self) -> u64 {
        self.world.checkpoints.len() as u64
    }

    pub fn entry(&self) -> Option<Channel> {
        let id = self.parties[0].machine.id()?;
        self.world.ledger.tree(ProgramId::CHANNELS)?.read(&channel_key(id))
    }

    pub fn show_ledger(&mut self, side: usize) {
        let (now, view) = (self.now, self.view());
        self.machine(side).handle_ledger(now, view);
        self.collect(side);
    }

    /// What waits for a disk before it goes to the ledger goes.
    fn write_for_ledger(&mut self, side: usize) {
        while !self.parties[side].ledger_calls.is_empty() && self.write(side) {}
    }

    /// Time passes on the ledger and everywhere, and both see the ledger and their timers. It is longer than a disk takes to write what the ledger is
    /// to have.
    pub fn tick(&mut self, span: Span) {
        [0, 1].into_iter().for_each(|side| self.write_for_ledger(side));
        for time in times_until(self.now, self.world.time.max(self.now) + span) {
            [0, 1].into_iter().for_each(|side| self.machine(side).handle_time(time));
        }
        self.world.time = self.world.time.max(self.now) + span;
        self.world.commit(&[]);
        self.now = self.world.time;
        let now = self.now;
        for side in [0, 1] {
            if self.parties[side].is_watching {
                self.show_ledger(side);
                self.machine(side).handle_wake(now);
                self.collect(side);
            }
        }
    }

    /// Writes and delivers until nothing is left to do.
    pub fn exchange(&mut self) {
        for _ in 0..10_000 {
            let done = [0, 1].map(|side| self.write(side) | self.deliver(side));
            if done == [false, false] {
                return;
            }
        }
        panic!("they talk without end");
    }

    /// All that can be done is done, on the ledger too.
    pub fn run(&mut self) {
        self.exchange();
        self.tick(Span::millis(1));
        self.exchange();
    }

    pub fn propose(&mut self, side: usize, change: Change) -> Result<u64, byway_channel::ProposeError> {
        let now = self.now;
        let proposed = self.machine(side).propose(now, change);
        self.collect(side);
        proposed
    }

    pub fn pay(&mut self, from: usize, amount: u128) -> u64 {
        self.propose(from, transfer(from, amount)).expect("it can be proposed")
    }

    pub fn fund(&mut self, side: usize, movement: Movement, amount: u128) -> Result<u64, byway_channel::ProposeError> {
        self.fund_in(side, movement, Value::way(units(amount)))
    }

    /// The same of any asset.
    pub fn fund_in(
        &mut self,
        side: usize,
        movement: Movement,
        value: Value,
    ) -> Result<u64, byway_channel::ProposeError> {
        let now = self.now;
        let asked = self.machine(side).fund(now, movement, value);
        self.collect(side);
        asked
    }

    /// Puts a counter into the channel; gives its address.
    pub fn create_counter(&mut self, by: usize) -> Address {
        let input = [&CREATE[..], &COUNTER].concat();
        let call = ContractCall { target: Target::Create, input, ..count(by, Address([0; 20]), 0, 0) };
        self.propose(by, Change::Call(call)).unwrap();
        self.exchange();
        self.machine(by).state().receipt().expect("it was the last call").contract
    }

    /// Puts so much into a side's lane.
    pub fn fill_lane(&mut self, side: usize, capacity: u128) {
        self.propose(side, Change::Lane { side: Side::BOTH[side], capacity: units(capacity) }).unwrap();
        self.exchange();
    }

    pub fn promise(&mut self, side: usize, more: u128) -> Result<Amount, byway_channel::PromiseError> {
        let promised = self.machine(side).promise(units(more));
        self.collect(side);
        promised
    }

    pub fn close_alone(&mut self, side: usize) -> Result<(), byway_channel::CloseError> {
        let now = self.now;
        let closed = self.machine(side).close_alone(now);
        self.collect(side);
        closed
    }
}

/// The times that whoever is there all the time is told meanwhile.
pub fn times_until(now: Time, end: Time) -> impl Iterator<Item = Time> {
    (now.0..end.0).step_by(30_000).map(Time)
}

pub fn terms() -> ChannelTerms {
    ChannelTerms {
        parties: [person(0).id(), person(1).id()],
        deposits: [units(DEPOSIT); 2],
        reserve: units(RESERVE),
        lock: LOCK,
        remainder: Remainder::Halves,
        secrets: [SECRET.digest(); 2],
        assets: ChannelAssets::NONE,
    }
}

pub fn transfer(from: usize, amount: u128) -> Change {
    Change::Transfer { from: Side::BOTH[from], amount: units(amount) }
}

/// A call of a counter.
pub fn count(by: usize, contract: Address, slot: u8, value: u128) -> ContractCall {
    let mut input = vec![0; 32];
    input[31] = slot;
    let (caller, target) = (Side::BOTH[by], Target::Contract(contract));
    ContractCall { caller, target, value: units(value), input, gas: GAS, evidence: Vec::new() }
}
