//! What goes wrong with money: the wallet, the account, assets, groups.

use byway_primitives::{Amount, AssetId};
use byway_records::asset::{AssetTerms, Symbol};
use serde_json::json;

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn insufficient_wallet(needed: Amount, available: Amount) -> Self {
        Self::new(
            ErrorKind::InsufficientWallet,
            format!("The wallet holds {available} WAY, and {needed} WAY are needed (fee included)."),
            "Send less, or wait for pending outputs.",
        )
        .with("needed", json!(needed))
        .with("available", json!(available))
    }

    /// Too little of an asset beside WAY.
    pub fn insufficient_asset(symbol: &Symbol, needed: Amount, available: Amount) -> Self {
        Self::new(
            ErrorKind::InsufficientWallet,
            format!("The wallet holds {available} {symbol}, and {needed} {symbol} are needed."),
            "Send less, or wait for pending outputs.",
        )
        .with("needed", json!(needed))
        .with("available", json!(available))
    }

    pub fn insufficient_account(needed: Amount, available: Amount) -> Self {
        Self::new(
            ErrorKind::InsufficientAccount,
            format!("The account holds {available} WAY, and {needed} WAY are needed (fee included)."),
            "Take less, or deposit more first.",
        )
        .with("needed", json!(needed))
        .with("available", json!(available))
    }

    /// Too little of an asset beside WAY in the account.
    pub fn insufficient_asset_account(symbol: &Symbol, needed: Amount, available: Amount) -> Self {
        Self::new(
            ErrorKind::InsufficientAccount,
            format!("The account holds {available} {symbol}, and {needed} {symbol} are needed."),
            format!("Take less, or put more there first: `byway wallet deposit {needed} --asset {symbol}`."),
        )
        .with("needed", json!(needed))
        .with("available", json!(available))
    }

    pub fn amount_too_small(field: &str, minimum: Amount) -> Self {
        Self::new(
            ErrorKind::AmountTooSmall,
            "The amount is too small.",
            format!("The least that can be moved is {minimum} WAY."),
        )
        .with("field", field.into())
        .with("minimum", json!(minimum))
    }

    pub fn amount_too_fine(terms: &AssetTerms) -> Self {
        let (symbol, decimals) = (&terms.symbol, terms.decimals.get());
        Self::new(
            ErrorKind::AmountTooFine,
            format!("{symbol} has {decimals} digits after the point."),
            "Round the amount.",
        )
        .with("decimals", decimals.into())
    }

    pub fn invalid_address(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::InvalidAddress,
            format!("That is not an address of this network: {why}."),
            "Ask the receiver to copy it again.",
        )
        .with("field", field.into())
    }

    pub fn read_only_wallet() -> Self {
        Self::new(
            ErrorKind::ReadOnlyWallet,
            "This wallet has the view key alone: it sees everything and can't spend.",
            "Use the node that has the seed phrase.",
        )
    }

    pub fn asset_not_found(asset: AssetId) -> Self {
        Self::new(
            ErrorKind::AssetNotFound,
            format!("There is no asset {asset} on the ledger."),
            "`byway asset list` shows those there are.",
        )
    }

    pub fn asset_exists(symbol: &Symbol) -> Self {
        Self::new(
            ErrorKind::AssetExists,
            format!("This node's identity has registered {symbol} already."),
            "Issue more of that one, or choose another symbol.",
        )
    }

    pub fn not_the_issuer(terms: &AssetTerms) -> Self {
        Self::new(
            ErrorKind::NotTheIssuer,
            format!("Only {} may issue and burn {}.", terms.issuer, terms.symbol),
            "Ask its issuer.",
        )
    }

    pub fn faucet_limit(terms: &AssetTerms, most: Amount) -> Self {
        Self::new(
            ErrorKind::FaucetLimit,
            format!("The faucet gives at most {most} {} at a time.", terms.symbol),
            "Ask for less, or several times.",
        )
        .with("maximum", json!(most))
    }

    pub fn group_not_found() -> Self {
        Self::new(
            ErrorKind::GroupNotFound,
            "This wallet has not joined that group.",
            "`byway wallet group join` does, with the key file that whoever set the group up gave to its members.",
        )
    }

    /// Why a proposal is neither signed nor sent.
    pub fn proposal_refused(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::ProposalRefused,
            format!("The proposal can't be signed or sent: {why}."),
            "Nothing was signed; have it proposed anew, or gather what is missing.",
        )
    }
}
