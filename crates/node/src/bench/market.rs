//! The market of a benchmark: a provider with an offer on the ledger, and a user who can pay.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use byway_crypto::phrase::Phrase;
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_driver::disk::SealKey;
use byway_primitives::{Amount, Span, Time};
use byway_records::Genesis;
use byway_records::offer::{Location, Service};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::network::{Seats, seed};
use crate::api::{ApiError, IdentityRegister, NodeApi, OfferList, Role, WalletMove};
use crate::genesis::{self, Funding, Leaders, Plan, Share};
use crate::peer_node::{PeerNode, PeerNodeConfig, SellingConfig, SpendingConfig, TunnelSelling};

/// A gigabyte costs a tenth of a coin: well under what a newcomer may owe, so that settlements never hold up the stream.
pub(super) const PRICE_PER_MB: Amount = Amount::from_units(byway_primitives::amount::ONE / 10_000);
/// What the offer says: ten gigabits, since the loopback interface carries more than one. The credit window grows to what this
/// needs, and no further than to what the user would promise ahead.
const BANDWIDTH_BPS: u64 = 10_000_000_000;
const PROVIDER_FUNDS: Amount = Amount::from_coins(10);
/// What the user pays into its account.
pub(super) const ACCOUNT: Amount = Amount::from_coins(20);
/// As `byway run` has it: what may be promised ahead, and when a provider settles.
const AHEAD_MAX: Amount = Amount::from_units(byway_primitives::amount::ONE / 50);
const SETTLE_AT: Amount = Amount::from_units(byway_primitives::amount::ONE / 20);
const SETTLE_DELAY_MAX: Span = Span::seconds(2);
/// How long the network may take until the user can buy.
const READY_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Has the user registered and its account filled, and waits for an offer.
pub(super) async fn prepare(user: &PeerNode) -> anyhow::Result<()> {
    let ready = timeout(READY_WAIT, async {
        while !is_ready(user).await? {
            tokio::time::sleep(POLL).await;
        }
        anyhow::Ok(())
    });
    ready.await.context("the bench's network did not get ready in time")?
}

/// Whether the user can buy; does what is missing for that.
async fn is_ready(user: &PeerNode) -> anyhow::Result<bool> {
    let status = user.node_status().await.map_err(failed)?;
    if !status.identity.registered {
        let request = IdentityRegister { id: None, idempotency_key: "register".parse()? };
        if let Err(error) = user.identity_register(request).await {
            tracing::debug!(%error, "not registered yet");
        }
        return Ok(false);
    }
    if status.balance.account.is_zero() && status.balance.wallet > ACCOUNT {
        let request = WalletMove { amount: ACCOUNT, asset: None, idempotency_key: "deposit".parse()? };
        user.wallet_deposit(request).await.map_err(failed)?;
        return Ok(false);
    }
    let offers = user.offer_list(OfferList::default()).await.map_err(failed)?;
    Ok(!offers.is_empty() && !status.balance.account.is_zero())
}

/// A network's genesis in which the bench's provider and user have money.
pub(super) fn genesis(seats: &Seats) -> anyhow::Result<Genesis> {
    let provider = Funding { address: wallet("provider").address(), share: Share::Amount(PROVIDER_FUNDS) };
    let user = Funding { address: wallet("user").address(), share: Share::Rest };
    let plan = Plan {
        leaders: Leaders::Turns,
        name: "bench".to_owned(),
        time: Time(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64),
        test: true,
        members: seats.members.clone(),
        funding: vec![provider, user],
    };
    Ok(genesis::build(plan, &seed(&[b"funding"]))?)
}

fn wallet(name: &str) -> WalletSecret {
    WalletSecret::from_seed(&seed(&[b"wallet", name.as_bytes()]))
}

/// The settings of a market node of this name.
pub(super) fn peer(name: &str, role: Role, genesis: &Arc<Genesis>, directory: &Path) -> anyhow::Result<PeerNodeConfig> {
    let own = |purpose: &[u8]| seed(&[purpose, name.as_bytes()]);
    Ok(PeerNodeConfig {
        genesis: genesis.clone(),
        role,
        name: name.to_owned(),
        identities: Vec::new(),
        identity: IdentitySecret::from_bytes(&own(b"identity")).context("a bench identity's key")?,
        signer: None,
        chat_name: String::new(),
        chat: Default::default(),
        owner: IdentitySecret::from_bytes(&own(b"owner")).context("a bench owner's key")?,
        dialogue_secret: Zeroizing::new(own(b"dialogue")),
        wallet: wallet(name),
        directory: directory.join(name),
        root: directory.join(name),
        proxy_address: String::new(),
        link_bind: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        link_public: Vec::new(),
        link_seed: own(b"link"),
        relay: None,
        trusted: None,
        kernel_addresses: Default::default(),
        claims: Vec::new(),
        buying: Default::default(),
        via: Vec::new(),
        pay: Default::default(),
        proxy_ports: Vec::new(),
        outside_tunnel: Default::default(),
        quality: Default::default(),
        selling: None,
        channels: Default::default(),
        watching: None,
        holding: None,
        hub: None,
        guaranteeing: None,
        guarantee_lock_min: byway_channel::guarantee::VIRTUAL_LOCK_MIN,
        listed: Default::default(),
        rebalance_per_million: None,
        limits: SpendingConfig {
            session_max: None,
            day_max: None,
            allowed: Default::default(),
            yesterday: Default::default(),
            ended: Default::default(),
            ahead_max: AHEAD_MAX,
        },
        journals_key: SealKey::new(own(b"journals")),
        export_key: Phrase::from_entropy(&own(b"phrase")).seed().export_key(),
        exports: None,
        copy_key: Phrase::from_entropy(&own(b"phrase")).seed().copy_key(),
        copies: None,
    })
}

/// What the bench's provider sells, to whoever asks and to anywhere on this machine.
pub(super) fn selling(services: BTreeSet<Service>) -> anyhow::Result<SellingConfig> {
    let place = Location { country: "DE".parse()?, asn: 64_512 };
    Ok(SellingConfig {
        services,
        location: place,
        exit: place,
        bandwidth_bps: BANDWIDTH_BPS,
        price_per_mb: Some(PRICE_PER_MB),
        price_per_second: None,
        allow: vec!["127.0.0.0/8".parse()?],
        exit_lists: Default::default(),
        caps: Default::default(),
        judging: Default::default(),
        settle_at: SETTLE_AT,
        settle_delay_max: SETTLE_DELAY_MAX,
        forwarding: None,
        tunnel: TunnelSelling::default(),
        plugged: Default::default(),
    })
}

pub(super) fn failed(error: ApiError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
