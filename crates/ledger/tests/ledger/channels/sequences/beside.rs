//! What is opened beside the channel of a sequence: a second one of the two, one that a hub guarantees, and code.

use byway_primitives::{Amount, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::{Code, channel_key, channel_of_key, channel_prefix, code_key};
use byway_records::channel::{ChannelAssets, ChannelTerms, VirtualTerms};
use byway_records::genesis::Wait;
use byway_records::{Channel, ProgramId};
use byway_vm::code_hash;
use proptest::prelude::*;

use super::Act;
use super::assets::CENT;
use super::calls::{LOOP_CODE, TRAP_CODE};
use super::model::{Ended, Model};
use crate::channels::guaranteed::virtual_terms_of;
use crate::channels::{BANK_CODE, RESERVE, Scene, draft, terms};
use crate::world::{ALICE, BOB, CHANNEL_PRICE, Draft, units};

/// The least that a reserve may be.
const RESERVE_MIN: u128 = 8 * CHANNEL_PRICE;

/// What is wrong with the terms that both agree on, if anything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// It pays for too few calls.
    Reserve,
    /// It is over at once.
    Lock,
    /// One of the two has not signed.
    Unsigned,
}

#[derive(Debug, Clone)]
pub enum Opened {
    /// With so much of WAY, and so many hundredths of the first asset.
    Channel {
        deposits: [u128; 2],
        cents: [u128; 2],
        flaw: Flaw,
    },
    /// The hub's terms have a number.
    Virtual {
        number: u64,
        flaw: Flaw,
    },
    Code(Vec<u8>),
}

/// What there is beside the channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// What second channels hold, and what was charged in them.
    pub holds: u128,
    pub charged: u128,
    /// What is in their purses of the first asset.
    pub in_purses: u128,
    pub channels: usize,
    /// The numbers of virtual ones.
    pub virtuals: Vec<u64>,
    pub codes: Vec<Vec<u8>>,
}

pub fn openings() -> BoxedStrategy<Act> {
    let flaw = || prop_oneof![6 => Just(Flaw::None), 1 => Just(Flaw::Reserve), 1 => Just(Flaw::Lock), 1 => Just(Flaw::Unsigned)];
    let deposits = [RESERVE - 50_000..4_000_000, RESERVE - 50_000..4_000_000];
    let cents = prop_oneof![Just([0; 2]), [0..400u128, 0..400]];
    let code = prop_oneof![
        4 => (0..6u8).prop_map(|number| vec![0x5b, number]),
        1 => Just(BANK_CODE.to_vec()),
        1 => Just(TRAP_CODE.to_vec()),
        1 => Just(LOOP_CODE.to_vec()),
        1 => Just(vec![0xef, 0]),
        // More than is paid for.
        1 => Just(vec![0x5b; 1_025]),
    ];
    let opened = prop_oneof![
        3 => (deposits, cents, flaw()).prop_map(|(deposits, cents, flaw)| Opened::Channel { deposits, cents, flaw }),
        1 => (10..14u64, flaw()).prop_map(|(number, flaw)| Opened::Virtual { number, flaw }),
        1 => code.prop_map(Opened::Code),
    ];
    (opened, prop::bool::weighted(0.7)).prop_map(|(opened, pays)| Act::Open { opened, pays }).boxed()
}

impl Model {
    pub fn open(&mut self, opened: &Opened, pays: bool) -> Option<Ended> {
        match opened {
            Opened::Channel { deposits, cents, flaw } => self.create(*deposits, *cents, *flaw, pays),
            Opened::Virtual { number, flaw } => {
                let is_new = !self.beside.virtuals.contains(number);
                (is_new && *flaw == Flaw::None && pays).then(|| {
                    self.beside.virtuals.push(*number);
                    Ended::RegisterVirtual
                })
            }
            Opened::Code(code) => {
                let first = [&BANK_CODE[..], &TRAP_CODE, &LOOP_CODE];
                let is_new = !first.contains(&&code[..]) && !self.beside.codes.contains(code);
                (is_new && code[0] != 0xef && code.len() <= 1_024 && pays).then(|| {
                    self.beside.codes.push(code.clone());
                    Ended::RegisterCode
                })
            }
        }
    }

    /// A second channel takes out of the accounts what both put in, and charges its initiator where the transaction does not pay.
    fn create(&mut self, deposits: [u128; 2], cents: [u128; 2], flaw: Flaw, pays: bool) -> Option<Ended> {
        let put_in = cents.map(|cents| cents * CENT);
        let has = |side: usize| self.accounts[side] >= deposits[side] && self.assets[0][side] >= put_in[side];
        let is_enough = deposits.iter().all(|deposit| *deposit >= RESERVE);
        (flaw == Flaw::None && is_enough && has(ALICE) && has(BOB)).then(|| {
            let charged = if pays { 0 } else { CHANNEL_PRICE };
            for side in [ALICE, BOB] {
                self.accounts[side] -= deposits[side];
                self.assets[0][side] -= put_in[side];
            }
            self.beside.holds += deposits[0] + deposits[1] - charged;
            self.beside.charged += charged;
            self.beside.in_purses += put_in[0] + put_in[1];
            self.beside.channels += 1;
            Ended::Create
        })
    }
}

impl Opened {
    pub fn drafted(&self, scene: &Scene, model: &Model) -> Draft {
        match self {
            Self::Channel { deposits, cents, flaw } => {
                let put_in = if model.is_virtual() { [0; 2] } else { cents.map(|cents| cents * CENT) };
                let assets = if put_in == [0; 2] { ChannelAssets::NONE } else { model.facts.rows([put_in, [0; 2]]) };
                let terms = ChannelTerms { deposits: deposits.map(units), assets, ..terms(&scene.world) };
                let signers = if *flaw == Flaw::Unsigned { &[ALICE][..] } else { &[ALICE, BOB] };
                draft(ChannelsCall::Create { terms: flawed(terms, *flaw) }, signers)
            }
            Self::Virtual { number, flaw } => {
                let of_scene = virtual_terms_of(scene);
                let mut terms = VirtualTerms { nonce: *number, terms: flawed(of_scene.terms, *flaw), ..of_scene };
                match flaw {
                    Flaw::Reserve => terms.terms.reserve = units(terms.terms.deposits[0].units() + 1),
                    // It is the other's channel, by what they signed.
                    Flaw::Unsigned => terms.terms.parties.reverse(),
                    Flaw::None | Flaw::Lock => {}
                }
                draft(ChannelsCall::RegisterVirtual(scene.cosign(terms)), &[])
            }
            Self::Code(code) => draft(ChannelsCall::RegisterCode { code: code.clone() }, &[]),
        }
    }
}

fn flawed(terms: ChannelTerms, flaw: Flaw) -> ChannelTerms {
    match flaw {
        Flaw::None | Flaw::Unsigned => terms,
        Flaw::Reserve => ChannelTerms { reserve: units(RESERVE_MIN - 1), ..terms },
        Flaw::Lock => ChannelTerms { lock: Wait { millis: Span(0), commits: 0 }, ..terms },
    }
}

/// What the ledger has beside the channel is what the model says.
pub fn compare(scene: &Scene, model: &Model) {
    let tree = scene.world.ledger.tree(ProgramId::CHANNELS).expect("there is a channel at least");
    let keys = tree.iter_prefix(channel_prefix()).map(|(key, _)| key);
    let others = keys.filter(|key| channel_of_key(key).is_some_and(|id| id != scene.id));
    let others: Vec<Channel> = others.map(|key| tree.read(key).expect("it is there")).collect();
    let (virtuals, channels): (Vec<_>, Vec<_>) = others.iter().partition(|channel| channel.guaranteed.is_some());
    let holds = channels.iter().map(|channel| channel.holds().expect("no more is charged").units()).sum();
    let charged = channels.iter().flat_map(|channel| channel.charged).map(Amount::units).sum();
    let in_purse = |channel: &Channel| {
        channel.assets.of(model.facts.assets[0]).map_or(0, |row| row.parts.map(Amount::units).iter().sum::<u128>())
    };
    let in_purses = channels.iter().map(|channel| in_purse(channel)).sum();
    let Beside { codes, virtuals: numbers, .. } = &model.beside;
    let (virtuals, channels) = (virtuals.len(), channels.len());
    assert_eq!(virtuals, numbers.len());
    let found = Beside { holds, charged, in_purses, channels, virtuals: numbers.clone(), codes: codes.clone() };
    assert_eq!(found, model.beside);
    let terms = virtual_terms_of(scene);
    for number in numbers {
        let id = VirtualTerms { nonce: *number, ..terms }.id();
        assert!(tree.read::<Channel>(&channel_key(id)).is_some());
    }
    for code in codes {
        assert!(tree.read::<Code>(&code_key(code_hash(code))).is_some(), "the code is there");
    }
}
