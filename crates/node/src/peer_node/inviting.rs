//! Bringing others into the network: its link, and invites with coins (row I2).
//!
//! An invite is a payment to a wallet of its own. That wallet's secret comes from this wallet's and the R of the payment,
//! so nothing secret is written down, no two invites share one, and the link can be shown again. Whether an invite was
//! taken is read from certified scan data, in which its outputs turn up as spent; by whom, nobody is asked.

use std::collections::BTreeMap;

use byway_crypto::ghost::TransactionSecret;
use byway_driver::entropy;
use byway_kernel::light::TrustedCheckpoint;
use byway_peer::link::{INVITE_OUTPUTS_MAX, Invite, InviteSeed, NetworkLink};
use byway_peer::wallet::{Bearer, Grains, Payee, Wish};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Batch, Space, Span, Store, Time};
use byway_records::scan::ScanData;
use byway_records::{OutputId, Transaction, TransactionId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Actor;
use super::books::{Order, TRANSACTION_LIFE, way};
use super::history::Note;
use super::once::Once;
use crate::api::{
    Answer, ApiError, GivenInvite, InviteLink, InviteNew, InviteNumber, InviteStage, NetworkInvitation, NetworkLinkShow,
};
use crate::joining::{link_to, relay_text};

const INVITES: Space = Space("given-invites");
const SEED: Context = Context("byway 1 derive: invite");
/// Invites of one node, those that are over included; about half a kilobyte each.
const INVITES_MAX: usize = 10_000;

/// The invites that this node gave, by number.
#[derive(Debug, Default)]
pub(super) struct Invites(BTreeMap<InviteNumber, Record>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    coins: Amount,
    pledge: Amount,
    created: Time,
    /// By the ledger's time.
    expires: Option<Time>,
    /// What paid the invite's wallet, until when that can become final, and its R in hex.
    payment: TransactionId,
    payment_until: Time,
    ghost: String,
    /// Which outputs of it those are, and what is in them.
    outputs: Vec<(u32, Amount)>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The payment is not final.
    Paying,
    Open,
    /// A transaction of this node draws it back, until then.
    TakingBack(TransactionId, Time),
    Taken(Time),
    TakenBack(Time),
    /// The payment did not become final, so nothing is gone.
    Failed,
}

impl Record {
    fn ids(&self) -> Vec<OutputId> {
        let output = |(index, _): &(u32, Amount)| OutputId { transaction: self.payment, index: *index };
        self.outputs.iter().map(output).collect()
    }

    fn ghost(&self) -> Option<byway_crypto::GhostKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.ghost, &mut bytes).ok()?;
        Some(byway_crypto::GhostKey(bytes))
    }

    /// What the ledger's next step makes of it.
    fn after(&self, step: &Step<'_>) -> Stage {
        let spender = || self.ids().iter().find_map(|id| step.spenders.get(id).copied());
        match self.stage {
            // What follows may be in the same step.
            Stage::Paying if step.has_final(self.payment) => Self { stage: Stage::Open, ..self.clone() }.after(step),
            Stage::Paying if step.is_over(self.payment, self.payment_until) => Stage::Failed,
            Stage::Open => spender().map_or(Stage::Open, |_| Stage::Taken(step.scan.time)),
            Stage::TakingBack(id, until) => match spender() {
                Some(by) if by == id => Stage::TakenBack(step.scan.time),
                Some(_) => Stage::Taken(step.scan.time),
                None if step.is_over(id, until) => Stage::Open,
                None => self.stage,
            },
            stage => stage,
        }
    }

    fn view(&self, number: InviteNumber) -> GivenInvite {
        let (stage, ended_ms) = match self.stage {
            Stage::Paying => (InviteStage::Paying, None),
            Stage::Open => (InviteStage::Open, None),
            Stage::TakingBack(..) => (InviteStage::TakingBack, None),
            Stage::Taken(at) => (InviteStage::Taken, Some(at)),
            Stage::TakenBack(at) => (InviteStage::TakenBack, Some(at)),
            Stage::Failed => (InviteStage::Failed, None),
        };
        GivenInvite {
            number,
            coins: self.coins,
            pledge: self.pledge,
            created_ms: self.created,
            expires_ms: self.expires,
            stage,
            ended_ms,
            transaction_id: self.payment,
        }
    }
}

/// A step of the ledger, and what spends what in it.
struct Step<'a> {
    scan: &'a ScanData,
    spenders: BTreeMap<OutputId, TransactionId>,
}

impl<'a> Step<'a> {
    fn of(scan: &'a ScanData) -> Self {
        let spenders = scan.finals.iter().flat_map(|made| made.spent.iter().map(|spent| (*spent, made.id)));
        Self { scan, spenders: spenders.collect() }
    }

    fn has_final(&self, wanted: TransactionId) -> bool {
        self.scan.finals.iter().any(|made| made.id == wanted)
    }

    /// Whether a transaction that is not final will never be.
    fn is_over(&self, wanted: TransactionId, until: Time) -> bool {
        self.scan.time > until || self.scan.rejected.iter().any(|(id, _)| *id == wanted)
    }
}

impl Invites {
    pub fn open(store: &impl Store) -> Self {
        let stored = store.scan_prefix(INVITES, &[]).into_iter();
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let number = InviteNumber(u32::from_be_bytes(key.try_into().ok()?));
            Some((number, serde_json::from_slice(&value).ok()?))
        };
        Self(stored.filter_map(read).collect())
    }

    /// Goes on by what the ledger has certified.
    pub fn scan(&mut self, scan: &ScanData) -> Batch {
        let mut batch = Batch::new();
        let is_live = |record: &&Record| matches!(record.stage, Stage::Paying | Stage::Open | Stage::TakingBack(..));
        if self.0.values().filter(is_live).count() == 0 {
            return batch;
        }
        let step = Step::of(scan);
        let changed: Vec<_> = self.0.iter().map(|(number, record)| (*number, record.after(&step))).collect();
        changed.into_iter().for_each(|(number, stage)| batch.append(self.set(number, stage)));
        batch
    }

    /// Notes a stage, where it is another one.
    fn set(&mut self, number: InviteNumber, stage: Stage) -> Batch {
        match self.0.get_mut(&number).filter(|record| record.stage != stage) {
            Some(record) => {
                record.stage = stage;
                keep(number, record)
            }
            None => Batch::new(),
        }
    }

    pub fn views(&self) -> Vec<GivenInvite> {
        self.0.iter().map(|(number, record)| record.view(*number)).collect()
    }

    fn of(&self, number: InviteNumber) -> Answer<&Record> {
        self.0.get(&number).ok_or_else(|| ApiError::invite_not_found(number))
    }

    /// The invite that this payment made.
    pub fn by_payment(&self, payment: TransactionId) -> Option<GivenInvite> {
        let found = self.0.iter().find(|(_, record)| record.payment == payment);
        found.map(|(number, record)| record.view(*number))
    }
}

fn keep(number: InviteNumber, record: &Record) -> Batch {
    let value = serde_json::to_vec(record).expect("a record of texts and numbers has a JSON form");
    let mut batch = Batch::new();
    batch.put(INVITES, number.0.to_be_bytes(), value);
    batch
}

impl Actor {
    /// A link to this network as it is now.
    pub(super) fn network_link(&self, request: NetworkLinkShow) -> Answer<NetworkInvitation> {
        let link = self.link_to_network(request.relay)?;
        let name = self.config.genesis.name.clone();
        Ok(NetworkInvitation { link: link.to_string(), network: link.network, name })
    }

    fn link_to_network(&self, relay: Option<String>) -> Answer<NetworkLink> {
        let named = relay.map(relay_text).transpose().map_err(|why| ApiError::invalid_params("relay", why))?;
        // What opens a front is not given away unasked.
        let own = self.config.relay.as_ref().filter(|relay| relay.front.is_none()).map(|relay| relay.url.to_string());
        let relay = named.or(own.map(Zeroizing::new));
        let seats = &self.ledger.follower().epoch().seats;
        let members = seats.counting().map(|(_, member)| member);
        Ok(NetworkLink { relay, checkpoint: self.checkpoint_to_begin_at(), ..link_to(self.network, members) })
    }

    /// Where a newcomer begins: at genesis, as long as all who founded the network are in it.
    fn checkpoint_to_begin_at(&self) -> Option<TrustedCheckpoint> {
        let follower = self.ledger.follower();
        let seats = &follower.epoch().seats;
        let is_here = |key| seats.counting().any(|(_, member)| member.key == key);
        if self.config.genesis.members.iter().all(|(_, founder)| is_here(founder.key)) {
            return None;
        }
        follower.tip().map(|tip| TrustedCheckpoint { height: tip.height, digest: tip.digest() })
    }

    /// Pays a new invite.
    pub(super) fn invite(&mut self, request: &InviteNew, once: &Once) -> Answer<TransactionId> {
        if self.invites.0.len() >= INVITES_MAX {
            return Err(ApiError::too_many_invites(INVITES_MAX));
        }
        let now = self.clock.now();
        let parameters = &self.config.genesis.parameters;
        let costs = parameters.registration_pledge.checked_add(parameters.call_prices.other);
        let pledge = if request.pledge { costs } else { Some(Amount::ZERO) };
        let total = pledge.and_then(|pledge| request.coins.checked_add(pledge));
        let (Some(pledge), Some(total)) = (pledge, total) else {
            return Err(ApiError::invalid_params("coins", "there are not so many"));
        };
        let seed = Zeroizing::new(entropy::seed());
        let ghost = TransactionSecret::from_seed(&seed).public();
        let wallet = self.invite_seed(ghost).wallet();
        let number = InviteNumber(self.invites.0.keys().next_back().map_or(1, |last| last.0 + 1));
        let payee = Payee { to: wallet.address().into(), value: way(total) };
        let note = Note { counterparty: Some(format!("invite {}", number.0)), ..Note::default() };
        let order = Order { note, ..Order::unsigned(Wish { payees: vec![payee], ..Wish::default() }) };
        let (transaction, mut batch) = self.prepare(order, &seed).map_err(|error| self.build_error(error))?;
        let (id, view) = (transaction.id(), wallet.view_secret());
        let record = Record {
            coins: request.coins,
            pledge,
            created: now,
            expires: request.within_seconds.map(|seconds| now + Span::seconds(seconds)),
            payment: id,
            payment_until: transaction.body.expires,
            ghost: hex::encode(ghost.0),
            outputs: paid_to(&view, ghost, &transaction),
            stage: Stage::Paying,
        };
        batch.append(keep(number, &record));
        batch.append(self.once.note(once, id, now));
        self.invites.0.insert(number, record);
        self.launch(id, batch);
        Ok(id)
    }

    /// What all secrets of an invite come from that is paid under this R.
    fn invite_seed(&self, ghost: byway_crypto::GhostKey) -> InviteSeed {
        let derived = self.config.wallet.derive(SEED, &ghost.0);
        let mut seed = Zeroizing::new([0; 16]);
        seed.copy_from_slice(&derived[..16]);
        InviteSeed(seed)
    }

    /// The link of an invite, once there is something behind it.
    pub(super) fn invite_link(&self, number: InviteNumber, relay: Option<String>) -> Answer<InviteLink> {
        let record = self.invites.of(number)?;
        let link = match record.stage {
            Stage::Open => {
                let ghost = record.ghost().ok_or_else(ApiError::internal)?;
                let invite = Invite {
                    network: self.link_to_network(relay)?,
                    seed: self.invite_seed(ghost),
                    transaction: record.payment,
                    ghost,
                    outputs: record.outputs.clone(),
                    pledge: record.pledge,
                    expires: record.expires,
                };
                Some(invite.to_text().to_string())
            }
            _ => None,
        };
        Ok(InviteLink { invite: record.view(number), link })
    }

    /// Draws an invite back that nobody has taken.
    pub(super) fn take_back(&mut self, number: InviteNumber, once: Option<&Once>) -> Answer<TransactionId> {
        let record = self.invites.of(number)?;
        match record.stage {
            Stage::Open => {}
            Stage::TakingBack(id, _) => return Ok(id),
            _ => return Err(ApiError::invite_not_open(&record.view(number))),
        }
        let now = self.clock.now();
        let expires = now + TRANSACTION_LIFE;
        let ghost = record.ghost().ok_or_else(ApiError::internal)?;
        let (secret, outputs) = (self.invite_seed(ghost).wallet(), record.outputs.clone());
        let bearer = Bearer { secret, transaction: record.payment, ghost, outputs };
        let grains = Grains { output_min: self.config.genesis.parameters.output_min, ..Grains::default() };
        let (wish, seed) = (Wish { expires, ..Wish::default() }, Zeroizing::new(entropy::seed()));
        let built = bearer.take(self.network, &wish, self.wallet.address(), &[], &grains, &seed);
        let transaction = built.map_err(|error| self.build_error(error))?;
        let total = Amount::checked_sum(bearer.outputs.iter().map(|(_, amount)| *amount)).unwrap_or(Amount::ZERO);
        let id = transaction.id();
        let mut batch = self.wallet.take_up(&transaction, way(total), now);
        let note = Note { counterparty: Some(format!("invite {}, taken back", number.0)), ..Note::default() };
        batch.append(self.notes.keep(id, note));
        batch.append(self.invites.set(number, Stage::TakingBack(id, expires)));
        if let Some(once) = once {
            batch.append(self.once.note(once, id, now));
        }
        self.launch(id, batch);
        Ok(id)
    }

    /// Draws back what nobody has taken in time.
    pub(super) fn tend_invites(&mut self) {
        let now = self.ledger_clock().time;
        let is_over = |record: &Record| {
            record.stage == Stage::Open && record.expires.is_some_and(|expires| now > expires + GRACE)
        };
        let over: Vec<InviteNumber> =
            self.invites.0.iter().filter(|(_, record)| is_over(record)).map(|(number, _)| *number).collect();
        for number in over {
            if let Err(error) = self.take_back(number, None) {
                tracing::warn!(number = number.0, error = error.message, "an invite is not taken back");
            }
        }
    }
}

/// An invite is drawn back this long after its time: by then what was handed in before has its verdict.
const GRACE: Span = Span::seconds(10);

/// The outputs of a transaction that pay a wallet.
fn paid_to(
    view: &byway_crypto::ViewSecret,
    ghost: byway_crypto::GhostKey,
    transaction: &Transaction,
) -> Vec<(u32, Amount)> {
    let outputs = (0u32..).zip(&transaction.body.outputs);
    let paid = outputs.filter(|(index, output)| view.owns(ghost, *index, output.lock.keys[0], output.view_tags[0]));
    paid.map(|(index, output)| (index, output.value.amount)).take(INVITE_OUTPUTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use byway_primitives::{Hash, MemoryStore};
    use byway_records::Reject;
    use byway_records::scan::ScanTransaction;

    use super::*;

    const PAYMENT: TransactionId = TransactionId(Hash([1; 32]));
    const BACK: TransactionId = TransactionId(Hash([2; 32]));
    const OTHER: TransactionId = TransactionId(Hash([3; 32]));

    fn record(stage: Stage) -> Record {
        Record {
            coins: Amount::from_coins(20),
            pledge: Amount::from_coins(1),
            created: Time(0),
            expires: Some(Time(9_000)),
            payment: PAYMENT,
            payment_until: Time(500),
            ghost: "07".repeat(32),
            outputs: vec![(1, Amount::from_coins(12)), (4, Amount::from_coins(9))],
            stage,
        }
    }

    fn scan(time: u64, finals: &[(TransactionId, &[u32])], rejected: &[TransactionId]) -> ScanData {
        let spent =
            |indices: &[u32]| indices.iter().map(|index| OutputId { transaction: PAYMENT, index: *index }).collect();
        let made = finals.iter().map(|(id, indices)| ScanTransaction {
            id: *id,
            ghost: None,
            outputs: Vec::new(),
            spent: spent(indices),
        });
        let rejected = rejected.iter().map(|id| (*id, Reject::UnknownInput)).collect();
        ScanData { time: Time(time), finals: made.collect(), rejected }
    }

    #[test]
    fn an_invite_goes_on_by_what_is_certified() {
        let back = Stage::TakingBack(BACK, Time(500));
        for (name, stage, scan, expected) in [
            ("waits", Stage::Paying, scan(1, &[(OTHER, &[])], &[]), Stage::Paying),
            ("paid", Stage::Paying, scan(1, &[(PAYMENT, &[])], &[]), Stage::Open),
            (
                "paid and taken at once",
                Stage::Paying,
                scan(1, &[(PAYMENT, &[]), (OTHER, &[1, 4])], &[]),
                Stage::Taken(Time(1)),
            ),
            ("not paid", Stage::Paying, scan(1, &[], &[PAYMENT]), Stage::Failed),
            ("lapsed", Stage::Paying, scan(501, &[], &[]), Stage::Failed),
            ("open", Stage::Open, scan(9_999, &[(OTHER, &[2])], &[]), Stage::Open),
            ("taken", Stage::Open, scan(7, &[(OTHER, &[1, 4])], &[]), Stage::Taken(Time(7))),
            ("taken in part", Stage::Open, scan(7, &[(OTHER, &[4])], &[]), Stage::Taken(Time(7))),
            ("drawn back", back, scan(7, &[(BACK, &[1, 4])], &[]), Stage::TakenBack(Time(7))),
            ("too late", back, scan(7, &[(OTHER, &[1, 4])], &[BACK]), Stage::Taken(Time(7))),
            ("not drawn back", back, scan(501, &[], &[]), Stage::Open),
            ("being drawn back", back, scan(500, &[], &[]), back),
            ("over", Stage::Taken(Time(7)), scan(501, &[(OTHER, &[1])], &[]), Stage::Taken(Time(7))),
        ] {
            assert_eq!(record(stage).after(&Step::of(&scan)), expected, "{name}");
        }
    }

    #[test]
    fn an_invite_is_known_again_after_a_restart() {
        let (number, mut store, mut invites) = (InviteNumber(3), MemoryStore::default(), Invites::default());
        store.apply(&keep(number, &record(Stage::Paying)));
        invites.0.insert(number, record(Stage::Paying));
        store.apply(&invites.scan(&scan(1, &[(PAYMENT, &[])], &[])));
        let again = Invites::open(&store);
        assert_eq!(again.0, [(number, record(Stage::Open))].into());
        assert_eq!(again.by_payment(PAYMENT).map(|view| view.stage), Some(InviteStage::Open));
        let text = String::from_utf8(store.scan_prefix(INVITES, &[])[0].1.clone()).unwrap();
        assert!(!text.contains("seed"), "no secret is kept: {text}");
    }
}
