//! Answers the calls `kernel_*` out of what kernel nodes say: for a kernel node about itself, for a market node by asking
//! several.
//!
//! What a certificate proves is checked here, whoever said it: nobody is believed a checkpoint or a final transaction.
//! Snapshots, outputs and evidence can't be proved; the first node that answers is shown as one node's word.

mod records;

use std::future::Future;
use std::sync::Arc;

use byway_kernel::follower::Membership;
use byway_kernel::follower::explore::{Found, Query};
use byway_kernel::follower::protocol::{Answer as Said, Request, Status, Step};
use byway_primitives::{Amount, Time};
use byway_records::epoch::{epoch_of, first_round};
use byway_records::verified::verify_bytes;
use byway_records::{Certificate, Genesis, Height, Seat, Seats, TransactionId};

use crate::api::*;
use crate::health::Progress;
pub use records::{checkpoint_record, checkpoint_view, pulse_view, stage_of};
use records::{evidence_records, final_record, signers, snapshot_record};

/// Among so many checkpoints up to the newest executed one there is a certified one, unless certifying stands still.
pub const CERTIFICATES_NEWEST: usize = 4;

/// Where answers come from.
pub trait Source: Send + Sync + 'static {
    /// Whom to ask, the best first.
    fn order(&self) -> impl Future<Output = Vec<u8>> + Send;
    /// What one of them says, if it says anything.
    fn ask(&self, member: u8, request: Request) -> impl Future<Output = Option<Said>> + Send;
    /// Hands a transaction in.
    fn submit(&self, transaction: Vec<u8>) -> impl Future<Output = Answer<()>> + Send;
    /// How each kernel node seems to do, by seat.
    fn members(&self) -> impl Future<Output = Answer<Vec<MemberView>>> + Send;
    /// Who the kernel nodes are, as this node's ledger has it.
    fn membership(&self) -> impl Future<Output = Answer<Membership>> + Send;
    /// How many of those that are asked may lie.
    fn faults(&self) -> usize;
    /// Who certifies the checkpoint of a height, as far as this node can prove.
    fn signers_at(&self, height: Height) -> impl Future<Output = Option<Seats>> + Send;
}

/// How a kernel node seems to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberView {
    pub reachable: bool,
    pub round: u64,
    pub latency_ms: Option<u64>,
    /// How many others it says it is connected to.
    pub connected: Option<u64>,
}

/// The calls over a source.
#[derive(Clone)]
pub struct Explorer<S> {
    genesis: Arc<Genesis>,
    source: S,
}

impl<S: Source> Explorer<S> {
    pub fn new(genesis: Arc<Genesis>, source: S) -> Self {
        Self { genesis, source }
    }

    /// Who the kernel nodes are, as this node's ledger has it.
    pub async fn membership(&self) -> Answer<Membership> {
        self.source.membership().await
    }

    /// The kernel at a glance. Ages of what it did last are taken at `now`.
    pub async fn status(&self, now: Time) -> Answer<KernelStatus> {
        let status = self.claimed_status().await?;
        let seats = self.source.membership().await?.epoch.seats;
        let newest = self.newest_certificates(CERTIFICATES_NEWEST).await.unwrap_or_default();
        let certified = newest.last().map(|certificate| certificate.checkpoint.time);
        let progress = Progress { committed: status.time, certified };
        let troubles = progress.troubles(now, &self.genesis.parameters);
        let some = |ms: u64| (ms > 0).then_some(ms);
        Ok(KernelStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.genesis.network(),
            network_name: self.genesis.name.clone(),
            height: status.height.0,
            commits: status.commits,
            time_ms: status.time,
            size: seats.count() as u64,
            quorum: seats.quorum() as u64,
            finality_ms: Finality { p50: some(status.finality_ms_p50), p99: some(status.finality_ms_p99) },
            certified_ms: certified,
            troubles: troubles.into_iter().map(Reason::from).collect(),
            node: None,
        })
    }

    pub async fn members(&self) -> Answer<Vec<KernelMember>> {
        let (views, membership) = (self.source.members().await?, self.source.membership().await?);
        let signers = match self.newest_certificates(1).await {
            Ok(newest) => newest.last().map(signers).unwrap_or_default(),
            // Nobody has signed anything yet, or nobody answers, which `reachable` says.
            Err(_) => Vec::new(),
        };
        let newest = views.iter().map(|view| view.round).max().unwrap_or(0);
        let member = |(index, seat): (u8, &Seat)| {
            let view = views.get(usize::from(index)).copied().unwrap_or_default();
            let pledge = membership.pledge(index);
            let unlocks = pledge.and_then(|pledge| pledge.unlocks);
            KernelMember {
                index,
                name: seat.member.name.clone(),
                key: seat.member.key,
                owner: seat.member.owner,
                address: seat.member.address.clone(),
                standing: seat.standing.into(),
                since_epoch: pledge.map_or(0, |pledge| pledge.since),
                pledge: pledge.map_or(Amount::ZERO, |pledge| pledge.amount),
                unlocks_ms: unlocks.map(|deadline| deadline.time),
                unlocks_commits: unlocks.map(|deadline| deadline.commits),
                changeable_ms: pledge.and_then(|pledge| pledge.rotates).map(|deadline| deadline.time),
                reachable: view.reachable,
                round: view.round,
                rounds_behind: if seat.standing.counts() { rounds_behind(view.round, newest) } else { 0 },
                latency_ms: view.latency_ms,
                connected: view.connected,
                signed_last: signers.contains(&index),
            }
        };
        Ok(membership.epoch.seats.iter().map(member).collect())
    }

    pub async fn send(&self, request: KernelSend) -> Answer<KernelSent> {
        let bytes = request.transaction.0;
        let transaction = verify_bytes(self.genesis.network(), &bytes)
            .map_err(|ill_formed| ApiError::invalid_params("transaction", ill_formed))?;
        self.source.submit(bytes).await?;
        Ok(KernelSent { transaction_id: transaction.id(), stage: Stage::Sent })
    }

    /// What became of a transaction, proved if it is decided and certified.
    pub async fn transaction(&self, request: KernelTransaction) -> Answer<KernelTransactionRecord> {
        let id = request.transaction_id;
        let (mut unknown_to, mut answered) = (0, false);
        for member in self.source.order().await {
            match self.ask_about(member, id).await {
                Some(Some(record)) => {
                    let proof = record.proof.filter(|_| request.proof);
                    return Ok(KernelTransactionRecord { proof, ..record });
                }
                Some(None) => {
                    (unknown_to, answered) = (unknown_to + 1, true);
                    if unknown_to > self.source.faults() {
                        break;
                    }
                }
                None => {}
            }
        }
        Err(if answered { ApiError::transaction_not_found() } else { ApiError::kernel_unreachable() })
    }

    /// What one node knows of a transaction: `None` if it gave no sensible answer, `Some(None)` if it knows nothing.
    async fn ask_about(&self, member: u8, id: TransactionId) -> Option<Option<KernelTransactionRecord>> {
        let prove = Request::Explore(Query::Prove { transaction: id });
        let Said::Explored(Found::Proof(proof)) = self.source.ask(member, prove).await? else { return None };
        if let Some(proof) = proof {
            let seats = self.source.signers_at(proof.certificate.checkpoint.height).await?;
            return match proof.verify(id, self.genesis.network(), &seats) {
                Ok(()) => Some(Some(final_record(id, &proof))),
                Err(error) => {
                    tracing::error!(member, %error, "a kernel node's proof of a transaction proves nothing");
                    None
                }
            };
        }
        if let Some(record) = self.rejection(member, id).await {
            return Some(Some(record));
        }
        let Said::Stage(claim) = self.source.ask(member, Request::Stage { transaction: id }).await? else {
            return None;
        };
        let outcome = stage_of(claim).map(|stage| Outcome::claimed(id, stage));
        Some(outcome.map(|outcome| KernelTransactionRecord { outcome, position: None, proof: None }))
    }

    /// The rejection of a transaction, out of the scan data of its checkpoint.
    async fn rejection(&self, member: u8, id: TransactionId) -> Option<KernelTransactionRecord> {
        let Said::Found(height) = self.source.ask(member, Request::Find { transaction: id }).await? else {
            return None;
        };
        let follow = Request::Follow { from: height?, programs: Vec::new() };
        let Said::Steps(steps) = self.source.ask(member, follow).await? else { return None };
        let step = steps.first().filter(|step| Some(step.certificate.checkpoint.height) == height)?;
        self.rejected(step, id).await
    }

    async fn rejected(&self, step: &Step, id: TransactionId) -> Option<KernelTransactionRecord> {
        let checkpoint = &step.certificate.checkpoint;
        if !self.is_certified(&step.certificate).await || step.scan.root() != checkpoint.scan_root {
            return None;
        }
        let (_, reject) = step.scan.rejected.iter().find(|(rejected, _)| *rejected == id)?;
        let outcome = Outcome::proved(id, Some(*reject), checkpoint);
        Some(KernelTransactionRecord { outcome, position: None, proof: None })
    }

    pub async fn outputs(&self, request: KernelOutputs) -> Answer<Vec<OutputRecord>> {
        let ids: Vec<_> = request.outputs.iter().map(|name| name.0).collect();
        let wanted = ids.len();
        let found = self.explore(Query::Outputs { ids }, |found| match found {
            Found::Outputs(outputs) if outputs.len() == wanted => Some(outputs),
            _ => None,
        });
        let records = request.outputs.into_iter().zip(found.await?).map(|(output, found)| OutputRecord {
            output,
            unspent: found.is_some(),
            asset: found.as_ref().map(|output| output.value.asset),
            amount: found.as_ref().map(|output| output.value.amount),
            threshold: found.as_ref().map(|output| output.lock.threshold),
            keys: found.map(|output| output.lock.keys),
        });
        Ok(records.collect())
    }

    pub async fn snapshots(&self, request: KernelSnapshots) -> Answer<Vec<SnapshotRecord>> {
        let from = match request.from {
            Some(from) => from,
            None => {
                let newest = self.claimed_status().await?.rounds.into_iter().max().unwrap_or(0);
                let members = self.source.membership().await?.epoch.seats.count().max(1);
                (newest + 1).saturating_sub((request.limit / members) as u64)
            }
        };
        let found = self.explore(Query::Snapshots { from, count: request.limit as u32 }, |found| match found {
            Found::Snapshots(snapshots) => Some(snapshots),
            _ => None,
        });
        Ok(found.await?.into_iter().map(snapshot_record).collect())
    }

    pub async fn checkpoints(&self, request: KernelCheckpoints) -> Answer<Vec<CheckpointRecord>> {
        let certificates = match request.from {
            Some(from) => self.certificates(Height(from), request.limit).await?,
            None => self.newest_certificates(request.limit).await?,
        };
        Ok(certificates.iter().map(checkpoint_record).collect())
    }

    pub async fn evidence(&self) -> Answer<Vec<EvidenceRecord>> {
        let found = self.explore(Query::Evidence, |found| match found {
            Found::Evidence(evidence) => Some(evidence),
            _ => None,
        });
        let seen = found.await?;
        Ok(evidence_records(&seen, &self.source.membership().await?.convictions))
    }

    /// The kernel at work. `now` is the time for the rate of transactions.
    pub async fn pulse(&self, now: Time) -> Answer<KernelPulse> {
        let pulse = self.first(Request::Pulse { since: 0 }, |said| match said {
            Said::Pulse(pulse) => Some(pulse),
            _ => None,
        });
        let pulse = pulse.await?;
        let status = self.claimed_status().await?;
        let seats = self.source.membership().await?.epoch.seats;
        let some = |ms: u64| (ms > 0).then_some(ms);
        let finality = Finality { p50: some(status.finality_ms_p50), p99: some(status.finality_ms_p99) };
        let newest = self.newest_certificates(1).await.unwrap_or_default();
        let tip = newest.last().map(|certificate| PulseCheckpoint {
            height: certificate.checkpoint.height.0,
            time_ms: certificate.checkpoint.time,
            signers: signers(certificate),
            size: seats.count() as u64,
            quorum: seats.quorum() as u64,
        });
        Ok(pulse_view(&pulse, tip, finality, now))
    }

    async fn claimed_status(&self) -> Answer<Status> {
        let status = self.first(Request::Status, |said| match said {
            Said::Status(status) => Some(status),
            _ => None,
        });
        status.await
    }

    async fn newest_certificates(&self, count: usize) -> Answer<Vec<Certificate>> {
        let height = self.claimed_status().await?.height.0;
        // The newest checkpoint may not be certified yet.
        let from = (height + 1).saturating_sub(count as u64 + 1).max(1);
        let mut certificates = self.certificates(Height(from), count + 1).await?;
        certificates.drain(..certificates.len().saturating_sub(count));
        Ok(certificates)
    }

    async fn certificates(&self, from: Height, count: usize) -> Answer<Vec<Certificate>> {
        let request = Request::Explore(Query::Certificates { from });
        for member in self.source.order().await {
            let said = self.source.ask(member, request.clone()).await;
            let Some(Said::Explored(Found::Certificates(mut certificates))) = said else { continue };
            certificates.truncate(count);
            let checked = futures::future::join_all(certificates.iter().map(|certificate| self.checked(certificate)));
            match checked.await.into_iter().collect::<Option<Vec<bool>>>() {
                Some(checked) if checked.iter().all(|is_good| *is_good) => return Ok(certificates),
                Some(_) => tracing::error!(member, "a kernel node's certificates are not valid"),
                // Soon after a start the ledger's copy here is behind what the kernel shows.
                None => tracing::debug!(member, "who certified what a kernel node shows is not known here yet"),
            }
        }
        Err(ApiError::kernel_unreachable())
    }

    /// Whether those who certify the checkpoint's height have certified it; nothing where it is not known who they are.
    async fn checked(&self, certificate: &Certificate) -> Option<bool> {
        let seats = self.source.signers_at(certificate.checkpoint.height).await?;
        Some(certificate.verify(self.genesis.network(), &seats).is_ok())
    }

    async fn is_certified(&self, certificate: &Certificate) -> bool {
        self.checked(certificate).await == Some(true)
    }

    async fn explore<T>(&self, query: Query, read: impl Fn(Found) -> Option<T>) -> Answer<T> {
        self.first(Request::Explore(query), |said| match said {
            Said::Explored(found) => read(found),
            _ => None,
        })
        .await
    }

    /// The first answer that makes sense.
    async fn first<T>(&self, request: Request, read: impl Fn(Said) -> Option<T>) -> Answer<T> {
        for member in self.source.order().await {
            if let Some(read) = self.source.ask(member, request.clone()).await.and_then(&read) {
                return Ok(read);
            }
        }
        Err(ApiError::kernel_unreachable())
    }
}

/// How many rounds a member is behind. A new epoch's rounds begin far above those of the one before, and what a member
/// signed before it began says nothing of how far behind it is.
pub fn rounds_behind(round: u64, newest: u64) -> u64 {
    let begun = epoch_of(newest).map_or(0, |epoch| first_round(epoch) - 1);
    newest.saturating_sub(round.max(begun))
}
