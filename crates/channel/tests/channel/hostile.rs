//! A peer that does whatever it can, driven by bytes, against a side that does only what the machine says.
//!
//! The peer has a machine too, so that there is a channel to cheat in; but it keeps whatever was ever said or signed, goes back to old
//! disks, signs anything, and shows the ledger what it likes. The honest side loses messages and crashes meanwhile, starts from old disks, and looks at the
//! ledger before time passes. In the end it has no less than the newest state that it knew both to have signed, or the worst that it
//! signed since, less what the ledger charged it for its own acts; and nothing made it panic or sign twice.

use byway_channel::{
    CLOCKS_APART_MAX, Change, ChannelMessage, ChannelNews, ContractChange, ErrorCode, Health, Inband, LanePromise,
    Life, Proposal, Reestablish, SaidError, UNHEARD_TIME_MAX, position_digest, round_at,
};
use byway_primitives::{Amount, AssetId, Decode, Encode, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::{
    ABANDONED_AFTER, ChannelState, Cosigned, FundingChange, Held, Movement, Phase, Position, Side,
};
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{Backing, Promise, Value};

use super::drive::{AMOUNTS, Drive};
use super::scene::{LOCK, SECRET, person};
use super::world::units;

struct Hostile {
    drive: Drive,
    /// The honest side, and the peer's.
    honest: usize,
    peer: usize,
    /// What the peer's machine said, and what the honest side did.
    said: Vec<ChannelMessage>,
    heard: Vec<ChannelMessage>,
    /// All that both signed, as far as the peer has it or can complete it.
    states: Vec<Cosigned<ChannelState>>,
    funds: Vec<Cosigned<FundingChange>>,
    /// What the honest side had promised when its disk was copied.
    promised: Amount,
}

/// One of them, whichever the byte says.
fn pick<T: Clone>(from: &[T], byte: u8) -> Option<T> {
    // Low bytes mean late ones, high bytes those of long ago.
    from.iter().rev().cycle().nth(usize::from(byte)).filter(|_| !from.is_empty()).cloned()
}

/// What a side does: all but to let a contract leave, and to hear all that the other says.
fn act_of(detail: u8) -> u8 {
    let moves_asset = detail >> 6 != 0;
    match 16 + (detail & 63) % 15 {
        30 if moves_asset => 31,
        30 => 16,
        act => act,
    }
}

impl Hostile {
    fn new(honest: usize) -> Self {
        let mut drive = Drive::begin();
        drive.rig.parties[1 - honest].is_honest = false;
        let (said, heard, states, funds) = Default::default();
        Self { drive, honest, peer: 1 - honest, said, heard, states, funds, promised: Amount::ZERO }
    }

    fn step(&mut self, action: u8, detail: u8) {
        let before = self.drive.moved();
        let (honest, peer) = (self.honest, self.peer);
        match action & 31 {
            0..=2 => drop(self.drive.rig.write(usize::from(detail & 1))),
            3..=5 => self.deliver(),
            6 | 7 => self.receive(true),
            8 => self.receive(false),
            9 => self.drive.rig.lose(),
            10 if detail >> 6 > 1 => self.use_old_disk_of_honest(detail),
            10 => {
                if detail & 1 == 0 {
                    self.drive.rig.write(honest);
                }
                self.drive.rig.crash(honest);
            }
            11 => self.use_old_disk(detail),
            12 => self.drive.rig.parties[peer].is_watching ^= true,
            13 => self.pass(
                [Span::seconds(1), Span::seconds(20), Span::seconds(31), Span::minutes(3)][usize::from(detail & 3)],
            ),
            14 if detail & 1 == 0 => self.drive.rig.show_ledger(honest),
            14 => drop(self.drive.rig.world.commit(&[])),
            15..=18 => self.drive.act(act_of(detail), honest, AMOUNTS[usize::from(detail >> 6)]),
            19..=21 => self.drive.act(act_of(detail), peer, AMOUNTS[usize::from(detail >> 6)]),
            22..=27 => {
                if let Some(message) = self.forge(action & 31, detail) {
                    // A fault has its consequences elsewhere.
                    let _ = self.drive.rig.hear(honest, message);
                }
            }
            _ => self.attack(action & 31, detail),
        }
        self.drive.note(before);
        self.keep(peer);
    }

    /// The honest side hears what the peer's machine said.
    fn deliver(&mut self) {
        let Some(message) = self.drive.rig.steal(self.honest) else { return };
        self.said.push(message.clone());
        let _ = self.drive.rig.hear(self.honest, message);
    }

    /// The peer hears what the honest side said, and tells its machine or not.
    fn receive(&mut self, tells: bool) {
        let Some(message) = self.drive.rig.steal(self.peer) else { return };
        self.complete(&message);
        self.heard.push(message.clone());
        if tells {
            let _ = self.drive.rig.hear(self.peer, message);
        }
    }

    fn state_of(&self, position: Position) -> Option<ChannelState> {
        let machine = &self.drive.rig.parties[self.peer].machine;
        let Held { total, fundings, .. } = Held::of(&self.drive.rig.entry()?);
        Some(ChannelState { network: machine.network(), channel: machine.id()?, total, fundings, position })
    }

    fn keep(&mut self, side: usize) {
        if let Some(state) = self.drive.rig.parties[side].machine.cosigned()
            && !self.states.contains(&state)
        {
            self.states.push(state);
        }
    }

    /// Puts the peer's signature beside the honest side's.
    fn complete(&mut self, message: &ChannelMessage) {
        let (parties, secret) = (self.drive.rig.parties[0].machine.terms().parties, person(self.peer));
        let both = |theirs, ours| if self.honest == 0 { [theirs, ours] } else { [ours, theirs] };
        match message {
            ChannelMessage::Propose(proposal) => {
                let Some(body) = self.state_of(proposal.position) else { return };
                let signatures = both(proposal.signature, Cosigned::sign_one(&body, &secret));
                self.states.push(Cosigned { body, parties, signatures });
            }
            ChannelMessage::AcceptFunding { change, signature } => {
                let signatures = both(*signature, Cosigned::sign_one(change, &secret));
                self.funds.push(Cosigned { body: *change, parties, signatures });
            }
            ChannelMessage::Reestablish(Reestablish {
                position,
                total,
                fundings,
                signatures: Some(signatures),
                ..
            }) => {
                let Some(body) = self.state_of(*position) else { return };
                let body = ChannelState { total: *total, fundings: *fundings, ..body };
                self.states.push(Cosigned { body, parties, signatures: *signatures });
            }
            _ => {}
        }
    }

    /// The peer's machine goes back to where it was.
    fn use_old_disk(&mut self, detail: u8) {
        let party = &mut self.drive.rig.parties[self.peer];
        if detail & 3 == 0 {
            self.drive.copies[self.peer] = party.disk.clone();
            return;
        }
        party.kept.clear();
        let disk = self.drive.copies[self.peer].clone();
        self.drive.rig.restore(self.peer, disk);
    }

    /// The honest side starts from an old disk, and whether anybody tells it of that is up to the peer. What it promised since then only the peer
    /// knows, so it had promised nothing more.
    fn use_old_disk_of_honest(&mut self, detail: u8) {
        let honest = self.honest;
        let party = &self.drive.rig.parties[honest];
        let promised = party.machine.promised(Side::BOTH[honest]).amount;
        if detail >> 6 == 2 {
            if party.is_durable() {
                (self.promised, self.drive.copies[honest]) = (promised, party.disk.clone());
            }
        } else if self.promised == promised {
            self.drive.restore(honest);
        }
    }

    /// Time passes, and the honest side looks at the ledger before.
    fn pass(&mut self, span: Span) {
        self.drive.rig.show_ledger(self.honest);
        self.drive.rig.tick(span);
    }

    /// Something that no honest peer says, or not now.
    fn forge(&self, kind: u8, detail: u8) -> Option<ChannelMessage> {
        match kind {
            22 => pick(&self.said, detail),
            23 => {
                let mut bytes = pick(&self.said, detail & 15)?.to_bytes();
                let at = usize::from(detail) * 37 % bytes.len();
                bytes[at] ^= 1 << (detail & 7);
                ChannelMessage::from_bytes(&bytes).ok()
            }
            24 => Some(ChannelMessage::Reestablish(self.forged_place(detail)?)),
            25 => Some(ChannelMessage::Propose(self.forged_proposal(detail)?)),
            26 => Some(self.forged_promise(detail)?),
            _ => self.forged_answer(detail),
        }
    }

    fn odd_round(&self, detail: u8) -> u64 {
        let round = self.drive.rig.parties[self.honest].machine.position().round;
        let believed = round_at(self.drive.rig.now + CLOCKS_APART_MAX);
        let rounds = [0, round.saturating_sub(1), round, round + 1, round + 2, round + 1_000, believed];
        rounds.get(usize::from(detail & 7)).copied().unwrap_or(u64::MAX)
    }

    fn forged_place(&self, detail: u8) -> Option<Reestablish> {
        let state = pick(&self.states, detail >> 5)?;
        let round = self.odd_round(detail);
        let Cosigned { body, signatures, .. } = state;
        let signatures = (detail & 8 == 0).then_some(signatures);
        let position = if detail & 16 == 0 { body.position } else { Position { round, ..body.position } };
        let (ChannelState { channel, total, fundings, .. }, seen) = (body, self.odd_round(detail >> 3));
        Some(Reestablish { channel, secret: SECRET, position, total, fundings, signatures, signed: round, seen })
    }

    /// What it says comes of the change is not what does, or is where nothing changes.
    fn forged_proposal(&self, detail: u8) -> Option<Proposal> {
        let base = *self.drive.rig.parties[self.honest].machine.position();
        let (honest, peer) = (Side::BOTH[self.honest], Side::BOTH[self.peer]);
        let promise = Settled { serial: 1, amount: units(AMOUNTS[2]) };
        let (mut position, change) = (Position { round: self.odd_round(detail), ..base }, (detail >> 3) & 7);
        let change = match change {
            0 => Change::Transfer { from: honest, amount: units(5_000) },
            1 => Change::Transfer { from: peer, amount: units(5_000) },
            2 => Change::Absorb { payer: honest, promise },
            3 => Change::Lane { side: honest, capacity: units(0) },
            4 => Change::Contract(ContractChange::Remove { contract: self.drive.counter, shares: None }),
            _ => Change::Nothing,
        };
        if detail & 64 != 0 {
            position.balances[self.honest] = position.balances[self.honest].saturating_sub(units(5_000));
            position.balances[self.peer] = position.balances[self.peer].checked_add(units(5_000))?;
        }
        let signature = Cosigned::sign_one(&self.state_of(position)?, &person(self.peer));
        let refuses = None;
        Some(Proposal { base_round: base.round, base: position_digest(&base), change, position, signature, refuses })
    }

    fn forged_promise(&self, detail: u8) -> Option<ChannelMessage> {
        let machine = &self.drive.rig.parties[self.peer].machine;
        let (payer, payee) = (person(self.peer).id(), person(self.honest).id());
        let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Channel(machine.id()?) };
        let (serial, amount) = (u64::from(detail & 3), units(AMOUNTS[usize::from(detail >> 6)]));
        let promise = Promise { network: machine.network(), series, serial, amount };
        let services = units(u128::from(detail) * 500);
        Some(ChannelMessage::Promise(LanePromise {
            promise: promise.sign(&person(self.peer)),
            services,
            ahead: services,
        }))
    }

    fn forged_answer(&self, detail: u8) -> Option<ChannelMessage> {
        let (round, expires) = (self.odd_round(detail), self.drive.rig.now + Span::minutes(1));
        let state = pick(&self.states, detail >> 6)?;
        let (side, movement) = (Side::BOTH[self.honest], Movement::Withdraw);
        let position = Position { round, ..state.body.position };
        let body = ChannelState { position, ..state.body };
        let change = FundingChange { state: body, side, movement, value: Value::way(units(1_000)), expires };
        Some(match (detail >> 3) & 7 {
            0 => ChannelMessage::Accept { round, signature: state.signatures[self.peer] },
            1 => ChannelMessage::ProposeFunding(change),
            2 => ChannelMessage::AcceptFunding { change, signature: Cosigned::sign_one(&change, &person(self.peer)) },
            3 => ChannelMessage::Shutdown,
            4 => ChannelMessage::ClosingSigned { expires, signature: state.signatures[self.peer] },
            5 => ChannelMessage::Whole { round, state: Vec::new() },
            6 => ChannelMessage::Fetch { round },
            _ => match detail >> 6 {
                0 | 1 => ChannelMessage::Decline,
                2 => ChannelMessage::Error(SaidError { code: ErrorCode::Conflict, round }),
                _ => ChannelMessage::Inband(Inband::Data { kind: u16::from(detail), bytes: vec![detail] }),
            },
        })
    }

    /// What the peer shows the ledger.
    fn attack(&mut self, kind: u8, detail: u8) {
        let (side, peer) = (Side::BOTH[self.peer], self.peer);
        let Some(channel) = self.drive.rig.parties[peer].machine.id() else { return };
        let state = pick(&self.states, detail & 15);
        let call = match (kind, state) {
            (28 | 29, Some(state)) => match detail >> 6 {
                0 => ChannelsCall::SnapshotSolo { side, state },
                1 => ChannelsCall::Slash { side, state },
                _ => ChannelsCall::CloseSolo {
                    channel,
                    side,
                    secret: SECRET,
                    state: (detail & 32 == 0).then_some(state),
                },
            },
            (30, _) => {
                let submitted = self.drive.rig.parties[peer].news.iter();
                let calls: Vec<_> = submitted
                    .filter_map(|news| if let ChannelNews::Submit(call) = news { Some(call.clone()) } else { None })
                    .collect();
                let Some(call) = pick(&calls, detail & 15) else { return };
                call
            }
            (31, _) if detail & 1 == 0 => ChannelsCall::Settle { channel, witness: Vec::new() },
            (31, _) => {
                let Some(fund) = pick(&self.funds, detail >> 4) else { return };
                ChannelsCall::Fund(fund)
            }
            _ => return,
        };
        self.drive.rig.submit(peer, call);
    }

    /// Whoever goes on from an old disk may lack the state that shows its assets, and its peer tells it nothing: after a year the ledger pays
    /// without.
    fn wait_for_what_is_not_shown(&mut self) {
        let root = self.drive.rig.parties[self.honest].machine.state().root();
        let is_lacking = self.drive.rig.entry().is_some_and(|entry| entry.position.root != root);
        if is_lacking && self.drive.restored == Some(self.honest) {
            self.pass(ABANDONED_AFTER);
            for _ in 0..3 {
                (0..LOCK.commits).for_each(|_| drop(self.drive.rig.world.commit(&[])));
                self.pass(Span::seconds(50));
            }
        }
    }

    /// The honest side parts alone. The peer goes on with whatever the bytes say as long as there is something to pay out.
    fn end(&mut self, bytes: &[u8]) {
        let honest = self.honest;
        let before = self.drive.moved();
        self.drive.rig.parties[self.peer].is_watching = false;
        while self.drive.rig.write(honest) {}
        self.pass(UNHEARD_TIME_MAX);
        let is_active = |hostile: &Self| hostile.drive.rig.entry().is_some_and(|entry| entry.phase == Phase::Active);
        if is_active(self) {
            self.drive.rig.close_alone(honest).unwrap();
        }
        let attacks: Vec<_> = bytes.chunks_exact(2).filter(|pair| pair[0] & 31 >= 28).collect();
        let mut attacks = attacks.into_iter().map(|pair| (pair[0] & 31, pair[1]));
        for _ in 0..40 {
            if self.drive.rig.entry().is_none() {
                break;
            }
            if let Some((kind, detail)) = attacks.next() {
                self.attack(kind, detail);
            }
            (0..LOCK.commits).for_each(|_| drop(self.drive.rig.world.commit(&[])));
            self.pass(Span::seconds(20));
        }
        self.wait_for_what_is_not_shown();
        self.pass(Span::millis(1));
        self.drive.note(before);
        assert_eq!(self.drive.rig.entry(), None, "it is closed; refused: {:?}", self.drive.rig.refused);
    }
}

/// A peer that does what the bytes say, two for each of its acts and of the honest side's.
pub fn drive_hostile(bytes: &[u8]) {
    let honest = usize::from(bytes.first().is_some_and(|byte| byte & 1 == 1));
    let mut hostile = Hostile::new(honest);
    bytes.chunks_exact(2).for_each(|pair| hostile.step(pair[0], pair[1]));
    hostile.end(bytes);
    let machine = &hostile.drive.rig.parties[honest].machine;
    assert_eq!(machine.life(), Life::Closed);
    assert!(!matches!(machine.health(), Health::Frozen(_)), "nobody else signs for the honest side");
    hostile.drive.assert_paid(honest, &[honest]);
}
