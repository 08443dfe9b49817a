//! Making a network: from the public keys of its kernel nodes and whom to fund, the genesis file.
//!
//! The supply is fixed: 1,000,000 WAY, half of it in the pool. The other half circulates: the kernel nodes' pledges and
//! the first outputs, which therefore must come to exactly what the pledges leave.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use byway_crypto::ghost::{AddressError, TransactionSecret};
use byway_crypto::noise::StaticKey;
use byway_crypto::threshold::dealing::DealingKey;
use byway_crypto::{Address, NodeKey};
use byway_kernel::light::{NoCheckpoint, TrustedCheckpoint};
use byway_primitives::amount::AmountError;
use byway_primitives::{Amount, AssetId, IdentityId, Time};
use byway_records::genesis::{GenesisError, LeaderKind};
use byway_records::transaction::Value;
use byway_records::{Genesis, Lock, Member, MemberSet, Output, Parameters};
use clap::ValueEnum;
use serde::Serialize;

use crate::directory::{DirectoryError, read_json, write_json};
use crate::keystore::Keystore;

/// Coins outside the pool, pledges included.
pub const CIRCULATING: Amount = Amount::from_coins(500_000);
/// Coins that the pool starts with.
pub const POOL: Amount = Amount::from_coins(500_000);

/// Who gets first outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funding {
    pub address: Address,
    pub share: Share,
}

/// How much of what circulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    Amount(Amount),
    /// What pledges and the others leave.
    Rest,
}

/// Who names the leaders of rounds, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaders {
    /// Each kernel node in turn: soonest final
    #[default]
    Turns,
    /// A coin that the kernel nodes throw: final two message delays later, also against whoever delays messages
    Coin,
}

/// What a network is made from.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    pub time: Time,
    /// A test network may have fewer than seven kernel nodes.
    pub test: bool,
    pub leaders: Leaders,
    pub members: Vec<Member>,
    pub funding: Vec<Funding>,
}

/// Why a plan makes no network.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("the pledges of {nodes} kernel nodes come to more than the {CIRCULATING} WAY that circulate; name fewer")]
    Pledges { nodes: usize },
    #[error("{funded} WAY are given away, and only {left} WAY are left beside the pledges; give less")]
    TooMuch { funded: Amount, left: Amount },
    #[error(
        "{missing} WAY of the supply go to nobody; say who gets them with --fund ADDRESS=rest, for instance a wallet of \
         yours"
    )]
    TooLittle { missing: Amount },
    #[error("only one --fund can get the rest")]
    SeveralRests,
    #[error("two kernel nodes are named {0:?}; give each its own name")]
    NameTwice(String),
    #[error("a network has a name of 1 to 64 letters, digits, - and _; {0:?} does not fit")]
    Name(String),
    #[error("{0}")]
    Genesis(#[from] GenesisError),
}

/// A text that says neither whom to fund nor how much.
#[derive(Debug, thiserror::Error)]
pub enum FundingError {
    #[error("write ADDRESS=AMOUNT or ADDRESS=rest")]
    Shape,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl Leaders {
    /// The standard parameters, but for who names the leaders.
    pub fn parameters(self) -> Parameters {
        let mut parameters = Parameters::standard();
        parameters.leader_rule.kind = match self {
            Self::Turns => LeaderKind::RoundRobin,
            Self::Coin => LeaderKind::CommonCoin,
        };
        parameters
    }
}

/// Makes the genesis of a plan. `seed` is fresh secret randomness, from which the keys of the first outputs come.
pub fn build(plan: Plan, seed: &[u8; 32]) -> Result<Genesis, PlanError> {
    check_names(&plan)?;
    let parameters = plan.leaders.parameters();
    let amounts = shares(&plan, &parameters)?;
    let secret = TransactionSecret::from_seed(seed);
    let outputs = (0..).zip(plan.funding.iter().zip(amounts));
    let outputs = outputs.map(|(index, (funding, amount))| {
        let (key, tag) = secret.derive(&funding.address, index);
        Output { lock: Lock::single(key), view_tags: vec![tag], value: Value { asset: AssetId::WAY, amount } }
    });
    let outputs = outputs.collect();
    let members = MemberSet::new(plan.members);
    let Plan { name, time, test, .. } = plan;
    let genesis = Genesis { name, time, test, parameters, members, pool: POOL, ghost: secret.public(), outputs };
    genesis.validate()?;
    Ok(genesis)
}

/// The public part of a kernel node's keystore: its line in a genesis. The keystore owns itself; a node whose owner is
/// kept cold names another [`owner`](Member::owner).
pub fn member(keystore: &Keystore, name: &str, address: &str) -> Member {
    Member {
        name: name.to_owned(),
        owner: keystore.kernel_owner().id(),
        key: keystore.kernel_node().public(),
        mesh: StaticKey::of(&keystore.mesh_static()),
        dealing: keystore.kernel_node().dealing().public(),
        address: address.to_owned(),
    }
}

/// A genesis file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no genesis file {0}; get it from whoever runs the network, or make one with `byway genesis new`")]
    Missing(PathBuf),
    #[error(transparent)]
    File(#[from] DirectoryError),
    #[error("{path} makes no network: {source}")]
    Invalid { path: PathBuf, source: GenesisError },
    #[error("the checkpoint in {path}: {source}")]
    Checkpoint { path: PathBuf, source: NoCheckpoint },
}

/// Reads and checks a genesis file.
pub fn load(path: &Path) -> Result<Genesis, LoadError> {
    let genesis: Genesis = read_json(path)?.ok_or_else(|| LoadError::Missing(path.to_owned()))?;
    genesis.validate().map_err(|source| LoadError::Invalid { path: path.to_owned(), source })?;
    Ok(genesis)
}

/// A recent checkpoint that a network file names beside the genesis, as `"checkpoint": "HEIGHT:DIGEST"`: for those who come
/// when founders have left for long. It is no part of the network, and believed as far as whoever gave the file is.
pub fn recent_checkpoint(path: &Path) -> Result<Option<TrustedCheckpoint>, LoadError> {
    #[derive(serde::Deserialize)]
    struct Beside {
        checkpoint: Option<String>,
    }
    let beside: Option<Beside> = read_json(path)?;
    let text = beside.and_then(|beside| beside.checkpoint);
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|source| LoadError::Checkpoint { path: path.to_owned(), source })
}

/// Writes a genesis file.
pub fn save(genesis: &Genesis, path: &Path) -> Result<(), DirectoryError> {
    write_json(path, genesis)
}

/// A kernel node on the command line: `NAME=HOST:PORT,KEY,MESH,DEALING,OWNER`, or the file that `byway kernel init` wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberText(pub Member);

impl FromStr for MemberText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(member) = parse_member(text) {
            return Ok(Self(member));
        }
        let path = Path::new(text);
        match read_json(path) {
            Ok(Some(member)) => Ok(Self(member)),
            Ok(None) => {
                Err("no such file, and not NAME=HOST:PORT,KEY,MESH,DEALING,OWNER as `byway kernel init` prints it"
                    .to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for MemberText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Member { name, owner, key, mesh, dealing, address } = &self.0;
        write!(f, "{name}={address},{key},{mesh},{dealing},{owner}")
    }
}

impl FromStr for Funding {
    type Err = FundingError;

    fn from_str(text: &str) -> Result<Self, FundingError> {
        let (address, share) = text.split_once('=').ok_or(FundingError::Shape)?;
        let share = if share == "rest" { Share::Rest } else { Share::Amount(share.parse()?) };
        Ok(Self { address: address.parse()?, share })
    }
}

fn parse_member(text: &str) -> Option<Member> {
    let (name, rest) = text.split_once('=')?;
    let mut parts = rest.split(',');
    let (address, key, mesh) = (parts.next()?, parts.next()?, parts.next()?);
    let (dealing, owner) = (parts.next()?, parts.next()?);
    let key: NodeKey = key.parse().ok()?;
    let mesh: StaticKey = mesh.parse().ok()?;
    let dealing: DealingKey = dealing.parse().ok()?;
    let owner: IdentityId = owner.parse().ok()?;
    let whole = parts.next().is_none() && address.contains(':') && !name.is_empty();
    whole.then(|| Member { name: name.to_owned(), owner, key, mesh, dealing, address: address.to_owned() })
}

fn check_names(plan: &Plan) -> Result<(), PlanError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=64).contains(&plan.name.len()) || !plan.name.chars().all(fits) {
        return Err(PlanError::Name(plan.name.clone()));
    }
    for (index, member) in plan.members.iter().enumerate() {
        if plan.members[..index].iter().any(|other| other.name == member.name) {
            return Err(PlanError::NameTwice(member.name.clone()));
        }
    }
    Ok(())
}

/// What each funding gets.
fn shares(plan: &Plan, parameters: &Parameters) -> Result<Vec<Amount>, PlanError> {
    let nodes = plan.members.len();
    let pledges = Amount::checked_sum(plan.members.iter().map(|_| parameters.kernel_pledge));
    let left = pledges.and_then(|pledges| CIRCULATING.checked_sub(pledges)).ok_or(PlanError::Pledges { nodes })?;
    let fixed = plan.funding.iter().filter_map(|funding| match funding.share {
        Share::Amount(amount) => Some(amount),
        Share::Rest => None,
    });
    let funded = Amount::checked_sum(fixed).ok_or(GenesisError::Overflow)?;
    let rest = left.checked_sub(funded).ok_or(PlanError::TooMuch { funded, left })?;
    match plan.funding.iter().filter(|funding| funding.share == Share::Rest).count() {
        0 if !rest.is_zero() => return Err(PlanError::TooLittle { missing: rest }),
        0 | 1 => {}
        _ => return Err(PlanError::SeveralRests),
    }
    let amounts = plan.funding.iter().map(|funding| match funding.share {
        Share::Amount(amount) => amount,
        Share::Rest => rest,
    });
    Ok(amounts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_crypto::phrase::{Device, Phrase};

    fn keystore(byte: u8) -> Keystore {
        Keystore::restore(Phrase::from_entropy(&[byte; 32]).words(), Device(0)).unwrap()
    }

    fn plan(nodes: u8, funding: &[(u8, Share)]) -> Plan {
        let members = (0..nodes).map(|n| member(&keystore(n), &format!("k{n}"), "127.0.0.1:1"));
        let fund =
            |(wallet, share): &(u8, Share)| Funding { address: keystore(*wallet).wallet().address(), share: *share };
        Plan {
            name: "test".into(),
            time: Time(1),
            test: false,
            leaders: Leaders::Turns,
            members: members.collect(),
            funding: funding.iter().map(fund).collect(),
        }
    }

    #[test]
    fn a_network_has_the_whole_supply_and_its_wallets_find_their_coins() {
        let given = Share::Amount(Amount::from_coins(1_000));
        let genesis = build(plan(7, &[(100, given), (101, Share::Rest)]), &[9; 32]).unwrap();
        assert_eq!(genesis.supply(), Some(Amount::from_coins(1_000_000)));
        let view = keystore(101).wallet().view_secret();
        let rest = &genesis.outputs[1];
        assert!(view.owns(genesis.ghost, 1, rest.lock.keys[0], rest.view_tags[0]));
        assert_eq!(rest.value.amount, Amount::from_coins(429_000));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        assert!(matches!(load(&path), Err(LoadError::Missing(_))));
        save(&genesis, &path).unwrap();
        assert_eq!(load(&path).unwrap().network(), genesis.network());
    }

    #[test]
    fn plans_that_make_no_network() {
        let all = Share::Amount(Amount::from_coins(430_000));
        let some = Share::Amount(Amount::from_coins(1));
        for (plan, expected) in [
            (plan(7, &[]), "--fund ADDRESS=rest"),
            (plan(7, &[(1, some)]), "429999 WAY"),
            (plan(7, &[(1, all), (2, some)]), "430001 WAY"),
            (plan(7, &[(1, Share::Rest), (2, Share::Rest)]), "only one"),
            (plan(6, &[(1, Share::Rest)]), "7 to"),
            (plan(51, &[(1, Share::Rest)]), "name fewer"),
            (Plan { name: "a b".into(), ..plan(7, &[(1, Share::Rest)]) }, "\"a b\""),
        ] {
            let error = build(plan, &[9; 32]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut twice = plan(7, &[(1, all)]);
        twice.members[1].name = "k0".into();
        assert!(matches!(build(twice, &[9; 32]), Err(PlanError::NameTwice(_))));
        let test = Plan { test: true, ..plan(4, &[(1, Share::Rest)]) };
        assert!(build(test, &[9; 32]).is_ok());
        let coin = Plan { leaders: Leaders::Coin, ..plan(7, &[(1, Share::Rest)]) };
        let genesis = build(coin, &[9; 32]).unwrap();
        assert_eq!(genesis.parameters.leader_rule.kind, LeaderKind::CommonCoin);
    }

    #[test]
    fn a_member_survives_text_and_file() {
        let text = MemberText(member(&keystore(1), "k1", "example.org:7100"));
        assert_eq!(text.to_string().parse(), Ok(text.clone()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("member.json");
        write_json(&path, &text.0).unwrap();
        assert_eq!(path.to_str().unwrap().parse(), Ok(text));
        assert!("k1=example.org:7100".parse::<MemberText>().unwrap_err().contains("kernel init"));
    }
}
