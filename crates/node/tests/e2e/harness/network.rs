//! A network of separate processes: kernel nodes, a relay, a provider and a client, as on separate machines.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use byway_primitives::Amount;
use tempfile::TempDir;

use super::byway::Node;
use super::process::{Process, write};
use super::spaces::{self, Spaces};
use super::{PATIENCE, SOON, free_ports, local};

pub const KERNEL_NODES: usize = 7;
/// WAY per MB.
pub const PRICE: &str = "0.001";
/// What relays take for a MB, each of which carries half of what the exit does.
const PRICE_OF_RELAYING: &str = "0.003";
pub const BANDWIDTH_BPS: u64 = 100_000_000;
/// The stores of the libraries below us say a lot at every start.
const LOG: &str = "warn,byway_node=debug,byway_driver=debug";
/// What the provider's wallet starts with; the client's gets the rest.
const PROVIDER_FUNDS: &str = "10";

/// How the provider is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At its own address.
    Direct,
    /// Its only socket is of the other address family than the client's only socket, so the two meet at the relay or not
    /// at all.
    RelayOnly,
}

/// The processes and where they keep their things.
pub struct Network {
    pub kernel: Vec<Process>,
    pub relay: Process,
    pub provider: Process,
    pub client: Process,
    /// Providers that relay for tunnels in slices; none but where they are asked for.
    pub relaying: Vec<Process>,
    pub provider_node: Node,
    pub client_node: Node,
    pub proxy: SocketAddr,
    ports: [u16; PORTS],
    sites: Sites,
    /// The relay's address, if it is behind a front.
    front: Option<String>,
    /// Last, so that it goes when the processes have ended.
    folder: TempDir,
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("what is left of the network lies in {}", self.folder.path().display());
        }
    }
}

/// Where relaying providers say that they are, each elsewhere.
const RELAYING: [(&str, u32); 3] = [("SE", 64_501), ("FR", 64_502), ("CH", 64_503)];
/// What a relaying provider listens at: link, proxy, rpc, page, relaying.
const PORTS_OF_RELAYING: usize = 5;

/// Relay, then link, proxy, rpc and page of provider and client, then those that relay, then the kernel nodes.
const PORTS: usize = KERNEL + KERNEL_NODES;
const RELAY: usize = 0;
const PROVIDER: usize = 1;
const CLIENT: usize = 5;
const FIRST_RELAYING: usize = 9;
const KERNEL: usize = FIRST_RELAYING + RELAYING.len() * PORTS_OF_RELAYING;

/// Where everybody is.
#[derive(Debug, Clone, Copy)]
struct Sites {
    kernel: IpAddr,
    provider: IpAddr,
    client: IpAddr,
}

impl Network {
    /// Makes keys, genesis and configurations, as somebody would who sets this up by hand.
    pub fn make() -> Self {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        Self::make_at(Sites { kernel: here, provider: here, client: here }, 0)
    }

    /// With a second exit, elsewhere, which says what [`make`](Self::make)'s says but for that: `SE`.
    pub fn make_with_second_exit() -> Self {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let network = Self::make_at(Sites { kernel: here, provider: here, client: here }, 1);
        let file = network.path("relaying0.toml");
        let config =
            std::fs::read_to_string(&file).unwrap().replace("services = [\"relay\"]", "services = [\"socks\"]");
        write(&file, &config);
        network.config("client", &network.peer(CLIENT, SocketAddr::new(here, network.ports[CLIENT])));
        network
    }

    /// In namespaces; the provider sells tunnels too.
    pub fn make_in(spaces: &Spaces) -> Self {
        Self::make_in_with(spaces, 0)
    }

    /// In namespaces, with three more providers, which relay; the client's tunnels go over these, in slices of which two are
    /// needed. Relaying costs [`PRICE_OF_RELAYING`].
    pub fn make_with_relays(spaces: &Spaces) -> Self {
        let network = Self::make_in_with(spaces, RELAYING.len());
        for index in 0..RELAYING.len() {
            let file = network.path(&format!("relaying{index}.toml"));
            let price = |price: &str| format!("price_per_mb = \"{price}\"");
            let config = std::fs::read_to_string(&file).unwrap().replace(&price(PRICE), &price(PRICE_OF_RELAYING));
            write(&file, &config);
        }
        network
    }

    /// In namespaces, with three more exits in Sweden, France and Switzerland, which may be hops.
    pub fn make_with_hops(spaces: &Spaces) -> Self {
        let network = Self::make_in_with(spaces, RELAYING.len());
        for index in 0..RELAYING.len() {
            let file = network.path(&format!("relaying{index}.toml"));
            let config = std::fs::read_to_string(&file).unwrap();
            let config = config.replace("services = [\"relay\"]", "services = [\"socks\"]");
            write(&file, &config.replace("exit_allow = [", &format!("exit_allow = [\"{}/32\", ", spaces::KERNEL)));
        }
        network
    }

    fn make_in_with(spaces: &Spaces, relaying: usize) -> Self {
        let address = |text: &str| text.parse().unwrap();
        let mut network = Self::make_at(
            Sites {
                kernel: address(spaces::KERNEL),
                provider: address(spaces::PROVIDER),
                client: address(spaces::CLIENT),
            },
            relaying,
        );
        let Self { kernel, relay, provider, client, relaying, provider_node, client_node, .. } = &mut network;
        for process in kernel.iter_mut().chain([relay]).chain(relaying) {
            process.space = Some(spaces.internet.clone());
        }
        for (process, node, space) in
            [(provider, provider_node, &spaces.provider), (client, client_node, &spaces.client)]
        {
            (process.space, node.space) = (Some(space.clone()), Some(space.clone()));
        }
        network
    }

    fn make_at(sites: Sites, relaying: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let ports = free_ports::<PORTS>();
        let passphrase = root.join("passphrase.txt");
        write(&passphrase, "correct horse battery staple\n");
        let node = |name: &str| Node::new(root.join(name), Some(&passphrase));
        let members: Vec<String> = (0..KERNEL_NODES)
            .map(|index| {
                let (name, address) =
                    (format!("k{index}"), SocketAddr::new(sites.kernel, ports[KERNEL + index]).to_string());
                node(&name).json(&["kernel", "init", "--name", &name, "--address", &address]);
                root.join(&name).join("member.json").display().to_string()
            })
            .collect();
        let (provider, client) = (node("provider"), node("client"));
        let fund = |node: &Node, identity: &str, share: &str| {
            node.json(&["identity", "new"]);
            let address = node.json(&["identity", "show", identity])["address"].as_str().unwrap().to_owned();
            format!("{address}={share}")
        };
        let mut funds = vec![fund(&provider, "selling", PROVIDER_FUNDS), fund(&client, "browsing", "rest")];
        let relaying: Vec<String> = (0..relaying).map(|index| format!("relaying{index}")).collect();
        funds.extend(relaying.iter().map(|name| fund(&node(name), "selling", PROVIDER_FUNDS)));
        let genesis = root.join("network.json").display().to_string();
        let mut arguments = vec!["genesis", "new", "--name", "e2e", "--out", &genesis];
        arguments.extend(members.iter().flat_map(|member| ["--kernel", member]));
        arguments.extend(funds.iter().flat_map(|fund| ["--fund", fund]));
        node("genesis").json(&arguments);
        let process = |name: &str, command: &[&str]| process(root, &passphrase, name, command);
        let network = Self {
            kernel: (0..KERNEL_NODES).map(|index| process(&format!("k{index}"), &["kernel", "run"])).collect(),
            relay: process("relay", &["relay", "run"]),
            provider: process("provider", &["run"]),
            client: process("client", &["run"]),
            relaying: relaying.iter().map(|name| process(name, &["run"])).collect(),
            provider_node: provider,
            client_node: client,
            proxy: local(ports[CLIENT + 1]),
            ports,
            sites,
            front: None,
            folder,
        };
        network.configure();
        network
    }

    fn configure(&self) {
        for index in 0..KERNEL_NODES {
            let listen = SocketAddr::new(self.sites.kernel, self.ports[KERNEL + index]);
            let kernel = format!("role = \"kernel\"\nnetwork = \"network.json\"\n[kernel]\nlisten = \"{listen}\"\n");
            self.config(&format!("k{index}"), &format!("{kernel}[log]\nlevel = \"warn,byway_node=info\"\n"));
        }
        let relay = self.relay_address();
        self.config("relay", &format!("role = \"relay\"\n[relay]\nlisten = \"{relay}\"\n"));
        let client = self.peer(CLIENT, SocketAddr::new(self.sites.client, self.ports[CLIENT]));
        self.config("client", &client);
        for (index, (country, asn)) in RELAYING.iter().enumerate().take(self.relaying.len()) {
            let first = FIRST_RELAYING + index * PORTS_OF_RELAYING;
            let [link, relaying] = [0, 4].map(|step| SocketAddr::new(self.sites.kernel, self.ports[first + step]));
            let selling = format!(
                "[provider]\ncountry = \"{country}\"\nasn = {asn}\nprice_per_mb = \"{PRICE}\"\n\
                 bandwidth_bps = {BANDWIDTH_BPS}\nservices = [\"relay\"]\nrelay_listen = \"{relaying}\"\n\
                 exit_allow = [\"{}/32\"]\n",
                self.sites.provider
            );
            self.config(&format!("relaying{index}"), &format!("{}{selling}", self.peer(first, link)));
        }
        self.configure_provider(Reach::Direct);
    }

    /// Writes the provider's configuration, for its next start.
    pub fn configure_provider(&self, reach: Reach) {
        let port = self.ports[PROVIDER];
        let listen = match reach {
            Reach::Direct => SocketAddr::new(self.sites.provider, port),
            Reach::RelayOnly => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)),
        };
        let services = if self.sites.provider.is_loopback() { "[\"socks\"]" } else { "[\"socks\", \"tunnel\"]" };
        let selling = format!(
            "[provider]\ncountry = \"DE\"\nasn = 64496\nprice_per_mb = \"{PRICE}\"\nbandwidth_bps = {BANDWIDTH_BPS}\n\
             exit_allow = [\"127.0.0.0/8\"]\nservices = {services}\n"
        );
        self.config("provider", &format!("{}{selling}", self.peer(PROVIDER, listen)));
    }

    fn peer(&self, first: usize, link: SocketAddr) -> String {
        let [proxy, rpc, page] = [1, 2, 3].map(|step| local(self.ports[first + step]));
        let relay = self.front.clone().unwrap_or_else(|| format!("http://{}", self.relay_address()));
        let disguise = if self.front.is_some() && first == PROVIDER { "always" } else { "auto" };
        format!(
            "role = \"peer\"\nnetwork = \"network.json\"\n[link]\nlisten = \"{link}\"\nrelay = \"{relay}\"\n\
             disguise = \"{disguise}\"\n\
             [proxy]\nlisten = \"{proxy}\"\n[rpc]\nlisten = \"{rpc}\"\n[page]\nlisten = \"{page}\"\n\
             [log]\nlevel = \"{LOG}\"\n"
        )
    }

    /// Puts a web site of this name before the relay, on port 443 of `host`, and writes the peers' configurations anew. The
    /// provider goes nowhere else from then on.
    pub fn put_behind_front(&mut self, name: &str, host: &str) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        write(&self.path("chain.pem"), &made.cert.pem());
        write(&self.path("key.pem"), &made.signing_key.serialize_pem());
        let relay = self.relay_address();
        let front = format!(
            "[relay.front]\nlisten = \"{host}:443\"\nname = \"{name}\"\ncertificate = \"chain.pem\"\n\
             key = \"key.pem\"\nplain = \"http://{relay}\"\n"
        );
        let text = format!("role = \"relay\"\nnetwork = \"network.json\"\n[relay]\nlisten = \"{relay}\"\n{front}");
        self.config("relay", &text);
        let config = self.path("relay.toml").display().to_string();
        let told = Node::new(self.path("relay"), None).json(&["relay", "address", "--config", &config, "--pin"]);
        self.front = Some(told["address"].as_str().unwrap().to_owned());
        self.config("client", &self.peer(CLIENT, SocketAddr::new(self.sites.client, self.ports[CLIENT])));
        self.configure_provider(Reach::Direct);
    }

    fn relay_address(&self) -> SocketAddr {
        SocketAddr::new(self.sites.kernel, self.ports[RELAY])
    }

    fn config(&self, name: &str, text: &str) {
        write(&self.path(&format!("{name}.toml")), &format!("dir = \"{name}\"\n{text}"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts everything, the kernel first.
    pub fn start(&mut self) {
        let Self { kernel, relay, provider, client, relaying, .. } = self;
        let mut all: Vec<&mut Process> = kernel.iter_mut().chain([relay, provider, client]).chain(relaying).collect();
        all.iter_mut().for_each(|process| process.start());
        all.iter_mut().for_each(|process| process.wait_ready());
    }

    /// Registers the client and fills its account; waits until there is something to buy.
    pub fn prepare_client(&self, deposit: &str) {
        let client = &self.client_node;
        client.json(&["identity", "register"]);
        client.until("the client is registered", SOON, &["status"], |status| {
            (status["identity"]["registered"] == true).then_some(())
        });
        client.json(&["wallet", "deposit", deposit]);
        let wanted: Amount = deposit.parse().unwrap();
        client.until("the deposit is in the account", SOON, &["wallet", "balance"], |balance| {
            (super::byway::amount(&balance["account"]) == wanted).then_some(())
        });
        client.until("an offer is on the market", SOON, &["offer", "list"], |offers| {
            (!offers.as_array().unwrap().is_empty()).then_some(())
        });
    }

    /// Waits until all kernel nodes are about as far as the others, as the client sees them.
    pub fn kernel_catches_up(&self) {
        self.client_node.until("all kernel nodes have caught up", PATIENCE, &["status"], |status| {
            let nodes = status["ledger"]["kernel_nodes"].as_array().unwrap();
            let rounds: Vec<u64> = nodes.iter().filter_map(|node| node["round"].as_u64()).collect();
            let newest = rounds.iter().max()?;
            (nodes.iter().all(|node| node["reachable"] == true) && rounds.iter().all(|round| round + 20 >= *newest))
                .then_some(())
        });
    }

    /// Where strangers reach kernel nodes and relay.
    pub fn strangers_tcp_ports(&self) -> Vec<SocketAddr> {
        self.ports[KERNEL..].iter().chain([&self.ports[RELAY]]).map(|port| local(*port)).collect()
    }

    /// Where peers' links are.
    pub fn link_ports(&self) -> [SocketAddr; 2] {
        [PROVIDER, CLIENT].map(|first| local(self.ports[first]))
    }

    /// Stops everything as a person does.
    pub fn stop(&mut self) {
        let Self { kernel, relay, provider, client, relaying, .. } = self;
        for process in [client, provider].into_iter().chain(relaying).chain([relay]).chain(kernel) {
            let status = process.interrupt();
            assert!(status.success(), "{} ended with {status}", process.name);
        }
    }
}

/// A process that runs by `NAME.toml`.
pub fn process(root: &Path, passphrase: &Path, name: &str, command: &[&str]) -> Process {
    let config = root.join(format!("{name}.toml")).display().to_string();
    let passphrase = passphrase.display().to_string();
    let arguments = [command, &["--config", &config, "--passphrase-file", &passphrase]].concat();
    Process::new(name, root.join(format!("{name}.log")), &arguments)
}
