//! What can be typed after `byway bench`.

use clap::Subcommand;

use crate::bench::kernel::Shape;
use crate::genesis::Leaders;

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum BenchCommand {
    /// Updates, lane payments and calls in channels, beside what a core could do at most
    Channel {
        /// Channels that are used
        #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        channels: u32,
        /// Channels that are not, whose memory is measured
        #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        idle: u32,
        /// How long each rate is measured, in milliseconds of processor time
        #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600_000))]
        millis: u64,
    },
    /// Sending messages over a direct link, and finding some among many
    Chat {
        /// Messages to search
        #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
        messages: u32,
        /// Searches of each kind
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        searches: u32,
        /// Messages to send
        #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        sends: u32,
    },
    /// Taking up and searching a market of many offers
    Discovery {
        /// Offers
        #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        offers: u64,
    },
    /// Transfers through a kernel on this machine, over loopback
    Kernel {
        /// Kernel nodes
        #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=50))]
        nodes: u8,
        /// Transfers offered per second
        #[arg(long, default_value_t = 4000, value_name = "R")]
        rate: u32,
        /// How long
        #[arg(long, default_value_t = 10, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=3600))]
        seconds: u32,
        /// What the transfers look like
        #[arg(long, value_enum, default_value_t = Shape::OneToOne, value_name = "SHAPE")]
        shape: Shape,
        /// Who names the leaders of rounds
        #[arg(long, value_enum, default_value_t, value_name = "WHO")]
        leaders: Leaders,
        /// Offer nothing: measure what an idle network costs
        #[arg(long, conflicts_with_all = ["rate", "shape"])]
        idle: bool,
    },
    /// How soon a kernel node with many unspent outputs votes again after a restart
    Restart {
        /// Unspent outputs
        #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        outputs: u64,
    },
    /// Finding one's outputs with the view key, on one core
    Scan {
        /// Transactions of six outputs each
        #[arg(long, default_value_t = 5000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        transactions: u32,
    },
    /// Packets in slices over relays with narrow lines, on this machine
    Slices {
        /// Relays
        #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
        paths: u8,
        /// Slices that give a packet
        #[arg(long, default_value_t = 2, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=8))]
        needed: u8,
        /// What each line carries, in megabits per second
        #[arg(long, default_value_t = 50, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        path_mbit: u32,
        /// How long each rate is offered
        #[arg(long, default_value_t = 2, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=60))]
        seconds: u32,
    },
    /// How near a download comes to what a provider lets each client have
    Shaping {
        /// Caps, in megabits per second
        #[arg(long, value_delimiter = ',', default_values_t = [2, 20, 200], value_name = "R,…", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        caps: Vec<u32>,
        /// How long each is measured
        #[arg(long, default_value_t = 5, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=600))]
        seconds: u32,
    },
    /// One stream through a paid exit, against a bare one
    Socks {
        /// Megabytes to move
        #[arg(long, default_value_t = 1000, value_name = "MB")]
        megabytes: u32,
    },
    /// What an idle client costs a provider in memory, and how many it holds
    #[cfg(target_os = "linux")]
    Clients {
        /// Clients at one time
        #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(51..=1020))]
        clients: u32,
        /// How long all are held
        #[arg(long, default_value_t = 20, value_name = "S", value_parser = clap::value_parser!(u32).range(0..=600))]
        seconds: u32,
        /// What the bench starts itself
        #[arg(long, hide = true, value_enum, requires = "folder")]
        role: Option<crate::bench::clients::Role>,
        #[arg(long, hide = true)]
        folder: Option<std::path::PathBuf>,
    },
    /// How long a user waits for a way out over a long line, in network namespaces; as root
    #[cfg(target_os = "linux")]
    Connect {
        /// Connections of each kind
        #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        samples: u32,
        /// How long each packet is on its way, in milliseconds
        #[arg(long, default_value_t = 50, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=2_000))]
        one_way_ms: u64,
        /// What the bench starts itself
        #[arg(long, hide = true, value_enum, requires = "folder")]
        role: Option<crate::bench::connect::Role>,
        #[arg(long, hide = true)]
        folder: Option<std::path::PathBuf>,
    },
    /// One TCP stream through the tunnel of a paid exit, in network namespaces; as root
    #[cfg(target_os = "linux")]
    Tunnel {
        /// How long each round measures
        #[arg(long, default_value_t = 3, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=600))]
        seconds: u32,
        /// How often each of three tunnels is measured
        #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=99))]
        rounds: u8,
        /// Inside the tunnel over IPv6
        #[arg(long)]
        ipv6: bool,
        /// What the bench starts itself
        #[arg(long, hide = true, value_enum)]
        role: Option<crate::bench::tunnel::Role>,
        #[arg(long, hide = true, value_enum)]
        kind: Option<crate::bench::tunnel::Kind>,
    },
}
