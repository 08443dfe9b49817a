//! Proposing channels and agreeing to them, and keeping the peers of those that there are in reach.

use std::collections::BTreeSet;

use byway_channel::{ChannelHandle, ChannelKey, Life};
use byway_driver::entropy;
use byway_ledger::{LOCK_MAX, LOCK_MIN, RESERVE_CALLS};
use byway_peer::link::{LinkError, PeerCard};
use byway_primitives::{Amount, Batch, Decode, Encode, Hash, IdentityId, Space, Span, Store};
use byway_records::channel::{ChannelAssets, ChannelTerms, Remainder, Side};
use byway_records::genesis::Wait;
use tokio::sync::oneshot;

use super::super::ChannelSettings;
use super::super::reaching::Whereabouts;
use super::Actor;
use super::guaranteed::Over;
use super::keys::{KeyFate, Once};
use crate::api::{Answer, ApiError, ChannelOpen, ChannelRemainder, IdentityCard};

/// Why nobody is dialled for a channel while hops are chosen.
const HOPS: &str =
    "hops are chosen, and it would see this node's address; `byway connect` without them, or have it connect";
/// Cards of peers with whom there is a channel.
const CARDS: Space = Space("channel-cards");
/// Cards that are kept.
const CARDS_MAX: usize = 256;
/// Channels that wait for their peers to be reached.
const WISHES_MAX: usize = 16;
/// A peer that is not there is dialled again after this, …
const DIAL_AGAIN: Span = Span::seconds(5);
/// … then after twice as long each time, up to this.
const DIAL_AGAIN_MAX: Span = Span::minutes(5);
/// The commits of a lock period that is a second long or longer: with them a ledger on which nothing happens gives no less time.
const LOCK_COMMITS: u64 = 5;
const LOCK_DEFAULT: Span = Span::minutes(60);

/// A channel that is to be proposed.
pub(super) struct Wish {
    pub terms: ChannelTerms,
    /// Where it is to be virtual.
    over: Option<Over>,
    /// The card by which the peer is found; kept once it leads there.
    card: Option<PeerCard>,
    once: Once,
    asker: oneshot::Sender<Answer<Proposed>>,
}

/// A channel that is proposed, and what says when it is open, or never will be.
pub(super) type Proposed = (ChannelKey, oneshot::Receiver<Answer<()>>);

/// The reserve where nobody says another: enough for a dispute, and no great loss to have lying.
fn reserve_default() -> Amount {
    Amount::from_units(10_000_000_000_000_000)
}

impl Actor {
    /// After opening: where peers are that have no offer.
    pub(in super::super) fn take_up_channels(&mut self) {
        for (_, bytes) in self.ledger_journal.scan_prefix(CARDS, &[]) {
            // One that can't be read any more is asked for again by whoever needs it.
            if let Ok(card) = PeerCard::from_bytes(&bytes) {
                let known = Whereabouts::from(card);
                self.channels.cards.insert(known.peer, known);
            }
        }
        self.tell_unreadable();
        self.take_up_watching();
        self.look_at_channels();
    }

    /// How this node is reached by somebody who knows nothing of it.
    pub(in super::super) fn own_card(&self) -> Answer<IdentityCard> {
        let card = self.card().ok_or_else(|| ApiError::not_supported("address under which it could be reached"))?;
        Ok(IdentityCard { card: card.to_string(), expires_ms: self.certificate.not_after })
    }

    pub(in super::super) fn card(&self) -> Option<PeerCard> {
        let contact = self.links.contact_with(self.certificate.static_key, &self.config.link_public)?;
        Some(PeerCard { certificate: self.certificate, contacts: vec![contact.to_offer()] })
    }

    /// Those with whom there is a channel, or whom one talks with, and who are there hear where this node is reached, and hear it again when that changes: whichever of
    /// the two comes back under another address finds the other.
    fn say_whereabouts(&mut self) {
        self.channels.told.retain(|peer, _| self.market.is_talking_to(*peer));
        let Some(card) = self.card() else { return };
        let signed = self.market.channels().iter().filter(|(_, channel)| channel.id().is_some());
        let is_news =
            |peer: &IdentityId| self.market.is_talking_to(*peer) && self.channels.told.get(peer) != Some(&card);
        let peers = signed.map(|(key, _)| key.peer).chain(self.chat_peers());
        let peers: BTreeSet<IdentityId> = peers.filter(is_news).collect();
        let now = self.clock.now();
        for peer in peers {
            if self.market.say_whereabouts(now, peer, &card, &self.market_journal) {
                self.channels.told.insert(peer, card.clone());
            }
        }
        self.introduce_companions();
    }

    /// A peer says where it is reached, which is kept of those with whom there is a channel, or whom one talks with. Of others it is kept
    /// where nothing is known of them: they know better themselves.
    pub(in super::super) fn peer_says_where(&mut self, by: IdentityId, card: PeerCard) {
        let peer = card.certificate.identity;
        if peer != by && self.whereabouts(peer).is_some() {
            return;
        }
        let is_new = self.channels.cards.get(&peer) != Some(&Whereabouts::from(card.clone()));
        if is_new && (self.market.channels().has_with(peer) || self.is_chat_peer(peer)) {
            self.keep_card(card);
        }
    }

    /// Has a channel proposed as soon as its peer is reached.
    pub(super) fn wish_for_channel(
        &mut self,
        request: &ChannelOpen,
        asker: oneshot::Sender<Answer<Proposed>>,
    ) -> Answer<IdentityId> {
        self.channels.wishes.retain(|wish| !wish.asker.is_closed());
        if self.channels.wishes.len() >= WISHES_MAX {
            return Err(ApiError::busy("channels being opened"));
        }
        let (peer, card) = self.peer_named(&request.peer)?;
        if peer == self.me() {
            return Err(ApiError::invalid_params("peer", "that is this node itself"));
        }
        let (mut terms, once) =
            (terms(self.me(), peer, request, self.channel_assets(&request.assets)?)?, Once::open(request));
        let asker = match self.opened_before(peer, &once, asker)? {
            Some(asker) => asker,
            None => return Ok(peer),
        };
        let over = self.over(request, &mut terms)?;
        if over.is_none() {
            self.check_terms(&terms)?;
            self.check_deposits(&terms)?;
        }
        let is_there = self.market.is_talking_to(peer);
        if !is_there && card.is_none() && self.whereabouts(peer).is_none() {
            return Err(ApiError::peer_unreachable(peer, "it has no offer on the market, and its card is not known"));
        }
        if !is_there && self.has_chain() {
            return Err(ApiError::peer_unreachable(peer, HOPS));
        }
        self.channels.wishes.push(Wish { terms, over, card, once, asker });
        if is_there {
            self.channel_peer_is_there(peer);
        } else {
            self.dial_channel_peer(peer);
        }
        Ok(peer)
    }

    /// Answers with the channel that was proposed under this key before. Gives the asker back where there is none, or one of which nothing is
    /// left since nobody had signed for it.
    fn opened_before(
        &mut self,
        peer: IdentityId,
        once: &Once,
        asker: oneshot::Sender<Answer<Proposed>>,
    ) -> Answer<Option<oneshot::Sender<Answer<Proposed>>>> {
        let (handle, was_open) = match self.fate_of(once)? {
            Some(KeyFate::Proposed(handle)) => (handle, false),
            Some(KeyFate::Opened(handle)) => (handle, true),
            _ => return Ok(Some(asker)),
        };
        let mut bytes = [0; 16];
        hex::decode_to_slice(&handle, &mut bytes).map_err(|_| ApiError::internal())?;
        let key = ChannelKey { peer, handle: ChannelHandle(bytes) };
        let (opening, opened) = oneshot::channel();
        match self.market.channels().get(key).map(|channel| channel.life()) {
            Some(Life::Open | Life::Closing | Life::Closed) => drop(opening.send(Ok(()))),
            Some(_) => self.channels.opening.entry(key).or_default().push(opening),
            None if was_open => {
                return Err(ApiError::channel_not_opened("one was opened under this key before, and is over"));
            }
            None => return Ok(Some(asker)),
        }
        // Whoever asked may have stopped waiting.
        let _ = asker.send(Ok((key, opened)));
        Ok(None)
    }

    /// An identity, or that of a card.
    pub(in super::super) fn peer_named(&self, text: &str) -> Answer<(IdentityId, Option<PeerCard>)> {
        if let Ok(id) = text.parse::<IdentityId>() {
            return Ok((id, None));
        }
        let card = text.trim().parse::<PeerCard>().map_err(|error| match error {
            LinkError::Scheme => ApiError::invalid_params(
                "peer",
                "it is neither an identity (40 hex digits) nor a card (`byway identity card` there prints one)",
            ),
            error => ApiError::invalid_params("peer", error),
        })?;
        let checked = card.certificate.verify(self.network, self.clock.now());
        checked.map_err(|error| ApiError::invalid_params("peer", format_args!("the card is not good: {error}")))?;
        Ok((card.certificate.identity, Some(card)))
    }

    /// Keeps a card that has led to its peer; of one with whom there is no channel any more another takes the place.
    pub(in super::super) fn keep_card(&mut self, card: PeerCard) {
        let (known, mut batch) = (Whereabouts::from(card.clone()), Batch::new());
        if self.channels.cards.len() >= CARDS_MAX && !self.channels.cards.contains_key(&known.peer) {
            let watches = |peer: IdentityId| self.market.watched().towers().any(|tower| tower == peer);
            let holders = self.hold_peers();
            let is_idle = |peer: &&IdentityId| {
                !self.market.channels().has_with(**peer)
                    && !watches(**peer)
                    && !self.is_chat_peer(**peer)
                    && !holders.contains(*peer)
            };
            let Some(idle) = self.channels.cards.keys().find(is_idle).copied() else { return };
            self.channels.cards.remove(&idle);
            batch.delete(CARDS, idle.0.to_vec());
        }
        batch.put(CARDS, known.peer.0.to_vec(), card.to_bytes());
        self.write_ledger(batch);
        self.channels.cards.insert(known.peer, known);
    }

    /// Whether the ledger would take such terms.
    fn check_terms(&self, terms: &ChannelTerms) -> Answer<()> {
        let price = self.config.genesis.parameters.call_prices.channel;
        let least = Amount::cost(price, RESERVE_CALLS, 1).unwrap_or(Amount::MAX);
        if terms.reserve < least {
            return Err(ApiError::invalid_params("reserve", format_args!("the ledger wants {least} WAY at the least")));
        }
        if !(LOCK_MIN.millis..=LOCK_MAX.millis).contains(&terms.lock.millis) {
            return Err(ApiError::invalid_params("lock_seconds", "it must lie between a second and 90 days"));
        }
        Ok(())
    }

    /// Whether both accounts hold what they are to put in: the ledger would refuse it after a while.
    fn check_deposits(&self, terms: &ChannelTerms) -> Answer<()> {
        let [ours, theirs] = match terms.parties[0] == self.me() {
            true => [0, 1],
            false => [1, 0],
        };
        let balance = |side: usize| self.account(terms.parties[side]).balance;
        if balance(ours) < terms.deposits[ours] {
            return Err(ApiError::insufficient_account(terms.deposits[ours], balance(ours)));
        }
        if balance(theirs) < terms.deposits[theirs] {
            let has = balance(theirs);
            return Err(ApiError::channel_not_opened(format_args!(
                "the peer's account holds {has} WAY, and it is to put in {} WAY",
                terms.deposits[theirs]
            )));
        }
        self.check_asset_deposits(terms)
    }

    /// A peer proposes a channel: where the user has said what is fine, that is done; otherwise it waits for the user.
    pub(super) fn channel_proposed(&mut self, key: ChannelKey) {
        let Some(terms) = self.market.channels().get(key).map(|channel| *channel.terms()) else { return };
        // Over all that peers have proposed and that are there, whoever agreed to them.
        let bound = self.market.channels().iter().filter(|(_, channel)| channel.side() == Side::Responder);
        let bound = bound.filter(|(_, channel)| channel.life() != Life::Initialized);
        let bound =
            Amount::checked_sum(bound.map(|(_, channel)| channel.terms().deposits[1]).chain([terms.deposits[1]]));
        let is_possible = self.check_proposal(key, &terms).is_ok();
        if is_agreed_to(self.config.channels, &terms, bound) && is_possible {
            self.agree_to_channel(key);
        } else {
            tracing::info!(peer = %key.peer, "a peer proposes a channel; `byway channel list` shows it");
        }
    }

    /// Whether this side can put in what a peer proposes, and the ledger would take it.
    fn check_proposal(&self, key: ChannelKey, terms: &ChannelTerms) -> Answer<()> {
        match self.virtual_terms(key) {
            Some(virtual_terms) => self.check_virtual(&virtual_terms),
            None => self.check_terms(terms).and_then(|()| self.check_deposits(terms)),
        }
    }

    fn agree_to_channel(&mut self, key: ChannelKey) {
        let now = self.clock.now();
        self.market.with_channel(now, key, &self.market_journal, |channel| channel.agree(now));
    }

    /// The user agrees to a channel; the answer comes when the ledger has it.
    pub(super) fn accept_channel(&mut self, key: ChannelKey, asker: oneshot::Sender<Answer<()>>) -> Answer<()> {
        let channel = self.market.channels().get(key).ok_or_else(|| ApiError::channel_not_ready("it is over"))?;
        if channel.life() != Life::Initialized || channel.terms().parties[0] == self.me() {
            return Err(ApiError::channel_not_ready("nobody asks this node to agree to it"));
        }
        let terms = *channel.terms();
        self.check_proposal(key, &terms)?;
        self.channels.opening.entry(key).or_default().push(asker);
        self.agree_to_channel(key);
        Ok(())
    }

    /// The user does not, or takes a proposal back.
    pub(in super::super) fn decline_channel(&mut self, key: ChannelKey) -> Answer<()> {
        let now = self.clock.now();
        let is_early = |life: Life| matches!(life, Life::Initialized | Life::Accepted);
        let declined = self.market.with_channel(now, key, &self.market_journal, |channel| {
            let is_early = is_early(channel.life());
            channel.decline();
            is_early
        });
        if declined == Some(true) {
            Ok(())
        } else {
            Err(ApiError::channel_not_ready("it is being opened already; wait until it is open, then close it"))
        }
    }

    /// Where a peer is found with whom there is a channel, or is to be one, or who watches one.
    pub(in super::super) fn channel_peer(&self, peer: IdentityId) -> Option<Whereabouts> {
        let is_wished = || self.channels.wishes.iter().any(|wish| wish.terms.parties[1] == peer);
        let watches = || self.market.watched().towers().any(|tower| tower == peer);
        let is_wanted = self.market.channels().has_with(peer) || is_wished() || watches() || self.is_chat_peer(peer);
        let is_wanted = is_wanted || self.hold_peers().contains(&peer);
        if is_wanted { self.whereabouts(peer) } else { None }
    }

    pub(in super::super) fn whereabouts(&self, peer: IdentityId) -> Option<Whereabouts> {
        let wished = self.channels.wishes.iter().rev().find(|wish| wish.terms.parties[1] == peer);
        if let Some(card) = wished.and_then(|wish| wish.card.clone()) {
            return Some(Whereabouts::from(card));
        }
        let offered = self.index.of_provider(peer).next().map(|published| Whereabouts::from(&published.offer.offer));
        offered.or_else(|| self.channels.cards.get(&peer).cloned())
    }

    pub(super) fn dial_channel_peer(&mut self, peer: IdentityId) {
        let Some(known) = self.channel_peer(peer) else { return };
        let before = self.channels.dial_at.get(&peer).map_or(Span::ZERO, |(_, wait)| *wait);
        let wait = Span(before.0.saturating_mul(2)).clamp(DIAL_AGAIN, DIAL_AGAIN_MAX);
        self.channels.dial_at.insert(peer, (self.clock.now() + wait, wait));
        self.dial(known);
    }

    /// Dials those with whom there is a channel, or is to be one, and who are not there.
    pub(in super::super) fn reach_channel_peers(&mut self) {
        // Hops are there so that nobody learns whom this node talks with; peers may come to it.
        if self.has_chain() {
            return;
        }
        let now = self.clock.now();
        self.say_whereabouts();
        self.channels.dial_at.retain(|peer, _| !self.market.is_talking_to(*peer));
        // Who only proposes a channel has come by itself.
        let signed = self.market.channels().iter().filter(|(_, channel)| channel.id().is_some());
        let wanted = self.channels.wishes.iter().map(|wish| wish.terms.parties[1]);
        let towers = self.market.watched().towers();
        let peers: BTreeSet<IdentityId> = signed
            .map(|(key, _)| key.peer)
            .chain(wanted)
            .chain(towers)
            .chain(self.chat_peers())
            .chain(self.hold_peers())
            .collect();
        let is_due = |peer: &IdentityId| self.channels.dial_at.get(peer).is_none_or(|(at, _)| now >= *at);
        let absent = peers.into_iter().filter(|peer| !self.market.is_talking_to(*peer));
        let absent: Vec<IdentityId> = absent.filter(is_due).collect();
        absent.into_iter().for_each(|peer| self.dial_channel_peer(peer));
    }

    /// A peer is there: what was to be proposed to it is.
    pub(in super::super) fn channel_peer_is_there(&mut self, peer: IdentityId) {
        let all = std::mem::take(&mut self.channels.wishes);
        let (its, others): (Vec<Wish>, _) = all.into_iter().partition(|wish| wish.terms.parties[1] == peer);
        self.channels.wishes = others;
        for Wish { terms, over, card, once, asker } in its.into_iter().filter(|wish| !wish.asker.is_closed()) {
            card.into_iter().for_each(|card| self.keep_card(card));
            let handle = ChannelHandle(fresh());
            self.is_proposed(&once, handle);
            let now = self.clock.now();
            let opened = match over.map(|over| self.propose_over(terms, over)) {
                Some(terms) => self.market.open_virtual_channel(now, handle, terms, &self.market_journal),
                None => self.market.open_channel(now, handle, terms, &self.market_journal),
            };
            let answer = opened.map_err(ApiError::channel_not_opened).map(|key| {
                let (opening, opened) = oneshot::channel();
                self.channels.opening.entry(key).or_default().push(opening);
                self.channels.changed.insert(key);
                (key, opened)
            });
            // Whoever asked may have stopped waiting.
            let _ = asker.send(answer);
        }
    }

    /// A peer can't be reached: whoever wants to open a channel with it hears so, and channels that there are go on waiting.
    pub(in super::super) fn channel_peer_not_reached(&mut self, peer: IdentityId, why: &str) {
        let all = std::mem::take(&mut self.channels.wishes);
        let (its, others): (Vec<Wish>, _) = all.into_iter().partition(|wish| wish.terms.parties[1] == peer);
        self.channels.wishes = others;
        for wish in its {
            let _ = wish.asker.send(Err(ApiError::peer_unreachable(peer, why)));
        }
    }
}

fn fresh() -> [u8; 16] {
    *entropy::seed().first_chunk().expect("a seed is longer")
}

fn terms(me: IdentityId, peer: IdentityId, request: &ChannelOpen, assets: ChannelAssets) -> Answer<ChannelTerms> {
    // A virtual channel needs none.
    let reserve = request.reserve.unwrap_or_else(|| match request.via {
        Some(_) => Amount::ZERO,
        None => reserve_default(),
    });
    let lock = request.lock_seconds.map_or(LOCK_DEFAULT, Span::seconds);
    if request.deposit < reserve {
        let why = format_args!("it must be the reserve at the least, {reserve} WAY");
        return Err(ApiError::invalid_params("deposit", why));
    }
    let remainder = match request.remainder {
        ChannelRemainder::Ours => Remainder::Initiator,
        ChannelRemainder::Theirs => Remainder::Responder,
        ChannelRemainder::Halves => Remainder::Halves,
    };
    Ok(ChannelTerms {
        parties: [me, peer],
        deposits: [request.deposit, request.their_deposit.unwrap_or(reserve)],
        reserve,
        lock: Wait { millis: lock, commits: LOCK_COMMITS },
        remainder,
        // Both put in what they will show when they close alone.
        secrets: [Hash::default(); 2],
        assets,
    })
}

/// Whether a channel that a peer proposes is one to which its user has said yes in the settings. `bound` is what would then be put into all such channels.
fn is_agreed_to(settings: ChannelSettings, terms: &ChannelTerms, bound: Option<Amount>) -> bool {
    let is_small = settings.accept_max.is_some_and(|most| bound.is_some_and(|bound| bound <= most));
    // Commits come several a second while anything happens.
    let is_short = terms.lock.millis <= settings.lock_max && terms.lock.commits <= settings.lock_max.0 / 1000;
    // How much of another asset is little the settings don't say. And with one, though it is the peer's alone, WAY is paid out only to who can show the state.
    is_small && is_short && terms.assets.is_empty()
}

#[cfg(test)]
mod tests {
    use byway_primitives::AssetId;
    use byway_records::channel::AssetParts;

    use super::*;

    #[test]
    fn a_channel_with_another_asset_is_agreed_to_by_the_user_alone() {
        let way = ChannelTerms {
            parties: [IdentityId([0; 20]), IdentityId([1; 20])],
            deposits: [Amount::from_coins(1); 2],
            reserve: reserve_default(),
            lock: Wait { millis: LOCK_DEFAULT, commits: LOCK_COMMITS },
            remainder: Remainder::Halves,
            secrets: [Hash::default(); 2],
            assets: ChannelAssets::NONE,
        };
        let settings = ChannelSettings { accept_max: Some(Amount::from_coins(1)), ..ChannelSettings::default() };
        let one = Some(Amount::from_coins(1));
        assert!(is_agreed_to(settings, &way, one));
        for (parts, asset) in [([1, 0], 1), ([0, 1], 2)] {
            let row = AssetParts { asset: AssetId(Hash([asset; 32])), parts: parts.map(Amount::from_coins) };
            let assets = ChannelAssets::new([row]).unwrap();
            assert!(!is_agreed_to(settings, &ChannelTerms { assets, ..way }, one));
        }
        assert!(!is_agreed_to(settings, &way, Some(Amount::from_coins(2))));
    }
}
