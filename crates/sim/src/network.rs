//! The links between nodes: latency, loss, partitions.

use std::collections::BTreeMap;

use crate::random::Random;

/// How long a message takes, in microseconds: at least `least`, plus up to `jitter`, and now and then much longer.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub least_us: u64,
    pub jitter_us: u64,
    /// One message in this many takes ten times as long; zero for none.
    pub slow_one_in: u64,
}

/// One direction between two nodes.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub latency: Latency,
    /// Messages lost per million.
    pub loss_ppm: u64,
}

/// All links. Messages may overtake each other.
#[derive(Debug)]
pub struct Network {
    usual: Link,
    special: BTreeMap<(usize, usize), Link>,
    /// The side of the partition that each node is on; the same for all when there is none.
    sides: Vec<u8>,
}

impl Latency {
    pub const fn between_us(least_us: u64, most_us: u64) -> Self {
        Self { least_us, jitter_us: most_us - least_us, slow_one_in: 0 }
    }

    fn draw(&self, random: &mut Random) -> u64 {
        let usual = self.least_us + random.below(self.jitter_us + 1);
        let is_slow = self.slow_one_in > 0 && random.below(self.slow_one_in) == 0;
        if is_slow { usual * 10 } else { usual }
    }
}

impl Link {
    /// Nodes in one building.
    pub const LOCAL: Link = Link { latency: Latency { least_us: 200, jitter_us: 800, slow_one_in: 0 }, loss_ppm: 0 };
    /// Nodes on one continent.
    pub const WIDE: Link =
        Link { latency: Latency { least_us: 10_000, jitter_us: 20_000, slow_one_in: 50 }, loss_ppm: 0 };

    pub const fn with_loss_ppm(self, loss_ppm: u64) -> Self {
        Self { loss_ppm, ..self }
    }
}

impl Network {
    pub fn new(nodes: usize, usual: Link) -> Self {
        Self { usual, special: BTreeMap::new(), sides: vec![0; nodes] }
    }

    pub fn set_usual(&mut self, link: Link) {
        self.usual = link;
    }

    pub fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.special.insert((from, to), link);
    }

    /// Cuts the nodes named off from the others; an empty list heals.
    pub fn partition(&mut self, cut_off: &[usize]) {
        self.sides = (0..self.sides.len()).map(|node| u8::from(cut_off.contains(&node))).collect();
    }

    /// How many microseconds a message takes; `None` if it is lost.
    pub fn carry(&self, from: usize, to: usize, random: &mut Random) -> Option<u64> {
        let link = self.special.get(&(from, to)).unwrap_or(&self.usual);
        // Both draws are always made, so that healing a partition does not shift every later draw.
        let (latency, is_lost) = (link.latency.draw(random), random.below(1_000_000) < link.loss_ppm);
        (!is_lost && self.sides[from] == self.sides[to]).then_some(latency)
    }
}
