//! A kernel node as it runs: the pure machine, its disk, its mesh and its clients.
//!
//! One task owns the machine and feeds it whatever happens, one thing at a time; what needs a processor for long
//! (signatures, reading old checkpoints) happens on a pool beside it. The task carries out effects as
//! `byway_primitives::effect` demands: writes go to the journal at once, and a message that waits for a write leaves
//! when the journal says that it is durable.
//!
//! [`clients`] answers followers and wallets, [`pulse`] remembers what was seen lately for drawing, [`stages`] how far
//! transactions came that have no verdict yet, [`service`] answers the calls `kernel_*`, and
//! [`figures`] are for monitoring.

mod clients;
mod figures;
mod intake;
mod pulse;
mod service;
mod stages;
mod verifying;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use byway_crypto::NodeSecret;
use byway_driver::clock::Clock;
use byway_driver::disk::{Disk, DiskError, Durability, Journal};
use byway_driver::mesh::{Limits, Member, Mesh, MeshConfig, MeshError, MeshEvent, MeshHandle, Payload, Prologue};
use byway_driver::pool::Pool;
use byway_kernel::anteroom::Anteroom;
use byway_kernel::follower::Membership;
use byway_kernel::follower::explore::{EVIDENCE_MAX, SignedTwice};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::light::protocol::CertifiedEntry;
use byway_kernel::light::serve::is_walkable;
use byway_kernel::stamp::Admission;
use byway_kernel::{
    Committee, Config, Fatal, Kernel, KernelEffect, MemberIndex, Message, News, OpenError, Source, Status, SubmitError,
    SyncMessage, VerifiedSnapshot,
};
use byway_primitives::{Batch, Effect, Encode, Span, Time, Token};
use byway_records::genesis::Genesis;
use byway_records::{ProgramId, Seats, TransactionId, VerifiedTransaction};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use zeroize::Zeroizing;

use clients::{Asked, Asker, Clients, HERE, Question};
use figures::{Figures, Measured};
use intake::Intake;
use pulse::PulseLog;
pub use service::KernelService;
use stages::Stages;
use verifying::{Bad, Checked, Verifying};

/// The protocol that kernel nodes speak on their mesh ports.
pub const MESH_PROTOCOL: &str = "byway-kernel";
/// Its version.
pub const MESH_VERSION: u16 = 1;
/// What its journal is called on the disk.
pub const JOURNAL: &str = "kernel";
/// Commands from this process that may wait.
const COMMANDS_QUEUE: usize = 256;
/// News that a slow listener may lag behind.
const NEWS_QUEUE: usize = 4096;

/// What a kernel node needs to run.
pub struct KernelNodeConfig {
    pub genesis: Arc<Genesis>,
    pub secret: NodeSecret,
    pub mesh_secret: Zeroizing<[u8; 32]>,
    /// Where its state is kept.
    pub directory: PathBuf,
    /// Of how many past epochs it keeps the snapshots; of all if absent.
    pub epochs_kept: Option<u32>,
}

/// Makes the store of a kernel node whose key was made just now, with a note that nothing was ever signed with it. Without
/// that note a node asks the others before it signs: its store might have been lost.
pub fn found(directory: &Path) -> Result<(), DiskError> {
    let disk = Disk::open(directory)?;
    let journal = disk.journal(JOURNAL)?;
    let mut batch = Batch::new();
    byway_kernel::mark_new(&mut batch);
    journal.write(batch, Token(0))?;
    journal.flush()
}

/// Why a kernel node can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    Kernel(#[from] OpenError),
}

/// Why a kernel node ended by itself.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Ended {
    #[error(transparent)]
    Fatal(#[from] Fatal),
    #[error("storage has stopped: {0}")]
    Disk(#[from] DiskError),
    #[error("the mesh has stopped")]
    Mesh,
}

/// What listeners in this process hear.
#[derive(Debug, Clone)]
pub enum Heard {
    /// A commit with these verdicts.
    Verdicts(Arc<Vec<(TransactionId, byway_ledger::Verdict)>>),
    Certified(Arc<byway_records::Certificate>),
}

/// A running kernel node. It ends when this is dropped or [`stop`](Self::stop) is called.
pub struct KernelNode {
    commands: mpsc::Sender<Command>,
    heard: broadcast::Sender<Heard>,
    mesh: MeshHandle,
    ended: watch::Receiver<Option<Result<(), Ended>>>,
    sent_bytes: Arc<AtomicU64>,
    figures: Arc<Figures>,
}

enum Command {
    Submit(Vec<VerifiedTransaction>, oneshot::Sender<usize>),
    Status(oneshot::Sender<Status>),
    Ask(Request, oneshot::Sender<Answer>),
    Measure(oneshot::Sender<Measured>),
    Stop,
}

/// Asks a kernel node in this process what followers ask over its port.
#[derive(Clone)]
pub struct KernelDesk {
    commands: mpsc::WeakSender<Command>,
    heard: broadcast::WeakSender<Heard>,
    figures: Arc<Figures>,
}

impl KernelDesk {
    /// `None` once the node has ended, or where it has no answer.
    pub async fn ask(&self, request: Request) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Ask(request, answer)).await.ok()?;
        answered.await.ok()
    }

    /// How the node is; `None` once it has ended.
    pub async fn status(&self) -> Option<Status> {
        let (answer, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Status(answer)).await.ok()?;
        answered.await.ok()
    }

    /// The node's figures in the text form that Prometheus reads; `None` once it has ended.
    pub async fn figures(&self) -> Option<String> {
        let (answer, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Measure(answer)).await.ok()?;
        let (figures, measured) = (self.figures.clone(), answered.await.ok()?);
        // The folder is measured too, which may wait for the disk.
        tokio::task::spawn_blocking(move || figures.text(&measured)).await.ok()
    }

    /// Listens to verdicts and certificates from now on; `None` once the node has ended.
    pub fn listen(&self) -> Option<broadcast::Receiver<Heard>> {
        Some(self.heard.upgrade()?.subscribe())
    }
}

impl KernelNode {
    /// Opens the node's state and starts it on `listener`.
    pub async fn start(config: KernelNodeConfig, listener: TcpListener, pool: Pool) -> Result<Self, StartError> {
        let disk = Disk::open(&config.directory)?;
        let journal = Arc::new(disk.journal(JOURNAL)?);
        let clock = Clock::starting(Time::ZERO);
        let settings = Config { epochs_kept: config.epochs_kept, ..Config::new(config.secret) };
        let mut verify = |committee: &Committee, bytes| VerifiedSnapshot::verify(committee, bytes).map(Arc::new);
        let kernel = Kernel::open(settings, &config.genesis, clock.now(), &*journal, &mut verify)?;
        let (mesh, events) =
            Mesh::spawn(mesh_config(&config.genesis, &kernel.ledger().epoch().seats, &config.mesh_secret), listener)?;
        let (commands, received) = mpsc::channel(COMMANDS_QUEUE);
        let (heard, _) = broadcast::channel(NEWS_QUEUE);
        let (end, ended) = watch::channel(None);
        let figures = Arc::new(Figures::new(&config.genesis, &config.directory));
        figures.follow(&kernel.ledger().epoch().seats);
        let parts = Parts { kernel, journal, disk, clock, mesh: mesh.clone(), pool, figures: figures.clone() };
        let task = Task::new(parts, heard.clone());
        let sent_bytes = task.sent_bytes.clone();
        tokio::spawn(async move {
            let result = task.run(events, received).await;
            if let Err(reason) = &result {
                tracing::error!(%reason, "the kernel node stopped");
            }
            end.send_replace(Some(result));
        });
        Ok(Self { commands, heard, mesh, ended, sent_bytes, figures })
    }

    /// Hands in verified transactions; gives how many were taken.
    pub async fn submit(&self, transactions: Vec<VerifiedTransaction>) -> usize {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Submit(transactions, answer)).await.is_err() {
            return 0;
        }
        answered.await.unwrap_or(0)
    }

    /// How the node is; `None` once it has ended.
    pub async fn status(&self) -> Option<Status> {
        self.desk().status().await
    }

    /// Listens to verdicts and certificates from now on.
    pub fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// For whoever in this process wants to ask; it keeps no node running.
    pub fn desk(&self) -> KernelDesk {
        let (commands, heard) = (self.commands.downgrade(), self.heard.downgrade());
        KernelDesk { commands, heard, figures: self.figures.clone() }
    }

    /// Bytes of messages handed to the mesh for other kernel nodes, without the mesh's own framing (22 bytes and 18 more
    /// per 64 KiB).
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    pub fn mesh(&self) -> &MeshHandle {
        &self.mesh
    }

    /// Waits until the node has ended, by itself or because it was told to.
    pub async fn ended(&self) -> Result<(), Ended> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Ends the node with everything written.
    pub async fn stop(&self) {
        // If the task is gone already there is nobody to tell, and nothing to wait for.
        let _ = self.commands.send(Command::Stop).await;
        let _ = self.ended().await;
    }
}

/// What the members' mesh of a network is called on the wire.
pub fn prologue(genesis: &Genesis) -> Prologue {
    Prologue { protocol: MESH_PROTOCOL, version: MESH_VERSION, network: genesis.network() }
}

/// The members' ports, by seat.
fn mesh_members(seats: &Seats) -> Vec<Option<Member>> {
    let member = |seat: u8| {
        let member = &seats.get(seat)?.member;
        Some(Member { key: member.mesh, address: member.address.clone() })
    };
    (0..seats.places() as u8).map(member).collect()
}

fn mesh_config(genesis: &Genesis, seats: &Seats, secret: &[u8; 32]) -> MeshConfig {
    MeshConfig { members: mesh_members(seats), secret: *secret, prologue: prologue(genesis), limits: Limits::default() }
}

/// The task that owns the machine.
struct Task {
    kernel: Kernel,
    journal: Arc<Journal>,
    clock: Clock,
    mesh: MeshHandle,
    heard: broadcast::Sender<Heard>,
    figures: Arc<Figures>,
    /// Messages that wait for a write.
    waiting: VecDeque<(Token, MemberIndex, Message)>,
    /// Writes that messages wait for, and since when.
    writing: VecDeque<(Token, Instant)>,
    durable: Durability,
    wake_at: Option<Time>,
    /// The last encoded message and what it was made of: one snapshot goes to all peers.
    encoded: Option<(Arc<[u8]>, Bytes)>,
    intake: Intake,
    /// Snapshots of an epoch that has not begun here.
    anteroom: Anteroom,
    /// Whether another epoch has begun, and those in the anteroom may come in.
    has_turned: bool,
    verifying: Verifying,
    clients: Clients,
    pulse: PulseLog,
    stages: Stages,
    /// The newest last.
    evidence: VecDeque<SignedTwice>,
    sent_bytes: Arc<AtomicU64>,
    fatal: Option<Fatal>,
    /// Last, so that the directory is free only when the journal is gone.
    _disk: Disk,
}

/// What a task is made of.
struct Parts {
    kernel: Kernel,
    journal: Arc<Journal>,
    disk: Disk,
    clock: Clock,
    mesh: MeshHandle,
    pool: Pool,
    figures: Arc<Figures>,
}

impl Task {
    fn new(parts: Parts, heard: broadcast::Sender<Heard>) -> Self {
        let stages = Stages::default();
        let clients = Clients::new(parts.kernel.committee().network(), &parts, stages.clone());
        let Parts { kernel, journal, disk, clock, mesh, pool, figures } = parts;
        Self {
            verifying: Verifying::new(kernel.committee().clone(), pool, figures.clone()),
            clients,
            pulse: PulseLog::new(kernel.committee().places()),
            kernel,
            journal,
            clock,
            mesh,
            heard,
            figures,
            waiting: VecDeque::new(),
            writing: VecDeque::new(),
            durable: Durability::default(),
            wake_at: None,
            encoded: None,
            intake: Intake::default(),
            anteroom: Anteroom::default(),
            has_turned: false,
            stages,
            evidence: VecDeque::new(),
            sent_bytes: Arc::default(),
            fatal: None,
            _disk: disk,
        }
    }

    async fn run(
        mut self,
        mut events: mpsc::Receiver<MeshEvent>,
        mut commands: mpsc::Receiver<Command>,
    ) -> Result<(), Ended> {
        let mut durable = self.journal.durable();
        self.carry_out()?;
        loop {
            let wake = self.wake_at.map(|time| self.clock.instant_of(time));
            tokio::select! {
                event = events.recv() => self.mesh_event(event.ok_or(Ended::Mesh)?)?,
                Some(checked) = self.verifying.found.recv() => self.checked(checked)?,
                changed = durable.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let reached = durable.borrow_and_update().clone();
                    self.became_durable(reached)?;
                }
                Some(question) = self.clients.questions.recv() => self.question(question)?,
                command = commands.recv() => match command {
                    Some(Command::Submit(transactions, answer)) => {
                        let taken = self.submit(HERE, transactions)?;
                        // Whoever asked may have stopped waiting.
                        let _ = answer.send(taken);
                    }
                    Some(Command::Status(answer)) => {
                        let _ = answer.send(self.kernel.status());
                    }
                    Some(Command::Ask(request, answer)) => {
                        // Whoever is in this process runs the node.
                        self.clients.take(Asker::Here(answer), request, None, |_| Admission::FREE);
                    }
                    Some(Command::Measure(answer)) => {
                        let _ = answer.send(self.measured());
                    }
                    Some(Command::Stop) | None => break,
                },
                () = sleep_until(wake) => {
                    let now = self.clock.now();
                    // A clock that was set back meanwhile has the machine sleep on.
                    if self.wake_at.take_if(|at| *at <= now).is_some() {
                        self.kernel.handle_wake(now, &*self.journal);
                    }
                }
            }
            self.carry_out()?;
        }
        self.mesh.shutdown();
        self.journal.flush()?;
        Ok(())
    }

    fn mesh_event(&mut self, event: MeshEvent) -> Result<(), Ended> {
        let now = self.clock.now();
        match event {
            MeshEvent::PeerUp(peer) => self.kernel.handle_peer_up(now, MemberIndex(peer as u8), &*self.journal),
            MeshEvent::PeerDown { peer, reason } => {
                tracing::debug!(peer, %reason, "peer down");
                self.kernel.handle_peer_down(now, MemberIndex(peer as u8), &*self.journal);
            }
            MeshEvent::Frame { from, bytes } => {
                self.figures.received(from as u8, bytes.len() as u64);
                self.frame(MemberIndex(from as u8), bytes)?;
            }
            MeshEvent::ClientFrame { client, origin, request_id, bytes } => {
                let asked = Asked { client, origin, request: request_id, payload: bytes };
                self.clients.asked(asked, |source| self.kernel.admission(now, source));
            }
            MeshEvent::ClientDown(client) => self.clients.gone(client),
        }
        Ok(())
    }

    /// Snapshots go to the pool first; the rest goes to the machine at once.
    fn frame(&mut self, from: MemberIndex, payload: Payload) -> Result<(), Ended> {
        match byway_primitives::codec::decode_exact::<Message>(&payload) {
            Ok(Message::Sync(message)) => self.sync(from, message),
            Ok(Message::Snapshots(snapshots)) => {
                let present = self.anteroom.sort(self.kernel.committee().epoch(), from, snapshots);
                self.snapshots(from, present, Some(payload));
            }
            Ok(Message::Transactions(mut transactions)) => {
                transactions.truncate(self.kernel.may_hand_on(self.clock.now(), from, transactions.len()));
                if !transactions.is_empty() {
                    self.clients.handed_on(from, transactions);
                }
            }
            Err(error) => {
                self.figures.malformed_message();
                tracing::warn!(%from, %error, "a kernel node sent a malformed message");
            }
        }
        Ok(())
    }

    fn snapshots(&mut self, from: MemberIndex, snapshots: Vec<Arc<[u8]>>, payload: Option<Payload>) {
        let intake::Sorted { fresh, verified } = self.intake.sort(snapshots);
        if !verified.is_empty() {
            self.kernel.handle_snapshots(self.clock.now(), from, verified, &*self.journal);
        }
        if !fresh.is_empty() {
            self.verifying.add(from, fresh, payload);
        }
    }

    /// Hands verified snapshots to the machine, those of one peer at a time. Each time what it wants is carried out before
    /// it is given more: it reads from the journal what it executed before.
    fn checked(&mut self, checked: Checked) -> Result<(), Ended> {
        self.verifying.finished();
        for of_one in checked.chunk_by(|one, next| one.0 == next.0) {
            let mut good = Vec::with_capacity(of_one.len());
            for (_, digest, outcome) in of_one {
                self.intake.done(*digest, outcome.as_ref().ok().cloned());
                match outcome {
                    Ok(snapshot) => good.push(snapshot.clone()),
                    Err(Bad { bytes, error }) => {
                        self.kernel.handle_refused(self.clock.now(), bytes, *error, &*self.journal);
                        self.effects()?;
                    }
                }
            }
            let now = self.clock.now();
            good.iter().for_each(|snapshot| self.pulse.saw(now, snapshot));
            self.kernel.handle_snapshots(now, of_one[0].0, good, &*self.journal);
            self.carry_out()?;
        }
        Ok(())
    }

    fn sync(&mut self, from: MemberIndex, message: SyncMessage) {
        self.kernel.handle_sync(self.clock.now(), from, message, &*self.journal);
    }

    /// Gives how many were taken.
    fn submit(&mut self, source: Source, transactions: Vec<VerifiedTransaction>) -> Result<usize, Ended> {
        let mut taken = 0;
        for transaction in transactions {
            let result = self.kernel.handle_submit(self.clock.now(), source, transaction, &*self.journal);
            taken += usize::from(matches!(result, Ok(()) | Err(SubmitError::Known)));
            self.carry_out()?;
        }
        Ok(taken)
    }

    fn question(&mut self, question: Question) -> Result<(), Ended> {
        let now = self.clock.now();
        match question {
            Question::Submit { asker, transaction } => {
                let id = transaction.id();
                let result = self.kernel.handle_submit(now, asker.source(), *transaction, &*self.journal);
                if result.is_ok() {
                    self.stages.pooled(now, id);
                }
                self.clients.submitted(asker, result);
            }
            // Who hands on tries again what is not taken.
            Question::HandedOn { from, transactions } => drop(self.submit(Source::Member(from), transactions)?),
            Question::IllFormed { source } => self.kernel.handle_ill_formed(now, source),
            Question::Stage { asker, id } => {
                let verdict = self.kernel.ledger().verdict(&*self.journal, id);
                self.clients.stage(asker, verdict, self.stages.of(&id));
            }
            Question::Status { asker } => {
                let mut finality: Vec<Span> = self.kernel.recent_finality().collect();
                finality.sort_unstable();
                self.clients.status(asker, &self.kernel.status(), &finality);
            }
            Question::Pulse { asker, since } => self.clients.pulse(asker, self.pulse.since(since)),
            Question::Outputs { asker, ids } => {
                let outputs = ids.into_iter().map(|id| self.kernel.ledger().output(&*self.journal, id));
                self.clients.outputs(asker, outputs.collect());
            }
            Question::Entry { asker, program, key } => {
                let proved = self
                    .kernel
                    .prove_entry(program, &key)
                    .map(|(certificate, proof)| CertifiedEntry { certificate, proof });
                let is_walkable =
                    |entry: &CertifiedEntry| is_walkable(&*self.journal, entry.certificate.checkpoint.height);
                self.clients.entry(asker, proved.filter(is_walkable));
            }
            Question::Evidence { asker } => self.clients.evidence(asker, self.evidence.iter().copied().collect()),
            Question::Members { asker } => self.clients.members(asker, self.membership()),
        }
        Ok(())
    }

    fn membership(&self) -> Membership {
        let ledger = self.kernel.ledger();
        let pledges = ledger.tree(ProgramId::KERNEL).expect("every ledger has this program from genesis on");
        Membership::of(ledger.epoch(), pledges)
    }

    fn became_durable(&mut self, reached: Durability) -> Result<(), Ended> {
        if let Some(error) = &reached.failed {
            return Err(error.clone().into());
        }
        self.durable = reached;
        if let Some(token) = self.durable.token {
            self.kernel.handle_durable(self.clock.now(), token, &*self.journal);
        }
        while let Some((_, since)) = self.writing.pop_front_if(|(token, _)| self.durable.covers(*token)) {
            self.figures.durable_after(since.elapsed());
        }
        while let Some((token, _, _)) = self.waiting.front()
            && self.durable.covers(*token)
        {
            if let Some((_, to, message)) = self.waiting.pop_front() {
                self.send(to, message);
            }
        }
        Ok(())
    }

    /// Does what the machine wants done, and lets in what came too early for it where another epoch has begun.
    fn carry_out(&mut self) -> Result<(), Ended> {
        self.effects()?;
        while std::mem::take(&mut self.has_turned) {
            for (from, early) in self.anteroom.open() {
                self.snapshots(from, early, None);
                self.effects()?;
            }
        }
        match self.fatal {
            Some(fatal) => Err(fatal.into()),
            None => Ok(()),
        }
    }

    fn effects(&mut self) -> Result<(), Ended> {
        while let Some(effect) = self.kernel.poll_effect() {
            self.effect(effect)?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: KernelEffect) -> Result<(), Ended> {
        match effect {
            // Most writes are what others signed, and can be had from them again; only an own snapshot is waited for.
            Effect::Persist { batch, token } => self.journal.write_lazily(batch, token)?,
            Effect::Send { to, message, after } => match after.filter(|token| !self.durable.covers(*token)) {
                Some(token) => {
                    self.journal.hurry();
                    if self.writing.back().is_none_or(|(written, _)| *written != token) {
                        self.writing.push_back((token, Instant::now()));
                    }
                    self.waiting.push_back((token, to, message));
                }
                None => self.send(to, message),
            },
            Effect::WakeAt(time) => self.wake_at = Some(self.wake_at.map_or(time, |at| at.min(time))),
            Effect::Notify(news) => self.news(news),
        }
        Ok(())
    }

    fn send(&mut self, to: MemberIndex, message: Message) {
        let bytes = match &message {
            Message::Snapshots(snapshots) if snapshots.len() == 1 => match &self.encoded {
                Some((made_of, bytes)) if Arc::ptr_eq(made_of, &snapshots[0]) => bytes.clone(),
                _ => {
                    let bytes = Bytes::from(message.to_bytes());
                    self.encoded = Some((snapshots[0].clone(), bytes.clone()));
                    bytes
                }
            },
            _ => Bytes::from(message.to_bytes()),
        };
        let length = bytes.len() as u64;
        if let Err(error) = self.mesh.send(u16::from(to.0), bytes) {
            // It will hear `PeerDown`, and catch up when it is back.
            tracing::debug!(%to, %error, "not sent");
            return;
        }
        self.sent_bytes.fetch_add(length, Ordering::Relaxed);
        self.figures.sent(to.0, length);
    }

    fn measured(&self) -> Measured {
        let (verifying, verifying_bytes) = self.verifying.waiting();
        Measured { status: self.kernel.status(), verifying, verifying_bytes, mesh: self.mesh.counters() }
    }

    fn decided(&mut self, verdicts: Vec<(TransactionId, byway_ledger::Verdict)>) {
        self.figures.committed(&verdicts);
        let now = self.clock.now();
        for since in verdicts.iter().filter_map(|(id, _)| self.stages.decided(id)) {
            self.figures.final_after(Duration::from_millis(now.since(since).0));
        }
        // Nobody may be listening.
        let _ = self.heard.send(Heard::Verdicts(Arc::new(verdicts)));
    }

    fn news(&mut self, news: News) {
        match news {
            News::Checkpoint(_) => {}
            News::Included(transactions) => transactions.iter().for_each(|id| self.stages.included(id)),
            News::GaveWay(transactions) => {
                self.figures.gave_way(transactions.len());
                transactions.iter().for_each(|id| self.stages.gave_way(id));
            }
            News::Signed(snapshot) => self.pulse.saw(self.clock.now(), &snapshot),
            News::Committed(committed) => {
                self.pulse.committed(&committed);
                self.decided(committed.verdicts);
            }
            News::Stepping { from } => {
                tracing::info!(checkpoint = from.0, "epochs behind the network: goes on from checkpoint to checkpoint");
            }
            News::Stepped(stepped) => self.decided(stepped.verdicts),
            News::Certified(certificate) => {
                self.clients.certified(certificate.checkpoint.height);
                self.figures.certified(certificate.checkpoint.height.0);
                let _ = self.heard.send(Heard::Certified(certificate));
            }
            News::Epoch { epoch, .. } => {
                tracing::info!(epoch = epoch.number, members = epoch.seats.count(), "another epoch begins");
                self.verifying.turn(Committee::of_epoch(self.kernel.committee().network(), &epoch));
                if let Err(error) = self.mesh.set_members(mesh_members(&epoch.seats)) {
                    tracing::error!(%error, "the members' ports can't be taken over; connections stay as they are");
                }
                self.figures.follow(&epoch.seats);
                self.has_turned = true;
            }
            News::Equivocation(pair) => {
                let reference = pair.first.reference();
                self.evidence.push_back(SignedTwice {
                    author: reference.author,
                    round: reference.round,
                    first: pair.first.hash(),
                    second: pair.second.hash(),
                    seen: self.clock.now(),
                });
                if self.evidence.len() > EVIDENCE_MAX {
                    self.evidence.pop_front();
                }
                self.figures.equivocation();
                tracing::error!(author = %reference.author, round = reference.round, "a kernel node signed twice");
            }
            News::FalseCoinShare(snapshot) => {
                let reference = snapshot.reference();
                tracing::error!(author = %reference.author, round = reference.round, "a kernel node gave a false share of the coin");
            }
            News::ClockBehind { seen, own } => {
                self.figures.clock_behind();
                tracing::warn!(
                    ?seen,
                    ?own,
                    "the clocks of other kernel nodes are ahead of this one's; check the clock"
                );
            }
            News::Recovering => {
                tracing::warn!("this node doesn't know what it has signed: it asks the others before it signs again");
            }
            News::Recovered { first } => tracing::info!(first, "this node signs again"),
            News::Fatal(fatal) => self.fatal = Some(fatal),
        }
    }
}

/// For ever where there is nothing to wait for.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How long a follower's question may stay open before it is answered with "nothing new".
pub const FOLLOW_WAIT: Duration = Duration::from_secs(4);
