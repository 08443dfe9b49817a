//! A node that owes several peers more than they owe it: the nets that are under way with them come out of one account.

use std::collections::VecDeque;

use byway_crypto::IdentitySecret;
use byway_dialogue::payment::{Advice, BackingKind, Parties, PaymentMessage, Payments, Terms as PaymentTerms};
use byway_dialogue::{CertificateError, Link, LinkId, LinkProfile};
use byway_peer::link::PeerCard;
use byway_peer::market::{CardFault, MarketNews, Standing};
use byway_primitives::{Amount, AssetId, Effect, IdentityId, MemoryStore, Span, Time};
use byway_records::call::{AccountsCall, Take};
use byway_records::offer::Contact;
use byway_records::{Backing, Promise, SignedPromise};

use crate::rig::node::{GIVE, Node, take};
use crate::rig::{NETWORK, SEEDS};
use crate::terms::Terms;

pub const HUB: usize = 0;
pub const PEERS: [usize; 2] = [1, 2];
pub const NOW: Time = Time(1_000_000);
/// Of what may be unsettled.
const EXPOSURE_MAX: Amount = Amount::from_coins(100);

/// A hub that owes each of its peers 30 coins and is owed 10 by each. Links and disks take no time.
pub struct Star {
    pub nodes: [Node; 3],
    wire: VecDeque<(usize, LinkId, Vec<u8>)>,
    drawn: u64,
    balance: Amount,
    /// What the hub has handed in: whom it pays or is paid by, and whether it is a pair.
    handed_in: Vec<(IdentityId, bool)>,
    /// What somebody heard of where a peer is reached, or why it is not believed.
    cards: Vec<(usize, IdentityId, Result<PeerCard, CardFault>)>,
}

impl Star {
    pub fn new(balance: Amount) -> Self {
        let nodes = [&b"hub"[..], b"one", b"other"].map(|name| Node::new(name, 1, NOW, Terms::default()));
        let mut star =
            Self { nodes, wire: VecDeque::new(), drawn: 0, balance, handed_in: Vec::new(), cards: Vec::new() };
        for peer in PEERS {
            star.owe(HUB, peer);
            star.connect(peer);
        }
        star
    }

    /// Both have the promises in their journals.
    fn owe(&mut self, one: usize, other: usize) {
        let secrets = [one, other].map(|who| self.nodes[who].secret.clone());
        let by_one = promise(&secrets[0], &secrets[1], Amount::from_coins(30));
        let by_other = promise(&secrets[1], &secrets[0], Amount::from_coins(10));
        write_books(&mut self.nodes[one].store, (&secrets[0], &secrets[1]), by_one, by_other);
        write_books(&mut self.nodes[other].store, (&secrets[1], &secrets[0]), by_other, by_one);
    }

    fn connect(&mut self, peer: usize) {
        let id = LinkId(peer as u64);
        for who in [HUB, peer] {
            let profile = LinkProfile::stream(Span::millis(2));
            self.nodes[who].market.handle_link_up(Link { id, profile, binding: [9; 32] });
        }
        let (certificate, seed) = (self.nodes[peer].certificate(), self.draw());
        let (peer, hub) = (self.nodes[peer].id(), &mut self.nodes[HUB]);
        hub.market.converse(NOW, peer, &certificate, id, seed, &hub.store).expect("opens");
        self.carry();
        assert!(self.nodes[HUB].market.is_talking_to(peer));
    }

    /// `who` settles what `peer` owes it; nothing arrives yet.
    fn settle(&mut self, who: usize, peer: usize) {
        let (peer, node) = (self.nodes[peer].id(), &mut self.nodes[who]);
        node.market.settle(NOW, peer, Take::Whole, &node.store).expect("something is owed");
    }

    pub fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        SEEDS.hash(&[b"star", &self.drawn.to_le_bytes()]).0
    }

    /// Carries everything, until nobody has anything more to say.
    pub fn carry(&mut self) {
        loop {
            (0..self.nodes.len()).for_each(|who| self.carry_out(who));
            let Some((to, link, frame)) = self.wire.pop_front() else { return };
            let (seed, node) = (self.draw(), &mut self.nodes[to]);
            node.market.handle_frame(NOW, link, &frame, seed, &node.store);
        }
    }

    fn carry_out(&mut self, who: usize) {
        loop {
            while let Some(output) = self.nodes[who].market.poll() {
                match output {
                    Effect::Persist { batch, token } => self.nodes[who].write(NOW, token, batch),
                    Effect::Send { to, message, after } => {
                        let ready = self.nodes[who].send(to, message, after);
                        ready.into_iter().for_each(|(link, frame)| self.transmit(who, link, frame));
                    }
                    Effect::WakeAt(_) => {}
                    Effect::Notify(news) => self.news(who, news),
                }
            }
            if self.nodes[who].pending.is_empty() {
                return;
            }
            let ready = self.nodes[who].sync(NOW);
            ready.into_iter().for_each(|(link, frame)| self.transmit(who, link, frame));
        }
    }

    fn transmit(&mut self, from: usize, link: LinkId, frame: Vec<u8>) {
        let to = if from == HUB { link.0 as usize } else { HUB };
        self.wire.push_back((to, link, frame));
    }

    fn news(&mut self, who: usize, news: MarketNews) {
        let node = &mut self.nodes[who];
        match news {
            MarketNews::Talking { peer, .. } => {
                let standing = Standing { exposure_max: EXPOSURE_MAX, reputation: 500, trial: None };
                node.market.set_balance(self.balance);
                node.market.set_standing(NOW, peer, standing, &node.store);
            }
            MarketNews::Submit { peer, call, .. } if who == HUB => {
                self.handed_in.push((peer, matches!(*call, AccountsCall::SettlePair(_))));
            }
            MarketNews::Whereabouts { peer, card } => self.cards.push((who, peer, Ok(*card))),
            MarketNews::CardFault { peer, fault } => self.cards.push((who, peer, Err(fault))),
            MarketNews::Malformed { error, .. } => panic!("malformed: {error}"),
            _ => {}
        }
    }
}

fn promise(payer: &IdentitySecret, payee: &IdentitySecret, amount: Amount) -> SignedPromise {
    let parties = Parties { network: NETWORK, me: payer.id(), peer: payee.id(), asset: AssetId::WAY };
    Promise { network: NETWORK, series: parties.given(Backing::Account), serial: 1, amount }.sign(payer)
}

/// What one side knows of a promise that it made and one that it took.
fn write_books(
    store: &mut MemoryStore,
    (me, peer): (&IdentitySecret, &IdentitySecret),
    given: SignedPromise,
    taken: SignedPromise,
) {
    let parties = Parties { network: NETWORK, me: me.id(), peer: peer.id(), asset: AssetId::WAY };
    let config = take(Terms::default());
    let mut payments = Payments::restore(parties, me.clone(), GIVE, config, &*store).expect("nothing is written");
    let terms = PaymentTerms {
        asset: AssetId::WAY,
        amount_min: Amount::ZERO,
        backing: BackingKind::Account,
        update: true,
        room: Amount::ZERO,
    };
    let advice = Advice { remainder: Amount::ZERO, terms, copy: Some(given), settling: None };
    let mut effects = payments.admit(NOW, Backing::Account, EXPOSURE_MAX);
    effects.extend(payments.handle_message(NOW, PaymentMessage::Offer(taken)));
    effects.extend(payments.handle_message(NOW, PaymentMessage::Advice(advice)));
    for effect in effects {
        if let Effect::Persist { batch, .. } = effect {
            store.apply(&batch);
        }
    }
}

#[test]
fn nets_with_several_peers_take_no_more_together_than_there_is() {
    // Each net takes 20 coins.
    for (balance, together) in [(19, [false, false]), (20, [true, false]), (39, [true, false]), (40, [true, true])] {
        let mut star = Star::new(Amount::from_coins(balance));
        PEERS.into_iter().for_each(|peer| star.settle(HUB, peer));
        star.carry();
        let expected = [0, 1].map(|index: usize| (star.nodes[PEERS[index]].id(), together[index]));
        star.handed_in.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(star.handed_in, expected, "with {balance} coins");
    }
}

#[test]
fn a_net_that_was_agreed_to_is_set_aside_for_too() {
    for (balance, together) in [(39, false), (40, true)] {
        let mut star = Star::new(Amount::from_coins(balance));
        star.settle(PEERS[0], HUB);
        star.carry();
        assert!(star.handed_in.is_empty(), "the peer hands that one in");
        star.settle(HUB, PEERS[1]);
        star.carry();
        assert_eq!(star.handed_in, [(star.nodes[PEERS[1]].id(), together)], "with {balance} coins");
    }
}

#[test]
fn two_who_talk_hear_where_each_is_reached_and_believe_nobody_s_word_for_another() {
    let mut star = Star::new(Amount::ZERO);
    let card = |star: &Star, of: usize| PeerCard {
        certificate: star.nodes[of].certificate(),
        contacts: vec![Contact { protocol: "quic".to_owned(), data: vec![of as u8; 40] }],
    };
    let [hub, one, other] = [HUB, PEERS[0], PEERS[1]].map(|who| (star.nodes[who].id(), card(&star, who)));
    let say = |star: &mut Star, from: usize, to: IdentityId, card: &PeerCard| {
        let node = &mut star.nodes[from];
        let is_said = node.market.say_whereabouts(NOW, to, card, &node.store);
        star.carry();
        is_said
    };
    assert!(say(&mut star, HUB, one.0, &hub.1) && say(&mut star, PEERS[0], hub.0, &one.1));
    assert!(say(&mut star, PEERS[0], hub.0, &other.1), "that of another");
    let mut changed = one.1.clone();
    changed.certificate.not_after = Time(changed.certificate.not_after.0 - 1);
    assert!(say(&mut star, PEERS[0], hub.0, &changed), "with a certificate that was changed");
    assert!(!say(&mut star, PEERS[0], other.0, &one.1), "nobody talks to that one");
    let expected = [
        (PEERS[0], hub.0, Ok(hub.1)),
        (HUB, one.0, Ok(one.1)),
        (HUB, one.0, Err(CardFault::Foreign(other.0))),
        (HUB, one.0, Err(CardFault::Certificate(CertificateError::Signature))),
    ];
    assert_eq!(star.cards, expected);
}
