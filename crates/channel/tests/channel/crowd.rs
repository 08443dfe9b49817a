//! Many channels of one party at once: all closed by their peer with old states, and an attacker who fills commits meanwhile.

use byway_channel::{
    CHANNELS, Change, ChannelEffect, ChannelHandle, ChannelMachine, ChannelNews, Channels, ContractCall, LedgerView,
};
use byway_kernel::Source;
use byway_ledger::Verdict;
use byway_primitives::{Amount, Batch, Effect, Encode, Hash, MemoryStore, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{
    ChannelAssets, ChannelState, ChannelTerms, Cosigned, Environment, FORCED_INPUT_BYTES_MAX, Remainder, Side,
};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::state::Deadline;
use byway_records::{Call, Channel, ProgramId, Reject, Transaction, VerifiedTransaction, verified};
use byway_vm::Target;

use crate::admission::Admission;
use crate::scene::{COUNTER, CREATE, GAS, LOCK, count, person, transfer};
use crate::strict::{Ever, StrictSigner};
use crate::world::{ALICE, BOB, CAROL, Draft, World, units};

type Machine = ChannelMachine<StrictSigner>;

/// One channel: the party's machine and its peer's.
struct Pair {
    machines: [Machine; 2],
    old: Option<Cosigned<ChannelState>>,
}

struct Crowd {
    world: World,
    pairs: Vec<Pair>,
    /// The party's.
    disk: MemoryStore,
    /// Whatever each has signed.
    ever: [Ever; 2],
}

fn terms(deposit: u128, reserve: u128) -> ChannelTerms {
    let parties = [0, 1].map(|side| person(side).id());
    let (deposits, reserve) = ([units(deposit); 2], units(reserve));
    ChannelTerms {
        parties,
        deposits,
        reserve,
        lock: LOCK,
        remainder: Remainder::Halves,
        secrets: [Hash::default(); 2],
        assets: ChannelAssets::NONE,
    }
}

impl Crowd {
    /// So many open channels on the same terms.
    fn new(size: usize, terms: ChannelTerms) -> Self {
        let mut world = World::new();
        for person in [ALICE, BOB] {
            let saved = terms.deposits[0].units() * size as u128;
            world.must(&world.deposit(world.coin(person), person, saved));
        }
        let mut crowd = Self { world, pairs: Vec::new(), disk: MemoryStore::new(), ever: Default::default() };
        let mut funding = Vec::new();
        for number in 0..size {
            funding.push(crowd.open(number as u64, terms));
        }
        let verdicts = crowd.world.commit(&funding);
        assert_eq!(verdicts, vec![Verdict::Final; size]);
        for number in 0..size {
            crowd.see(number);
            crowd.talk(number);
            assert!(crowd.pairs[number].machines.iter().all(Machine::is_connected));
        }
        crowd
    }

    fn signer(&self, side: usize) -> StrictSigner {
        StrictSigner::new(person(side), &self.ever[side])
    }

    /// Agrees to a channel; gives the transaction that opens it.
    fn open(&mut self, number: u64, terms: ChannelTerms) -> VerifiedTransaction {
        // On the same terms at the same time it would be the same channel.
        let (now, network) = (self.world.time + Span::millis(number), self.world.network);
        let one = Machine::initiate(self.signer(0), network, terms, 0, now).unwrap();
        let mut other = Machine::respond(self.signer(1), network, *one.terms(), 0, now).unwrap();
        other.agree(now);
        let mut pair = Pair { machines: [one, other], old: None };
        // The responder's machine was made of what the initiator said first.
        pair.machines[0].poll();
        self.pairs.push(pair);
        let number = self.pairs.len() - 1;
        let is_funding = |news| if let ChannelNews::Fund(transaction) = news { Some(transaction) } else { None };
        let transaction: Transaction = self.talk(number).into_iter().find_map(is_funding).unwrap();
        verified::verify(network, transaction).unwrap()
    }

    /// Both sides of a channel write and talk until nothing is left to say; gives what they told.
    fn talk(&mut self, number: usize) -> Vec<ChannelNews> {
        let (now, mut told) = (self.world.time + Span::millis(number as u64), Vec::new());
        loop {
            let pair = &mut self.pairs[number];
            let effects: [Vec<ChannelEffect>; 2] = pair.machines.each_mut().map(Machine::poll);
            if effects.iter().all(Vec::is_empty) {
                return told;
            }
            for (side, effect) in
                effects.into_iter().enumerate().flat_map(|(side, all)| all.into_iter().map(move |one| (side, one)))
            {
                match effect {
                    Effect::Persist { batch, .. } if side == 0 => self.disk.apply(&batch),
                    Effect::Send { message, .. } => pair.machines[1 - side].handle_message(now, message).unwrap(),
                    Effect::Notify(news) => told.push(news),
                    Effect::Persist { .. } | Effect::WakeAt(_) => {}
                }
            }
        }
    }

    fn entry(&self, id: ChannelId) -> Option<Channel> {
        self.world.ledger.tree(ProgramId::CHANNELS)?.read(&channel_key(id))
    }

    fn id(&self, number: usize) -> ChannelId {
        self.pairs[number].machines[0].id().unwrap()
    }

    fn environment(&self) -> Environment {
        Environment { time: self.world.time, height: self.world.checkpoints.len() as u64 }
    }

    fn see(&mut self, number: usize) {
        let (now, entry) = (self.world.time, self.entry(self.id(number)));
        let view = LedgerView { environment: self.environment(), commits: self.world.ledger.commits(), entry };
        self.pairs[number].machines.iter_mut().for_each(|machine| machine.handle_ledger(now, view.clone()));
    }

    fn update(&mut self, number: usize, by: usize, change: Change) {
        self.pairs[number].machines[by].propose(self.world.time, change).unwrap();
        self.talk(number);
    }

    /// Puts a counter into a channel, and gives the call by which the peer forces it.
    fn forced(&mut self, number: usize) -> ChannelsCall {
        let input = [&CREATE[..], &COUNTER].concat();
        let (caller, value) = (Side::Initiator, Amount::ZERO);
        self.update(
            number,
            0,
            Change::Call(ContractCall { caller, target: Target::Create, value, input, gas: GAS, evidence: Vec::new() }),
        );
        let contract = self.pairs[number].machines[1].state().receipt().unwrap().contract;
        self.see(number);
        // All that the call names it needs: its input is as long as it may be.
        let call = count(1, contract, 1, 0);
        let input = call.input.iter().copied().chain([7; FORCED_INPUT_BYTES_MAX - 32]).collect();
        self.pairs[number].machines[1].force(self.world.time, &ContractCall { input, ..call }).unwrap();
        let is_forced = |news| if let ChannelNews::Submit(call) = news { Some(call) } else { None };
        self.talk(number).into_iter().find_map(is_forced).unwrap()
    }

    /// The peer pays back in a second state what the first gave it.
    fn pay_back(&mut self, number: usize) {
        self.update(number, 0, transfer(0, 3_000));
        self.pairs[number].old = self.pairs[number].machines[1].cosigned();
        self.update(number, 1, transfer(1, 3_000));
    }

    fn close_with_old(&self, number: usize) -> ChannelsCall {
        let Pair { machines, old: state } = &self.pairs[number];
        let (channel, secret) = (self.id(number), machines[0].peer_secret().unwrap());
        ChannelsCall::CloseSolo { channel, side: Side::Responder, secret, state: *state }
    }

    fn sign(&mut self, signer: usize, call: ChannelsCall) -> VerifiedTransaction {
        self.world.sign(&Draft { call: Some(Call::Channels(call)), signers: vec![signer], ..Draft::default() })
    }

    fn sign_all(&mut self, signer: usize, calls: Vec<ChannelsCall>) -> Vec<VerifiedTransaction> {
        calls.into_iter().map(|call| self.sign(signer, call)).collect()
    }

    /// The party starts from its disk, on which all its channels are.
    fn start(&mut self) -> Channels<StrictSigner> {
        let mut handles = Batch::new();
        for (number, pair) in (0u128..).zip(&self.pairs) {
            let key = [&[3][..], &pair.machines[0].id().unwrap().0.0].concat();
            handles.put(CHANNELS, key, ChannelHandle(number.to_be_bytes()).to_bytes());
        }
        self.disk.apply(&handles);
        let channels = Channels::load(self.signer(0), self.world.network, &self.disk).unwrap();
        assert_eq!(channels.iter().count(), self.pairs.len());
        channels
    }

    /// What the party hands in when it sees the ledger as it is now.
    fn answers(&self, channels: &mut Channels<StrictSigner>) -> Vec<ChannelsCall> {
        let (environment, commits) = (self.environment(), self.world.ledger.commits());
        channels.handle_ledger(self.world.time, environment, commits, |_| true, |id| self.entry(id));
        let effects = channels.poll().into_iter();
        let calls = effects.filter_map(|(_, effect)| match effect {
            Effect::Notify((_, ChannelNews::Submit(call))) => Some(call),
            _ => None,
        });
        calls.collect()
    }
}

/// How many channels are closed at once: a few hundred, and all of them on request.
fn size() -> usize {
    if std::env::var_os("BYWAY_TEST_LONG").is_some() { 10_000 } else { 500 }
}

/// Who hands in at the node whose pool is looked at here.
const PARTY: Source = Source::Client(0);
const PEER: Source = Source::Client(1);
const CROWD_LOCK: Wait = Wait { millis: Span::seconds(20), ..LOCK };

/// The peer's closes with old states have all come at once, and it hands in as many calls more to keep the answers out. The
/// party answers as soon as a checkpoint shows it what there is. Gives how much of the lock period is left when the last answer is executed, and
/// in how many commits they are.
fn answer_all(crowd: &mut Crowd, channels: &mut Channels<StrictSigner>) -> (Span, usize) {
    let size = crowd.pairs.len();
    let [closes, more] = [(); 2].map(|()| (0..size).map(|number| crowd.close_with_old(number)).collect());
    let closes = crowd.sign_all(BOB, closes);
    assert!(crowd.world.commit(&closes).iter().all(|verdict| *verdict == Verdict::Final));
    let commits = crowd.world.ledger.commits() + CROWD_LOCK.commits;
    let until = Deadline { time: crowd.world.time + CROWD_LOCK.millis, commits };
    let mut admission = Admission::new();
    for close in crowd.sign_all(BOB, more) {
        admission.hand_in(crowd.world.time, PEER, close);
    }
    let (mut answered, mut commits, mut spare) = (0, 0, CROWD_LOCK.millis);
    while answered < size {
        let checkpoints = crowd.world.checkpoints.len();
        let executed = admission.commit(&mut crowd.world);
        let is_answer = |(transaction, _): &&(VerifiedTransaction, Verdict)| {
            matches!(transaction.call(), Some(Call::Channels(ChannelsCall::Slash { .. })))
        };
        let answers: Vec<_> = executed.iter().filter(is_answer).collect();
        // What was handed in again meanwhile is executed once.
        let (answers, again): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, verdict)| *verdict == Verdict::Final);
        assert!(again.iter().all(|(_, verdict)| *verdict == Verdict::Rejected(Reject::ChannelRound)));
        let (time, commit) = (crowd.world.time, crowd.world.ledger.commits());
        assert!(!until.passed(time, commit), "{answered} of {size} are answered when the lock period is over");
        if !answers.is_empty() {
            (answered, commits, spare) = (answered + answers.len(), commits + 1, until.time.since(time));
        }
        if crowd.world.checkpoints.len() > checkpoints {
            let answers = crowd.answers(channels);
            for answer in crowd.sign_all(ALICE, answers) {
                admission.hand_in(crowd.world.time, PARTY, answer);
            }
        }
    }
    println!("{size} answers in {commits} commits, {spare:?} to spare, {} times no room", admission.refused);
    (spare, commits)
}

#[test]
fn ten_thousand_closes_with_old_states_are_all_answered_within_one_lock_period() {
    let size = size();
    let mut crowd = Crowd::new(size, ChannelTerms { lock: CROWD_LOCK, ..terms(40_000, 20_000) });
    (0..size).for_each(|number| crowd.pay_back(number));
    let mut channels = crowd.start();
    let (spare, commits) = answer_all(&mut crowd, &mut channels);
    assert!(spare > Span::ZERO && commits > size / 400, "no commit has room for all: {commits}");
    assert!((0..size).all(|number| crowd.entry(crowd.id(number)).unwrap().signed == 2));
    // The peer has paid for closing, the party for opening and for its answer, and whoever closed is charged for the settling.
    crowd.world.wait(CROWD_LOCK);
    let settles = crowd.answers(&mut channels);
    let settles = crowd.sign_all(ALICE, settles);
    assert!(crowd.world.commit(&settles).iter().all(|verdict| *verdict == Verdict::Final));
    assert_eq!(crowd.world.balance(ALICE), size as u128 * (40_000 - 2_000));
    assert_eq!(crowd.world.balance(BOB), size as u128 * (40_000 - 2_000));
}

#[test]
fn whoever_fills_commits_with_forced_calls_keeps_no_answer_out() {
    let mut crowd = Crowd::new(52, terms(2_000_000, 1_000_000));
    let code = Call::Channels(ChannelsCall::RegisterCode { code: COUNTER.to_vec() });
    let draft = Draft { call: Some(code), fee: units(30_000), ..Draft::default() };
    crowd.world.must(&crowd.world.funded(crowd.world.coin(CAROL), draft));
    let forced: Vec<_> = (1..52).map(|number| crowd.forced(number)).collect();
    crowd.pay_back(0);
    let mut channels = crowd.start();
    let close = crowd.close_with_old(0);
    let close = crowd.sign(BOB, close);
    assert_eq!(crowd.world.commit(&[close]), [Verdict::Final]);
    // The attacker's calls come first in the commit in which the answer is.
    let mut commit = crowd.sign_all(BOB, forced);
    let answers = crowd.answers(&mut channels);
    commit.extend(crowd.sign_all(ALICE, answers));
    let verdicts = crowd.world.commit(&commit);
    let (answer, forced) = verdicts.split_last().unwrap();
    assert_eq!(*answer, Verdict::Final);
    assert!(forced.contains(&Verdict::Final) && forced.contains(&Verdict::Rejected(Reject::ChannelBusy)), "it is full");
    crowd.world.wait(LOCK);
    let before = crowd.world.balance(ALICE);
    let settle = crowd.sign(BOB, ChannelsCall::Settle { channel: crowd.id(0), witness: Vec::new() });
    assert_eq!(crowd.world.commit(&[settle]), [Verdict::Final]);
    assert_eq!(crowd.world.balance(ALICE) - before, 2_000_000 - 2_000);
}
