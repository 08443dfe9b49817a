//! Graphs drawn as text, for tests.
//!
//! A drawing is a list of snapshots, each written `A2:ABC`: author A, round 2, referencing the snapshots of A, B and C of
//! round 1. `A2':…` is another snapshot of A in round 2; `A'` among references means that one. `*` stands for the
//! (unprimed) snapshots of everybody who has one in the round before; `2:*` for one snapshot of everybody in round 2;
//! `2-FG:*` for everybody but F and G. `~B1` behind the references is a weak reference. `@3` before the colon is the height
//! of the checkpoint that is named; without it that is genesis.

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::ThresholdKey;
use byway_crypto::threshold::dealing::{Dealing, DealingSecret};
use byway_crypto::{NodeSecret, Purpose};
use byway_primitives::{Hash, IdentityId, NetworkId, Time};
use byway_records::genesis::faults_tolerated;
use byway_records::{Epoch, Height, Member, Seats};

use crate::coin::{CoinKey, CoinShare};
use crate::committee::{Committee, MemberIndex};
use crate::snapshot::{Header, Reference};
use crate::verified::VerifiedSnapshot;

pub const NETWORK: NetworkId = NetworkId(Hash([9; 32]));

pub fn secret(index: u8) -> NodeSecret {
    NodeSecret::from_seed(&[index + 1; 32])
}

pub fn committee(members: usize) -> Committee {
    Committee::of(NETWORK, (0..members).map(|index| secret(index as u8).public()).collect())
}

/// The key of a coin that so many members share, and what each holds of it; dealt as members do.
pub fn coin_keys(members: usize) -> Vec<CoinKey> {
    let (count, threshold) = (members as u8, faults_tolerated(members) + 1);
    let opener = |member: u8| DealingSecret::from_seed(&[member; 32]);
    let receivers: Vec<_> = (0..count).map(|member| (member, opener(member).public())).collect();
    let dealing = Dealing::deal(&[7; 32], Hash([8; 32]), threshold, &receivers);
    let dealing = dealing.verify(Hash([8; 32]), threshold, &receivers).expect("a sound dealing");
    let public = Arc::new(ThresholdKey::sum([&dealing], count).expect("of one"));
    let secret = |member: u8| dealing.open(member, &opener(member), &[0; 32])?.ok();
    (0..count).map(|member| CoinKey { public: public.clone(), secret: secret(member) }).collect()
}

/// The share of the coin of `round`.
pub fn share(coin: &CoinKey, round: u64) -> CoinShare {
    let secret = coin.secret.as_ref().expect("everyone holds a part");
    CoinShare { round, share: secret.sign(Purpose::Coin, NETWORK, &round.to_be_bytes()) }
}

/// The epoch of such a committee.
pub fn epoch(members: usize) -> Epoch {
    let member = |index: u8| Member {
        name: format!("node {index}"),
        key: secret(index).public(),
        mesh: StaticKey([index; 32]),
        dealing: secret(index).dealing().public(),
        address: format!("10.0.0.{index}:7100"),
        owner: IdentityId([index; 20]),
    };
    Epoch { number: 0, protocol: 1, seats: Seats::founding((0..members as u8).map(member)), coin: None }
}

/// A snapshot's name in a drawing: author, round, how many primes.
type Name = (u8, u64, usize);

/// The snapshots of a drawing, in its order.
#[derive(Debug, Clone)]
pub struct Drawing {
    committee: Committee,
    pub snapshots: Vec<Arc<VerifiedSnapshot>>,
    names: BTreeMap<Name, Reference>,
    /// What each node holds of a coin; empty where there is none.
    coin: Vec<CoinKey>,
}

impl Drawing {
    pub fn of(members: usize, text: &str) -> Self {
        Self::with_coin(members, text, Vec::new())
    }

    /// A drawing whose snapshots carry their share of their round's coin.
    pub fn with_coin(members: usize, text: &str, coin: Vec<CoinKey>) -> Self {
        let mut drawing = Self { committee: committee(members), snapshots: Vec::new(), names: BTreeMap::new(), coin };
        text.split_whitespace().for_each(|word| drawing.draw(word));
        drawing
    }

    /// The name of a snapshot, as in the drawing.
    pub fn name(&self, reference: &Reference) -> String {
        let found = self.names.iter().find(|(_, named)| *named == reference);
        let ((author, round, primes), _) = found.expect("drawn");
        format!("{}{round}{}", (b'A' + author) as char, "'".repeat(*primes))
    }

    fn draw(&mut self, word: &str) {
        let (who, onto) = word.split_once(':').unwrap_or((word, ""));
        let (who, height) = who.split_once('@').unwrap_or((who, "0"));
        let checkpoint = Height(height.parse().expect("a height"));
        if who.starts_with(|first: char| first.is_ascii_uppercase()) {
            let name = name_of(who);
            return self.add(name, onto, checkpoint);
        }
        let (round, absent) = who.split_once('-').unwrap_or((who, ""));
        let round = round.parse().expect("a round");
        for author in 0..self.committee.size() as u8 {
            if !absent.contains((b'A' + author) as char) {
                self.add((author, round, 0), onto, checkpoint);
            }
        }
    }

    fn add(&mut self, name: Name, onto: &str, checkpoint: Height) {
        let (author, round, primes) = name;
        let (strong, weak) = onto.split_once('~').unwrap_or((onto, ""));
        let mut references: Vec<(MemberIndex, Hash)> = Vec::new();
        let mut letters = strong.chars().peekable();
        while let Some(letter) = letters.next() {
            let mut primes = 0;
            while letters.next_if_eq(&'\'').is_some() {
                primes += 1;
            }
            let named = self.names.iter().filter(|((by, of, variant), _)| {
                *of + 1 == round && *variant == primes && (letter == '*' || (b'A' + by) as char == letter)
            });
            references.extend(named.map(|(_, reference)| (reference.author, reference.hash)));
        }
        references.sort_unstable();
        let mut weak_references: Vec<_> =
            weak.split('~').filter(|name| !name.is_empty()).map(|name| self.names[&name_of(name)]).collect();
        weak_references.sort_unstable();
        let author = MemberIndex(author);
        let own = references.iter().find(|(by, _)| *by == author).map(|(_, hash)| (round - 1, *hash));
        let header = Header {
            author,
            round,
            previous: own,
            references,
            weak_references,
            checkpoint,
            votes: Vec::new(),
            coin_shares: self.coin.get(usize::from(author.0)).map(|coin| share(coin, round)).into_iter().collect(),
            time: Time(round * 1000 + u64::from(author.0) * 10 + primes as u64),
        };
        let snapshot = VerifiedSnapshot::sign(&self.committee, &secret(author.0), header, Vec::new());
        self.names.insert(name, snapshot.reference());
        self.snapshots.push(Arc::new(snapshot));
    }
}

fn name_of(text: &str) -> Name {
    let primes = text.chars().rev().take_while(|letter| *letter == '\'').count();
    let author = text.as_bytes()[0] - b'A';
    (author, text[1..text.len() - primes].parse().expect("a round"), primes)
}
