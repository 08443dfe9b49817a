//! A kernel node with its clients: what the real node's `kernel_node::clients` does, without tasks and pool.

use std::collections::VecDeque;

use byway_kernel::archive::stored_certificate;
use byway_kernel::follower::protocol::{Answer, Pulse, Request, StageClaim, Status};
use byway_kernel::follower::{Refusal, serve};
use byway_kernel::stamp::Stamp;
use byway_kernel::{News, Source};
use byway_ledger::Verdict;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Effect, Encode, NetworkId, Span, Store, Time, Timer};
use byway_records::verified::verify_bytes;
use byway_records::{Height, ProgramId, TransactionId};

use super::liar::{Lie, Reply};
use super::message::NetMessage;
use super::node::{NetEffect, NetNews};
use crate::kernel::{KernelNode, NodeNews, Submission, Work};
use crate::peer::PeerCommand;
use crate::world::{Event, Machine};

/// How long a follower's question may stay open before it is answered with "nothing new".
const FOLLOW_WAIT: Span = Span::seconds(4);

/// See the [module](self).
pub struct ServingKernel {
    node: KernelNode,
    /// The machine's own.
    timer: Timer,
    network: NetworkId,
    /// Nodes below this number are kernel nodes, the others are clients.
    kernels: usize,
    lie: Option<Lie>,
    open: Vec<OpenQuestion>,
    /// Whether something was certified since open questions were looked at.
    is_certified: bool,
    out: VecDeque<NetEffect>,
}

/// A client that waits for a step which doesn't exist yet.
struct OpenQuestion {
    asker: Asker,
    from: Height,
    programs: Vec<ProgramId>,
    until: Time,
}

#[derive(Debug, Clone, Copy)]
struct Asker {
    client: usize,
    number: u64,
}

impl Asker {
    fn source(&self) -> Source {
        Source::Client(self.client as u64)
    }
}

impl ServingKernel {
    pub fn new(node: KernelNode, network: NetworkId, kernels: usize, lie: Option<Lie>) -> Self {
        Self {
            node,
            timer: Timer::default(),
            network,
            kernels,
            lie,
            open: Vec::new(),
            is_certified: false,
            out: VecDeque::new(),
        }
    }

    pub fn node(&self) -> &KernelNode {
        &self.node
    }

    /// What the machine's is set to.
    pub fn timer(&self) -> Timer {
        self.timer
    }

    pub fn handle(&mut self, now: Time, event: Event<NetMessage, PeerCommand>, store: &dyn Store) {
        match event {
            Event::Message { from, message: NetMessage::Ask { number, request } } => {
                self.asked(now, Asker { client: from, number }, &request, store);
            }
            Event::Message { from, message: NetMessage::Kernel(message) } if from < self.kernels => {
                self.node.handle(now, Event::Message { from, message }, store);
            }
            // Nobody else has anything to say to a kernel node.
            Event::Message { .. } => {}
            Event::Wake if self.timer.goes_off(now) => self.node.handle(now, Event::Wake, store),
            Event::Wake => {}
            Event::Durable(token) => self.node.handle(now, Event::Durable(token), store),
            Event::PeerUp(peer) if peer < self.kernels => self.node.handle(now, Event::PeerUp(peer), store),
            Event::PeerDown(peer) if peer < self.kernels => self.node.handle(now, Event::PeerDown(peer), store),
            Event::PeerUp(_) => {}
            Event::PeerDown(client) => self.open.retain(|question| question.asker.client != client),
            Event::Command(_) => panic!("a kernel node has no wallet"),
        }
        self.answer_open(now, store);
        // Asking twice does no harm, and a wake has used up what was asked for.
        let next = self.open.iter().map(|question| question.until).chain(self.timer.at()).min();
        self.out.extend(next.map(Effect::WakeAt));
    }

    pub fn poll(&mut self, now: Time, store: &dyn Store) -> Option<NetEffect> {
        if let Some(effect) = self.out.pop_front() {
            return Some(effect);
        }
        let effect = self.node.poll(now, store)?;
        if let Effect::WakeAt(time) = effect {
            self.timer.set(time);
        }
        if let Effect::Notify(NodeNews::Kernel(News::Certified(_))) = &effect {
            // The certificate is written in this very moment; whoever waits for it is answered in the next.
            self.is_certified = true;
            self.out.push_back(Effect::WakeAt(now));
        }
        Some(effect.map(|peer| peer, NetMessage::Kernel, NetNews::Kernel))
    }

    fn asked(&mut self, now: Time, asker: Asker, request: &[u8], store: &dyn Store) {
        // A client that is malformed is hung up on; here it merely gets no answer.
        let Ok(request) = decode_exact::<Request>(request) else { return };
        match self.lie.and_then(|lie| lie.answer(&request)) {
            Some(Reply::Answer(answer)) => return self.answer(asker, answer),
            Some(Reply::Nothing) => return,
            None => {}
        }
        match request {
            Request::Follow { from, programs } => {
                if !self.answer_steps(asker, from, &programs, store) {
                    let until = now + FOLLOW_WAIT;
                    self.open.push(OpenQuestion { asker, from, programs, until });
                }
            }
            Request::Submit { transaction, stamp } => {
                let outcome = self.submit(now, asker.source(), &transaction, stamp, store);
                self.answer(asker, outcome.map_or_else(Answer::Refused, |()| Answer::Taken));
            }
            Request::Stage { transaction } => self.answer(asker, Answer::Stage(self.stage(transaction, store))),
            Request::Status => {
                if let Some(status) = self.status() {
                    self.answer(asker, Answer::Status(status));
                }
            }
            // For showing; no market node of a simulation asks.
            _ => self.answer(asker, Answer::Pulse(Pulse::default())),
        }
    }

    fn submit(
        &mut self,
        now: Time,
        source: Source,
        transaction: &[u8],
        stamp: Option<Stamp>,
        store: &dyn Store,
    ) -> Result<(), Refusal> {
        let transaction = verify_bytes(self.network, transaction);
        let transaction = transaction.map_err(|ill_formed| Refusal::IllFormed(ill_formed.to_string()))?;
        self.node.submit(now, Submission { source, transaction, work: Work::Stamped(stamp) }, store)
    }

    /// Answers with what there is; whether there was anything.
    fn answer_steps(&mut self, asker: Asker, from: Height, programs: &[ProgramId], store: &dyn Store) -> bool {
        let steps = serve::steps(store, stored_certificate, from, programs, serve::ANSWER_BYTES_MAX);
        let is_something = !steps.is_empty();
        if is_something {
            let steps = self.lie.map_or_else(|| steps.clone(), |lie| lie.twist(steps.clone()));
            self.answer(asker, Answer::Steps(steps));
        }
        is_something
    }

    fn answer_open(&mut self, now: Time, store: &dyn Store) {
        let is_certified = std::mem::take(&mut self.is_certified);
        for question in std::mem::take(&mut self.open) {
            let is_over = now >= question.until;
            if (is_certified || is_over) && self.answer_steps(question.asker, question.from, &question.programs, store)
            {
                continue;
            }
            if is_over {
                self.answer(question.asker, Answer::Steps(Vec::new()));
            } else {
                self.open.push(question);
            }
        }
    }

    fn stage(&self, id: TransactionId, store: &dyn Store) -> StageClaim {
        match self.node.kernel().and_then(|kernel| kernel.ledger().verdict(store, id)) {
            Some(Verdict::Final) => StageClaim::Final,
            Some(Verdict::Rejected(_)) => StageClaim::Rejected,
            Some(Verdict::Repeated) | None => StageClaim::Unknown,
        }
    }

    fn status(&self) -> Option<Status> {
        let status = self.node.kernel()?.status();
        Some(Status {
            height: status.checkpoint,
            commits: status.commits,
            time: status.time,
            connected: vec![true; status.rounds.len()],
            rounds: status.rounds,
            is_behind: status.is_behind,
            finality_ms_p50: 0,
            finality_ms_p99: 0,
            pool_percent: status.pool_percent,
            stamp_bits: status.stamp_bits,
            newest_epoch: status.newest.epoch,
            counts_there: status.newest.counts,
        })
    }

    fn answer(&mut self, asker: Asker, answer: Answer) {
        let message = NetMessage::Answer { number: asker.number, answer: answer.to_bytes() };
        self.out.push_back(Effect::Send { to: asker.client, message, after: None });
    }
}
