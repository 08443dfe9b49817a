//! Errors of the local API: a stable number and word for programs, a sentence with a remedy for people. What can go wrong
//! with any call is here; the rest by what it is about.

mod channel;
mod chat;
mod chat_backup;
mod guarantee;
mod hiring;
mod holding;
mod hub;
mod ledger;
mod market;
mod money;
mod names;
mod service;

use serde_json::{Map, Value, json};

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
    1109 TunnelImpossible "tunnel_impossible",
    1118 BlockNotFound "block_not_found",
    1119 TooManyBlocks "too_many_blocks",
    1125 CannotListen "cannot_listen",
    1126 ServiceNotOpen "service_not_open",
    1133 ProxyPortNotOpen "proxy_port_not_open",
    1134 ProxyPortConfigured "proxy_port_configured",
    1135 ForwardNotOpen "forward_not_open",
    1136 PortNotGiven "port_not_given",
    1127 LinkRefused "link_refused",
    1128 LinkExpired "link_expired",
    1137 ChainBroken "chain_broken",
    1129 AccountSpent "account_spent",
    1130 NotAllowed "not_allowed",
    1140 InviteNotFound "invite_not_found",
    1141 InviteNotOpen "invite_not_open",
    1142 TooManyInvites "too_many_invites",
    1601 ChatNotFound "conversation_not_found",
    1602 ChatNotBegun "conversation_not_begun",
    1603 ChatMessageNotFound "message_not_found",
    1604 ChatPersonNotFound "person_not_found",
    1605 ChatAlreadyContact "already_contact",
    1606 ChatFull "too_much_waits",
    1607 ChatRefused "not_said",
    1616 ChatFileNotFound "attachment_not_found",
    1617 ChatFileNotHere "attachment_not_here",
    1618 ChatFilesFull "attachments_full",
    1619 ChatFileUntrue "attachment_untrue",
    1620 ChatFileTooLarge "attachment_too_large",
    1621 ChatUploadNotFound "upload_not_found",
    1622 ChatUploadGap "upload_gap",
    1623 ChatFileDamaged "attachment_damaged",
    1624 ChatMisfit "message_of_another_kind",
    1625 ChatPollClosed "poll_closed",
    1646 ChatQuery "query_not_understood",
    1608 ChatNotContact "not_a_contact",
    1609 ChatNotGroup "not_a_group",
    1610 ChatNotMember "not_in_group",
    1611 ChatPersonNotInGroup "person_not_in_group",
    1612 ChatMayNot "role_does_not_allow",
    1613 ChatGroupFull "group_full",
    1614 ChatLeaving "group_left",
    1670 ChatNotBack "conversation_not_back",
    1671 ChatNoBackup "no_chat_backup",
    1672 ChatBackupDamaged "chat_backup_damaged",
    1673 ChatBackupOtherPhrase "chat_backup_of_other_phrase",
    1674 ChatBackupForeign "chat_backup_of_another",
    1675 ChatBackupCut "chat_backup_cut",
    1676 ChatRestoreGap "restore_gap",
    1631 HoldFull "hold_full",
    1632 NoHolder "no_holder",
    1633 NotHeldBy "not_held_by",
    1634 HolderUnregistered "holder_not_registered",
    1635 BotNotFound "bot_not_found",
    1636 BotNotHired "bot_not_hired",
    1637 BotTooDear "bot_too_dear",
    1638 TooManyBots "too_many_bots",
    1639 NoBotOffered "no_bot_offered",
    1650 NameTaken "name_taken",
    1651 NameNotFound "name_not_found",
    1652 NotYourName "not_your_name",
    1653 NameContested "name_contested",
    1654 NameExpired "name_expired",
    1655 TooManyNamesWanted "too_many_names_wanted",
    1656 ChatAskCosts "first_message_costs",
    1657 ChatAskLater "asked_too_often",
    1658 ChatAskFull "too_many_ask",
    1659 ChatAskPayment "payment_does_not_count",
    1660 ChatAskUnpaid "nothing_set_aside",
    1661 ChatNotInBook "not_in_address_book",
    1662 ChatBookFull "address_book_full",
    1201 SpendingLimit "spending_limit",
    1216 NothingToAllow "nothing_to_allow",
    1217 WithdrawalUnderWay "withdrawal_under_way",
    1218 NothingToWithdraw "nothing_to_withdraw",
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
    1501 ChannelNotFound "channel_not_found",
    1502 ChannelNotOpened "channel_not_opened",
    1503 UpdateRefused "update_refused",
    1504 ChannelNotReady "channel_not_ready",
    1505 PeerUnreachable "peer_unreachable",
    1506 PeerSilent "peer_silent",
    1507 CallFailed "call_failed",
    1508 LaneTooSmall "lane_too_small",
    1509 CallNotForced "call_not_forced",
    1510 NoChannelWith "no_channel_with",
    1511 ChannelEmpty "channel_empty",
    1512 LaneUnsigned "lane_unsigned",
    1513 UpdateUnsure "update_unsure",
    1520 WatchFull "watch_full",
    1521 NotWatched "not_watched",
    1522 NoWatchtower "no_watchtower",
    1530 InvoiceNotPaid "invoice_not_paid",
    1531 NoWayToPayee "no_way_to_payee",
    1532 HubFeeTooHigh "hub_fee_too_high",
    1533 InvoiceRefused "invoice_refused",
    1534 InvoiceExpired "invoice_expired",
    1535 PayeeSilent "payee_silent",
    1536 PaymentPaidOut "payment_paid_out",
    1537 TooManyPayments "too_many_payments",
    1538 NotRebalanced "not_rebalanced",
    1680 PhoneOff "phone_off",
    1681 PhoneCodeRefused "phone_code_refused",
    1682 PhoneNotFound "phone_not_found",
    1683 PhoneNameTaken "phone_name_taken",
    1684 TooManyPhones "too_many_phones",
    1685 PhoneMayNot "phone_may_not",
    1710 NotFirstDevice "not_first_device",
    1711 NodeNotNew "node_not_new",
    1712 DeviceNotFound "device_not_found",
    1713 DeviceIsPerson "device_is_person",
    1714 TooManyDevices "too_many_devices",
    1715 DeviceTokenExpired "device_token_expired",
    1716 DeviceRefused "device_refused",
    1717 DeviceNameTaken "device_name_taken",
    1545 ContractNotFound "contract_not_found",
    1546 ContentsMissing "contents_missing",
    1547 ContentsRefused "contents_refused",
    1548 ContractNotCalled "contract_not_called",
    1555 NoChannelWithHub "no_channel_with_hub",
    1556 TooLittleWithHub "too_little_with_hub",
    1557 HubGuaranteesNone "hub_guarantees_none",
    1558 NotGuaranteed "not_guaranteed",
    1559 GuaranteeTooDear "guarantee_too_dear",
    1560 ChannelIsVirtual "channel_is_virtual",
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use byway_primitives::Amount;

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
