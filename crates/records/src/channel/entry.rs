//! Program `channels`: a channel, under [`channel_key`], and code for contracts in channels, under [`code_key`].

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, IdentityId};

use super::{
    ChannelAssets, ChannelOutcome, ChannelTerms, DELEGATES_MAX, EVIDENCE_MAX, Environment, FORCED_INPUT_BYTES_MAX,
    Guaranteed, Lane, Position, Remainder, Side, VirtualTerms, WatchSecret, byte_codec, pair, put_pair,
};
use crate::call::channels::CODE_BYTES_MAX;
use crate::genesis::Wait;
use crate::promise::ChannelId;
use crate::state::{Deadline, Settled};

/// Bytes of the forced rounds of one side that the ledger keeps: those of one checkpoint at the least, which is what whoever
/// goes from checkpoint to checkpoint needs.
pub const FORCED_ROUNDS_BYTES_MAX: usize = 4 * 1024;
/// Forced rounds of both that fit into that; none is shorter than 32 bytes.
pub const FORCED_ROUNDS_MAX: usize = 2 * FORCED_ROUNDS_BYTES_MAX / 32;

/// A channel as the ledger knows it. A closed one has no entry; its id never comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub parties: [IdentityId; 2],
    pub reserve: Amount,
    pub lock: Wait,
    pub remainder: Remainder,
    /// The digests of what each shows when it closes alone.
    pub secrets: [Hash; 2],
    /// What states divide: deposits less withdrawals.
    pub total: Amount,
    /// What each has put in of other assets than WAY, less what it has taken out.
    pub assets: ChannelAssets,
    /// How often something has gone in or out since the opening: states are of one such number.
    pub fundings: u64,
    /// What the ledger took of each side's part for what that did; never more than the reserve.
    pub charged: [Amount; 2],
    pub delegates: [Vec<IdentityId>; 2],
    /// The last co-signed round that the ledger was shown. Rounds after it were forced.
    pub signed: u64,
    pub position: Position,
    /// The promise by each party out of its lane, of those that the other has shown, that makes most due.
    pub claims: [Option<Settled>; 2],
    pub phase: Phase,
    /// Of the last call that was forced.
    pub receipt: Option<ForcedReceipt>,
    /// The commit in which each side last forced a call; 0 where it never did.
    pub forced: [u64; 2],
    /// Who is to wait for the other after a round that it forced while the channel was active.
    pub turn: Option<Turn>,
    /// The calls that made the last rounds since the last co-signed one, in order: whoever has the state before them executes them
    /// and has the one after.
    pub rounds: Vec<ForcedRound>,
    /// Of a virtual channel, whose money is in others.
    pub guaranteed: Option<Guaranteed>,
}

/// Whose turn it is not: a side that forced a round, until the other has acted, or until this deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub after: Side,
    pub until: Deadline,
}

/// What may be done with a channel. It is *locked* once the time of closing is over, and *closed* when it has no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Active,
    Closing {
        /// Whoever began it.
        by: Closer,
        /// From then on it can be settled.
        until: Deadline,
        /// Who last showed the ledger something new …
        last: Side,
        /// … and how many states and promises since the other did; 0 where neither has.
        streak: u8,
        /// How many calls it has forced since.
        calls: u8,
    },
}

/// Who began to close a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closer {
    /// With what it has shown: by that a watchtower opens what it was given.
    Party { side: Side, secret: WatchSecret },
    /// The hub that guarantees a virtual channel.
    Hub,
}

/// What became of a forced call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForcedReceipt {
    /// The round that it was to make; made, if it returned.
    pub round: u64,
    pub caller: IdentityId,
    pub outcome: CallOutcome,
    pub gas_used: u64,
    /// keccak256 of what it returned.
    pub output: Hash,
}

/// A call that was forced and made a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedRound {
    pub round: u64,
    /// Of the first checkpoint that shows it.
    pub height: u64,
    pub caller: Side,
    pub contract: [u8; 20],
    pub value: Amount,
    pub input: Vec<u8>,
    pub gas: u64,
    /// What the contract saw.
    pub environment: Environment,
    /// What it was told of virtual channels.
    pub evidence: Vec<ChannelOutcome>,
}

/// How a forced call ended. Only one that returned makes a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    Returned,
    Reverted,
    OutOfGas,
    Halted,
    /// The witness, or the code on the ledger, lacks something that it needed; or the witness of a forced call shows what it did not need.
    Missing,
    /// A party would have less than the reserve, or both more than there is.
    Balances,
}

/// A contract's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(pub Vec<u8>);

impl Channel {
    /// A channel that has just been created, with so much in it.
    pub fn opened(terms: &ChannelTerms, total: Amount, position: Position) -> Self {
        Self {
            parties: terms.parties,
            reserve: terms.reserve,
            lock: terms.lock,
            remainder: terms.remainder,
            secrets: terms.secrets,
            total,
            assets: terms.assets,
            fundings: 0,
            charged: [Amount::ZERO; 2],
            delegates: [Vec::new(), Vec::new()],
            signed: position.round,
            position,
            claims: [None; 2],
            phase: Phase::Active,
            receipt: None,
            forced: [0; 2],
            turn: None,
            rounds: Vec::new(),
            guaranteed: None,
        }
    }

    /// A virtual channel as it is before anything has happened in it; contracts' state then has this root.
    pub fn registered(terms: &VirtualTerms, total: Amount, root: Hash) -> Self {
        let VirtualTerms { terms, hub, dispute, environment, .. } = *terms;
        let (balances, lanes) = (terms.deposits, [Lane::default(); 2]);
        let position = Position { round: 0, balances, lanes, root, environment };
        let guaranteed = Some(Guaranteed { hub, dispute, end: None });
        Self { guaranteed, ..Self::opened(&terms, total, position) }
    }

    /// All coins that the ledger holds for it: of a virtual channel none.
    pub fn holds(&self) -> Option<Amount> {
        if self.guaranteed.is_some() {
            return Some(Amount::ZERO);
        }
        self.total.checked_sub(Amount::checked_sum(self.charged)?)
    }

    /// What of each party's lane goes to the other as things stand.
    pub fn due(&self) -> [Amount; 2] {
        let due = |payer: usize| self.claims[payer].map_or(Amount::ZERO, |claim| self.position.lanes[payer].due(claim));
        [due(0), due(1)]
    }

    /// The first round that was forced since the last co-signed one, if any was.
    pub fn first_forced(&self) -> Option<u64> {
        (self.position.round > self.signed).then(|| self.signed.saturating_add(1))
    }

    /// How many of the oldest forced rounds make room for this one; `None` where one would go that no checkpoint shows yet. Each side
    /// has room of its own, so its rounds never wait for the other's.
    pub fn room_for(&self, next: &ForcedRound) -> Option<usize> {
        let bytes = |round: &ForcedRound| if round.caller == next.caller { round.to_bytes().len() } else { 0 };
        let mut sum = self.rounds.iter().map(bytes).sum::<usize>() + bytes(next);
        let mut oldest = 0;
        while sum > FORCED_ROUNDS_BYTES_MAX {
            let round = self.rounds.get(oldest).filter(|round| round.height < next.height)?;
            sum -= bytes(round);
            oldest += 1;
        }
        Some(oldest)
    }

    /// Whether a co-signed state of this round is new: it beats what was forced of the same or a later round, for all of that
    /// was built on an older co-signed state.
    pub fn accepts(&self, round: u64) -> bool {
        let last = self.first_forced().map_or(self.signed, |first| first - 1);
        round > last
    }
}

pub fn channel_key(id: ChannelId) -> Vec<u8> {
    [&[0][..], &id.0.0].concat()
}

/// The channel whose key this is.
pub fn channel_of_key(key: &[u8]) -> Option<ChannelId> {
    let id = key.strip_prefix(channel_prefix())?;
    Some(ChannelId(Hash(id.try_into().ok()?)))
}

/// What the keys of all channels begin with.
pub fn channel_prefix() -> &'static [u8] {
    &[0]
}

/// Key of a contract's code, by its keccak256.
pub fn code_key(hash: Hash) -> Vec<u8> {
    [&[1][..], &hash.0].concat()
}

byte_codec! {
    CallOutcome "outcome" { 0 Returned, 1 Reverted, 2 OutOfGas, 3 Halted, 4 Missing, 5 Balances }
}

impl Encode for Phase {
    fn encode(&self, out: &mut Writer) {
        match self {
            Phase::Active => out.byte(0),
            Phase::Closing { by, until, last, streak, calls } => {
                out.byte(1);
                out.value(by);
                out.value(until);
                out.value(last);
                // Neither is above four.
                out.byte(streak | calls << 4);
            }
        }
    }
}

impl Decode for Phase {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Phase::Active),
            1 => {
                let (by, until, last, counts) = (input.value()?, input.value()?, input.value()?, input.byte()?);
                Ok(Phase::Closing { by, until, last, streak: counts & 0x0f, calls: counts >> 4 })
            }
            other => Err(DecodeError::UnknownVariant { kind: "phase", value: other.into() }),
        }
    }
}

impl Encode for Closer {
    fn encode(&self, out: &mut Writer) {
        match self {
            Closer::Party { side, secret } => {
                out.byte(0);
                out.value(side);
                out.value(secret);
            }
            Closer::Hub => out.byte(1),
        }
    }
}

impl Decode for Closer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Closer::Party { side: input.value()?, secret: input.value()? }),
            1 => Ok(Closer::Hub),
            other => Err(DecodeError::UnknownVariant { kind: "closer", value: other.into() }),
        }
    }
}

impl Encode for ForcedReceipt {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.round);
        out.value(&self.caller);
        out.value(&self.outcome);
        out.varint(self.gas_used);
        out.value(&self.output);
    }
}

impl Decode for ForcedReceipt {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            round: input.u64()?,
            caller: input.value()?,
            outcome: input.value()?,
            gas_used: input.u64()?,
            output: input.value()?,
        })
    }
}

impl Encode for Turn {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.after);
        out.value(&self.until);
    }
}

impl Decode for Turn {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { after: input.value()?, until: input.value()? })
    }
}

impl Encode for ForcedRound {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.round);
        out.varint(self.height);
        out.value(&self.caller);
        out.raw(&self.contract);
        out.value(&self.value);
        out.bytes(&self.input);
        out.varint(self.gas);
        out.value(&self.environment);
        out.list(&self.evidence);
    }
}

impl Decode for ForcedRound {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            round: input.u64()?,
            height: input.u64()?,
            caller: input.value()?,
            contract: input.array()?,
            value: input.value()?,
            input: input.bytes(FORCED_INPUT_BYTES_MAX)?.to_vec(),
            gas: input.u64()?,
            environment: input.value()?,
            evidence: input.list(EVIDENCE_MAX)?,
        })
    }
}

impl Encode for Code {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }
}

impl Decode for Code {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.bytes(CODE_BYTES_MAX)?.to_vec()))
    }
}

impl Encode for Channel {
    fn encode(&self, out: &mut Writer) {
        put_pair(&self.parties, out);
        out.value(&self.reserve);
        out.value(&self.lock);
        out.value(&self.remainder);
        self.secrets.iter().for_each(|secret| out.value(secret));
        out.value(&self.total);
        out.value(&self.assets);
        out.varint(self.fundings);
        put_pair(&self.charged, out);
        self.delegates.iter().for_each(|delegates| out.list(delegates));
        out.varint(self.signed);
        out.value(&self.position);
        self.claims.iter().for_each(|claim| out.option(claim.as_ref()));
        out.value(&self.phase);
        out.option(self.receipt.as_ref());
        self.forced.iter().for_each(|commit| out.varint(*commit));
        out.option(self.turn.as_ref());
        out.list(&self.rounds);
        out.option(self.guaranteed.as_ref());
    }
}

impl Decode for Channel {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            parties: pair(input)?,
            reserve: input.value()?,
            lock: input.value()?,
            remainder: input.value()?,
            secrets: [input.value()?, input.value()?],
            total: input.value()?,
            assets: input.value()?,
            fundings: input.u64()?,
            charged: pair(input)?,
            delegates: [input.list(DELEGATES_MAX)?, input.list(DELEGATES_MAX)?],
            signed: input.u64()?,
            position: input.value()?,
            claims: [input.option()?, input.option()?],
            phase: input.value()?,
            receipt: input.option()?,
            forced: [input.u64()?, input.u64()?],
            turn: input.option()?,
            rounds: input.list(FORCED_ROUNDS_MAX)?,
            guaranteed: input.option()?,
        })
    }
}
