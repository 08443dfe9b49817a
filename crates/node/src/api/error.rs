//! Errors of the local API: a stable number and word for programs, a sentence with a remedy for people.

use byway_primitives::{Amount, AssetId, IdentityId};
use byway_records::OfferId;
use byway_records::asset::{AssetTerms, Symbol};
use serde_json::{Map, Value, json};

use super::Reason;

macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $name:ident $word:literal,)*) => {
        /// Every error by number. A number once used is never given another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ErrorKind {
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            pub fn number(self) -> i32 {
                match self { $(ErrorKind::$name => $number,)* }
            }

            /// The stable word in `data.code`.
            pub fn word(self) -> &'static str {
                match self { $(ErrorKind::$name => $word,)* }
            }
        }
    };
}

kinds! {
    -32700 ParseError "parse_error",
    -32600 InvalidRequest "invalid_request",
    -32601 MethodNotFound "method_not_found",
    -32602 InvalidParams "invalid_params",
    -32603 Internal "internal",
    1001 BadToken "bad_token",
    1002 Busy "busy",
    1004 Stopping "stopping",
    1005 NotSupported "not_supported",
    1006 IdempotencyConflict "idempotency_conflict",
    1008 StorageFailed "storage_failed",
    1009 IdentityNotFound "identity_not_found",
    1101 NoOfferMatches "no_offer_matches",
    1102 OfferNotFound "offer_not_found",
    1103 OfferExpired "offer_expired",
    1104 ProviderUnreachable "provider_unreachable",
    1105 ProviderRefused "provider_refused",
    1106 Superseded "superseded",
    1107 NotRegistered "not_registered",
    1108 AlreadyRegistered "already_registered",
    1201 SpendingLimit "spending_limit",
    1202 InsufficientWallet "insufficient_wallet",
    1203 InsufficientAccount "insufficient_account",
    1204 AmountTooSmall "amount_too_small",
    1205 InvalidAddress "invalid_address",
    1206 NothingToSettle "nothing_to_settle",
    1207 PromiseNotFound "promise_not_found",
    1208 AssetNotFound "asset_not_found",
    1209 AssetExists "asset_exists",
    1210 NotTheIssuer "not_the_issuer",
    1211 FaucetLimit "faucet_limit",
    1212 AmountTooFine "amount_too_fine",
    1213 ReadOnlyWallet "read_only_wallet",
    1214 GroupNotFound "group_not_found",
    1215 ProposalRefused "proposal_refused",
    1301 KernelUnreachable "kernel_unreachable",
    1303 TransactionNotFound "transaction_not_found",
    1304 TransactionRefused "transaction_refused",
    1305 LedgerMismatch "ledger_mismatch",
    1306 LedgerUnproved "ledger_unproved",
    1401 EntryRefused "entry_refused",
    1402 EntryOfOtherNetwork "entry_of_other_network",
    1403 MemberKeyTaken "member_key_taken",
    1404 AlreadyMember "already_member",
    1405 KernelFull "kernel_full",
    1406 SeatNotFound "seat_not_found",
    1407 NotTheOwner "not_the_owner",
    1408 WrongStanding "wrong_standing",
    1409 TooFewMembers "too_few_members",
    1410 PledgeLocked "pledge_locked",
    1411 ChangedLately "changed_lately",
    1412 ConvictionNotFound "conviction_not_found",
    1413 AppealedBefore "appealed_before",
    1414 UpgradeRefused "upgrade_refused",
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} {remedy}")]
pub struct ApiError {
    pub kind: ErrorKind,
    /// What was wrong: a whole sentence.
    pub message: String,
    /// What to do next: a whole sentence.
    pub remedy: String,
    /// What the table in `docs/formats/rpc.md` names beside `code`.
    pub details: Map<String, Value>,
}

impl ApiError {
    pub fn new(kind: ErrorKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: remedy.into(), details: Map::new() }
    }

    /// Adds a field to `data`.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }

    /// The `error` member of a JSON-RPC response.
    pub fn to_json(&self) -> Value {
        let mut data = self.details.clone();
        data.insert("code".to_owned(), self.kind.word().into());
        json!({ "code": self.kind.number(), "message": self.to_string(), "data": data })
    }

    pub fn invalid_params(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::InvalidParams,
            format!("The parameter `{field}` can't be used: {why}."),
            "Correct it and call again.",
        )
        .with("field", field.into())
    }

    pub fn internal() -> Self {
        Self::new(ErrorKind::Internal, "Something went wrong inside the node.", "Its log says more; please report it.")
    }

    pub fn busy(what: &str) -> Self {
        Self::new(ErrorKind::Busy, format!("There are too many {what} at once."), "Wait for some to end.")
    }

    /// The kernel's nodes ask for more work than is done for a transaction.
    pub fn kernel_busy(bits: u8) -> Self {
        Self::new(
            ErrorKind::Busy,
            format!("The kernel's nodes are busy: even the least busy asks for work of {bits} bits for a transaction."),
            "Try again in a minute.",
        )
    }

    pub fn stopping() -> Self {
        Self::new(ErrorKind::Stopping, "The node is stopping.", "Start it again and repeat the call.")
    }

    /// `what` completes "This node has no …".
    pub fn not_supported(what: &str) -> Self {
        Self::new(ErrorKind::NotSupported, format!("This node has no {what}."), "Ask a node whose role has it.")
    }

    pub fn idempotency_conflict() -> Self {
        Self::new(
            ErrorKind::IdempotencyConflict,
            "This idempotency key was used before for something else.",
            "Choose a new key for a new request.",
        )
    }

    pub fn storage_failed(cause: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::StorageFailed,
            format!("The disk refused the write, and nothing was done: {cause}."),
            "Make room or check the disk, then restart the node.",
        )
    }

    pub fn identity_not_found(id: IdentityId) -> Self {
        Self::new(
            ErrorKind::IdentityNotFound,
            format!("This node has no identity {id}."),
            "`byway identity list` shows those it has.",
        )
    }

    /// `purpose`: what the identity is for.
    pub fn not_in_use(id: IdentityId, purpose: &str) -> Self {
        Self::new(
            ErrorKind::NotSupported,
            format!("The identity {id} is for {purpose}, and this node runs with another one of its keystore."),
            "Register it from a node that runs with it, or leave the id out to register the one in use.",
        )
    }

    pub fn no_offer_matches() -> Self {
        Self::new(
            ErrorKind::NoOfferMatches,
            "No offer matches.",
            "Ask for less (country, price, bandwidth), or wait until one is published.",
        )
    }

    pub fn offer_not_found(id: OfferId) -> Self {
        Self::new(
            ErrorKind::OfferNotFound,
            format!("There is no offer {id}."),
            "`byway offer list` shows those on the market.",
        )
    }

    pub fn offer_expired(id: OfferId) -> Self {
        Self::new(ErrorKind::OfferExpired, format!("The offer {id} has expired."), "Choose another one.")
    }

    /// `tried`: how many offers were tried; `provider` is the last of them, and `why` is what was wrong with it.
    pub fn provider_unreachable(provider: IdentityId, tried: u64, why: &str) -> Self {
        let what = if tried == 1 {
            format!("The provider {provider} can't be used: {why}.")
        } else {
            format!("None of the {tried} providers tried can be used. The last, {provider}: {why}.")
        };
        Self::new(ErrorKind::ProviderUnreachable, what, "Choose another offer, or try again later.")
            .with("provider", provider.to_string().into())
            .with("tried", tried.into())
    }

    pub fn provider_refused(provider: IdentityId, reason: Reason) -> Self {
        Self::new(
            ErrorKind::ProviderRefused,
            format!("The provider {provider} refused: {}", reason.message),
            "Choose another offer.",
        )
        .with("provider", provider.to_string().into())
        .with("reason", json!(reason))
    }

    pub fn superseded() -> Self {
        Self::new(
            ErrorKind::Superseded,
            "A later connect or disconnect took over.",
            "Nothing is to be done if that was meant.",
        )
    }

    pub fn not_registered(id: IdentityId) -> Self {
        Self::new(
            ErrorKind::NotRegistered,
            format!("The identity {id} is not registered."),
            "`byway identity register` locks the pledge for it.",
        )
    }

    pub fn already_registered(id: IdentityId) -> Self {
        Self::new(
            ErrorKind::AlreadyRegistered,
            format!("The identity {id} is already registered."),
            "Nothing is to be done.",
        )
    }

    /// `which`: `"session"` or `"day"`.
    pub fn spending_limit(which: &str, limit: Amount, spent: Amount) -> Self {
        Self::new(
            ErrorKind::SpendingLimit,
            format!("The spending limit per {which} is {limit} WAY, and {spent} WAY of it are spent."),
            "Raise the limit to go on.",
        )
        .with("which", which.into())
        .with("limit", json!(limit))
        .with("spent", json!(spent))
    }

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

    pub fn amount_too_fine(terms: &AssetTerms) -> Self {
        let (symbol, decimals) = (&terms.symbol, terms.decimals.get());
        Self::new(
            ErrorKind::AmountTooFine,
            format!("{symbol} has {decimals} digits after the point."),
            "Round the amount.",
        )
        .with("decimals", decimals.into())
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

    pub fn read_only_wallet() -> Self {
        Self::new(
            ErrorKind::ReadOnlyWallet,
            "This wallet has the view key alone: it sees everything and can't spend.",
            "Use the node that has the seed phrase.",
        )
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

    pub fn amount_too_small(field: &str, minimum: Amount) -> Self {
        Self::new(
            ErrorKind::AmountTooSmall,
            "The amount is too small.",
            format!("The least that can be moved is {minimum} WAY."),
        )
        .with("field", field.into())
        .with("minimum", json!(minimum))
    }

    pub fn invalid_address(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::InvalidAddress,
            format!("That is not an address of this network: {why}."),
            "Ask the receiver to copy it again.",
        )
        .with("field", field.into())
    }

    pub fn nothing_to_settle() -> Self {
        Self::new(
            ErrorKind::NothingToSettle,
            "Everything is settled with this counterparty already.",
            "Nothing is to be done.",
        )
    }

    /// What we owe `peer` can't be settled from here; we are `me`.
    pub fn only_the_payee_settles(peer: IdentityId, me: IdentityId) -> Self {
        Self::new(
            ErrorKind::NothingToSettle,
            format!("{peer} owes us nothing, and what we owe it only the one who is paid can settle."),
            format!(
                "It does so by itself when enough is open. To have it done now, ask its operator for `byway promise \
                 settle {me}`."
            ),
        )
    }

    pub fn promise_not_found(counterparty: IdentityId) -> Self {
        Self::new(
            ErrorKind::PromiseNotFound,
            format!("There is no promise with {counterparty}."),
            "`byway promise list` shows all there are.",
        )
    }

    pub fn kernel_unreachable() -> Self {
        Self::new(
            ErrorKind::KernelUnreachable,
            "No kernel node answers, and nothing was sent.",
            "Check the network connection and try again.",
        )
    }

    /// A transaction that is written down and that the kernel refused, with the reason that f + 1 of its nodes gave.
    pub fn not_taken(reason: &str) -> Self {
        Self::new(
            ErrorKind::TransactionRefused,
            format!("The kernel did not take the transaction: {reason}."),
            "It is handed in again for two minutes; `byway wallet history` shows how it ends. Don't repeat it before.",
        )
    }

    /// A transaction that one kernel node refused, and that nothing was done with.
    pub fn refused_here(reason: &str) -> Self {
        Self::new(
            ErrorKind::TransactionRefused,
            format!("This kernel node did not take the transaction: {reason}."),
            "Correct it, or hand it to another kernel node.",
        )
    }

    /// A call that changes something, to a server that anyone may read from.
    pub fn read_only() -> Self {
        Self::new(
            ErrorKind::NotSupported,
            "This server is open to everyone for reading only.",
            "Send the token of its node, or hand the transaction to a node of your own.",
        )
    }

    /// The outputs that an audit found are not those that the kernel certified at `height`.
    pub fn ledger_mismatch(height: u64) -> Self {
        Self::new(
            ErrorKind::LedgerMismatch,
            format!(
                "The ledger's outputs do not match the certified digest at height {height}: either a quorum of kernel \
                 nodes certified books that don't add up, or this node reckons wrongly."
            ),
            "Audit again from another node with current software; if it fails there too, don't rely on this ledger, and \
             tell the network's operators the height.",
        )
        .with("height", height.into())
    }

    /// No kernel node shows a checkpoint of `height` that proves itself.
    pub fn ledger_unproved(height: u64) -> Self {
        Self::new(
            ErrorKind::LedgerUnproved,
            format!(
                "The audit stopped at height {height}: what kernel nodes sent for it is not what a quorum certified, and \
                 no other node answers."
            ),
            "Check that this node runs current software and has the right genesis file, then audit again; its log names \
             the kernel nodes.",
        )
        .with("height", height.into())
    }

    pub fn transaction_not_found() -> Self {
        Self::new(
            ErrorKind::TransactionNotFound,
            "This node has seen no such transaction.",
            "Check the id; one that was only just sent appears within a second.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_words_are_unique_and_in_the_document() {
        let document = include_str!("../../../../docs/formats/rpc.md");
        let document = document.split("\n## Errors").nth(1).expect("the document has a table of errors");
        let mut seen = BTreeSet::new();
        for kind in ErrorKind::ALL {
            assert!(seen.insert(kind.number().to_string()) && seen.insert(kind.word().to_owned()), "{kind:?}");
            let number = kind.number().to_string().replace('-', "−");
            let row = document.lines().find(|line| line.starts_with(&format!("| {number} ")));
            let row = row.unwrap_or_else(|| panic!("{number} has no row in the document"));
            assert!(row.contains(&format!("`{}`", kind.word())), "{row}");
        }
        let rows = document.lines().filter(|line| {
            let first = line.trim_start_matches("| ").trim_start_matches('−');
            line.starts_with("| ")
                && first.chars().take(4).filter(char::is_ascii_digit).count() == 4
                && line.split('|').nth(2).is_some_and(|word| word.trim().starts_with('`'))
        });
        assert_eq!(rows.count(), ErrorKind::ALL.len());
    }

    #[test]
    fn an_error_has_the_shape_of_the_document() {
        let error = ApiError::insufficient_account(Amount::from_coins(900), Amount::from_coins(12));
        let json = error.to_json();
        assert_eq!(json["code"], 1203);
        assert_eq!(json["data"], json!({"code": "insufficient_account", "needed": "900", "available": "12"}));
        assert!(json["message"].as_str().expect("text").contains("12 WAY"));
    }
}
