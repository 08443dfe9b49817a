//! `byway up`: a whole local network in one process, with durable state.
//!
//! ```text
//! D/network.json   D/passphrase    D/run.json         D/kernel-0 …   D/provider-0 …   D/user   D/robin   D/guide
//! ```
//!
//! Every node has its own folder, keys and sockets and speaks to the others as it would to strangers; only the process is
//! shared. At the first start keys and genesis are made, the user's wallet is funded, registers and pays into its
//! account; later starts go on with what is there.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use byway_crypto::keystore::Cost;
use byway_crypto::phrase::Device;
use byway_driver::pool::Pool;
use byway_driver::{entropy, mesh};
use byway_primitives::{Amount, Span, Time};
use byway_records::offer::{Location, Service};
use byway_records::{Genesis, Member};
use futures::FutureExt;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::company::{self, Company, CompanyKeys};
use super::peer::{Front, Hosted, node_config};
use super::{kernel, told_to_stop};
use crate::api::{IdentityRegister, NodeApi, OfferList, WalletMove};
use crate::cli::{Globals, Outcome, UpArgs};
use crate::config::{KernelConfig, LogConfig, LogTarget};
use crate::directory::Directory;
use crate::genesis::{self, Funding, Leaders, Plan, Share};
use crate::kernel_node::{self, KernelNode};
use crate::keystore::{Keystore, KeystoreError};
use crate::logs;
use crate::passphrase::Passphrase;
use crate::peer_node::{SellingConfig, StartError, TunnelSelling};
use crate::ports::{Ports, Purpose, link_address};

/// What a person may want to read later; the storage engine's own steps are not part of it.
const LOG_LEVEL: &str = "info,lsm_tree=warn,fjall=warn,iroh=warn";
const PROXY: u16 = 1080;
const PAGE: u16 = 7070;
const RPC: u16 = 7071;
/// What a provider starts with: its pledge and a few years of offers.
const PROVIDER_FUNDS: Amount = Amount::from_coins(10);
/// What is in Robin's wallet.
const ROBIN_FUNDS: Amount = Amount::from_coins(100);
/// What the user's account is filled up with when it is nearly empty.
const ACCOUNT_FILL: Amount = Amount::from_coins(20);
const ACCOUNT_LOW: Amount = Amount::from_coins(2);
/// How long the network may take to be ready.
const READY_WAIT: Duration = Duration::from_secs(90);
/// Local networks settle soon, so that one can watch.
const SETTLE_AT: Amount = Amount::from_units(byway_primitives::amount::ONE / 1000);
const SETTLE_DELAY_MAX: Span = Span::seconds(2);

/// Countries, systems and prices of the local providers, cheapest first; after the last it starts over, dearer.
const MARKET: [(&str, u32, u64); 8] = [
    ("DE", 24940, 4),
    ("SE", 42708, 5),
    ("NL", 60781, 6),
    ("CH", 51852, 8),
    ("FI", 16086, 9),
    ("JP", 2516, 11),
    ("BR", 28573, 12),
    ("CA", 812, 14),
];

pub(super) async fn run(globals: &Globals, args: UpArgs) -> anyhow::Result<Outcome> {
    let directory = match &globals.dir {
        Some(dir) => Directory::new(dir),
        None => Directory::standard_local()?,
    };
    directory.create()?;
    let _lock = directory.lock()?;
    logs::init(&LogConfig { level: LOG_LEVEL.to_owned(), to: LogTarget::File }, &directory)?;
    let mut ports = Ports::load(&directory, args.ports)?;
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let front = Front {
        proxy: Some(ports.bind(Purpose::PROXY, local(PROXY)).await?),
        page: Some(ports.bind(Purpose::PAGE, local(PAGE)).await?),
        rpc: Some(ports.bind(Purpose::RPC, local(RPC)).await?),
        ..Front::default()
    };
    say("making keys and opening the ledger …")?;
    let keys = Keys::open_or_make(&directory, &args)?;
    let genesis = Arc::new(keys.network(&directory).await?);
    let started = start(&keys, &genesis, &directory, &args, front).await;
    let Started { kernels, providers, user, mut company } = started.map_err(|error| of_a_trial(&directory, error))?;
    say("waiting for the market …")?;
    let ready = tokio::time::timeout(READY_WAIT, prepare(&user, keys.providers.len())).await;
    ready.context("the local network did not get ready in time; its log says more (D/log)")??;
    if let Some(company) = &mut company {
        let met = tokio::time::timeout(READY_WAIT, company.meet(&user.node)).await;
        met.context("the people to talk to did not come; the log says more (D/log)")??;
    }
    directory.write_run_file(&user.run)?;
    screen(&user, company.as_ref(), &directory, &genesis, kernels.len()).await?;
    let ended = tokio::select! {
        ended = one_has_ended(&user, &providers, company.as_ref(), &kernels) => ended,
        () = told_to_stop() => Ok(()),
    };
    say("stopping …")?;
    if let Some(company) = company {
        company.stop().await?;
    }
    user.stop().await;
    for provider in providers {
        provider.stop().await;
    }
    futures::future::join_all(kernels.iter().map(KernelNode::stop)).await;
    directory.remove_run_file()?;
    ended.map(|()| Outcome::Done)
}

/// Waits until one of the network's nodes has ended by itself, and says why.
async fn one_has_ended(
    user: &Hosted,
    providers: &[Hosted],
    company: Option<&Company>,
    kernels: &[KernelNode],
) -> anyhow::Result<()> {
    let people = company.into_iter().flat_map(Company::nodes);
    let nodes = std::iter::once(user).chain(providers).chain(people).map(|hosted| &hosted.node);
    let nodes = nodes.map(|node| async { node.ended().await.context("a node of the network has stopped") }.boxed());
    let kernels = kernels.iter();
    let kernels = kernels.map(|node| async { node.ended().await.context("a kernel node has stopped") }.boxed());
    futures::future::select_all(nodes.chain(kernels)).await.0
}

/// All nodes of the network.
struct Started {
    kernels: Vec<KernelNode>,
    providers: Vec<Hosted>,
    user: Hosted,
    company: Option<Company>,
}

async fn start(
    keys: &Keys,
    genesis: &Arc<Genesis>,
    directory: &Directory,
    args: &UpArgs,
    front: Front,
) -> anyhow::Result<Started> {
    let kernels = start_kernels(keys, genesis, directory).await?;
    let mut providers = Vec::new();
    for (index, keystore) in keys.providers.iter().enumerate() {
        providers.push(start_provider(index, keystore, genesis, directory, args).await?);
    }
    let user_directory = folder(directory, "user");
    let mut config = node_config(&keys.user, genesis.clone(), &user_directory, false)?;
    config.link_bind = vec![link_address(&user_directory, (Ipv4Addr::LOCALHOST, 0).into())?];
    config.chat_name = company::USER.to_owned();
    let user = Hosted::start(config, directory, front).await?;
    let folders = [folder(directory, "robin"), folder(directory, "guide")];
    let company = match &keys.company {
        Some(keys) => Some(Company::start(keys, genesis, folders).await?),
        None => None,
    };
    Ok(Started { kernels, providers, user, company })
}

/// Nobody has a backup of a local trial, nor misses it: where its data can't be read, it starts over.
fn of_a_trial(directory: &Directory, error: anyhow::Error) -> anyhow::Error {
    let of_kernel = error.downcast_ref::<kernel_node::StartError>();
    let of_kernel = matches!(of_kernel, Some(kernel_node::StartError::Kernel(_)));
    let of_peer = error.downcast_ref::<StartError>();
    let of_peer = matches!(of_peer, Some(StartError::Follower(_) | StartError::Wallet(_) | StartError::Market(_)));
    if !of_kernel && !of_peer {
        return error;
    }
    tracing::error!(error = format!("{error:#}"), "the data of the local network can't be read");
    let dir = directory.root().display();
    anyhow::anyhow!(
        "the data of this local network can't be read: another version wrote it, or it is damaged (D/log says more); it is a \
         trial, so remove {dir} (`rm -r {dir}`) and start again"
    )
}

/// The keystores of all nodes.
struct Keys {
    kernels: Vec<Keystore>,
    providers: Vec<Keystore>,
    user: Keystore,
    company: Option<CompanyKeys>,
}

impl Keys {
    fn open_or_make(directory: &Directory, args: &UpArgs) -> anyhow::Result<Self> {
        let file = directory.passphrase_file();
        let passphrase = if file.exists() { Passphrase::read(&file)? } else { Passphrase::create_file(&file)? };
        let known = directory.network_file().exists();
        let kernels = match known {
            // The genesis fixes how many there are.
            true => genesis::load(&directory.network_file())?.members.len(),
            false => usize::from(args.kernel_nodes),
        };
        let open = |name: String| keystore(&folder(directory, &name), &passphrase);
        Ok(Self {
            kernels: (0..kernels).map(|index| open(format!("kernel-{index}"))).collect::<Result<_, _>>()?,
            providers: (0..args.providers).map(|index| open(format!("provider-{index}"))).collect::<Result<_, _>>()?,
            user: open("user".to_owned())?,
            company: match args.alone {
                true => None,
                false => Some(CompanyKeys { robin: open("robin".to_owned())?, guide: open("guide".to_owned())? }),
            },
        })
    }

    /// The network of the directory, made at the first start.
    async fn network(&self, directory: &Directory) -> anyhow::Result<Genesis> {
        let path = directory.network_file();
        if path.exists() {
            return Ok(genesis::load(&path)?);
        }
        // Held until all are known, so that no port is given out twice.
        let mut held: Vec<TcpListener> = Vec::new();
        let mut members: Vec<Member> = Vec::new();
        for (index, keystore) in self.kernels.iter().enumerate() {
            let listener = mesh::listen((Ipv4Addr::LOCALHOST, 0).into()).await?;
            let address = listener.local_addr()?.to_string();
            members.push(genesis::member(keystore, KERNEL_NAMES[index % KERNEL_NAMES.len()], &address));
            if index >= KERNEL_NAMES.len() {
                members[index].name = format!("{}-{}", members[index].name, index / KERNEL_NAMES.len());
            }
            held.push(listener);
            kernel_node::found(&folder(directory, &format!("kernel-{index}")).store_folder())?;
        }
        // As many as there may ever be here, so that `--providers` can be raised later.
        let providers = self.providers.iter();
        let mut funding: Vec<Funding> = providers
            .map(|keystore| Funding { address: keystore.wallet().address(), share: Share::Amount(PROVIDER_FUNDS) })
            .collect();
        let robin = self.company.as_ref().map(|keys| keys.robin.wallet().address());
        funding.extend(robin.map(|address| Funding { address, share: Share::Amount(ROBIN_FUNDS) }));
        funding.push(Funding { address: self.user.wallet().address(), share: Share::Rest });
        let test = members.len() < byway_records::genesis::MEMBERS_MIN;
        let time = Time(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as u64);
        let plan = Plan { name: "local".to_owned(), time, test, leaders: Leaders::Turns, members, funding };
        let genesis = genesis::build(plan, &Zeroizing::new(entropy::seed()))?;
        genesis::save(&genesis, &path)?;
        Ok(genesis)
    }
}

/// Names of local kernel nodes.
const KERNEL_NAMES: [&str; 10] =
    ["alder", "birch", "cedar", "dogwood", "elm", "fir", "gorse", "hazel", "ivy", "juniper"];

fn folder(directory: &Directory, name: &str) -> Directory {
    Directory::new(directory.root().join(name))
}

fn keystore(directory: &Directory, passphrase: &Passphrase) -> anyhow::Result<Keystore> {
    directory.create()?;
    let path = directory.keystore_file();
    match Keystore::open(&path, passphrase) {
        Err(KeystoreError::Missing(_)) => {
            let keystore = Keystore::generate(Device::default())?;
            // The passphrase is random and lies beside it, so stretching it would protect nothing.
            keystore.create(&path, passphrase, Cost::CHEAP)?;
            Ok(keystore)
        }
        other => Ok(other?),
    }
}

async fn start_kernels(keys: &Keys, genesis: &Arc<Genesis>, directory: &Directory) -> anyhow::Result<Vec<KernelNode>> {
    let pool = Pool::for_this_machine();
    let mut kernels = Vec::new();
    for (index, keystore) in keys.kernels.iter().enumerate() {
        let member = genesis.members.get(index as u8).context("the genesis names fewer kernel nodes than there are")?;
        let listen: SocketAddr = member.address.parse().context("a kernel node's address in genesis")?;
        let own = folder(directory, &format!("kernel-{index}"));
        let started = kernel::start(keystore, genesis.clone(), &own, &KernelConfig::on(listen), pool.clone()).await;
        kernels.push(started.with_context(|| format!("kernel node {}", member.name))?);
    }
    Ok(kernels)
}

async fn start_provider(
    index: usize,
    keystore: &Keystore,
    genesis: &Arc<Genesis>,
    directory: &Directory,
    args: &UpArgs,
) -> anyhow::Result<Hosted> {
    let own = folder(directory, &format!("provider-{index}"));
    let mut config = node_config(keystore, genesis.clone(), &own, true)?;
    let (country, asn, price) = MARKET[index % MARKET.len()];
    let price = price + 10 * (index / MARKET.len()) as u64;
    let place = Location { country: country.parse()?, asn };
    config.link_bind = vec![link_address(&own, (Ipv4Addr::LOCALHOST, 0).into())?];
    config.selling = Some(SellingConfig {
        services: [Service::SOCKS].into(),
        location: place,
        exit: place,
        bandwidth_bps: 500_000_000,
        // Ten-thousandths of a coin per MB.
        price_per_mb: Some(Amount::from_units(u128::from(price) * byway_primitives::amount::ONE / 10_000)),
        price_per_second: None,
        allow: args.exit_allow.clone(),
        exit_lists: Default::default(),
        caps: Default::default(),
        judging: Default::default(),
        settle_at: SETTLE_AT,
        settle_delay_max: SETTLE_DELAY_MAX,
        forwarding: None,
        tunnel: TunnelSelling::default(),
        plugged: Default::default(),
    });
    Hosted::start(config, &own, Front::default()).await
}

/// Waits until the user's node can buy: follows, is registered, has money in its account, and sees all offers.
async fn prepare(user: &Hosted, providers: usize) -> anyhow::Result<()> {
    let node = &user.node;
    let failed = |error: crate::api::ApiError| anyhow::anyhow!("{error}");
    loop {
        let status = node.node_status().await.map_err(failed)?;
        let balance = &status.balance;
        if !status.identity.registered {
            let request = IdentityRegister { id: None, idempotency_key: key()? };
            match node.identity_register(request).await {
                Ok(_) => {}
                Err(error) if error.kind == crate::api::ErrorKind::AlreadyRegistered => {}
                Err(error) => tracing::debug!(%error, "not registered yet"),
            }
        } else if balance.account < ACCOUNT_LOW && balance.wallet > ACCOUNT_FILL {
            let request = WalletMove { amount: ACCOUNT_FILL, asset: None, idempotency_key: key()? };
            node.wallet_deposit(request).await.map_err(failed)?;
        } else if balance.account.is_zero() && balance.wallet.is_zero() && balance.pending.is_zero() {
            bail!("the user's wallet is empty; start over with an empty --dir");
        } else {
            let offers = node.offer_list(OfferList::default()).await.map_err(failed)?;
            if offers.len() >= providers && node.accepts() {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(super) fn key() -> anyhow::Result<crate::api::params::IdempotencyKey> {
    Ok(hex::encode(&entropy::seed()[..16]).parse()?)
}

async fn screen(
    user: &Hosted,
    company: Option<&Company>,
    directory: &Directory,
    genesis: &Genesis,
    kernels: usize,
) -> anyhow::Result<()> {
    let failed = |error: crate::api::ApiError| anyhow::anyhow!("{error}");
    let status = user.node.node_status().await.map_err(failed)?;
    let offers = user.node.offer_list(OfferList::default()).await.map_err(failed)?;
    let mut out = String::new();
    out.push_str(&format!("\nready: a local network of your own, \"{}\"\n\n", genesis.name));
    out.push_str(&format!("  kernel     {kernels} nodes, {} of them make a quorum\n", genesis.members.quorum()));
    for offer in &offers {
        let price = offer.price.map_or_else(String::new, |price| price.to_string());
        out.push_str(&format!("  exit       {}  AS{:<6} {price}\n", offer.exit_country, offer.asn));
    }
    let balance = &status.balance;
    out.push_str(&format!(
        "  wallet     {} WAY, and {} WAY in the account that pays exits\n",
        balance.wallet, balance.account
    ));
    out.push_str(&format!("  proxy      socks5h://{}\n", user.run.proxy));
    out.push_str(&format!("  page       {}\n", page_link(user)?));
    if let Some(company) = company {
        out.push_str(&format!("  Robin's    {}\n", page_link(&company.robin)?));
        out.push_str("             (Robin is somebody to talk to, on the page Messages, and so is the guide, a bot)\n");
    }
    out.push_str("             (a link holds the key to its wallet; don't share it)\n\n");
    let dir = directory.root().display();
    out.push_str("Try\n\n");
    out.push_str(&format!("  curl -x socks5h://{} http://example.org/\n", user.run.proxy));
    out.push_str(&format!(
        "  byway --dir {dir} status\n  byway --dir {dir} session list\n  byway --dir {dir} chat conversations\n  byway --dir {dir} ledger audit\n\n"
    ));
    out.push_str(&format!("Everything is kept in {dir}. Ctrl-C stops; the next start goes on from here.\n"));
    say(&out)
}

fn page_link(of: &Hosted) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(&of.run.token_file)?;
    let rpc_port = of.run.rpc.rsplit(':').next().unwrap_or_default();
    Ok(format!("http://{}/#token={}&rpc={rpc_port}", of.run.web, token.trim()))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use byway_peer::market::MarketDamaged;

    use super::*;

    #[test]
    fn a_trial_whose_data_cannot_be_read_starts_over_and_needs_no_backup() {
        let directory = Directory::new("/home/me/byway-local");
        let told = |error: anyhow::Error| of_a_trial(&directory, error).to_string();
        let of_peer = anyhow::Error::from(StartError::Market(MarketDamaged::Peers));
        let of_kernel = kernel_node::StartError::Kernel(byway_kernel::OpenError::Own);
        let of_kernel = anyhow::Error::from(of_kernel).context("kernel node alder");
        for error in [of_peer, of_kernel] {
            let told = told(error);
            assert!(told.contains("`rm -r /home/me/byway-local`") && !told.contains("backup"), "{told}");
        }
        assert_eq!(told(anyhow::anyhow!("the port is taken")), "the port is taken");
    }
}
