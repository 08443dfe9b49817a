//! One side of one channel.

use byway_primitives::time::Span;
use byway_primitives::{Amount, Batch, Effect, Hash, IdentityId, NetworkId, Store, Time, Token};
use byway_records::channel::{
    ChannelOutcome, ChannelState, ChannelTerms, Cosigned, Environment, Held, Lane, Position, Side, WatchSecret,
};
use byway_records::promise::ChannelId;
use byway_vm::{Address, Execution, State};

use crate::beside::Beside;
use crate::change::{ChangeError, ContractCall, Ground};
use crate::consent::Consent;
use crate::journal::{ChannelJournalError, Health, Life, Loaded, Log, Record, beneath};
use crate::ledger_view::LedgerView;
use crate::message::{ChannelMessage, LanePromise, Proposal, Reestablish};
use crate::news::{ChannelEffect, ChannelNews};
use crate::signer::Signer;

mod beside;
mod consent;
mod copy;
mod follow;
mod funding;
mod guaranteed;
mod hearing;
mod lanes;
mod life;
mod lost;
mod peer_gas;
mod reestablish;
mod rounds;
mod split;
mod updates;
mod watch;

pub use funding::FUND_TIME_MAX;
use peer_gas::PeerGas;
pub use peer_gas::{ENTRY_GAS, PEER_GAS_MAX, PEER_GAS_PER_SECOND, PROPOSAL_GAS, STATE_SIZE_MAX};
use rounds::Present;
pub use rounds::{AWAY_TIME_MIN, CLOCKS_APART_MAX, FRESH_TIME_MAX, ROUNDS_PER_MILLI, round_at};
pub use split::Split;
use split::Splitting;

/// How long the peer has for its answer before the layer above hears of it.
pub const ANSWER_TIME_MAX: Span = Span::seconds(30);
/// How long a step of opening may take while nothing is signed; a party that is to decide needs some time.
pub const OPENING_TIME_MAX: Span = Span::minutes(10);
/// How long the transaction that opens a channel may be executed after the initiator has signed it.
pub const FUNDING_TIME_MAX: Span = Span::minutes(10);
/// How long parting together may take before this side closes alone.
pub const CLOSING_TIME_MAX: Span = Span::minutes(5);
/// How long a side that has restarted waits for a peer that may know of a newer state, before it closes alone.
pub const UNHEARD_TIME_MAX: Span = Span::minutes(10);
/// How old the newest checkpoint may be for a promise to be taken, where half the lock period is less.
pub const BLIND_TIME_MIN: Span = Span::minutes(1);
/// When a call is handed to the ledger again that had no effect.
pub const SUBMIT_AGAIN: Span = Span::seconds(10);
/// How far ahead of the last known checkpoint a contract's time may be: the peer may have heard of the next ones.
pub const ENVIRONMENT_AHEAD_MAX: Environment = Environment { time: Time(5_000), height: 64 };
/// How far behind it may be in a call of the peer's: as old as the ledger takes it where a call is forced. A contract that does something until
/// a time, and not later, would otherwise be shown an earlier one.
pub const ENVIRONMENT_BEHIND_MAX: Span = Span::minutes(2);

const POSITION: byway_primitives::hash::Context = byway_primitives::hash::Context("byway 1 channel position");

/// What a position is named by in a proposal that builds on it.
pub fn position_digest(position: &Position) -> Hash {
    POSITION.hash_value(position)
}

/// One side of one channel. Call order: [`initiate`](Self::initiate), [`respond`](Self::respond) or [`load`](Self::load); then
/// any `handle_*` or command, and [`poll`](Self::poll) after each.
///
/// It can be copied for whoever looks at all that may happen next. Two copies that both go on would sign two states for one round.
#[derive(Debug, Clone)]
pub struct ChannelMachine<S> {
    signer: S,
    record: Record,
    state: State,
    /// The last co-signed position and its state, where the ledger went on from it by force: it may still go back there.
    fork: Option<(Position, State)>,
    /// Earlier positions and their states, on which something builds that we have signed and the peer can still complete.
    beneath: Vec<(Position, State)>,
    log: Log,
    /// Contents that a copy has: each counts under its root, wherever this side comes to stand.
    copied: Vec<State>,
    link: Link,
    /// The last result of executing a proposal of ours, so that it is not executed again when it is accepted.
    prepared: Option<(Position, State)>,
    /// We won a tie: the peer proposes next.
    is_peers_turn: bool,
    /// Since when this step waits for the peer.
    since: Time,
    /// Whether the peer has shown where it stands since this side started.
    has_heard: bool,
    started: Option<Time>,
    /// What this side knows of the present, and so which rounds it may sign.
    present: Present,
    /// What the peer proposes for a round of a later time than it is here.
    held: Option<Proposal>,
    /// The round of an update of ours on which the peer was silent for too long.
    stalled: Option<u64>,
    /// What the peer said of a position that this side has not yet seen on the ledger.
    early: Option<Reestablish>,
    /// What it promised before that, or while this side did not see the ledger.
    early_promise: Option<LanePromise>,
    /// What the peer last asked our user's consent to.
    asked: Option<Consent>,
    /// The guarantees that this side accepts here, and their contracts: until it has, nothing else is proposed.
    accepting: Vec<(Address, ChannelId)>,
    /// What became of virtual channels that the peer's proposal says something of.
    outcomes: Vec<ChannelOutcome>,
    /// What is still executed of the peer's doing.
    peer_gas: PeerGas,
    /// What the two users name who part without the state.
    splitting: Splitting,
    /// Whether our user was told that the peer wants to part.
    is_asked_to_part: bool,
    /// Whether our user was told that it would be time to close, and the state may be an old one.
    has_told_unheard: bool,
    /// What was said beside the state.
    beside: Beside,
    ledger: LedgerView,
    /// What was handed to the ledger last, and when.
    submitted: Option<(Show, Time)>,
    effects: Vec<ChannelEffect>,
    newest: Option<Token>,
}

/// What the ledger is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Funding,
    Fund,
    Snapshot,
    Close,
    Slash,
    /// So much in all: a higher claim waits for none.
    Claim(Amount),
    Settle,
}

impl Link {
    /// Whether the peer knows where this side stands.
    fn has_greeted(self) -> bool {
        matches!(self, Self::Greeting | Self::Connected)
    }
}

/// Whether the peer can be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Disconnected,
    /// The peer is to say first where it stands.
    Listening,
    /// We said where we stand, the peer has not yet.
    Greeting,
    Connected,
}

impl<S: Signer> ChannelMachine<S> {
    /// A channel that is not on disk.
    fn new(signer: S, ground: Ground, side: Side, own_secret: WatchSecret, life: Life, now: Time) -> Self {
        let nowhere = Environment::default();
        let base = Position {
            round: 0,
            balances: ground.terms.deposits,
            lanes: [Lane::default(); 2],
            root: Hash::default(),
            environment: nowhere,
        };
        let record = Record {
            held: Held { total: ground.first_total(), assets: ground.terms.assets, fundings: 0 },
            ground,
            own_secret,
            peer_secret: None,
            side,
            id: ChannelId(Hash::default()),
            expires: Time::ZERO,
            authorisations: [None; 2],
            life,
            health: Health::Sound,
            base,
            signatures: None,
            agreed: 0,
            signed: 0,
            seen: 0,
            released: Vec::new(),
            fund: None,
            consent: None,
            given: None,
            taken: None,
            reminded: Amount::ZERO,
            closes_alone: false,
            backing: None,
            wants_to_part: false,
        };
        Self::from_parts(signer, record, Loaded::default(), Log::default(), Some(now))
    }

    fn from_parts(signer: S, record: Record, loaded: Loaded, log: Log, started: Option<Time>) -> Self {
        Self {
            signer,
            record,
            state: loaded.state,
            fork: loaded.signed,
            beneath: loaded.beneath,
            log,
            copied: Vec::new(),
            link: Link::Disconnected,
            prepared: None,
            is_peers_turn: false,
            since: started.unwrap_or(Time::ZERO),
            has_heard: false,
            started,
            present: if started.is_some() { Present::of_first_life() } else { Present::default() },
            held: None,
            stalled: None,
            early: None,
            early_promise: None,
            asked: None,
            accepting: Vec::new(),
            outcomes: Vec::new(),
            peer_gas: PeerGas::new(started.unwrap_or(Time::ZERO)),
            splitting: Splitting::default(),
            is_asked_to_part: false,
            has_told_unheard: false,
            beside: Beside::default(),
            ledger: LedgerView::default(),
            submitted: None,
            effects: Vec::new(),
            newest: None,
        }
    }

    /// A channel as the journal has it.
    pub fn load(signer: S, id: ChannelId, store: &impl Store) -> Result<Self, ChannelJournalError> {
        let record = Record::load(store, id)?;
        let (log, mut loaded) = Log::load(store, &record)?;
        loaded.beneath = beneath(store, id)?;
        Ok(Self::from_parts(signer, record, loaded, log, None))
    }

    // What there is.

    /// Its id; `None` as long as nobody has signed for it.
    pub fn id(&self) -> Option<ChannelId> {
        (self.record.id.0 != Hash::default()).then_some(self.record.id)
    }

    pub fn side(&self) -> Side {
        self.record.side
    }

    pub fn peer(&self) -> IdentityId {
        self.record.ground.terms.parties[self.record.side.other().index()]
    }

    /// What both agreed on when they opened it.
    pub fn terms(&self) -> &ChannelTerms {
        &self.record.ground.terms
    }

    pub(crate) fn ground(&self) -> &Ground {
        &self.record.ground
    }

    /// What the peer shows when it closes alone, once it has said it.
    pub fn peer_secret(&self) -> Option<WatchSecret> {
        self.record.peer_secret
    }

    pub fn life(&self) -> Life {
        self.record.life
    }

    pub fn health(&self) -> &Health {
        &self.record.health
    }

    /// Whether the peer is there and both know where they stand.
    pub fn is_connected(&self) -> bool {
        self.link == Link::Connected
    }

    /// Whether the peer has said where it stands since this side started.
    pub fn is_heard(&self) -> bool {
        self.has_heard
    }

    /// All that is in it.
    pub fn total(&self) -> Amount {
        self.record.held.total
    }

    /// What is in it, of WAY and of other assets, as far as this side knows.
    pub fn held(&self) -> &Held {
        &self.record.held
    }

    /// What a call would do now; it changes nothing, and is told nobody.
    ///
    /// # Errors
    /// If it is none that a channel's calls may be.
    pub fn try_call(&self, call: &ContractCall) -> Result<Execution, ChangeError> {
        self.record.ground.try_call(&self.state, call, self.environment())
    }

    /// What a call would see now.
    pub fn environment(&self) -> Environment {
        self.ledger.environment.max(self.record.base.environment)
    }

    /// The newest position that is agreed.
    pub fn position(&self) -> &Position {
        &self.record.base
    }

    pub fn balance(&self) -> Amount {
        self.record.base.balances[self.record.side.index()]
    }

    /// The newest co-signed state; `None` where the newest is the ledger's own.
    pub fn cosigned(&self) -> Option<Cosigned<ChannelState>> {
        let (parties, body) = (self.record.ground.terms.parties, self.record.state_of(self.record.base));
        self.record.signatures.map(|signatures| Cosigned { body, parties, signatures })
    }

    /// The contracts' state at the newest position.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether an update of ours would be proposed at once: none is open, and it is not the peer's turn.
    pub fn is_free(&self) -> bool {
        self.record.released.is_empty() && self.record.fund.is_none() && !self.is_peers_turn
    }

    /// Whether there is nothing to do on the ledger, and nothing to be awaited of it, until its entry of the channel changes.
    pub(crate) fn rests(&self) -> bool {
        let is_forced = self.ledger.entry.as_ref().is_none_or(|entry| entry.first_forced().is_some());
        self.record.life == Life::Open
            && !is_forced
            && self.present.is_fresh()
            && self.early.is_none()
            && self.early_promise.is_none()
            && self.held.is_none()
            && self.record.released.is_empty()
            && self.record.fund.is_none()
    }

    /// Our half-signed updates: the peer may make each of them count.
    pub fn released(&self) -> &[Proposal] {
        &self.record.released
    }

    /// Whether the newest of these has waited too long for the peer's answer.
    pub fn is_stalled(&self) -> bool {
        let newest = self.record.released.last().map(Proposal::round);
        newest.is_some() && newest == self.stalled
    }

    pub fn network(&self) -> NetworkId {
        self.record.ground.network
    }

    /// What is to be done, in this order.
    pub fn poll(&mut self) -> Vec<ChannelEffect> {
        std::mem::take(&mut self.effects)
    }

    // Towards the driver.

    /// Asks to be woken for whatever step is being waited in.
    fn wait(&mut self, now: Time) {
        let wait = match self.record.life {
            Life::Initialized | Life::Accepted => OPENING_TIME_MAX,
            Life::Open if !self.record.released.is_empty() || self.is_peers_turn => ANSWER_TIME_MAX,
            Life::Closing => CLOSING_TIME_MAX,
            _ => return,
        };
        self.effects.push(Effect::WakeAt((self.since + wait).max(now + Span::millis(1))));
    }

    /// Writes all that is small, together with `batch`.
    fn persist(&mut self, mut batch: Batch) {
        self.record.put(&mut batch);
        let token = Token(self.newest.map_or(0, |token| token.0 + 1));
        self.newest = Some(token);
        self.effects.push(Effect::Persist { batch, token });
    }

    /// A message waits for the newest write: it never tells of anything that a crash could still take back.
    fn send(&mut self, message: ChannelMessage) {
        if self.link != Link::Disconnected {
            self.effects.push(Effect::Send { to: self.peer(), message, after: self.newest });
        }
    }

    fn notify(&mut self, news: ChannelNews) {
        self.effects.push(Effect::Notify(news));
    }
}

/// The signatures of both, in the order of the parties.
fn in_order<T>(side: Side, ours: T, theirs: T) -> [T; 2] {
    match side {
        Side::Initiator => [ours, theirs],
        Side::Responder => [theirs, ours],
    }
}

/// Whether both proposals are the same state.
fn is_same(ours: &Proposal, theirs: &Proposal) -> bool {
    ours.position == theirs.position && ours.change == theirs.change
}
