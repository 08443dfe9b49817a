//! Invites that were accepted: what `byway join` signs, and the node carries out (row I2).
//!
//! **The idea.** An invite's secret is never written down. Whoever joins has the keystore open, knows the network, and
//! finds in the link which outputs to spend, so the transaction that takes the coins is signed there and then: it pays
//! the joiner's own wallet and nobody else. That is all that is kept, in `claims.json`; a thief of it can do no more than
//! hand it in. The node does that when it runs, as with any transaction of its own, until the ledger has decided.
//!
//! Taking the coins and locking the pledge is one transaction, so there is nothing between them to fail. Where the ledger
//! does not register the identity, because it is registered already, a second one, signed beside it, takes the coins
//! alone. They spend the same outputs: never more than one of them becomes final.

use std::path::PathBuf;

use byway_crypto::IdentitySecret;
use byway_peer::link::Invite;
use byway_peer::wallet::{BuildError, Grains, Wish};
use byway_primitives::codec::{Decode, DecodeError, Encode};
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use byway_records::call::{Call, RegistryCall};
use byway_records::{Genesis, OutputId, Transaction, TransactionId, Value};
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, DirectoryError, read_json};
use crate::files;
use crate::keystore::Keystore;

/// An accepted invite, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub network: NetworkId,
    /// The payment that the coins came by, which names the invite.
    pub invite: TransactionId,
    /// All coins of it.
    pub total: Amount,
    /// What goes to the payment account once the coins are there.
    pub deposit: Amount,
    /// By the ledger's time.
    pub expires: Option<Time>,
    pub accepted: Time,
    /// Signed transactions, in hex, each of which takes all the coins; to be tried in this order.
    pub transactions: Vec<String>,
}

/// An invite can't be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the invite is of another network than this folder; join with another --dir")]
    OtherNetwork,
    #[error("the time of this invite is over, and whoever gave it draws it back; ask for another")]
    Expired,
    #[error("the coins of this invite can't be taken: {0}; ask for another")]
    Coins(#[from] BuildError),
    #[error("the operating system gave no randomness: {0}")]
    Entropy(String),
}

impl Claim {
    /// Signs what takes an invite's coins to the keystore's wallet, and registers `identity`.
    pub fn sign(
        invite: &Invite,
        genesis: &Genesis,
        keystore: &Keystore,
        identity: &IdentitySecret,
        now: Time,
    ) -> Result<Self, AcceptError> {
        let network = genesis.network();
        if invite.network.network != network {
            return Err(AcceptError::OtherNetwork);
        }
        if invite.expires.is_some_and(|expires| now > expires) {
            return Err(AcceptError::Expired);
        }
        let parameters = &genesis.parameters;
        let (pledge, price) = (parameters.registration_pledge, parameters.call_prices.other);
        let grains = Grains { output_min: parameters.output_min, ..Grains::default() };
        let (bearer, to) = (invite.bearer(), keystore.wallet().address());
        let expires = invite.expires.unwrap_or(Time::ZERO);
        let take = |wish: Wish, authorise: &[&IdentitySecret]| {
            let mut seed = zeroize::Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(|error| AcceptError::Entropy(error.to_string()))?;
            let wish = Wish { expires, ..wish };
            let transaction = bearer.take(network, &wish, to, authorise, &grains, &seed)?;
            Ok::<_, AcceptError>(hex::encode(transaction.to_bytes()))
        };
        let mut transactions = Vec::new();
        let costs = pledge.checked_add(price);
        let registers = costs.is_some_and(|costs| !invite.pledge.is_zero() && invite.pledge >= costs);
        if registers {
            let call = Call::Registry(RegistryCall::Register { key: identity.public() });
            let pays = Some(Value { asset: AssetId::WAY, amount: pledge });
            transactions.push(take(Wish { call: Some(call), pays, fee: price, ..Wish::default() }, &[identity])?);
        }
        transactions.push(take(Wish::default(), &[])?);
        let total = invite.coins().checked_add(invite.pledge).unwrap_or(Amount::MAX);
        Ok(Self {
            network,
            invite: invite.transaction,
            total,
            deposit: invite.coins().saturating_sub(price),
            expires: invite.expires,
            accepted: now,
            transactions,
        })
    }

    /// The transaction that is tried first, second, …; `None` where there are no more.
    pub fn transaction(&self, number: usize) -> Option<Transaction> {
        let bytes = hex::decode(self.transactions.get(number)?).ok()?;
        Transaction::from_bytes(&bytes).ok()
    }

    /// The outputs that hold the coins.
    pub fn outputs(&self) -> Vec<OutputId> {
        let transaction = self.transaction(0);
        transaction.iter().flat_map(|one| &one.body.inputs).map(|input| input.spent).collect()
    }

    fn check(&self) -> Result<(), DecodeError> {
        for text in &self.transactions {
            let bytes = hex::decode(text).map_err(|_| DecodeError::Invalid("transaction in hex"))?;
            Transaction::from_bytes(&bytes)?;
        }
        Ok(())
    }
}

/// The claims of a folder can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    #[error("{path} is damaged ({why}); remove it, and accept the invite again with `byway join`")]
    Damaged { path: PathBuf, why: String },
    #[error(transparent)]
    File(DirectoryError),
}

/// The claims of a folder.
pub fn load(directory: &Directory) -> Result<Vec<Claim>, ClaimsError> {
    let claims: Vec<Claim> = match read_json(&directory.claims_file()) {
        Ok(claims) => claims.unwrap_or_default(),
        Err(DirectoryError::Damaged { path, why }) => return Err(ClaimsError::Damaged { path, why }),
        Err(other) => return Err(ClaimsError::File(other)),
    };
    let path = || directory.claims_file();
    let damaged = |error: DecodeError| ClaimsError::Damaged { path: path(), why: error.to_string() };
    claims.iter().try_for_each(Claim::check).map_err(damaged)?;
    Ok(claims)
}

/// Writes down one more.
pub fn add(directory: &Directory, claim: Claim) -> Result<(), ClaimsError> {
    let mut claims = load(directory)?;
    claims.push(claim);
    let (path, text) = (directory.claims_file(), serde_json::to_vec_pretty(&claims));
    let text = text.expect("a claim of texts and numbers has a JSON form");
    files::write_secret(&path, &text).map_err(|source| ClaimsError::File(DirectoryError::Io { path, source }))
}

#[cfg(test)]
pub(crate) mod tests {
    use byway_crypto::ghost::TransactionSecret;
    use byway_crypto::phrase::{Device, Phrase};
    use byway_peer::link::{InviteSeed, KernelPeer, NetworkLink};
    use byway_primitives::Hash;
    use byway_records::verified::verify;
    use zeroize::Zeroizing;

    use super::*;
    use crate::genesis::{self as making, Funding, Leaders, Plan, Share};

    fn keystore(byte: u8) -> Keystore {
        Keystore::restore(Phrase::from_entropy(&[byte; 32]).words(), Device(0)).unwrap()
    }

    /// A small network.
    pub fn genesis() -> Genesis {
        let members = (0..4).map(|n| making::member(&keystore(n), &format!("k{n}"), "127.0.0.1:1"));
        let funding = Funding { address: keystore(9).wallet().address(), share: Share::Rest };
        let plan = Plan {
            name: "test".into(),
            time: Time(1),
            test: true,
            leaders: Leaders::Turns,
            members: members.collect(),
            funding: vec![funding],
        };
        making::build(plan, &[1; 32]).unwrap()
    }

    /// An invite with 20 WAY, and 1 WAY for the pledge.
    pub fn invite(expires: Option<Time>) -> Invite {
        let genesis = genesis();
        let (_, member) = genesis.members.iter().next().unwrap();
        let peer = KernelPeer { key: member.mesh, address: member.address.clone() };
        Invite {
            network: NetworkLink::new(genesis.network(), vec![peer]),
            seed: InviteSeed(Zeroizing::new([5; 16])),
            transaction: TransactionId(Hash([6; 32])),
            ghost: TransactionSecret::from_seed(&[7; 32]).public(),
            outputs: vec![(0, Amount::from_coins(12)), (3, Amount::from_coins(9))],
            pledge: Amount::from_coins(1),
            expires,
        }
    }

    #[test]
    fn what_is_signed_takes_all_and_is_good_for_the_joiner_alone() {
        let (genesis, keystore) = (genesis(), keystore(3));
        let identity = keystore.secret(&keystore.identities()[0]);
        let claim = Claim::sign(&invite(None), &genesis, &keystore, &identity, Time(5)).unwrap();
        assert_eq!((claim.total, claim.deposit), (Amount::from_coins(21), Amount::from_coins(20)));
        let view = keystore.wallet().view_secret();
        for (number, paid, signers) in [(0, 20, 1), (1, 21, 0)] {
            let transaction = claim.transaction(number).unwrap();
            assert_eq!(transaction.witness.authorisations.len(), signers);
            let (ghost, body) = (transaction.body.ghost.unwrap(), transaction.body.clone());
            let verified = verify(genesis.network(), transaction).unwrap();
            assert_eq!(verified.transaction().body.expires, Time::ZERO);
            let mine = (0..)
                .zip(&body.outputs)
                .all(|(index, output)| view.owns(ghost, index, output.lock.keys[0], output.view_tags[0]));
            assert!(mine, "all of it is the joiner's");
            let sum = Amount::checked_sum(body.outputs.iter().map(|output| output.value.amount));
            assert_eq!(sum, Some(Amount::from_coins(paid)));
            let spent: Vec<u32> = body.inputs.iter().map(|input| input.spent.index).collect();
            assert_eq!(spent, [0, 3]);
        }
        assert_eq!(claim.transaction(2), None);
        let kept = serde_json::to_string(&claim).unwrap();
        assert!(!kept.contains(&hex::encode([5; 16])), "the secret is nowhere in what is kept");
    }

    #[test]
    fn what_can_not_be_accepted_is_told() {
        let (genesis, keystore) = (genesis(), keystore(3));
        let identity = keystore.secret(&keystore.identities()[0]);
        let sign = |invite: &Invite, now| Claim::sign(invite, &genesis, &keystore, &identity, now);
        assert!(sign(&invite(Some(Time(10))), Time(10)).is_ok());
        assert!(matches!(sign(&invite(Some(Time(10))), Time(11)), Err(AcceptError::Expired)));
        let mut elsewhere = invite(None);
        elsewhere.network.network = NetworkId(Hash([8; 32]));
        assert!(matches!(sign(&elsewhere, Time(1)), Err(AcceptError::OtherNetwork)));
        // Without a pledge there is one way alone.
        let plain = Invite { pledge: Amount::ZERO, ..invite(None) };
        let claim = sign(&plain, Time(1)).unwrap();
        assert_eq!((claim.transactions.len(), claim.deposit), (1, Amount::from_coins(21)));
    }

    #[test]
    fn claims_are_kept_in_the_folder() {
        let (folder, keystore) = (tempfile::tempdir().unwrap(), keystore(3));
        let directory = Directory::new(folder.path());
        assert_eq!(load(&directory).unwrap(), []);
        let identity = keystore.secret(&keystore.identities()[0]);
        let claim = Claim::sign(&invite(None), &genesis(), &keystore, &identity, Time(5)).unwrap();
        add(&directory, claim.clone()).unwrap();
        assert_eq!(load(&directory).unwrap(), std::slice::from_ref(&claim));
        let text = std::fs::read_to_string(directory.claims_file()).unwrap();
        std::fs::write(directory.claims_file(), text.replace(&claim.transactions[0][..8], "zzzzzzzz")).unwrap();
        assert!(matches!(load(&directory), Err(ClaimsError::Damaged { .. })));
    }
}
