//! What can be typed about channels and the contracts in them.

use std::path::PathBuf;

use byway_primitives::Amount;
use clap::{Args, Subcommand, ValueEnum};

use super::AssetName;
use crate::api::ContractBytes;
use crate::api::params::IdempotencyKey;

#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Propose a channel to a peer, and wait until it has agreed and the ledger has it
    #[command(
        after_help = "Examples:\n  byway channel open 1b2c…9f 5 --theirs 5 --lock 7200\n  byway channel open 1b2c…9f 1 --theirs 1 --via 77ab…03 --days 3"
    )]
    Open(ChannelOpenArgs),
    /// Show all channels
    #[command(after_help = "Example:\n  byway channel list --json")]
    List,
    /// Show one channel: whose the money is, contracts, a dispute
    #[command(after_help = "Example:\n  byway channel show 3f2a --follow")]
    Show(ChannelShowArgs),
    /// Show what happened in a channel and which messages both sides said, lately
    #[command(after_help = "Example:\n  byway channel log 3f2a --follow")]
    Log {
        #[command(flatten)]
        name: ChannelName,
        /// Go on showing what comes, until it is closed
        #[arg(long)]
        follow: bool,
    },
    /// Agree to a channel that a peer proposes, and wait until the ledger has it
    #[command(after_help = "Example:\n  byway channel accept 3f2a")]
    Accept(ChannelName),
    /// Decline a channel that a peer proposes
    #[command(after_help = "Example:\n  byway channel decline 3f2a")]
    Decline(ChannelName),
    /// Pay the peer, or an invoice over whatever channels lead to who made it
    #[command(after_help = "Examples:\n  byway channel pay 3f2a 0.25\n  byway channel pay byway:pay/…")]
    Pay {
        /// The channel's name, the ledger's id of it, or the beginning of either; or an invoice
        channel: String,
        /// In WAY, or in the asset that is named; an invoice says it itself
        amount: Option<Amount>,
        /// Another asset than WAY that is in the channel: its symbol or id
        #[arg(long, value_name = "ASSET", conflicts_with = "lane")]
        asset: Option<AssetName>,
        /// By a promise out of our lane, which needs no answer of the peer
        #[arg(long)]
        lane: bool,
        /// What hubs may take for an invoice in all; a hundredth of it and 0.001 when left out
        #[arg(long, value_name = "AMOUNT")]
        fee_max: Option<Amount>,
        /// Pay an invoice without being shown it and asked
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        key: KeyArg,
    },
    /// Ask to be paid by somebody with whom there is no channel
    #[command(after_help = "Example:\n  byway channel invoice 0.5 --for \"two coffees\"")]
    Invoice {
        /// In WAY
        amount: Amount,
        /// What it is for, which the payer is shown
        #[arg(long = "for", value_name = "TEXT")]
        note: Option<String>,
        /// How long it can be paid, in seconds; an hour when left out
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        expires: Option<u64>,
    },
    /// Set money aside for promises to the peer
    #[command(after_help = "Example:\n  byway channel lane 3f2a 2")]
    Lane {
        #[command(flatten)]
        name: ChannelName,
        /// So much in all, in WAY; what is promised already included
        amount: Amount,
    },
    /// Take what the peer has promised into our balance
    #[command(after_help = "Example:\n  byway channel absorb 3f2a")]
    Absorb(ChannelName),
    /// Bring the state up to date: absorb what both have promised, and set how much is in our lane
    #[command(after_help = "Examples:\n  byway channel update 3f2a\n  byway channel update 3f2a --lane 2")]
    Update {
        #[command(flatten)]
        name: ChannelName,
        /// So much in all for promises to the peer, in WAY [default: as it is]
        #[arg(long, value_name = "AMOUNT")]
        lane: Option<Amount>,
    },
    /// Say something to the peer, beside the state; a peer that is not connected is not told
    #[command(
        after_help = "Examples:\n  byway channel message 3f2a \"the next hundred as well?\"\n  byway channel message 3f2a --kind 7 --data 0x0102"
    )]
    Message {
        #[command(flatten)]
        name: ChannelName,
        /// At most 512 bytes
        #[arg(required_unless_present = "data", conflicts_with = "data")]
        text: Option<String>,
        /// For programs: what the bytes are, a number on which both agree
        #[arg(long, value_name = "N", requires = "data")]
        kind: Option<u16>,
        /// For programs: at most 1,024 bytes as hex digits
        #[arg(long, value_name = "HEX", requires = "kind", value_parser = bytes)]
        data: Option<ContractBytes>,
    },
    /// Take back an update that the peer does not sign
    #[command(after_help = "Example:\n  byway channel cancel 3f2a")]
    Cancel(ChannelName),
    /// Put more money into an open channel
    #[command(after_help = "Example:\n  byway channel deposit 3f2a 5")]
    Deposit(ChannelFundArgs),
    /// Take money out of an open channel
    #[command(after_help = "Example:\n  byway channel withdraw 3f2a 1.5")]
    Withdraw(ChannelFundArgs),
    /// Look for the peer of a channel whose records this node has lost
    #[command(after_help = "Example:\n  byway channel restore 3f2a --peer byway:peer/…")]
    Restore {
        #[command(flatten)]
        name: ChannelName,
        /// The peer's card, where it has no offer on the market: `byway identity card` there prints it
        #[arg(long, value_name = "CARD")]
        peer: Option<String>,
    },
    /// End a channel, so that everybody gets what is theirs
    #[command(
        after_help = "Examples:\n  byway channel close 3f2a\n  byway channel close 3f2a --split WAY:4:6 --split ABC:10:30"
    )]
    Close {
        #[command(flatten)]
        name: ChannelName,
        /// Without the peer, on the ledger, after the lock period; from a disk that was restored from a copy
        /// this can cost what was paid since, unless the peer is heard before
        #[arg(long)]
        alone: bool,
        /// Where both have lost what was in it: what is ours and what is the peer's, of WAY and of each other asset; done
        /// once the peer types the same numbers, the other way round
        #[arg(long, value_name = "ASSET:OURS:THEIRS", conflicts_with = "alone")]
        split: Vec<AssetDepositArg>,
    },
    /// Have the ledger execute a call that the peer doesn't sign
    #[command(after_help = FORCE_EXAMPLE)]
    Force(ContractCallArgs),
    /// Contracts in a channel
    #[command(subcommand)]
    Contract(ContractCommand),
}

#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Put a contract into a channel
    #[command(after_help = DEPLOY_EXAMPLE)]
    Deploy(ContractDeployArgs),
    /// Call a contract; both sides execute the call and sign what comes of it
    #[command(after_help = CALL_EXAMPLE)]
    Call(ContractCallArgs),
    /// Give a contract other code, which keeps what it has; the peer has to ask for the same
    #[command(after_help = UPGRADE_EXAMPLE)]
    Upgrade {
        #[command(flatten)]
        name: ChannelName,
        /// The contract: its address, or the beginning
        contract: String,
        /// What it is to run: hex digits, or what the compiler wrote with `evm.deployedBytecode.object`
        file: PathBuf,
    },
    /// Remove a contract and divide what it has; the peer has to ask for the same
    #[command(after_help = REMOVE_EXAMPLE)]
    Remove {
        #[command(flatten)]
        name: ChannelName,
        /// The contract: its address, or the beginning
        contract: String,
        /// What of its balance is ours, in WAY [default: as agreed when the channel was opened]
        #[arg(long, value_name = "A", requires = "theirs")]
        ours: Option<Amount>,
        /// What of it is the peer's
        #[arg(long, value_name = "A", requires = "ours")]
        theirs: Option<Amount>,
    },
    /// Let a contract leave for the ledger, where everybody can call it; the peer has to ask for the same
    #[command(after_help = LEAVE_EXAMPLE)]
    Leave {
        #[command(flatten)]
        name: ChannelName,
        /// The contract: its address, or the beginning
        contract: String,
    },
    /// Show what a call would return; changes nothing, and nobody hears of it
    #[command(after_help = LOOK_EXAMPLE)]
    Look {
        #[command(flatten)]
        name: ChannelName,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Show the contracts in a channel
    #[command(after_help = "Example:\n  byway channel contract show 3f2a")]
    Show {
        #[command(flatten)]
        name: ChannelName,
        /// Only this one: its address, or the beginning
        contract: Option<String>,
    },
}

const FORCE_EXAMPLE: &str = "\
Example:
  byway channel force 3f2a 0x91 'claim()'";

const DEPLOY_EXAMPLE: &str = "\
Examples:
  byway channel contract deploy 3f2a HiddenMoves.json me peer 1ether 600
  byway channel contract deploy 3f2a code.hex 'constructor(address,uint256)' me 3

`me` and `peer` stand for the addresses of the two parties, `1ether` for 10^18, as many units as 1 WAY has.";

const CALL_EXAMPLE: &str = "\
Examples:
  byway channel contract call 3f2a 0x91 'move(uint256,bytes32)' 3 0x00…01
  byway channel contract call 3f2a 0x91 'next()(uint256)' --value 0.5
  byway channel contract call 3f2a 0x91 0x4e71d92d

A second parenthesis holds the types of what it returns, which is shown then. `me` and `peer` stand for the addresses of the
two parties, `1ether` for 10^18, as many units as 1 WAY has.";

const UPGRADE_EXAMPLE: &str = "\
Example:
  byway channel contract upgrade 3f2a 0x91 run.hex

Whoever asks first is told that the peer has to want it too; it is done once the peer types the same. `byway channel cancel`
takes it back before.";

const REMOVE_EXAMPLE: &str = "\
Examples:
  byway channel contract remove 3f2a 0x91
  byway channel contract remove 3f2a 0x91 --ours 1.5 --theirs 0.5

Whoever asks first is told that the peer has to want it too; it is done once the peer asks for the same. `byway channel cancel`
takes it back before.";

const LEAVE_EXAMPLE: &str = "\
Example:
  byway channel contract leave 3f2a 0x91

Whoever asks first is told that the peer has to want it too; it is done once the peer types the same. `byway channel cancel`
takes it back before. From then on `byway contract` shows it and calls it.";

const LOOK_EXAMPLE: &str = "\
Example:
  byway channel contract look 3f2a 0x91 'winner()(address)'";

fn bytes(text: &str) -> Result<ContractBytes, String> {
    text.to_owned().try_into()
}

/// Which channel.
#[derive(Debug, Args)]
pub struct ChannelName {
    /// The channel: its name, the ledger's id of it, or the beginning of either
    pub channel: String,
}

/// Against doing a thing twice.
#[derive(Debug, Args)]
pub struct KeyArg {
    /// The same key does nothing twice, for a day
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<IdempotencyKey>,
}

#[derive(Debug, Args)]
pub struct ChannelOpenArgs {
    /// The peer: an identity that sells something, or a card (`byway identity card` there)
    pub peer: String,
    /// What we put in, in WAY
    pub amount: Amount,
    /// What the peer is to put in [default: as much as the reserve]
    #[arg(long, value_name = "A")]
    pub theirs: Option<Amount>,
    /// What each side keeps in every state, out of which disputes are paid [default: 0.01]
    #[arg(long, value_name = "A")]
    pub reserve: Option<Amount>,
    /// How long each has to answer what the other shows the ledger [default: 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub lock: Option<u64>,
    /// Whose what contracts still hold is when the channel ends
    #[arg(long, value_enum, default_value = "halves")]
    pub remainder: RemainderArg,
    /// What both put in of another asset, out of their accounts (`byway wallet deposit --asset`), up to four times: its
    /// symbol or id, what we put in, what the peer does
    #[arg(long, value_name = "ASSET:OURS[:THEIRS]")]
    pub asset: Vec<AssetDepositArg>,
    /// Make it virtual: guaranteed by this hub, with which the peer has a channel too, and without the ledger
    #[arg(long, value_name = "HUB")]
    pub via: Option<String>,
    /// How long a virtual channel goes on [default: 7]
    #[arg(long, value_name = "N", requires = "via", value_parser = clap::value_parser!(u64).range(1..))]
    pub days: Option<u64>,
    #[command(flatten)]
    pub key: KeyArg,
}

/// An asset, and what both put in of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetDepositArg {
    pub asset: AssetName,
    pub ours: Amount,
    pub theirs: Amount,
}

impl std::str::FromStr for AssetDepositArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let amount = |text: &str| text.parse::<Amount>().map_err(|error| format!("{text}: {error}"));
        match parts[..] {
            [asset, ours] => Ok(Self { asset: asset.parse()?, ours: amount(ours)?, theirs: Amount::ZERO }),
            [asset, ours, theirs] => Ok(Self { asset: asset.parse()?, ours: amount(ours)?, theirs: amount(theirs)? }),
            _ => Err("an asset, what we put in, and what the peer does are needed, as in TEST:5:2".to_owned()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RemainderArg {
    Ours,
    Theirs,
    Halves,
}

#[derive(Debug, Args)]
pub struct ChannelShowArgs {
    #[command(flatten)]
    pub name: ChannelName,
    /// And what happened to it lately
    #[arg(long)]
    pub log: bool,
    /// Go on showing what happens, until it is closed
    #[arg(long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
pub struct ChannelFundArgs {
    #[command(flatten)]
    pub name: ChannelName,
    /// In WAY, or in the asset that is named
    pub amount: Amount,
    /// Another asset than WAY: its symbol or id
    #[arg(long)]
    pub asset: Option<AssetName>,
    #[command(flatten)]
    pub key: KeyArg,
}

#[derive(Debug, Args)]
pub struct ContractDeployArgs {
    #[command(flatten)]
    pub name: ChannelName,
    /// What the compiler wrote: hex digits, or JSON with the code and its ABI
    pub file: PathBuf,
    /// What the constructor takes; its signature first where FILE has no ABI; or 0x… as it is
    #[arg(value_name = "ARGUMENT", allow_negative_numbers = true)]
    pub arguments: Vec<String>,
    #[command(flatten)]
    pub cost: CallCostArgs,
}

#[derive(Debug, Args)]
pub struct ContractCallArgs {
    #[command(flatten)]
    pub name: ChannelName,
    #[command(flatten)]
    pub call: CallArgs,
    #[command(flatten)]
    pub cost: CallCostArgs,
}

#[derive(Debug, Args)]
pub struct CallArgs {
    /// The contract: its address, or the beginning
    pub contract: String,
    /// The function's signature and its arguments, or 0x… as it is
    #[arg(required = true, value_name = "CALL", allow_negative_numbers = true)]
    pub call: Vec<String>,
}

/// What a call may take with it.
#[derive(Debug, Args)]
pub struct CallCostArgs {
    /// Pay the contract so much out of our balance, in WAY
    #[arg(long, default_value = "0", value_name = "A")]
    pub value: Amount,
    /// Stop the call after this much gas [default: 2000000; 10000000 to deploy]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub gas: Option<u64>,
    #[command(flatten)]
    pub key: KeyArg,
}
