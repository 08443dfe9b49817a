//! Asking for the members there are now.
//!
//! A kernel node connects to the members of the epoch that it is in. Where it begins those are the founders, and where it was
//! away they may all have left or moved. So whenever the machine [would like to
//! know](byway_kernel::Kernel::epochs_wanted) of later epochs, some nodes are asked, each time others, as any client asks
//! them: those that the operator names, members of the newest epoch that is known, the founders. What they answer proves
//! itself, so it makes no difference who they are.

use std::time::Duration;

use bytes::Bytes;
use byway_crypto::noise::StaticKey;
use byway_driver::entropy;
use byway_driver::mesh::{Limits, MeshClient, Prologue};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::light::Unproven;
use byway_kernel::light::protocol::{EpochStep, Question, Reply};
use byway_peer::link::KernelPeer;
use byway_primitives::Encode;
use byway_primitives::codec::decode_exact;
use byway_records::{Epoch, Genesis, Seats};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::prologue;

/// Time between two rounds of questions.
const PERIOD: Duration = Duration::from_secs(3);
/// How many are asked in one.
const ASKED_AT_ONCE: usize = 4;
/// How long one may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one answered.
pub(super) struct Shown {
    pub by: String,
    pub steps: Vec<EpochStep>,
}

/// See the [module](self).
pub(super) struct Seeking {
    prologue: Prologue,
    limits: Limits,
    /// Who is not asked: this node.
    own: StaticKey,
    named: Vec<KernelPeer>,
    founders: Vec<KernelPeer>,
    /// How many were asked.
    turn: usize,
    pub due: Interval,
    answers: mpsc::Sender<Shown>,
    pub shown: mpsc::Receiver<Shown>,
    /// What was said last of answers that lead nowhere.
    said: Option<Unproven>,
}

impl Seeking {
    pub fn new(genesis: &Genesis, own: StaticKey, named: Vec<KernelPeer>) -> Self {
        let mut due = interval(PERIOD);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (answers, shown) = mpsc::channel(ASKED_AT_ONCE);
        let limits = Limits { connect_max: PATIENCE, handshake_max: PATIENCE, ..Limits::default() };
        let founders = ports(&genesis.epoch().seats).collect();
        Self { prologue: prologue(genesis), limits, own, named, founders, turn: 0, due, answers, shown, said: None }
    }

    /// Asks the next few for the epochs from number `from` on.
    pub fn seek(&mut self, from: u32, present: &Seats, later: Option<&Epoch>) {
        let later = later.into_iter().flat_map(|epoch| ports(&epoch.seats));
        let all = self.named.iter().cloned().chain(later).chain(ports(present)).chain(self.founders.iter().cloned());
        let mut peers: Vec<KernelPeer> = Vec::new();
        for peer in all {
            // A key can be at several addresses, of which some are old.
            if peer.key != self.own && !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        let count = peers.len().min(ASKED_AT_ONCE);
        for peer in peers.iter().cycle().skip(self.turn % peers.len().max(1)).take(count) {
            let (prologue, limits, answers) = (self.prologue, self.limits.clone(), self.answers.clone());
            let peer = peer.clone();
            tokio::spawn(async move {
                // Who can't be reached or has nothing to say is no news: the next are asked soon.
                if let Some(steps) = ask(&peer, from, &prologue, &limits).await.filter(|steps| !steps.is_empty()) {
                    let _ = answers.send(Shown { by: peer.address, steps }).await;
                }
            });
        }
        self.turn = self.turn.wrapping_add(count);
    }

    /// Notes what became of an answer. Where it led on there may be more.
    pub fn took(&mut self, by: &str, outcome: Result<(), Unproven>, has_led_on: bool) {
        if has_led_on {
            self.due.reset_immediately();
        }
        if let Err(unproven) = outcome
            && self.said.replace(unproven) != Some(unproven)
        {
            tracing::warn!(by, %unproven, "what a kernel node shows of later epochs is not believed");
        }
    }
}

fn ports(seats: &Seats) -> impl Iterator<Item = KernelPeer> + '_ {
    seats.iter().map(|(_, seat)| KernelPeer { key: seat.member.mesh, address: seat.member.address.clone() })
}

async fn ask(peer: &KernelPeer, from: u32, prologue: &Prologue, limits: &Limits) -> Option<Vec<EpochStep>> {
    let connected = MeshClient::connect(&peer.address, peer.key, prologue, &entropy::seed(), limits).await;
    let (client, _pushes) = connected.ok()?;
    let request = Request::Light(Question::Epochs { from });
    let reply = client.request(Bytes::from(request.to_bytes()), PATIENCE).await.ok()?;
    match decode_exact(&reply).ok()? {
        Answer::Light(Reply::Epochs(steps)) => Some(steps),
        _ => None,
    }
}
