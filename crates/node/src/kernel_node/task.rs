//! The task that owns the machine: takes whatever happens, one thing at a time, and feeds it to the machine.

mod effects;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use byway_driver::clock::Clock;
use byway_driver::disk::{Disk, Durability, Journal};
use byway_driver::mesh::{MeshEvent, MeshHandle, Payload};
use byway_driver::pool::Pool;
use byway_kernel::anteroom::Anteroom;
use byway_kernel::follower::Membership;
use byway_kernel::follower::explore::SignedTwice;
use byway_kernel::light::protocol::CertifiedEntry;
use byway_kernel::light::serve::is_walkable;
use byway_kernel::stamp::Admission;
use byway_kernel::{Fatal, Kernel, MemberIndex, Message, Source, SubmitError, SyncMessage};
use byway_primitives::{Span, Timer, Token};
use byway_records::{Epoch, Genesis, ProgramId, VerifiedTransaction};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use super::clients::{Asked, Asker, Clients, HERE, Question};
use super::desk::Command;
use super::figures::{Figures, Measured};
use super::intake::{self, Intake};
use super::pulse::PulseLog;
use super::seeking::{Seeking, Shown};
use super::stages::Stages;
use super::verifying::{Bad, Checked, Verifying};
use super::{Ended, Heard};

/// Events of the mesh that are looked at before what they brought is verified.
const EVENTS_AT_ONCE: usize = 64;

/// The node's task.
pub(super) struct Task {
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
    timer: Timer,
    /// The last encoded message and what it was made of: one snapshot goes to all peers.
    encoded: Option<(Arc<[u8]>, Bytes)>,
    intake: Intake,
    /// Snapshots of an epoch that has not begun here.
    anteroom: Anteroom,
    /// A later epoch than the one that this node is in, where one is proved.
    ahead: Option<Arc<Epoch>>,
    seeking: Seeking,
    /// Whether another epoch has begun, and those in the anteroom may come in.
    has_turned: bool,
    verifying: Verifying,
    clients: Clients,
    pulse: PulseLog,
    stages: Stages,
    /// The newest last.
    evidence: VecDeque<SignedTwice>,
    pub(super) sent_bytes: Arc<AtomicU64>,
    fatal: Option<Fatal>,
    /// Last, so that the directory is free only when the journal is gone.
    _disk: Disk,
}

/// What a task is made of.
pub(super) struct Parts {
    pub(super) genesis: Arc<Genesis>,
    pub(super) kernel: Kernel,
    pub(super) epochs_kept: Option<u32>,
    pub(super) journal: Arc<Journal>,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) mesh: MeshHandle,
    pub(super) pool: Pool,
    pub(super) figures: Arc<Figures>,
    pub(super) seeking: Seeking,
}

impl Task {
    pub(super) fn new(parts: Parts, heard: broadcast::Sender<Heard>) -> Self {
        let stages = Stages::default();
        let clients = Clients::new(&parts, stages.clone());
        let Parts { kernel, journal, disk, clock, mesh, pool, figures, seeking, .. } = parts;
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
            timer: Timer::default(),
            encoded: None,
            intake: Intake::default(),
            anteroom: Anteroom::default(),
            ahead: None,
            seeking,
            has_turned: false,
            stages,
            evidence: VecDeque::new(),
            sent_bytes: Arc::default(),
            fatal: None,
            _disk: disk,
        }
    }

    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<MeshEvent>,
        mut commands: mpsc::Receiver<Command>,
    ) -> Result<(), Ended> {
        let mut durable = self.journal.durable();
        self.carry_out()?;
        loop {
            let wake = self.timer.at().map(|time| self.clock.instant_of(time));
            tokio::select! {
                event = events.recv() => {
                    self.mesh_event(event.ok_or(Ended::Mesh)?)?;
                    // What came meanwhile is verified together with it.
                    for _ in 1..EVENTS_AT_ONCE {
                        let Ok(event) = events.try_recv() else { break };
                        self.carry_out()?;
                        self.mesh_event(event)?;
                    }
                }
                Some(checked) = self.verifying.found.recv() => {
                    self.verifying.finished();
                    self.checked(checked)?;
                }
                changed = durable.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let reached = durable.borrow_and_update().clone();
                    self.became_durable(reached)?;
                }
                Some(question) = self.clients.questions.recv() => self.question(question)?,
                _ = self.seeking.due.tick() => self.seek(),
                Some(shown) = self.seeking.shown.recv() => self.shown(shown),
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
                    if self.timer.goes_off(now) {
                        self.kernel.handle_wake(now, &*self.journal);
                    }
                }
            }
            self.carry_out()?;
            loop {
                let checked = self.verifying.start();
                if checked.is_empty() {
                    break;
                }
                self.checked(checked)?;
            }
        }
        self.mesh.shutdown();
        self.journal.flush()?;
        Ok(())
    }

    /// Asks around, if the machine would like to know of later epochs.
    fn seek(&mut self) {
        if let Some(from) = self.kernel.epochs_wanted() {
            self.seeking.seek(from, &self.kernel.ledger().epoch().seats, self.ahead.as_deref());
        }
    }

    fn shown(&mut self, shown: Shown) {
        let (now, known) = (self.clock.now(), self.kernel.newest_epoch().epoch);
        let Shown { by, steps } = shown;
        let outcome = self.kernel.handle_epochs(now, steps, &*self.journal);
        self.seeking.took(&by, outcome, self.kernel.newest_epoch().epoch > known);
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

    fn measured(&self) -> Measured {
        let (verifying, verifying_bytes) = self.verifying.waiting();
        Measured { status: self.kernel.status(), verifying, verifying_bytes, mesh: self.mesh.counters() }
    }
}

/// For ever where there is nothing to wait for.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
