//! Why the ledger turns something down.
//!
//! Two kinds. [`IllFormed`] can be decided from the transaction alone; an honest kernel node never takes such a
//! transaction into a snapshot. [`Reject`] depends on the ledger's state when the transaction is executed; it is
//! recorded in the scan data, so that whoever sent it learns the reason with proof.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use serde::{Deserialize, Serialize};

/// Wrong in itself, whatever the ledger's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllFormed {
    #[error("the transaction is malformed: {0}")]
    Encoding(#[from] DecodeError),
    #[error("the transaction is longer than 64 KiB")]
    TooLong,
    #[error("the transaction neither spends, nor makes an output, nor calls a program")]
    Empty,
    #[error("an output is spent twice by the same transaction")]
    RepeatedInput,
    #[error("an output pays nothing")]
    EmptyOutput,
    #[error("an output's key is not a point of the curve")]
    OutputKey,
    #[error("amounts overflow")]
    Overflow,
    #[error("an input does not have the signatures that its lock asks for")]
    SignatureCount,
    #[error("a signature is wrong")]
    Signature,
    #[error("the promise or offer in the call is for another network")]
    WrongNetwork,
    #[error("the call's payments don't fit what it does")]
    CallValue,
}

macro_rules! rejects {
    ($($code:literal $name:ident $text:literal,)*) => {
        /// Refused in the state in which it was executed. Numbers are fixed for good.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Reject {
            $(#[doc = $text] #[error($text)] $name,)*
        }

        impl Reject {
            /// Every reason, for tables and tests.
            pub const ALL: &'static [Reject] = &[$(Reject::$name,)*];

            pub fn code(self) -> u8 {
                match self { $(Reject::$name => $code,)* }
            }

            /// A stable word for machines.
            pub fn word(self) -> &'static str {
                match self { $(Reject::$name => stringify!($name),)* }
            }

            fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Reject::$name),)* _ => None }
            }
        }
    };
}

rejects! {
    1 Expired "the transaction's time is over",
    2 UnknownInput "an input does not exist or is already spent",
    3 WrongLock "an input repeats another lock than the output has",
    4 Unbalanced "inputs and outputs don't add up",
    5 OutputTooSmall "an output is below the network's minimum",
    6 FeeTooLow "the fee is below the price of the call",
    7 NotAuthorised "the identity that the call acts for did not sign",
    20 AlreadyRegistered "the identity is already registered",
    21 PledgeMismatch "the payment is not the pledge that is asked for",
    22 NotRegistered "the identity is not registered",
    30 OfferTermsChanged "the terms changed: publish them under a new serial",
    31 OfferSerialOld "a newer serial of this provider was withdrawn or published before",
    32 OfferUnknown "there is no such offer",
    40 PromiseSettled "a promise of a later serial, or this much of it, is already settled",
    41 PromiseBacking "this kind of backing can't settle here",
    42 NoAccount "there is no such account",
    43 BalanceTooSmall "the balance is too small",
    44 WithdrawalNotAnnounced "no withdrawal of this much was announced",
    45 WithdrawalTooEarly "the notice period is not over",
    46 ReservationUnknown "there is no such reservation",
    47 ReservationMismatch "the promise is not between the parties of its reservation, or in another asset",
    48 ReservationActive "the reservation's time is not over; only the payee can release it before",
    49 ReservationTime "the reservation's time is already over",
    80 AssetKnown "the issuer has registered this symbol before",
    81 AssetUnknown "there is no such asset",
    82 AssetTooFine "the amount has more digits than the asset",
    83 AssetOverflow "more of the asset would exist than can be counted",
    84 FaucetLimit "a faucet gives no more than this at a time",
    100 KernelFull "every seat of the kernel is taken; try again when one is free",
    101 MemberKeyTaken "another kernel node has this key, or this mesh key",
    102 SeatEmpty "no kernel node has this seat",
    103 SeatStanding "what the call asks for is not open to a kernel node of this standing",
    104 NodeSignature "the kernel node's own signature is wrong",
    105 TooFewMembers "too few kernel nodes would be left; pledge for another one first",
    106 PledgeLocked "the pledge is still locked",
    107 PledgePart "a pledge is reclaimed whole",
    108 RotatedLately "the kernel node was changed a short while ago; it can be changed again later",
    109 EvidenceEpoch "the evidence is of an epoch that is not known any more, or not yet",
    110 EvidenceInnocent "the evidence proves nothing against anyone",
    111 OffenceKnown "that offence is punished already",
    112 OffenderGone "whom the evidence convicts has no pledge here any more",
    113 LastMember "nobody would be left to go on",
    114 ConvictionUnknown "there is no such conviction, or the time to appeal it is over",
    115 AppealedBefore "the conviction is appealed already",
    116 UpgradePast "the height of the upgrade is behind already",
    117 NoCeremony "the leaders of this network take turns: there is no coin to deal a key for",
    118 CeremonyStranger "the kernel node does not take part in dealing the coin's key, or was shown to be false in it",
    119 CeremonyPhase "dealing the coin's key is at another step",
    120 ContributedBefore "the kernel node has done so already",
    121 DealingBad "the dealing is none, or was made for another occasion",
    122 DealingUnknown "there is no dealing of that kernel node",
    123 ComplaintFalse "the complaint does not show a false share",
    130 ChannelUnknown "there is no such channel",
    131 ChannelTerms "the channel's terms are not such as a channel may have",
    132 ChannelPhase "the channel is in another phase",
    133 ChannelParties "what was signed is of another channel, or by others than its parties",
    134 ChannelRound "a state that both signed of this round or a later one is known already",
    135 ChannelTotal "the state does not divide what is in the channel",
    136 ChannelReserve "a party would have less than the channel's reserve",
    137 ChannelFee "neither the transaction nor what is left of the side's reserve pays for this",
    138 ChannelExpired "the time limit of what both signed is over",
    139 ChannelStreak "this side has prolonged the closing as often as it may before the other acts",
    140 ChannelLocked "the lock period is not over",
    141 ChannelCall "the call can't be forced on this state",
    142 ChannelEnvironment "the time that the contract is to see lies ahead, or too far back",
    143 ChannelWitness "the witness is not of this state",
    144 CodeKnown "this code is registered already",
    145 CodeBad "no contract can have this code",
    146 ChannelClaim "the promise claims nothing new of the other side's lane",
    147 ChannelBusy "no more calls are forced in this commit: hand it in again",
    148 ChannelTurn "this side has forced the last round, and the other still has time to act",
    149 ChannelSecret "what is shown is not the secret that the parties agreed on",
    150 ContractUnknown "there is no such contract on the ledger",
    151 ContractKnown "a contract of this address has left the channel before",
    152 ContractProof "what is shown is not the contract that leaves, as it is in the channel's state",
    153 ContractState "the witness is not of what the contract has stored now: look again, and hand in another",
    154 ContractCall "no such call of the contract can be made",
    155 ContractBusy "no more contracts are called in this commit: hand it in again",
    156 CodeUnknown "the contract's code is not registered",
    157 VirtualKnown "the virtual channel is, or was, on the ledger already",
    158 VirtualMoney "the money of a virtual channel is in others: none is put in or taken out here",
    159 VirtualOnly "the channel is not a virtual one",
    160 VirtualHub "a virtual channel is closed only with its hub's signature",
    161 ChannelEvidence "the ledger has no such outcome of a virtual channel",
    162 HoldersSerial "who holds for the identity was set under this serial or a later one before",
    163 HoldersTime "a holder's time is over already, or lies further ahead than such an entry is kept",
    164 NameTaken "the name, or one that looks like it, is taken",
    165 NameUnknown "nobody has this name",
    166 NameCommitment "no commitment of this identity to the name is open: commit first, then reveal within the time for it",
    167 NameEarly "no checkpoint covers the commitment yet: reveal it after the next one",
    168 NameCommitments "the identity has as many commitments open as it may: reveal one, or wait until one is over",
    169 NameContested "the name is not settled yet: whoever committed to it earlier can still reveal that",
    170 PurseWitness "what is shown is not what the parties have of the channel's assets in its last state",
    171 PurseAwaited "nobody has shown what the parties have of the channel's assets, and there is still time to",
    172 PurseSplit "what both signed does not divide what the channel has of each asset, or takes out more, or puts a fifth asset in",
    173 PurseLeaves "what holds an asset of the channel does not leave it",
    174 NameExpired "the name has expired, and until somebody else may have it only its owner can renew it",
}

impl Encode for Reject {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.code());
    }
}

impl Decode for Reject {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = input.byte()?;
        Self::from_code(code).ok_or(DecodeError::UnknownVariant { kind: "rejection", value: code.into() })
    }
}
