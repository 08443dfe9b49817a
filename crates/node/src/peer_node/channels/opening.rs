//! Proposing channels and agreeing to them, and keeping the peers of those that there are in reach.

use byway_channel::{ChannelHandle, ChannelKey, Life};
use byway_driver::entropy;
use byway_peer::link::PeerCard;
use byway_primitives::{Amount, Batch, Decode, Encode, IdentityId, Space, Span, Store, Time};
use byway_records::channel::{ChannelTerms, Remainder};
use byway_records::genesis::Wait;
use tokio::sync::oneshot;

use super::super::reaching::Whereabouts;
use super::Actor;
use crate::api::{Answer, ApiError, ChannelOpen, ChannelRemainder, IdentityCard};

/// Cards of peers with whom there is a channel.
const CARDS: Space = Space("channel-cards");
/// Cards that are kept.
const CARDS_MAX: usize = 256;
/// Channels that wait for their peers to be reached.
const WISHES_MAX: usize = 16;
/// A peer that is not there is dialled again after this.
const DIAL_AGAIN: Span = Span::seconds(5);
/// The commits of a lock period that is a second long or longer: with them a ledger on which nothing happens gives no less time.
const LOCK_COMMITS: u64 = 5;
const LOCK_DEFAULT: Span = Span::minutes(60);

/// A channel that is to be proposed.
pub(super) struct Wish {
    pub terms: ChannelTerms,
    pub asker: oneshot::Sender<Answer<ChannelKey>>,
}

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
    }

    /// How this node is reached by somebody who knows nothing of it.
    pub(in super::super) fn own_card(&self) -> Answer<IdentityCard> {
        let contact = self.links.contact_with(self.certificate.static_key, &self.config.link_public);
        let contact = contact.ok_or_else(|| ApiError::not_supported("address under which it could be reached"))?;
        let card = PeerCard { certificate: self.certificate, contacts: vec![contact.to_offer()] };
        Ok(IdentityCard { card: card.to_string(), expires_ms: self.certificate.not_after })
    }

    /// Has a channel proposed as soon as its peer is reached.
    pub(super) fn wish_for_channel(
        &mut self,
        request: &ChannelOpen,
        asker: oneshot::Sender<Answer<ChannelKey>>,
    ) -> Answer<()> {
        if self.channels.wishes.len() >= WISHES_MAX {
            return Err(ApiError::busy("channels being opened"));
        }
        let peer = self.peer_named(&request.peer)?;
        if peer == self.me() {
            return Err(ApiError::invalid_params("peer", "that is this node itself"));
        }
        let terms = terms(self.me(), peer, request)?;
        self.check_deposits(&terms)?;
        let is_known = self.whereabouts(peer).is_some();
        if !self.market.is_talking_to(peer) && !is_known {
            return Err(ApiError::peer_unreachable(peer, "it has no offer on the market, and its card is not known"));
        }
        self.channels.wishes.push(Wish { terms, asker });
        if self.market.is_talking_to(peer) {
            self.channel_peer_is_there(peer);
        } else {
            self.dial_channel_peer(peer);
        }
        Ok(())
    }

    /// An identity, or that of a card, which is kept.
    fn peer_named(&mut self, text: &str) -> Answer<IdentityId> {
        if let Ok(id) = text.parse::<IdentityId>() {
            return Ok(id);
        }
        let card: PeerCard = text.trim().parse().map_err(|error| ApiError::invalid_params("peer", error))?;
        let checked = card.certificate.verify(self.network, self.clock.now());
        checked.map_err(|error| ApiError::invalid_params("peer", format_args!("the card is not good: {error}")))?;
        let known = Whereabouts::from(card.clone());
        let peer = known.peer;
        if self.channels.cards.len() < CARDS_MAX || self.channels.cards.contains_key(&peer) {
            let mut batch = Batch::new();
            batch.put(CARDS, peer.0.to_vec(), card.to_bytes());
            self.write_ledger(batch);
            self.channels.cards.insert(peer, known);
        }
        Ok(peer)
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
        Ok(())
    }

    /// A peer proposes a channel: where the user has said what is fine, that is done; otherwise it waits for the user.
    pub(super) fn channel_proposed(&mut self, key: ChannelKey) {
        let Some(terms) = self.market.channels().get(key).map(|channel| *channel.terms()) else { return };
        let settings = self.config.channels;
        let is_small = settings.accept_max.is_some_and(|most| terms.deposits[1] <= most);
        if is_small && terms.lock.millis <= settings.lock_max && self.check_deposits(&terms).is_ok() {
            self.agree_to_channel(key);
        } else {
            tracing::info!(peer = %key.peer, "a peer proposes a channel; `byway channel list` shows it");
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
        self.check_deposits(&terms)?;
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
            Err(ApiError::channel_not_ready("it is agreed to already; close it"))
        }
    }

    /// Where a peer is found with whom there is a channel, or is to be one.
    pub(in super::super) fn channel_peer(&self, peer: IdentityId) -> Option<Whereabouts> {
        let is_wished = || self.channels.wishes.iter().any(|wish| wish.terms.parties[1] == peer);
        let is_wanted = self.market.channels().has_with(peer) || is_wished();
        if is_wanted { self.whereabouts(peer) } else { None }
    }

    fn whereabouts(&self, peer: IdentityId) -> Option<Whereabouts> {
        let offered = self.index.of_provider(peer).next().map(|published| Whereabouts::from(&published.offer.offer));
        offered.or_else(|| self.channels.cards.get(&peer).cloned())
    }

    fn dial_channel_peer(&mut self, peer: IdentityId) {
        let Some(known) = self.channel_peer(peer) else { return };
        self.channels.dial_at.insert(peer, self.clock.now() + DIAL_AGAIN);
        self.dial(known);
    }

    /// Dials those with whom there is a channel, or is to be one, and who are not there.
    pub(super) fn reach_channel_peers(&mut self) {
        let now = self.clock.now();
        let wanted = self.channels.wishes.iter().map(|wish| wish.terms.parties[1]);
        let absent: Vec<IdentityId> = self
            .market
            .channels()
            .peers()
            .into_iter()
            .chain(wanted)
            .filter(|peer| !self.market.is_talking_to(*peer))
            .filter(|peer| self.channels.dial_at.get(peer).is_none_or(|at| now >= *at))
            .collect();
        absent.into_iter().for_each(|peer| self.dial_channel_peer(peer));
        self.channels.dial_at.retain(|_, at: &mut Time| now < *at + DIAL_AGAIN);
    }

    /// A peer is there: what was to be proposed to it is.
    pub(in super::super) fn channel_peer_is_there(&mut self, peer: IdentityId) {
        let all = std::mem::take(&mut self.channels.wishes);
        let (its, others): (Vec<Wish>, _) = all.into_iter().partition(|wish| wish.terms.parties[1] == peer);
        self.channels.wishes = others;
        for Wish { terms, asker } in its.into_iter().filter(|wish| !wish.asker.is_closed()) {
            let handle = ChannelHandle(fresh());
            let opened = self.market.open_channel(self.clock.now(), handle, terms, &self.market_journal);
            let answer = opened.map_err(ApiError::channel_not_opened);
            if let Ok(key) = &answer {
                self.channels.changed.insert(*key);
            }
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

fn terms(me: IdentityId, peer: IdentityId, request: &ChannelOpen) -> Answer<ChannelTerms> {
    let reserve = request.reserve.unwrap_or_else(reserve_default);
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
    })
}
