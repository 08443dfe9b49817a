//! All that there is between two sides and the ledger at a moment, and what can happen to it.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use byway_channel::{ChannelMessage, Health, LedgerView, Life, UNHEARD_TIME_MAX};
use byway_ledger::Verdict;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Encode, Hash, MemoryStore, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{ChannelState, Cosigned, Environment, Movement, Phase, Side};
use byway_records::promise::ChannelId;
use byway_records::state::Settled;
use byway_records::{Call, Channel, ProgramId, Reject, Value};
use byway_vm::Address;

use super::party::{Fault, Machine, Noted, Party, after};
use super::{Action, Bounds, Flaw};
use crate::scene::{DEPOSIT, LOCK, Rig, SAVED, SECRET, count, terms, times_until, transfer};
use crate::world::{CHANNEL_PRICE, Draft, World, units};

const DIGEST: Context = Context("byway test situation of a model");

/// What each update moves, and what a forced call pays into a contract.
const PAID: u128 = 250_001;
const FORCED: u128 = 37_003;

/// More messages than two need for all that can happen here.
const ARRIVED_MAX: u8 = 60;

/// What is in the initiator's lane where anything is promised, what each promise is more, and what is put in or taken out.
const LANE: u128 = 600_000;
const PROMISED: u128 = 150_007;
const MOVED: u128 = 70_001;

/// What does not change.
#[derive(Clone)]
pub struct Scene {
    pub channel: ChannelId,
    pub counter: Address,
    /// The state with which somebody closes who hopes that nobody looks.
    pub old: Cosigned<ChannelState>,
    /// The disks as they are when all begins.
    pub disks: [MemoryStore; 2],
}

/// How the channel came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Together,
    Alone,
}

#[derive(Clone)]
pub struct Situation {
    scene: Arc<Scene>,
    parties: [Arc<Party>; 2],
    /// What is on its way to each side.
    wires: [VecDeque<ChannelMessage>; 2],
    pub is_connected: bool,
    world: Arc<World>,
    entry: Option<Arc<Channel>>,
    now: Time,
    /// Messages that have arrived. Whatever could go on without end has them arrive, so no order of events comes back to where it was.
    arrived: u8,
    /// How much has happened of what is bounded.
    used: Bounds,
    /// The newest co-signed round that the ledger was shown.
    shown: u64,
    /// What the ledger charged each side as long as it had the channel, and what a side's forced calls paid.
    charged: [Amount; 2],
    forced: [u128; 2],
    pub has_answered: bool,
    pub has_forced: bool,
    pub has_tied: bool,
    pub has_claimed: bool,
    pub end: Option<End>,
    pub is_supply_whole: bool,
    pub fault: Fault,
    digest: Hash,
}

impl Situation {
    /// An open channel with a contract in it. Both sides have just started and are not connected.
    pub fn first(with_lane: bool) -> Self {
        let mut rig = Rig::new();
        let counter = rig.create_counter(0);
        let channel = rig.machine(0).id().unwrap();
        let old = rig.machine(0).cosigned().unwrap();
        if with_lane {
            rig.fill_lane(0, LANE);
        }
        let disks = rig.parties.each_ref().map(|party| party.disk.clone());
        let [one, other] = disks.clone();
        let parties = [Party::start(0, channel, one), Party::start(1, channel, other)].map(Arc::new);
        let (world, now) = (rig.world, rig.now);
        let scene = Scene { channel, counter, old, disks };
        let mut first = Self {
            scene: Arc::new(scene),
            parties,
            wires: Default::default(),
            is_connected: false,
            world: Arc::new(world),
            entry: None,
            now,
            arrived: 0,
            used: Bounds::default(),
            shown: 0,
            charged: Default::default(),
            forced: [0; 2],
            has_answered: false,
            has_forced: false,
            has_tied: false,
            has_claimed: false,
            end: None,
            is_supply_whole: true,
            fault: None,
            digest: Hash::default(),
        };
        first.note_ledger();
        [0, 1].into_iter().for_each(|side| first.look(None, side));
        first.connect(None);
        first.settle_talk();
        first.arrived = 0;
        first.identify();
        first
    }

    fn settle_talk(&mut self) {
        for side in [0, 1].into_iter().cycle().take(40) {
            self.write(None, side);
            if !self.wires[side].is_empty() {
                self.deliver(None, side);
            }
        }
        assert!(self.is_quiet() && [0, 1].into_iter().all(|side| self.machine(side).is_connected()));
    }

    pub fn machine(&self, side: usize) -> &Machine {
        &self.parties[side].machine
    }

    fn read_entry(&self) -> Option<Arc<Channel>> {
        let key = channel_key(self.scene.channel);
        self.world.ledger.tree(ProgramId::CHANNELS)?.read(&key).map(Arc::new)
    }

    fn commits(&self) -> u64 {
        self.world.ledger.commits()
    }

    fn is_closing_on_ledger(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.phase != Phase::Active)
    }

    fn is_ending(&self) -> bool {
        self.is_closing_on_ledger() || self.parties.iter().any(|party| party.machine.life() == Life::Closing)
    }

    /// Nothing is on its way, is written, handed in or to be seen.
    fn is_quiet(&self) -> bool {
        let parties = self.parties.iter();
        let rests = |party: &Arc<Party>| party.is_durable() && party.calls.is_empty() && party.seen == self.commits();
        self.wires.iter().all(VecDeque::is_empty) && parties.into_iter().all(rests)
    }

    pub fn is_over(&self) -> bool {
        self.entry.is_none() && [0, 1].into_iter().all(|side| self.machine(side).life() == Life::Closed)
    }

    /// What can happen now.
    pub fn actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        for side in [0, 1] {
            if self.parties[side].seen != self.commits() {
                actions.push(Action::Look(side));
            }
        }
        if self.entry.is_none() || self.fault.is_some() {
            return;
        }
        let used = &self.used;
        let is_ending = self.is_ending();
        // Whoever wants to part says so again, if that was forgotten in a crash: no channel is for ever.
        let wants_end = !is_ending && self.is_connected && self.is_quiet();
        for side in [0, 1] {
            let party = &self.parties[side];
            let may = |is_possible: bool, action: Action| is_possible.then_some(action);
            let possible = [
                may(!self.wires[side].is_empty(), Action::Deliver(side)),
                may(!party.is_durable(), Action::Write(side)),
                may(!party.calls.is_empty(), Action::Execute(side)),
                may(used.crashes < bounds.crashes, Action::Crash(side)),
                may(used.updates < bounds.updates, Action::Propose(side)),
                may(used.cancels < bounds.cancels && !party.machine.released().is_empty(), Action::Cancel(side)),
                may(used.forces < bounds.forces && party.is_honest, Action::Force(side)),
                may(used.closes < bounds.closes || wants_end, Action::CloseAlone(side)),
                may(used.partings < bounds.partings, Action::Part(side)),
                may(used.promises < bounds.promises && side == 0, Action::Promise(side)),
                may(used.absorbs < bounds.absorbs && side == 1, Action::Absorb(side)),
                may(used.deposits < bounds.deposits, Action::Deposit(side)),
                may(used.withdrawals < bounds.withdrawals, Action::Withdraw(side)),
                may(used.forgets < bounds.forgets, Action::Forget(side)),
                may(used.olds < bounds.olds && self.can_close_with_old(), Action::CloseWithOld(side)),
            ];
            actions.extend(possible.into_iter().flatten());
        }
        if self.is_connected {
            actions.extend((used.cuts < bounds.cuts).then_some(Action::Cut));
        } else {
            actions.push(Action::Connect);
        }
        if self.is_quiet() && (is_ending || used.waits < bounds.waits) && used.passes < bounds.passes {
            actions.push(Action::Pass);
        }
    }

    fn can_close_with_old(&self) -> bool {
        self.parties.iter().all(|party| party.is_honest) && !self.is_closing_on_ledger()
    }

    /// Whether nothing more can happen.
    pub fn is_last(&self, bounds: &Bounds, flaw: Option<Flaw>) -> bool {
        let mut actions = Vec::new();
        self.actions(bounds, &mut actions);
        actions.into_iter().all(|action| action.may_be_refused() && self.after(flaw, action).is_none())
    }

    /// What there is after something has happened; `None` where it can't.
    pub fn after(&self, flaw: Option<Flaw>, action: Action) -> Option<Self> {
        let mut next = self.clone();
        let (now, counter) = (next.now, next.scene.counter);
        match action {
            Action::Deliver(side) => next.deliver(flaw, side),
            Action::Write(side) => next.write(flaw, side),
            Action::Look(side) => next.look(flaw, side),
            Action::Execute(side) => next.execute(flaw, side),
            Action::Cut => {
                next.used.cuts += 1;
                next.disconnect();
            }
            Action::Connect => next.connect(flaw),
            Action::Crash(side) => {
                next.used.crashes += 1;
                next.disconnect();
                next.start_later(flaw);
                Arc::make_mut(&mut next.parties[side]).crash(flaw, side);
                next.look(flaw, side);
            }
            Action::Propose(side) => {
                next.used.updates += 1;
                let amount = PAID + u128::from(next.used.updates);
                next.act(flaw, side, |machine| machine.propose(now, transfer(side, amount)))?;
            }
            Action::Cancel(side) => {
                next.used.cancels += 1;
                next.act(flaw, side, |machine| machine.cancel(now))?;
            }
            Action::Force(side) => {
                next.used.forces += 1;
                next.act(flaw, side, |machine| machine.force(now, &count(side, counter, 5, FORCED)))?;
            }
            Action::CloseAlone(side) => {
                next.used.closes += 1;
                next.act(flaw, side, |machine| machine.close_alone(now))?;
            }
            Action::Part(side) => {
                next.used.partings += 1;
                next.act(flaw, side, |machine| machine.close(now))?;
            }
            Action::CloseWithOld(side) => next.close_with_old(side),
            Action::Pass => next.pass(flaw),
            Action::Promise(side) => {
                next.used.promises += 1;
                next.act(flaw, side, |machine| machine.promise(units(PROMISED)))?;
            }
            Action::Absorb(side) => {
                next.used.absorbs += 1;
                let absorption = next.machine(side).absorption()?;
                next.act(flaw, side, |machine| machine.propose(now, absorption))?;
            }
            Action::Deposit(side) => {
                next.used.deposits += 1;
                next.act(flaw, side, |machine| machine.fund(now, Movement::Deposit, Value::way(units(MOVED))))?;
            }
            Action::Withdraw(side) => {
                next.used.withdrawals += 1;
                next.act(flaw, side, |machine| machine.fund(now, Movement::Withdraw, Value::way(units(MOVED))))?;
            }
            Action::Forget(side) => {
                next.used.forgets += 1;
                next.disconnect();
                let disk = next.scene.disks[side].clone();
                next.start_later(flaw);
                Arc::make_mut(&mut next.parties[side]).forget(flaw, side, disk);
                next.look(flaw, side);
            }
        }
        next.identify();
        Some(next)
    }

    /// Nothing dies and starts within one millisecond. Where it does, and the disk is not what it should be, rounds are signed twice.
    fn start_later(&mut self, flaw: Option<Flaw>) {
        if flaw.is_none() {
            self.now = self.now + Span::millis(1);
        }
    }

    /// A side shows the ledger an old state, and nothing else from then on.
    fn close_with_old(&mut self, side: usize) {
        self.used.olds += 1;
        let party = Arc::make_mut(&mut self.parties[side]);
        let (side, state) = (Side::BOTH[side], Some(self.scene.old));
        let close = ChannelsCall::CloseSolo { channel: self.scene.channel, side, secret: SECRET, state };
        (party.is_honest, party.calls) = (false, VecDeque::from([close]));
    }

    /// A side does something; `None` if it can't.
    fn act<T, E>(
        &mut self,
        flaw: Option<Flaw>,
        side: usize,
        act: impl FnOnce(&mut Machine) -> Result<T, E>,
    ) -> Option<T> {
        let party = Arc::make_mut(&mut self.parties[side]);
        let (done, messages) = party.act(flaw, &mut self.fault, act);
        self.send(side, messages);
        done.ok()
    }

    fn send(&mut self, side: usize, messages: Vec<ChannelMessage>) {
        if self.is_connected {
            self.wires[1 - side].extend(messages);
        }
    }

    fn write(&mut self, flaw: Option<Flaw>, side: usize) {
        let messages = Arc::make_mut(&mut self.parties[side]).write(flaw, &mut self.fault);
        self.send(side, messages);
    }

    fn deliver(&mut self, flaw: Option<Flaw>, side: usize) {
        let Some(message) = self.wires[side].pop_front() else { return };
        if let (ChannelMessage::Propose(proposal), Some(ours)) = (&message, self.machine(side).released().last()) {
            self.has_tied |= proposal.round() == ours.round() && proposal.position != ours.position;
        }
        self.arrived += 1;
        if self.arrived > ARRIVED_MAX {
            self.fault = Some("they talk without end");
        }
        let (now, party) = (self.now, Arc::make_mut(&mut self.parties[side]));
        let (heard, messages) = party.act(flaw, &mut self.fault, |machine| machine.handle_message(now, message));
        if heard.is_err() {
            self.fault = Some("one that does what its machine says is blamed");
        }
        self.send(side, messages);
    }

    fn disconnect(&mut self) {
        self.is_connected = false;
        self.wires.iter_mut().for_each(VecDeque::clear);
        self.parties.iter_mut().for_each(|party| Arc::make_mut(party).disconnect());
    }

    fn connect(&mut self, flaw: Option<Flaw>) {
        let now = self.now;
        self.is_connected = true;
        for side in [0, 1] {
            self.act(flaw, side, |machine| {
                machine.handle_connected(now);
                Ok::<_, ()>(())
            });
        }
    }

    fn look(&mut self, flaw: Option<Flaw>, side: usize) {
        let environment = Environment { time: self.world.time, height: self.world.checkpoints.len() as u64 };
        let entry = self.entry.as_deref().cloned();
        let (now, view) = (self.now, LedgerView { environment, commits: self.commits(), entry });
        let messages = Arc::make_mut(&mut self.parties[side]).look(flaw, &mut self.fault, now, view);
        self.send(side, messages);
    }

    /// The ledger executes what a side wants it to.
    fn execute(&mut self, flaw: Option<Flaw>, side: usize) {
        let Some(call) = Arc::make_mut(&mut self.parties[side]).calls.pop_front() else { return };
        let world = Arc::make_mut(&mut self.world);
        let draft = Draft { call: Some(Call::Channels(call.clone())), signers: vec![side], ..Draft::default() };
        let mut verdict = world.run(&draft);
        if verdict == Verdict::Rejected(Reject::ChannelFee) && !matches!(call, ChannelsCall::ForceProgress(_)) {
            let draft = Draft { fee: units(CHANNEL_PRICE), ..draft };
            verdict = world.run(&world.funded(world.coin(side), draft));
        }
        self.note_ledger();
        if self.entry.is_none() {
            // What one side does before it sees that can't matter any more.
            self.wires.iter_mut().for_each(VecDeque::clear);
            [0, 1].into_iter().for_each(|side| self.look(flaw, side));
        }
        if verdict != Verdict::Final {
            return;
        }
        match call {
            ChannelsCall::Slash { .. } => self.has_answered = true,
            ChannelsCall::ForceProgress(force) => {
                self.has_forced |= self.entry.as_ref().is_some_and(|entry| entry.first_forced().is_some());
                self.forced[side] += force.call.call.value.units();
            }
            ChannelsCall::Claim { .. } => self.has_claimed = true,
            ChannelsCall::Fund(change) => {
                self.parties.iter_mut().for_each(|party| {
                    let party = Arc::make_mut(party);
                    party.moved = after(party.moved, Some(change.body));
                });
            }
            ChannelsCall::CloseMutual(_) => self.end = Some(End::Together),
            ChannelsCall::Settle { .. } => self.end = Some(End::Alone),
            _ => {}
        }
    }

    fn note_ledger(&mut self) {
        let world = Arc::make_mut(&mut self.world);
        world.batches.clear();
        world.commits.clear();
        self.now = self.now.max(self.world.time);
        self.entry = self.read_entry();
        let way = self.world.genesis.supply().expect("it fits");
        self.is_supply_whole &= self.world.ledger.supply(&self.world.store).check(way).is_ok();
        if let Some(entry) = &self.entry {
            self.charged = entry.charged;
            self.shown = self.shown.max(entry.signed);
        }
    }

    /// So much time passes that whatever is waited for is over: the lock period where the channel is closing. Nobody looks away that long.
    fn pass(&mut self, flaw: Option<Flaw>) {
        self.used.passes += 1;
        self.used.waits += u8::from(!self.is_ending());
        let span = if self.is_closing_on_ledger() { Span::seconds(15) } else { UNHEARD_TIME_MAX };
        for time in times_until(self.now, self.world.time.max(self.now) + span) {
            self.parties.iter_mut().for_each(|party| Arc::make_mut(party).machine.handle_time(time));
        }
        let world = Arc::make_mut(&mut self.world);
        world.time = world.time.max(self.now) + span;
        (0..LOCK.commits).for_each(|_| drop(world.commit(&[])));
        self.note_ledger();
        let now = self.now;
        for side in [0, 1] {
            self.look(flaw, side);
            self.act(flaw, side, |machine| {
                machine.handle_wake(now);
                Ok::<_, ()>(())
            });
            if !self.parties[side].is_honest && self.entry.is_some() {
                // It wants the money, and as soon as can be: where its old state was refused or forgotten, with what the ledger has.
                let channel = self.scene.channel;
                let call = if self.is_closing_on_ledger() {
                    ChannelsCall::Settle { channel, witness: Vec::new() }
                } else {
                    ChannelsCall::CloseSolo { channel, side: Side::BOTH[side], secret: SECRET, state: None }
                };
                Arc::make_mut(&mut self.parties[side]).calls.push_back(call);
            }
        }
    }

    /// Nobody froze: that takes two co-signed states of one round.
    pub fn is_sound(&self) -> bool {
        let frozen = |party: &Arc<Party>| matches!(party.machine.health(), Health::Frozen(_));
        !self.parties.iter().any(frozen)
    }

    pub fn has_moved(&self) -> bool {
        self.parties[0].moved != [0; 2]
    }

    pub fn has_forgotten(&self) -> bool {
        self.used.forgets > 0
    }

    /// Whether whoever did what its machine says has at least the worst of what it signed since the newest state that both are known to
    /// have signed, less what the ledger took for its own acts. The rule of `Drive::assert_paid`.
    pub fn is_paid(&self) -> bool {
        let honest = [0, 1].into_iter().filter(|side| self.parties[*side].is_honest);
        let newest = honest.clone().map(|side| self.parties[side].known).fold(self.shown, u64::max);
        honest.into_iter().all(|side| {
            let states = self.parties[side].states.iter().filter(|noted| noted.state.position.round >= newest);
            let worst = states.map(|noted| self.worth(noted, side)).min();
            let first = (newest == 0).then_some(DEPOSIT as i128);
            let worst = worst.into_iter().chain(first).min().expect("it signed what is co-signed");
            let own = self.charged[side].units() + self.forced[side] + CHANNEL_PRICE + 2;
            self.world.balance(side) as i128 + own as i128 >= worst + SAVED as i128 - DEPOSIT as i128
        })
    }

    /// What a state is worth to a side, were the channel closed with it and with what was promised so far, less what it has put in.
    fn worth(&self, noted: &Noted, side: usize) -> i128 {
        let Noted { state: ChannelState { position, total, .. }, moved } = *noted;
        let promised = [0, 1].map(|party: usize| self.machine(party).promised(Side::BOTH[side]));
        let given = promised.into_iter().max_by_key(|given| given.amount).expect("two");
        let taken = Settled { serial: 1, amount: self.parties[side].taken };
        let rest = position.rest(total).expect("no more is divided than there is");
        let share = terms().remainder.shares(rest)[side].units();
        let own = position.lanes[side].capacity.units() - position.lanes[side].due(given).units();
        let due = position.lanes[1 - side].due(taken).units();
        (position.balances[side].units() + share + own + due) as i128 - moved[side]
    }

    fn identify(&mut self) {
        for party in &mut self.parties {
            // Whoever has not changed is shared with the situation before.
            if let Some(party) = Arc::get_mut(party) {
                party.identify();
            }
        }
        let wires = format!("{:?}", self.wires);
        let rest = (
            self.is_connected,
            self.now,
            self.commits(),
            &self.used,
            self.arrived,
            self.shown,
            self.charged,
            self.forced,
        );
        let flags = (self.has_answered, self.has_forced, self.has_tied, self.has_claimed, self.end, self.fault);
        let rest = format!("{rest:?}{flags:?}");
        let entry = self.entry.as_ref().map(|entry| entry.to_bytes()).unwrap_or_default();
        let balances = [0, 1].map(|side| self.world.balance(side).to_be_bytes());
        let [one, other] = self.parties.each_ref().map(|party| party.digest.0);
        let parts: [&[u8]; 7] = [&one, &other, wires.as_bytes(), rest.as_bytes(), &entry, &balances[0], &balances[1]];
        self.digest = DIGEST.hash(&parts);
    }
}

impl PartialEq for Situation {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl StdHash for Situation {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.digest.0.hash(hasher);
    }
}

impl fmt::Debug for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = [0, 1].map(|side| (self.machine(side).life(), self.machine(side).position().round));
        let entry = self.entry.as_ref().map(|entry| (entry.phase, entry.signed, entry.position.round));
        write!(f, "{sides:?} {entry:?} {:?} {:?} {:?}", self.used, self.end, self.fault)
    }
}
