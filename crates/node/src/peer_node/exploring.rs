//! The calls `kernel_*` of a market node: it asks several kernel nodes, those first that answered lately.

use byway_kernel::follower::Membership;
use byway_kernel::follower::protocol::{Answer as Said, Request};
use byway_records::{Height, Seats};

use super::PeerNode;
use super::kernel_access::SubmitFailed;
use crate::api::*;
use crate::explorer::{Explorer, MemberView, Source};

impl PeerNode {
    /// Who certifies the checkpoint of a height, by what this node followed.
    pub(super) async fn signers_at(&self, height: Height) -> Option<Seats> {
        let epoch = self.ask(move |actor| Ok(actor.ledger.follower().epoch_at(height, &actor.ledger_journal)));
        Some(epoch.await.ok()??.seats)
    }

    fn explorer(&self) -> Explorer<PeerNode> {
        Explorer::new(self.genesis.clone(), self.clone())
    }
}

impl KernelApi for PeerNode {
    fn kernel_events(&self) -> Events {
        self.events.subscribe()
    }

    async fn kernel_status(&self) -> Answer<KernelStatus> {
        let now = self.ask(|actor| Ok(actor.clock.now())).await?;
        self.explorer().status(now).await
    }

    async fn kernel_members(&self) -> Answer<Vec<KernelMember>> {
        self.explorer().members().await
    }

    async fn kernel_send(&self, request: KernelSend) -> Answer<KernelSent> {
        self.explorer().send(request).await
    }

    async fn kernel_transaction(&self, request: KernelTransaction) -> Answer<KernelTransactionRecord> {
        self.explorer().transaction(request).await
    }

    async fn kernel_outputs(&self, request: KernelOutputs) -> Answer<Vec<OutputRecord>> {
        self.explorer().outputs(request).await
    }

    async fn kernel_snapshots(&self, request: KernelSnapshots) -> Answer<Vec<SnapshotRecord>> {
        self.explorer().snapshots(request).await
    }

    async fn kernel_checkpoints(&self, request: KernelCheckpoints) -> Answer<Vec<CheckpointRecord>> {
        self.explorer().checkpoints(request).await
    }

    async fn kernel_evidence(&self) -> Answer<Vec<EvidenceRecord>> {
        self.explorer().evidence().await
    }

    async fn kernel_pulse(&self) -> Answer<KernelPulse> {
        let member = self.ask(|actor| Ok(actor.ledger.current())).await?;
        let answer = self.kernel.ask(member, &Request::Pulse { since: 0 }).await;
        let Ok(Said::Pulse(pulse)) = answer else { return Err(ApiError::kernel_unreachable()) };
        self.ask(move |actor| Ok(actor.pulse(&pulse))).await
    }
}

impl Source for PeerNode {
    /// In a random order, so that no kernel node is asked by everyone.
    async fn order(&self) -> Vec<u8> {
        let reachable: Vec<u8> =
            self.ask(|actor| Ok(actor.kernel_view.keys().copied().collect())).await.unwrap_or_default();
        let mut order = self.kernel.order();
        order.sort_by_key(|member| !reachable.contains(member));
        order
    }

    async fn ask(&self, member: u8, request: Request) -> Option<Said> {
        self.kernel.ask(member, &request).await.ok()
    }

    async fn submit(&self, transaction: Vec<u8>) -> Answer<()> {
        match self.kernel.submit(transaction).await {
            Ok(_) => Ok(()),
            Err(SubmitFailed::Refused(refusal)) => Err(ApiError::refused_here(&refusal.to_string())),
            Err(SubmitFailed::Busy { bits }) => Err(ApiError::kernel_busy(bits)),
            Err(SubmitFailed::Undecided(_)) => Err(ApiError::busy("transactions waiting at the kernel nodes")),
            Err(SubmitFailed::Unreachable(_)) => Err(ApiError::kernel_unreachable()),
        }
    }

    async fn members(&self) -> Answer<Vec<MemberView>> {
        self.ask(|actor| Ok(actor.member_views())).await
    }

    async fn membership(&self) -> Answer<Membership> {
        self.ask(|actor| Ok(actor.membership())).await
    }

    fn faults(&self) -> usize {
        self.kernel.faults_tolerated()
    }

    async fn signers_at(&self, height: Height) -> Option<Seats> {
        PeerNode::signers_at(self, height).await
    }
}
