//! A network of real nodes in this process: a kernel of four, and market nodes as their configuration files say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use byway_channel::SharedSigner;
use byway_crypto::phrase::{Device, Phrase};
use byway_driver::mesh::{self, Limits, Mesh, MeshClient, MeshConfig, MeshEvent, MeshHandle};
use byway_driver::pool::Pool;
use byway_kernel::follower::protocol::{Answer as KernelAnswer, Request};
use byway_kernel::{Committee, Header, MemberIndex, Message as KernelMessage, VerifiedSnapshot};
use byway_node::api::*;
use byway_node::config::{Config, LogConfig, LogTarget};
use byway_node::directory::Directory;
use byway_node::fetch::{Route, fetch_to_sink};
use byway_node::genesis::{self, Funding, Leaders, Plan, Share};
use byway_node::hosting;
use byway_node::kernel_node::{KernelNode, KernelNodeConfig, prologue};
use byway_node::keystore::Keystore;
use byway_node::logs;
use byway_node::peer_node::{PeerNode, PeerNodeConfig};
use byway_node::phone::DoorState;
use byway_primitives::codec::decode_exact;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Encode, Hash, IdentityId, Span, Time};
use byway_records::genesis::{Parameters, Wait};
use byway_records::{Genesis, Height, Member};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::strict::{Ever, StrictSigner};

pub const KERNEL_NODES: usize = 4;
/// The seat of the kernel node that the user owns.
pub const USERS: usize = 3;
/// What everyone but the user starts with.
const FUNDS: Amount = Amount::from_coins(10);
/// How long anything may take that usually takes moments.
pub const SOON: Duration = Duration::from_secs(90);
const ENTROPY: Context = Context("byway 1 test: entropy of a node's phrase");

/// A node on a runtime of its own, which takes it along at any moment without a word to anyone, as a crash does.
pub struct Mortal {
    pub node: Node,
    runtime: Option<Runtime>,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// Its kernel runs for as long as this is held.
pub struct Network {
    pub genesis: Arc<Genesis>,
    kernels: Vec<KernelNode>,
    seats: Vec<Option<TcpListener>>,
    folder: TempDir,
    /// What each identity has signed in channels, in all its lives and from whatever disk.
    signed: Mutex<BTreeMap<IdentityId, Ever>>,
}

impl Drop for Network {
    /// A node that was to sign twice has panicked in a task of its own, which nothing may have waited for.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.signed.lock().unwrap().values().for_each(Ever::assert_sound);
        }
    }
}

/// A running market node.
pub struct Node {
    pub api: PeerNode,
    pub proxy: SocketAddr,
}

impl Network {
    /// Starts the kernel but for the nodes whose seats are `kept`, for a network in which `others` and the user have coins.
    pub async fn start(others: &[&str], kept: &[usize]) -> Self {
        Self::start_with_notice(others, kept, Wait { millis: Span::ZERO, commits: 0 }).await
    }

    /// Starts it likewise, where what leaves an account waits for so long.
    pub async fn start_with_notice(others: &[&str], kept: &[usize], notice: Wait) -> Self {
        Self::start_with(others, kept, |parameters| parameters.withdrawal_notice = notice).await
    }

    /// Starts it likewise, with other parameters than are usual.
    pub async fn start_with(others: &[&str], kept: &[usize], change: impl FnOnce(&mut Parameters)) -> Self {
        // Whoever looks for a mistake sees what all nodes have to say.
        if let Ok(level) = std::env::var(logs::LOG_VARIABLE) {
            logs::init(&LogConfig { level, to: LogTarget::Terminal }, &Directory::new("")).unwrap();
        }
        let mut seats = Vec::new();
        let mut members = Vec::new();
        for index in 0..KERNEL_NODES {
            let listener = mesh::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let founder = genesis::member(&keystore(&kernel(index)), &kernel(index), &address);
            // The user owns one of them.
            let owner = if index == USERS { keystore("user").kernel_owner().id() } else { founder.owner };
            members.push(Member { owner, ..founder });
            seats.push(Some(listener));
        }
        let fund = |name: &&str| Funding { address: keystore(name).wallet().address(), share: Share::Amount(FUNDS) };
        let mut funding: Vec<Funding> = others.iter().map(fund).collect();
        funding.push(Funding { address: keystore("user").wallet().address(), share: Share::Rest });
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let time = Time(time.as_millis() as u64);
        let plan = Plan { name: "test".to_owned(), time, test: true, leaders: Leaders::Turns, members, funding };
        let mut genesis = genesis::build(plan, &[7; 32]).unwrap();
        genesis.parameters.withdrawal_notice = Wait { millis: Span::ZERO, commits: 0 };
        change(&mut genesis.parameters);
        let genesis = Arc::new(genesis);
        let mut network = Self {
            genesis,
            kernels: Vec::new(),
            seats,
            folder: tempfile::tempdir().unwrap(),
            signed: Mutex::default(),
        };
        for index in (0..KERNEL_NODES).filter(|index| !kept.contains(index)) {
            let node = network.kernel_node(index).await;
            network.kernels.push(node);
        }
        network
    }

    async fn kernel_node(&mut self, index: usize) -> KernelNode {
        let keystore = keystore(&kernel(index));
        let config = KernelNodeConfig {
            genesis: self.genesis.clone(),
            secret: keystore.kernel_node(),
            mesh_secret: keystore.mesh_static(),
            directory: self.folder.path().join(kernel(index)),
            epochs_kept: None,
            peers: Vec::new(),
        };
        let listener = self.seats[index].take().unwrap();
        if !config.directory.exists() {
            byway_node::kernel_node::found(&config.directory).unwrap();
        }
        KernelNode::start(config, listener, Pool::for_this_machine()).await.unwrap()
    }

    /// Starts a kernel node that has no seat, and gives it with its public part. It owns itself.
    pub async fn newcomer(&self, name: &str) -> (KernelNode, Member) {
        let listener = mesh::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let keystore = keystore(name);
        let member = genesis::member(&keystore, name, &listener.local_addr().unwrap().to_string());
        let config = KernelNodeConfig {
            genesis: self.genesis.clone(),
            secret: keystore.kernel_node(),
            mesh_secret: keystore.mesh_static(),
            directory: self.folder.path().join(name),
            epochs_kept: None,
            peers: Vec::new(),
        };
        byway_node::kernel_node::found(&config.directory).unwrap();
        (KernelNode::start(config, listener, Pool::for_this_machine()).await.unwrap(), member)
    }

    /// One of the kernel nodes that run, by place.
    pub fn running_kernel(&self, place: usize) -> &KernelNode {
        &self.kernels[place]
    }

    /// Takes the seat of a kernel node that was kept: its socket and its key.
    pub fn seat(&mut self, index: usize) -> (TcpListener, [u8; 32]) {
        (self.seats[index].take().unwrap(), *keystore(&kernel(index)).mesh_static())
    }

    /// Has somebody else answer clients in the seat of a kernel node that was kept, or stay silent.
    pub fn play(&mut self, index: usize, mut answer: impl FnMut(Request) -> Option<KernelAnswer> + Send + 'static) {
        let (mesh, mut events) = self.mesh(index);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let MeshEvent::ClientFrame { client, request_id, bytes, .. } = event else { continue };
                if let Some(answer) = answer(decode_exact(&bytes).unwrap()) {
                    // Whoever asked may be gone.
                    let _ = mesh.reply(client, request_id, Bytes::from(answer.to_bytes()));
                }
            }
        });
    }

    /// Has somebody in the seat of a kernel node that was kept show every other two snapshots that it signed for one round.
    /// Gives the round and their hashes.
    pub fn sign_twice(&mut self, index: usize) -> (u64, [Hash; 2]) {
        let committee = Committee::new(&self.genesis);
        let round = committee.first_round();
        let sign = |time| {
            let header = Header {
                author: MemberIndex(index as u8),
                round,
                previous: None,
                references: Vec::new(),
                weak_references: Vec::new(),
                checkpoint: Height::GENESIS,
                votes: Vec::new(),
                coin_shares: Vec::new(),
                time,
            };
            VerifiedSnapshot::sign(&committee, &keystore(&kernel(index)).kernel_node(), header, Vec::new())
        };
        let twins = [self.genesis.time, self.genesis.time + Span::millis(1)].map(sign);
        let hashes = twins.each_ref().map(|twin| twin.hash());
        let (mesh, mut events) = self.mesh(index);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let MeshEvent::PeerUp(peer) = event else { continue };
                let shown = KernelMessage::Snapshots(twins.iter().map(|twin| twin.bytes().clone()).collect());
                // A connection may be gone again.
                let _ = mesh.send(peer, Bytes::from(shown.to_bytes()));
            }
        });
        (round, hashes)
    }

    /// A mesh in the seat of a kernel node that was kept.
    fn mesh(&mut self, index: usize) -> (MeshHandle, mpsc::Receiver<MeshEvent>) {
        let (listener, secret) = self.seat(index);
        let seat = |(_, member): (_, &Member)| Some(mesh::Member { key: member.mesh, address: member.address.clone() });
        let members = self.genesis.members.iter().map(seat).collect();
        let config = MeshConfig { members, secret, prologue: prologue(&self.genesis), limits: Limits::default() };
        Mesh::spawn(config, listener).unwrap()
    }

    /// What a kernel node answers to a client.
    pub async fn ask(&self, index: u8, request: &Request) -> KernelAnswer {
        let member = self.genesis.members.get(index).unwrap();
        let (prologue, limits) = (prologue(&self.genesis), Limits::default());
        let connected = MeshClient::connect(&member.address, member.mesh, &prologue, &[5; 32], &limits);
        let (client, _pushes) = connected.await.unwrap();
        decode_exact(&client.request(Bytes::from(request.to_bytes()), SOON).await.unwrap()).unwrap()
    }

    /// The addresses of kernel nodes as genesis has them, by name.
    pub fn kernel_addresses(&self) -> BTreeMap<String, String> {
        self.genesis.members.iter().map(|(_, member)| (member.name.clone(), member.address.clone())).collect()
    }

    pub fn directory(&self, name: &str) -> Directory {
        Directory::new(self.folder.path().join(name))
    }

    /// Starts the node of this name with what `config` says beside role, network and link address.
    pub async fn node(&self, name: &str, config: &str) -> Node {
        Node::start(self.settings(name, config)).await
    }

    /// Starts it likewise, as one that vanishes when it is dropped.
    pub async fn mortal(&self, name: &str, config: &str) -> Mortal {
        let runtime = Runtime::new().unwrap();
        let node = runtime.spawn(Node::start(self.settings(name, config))).await.unwrap();
        Mortal { node, runtime: Some(runtime) }
    }

    /// Starts it likewise, where it is found again after that.
    pub async fn mortal_at(&self, listen: SocketAddr, name: &str, config: &str) -> Mortal {
        let runtime = Runtime::new().unwrap();
        let node = runtime.spawn(Node::start(self.settings_at(listen, name, config))).await.unwrap();
        Mortal { node, runtime: Some(runtime) }
    }

    /// Starts it likewise, where it is found again after a restart.
    pub async fn node_at(&self, listen: SocketAddr, name: &str, config: &str) -> Node {
        Node::start(self.settings_at(listen, name, config)).await
    }

    /// Starts it likewise, as one whose phones are told of this door.
    pub async fn with_door(&self, name: &str, door: DoorState) -> Node {
        Node::start(PeerNodeConfig { phone_door: door, ..self.settings(name, "") }).await
    }

    fn settings(&self, name: &str, config: &str) -> PeerNodeConfig {
        self.settings_at(([127, 0, 0, 1], 0).into(), name, config)
    }

    pub fn settings_at(&self, listen: SocketAddr, name: &str, config: &str) -> PeerNodeConfig {
        let text = format!("role = \"peer\"\nnetwork = \"network.json\"\n[link]\nlisten = \"{listen}\"\n{config}");
        let config = Config::parse(&text, Path::new("config.toml")).unwrap();
        let directory = self.directory(name);
        directory.create().unwrap();
        let mut settings = hosting::settings(&config, &keystore(name), self.genesis.clone(), &directory).unwrap();
        let ever = self.signed_by(settings.identity.id());
        settings.signer = Some(Arc::new(StrictSigner::new(settings.identity.clone(), &ever)));
        settings
    }

    /// Who would sign in the channels of the node of this name in its next life.
    pub fn signer(&self, name: &str) -> SharedSigner {
        self.settings(name, "").signer.unwrap()
    }

    /// What an identity has signed in channels, in all its lives.
    pub fn signed_by(&self, id: IdentityId) -> Ever {
        self.signed.lock().unwrap().entry(id).or_default().clone()
    }
}

fn kernel(index: usize) -> String {
    format!("k{index}")
}

/// The keystore of this name, the same in every run.
pub fn keystore(name: &str) -> Keystore {
    let phrase = Phrase::from_entropy(&ENTROPY.hash(&[name.as_bytes()]).0);
    Keystore::restore(phrase.words(), Device::default()).unwrap()
}

/// A `[provider]` section; `more` are further keys of it.
pub fn provider(country: &str, price: &str, more: &str) -> String {
    format!(
        "[provider]\ncountry = \"{country}\"\nasn = 64496\nprice_per_mb = \"{price}\"\nbandwidth_bps = 100000000\n\
         exit_allow = [\"127.0.0.0/8\"]\n{more}"
    )
}

impl Node {
    async fn start(settings: PeerNodeConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        Self { api: PeerNode::start(settings, Some(listener)).await.unwrap(), proxy }
    }

    /// Looks whenever something has changed until there is something to be seen.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut(&PeerNode) -> Option<T>) -> T {
        let mut events = self.api.events();
        let looking = async {
            loop {
                if let Some(seen) = look(&self.api).await {
                    return seen;
                }
                // What was missed is seen at the next look.
                let _ = events.recv().await;
            }
        };
        tokio::time::timeout(SOON, looking).await.unwrap_or_else(|_| panic!("not seen: {what}"))
    }

    /// Waits until the task has looked after everything by itself.
    pub async fn tend(&self) {
        let mut events = self.api.events();
        for _ in 0..6 {
            while !matches!(*events.recv().await.unwrap(), Event::Status(_)) {}
        }
    }

    /// Registers the identity and fills its account.
    pub async fn prepare(&self, deposit: &str) {
        self.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
        let sees_coins = async |api: &PeerNode| (!api.wallet_balance().await.ok()?.wallet.is_zero()).then_some(());
        self.until("the wallet's coins", sees_coins).await;
        let register = async |api: &PeerNode| {
            match api.identity_register(IdentityRegister { id: None, idempotency_key: key("register") }).await {
                Ok(entry) => assert_eq!(entry.kind, EntryKind::Pledge),
                // Whoever sells something registers by itself, and what that leaves comes back a moment later.
                Err(error) if error.kind == ErrorKind::InsufficientWallet => return None,
                Err(error) => assert_eq!(error.kind, ErrorKind::AlreadyRegistered, "{error}"),
            }
            Some(())
        };
        self.until("the registration", register).await;
        self.fund(deposit).await;
    }

    /// Fills the account of an identity as soon as it is registered.
    pub async fn fund(&self, deposit: &str) {
        self.until("registered", async |api| api.node_status().await.unwrap().identity.registered.then_some(())).await;
        let amount: Amount = deposit.parse().unwrap();
        let deposit = async |api: &PeerNode| {
            let request = WalletMove { amount, asset: None, idempotency_key: key("first-deposit") };
            match api.wallet_deposit(request).await {
                // Whoever sells something publishes it by itself as well.
                Err(error) if error.kind == ErrorKind::InsufficientWallet => None,
                answered => Some(answered.unwrap()),
            }
        };
        self.until("enough in the wallet", deposit).await;
        self.until("the deposit", async |api| (api.wallet_balance().await.unwrap().account == amount).then_some(()))
            .await;
    }

    /// Waits until so many offers are on the market.
    pub async fn market(&self, offers: usize) -> Vec<Offer> {
        self.until("the market", async |api| {
            let found = api.offer_list(OfferList::default()).await.unwrap();
            (found.len() == offers).then_some(found)
        })
        .await
    }

    /// Fetches so many bytes through the proxy.
    pub async fn fetch(&self, bytes: usize) {
        let url = format!("http://{}/{bytes}", source().await).parse().unwrap();
        let mut count = 0;
        let take = |block: &[u8]| {
            count += block.len();
            Ok(())
        };
        fetch_to_sink(&Route::new(&self.proxy.to_string(), None).unwrap(), &url, take).await.unwrap();
        assert_eq!(count, bytes);
    }

    pub async fn stop(self) {
        self.api.stop().await;
    }
}

pub fn key(text: &str) -> params::IdempotencyKey {
    text.parse().unwrap()
}

/// A web server that gives as many bytes as the path says.
pub async fn source() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever has enough hangs up.
            tokio::spawn(give(stream));
        }
    });
    address
}

async fn give(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8(request).unwrap();
    let length: usize = request.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![7; length]).await
}

/// Passes connections on to `target` and counts them.
pub async fn forwarder(target: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let target = target.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(target).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    (address, count)
}

/// A port at which nobody answers.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
