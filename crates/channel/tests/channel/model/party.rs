//! One side as the model has it: the machine, its disk, and what waits for that.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use byway_channel::{
    CHANNELS, ChannelEffect, ChannelMachine, ChannelMessage, ChannelNews, LedgerView, Life, Signer, position_digest,
};
use byway_crypto::IdentitySignature;
use byway_primitives::hash::Context;
use byway_primitives::{
    Amount, AssetId, Batch, Effect, Encode, Hash, IdentityId, MemoryStore, NetworkId, Store, Time, Token,
};
use byway_records::call::ChannelsCall;
use byway_records::channel::{
    ChannelState, ForcedCall, FundingChange, Movement, MutualClose, SignedForcedCall, VirtualClose, VirtualTerms,
    WatchSecret,
};
use byway_records::{Promise, SignedPromise, TransactionId};

use super::Flaw;
use crate::scene::{SECRET, person};

const DIGEST: Context = Context("byway test side of a model");

thread_local! {
    /// What was signed in the step that this thread is in, and with which it moves money in or out.
    static SIGNED: RefCell<Vec<(ChannelState, Option<FundingChange>)>> = const { RefCell::new(Vec::new()) };
}

/// Signs whatever it is asked to, and says what that was. It has nothing of its own, so it can be copied.
#[derive(Debug, Clone, Copy)]
pub struct Recorder {
    side: usize,
}

impl Recorder {
    fn note(state: ChannelState, change: Option<FundingChange>) {
        SIGNED.with_borrow_mut(|signed| signed.push((state, change)));
    }
}

impl Signer for Recorder {
    fn id(&self) -> IdentityId {
        person(self.side).id()
    }

    fn sign_state(&self, state: &ChannelState) -> IdentitySignature {
        Self::note(*state, None);
        person(self.side).sign_state(state)
    }

    fn sign_funding(&self, change: &FundingChange) -> IdentitySignature {
        Self::note(change.state, Some(*change));
        person(self.side).sign_funding(change)
    }

    fn sign_close(&self, close: &MutualClose) -> IdentitySignature {
        person(self.side).sign_close(close)
    }

    fn sign_virtual_terms(&self, terms: &VirtualTerms) -> IdentitySignature {
        person(self.side).sign_virtual_terms(terms)
    }

    fn sign_virtual_close(&self, close: &VirtualClose) -> IdentitySignature {
        person(self.side).sign_virtual_close(close)
    }

    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall {
        person(self.side).sign_call(call)
    }

    fn sign_promise(&self, promise: Promise) -> SignedPromise {
        person(self.side).sign_promise(promise)
    }

    fn watch_secret(&self, _: NetworkId, _: IdentityId, _: u16) -> WatchSecret {
        SECRET
    }

    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature {
        Signer::authorise(&person(self.side), network, transaction)
    }
}

/// A state that a side signed, and what each had paid into the channel, less what it had taken out, once that state counts.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    pub state: ChannelState,
    pub moved: [i128; 2],
}

pub type Machine = ChannelMachine<Recorder>;

#[derive(Clone)]
pub struct Party {
    pub machine: Machine,
    disk: MemoryStore,
    writes: VecDeque<(Batch, Token)>,
    durable: Option<Token>,
    outgoing: VecDeque<(Option<Token>, ChannelMessage)>,
    /// What it wants the ledger to execute, until what it had written by then is durable.
    held: VecDeque<(Option<Token>, ChannelsCall)>,
    /// What it may hand in, and has not yet.
    pub calls: VecDeque<ChannelsCall>,
    /// Commits of the ledger that it has seen.
    pub seen: u64,
    /// The digests of what it ever signed, and of what of that has left, by round. Where something is wrong with it, it may sign otherwise after a crash
    /// what has not left.
    signed: BTreeMap<u64, Hash>,
    left: BTreeMap<u64, Hash>,
    /// All that it ever signed.
    pub states: Vec<Noted>,
    /// What each has paid in since the channel was opened, less what it has taken out.
    pub moved: [i128; 2],
    /// The newest round that it durably knows to be co-signed.
    pub known: u64,
    /// What it durably took for paid out of the other's lane.
    pub taken: Amount,
    /// It does what its machine says. Otherwise it has closed with an old state, and hands in nothing more.
    pub is_honest: bool,
    /// Of all that is above.
    pub digest: Hash,
}

/// Something that must never be.
pub type Fault = Option<&'static str>;

impl Party {
    /// A side of an open channel, started from its disk.
    pub fn start(side: usize, id: byway_records::promise::ChannelId, disk: MemoryStore) -> Self {
        let machine = Machine::load(Recorder { side }, id, &disk).expect("the journal is whole");
        let first = machine.cosigned().expect("an update was made");
        Self {
            known: first.body.position.round,
            states: vec![Noted { state: first.body, moved: [0; 2] }],
            moved: [0; 2],
            taken: Amount::ZERO,
            machine,
            disk,
            writes: VecDeque::new(),
            durable: None,
            outgoing: VecDeque::new(),
            held: VecDeque::new(),
            calls: VecDeque::new(),
            seen: 0,
            signed: BTreeMap::new(),
            left: BTreeMap::new(),
            is_honest: true,
            digest: Hash::default(),
        }
    }

    /// Has the machine do something, and takes what it wants done. Gives the messages that leave.
    pub fn act<T>(
        &mut self,
        flaw: Option<Flaw>,
        fault: &mut Fault,
        act: impl FnOnce(&mut Machine) -> T,
    ) -> (T, Vec<ChannelMessage>) {
        SIGNED.take();
        let done = act(&mut self.machine);
        for (state, change) in SIGNED.take() {
            let (round, digest) = (state.position.round, position_digest(&state.position));
            if self.signed.insert(round, digest).is_some_and(|before| before != digest) {
                *fault = Some("a second state is signed for a round");
            }
            self.states.push(Noted { state, moved: after(self.moved, change) });
        }
        for effect in self.machine.poll() {
            self.take(effect, flaw);
        }
        (done, self.release(flaw, fault))
    }

    fn take(&mut self, effect: ChannelEffect, flaw: Option<Flaw>) {
        match effect {
            Effect::Persist { batch, token } => self.writes.push_back((batch, token)),
            Effect::Send { message, after, .. } => self.outgoing.push_back((after, message)),
            Effect::Notify(ChannelNews::Submit(call)) if self.is_honest => {
                let is_left_out = match call {
                    ChannelsCall::Slash { .. } => flaw == Some(Flaw::LooksAway),
                    ChannelsCall::Claim { .. } => flaw == Some(Flaw::ClaimsNothing),
                    _ => false,
                };
                let is_known = self.calls.contains(&call) || self.held.iter().any(|(_, held)| *held == call);
                if !is_left_out && !is_known {
                    self.held.push_back((self.writes.back().map(|(_, token)| *token), call));
                }
            }
            Effect::WakeAt(_) | Effect::Notify(_) => {}
        }
    }

    /// Lets go of the messages and calls that wait for nothing any more.
    fn release(&mut self, flaw: Option<Flaw>, fault: &mut Fault) -> Vec<ChannelMessage> {
        let (durable, is_hasty) = (self.durable, flaw == Some(Flaw::SendsBeforeItWrote));
        let may_leave = |after: &Option<Token>| *after <= durable || is_hasty;
        while let Some((_, call)) = self.held.pop_front_if(|(after, _)| may_leave(after)) {
            self.calls.push_back(call);
        }
        let mut leaving = Vec::new();
        while let Some((after, _)) = self.outgoing.front()
            && may_leave(after)
        {
            let Some((_, message)) = self.outgoing.pop_front() else { break };
            if let Some((round, digest)) = self.signature_in(&message)
                && self.left.insert(round, digest).is_some_and(|before| before != digest)
            {
                *fault = Some("signatures under two states of a round have left");
            }
            leaving.push(message);
        }
        if self.writes.is_empty() {
            self.known = self.known.max(self.machine.cosigned().map_or(0, |state| state.body.position.round));
            if self.machine.life() == Life::Open {
                self.taken = self.machine.promised(self.machine.side().other()).amount;
            }
        }
        leaving
    }

    /// What a message shows this side's signature under.
    fn signature_in(&self, message: &ChannelMessage) -> Option<(u64, Hash)> {
        let signed = |position| Some((position, self.signed.get(&position).copied()?));
        match message {
            ChannelMessage::Propose(proposal) => Some((proposal.round(), position_digest(&proposal.position))),
            ChannelMessage::Accept { round, .. } => signed(*round),
            ChannelMessage::Reestablish(place) => {
                place.signatures.map(|_| (place.position.round, position_digest(&place.position)))
            }
            _ => None,
        }
    }

    /// The oldest write becomes durable.
    pub fn write(&mut self, flaw: Option<Flaw>, fault: &mut Fault) -> Vec<ChannelMessage> {
        let Some((batch, token)) = self.writes.pop_front() else { return Vec::new() };
        if flaw != Some(Flaw::LosesWrites) {
            self.disk.apply(&batch);
        }
        self.durable = Some(token);
        self.release(flaw, fault)
    }

    pub fn is_durable(&self) -> bool {
        self.writes.is_empty()
    }

    /// What was on its way to the peer is gone.
    pub fn disconnect(&mut self) {
        self.outgoing.clear();
        self.machine.handle_disconnected();
        self.outgoing.clear();
    }

    /// Kills it, and starts it from its disk. What it had not handed in is gone too.
    pub fn crash(&mut self, flaw: Option<Flaw>, side: usize) {
        let id = self.machine.id().expect("it is open");
        self.machine = Machine::load(Recorder { side }, id, &self.disk).expect("the journal is whole");
        self.writes.clear();
        self.outgoing.clear();
        self.held.clear();
        self.calls.clear();
        self.durable = None;
        if flaw.is_some() {
            self.signed = self.left.clone();
        }
    }

    /// Kills it, and starts it from a disk of long ago. What it has forgotten it has only once it is told.
    pub fn forget(&mut self, flaw: Option<Flaw>, side: usize, disk: MemoryStore) {
        self.disk = disk;
        (self.known, self.taken) = (0, Amount::ZERO);
        self.crash(flaw, side);
    }

    pub fn look(&mut self, flaw: Option<Flaw>, fault: &mut Fault, now: Time, view: LedgerView) -> Vec<ChannelMessage> {
        self.seen = view.commits;
        self.act(flaw, fault, |machine| machine.handle_ledger(now, view)).1
    }

    /// Takes down what it is now, by which it is told from what it could be otherwise.
    pub fn identify(&mut self) {
        let machine = format!("{:?}", self.machine);
        let disk = self.disk.scan(CHANNELS, &[], usize::MAX);
        let waiting = format!("{:?}{:?}{:?}{:?}", self.writes, self.durable, self.outgoing, self.held);
        let (rounds, known) = (format!("{:?}{:?}", self.signed, self.left), self.known.to_be_bytes());
        let states: Vec<u8> = self.states.iter().flat_map(|noted| noted.state.to_bytes()).collect();
        let moved: Vec<[i128; 2]> = self.states.iter().map(|noted| noted.moved).chain([self.moved]).collect();
        let lanes = format!("{:?}{moved:?}", self.taken);
        let calls: Vec<u8> = self.calls.iter().flat_map(Encode::to_bytes).collect();
        let (seen, is_honest) = (self.seen.to_be_bytes(), [u8::from(self.is_honest)]);
        let mut parts: Vec<&[u8]> = vec![machine.as_bytes(), waiting.as_bytes(), rounds.as_bytes(), &known, &states];
        parts.extend([&calls[..], &seen, &is_honest, lanes.as_bytes()]);
        parts.extend(disk.iter().flat_map(|(key, value)| [&key[..], value]));
        self.digest = DIGEST.hash(&parts);
    }
}

/// What has been moved once a change counts as well.
pub fn after(mut moved: [i128; 2], change: Option<FundingChange>) -> [i128; 2] {
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
    moved
}
