//! The model: what must become of each attempt, said as simply as it can be.

use byway_records::channel::{Lane, Remainder};
use byway_records::state::Settled;
use byway_vm::{State, WholeAlone};

use super::assets::{CENT, FIRST};
use super::beside::Beside;
use super::calls::{Facts, Offer};
use super::{Act, Actor, run};
use crate::channels::guaranteed::DISPUTE;
use crate::channels::{DEPOSIT, LOCK, RESERVE, SAVED};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE};

pub const STREAK_MAX: u32 = 4;
/// What others than the party leave of its reserve.
const KEPT: u128 = 4 * CHANNEL_PRICE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// With assets from the beginning.
    Purses,
    /// Guaranteed by Carol.
    Virtual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub kind: Kind,
    pub remainder: Remainder,
}

/// In time and in commits.
pub type Moment = (u64, u64);

#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    Active,
    /// By a side or by the hub; of a virtual channel nothing goes beyond the end.
    Closing {
        by: Option<usize>,
        until: Moment,
        end: Option<Moment>,
        last: usize,
        streak: u32,
        calls: u32,
    },
    Closed,
}

macro_rules! ended {
    ($($what:ident),*) => {
        /// What became of an attempt that was possible.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Ended { $($what,)* }

        impl Ended {
            pub const ALL: &[Self] = &[$(Self::$what,)*];
        }
    };
}
ended! {
    Deposit, Withdraw, PutIn, TakeOut, Leave, CallLeft, Snapshot, Close, Slash, Forced, Reverted, OutOfGas,
    Missing, Balances, ShownTooMuch, MovedAssets, Claim, Settle, AssetsByRule, CloseMutual, Delegates, End,
    Certify, Wait, Create, RegisterCode, RegisterVirtual, ShownByDelegate, ForcedByDelegate, PaidByTransaction, ClosedWithKnown
}

/// What is in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub total: u128,
    /// What each has put in of each asset, less what it has taken out.
    pub put_in: [[u128; 2]; 2],
    /// How often something has gone in or out.
    pub fundings: u64,
}

#[derive(Clone)]
pub struct Model {
    pub start: Start,
    pub facts: Facts,
    pub now: Moment,
    pub stage: Stage,
    pub held: Held,
    pub signed: u64,
    pub round: u64,
    pub balances: [u128; 2],
    pub lanes: [Lane; 2],
    /// The best promise out of each lane that the ledger was shown.
    pub claims: [Option<Settled>; 2],
    pub charged: [u128; 2],
    /// Whether Carol acts for a side.
    pub delegates: [bool; 2],
    /// Who may force no other round while the channel is active, and until when.
    pub turn: Option<(usize, Moment)>,
    pub accounts: [u128; 2],
    /// What both have in their accounts of each asset.
    pub assets: [[u128; 2]; 2],
    /// What calls of contracts on the ledger cost so far.
    pub spent: u128,
    /// What the contracts' side of the last position is, and the last state that was shown.
    pub state: State,
    pub known: Option<Offer>,
    /// The bank, once it has left.
    pub left: Option<WholeAlone>,
    pub beside: Beside,
    /// What became of a virtual channel.
    pub outcome: Option<[u128; 2]>,
    /// Whether what was attempted last was possible, and how it went; more than one where it says more.
    pub was_possible: bool,
    pub ended: Option<Ended>,
    pub also: Vec<Ended>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {:?} at {:?}, round {} of {}", self.stage, self.start, self.now, self.round, self.signed)
    }
}

impl Model {
    /// A channel that has just been opened, or registered.
    pub fn begin(start: Start) -> Self {
        let run::Begun { facts, now, state } = run::begun(start);
        let is_virtual = start.kind == Kind::Virtual;
        let put_in = if start.kind == Kind::Purses { FIRST } else { Default::default() };
        Self {
            start,
            facts,
            now,
            stage: Stage::Active,
            held: Held { total: 2 * DEPOSIT, put_in, fundings: 0 },
            signed: 0,
            round: 0,
            balances: [DEPOSIT; 2],
            lanes: Default::default(),
            claims: [None; 2],
            charged: if is_virtual { [0; 2] } else { [CHANNEL_PRICE, 0] },
            delegates: [false; 2],
            turn: None,
            accounts: if is_virtual { [0; 2] } else { [SAVED - DEPOSIT; 2] },
            assets: put_in.map(|parts| parts.map(|part| run::OWNED * CENT - part)),
            spent: 0,
            state,
            known: None,
            left: None,
            beside: Beside::default(),
            outcome: None,
            was_possible: false,
            ended: None,
            also: Vec::new(),
        }
    }

    pub fn is_virtual(&self) -> bool {
        self.start.kind == Kind::Virtual
    }

    pub fn attempt(&mut self, act: &Act) {
        self.also.clear();
        let ended = self.attempted(act);
        (self.was_possible, self.ended) = (ended.is_some(), ended);
        let is_paid = |by: &Actor| by.pays && !self.is_virtual();
        let is_one_paid = match act {
            Act::Snapshot { by, .. } | Act::Close { by, .. } | Act::Slash { by, .. } | Act::Force { by, .. } => {
                is_paid(by)
            }
            _ => false,
        };
        if self.was_possible && is_one_paid {
            self.also.push(Ended::PaidByTransaction);
        }
        match act {
            Act::Wait { seconds, commits } => {
                self.now = (self.now.0 + seconds * 1_000 + commits, self.now.1 + commits);
            }
            _ => self.now = self.next(),
        }
    }

    /// When the next transaction is executed.
    pub fn next(&self) -> Moment {
        (self.now.0 + 1, self.now.1 + 1)
    }

    /// The last round is one that both signed.
    pub fn takes(&self, offer: &Offer) -> bool {
        offer.round > self.signed && !offer.is_faulty
    }

    /// The position that the ledger has is the one that is offered, and nothing was forced since.
    pub fn knows(&self, offer: &Offer) -> bool {
        let is_same = (self.balances, self.lanes) == (offer.balances, offer.lanes);
        let is_last = (offer.round, offer.round) == (self.signed, self.round) && self.known.is_some();
        is_last && is_same && self.state.root() == offer.state.root() && !offer.is_faulty
    }

    pub fn adopt(&mut self, offer: Offer) {
        (self.signed, self.round) = (offer.round, offer.round);
        (self.balances, self.lanes, self.state) = (offer.balances, offer.lanes, offer.state.clone());
        self.known = Some(offer);
    }

    /// Whoever acts has had its turn.
    pub fn acts(&mut self, by: Actor) {
        self.turn = self.turn.filter(|(after, _)| by.is_delegate || *after == by.side);
    }

    pub fn acts_for(&self, by: Actor) -> bool {
        !by.is_delegate || self.delegates[by.side]
    }

    /// Whether somebody can pay for an act. Delegates leave the party something.
    pub fn can_pay(&self, by: Actor, price: u128) -> bool {
        let kept = if by.is_delegate { KEPT } else { 0 };
        by.pays || !self.is_virtual() && self.charged[by.side] + price + kept <= RESERVE
    }

    /// Of an act that is possible.
    pub fn charge(&mut self, by: Actor, price: u128) {
        self.charged[by.side] += if by.pays { 0 } else { price };
        self.acts(by);
    }

    /// What a side is charged for what does not fail for it.
    pub fn charge_at_most(&mut self, side: usize, price: u128) {
        self.charged[side] += price.min(RESERVE - self.charged[side]);
    }

    pub fn is_over(&self) -> bool {
        let now = self.next();
        matches!(self.stage, Stage::Closing { until, .. } if now.0 >= until.0 && now.1 >= until.1)
    }

    pub fn lock(&self, end: Option<Moment>) -> Moment {
        let now = self.next();
        let until = (now.0 + LOCK.millis.0, now.1 + LOCK.commits);
        end.map_or(until, |end| (until.0.min(end.0), until.1.min(end.1)))
    }

    /// The stage after something new of a side, and whether that gives more time.
    pub fn prolonged(&self, side: usize, forces: bool) -> (Stage, bool) {
        let Stage::Closing { by, end, last, streak, calls, .. } = self.stage else { return (self.stage.clone(), true) };
        let (streak, calls) = if last == side { (streak, calls) } else { (0, 0) };
        let (streak, calls) = if forces { (streak, calls + 1) } else { (streak + 1, calls) };
        if streak > STREAK_MAX || calls > STREAK_MAX {
            return (self.stage.clone(), false);
        }
        (Stage::Closing { by, until: self.lock(end), end, last: side, streak, calls }, true)
    }

    pub fn closing(&self, by: Option<usize>) -> Stage {
        let now = self.next();
        let end = self.is_virtual().then_some((now.0 + DISPUTE.millis.0, now.1 + DISPUTE.commits));
        let (last, streak) = by.map_or((ALICE, 0), |side| (side, 1));
        Stage::Closing { by, until: self.lock(end), end, last, streak, calls: 0 }
    }

    /// What one side, or the hub, does to end it.
    pub fn way_out(&self) -> Vec<Act> {
        let by = Actor { side: BOB, is_delegate: false, pays: false };
        let by = Actor { pays: !self.can_pay(by, CHANNEL_PRICE), ..by };
        let close = match self.start.kind {
            Kind::Virtual => Act::End { person: CAROL, state: None },
            Kind::Plain | Kind::Purses => Act::Close { by, state: None },
        };
        let wait = Act::Wait { seconds: DISPUTE.millis.0 / 1_000, commits: DISPUTE.commits };
        let settle = Act::Settle { shows: self.all_to_show(), pays: self.is_virtual() };
        match self.stage {
            Stage::Active => vec![close, wait, settle],
            Stage::Closing { .. } => vec![wait, settle],
            Stage::Closed => Vec::new(),
        }
    }
}
