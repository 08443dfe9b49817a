//! A kernel node's own answers to the calls `kernel_*`.

use std::sync::Arc;
use std::time::Duration;

use byway_driver::clock::Clock;
use byway_kernel::follower::Membership;
use byway_kernel::follower::explore::{Found, Query};
use byway_kernel::follower::protocol::{Answer as Said, Request};
use byway_kernel::light::protocol::{Question, Reply};
use byway_primitives::Time;
use byway_records::{Genesis, Height, Seats};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Heard, KernelDesk};
use crate::api::event::EVENTS_BUFFERED;
use crate::api::*;
use crate::explorer::{Explorer, MemberView, Source, checkpoint_record, rounds_behind};
use crate::health;

/// How often the pulse is looked at while somebody watches.
const PULSE_PERIOD: Duration = Duration::from_millis(500);

/// Asks the node in this process.
#[derive(Clone)]
struct Own {
    desk: KernelDesk,
    founding: Seats,
}

/// The calls that a kernel node answers.
pub struct KernelService {
    explorer: Explorer<Own>,
    desk: KernelDesk,
    events: broadcast::Sender<Arc<Event>>,
    clock: Clock,
}

impl KernelService {
    /// Answers for the node behind `desk`, and tells what changes for as long as that runs.
    pub fn start(genesis: Arc<Genesis>, desk: KernelDesk) -> Arc<Self> {
        let (events, _) = broadcast::channel(EVENTS_BUFFERED);
        let founding = genesis.epoch().seats;
        let explorer = Explorer::new(genesis, Own { desk: desk.clone(), founding });
        let service = Arc::new(Self { explorer, desk, events, clock: Clock::starting(Time::ZERO) });
        if let Some(heard) = service.desk.listen() {
            tokio::spawn(tell_checkpoints(heard, service.events.clone()));
        }
        let watched = Arc::downgrade(&service);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PULSE_PERIOD);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(service) = watched.upgrade() else { return };
                if service.events.receiver_count() > 0
                    && let Ok(pulse) = service.kernel_pulse().await
                {
                    // Whoever watched may be gone by now.
                    let _ = service.events.send(Arc::new(Event::Pulse(pulse)));
                }
            }
        });
        service
    }
}

/// Passes every certified checkpoint on until the node has ended.
async fn tell_checkpoints(mut heard: broadcast::Receiver<Heard>, events: broadcast::Sender<Arc<Event>>) {
    loop {
        match heard.recv().await {
            Ok(Heard::Certified(certificate)) => {
                // Nobody may be listening.
                let _ = events.send(Arc::new(Event::Checkpoint(checkpoint_record(&certificate))));
            }
            Ok(Heard::Verdicts(_)) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// How this node does among the others.
fn own_part(own: &byway_kernel::Status, seats: &Seats, signed_twice: usize) -> health::Node {
    let counts = |seat: u8| seats.get(seat).is_some_and(|seat| seat.standing.counts());
    let newest = own.rounds.iter().copied().max().unwrap_or(0);
    health::Node {
        counts: own.me.is_some_and(|me| counts(me.0)),
        connected: own.connected.iter().filter(|member| counts(member.0)).count(),
        quorum: seats.quorum(),
        rounds_behind: rounds_behind(own.own_round, newest),
        signed_twice,
    }
}

impl KernelApi for KernelService {
    fn kernel_events(&self) -> Events {
        self.events.subscribe()
    }

    async fn kernel_status(&self) -> Answer<KernelStatus> {
        let own = self.desk.status().await.ok_or_else(ApiError::stopping)?;
        let membership = self.explorer.membership().await?;
        let seat = own.me.and_then(|seat| membership.epoch.seats.get(seat.0));
        let node = OwnHealth {
            index: seat.and(own.me).map(|seat| seat.0),
            standing: seat.map(|seat| seat.standing.into()),
            name: seat.map(|seat| seat.member.name.clone()).unwrap_or_default(),
            round: own.own_round,
            quorum_round: own.quorum_round,
            is_behind: own.is_behind,
            connected: own.connected.len() as u64,
            transactions_pending: own.transactions_pending as u64,
            pool_percent: own.pool_percent,
            pool_sources: own.pool_sources as u64,
            stamp_bits: own.stamp_bits.into(),
            snapshots_waiting: own.snapshots_waiting as u64,
            newest_epoch: own.newest.epoch,
            counts_there: own.newest.counts,
        };
        let mut status = self.explorer.status(self.clock.now()).await?;
        let judged = own_part(&own, &membership.epoch.seats, self.explorer.evidence().await?.len());
        status.troubles.extend(judged.troubles().into_iter().map(Reason::from));
        Ok(KernelStatus { node: Some(node), ..status })
    }

    async fn kernel_members(&self) -> Answer<Vec<KernelMember>> {
        self.explorer.members().await
    }

    async fn kernel_send(&self, request: KernelSend) -> Answer<KernelSent> {
        self.explorer.send(request).await
    }

    async fn kernel_transaction(&self, request: KernelTransaction) -> Answer<KernelTransactionRecord> {
        self.explorer.transaction(request).await
    }

    async fn kernel_outputs(&self, request: KernelOutputs) -> Answer<Vec<OutputRecord>> {
        self.explorer.outputs(request).await
    }

    async fn kernel_snapshots(&self, request: KernelSnapshots) -> Answer<Vec<SnapshotRecord>> {
        self.explorer.snapshots(request).await
    }

    async fn kernel_checkpoints(&self, request: KernelCheckpoints) -> Answer<Vec<CheckpointRecord>> {
        self.explorer.checkpoints(request).await
    }

    async fn kernel_evidence(&self) -> Answer<Vec<EvidenceRecord>> {
        self.explorer.evidence().await
    }

    async fn kernel_pulse(&self) -> Answer<KernelPulse> {
        self.explorer.pulse(self.clock.now()).await
    }
}

impl Source for Own {
    /// There is one to ask; by what number it is called makes no difference.
    async fn order(&self) -> Vec<u8> {
        vec![0]
    }

    async fn ask(&self, _: u8, request: Request) -> Option<Said> {
        self.desk.ask(request).await
    }

    async fn submit(&self, transaction: Vec<u8>) -> Answer<()> {
        match self.desk.ask(Request::Submit { transaction, stamp: None }).await {
            Some(Said::Taken) => Ok(()),
            Some(Said::Refused(refusal)) => Err(ApiError::refused_here(&refusal.to_string())),
            _ => Err(ApiError::stopping()),
        }
    }

    async fn members(&self) -> Answer<Vec<MemberView>> {
        let own = self.desk.status().await.ok_or_else(ApiError::stopping)?;
        let members = own.rounds.iter().enumerate().map(|(index, round)| {
            let is_me = own.me.is_some_and(|me| usize::from(me.0) == index);
            MemberView {
                reachable: is_me || own.connected.iter().any(|member| usize::from(member.0) == index),
                round: if is_me { own.own_round } else { *round },
                latency_ms: None,
                connected: is_me.then_some(own.connected.len() as u64),
            }
        });
        Ok(members.collect())
    }

    async fn membership(&self) -> Answer<Membership> {
        match self.desk.ask(Request::Explore(Query::Members)).await {
            Some(Said::Explored(Found::Members(membership))) => Ok(*membership),
            _ => Err(ApiError::stopping()),
        }
    }

    fn faults(&self) -> usize {
        0
    }

    /// Out of what is stored here: the epoch in force after the checkpoint before.
    async fn signers_at(&self, height: Height) -> Option<Seats> {
        let before = Height(height.0.checked_sub(1)?);
        if before == Height::GENESIS {
            return Some(self.founding.clone());
        }
        let question = Request::Light(Question::Beginning { height: before });
        let Said::Light(Reply::Beginning(Some(beginning))) = self.desk.ask(question).await? else { return None };
        Some(beginning.epoch.map_or_else(|| self.founding.clone(), |epoch| epoch.seats))
    }
}
