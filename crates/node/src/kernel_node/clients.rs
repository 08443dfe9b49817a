//! Followers and wallets: what they ask, and when they are answered.
//!
//! A question for steps that don't exist yet stays open until the next certificate or [`FOLLOW_WAIT`]. Reading what is
//! stored and checking a submitted transaction's signatures happen on the pool; only what needs the machine comes back to
//! its task as a [`Question`]. Whoever asks within this process is answered alike.

use std::sync::Arc;

use bytes::Bytes;
use byway_driver::disk::Journal;
use byway_driver::mesh::{ClientId, MeshHandle, Origin, Payload};
use byway_driver::pool::Pool;
use byway_kernel::archive::stored_certificate;
use byway_kernel::follower::explore::{Found, Query, SignedTwice};
use byway_kernel::follower::protocol::{Answer, Pulse, Request, StageClaim, Status as StatusAnswer};
use byway_kernel::follower::{Membership, Refusal, serve};
use byway_kernel::light::protocol::{CertifiedEntry, Question as Light, Reply};
use byway_kernel::light::serve as light;
use byway_kernel::stamp::{Admission, Stamp};
use byway_kernel::{MemberIndex, Source, Status, SubmitError};
use byway_ledger::{Verdict, stored_transaction};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Encode, NetworkId, Span};
use byway_records::epoch::first_round;
use byway_records::reject::IllFormed;
use byway_records::verified::{verify, verify_all};
use byway_records::{
    Genesis, Height, Output, OutputId, ProgramId, Received, Transaction, TransactionId, VerifiedTransaction,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::FOLLOW_WAIT;
use super::figures::Figures;
use super::stages::Stages;
use super::task::Parts;

/// Questions that may wait for the machine.
const QUESTIONS_QUEUE: usize = 1024;

/// Who asked, to be answered.
#[derive(Debug)]
pub(super) enum Asker {
    Mesh {
        client: ClientId,
        origin: Origin,
        request: u64,
    },
    /// Somebody in this process.
    Here(oneshot::Sender<Answer>),
}

/// A request as it came.
pub(super) struct Asked {
    pub client: ClientId,
    pub origin: Origin,
    pub request: u64,
    pub payload: Payload,
}

/// Whoever asks within this process, or hands transactions in there: the operator.
pub(super) const HERE: Source = Source::Client(u64::MAX);

impl Asker {
    /// Whose turn it is when the kernel brings in what this one hands in.
    pub fn source(&self) -> Source {
        match self {
            Asker::Mesh { origin, .. } => Source::Client(origin.0),
            Asker::Here(_) => HERE,
        }
    }
}

/// What only the machine's task can answer.
pub(super) enum Question {
    Submit {
        asker: Asker,
        transaction: Box<VerifiedTransaction>,
    },
    /// Good ones of those that a member handed on.
    HandedOn {
        from: MemberIndex,
        transactions: Vec<VerifiedTransaction>,
    },
    /// This source handed in what is ill-formed.
    IllFormed {
        source: Source,
    },
    Stage {
        asker: Asker,
        id: TransactionId,
    },
    Status {
        asker: Asker,
    },
    Pulse {
        asker: Asker,
        since: u64,
    },
    Outputs {
        asker: Asker,
        ids: Vec<OutputId>,
    },
    Evidence {
        asker: Asker,
    },
    Entry {
        asker: Asker,
        program: ProgramId,
        key: Vec<u8>,
    },
    Members {
        asker: Asker,
    },
}

pub(super) struct Clients {
    desk: Desk,
    /// The newest certified height.
    certified: watch::Sender<Height>,
    pub(super) questions: mpsc::Receiver<Question>,
    epochs_kept: Option<u32>,
}

/// What an answering task needs.
#[derive(Clone)]
struct Desk {
    genesis: Arc<Genesis>,
    network: NetworkId,
    journal: Arc<Journal>,
    pool: Pool,
    mesh: MeshHandle,
    stages: Stages,
    figures: Arc<Figures>,
    ask: mpsc::Sender<Question>,
    /// Snapshots of rounds before this one are deleted, or are about to be: who asks for them would have the store walk
    /// over all that it deleted.
    kept_from: u64,
}

/// What a look at a transaction that was handed in shows.
enum Examined {
    /// It waits here already, or has its verdict.
    Known,
    Good(Box<VerifiedTransaction>),
}

impl Clients {
    pub fn new(parts: &Parts, stages: Stages) -> Self {
        let Parts { genesis, journal, pool, mesh, figures, epochs_kept, .. } = parts;
        let (genesis, network) = (genesis.clone(), genesis.network());
        let (journal, pool, mesh, figures) = (journal.clone(), pool.clone(), mesh.clone(), figures.clone());
        let (ask, questions) = mpsc::channel(QUESTIONS_QUEUE);
        let (certified, _) = watch::channel(Height::GENESIS);
        let desk = Desk { genesis, network, journal, pool, mesh, stages, figures, ask, kept_from: 0 };
        let mut clients = Self { desk, certified, questions, epochs_kept: *epochs_kept };
        clients.turn(parts.kernel.committee().epoch());
        clients
    }

    /// Another epoch is in force.
    pub fn turn(&mut self, epoch: u32) {
        let oldest = self.epochs_kept.map(|kept| epoch.saturating_sub(kept.max(1)));
        self.desk.kept_from = oldest.map_or(0, first_round);
    }

    /// A new certificate: open questions for it can be answered.
    pub fn certified(&self, height: Height) {
        self.certified.send_replace(height);
    }

    /// `admission` says what a source has to bring to hand something in.
    pub fn asked(&self, asked: Asked, admission: impl FnOnce(Source) -> Admission) {
        let Asked { client, origin, request, payload } = asked;
        match decode_exact::<Request>(&payload) {
            Ok(asked) => self.take(Asker::Mesh { client, origin, request }, asked, Some(payload), admission),
            Err(error) => {
                tracing::debug!(%error, "a client sent a malformed request");
                self.desk.mesh.close_client(client);
            }
        }
    }

    /// A question, and what it came in, which counts against the client's bound until it is dealt with.
    pub fn take(
        &self,
        asker: Asker,
        request: Request,
        payload: Option<Payload>,
        admission: impl FnOnce(Source) -> Admission,
    ) {
        let desk = self.desk.clone();
        match request {
            Request::Follow { from, programs } => {
                let certified = self.certified.subscribe();
                tokio::spawn(async move { desk.follow(asker, from, programs, certified).await });
            }
            Request::Submit { transaction, stamp } => {
                let admission = admission(asker.source());
                tokio::spawn(async move {
                    desk.submit(asker, admission, transaction, stamp).await;
                    drop(payload);
                });
            }
            Request::Stage { transaction } => self.pass_on(Question::Stage { asker, id: transaction }),
            Request::Status => self.pass_on(Question::Status { asker }),
            Request::Pulse { since } => self.pass_on(Question::Pulse { asker, since }),
            Request::Find { transaction } => {
                tokio::spawn(async move { desk.find(asker, transaction).await });
            }
            Request::Explore(Query::Outputs { ids }) => self.pass_on(Question::Outputs { asker, ids }),
            Request::Explore(Query::Evidence) => self.pass_on(Question::Evidence { asker }),
            Request::Light(Light::Entry { program, key }) => self.pass_on(Question::Entry { asker, program, key }),
            Request::Light(question) => {
                tokio::spawn(async move { desk.light(asker, question).await });
            }
            Request::Genesis => self.desk.answer(asker, Answer::Genesis(Box::new(Genesis::clone(&self.desk.genesis)))),
            Request::Explore(Query::Members) => self.pass_on(Question::Members { asker }),
            Request::Explore(query) => {
                tokio::spawn(async move { desk.explore(asker, query).await });
            }
        }
    }

    /// A client is gone; answers to it go nowhere by themselves.
    pub fn gone(&self, client: ClientId) {
        tracing::trace!(?client, "client gone");
    }

    pub fn submitted(&self, asker: Asker, result: Result<(), SubmitError>) {
        match Refusal::of(result) {
            Ok(()) => self.desk.answer(asker, Answer::Taken),
            Err(refusal) => self.desk.refuse(asker, refusal),
        }
    }

    /// A member hands these on.
    pub fn handed_on(&self, from: MemberIndex, transactions: Vec<Transaction>) {
        let desk = self.desk.clone();
        tokio::spawn(async move { desk.handed_on(from, transactions).await });
    }

    /// `before` is how far it came without a verdict.
    pub fn stage(&self, asker: Asker, verdict: Option<Verdict>, before: StageClaim) {
        let claim = match verdict {
            Some(Verdict::Final) => StageClaim::Final,
            Some(Verdict::Rejected(_)) => StageClaim::Rejected,
            Some(Verdict::Repeated) | None => before,
        };
        self.desk.answer(asker, Answer::Stage(claim));
    }

    /// `finality` must be sorted.
    pub fn status(&self, asker: Asker, status: &Status, finality: &[Span]) {
        let at = |percent: usize| finality.get(finality.len() * percent / 100).map_or(0, |span| span.0);
        let lanes = 0..status.rounds.len();
        let connected = |lane: &usize| {
            status.me.is_some_and(|me| usize::from(me.0) == *lane)
                || status.connected.iter().any(|member| usize::from(member.0) == *lane)
        };
        self.desk.answer(
            asker,
            Answer::Status(StatusAnswer {
                height: status.checkpoint,
                commits: status.commits,
                time: status.time,
                rounds: status.rounds.clone(),
                connected: lanes.map(|lane| connected(&lane)).collect(),
                is_behind: status.is_behind,
                finality_ms_p50: at(50),
                finality_ms_p99: at(99),
                pool_percent: status.pool_percent,
                stamp_bits: status.stamp_bits,
                newest_epoch: status.newest.epoch,
                counts_there: status.newest.counts,
            }),
        );
    }

    pub fn pulse(&self, asker: Asker, pulse: Pulse) {
        self.desk.answer(asker, Answer::Pulse(pulse));
    }

    pub fn outputs(&self, asker: Asker, outputs: Vec<Option<Output>>) {
        self.desk.answer(asker, Answer::Explored(Found::Outputs(outputs)));
    }

    pub fn evidence(&self, asker: Asker, evidence: Vec<SignedTwice>) {
        self.desk.answer(asker, Answer::Explored(Found::Evidence(evidence)));
    }

    pub fn entry(&self, asker: Asker, entry: Option<CertifiedEntry>) {
        self.desk.answer(asker, Answer::Light(Reply::Entry(entry.map(Box::new))));
    }

    pub fn members(&self, asker: Asker, membership: Membership) {
        self.desk.answer(asker, Answer::Explored(Found::Members(Box::new(membership))));
    }

    fn pass_on(&self, question: Question) {
        // A full queue means that the machine is far behind; the client's time-out tells it so.
        if self.desk.ask.try_send(question).is_err() {
            tracing::debug!("too many questions; one was dropped");
        }
    }
}

impl Desk {
    async fn follow(
        &self,
        asker: Asker,
        from: Height,
        programs: Vec<ProgramId>,
        mut certified: watch::Receiver<Height>,
    ) {
        let mut answer = self.steps(from, &programs).await;
        if matches!(&answer, Some(Answer::Steps(steps)) if steps.is_empty()) {
            let reached = certified.wait_for(|height| *height >= from);
            if tokio::time::timeout(FOLLOW_WAIT, reached).await.is_ok() {
                answer = self.steps(from, &programs).await;
            }
        }
        if let Some(answer) = answer {
            self.answer(asker, answer);
        }
    }

    async fn steps(&self, from: Height, programs: &[ProgramId]) -> Option<Answer> {
        let (journal, programs) = (self.journal.clone(), programs.to_vec());
        let read = self
            .pool
            .run(move || serve::steps(&*journal, stored_certificate, from, &programs, serve::ANSWER_BYTES_MAX))
            .await;
        read.ok().map(Answer::Steps)
    }

    async fn find(&self, asker: Asker, id: TransactionId) {
        let journal = self.journal.clone();
        let found = self.pool.run(move || stored_transaction(&*journal, id).map(|record| record.height)).await;
        if let Ok(height) = found {
            self.answer(asker, Answer::Found(height));
        }
    }

    async fn submit(&self, asker: Asker, admission: Admission, transaction: Vec<u8>, stamp: Option<Stamp>) {
        let (network, stages, journal) = (self.network, self.stages.clone(), self.journal.clone());
        let is_known = move |id| stages.is_here(&id) || stored_transaction(&*journal, id).is_some();
        let examined = self.pool.run(move || examine(network, &admission, &transaction, stamp, is_known)).await;
        match examined.unwrap_or(Err(Refusal::Failed)) {
            Ok(Examined::Known) => self.answer(asker, Answer::Taken),
            Ok(Examined::Good(transaction)) => {
                // The machine's task is gone only when the node has ended.
                let _ = self.ask.send(Question::Submit { asker, transaction }).await;
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::IllFormed(_)) {
                    // One that is forgotten because the machine is far behind is remembered the next time.
                    let _ = self.ask.try_send(Question::IllFormed { source: asker.source() });
                }
                self.refuse(asker, refusal);
            }
        }
    }

    fn refuse(&self, asker: Asker, refusal: Refusal) {
        self.figures.not_taken(&refusal);
        self.answer(asker, Answer::Refused(refusal));
    }

    async fn handed_on(&self, from: MemberIndex, transactions: Vec<Transaction>) {
        let network = self.network;
        let good = self.pool.run(move || {
            transactions.into_iter().filter_map(|transaction| verify(network, transaction).ok()).collect::<Vec<_>>()
        });
        if let Ok(transactions) = good.await {
            // The machine's task is gone only when the node has ended.
            let _ = self.ask.send(Question::HandedOn { from, transactions }).await;
        }
    }

    /// What only the store is needed for.
    async fn explore(&self, asker: Asker, query: Query) {
        let (journal, kept_from) = (self.journal.clone(), self.kept_from);
        let found = self.pool.run(move || match query {
            Query::Certificates { from } => Found::Certificates(serve::certificates(&*journal, from)),
            Query::Prove { transaction } => Found::Proof(serve::prove(&*journal, transaction).map(Box::new)),
            Query::Snapshots { from, count } => {
                Found::Snapshots(serve::snapshots(&*journal, from.max(kept_from), count))
            }
            // These are asked of the machine.
            Query::Outputs { .. } => Found::Outputs(Vec::new()),
            Query::Evidence | Query::Members => Found::Evidence(Vec::new()),
        });
        if let Ok(found) = found.await {
            self.answer(asker, Answer::Explored(found));
        }
    }

    /// What light clients ask of the store.
    async fn light(&self, asker: Asker, question: Light) {
        let journal = self.journal.clone();
        let reply = self.pool.run(move || match question {
            Light::Epochs { from } => Reply::Epochs(light::epochs(&*journal, from)),
            Light::Newest => Reply::Newest(light::newest(&*journal).map(Box::new)),
            Light::Beginning { height } => Reply::Beginning(light::beginning(&*journal, height).map(Box::new)),
            Light::Transaction { id } => Reply::Transaction(light::prove(&*journal, id).map(Box::new)),
            Light::Body { id } => Reply::Body(light::body(&*journal, id)),
            // This is asked of the machine.
            Light::Entry { .. } => Reply::Entry(None),
        });
        if let Ok(reply) = reply.await {
            self.answer(asker, Answer::Light(reply));
        }
    }

    fn answer(&self, asker: Asker, answer: Answer) {
        match asker {
            Asker::Mesh { client, request, .. } => {
                if let Err(error) = self.mesh.reply(client, request, Bytes::from(answer.to_bytes())) {
                    tracing::debug!(%error, "an answer found nobody");
                }
            }
            // Whoever asked may have stopped waiting.
            Asker::Here(asked) => drop(asked.send(answer)),
        }
    }
}

/// Looks at what a client hands in, cheap things first: what costs us a signature costs the client its stamp before.
fn examine(
    network: NetworkId,
    admission: &Admission,
    transaction: &[u8],
    stamp: Option<Stamp>,
    is_known: impl FnOnce(TransactionId) -> bool,
) -> Result<Examined, Refusal> {
    let ill_formed = |reason: IllFormed| Refusal::IllFormed(reason.to_string());
    let received: Received = decode_exact(transaction).map_err(|error| ill_formed(error.into()))?;
    // Whoever hands in again what is here, for want of an answer, need not work for it.
    if is_known(received.id()) {
        return Ok(Examined::Known);
    }
    admission.check(received.id(), stamp).map_err(Refusal::Busy)?;
    let verified = verify_all(network, [received]).map_err(|(_, reason)| ill_formed(reason))?;
    let one = verified.into_iter().next().expect("one went in, one comes out");
    Ok(Examined::Good(Box::new(one)))
}
