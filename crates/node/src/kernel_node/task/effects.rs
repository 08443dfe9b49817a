//! Carries out what the machine wants done: writes, messages that wait for them, and news.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use byway_kernel::follower::explore::{EVIDENCE_MAX, SignedTwice};
use byway_kernel::{Committee, KernelEffect, MemberIndex, Message, News};
use byway_primitives::{Effect, Encode};
use byway_records::{Epoch, Seats, TransactionId};
use tokio::time::Instant;

use super::super::{Ended, Heard, mesh_members};
use super::Task;

impl Task {
    /// Does what the machine wants done, and lets in what came too early for it where another epoch has begun.
    pub(super) fn carry_out(&mut self) -> Result<(), Ended> {
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

    pub(super) fn effects(&mut self) -> Result<(), Ended> {
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
            Effect::WakeAt(time) => drop(self.timer.set(time)),
            Effect::Notify(news) => self.news(news),
        }
        Ok(())
    }

    pub(super) fn send(&mut self, to: MemberIndex, message: Message) {
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

    fn decided(&mut self, verdicts: Vec<(TransactionId, byway_ledger::Verdict)>) {
        self.figures.committed(&verdicts);
        let now = self.clock.now();
        for since in verdicts.iter().filter_map(|(id, _)| self.stages.decided(id)) {
            self.figures.final_after(Duration::from_millis(now.since(since).0));
        }
        // Nobody may be listening.
        let _ = self.heard.send(Heard::Verdicts(Arc::new(verdicts)));
    }

    /// Connects to the members of the epoch in force, and to those of a later one if it is proved that there is.
    fn connect(&self, seats: &Seats) {
        let later = self.ahead.as_deref().map(|epoch| &epoch.seats);
        if let Err(error) = self.mesh.set_members(mesh_members(seats, later)) {
            tracing::error!(%error, "the members' ports can't be taken over; connections stay as they are");
        }
    }

    /// A later epoch than this node's is proved.
    fn goes_to(&mut self, epoch: Arc<Epoch>) {
        match self.kernel.newest_epoch().seat {
            Some(_) => tracing::info!(epoch = epoch.number, "the network is in a later epoch: goes there"),
            None => tracing::warn!(
                epoch = epoch.number,
                "the network is in a later epoch, in which this node has no seat: the members don't listen to it until it has \
                 one"
            ),
        }
        self.ahead = Some(epoch);
        self.connect(&self.kernel.ledger().epoch().seats);
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
                self.figures.certified(&certificate.checkpoint);
                let _ = self.heard.send(Heard::Certified(certificate));
            }
            News::Epoch { epoch, .. } => {
                tracing::info!(epoch = epoch.number, members = epoch.seats.count(), "another epoch begins");
                self.clients.turn(epoch.number);
                self.verifying.turn(Committee::of_epoch(self.kernel.committee().network(), &epoch));
                self.ahead.take_if(|ahead| ahead.number <= epoch.number);
                self.connect(&epoch.seats);
                self.figures.follow(&epoch.seats);
                self.has_turned = true;
            }
            News::Ahead(epoch) => self.goes_to(epoch),
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
