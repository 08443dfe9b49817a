//! What can be typed to buy and sell: offers, connections, sessions, and the promises that pay for them.

use std::path::PathBuf;
use std::str::FromStr;

use byway_access::Sort;
use byway_primitives::{Amount, IdentityId};
use byway_records::offer::{Country, OfferId, Service};
use clap::{Args, Subcommand};

use crate::api::{Connect, ConnectTarget, HopWish, OfferFilter, Pay, SoldBy};
use crate::fetch::Url;

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// https://host/path or http://host/path
    pub url: Url,
    /// Write to a file; a cut download is taken up again. Without it the content goes to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Trust these certificate authorities too: a file in PEM form
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// What an offer must have.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Kind of service
    #[arg(long, value_name = "NAME")]
    service: Option<Service>,
    /// Where traffic leaves, such as DE
    #[arg(long, value_name = "CC")]
    country: Option<Country>,
    /// Autonomous system of the exit
    #[arg(long, value_name = "NUMBER")]
    asn: Option<u32>,
    /// What is paid for: mb or second; the megabyte when left out
    #[arg(long, value_name = "UNIT")]
    per: Option<SoldBy>,
    /// Most WAY for that
    #[arg(long, value_name = "WAY")]
    max_price: Option<Amount>,
    /// Least bandwidth in bits per second
    #[arg(long, value_name = "BPS")]
    min_bandwidth: Option<u64>,
    /// What comes first: price, quality or both
    #[arg(long, value_name = "ORDER")]
    sort: Option<Sort>,
    /// Only exits that forward ports
    #[arg(long)]
    forwards: bool,
}

impl ConnectArgs {
    pub fn request(self) -> Connect {
        let via = self.via.clone().map(|hops| hops.0);
        Connect { via, pay: self.pay, target: self.target() }
    }

    fn target(self) -> ConnectTarget {
        let filter = self.filter.filter();
        match (self.offer, self.to) {
            (Some(offer_id), _) => ConnectTarget::Offer { offer_id, unit: filter.unit },
            (None, None) => ConnectTarget::Cheapest(filter),
            (None, Some(Wish::Best)) => ConnectTarget::Cheapest(OfferFilter { sort: Some(Sort::Both), ..filter }),
            (None, Some(Wish::Country(country))) => {
                ConnectTarget::Cheapest(OfferFilter { country: Some(country), ..filter })
            }
        }
    }
}

impl FilterArgs {
    pub fn filter(self) -> OfferFilter {
        OfferFilter {
            service: self.service,
            country: self.country,
            asn: self.asn,
            unit: self.per.map(Into::into),
            max_price: self.max_price,
            min_bandwidth_bps: self.min_bandwidth,
            sort: self.sort,
            forwards: self.forwards,
        }
    }
}

/// Where somebody wants to come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Best,
    Country(Country),
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            country => {
                country.parse().map(Self::Country).map_err(|_| "write `best` or a country such as DE".to_owned())
            }
        }
    }
}

#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// A country such as DE, or `best`: what is worth its price most, anywhere
    #[arg(value_name = "WHERE", conflicts_with_all = ["country", "sort"])]
    pub to: Option<Wish>,
    /// Exactly this offer
    #[arg(long, value_name = "ID", conflicts_with_all = ["to", "service", "country", "asn", "max_price", "min_bandwidth", "sort", "forwards"])]
    pub offer: Option<OfferId>,
    /// Hops before the exit, the first one first: `best`, a country, or a provider's id; `none`: straight to it
    #[arg(long, value_name = "HOP,…")]
    pub via: Option<HopList>,
    /// Out of what it is paid: `account`, the lane of a `channel` with the provider, or `auto`: the channel where there is one; as before when left out
    #[arg(long, value_name = "FROM")]
    pub pay: Option<Pay>,
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// What `--via` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopList(pub Vec<HopWish>);

impl FromStr for HopList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(Vec::new())),
            hops => hops.split(',').map(|hop| hop.trim().parse()).collect::<Result<_, _>>().map(Self),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum OfferCommand {
    /// Show the market, cheapest first unless `--sort` says otherwise
    List(OfferListArgs),
    /// Ask the provider of an offer on what terms it would sell to you; costs nothing
    Terms {
        /// The offer's id
        offer: OfferId,
        /// What would be paid for: mb or second
        #[arg(long, value_name = "UNIT")]
        per: Option<SoldBy>,
    },
    /// Publish what this node sells; what is left out is as in its configuration
    Publish(OfferPublishArgs),
    /// Take an offer off the market
    Withdraw {
        /// The offer's id
        offer: OfferId,
    },
}

#[derive(Debug, Args)]
pub struct OfferListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Most offers to show
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
}

#[derive(Debug, Args)]
pub struct OfferPublishArgs {
    /// Kind of service
    #[arg(long, value_name = "NAME")]
    pub service: Option<Service>,
    /// Where the provider is
    #[arg(long, value_name = "CC")]
    pub country: Option<Country>,
    /// Where traffic leaves
    #[arg(long, value_name = "CC")]
    pub exit_country: Option<Country>,
    /// Autonomous system of the exit
    #[arg(long, value_name = "NUMBER")]
    pub asn: Option<u32>,
    /// WAY per megabyte
    #[arg(long, value_name = "WAY")]
    pub price: Option<Amount>,
    /// WAY per second; clients choose what they pay for
    #[arg(long, value_name = "WAY")]
    pub price_per_second: Option<Amount>,
    /// Bits per second of one session
    #[arg(long, value_name = "BPS")]
    pub bandwidth: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Show sessions, newest first
    List {
        /// Most sessions to show
        #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum PromiseCommand {
    /// Show what is owed, newest change first
    List,
    /// Settle what we are owed, and wait for the ledger; what we owe only the one who is paid can settle
    Settle {
        /// With whom; everyone when left out
        counterparty: Option<IdentityId>,
        /// Don't wait for the ledger
        #[arg(long)]
        no_wait: bool,
    },
}
