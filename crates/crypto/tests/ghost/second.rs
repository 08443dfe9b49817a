//! Ghost outputs a second time, written from `docs/formats/records.md`, section _Ghost outputs_, with big integers and
//! without the code under test.

use num_bigint::BigUint;

use crate::edwards::{L, Point};

pub type Bytes = [u8; 32];

/// Wide output of BLAKE3 in key-derivation mode.
fn wide(context: &str, parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    let mut bytes = [0; 64];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn first(context: &str, parts: &[&[u8]]) -> u8 {
    wide(context, parts)[0]
}

fn scalar(context: &str, parts: &[&[u8]]) -> BigUint {
    BigUint::from_bytes_le(&wide(context, parts)) % &*L
}

pub fn scalar_bytes(scalar: &BigUint) -> Bytes {
    let mut bytes = [0; 32];
    let encoded = scalar.to_bytes_le();
    bytes[..encoded.len()].copy_from_slice(&encoded);
    bytes
}

pub struct Wallet {
    pub a: BigUint,
    pub b: BigUint,
}

/// What is derived for one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    pub key: Bytes,
    pub view_tag: u8,
}

impl Wallet {
    pub fn of(seed: &Bytes) -> Self {
        Self {
            a: scalar("byway 1 ghost: wallet view scalar", &[seed]),
            b: scalar("byway 1 ghost: wallet spend scalar", &[seed]),
        }
    }

    pub fn public_view(&self) -> Point {
        Point::base_times(&self.a)
    }

    pub fn public_spend(&self) -> Point {
        Point::base_times(&self.b)
    }

    pub fn address(&self) -> String {
        let keys = [self.public_view().compress(), self.public_spend().compress()].concat();
        let check = &wide("byway 1 address check", &[&keys])[..4];
        format!("way{}{}", hex::encode(&keys), hex::encode(check))
    }

    pub fn view_key(&self) -> String {
        let keys = [scalar_bytes(&self.a), self.public_spend().compress()].concat();
        let check = &wide("byway 1 view key check", &[&keys])[..4];
        format!("wayview{}{}", hex::encode(&keys), hex::encode(check))
    }

    /// As the payee derives it, with a alone: from R.
    pub fn found(&self, transaction: &Point, index: u32) -> Derived {
        let shared = transaction.times(&(&self.a * 8u8)).compress();
        derived(&shared, index, &self.public_spend())
    }

    /// s + b.
    pub fn one_time_secret(&self, transaction: &Point, index: u32) -> Bytes {
        let shared = transaction.times(&(&self.a * 8u8)).compress();
        scalar_bytes(&((output_scalar(&shared, index) + &self.b) % &*L))
    }
}

pub fn transaction_scalar(seed: &Bytes) -> BigUint {
    scalar("byway 1 ghost: transaction scalar", &[seed])
}

/// As the payer derives it: from r and the address.
pub fn paid(r: &BigUint, view: &Point, spend: &Point, index: u32) -> Derived {
    derived(&view.times(&(r * 8u8)).compress(), index, spend)
}

fn output_scalar(shared: &Bytes, index: u32) -> BigUint {
    scalar("byway 1 ghost: output scalar", &[shared, &index.to_le_bytes()])
}

fn derived(shared: &Bytes, index: u32, spend: &Point) -> Derived {
    let key = Point::base_times(&output_scalar(shared, index)).add(spend).compress();
    Derived { key, view_tag: first("byway 1 ghost: view tag", &[shared, &index.to_le_bytes()]) }
}

pub struct Group {
    pub threshold: u8,
    pub a: BigUint,
    /// Rising.
    pub spends: Vec<Bytes>,
}

impl Group {
    pub fn of(threshold: u8, members: &[Wallet], seed: &Bytes) -> Self {
        let mut spends: Vec<Bytes> = members.iter().map(|member| member.public_spend().compress()).collect();
        spends.sort_unstable();
        Self { threshold, a: scalar("byway 1 ghost: group view scalar", &[seed]), spends }
    }

    pub fn address(&self) -> String {
        let keys = [&[Point::base_times(&self.a).compress()], &self.spends[..]].concat().concat();
        let check = &wide("byway 1 group address check", &[&[self.threshold], &keys])[..4];
        format!("way{}of{}-{}{}", self.threshold, self.spends.len(), hex::encode(&keys), hex::encode(check))
    }

    pub fn paid(&self, r: &BigUint, index: u32) -> Vec<Derived> {
        let shared = Point::base_times(&self.a).times(&(r * 8u8)).compress();
        let member = |(k, spend): (u8, &Bytes)| {
            let parts: [&[u8]; 3] = [&shared, &index.to_le_bytes(), &[k]];
            let s = scalar("byway 1 ghost: group key scalar", &parts);
            let spend = Point::decompress(spend).expect("a member's key");
            let key = Point::base_times(&s).add(&spend).compress();
            Derived { key, view_tag: first("byway 1 ghost: group view tag", &parts) }
        };
        (0u8..).zip(&self.spends).map(member).collect()
    }
}
