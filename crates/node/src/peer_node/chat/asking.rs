//! What a first message costs (decision 0060): our own asking is paid for out of a reservation, that of others is looked up on the ledger.
//!
//! Who asks sets an amount aside for the one asked, for a week, and sends along a promise of it. The one asked looks whether it is there
//! ([`Verdict`]), and has the promise settled only where its person blocks who asks. What is not settled goes back to whoever set it aside
//! once the week is over. Nothing of this is kept but what the ledger and the conversations keep.

use std::collections::BTreeMap;
use std::time::Duration;

use byway_chat::chats::Footing;
use byway_chat::chats::admission::{Plea, Verdict};
use byway_chat::delivery::{AskRefusal, PaymentFault};
use byway_chat::people::Standing;
use byway_peer::link::PeerCard;
use byway_peer::wallet::Wish;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, AssetId, Encode, IdentityId, Span, Time};
use byway_records::call::{AccountsCall, Take};
use byway_records::promise::{ReservationId, Series, SignedPromise};
use byway_records::tree::StateTree;
use byway_records::{Backing, Call, ProgramId, Promise, TransactionId};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::books::{Errand, Fate, Order, way};
use super::super::{Actor, PeerNode};
use super::paid::{self, Paid};
use crate::api::*;

/// For how long what is paid for a first message is set aside.
const SET_ASIDE: Span = Span::days(7);
/// One of ours that is set aside for less is not used for another request.
const SET_ASIDE_AGAIN: Span = Span::days(2);
/// How long what others say that they have set aside is waited for: the ledger may be ahead of this node.
const SEEN_WITHIN: Span = Span::seconds(30);
/// How long the ledger is waited for, for each of the transactions.
const VERDICT_WAIT: Duration = Duration::from_secs(20);
/// How long is waited for what the one asked says to it: their person may take days.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// How often what of ours was not collected is looked for: it lies for a week, and nobody waits for it.
const TAKE_BACK_EACH: Span = Span::minutes(1);

/// What the task knows of first messages beside what is kept.
#[derive(Default)]
pub(in super::super) struct AskDesk {
    /// What is being set aside for somebody.
    reserving: BTreeMap<IdentityId, TransactionId>,
    /// When what was not collected is looked for again.
    take_back_at: Time,
}

/// A transaction that is waited for; none where nothing is to be done.
type UnderWay = Option<oneshot::Receiver<Fate>>;

impl PeerNode {
    pub(in super::super) async fn ask_in_chat(&self, request: ChatAsk) -> Answer<ChatPerson> {
        let ChatAsk { who, pay, from } = request;
        let mut promise = None;
        if let Some(amount) = pay {
            let named = who.clone();
            let peer = self.ask(move |actor| actor.check_paying_to_ask(&named, amount)).await?;
            self.finish(move |actor| actor.deposit_to_ask(amount)).await?;
            self.finish(move |actor| actor.reserve_to_ask(peer, amount)).await?;
            promise = Some(self.ask(move |actor| actor.promise_to_ask(peer, amount)).await?);
        }
        let payment = promise.map(|promise| promise.to_bytes()).unwrap_or_default();
        let asked = self.ask_kept(move |actor| actor.ask_with(&who, payment, from.as_deref())).await?;
        let peer = asked.identity;
        match self.seen_within(ANSWER_WAIT, move |actor| actor.answer_of(peer)).await? {
            Some(person) => Ok(person),
            None => self.ask(move |actor| actor.chat_person(peer)).await,
        }
    }

    /// Has a transaction made, and waits for its verdict.
    async fn finish(&self, make: impl FnOnce(&mut Actor) -> Answer<UnderWay> + Send + 'static) -> Answer<()> {
        let Some(fate) = self.ask(make).await? else { return Ok(()) };
        match timeout(VERDICT_WAIT, fate).await {
            Ok(Ok(Fate::Final)) => Ok(()),
            Ok(Ok(Fate::Rejected(reject))) => Err(ApiError::chat_ask_unpaid(&reject.to_string())),
            Ok(Ok(Fate::Refused(reason))) => Err(ApiError::chat_ask_unpaid(&reason)),
            Ok(Ok(Fate::Lapsed) | Err(_)) | Err(_) => {
                Err(ApiError::chat_ask_unpaid("the ledger has not answered in time"))
            }
        }
    }
}

/// Asking others.
impl Actor {
    /// Asks somebody to be a contact, or agrees where they have asked; of a contact a card says where they are now.
    pub(super) fn ask_with(&mut self, who: &str, payment: Vec<u8>, from: Option<&str>) -> Answer<ChatPerson> {
        let (peer, mut card, token) = self.chat_peer_named(who.trim())?;
        let group = from.map(|group| self.room_named(group)).transpose()?;
        let standing = self.chats().people().get(peer).map(|person| &person.standing);
        if token.is_none() && matches!(standing, Some(Standing::Asking { .. })) {
            self.with_chats(|chats, now, seed, store| chats.accept(now, seed, peer, store)).map_err(ApiError::chat)?;
        } else if !(card.is_some() && standing == Some(&Standing::Contact)) {
            card = card.or_else(|| self.card_in_book(group?, peer));
            self.check_reachable(peer, card.as_ref())?;
            let plea = Plea { token, payment, group };
            let asked = self.with_chats(|chats, now, seed, store| chats.ask_with(now, seed, peer, plea, store));
            asked.map_err(ApiError::chat)?;
        }
        card.into_iter().for_each(|card| self.keep_card(card));
        self.reach_channel_peers();
        self.chat_person(peer)
    }

    /// What somebody says to being asked, once their node has heard of it.
    fn answer_of(&self, peer: IdentityId) -> Answer<Option<ChatPerson>> {
        let person = self.chat_person(peer)?;
        if let Some(refusal) = &person.refused {
            let called = if person.name.is_empty() { peer.to_string() } else { person.name.clone() };
            return Err(ApiError::chat_ask_refused(peer, &called, refusal, self.clock.now()));
        }
        Ok((person.standing != ChatStanding::Asked || person.waiting == 0).then_some(person))
    }

    fn check_reachable(&self, peer: IdentityId, card: Option<&PeerCard>) -> Answer<()> {
        if card.is_some() || self.market.is_talking_to(peer) || self.whereabouts(peer).is_some() {
            return Ok(());
        }
        let why = "it has no offer on the market, and its card is not known; ask it for a link (`byway chat invite`)";
        Err(ApiError::peer_unreachable(peer, why))
    }

    /// Before anything is set aside for somebody.
    fn check_paying_to_ask(&self, who: &str, amount: Amount) -> Answer<IdentityId> {
        if !self.chats().is_first() {
            return Err(ApiError::not_first_device());
        }
        let (peer, card, _) = self.chat_peer_named(who.trim())?;
        if amount.is_zero() {
            return Err(ApiError::invalid_params("pay", "it must be more than nothing"));
        }
        match self.chats().people().get(peer).map(|person| &person.standing) {
            Some(Standing::Contact) => return Err(ApiError::chat(byway_chat::chats::ChatError::AlreadyContact(peer))),
            Some(Standing::Asking { .. }) => {
                return Err(ApiError::invalid_params(
                    "pay",
                    "they have asked you; `byway chat accept` agrees, for nothing",
                ));
            }
            _ if peer == self.me() => return Err(ApiError::chat(byway_chat::chats::ChatError::Oneself)),
            _ => {}
        }
        self.check_reachable(peer, card.as_ref())?;
        Ok(peer)
    }

    /// Has as much in the account as is to be set aside.
    fn deposit_to_ask(&mut self, amount: Amount) -> Answer<UnderWay> {
        let missing = amount.saturating_sub(self.account(self.me()).balance);
        if missing.is_zero() {
            return Ok(None);
        }
        let order = self.deposit_of(way(missing));
        let id = self.transact(order, None).map_err(|error| self.build_error(error))?;
        Ok(Some(self.watch(id)))
    }

    fn reserve_to_ask(&mut self, payee: IdentityId, amount: Amount) -> Answer<UnderWay> {
        if self.set_aside_for(payee, amount).is_some() {
            return Ok(None);
        }
        let under_way = self.asks.reserving.get(&payee).copied();
        if let Some(id) = under_way.filter(|id| self.wallet.pending().any(|(pending, _)| pending == *id)) {
            return Ok(Some(self.watch(id)));
        }
        let (payer, until) = (self.me(), self.ledger_clock().time + SET_ASIDE);
        let call = AccountsCall::Reserve { payer, payee, value: way(amount), until };
        let fee = self.config.genesis.parameters.call_prices.other;
        let order = Order::signed(Wish { call: Some(Call::Accounts(call)), fee, ..Wish::default() });
        let id = self.transact(order, None).map_err(|error| self.build_error(error))?;
        self.asks.reserving.insert(payee, id);
        Ok(Some(self.watch(id)))
    }

    fn promise_to_ask(&mut self, payee: IdentityId, amount: Amount) -> Answer<SignedPromise> {
        let missing = || ApiError::chat_ask_unpaid("what was set aside is not to be seen on the ledger yet");
        let reservation = self.set_aside_for(payee, amount).ok_or_else(missing)?;
        let backing = Backing::Reservation(reservation);
        let series = Series { payer: self.me(), payee, asset: AssetId::WAY, backing };
        // It is the only one of its series, so there is no serial to be kept.
        Ok(Promise { network: self.network, series, serial: 0, amount }.sign(&self.config.identity))
    }

    /// What we have set aside for somebody, if it is enough, and for long enough.
    fn set_aside_for(&self, payee: IdentityId, amount: Amount) -> Option<ReservationId> {
        let until = self.ledger_clock().time + SET_ASIDE_AGAIN;
        paid::set_aside(self.accounts_tree()?, (self.me(), payee), amount, until)
    }

    fn accounts_tree(&self) -> Option<&StateTree> {
        self.ledger.follower().tree(ProgramId::ACCOUNTS)
    }
}

/// Being asked.
impl Actor {
    pub(in super::super) fn price_in_chat(&mut self, request: &ChatPriceSet) -> ChatPrice {
        if let Some(price) = request.price {
            self.with_chats(|chats, _, _, _| chats.set_ask_price(price));
        }
        ChatPrice { price: self.chats().ask_price() }
    }

    /// Says of those who ask what the ledger knows of them, as far as it does.
    pub(super) fn judge_asks(&mut self) {
        let unjudged: Vec<(IdentityId, Vec<u8>, Time)> = self
            .chats()
            .unjudged()
            .map(|(peer, unjudged)| (peer, unjudged.payment().to_vec(), unjudged.since))
            .collect();
        for (peer, payment, since) in unjudged {
            if let Some(verdict) = self.verdict_on(peer, &payment, since) {
                self.with_chats(|chats, now, seed, store| chats.judge(now, seed, peer, verdict, store));
            }
        }
    }

    /// Nothing as long as the ledger may yet show what is said to be there.
    fn verdict_on(&self, peer: IdentityId, payment: &[u8], since: Time) -> Option<Verdict> {
        let clock = self.ledger_clock();
        if self.is_registered(peer) {
            return Some(Verdict::Registered);
        }
        if payment.is_empty() {
            return Some(Verdict::Unpaid);
        }
        let (price, me) = (self.chats().ask_price(), self.me());
        let promise = match Paid::read(payment, self.network, (peer, me)) {
            Ok(paid) if paid.0.promise.amount < price => return Some(Verdict::Unpaid),
            Ok(paid) => paid,
            Err(fault) => return Some(Verdict::Bad(fault)),
        };
        match promise.look(self.accounts_tree()?, clock.time) {
            Ok(()) => Some(Verdict::Paid),
            Err(PaymentFault::Unbacked) if self.clock.now() < since + SEEN_WITHIN => None,
            Err(fault) => Some(Verdict::Bad(fault)),
        }
    }

    /// Looks after what was paid: collects it of those who were blocked, and takes back what of ours was not collected.
    pub(in super::super) fn tend_asks(&mut self) {
        self.judge_asks();
        let Some(tip) = self.ledger.follower().tip().map(|tip| (tip.time, tip.commits)) else { return };
        let collectable: Vec<(IdentityId, Vec<u8>)> =
            self.chats().collectable().map(|(peer, payment)| (peer, payment.to_vec())).collect();
        for (peer, payment) in collectable {
            self.collect(peer, &payment);
        }
        let now = self.clock.now();
        if now < self.asks.take_back_at {
            return;
        }
        self.asks.take_back_at = now + TAKE_BACK_EACH;
        let over = self.accounts_tree().and_then(|tree| paid::not_collected(tree, self.me(), tip));
        if let Some(reservation) = over {
            let call = Some(Call::Accounts(AccountsCall::Release { reservation }));
            let fee = self.config.genesis.parameters.call_prices.other;
            self.run_errand(Errand::TakeBack, Order::signed(Wish { call, fee, ..Wish::default() }));
        }
    }

    fn collect(&mut self, peer: IdentityId, payment: &[u8]) {
        let paid = Paid::read(payment, self.network, (peer, self.me()));
        let is_there = |paid: &Paid| self.accounts_tree().is_some_and(|tree| paid.look(tree, Time::ZERO).is_ok());
        match paid.ok().filter(is_there) {
            Some(Paid(promise)) => {
                let take = Take::Whole;
                let payee = promise.promise.countersign(take, &self.config.identity);
                let call = Some(Call::Accounts(AccountsCall::Settle { promise, payee, take }));
                let fee = self.config.genesis.parameters.call_prices.other;
                self.run_errand(Errand::Collect(peer), Order::unsigned(Wish { call, fee, ..Wish::default() }));
            }
            // It was settled, or has been taken back.
            None => self.with_chats(|chats, _, _, _| chats.note_collected(peer)),
        }
    }

    /// How somebody asks, or what became of our asking them, as it is shown.
    pub(super) fn footing_of(&self, peer: IdentityId) -> (Option<ChatRefusal>, Option<Amount>, Option<String>) {
        match self.chats().footing(peer) {
            Some(Footing::Refused { refusal, at }) => (Some(refusal_shown(refusal, *at)), None, None),
            Some(Footing::Asks { payment, group }) => {
                let paid = decode_exact::<SignedPromise>(payment).ok().map(|signed| signed.promise.amount);
                (None, paid, group.map(|group| hex::encode(group.0)))
            }
            Some(Footing::Collect { .. }) | None => (None, None, None),
        }
    }
}

fn refusal_shown(refusal: &AskRefusal, at: Time) -> ChatRefusal {
    let (reason, price, again_ms) = match *refusal {
        AskRefusal::Price { price } => (ChatRefusalReason::Price, Some(price), None),
        AskRefusal::Later { after } => (ChatRefusalReason::Later, None, Some(at + after)),
        AskRefusal::Full => (ChatRefusalReason::Full, None, None),
        AskRefusal::Payment(_) => (ChatRefusalReason::Payment, None, None),
    };
    let text = match refusal {
        AskRefusal::Payment(fault) => fault.to_string(),
        refusal => refusal.to_string(),
    };
    ChatRefusal { reason, price, again_ms, text }
}
