//! An invite: a network, and coins for whoever comes with it.
//!
//! The coins lie in outputs that were paid to a wallet made for this invite alone. The link has that wallet's seed and says
//! which outputs those are, so whoever holds it can spend them at once, without having read the ledger, and everyone
//! else sees outputs like all others. It is money that belongs to whoever has the text.

use std::fmt;

use byway_crypto::{GhostKey, WalletSecret};
use byway_primitives::codec::{Decode, DecodeError, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Time};
use byway_records::TransactionId;
use zeroize::Zeroizing;

use super::{LinkError, NetworkLink, text};
use crate::wallet::Bearer;

pub(super) const KIND: &str = "invite/";
const CHECK: Context = Context("byway 1 invite link");
const WALLET: Context = Context("byway 1 derive: wallet of an invite");
const VERSION: u8 = 1;
/// Outputs of one invite; wallets make three.
pub const INVITE_OUTPUTS_MAX: usize = 16;

/// What all secrets of an invite come from: 128 bits that must be secret and uniform.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteSeed(pub Zeroizing<[u8; 16]>);

/// An invite as its link tells of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    pub network: NetworkLink,
    pub seed: InviteSeed,
    /// The payment that its coins came by: its id, its R, and which outputs of it, with their amounts in WAY.
    pub transaction: TransactionId,
    pub ghost: GhostKey,
    pub outputs: Vec<(u32, Amount)>,
    /// How much of that is for the pledge that registers an identity.
    pub pledge: Amount,
    /// By the ledger's time; who invites takes it back then.
    pub expires: Option<Time>,
}

impl InviteSeed {
    /// The wallet that was paid.
    pub fn wallet(&self) -> WalletSecret {
        let seed = Zeroizing::new(WALLET.hash(&[&*self.0]).0);
        WalletSecret::from_seed(&seed)
    }
}

impl Invite {
    /// The link. Not `Display`, so that no log shows it by accident.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.raw(&*self.seed.0);
        out.value(&self.transaction);
        out.value(&self.ghost);
        out.varint(self.outputs.len() as u64);
        for (index, amount) in &self.outputs {
            out.varint(*index);
            out.value(amount);
        }
        out.value(&self.pledge);
        out.option(self.expires.as_ref());
        let bytes = Zeroizing::new(out.into_bytes());
        let (network, secret) = (self.network.part(), text::write(CHECK, &bytes));
        Zeroizing::new(format!("{}{KIND}{network}/{}", text::SCHEME, *secret))
    }

    pub(super) fn read(parts: &str) -> Result<Self, LinkError> {
        let (network, secret) = parts.split_once('/').ok_or(LinkError::Check)?;
        let network = NetworkLink::read(network)?;
        let bytes = text::read(CHECK, secret)?;
        let mut input = Reader::new(&bytes);
        match input.byte()? {
            VERSION => {}
            other => return Err(LinkError::Version(other)),
        }
        let invite = Self::decode(network, &mut input)?;
        input.finish()?;
        Ok(invite)
    }

    fn decode(network: NetworkLink, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let invite = Self {
            network,
            seed: InviteSeed(Zeroizing::new(input.array()?)),
            transaction: input.value()?,
            ghost: input.value()?,
            outputs: input
                .list::<Part>(INVITE_OUTPUTS_MAX)?
                .into_iter()
                .map(|Part(index, amount)| (index, amount))
                .collect(),
            pledge: input.value()?,
            expires: input.option()?,
        };
        let rising = invite.outputs.windows(2).all(|two| two[0].0 < two[1].0);
        match invite.total() {
            Some(total) if rising && total >= invite.pledge && !total.is_zero() => Ok(invite),
            _ => Err(DecodeError::Invalid("coins of an invite")),
        }
    }

    /// All coins, those for the pledge among them. `None` where they come to more than there can be.
    fn total(&self) -> Option<Amount> {
        Amount::checked_sum(self.outputs.iter().map(|(_, amount)| *amount))
    }

    /// The coins beside the pledge.
    pub fn coins(&self) -> Amount {
        self.total().unwrap_or(Amount::ZERO).saturating_sub(self.pledge)
    }

    /// What spends the coins.
    pub fn bearer(&self) -> Bearer {
        let Self { seed, transaction, ghost, outputs, .. } = self;
        Bearer { secret: seed.wallet(), transaction: *transaction, ghost: *ghost, outputs: outputs.clone() }
    }
}

/// An output in a link.
struct Part(u32, Amount);

impl Decode for Part {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.u32()?, input.value()?))
    }
}

/// Without what is secret.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invite({} WAY and {} WAY for the pledge)", self.coins(), self.pledge)
    }
}
