//! One dialogue: its queue, its positions, and the link that it is on, if any.
//!
//! Frames leave in the order in which they are made, also where the disk is slow: each waits for the newest batch that
//! anything said so far relies on (`floor`), so a frame can't overtake one that waits for the disk.

mod inbox;
mod outbox;
pub(crate) mod receiving;
pub(crate) mod sending;

use byway_primitives::{Batch, IdentityId, Time, Token, Writer};

use crate::certificate::StaticCertificate;
use crate::config::{Config, RECORDS_MAX, WINDOW_BYTES};
use crate::frame::{FrameError, Positions, Record, SEALED_OVERHEAD, Segment, Tag};
use crate::handshake::{DialogueId, DialogueSecret, Incarnation, Role};
use crate::journal::{self, Saved};
use crate::link::{Link, LinkId};
use crate::message::{Delivery, Message, Outgoing, Receipt};
use crate::news::{Goodbye, News};
use crate::outputs::Outputs;
use crate::session::Session;
use inbox::{Inbox, Verdict};
pub(crate) use outbox::Disagreement;
use outbox::Outbox;
use receiving::Receiving;
use sending::Sending;

/// Bytes received after which an acknowledgement does not wait for company, so that the sender's window stays open.
const ACKNOWLEDGE_BYTES: usize = WINDOW_BYTES / 4;

/// One conversation with one peer, across links and crashes.
#[derive(Debug)]
pub struct Dialogue {
    peer: IdentityId,
    id: DialogueId,
    secret: DialogueSecret,
    outbox: Outbox,
    inbox: Inbox,
    attachment: Option<Attachment>,
    /// What the peer showed when it came; nothing where we have gone to it, who know it.
    certificate: Option<StaticCertificate>,
    /// When the peer last showed that it lives.
    heard: Time,
    /// The newest batch that what we say relies on.
    floor: Option<Token>,
}

/// The link that a dialogue is on.
#[derive(Debug)]
struct Attachment {
    link: Link,
    session: Session,
    role: Role,
    sending: Sending,
    receiving: Receiving,
    heard: Time,
    said: Time,
    /// When an acknowledgement must leave at the latest.
    acknowledge_at: Option<Time>,
    /// Bytes received since the last acknowledgement left.
    unacknowledged: usize,
}

/// What remains to be done after a frame's records were taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    GoOn,
    /// The peer has closed.
    Closed(Goodbye),
    /// A message is missing that the peer can no longer send.
    Disagreement,
}

/// What a dialogue's timers came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    GoOn,
    LinkSilent(LinkId),
    Silent,
}

impl Dialogue {
    pub fn id(&self) -> DialogueId {
        self.id
    }

    pub fn peer(&self) -> IdentityId {
        self.peer
    }

    /// The link that it is on.
    pub fn link(&self) -> Option<LinkId> {
        self.attachment.as_ref().map(|attachment| attachment.link.id)
    }

    /// The certificate under which the peer came, good at that time, if it did since we were started.
    pub fn certificate(&self) -> Option<&StaticCertificate> {
        self.certificate.as_ref()
    }

    pub(crate) fn is_shown(&mut self, certificate: StaticCertificate) {
        self.certificate = Some(certificate);
    }

    /// Messages that the peer has not confirmed.
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    pub(crate) fn new(peer: IdentityId, secret: DialogueSecret, incarnation: Incarnation, now: Time) -> Self {
        let saved = Saved { standing: journal::Standing::Held, secret, received: 0, sent: 0, messages: Vec::new() };
        Self::restore(peer, saved, incarnation, now)
    }

    pub(crate) fn restore(peer: IdentityId, saved: Saved, peer_incarnation: Incarnation, now: Time) -> Self {
        Self {
            peer,
            id: saved.secret.id(),
            secret: saved.secret,
            outbox: Outbox::new(peer, saved.sent, saved.messages),
            inbox: Inbox::new(saved.received, peer_incarnation),
            attachment: None,
            certificate: None,
            heard: now,
            floor: None,
        }
    }

    pub(crate) fn secret(&self) -> &DialogueSecret {
        &self.secret
    }

    pub(crate) fn floor(&self) -> Option<Token> {
        self.floor
    }

    /// What is said from now on relies on this batch too.
    pub(crate) fn rely_on(&mut self, token: Option<Token>) {
        self.floor = self.floor.max(token);
    }

    pub(crate) fn positions(&self) -> Positions {
        self.inbox.positions()
    }

    /// The link that it is on and the handshake there.
    pub(crate) fn place(&self) -> Option<(LinkId, Tag)> {
        self.attachment.as_ref().map(|attachment| (attachment.session.link, attachment.session.tag))
    }

    pub(crate) fn is_on(&self, link: LinkId, tag: Tag) -> bool {
        self.place() == Some((link, tag))
    }

    /// Learns which run of the peer it is talking to. Comes before [`positions`](Self::positions) are told.
    pub(crate) fn meet(&mut self, incarnation: Incarnation) {
        self.inbox.meet(incarnation);
    }

    /// Moves to a link.
    pub(crate) fn attach(&mut self, now: Time, link: Link, session: Session, role: Role) {
        self.heard = now;
        self.attachment = Some(Attachment {
            sending: Sending::new(&link.profile),
            receiving: Receiving::default(),
            link,
            session,
            role,
            heard: now,
            said: now,
            acknowledge_at: None,
            unacknowledged: 0,
        });
    }

    /// Begins, on a new link, with what the peer does not have, if what it claims to have can be true.
    pub(crate) fn rewind(&mut self, theirs: &Positions, own: Incarnation) -> Result<Batch, Disagreement> {
        self.outbox.check(theirs)?;
        let mut batch = Batch::new();
        self.outbox.rewind(theirs, own, &mut batch);
        Ok(batch)
    }

    /// Leaves its link; what was on the way there counts as lost.
    pub(crate) fn detach(&mut self) -> Option<LinkId> {
        self.attachment.take().map(|attachment| attachment.link.id)
    }

    /// The frame that closes, where it is on a link.
    pub(crate) fn goodbye(&mut self, goodbye: Goodbye) -> Option<(LinkId, Vec<u8>)> {
        let attachment = self.attachment.as_mut()?;
        Some((attachment.link.id, attachment.session.seal(&[Record::Close(goodbye)])))
    }

    /// Deletes all that is on disk of it.
    pub(crate) fn delete(&self, batch: &mut Batch) {
        let (from, through) = self.outbox.kept();
        journal::delete(batch, self.peer, from, through);
    }

    /// Says that it has taken the link into use. Repeated when Live is.
    pub(crate) fn say_ready(&mut self, now: Time, out: &mut Outputs) {
        let positions = self.positions();
        let Some(attachment) = self.attachment.as_mut() else { return };
        let proof = self.secret.proof(Role::Responder, attachment.session.binding());
        let frame = attachment.session.seal(&[Record::Ready { positions, proof }]);
        attachment.said = now;
        out.send(attachment.link.id, frame, self.floor);
    }
}

/// Messages out.
impl Dialogue {
    pub(crate) fn has_room(&self, messages: usize, bytes: usize) -> bool {
        self.outbox.has_room(messages, bytes)
    }

    pub(crate) fn note_refused(&mut self) {
        self.outbox.note_refused();
    }

    pub(crate) fn push(&mut self, outgoing: Outgoing, batch: &mut Batch) {
        self.outbox.push(outgoing, batch);
    }

    /// Sends whatever may and must leave now.
    pub(crate) fn flush(&mut self, now: Time, out: &mut Outputs) {
        let Some(attachment) = self.attachment.as_mut() else { return };
        attachment.hasten(now);
        self.outbox.note_tried();
        while let Some(plain) = attachment.next_frame(now, &self.outbox) {
            let frame = attachment.session.seal_plain(&plain);
            attachment.said = now;
            out.send(attachment.link.id, frame, self.floor);
        }
    }
}

/// Messages in.
impl Dialogue {
    /// The last durable message handed over, and the last confirmed.
    pub(crate) fn handed_and_confirmed(&self) -> (u64, u64) {
        (self.inbox.handed(), self.inbox.confirmed())
    }

    /// The next durable message was taken to heart; its effects go into the same batch.
    pub(crate) fn confirm(&mut self, now: Time, ordinal: u64, config: &Config, batch: &mut Batch) {
        self.inbox.confirm(ordinal);
        journal::put_received(batch, self.peer, ordinal);
        if let Some(attachment) = self.attachment.as_mut()
            && attachment.receiving.confirm(ordinal)
        {
            attachment.acknowledge_by(now + config.acknowledge_delay);
        }
    }

    /// Opens a sealed frame that came on the link it is on.
    pub(crate) fn open(&mut self, number: u64, sealed: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        match self.attachment.as_mut() {
            Some(attachment) => attachment.session.open(number, sealed),
            None => Ok(None),
        }
    }

    /// Takes in the records of a frame.
    pub(crate) fn handle_records(
        &mut self,
        now: Time,
        records: Vec<Record>,
        config: &Config,
        out: &mut Outputs,
    ) -> Result<Outcome, FrameError> {
        self.heard = now;
        for record in records {
            let Some(attachment) = self.attachment.as_mut() else { break };
            attachment.heard = now;
            match record {
                // The peer repeats itself because our Ready has not reached it.
                Record::Live { .. } if attachment.role == Role::Responder => self.say_ready(now, out),
                // An early message belongs to Live, and nowhere else.
                Record::Live { .. } | Record::Ready { .. } | Record::Early(_) => {}
                Record::Ask => attachment.acknowledge_by(now),
                Record::Acknowledgement(told) => {
                    let confirmed = attachment.sending.acknowledged(now, &told)?;
                    self.forget_confirmed(confirmed, out);
                }
                Record::Segment(segment) => {
                    let outcome = self.handle_segment(now, segment, config, out)?;
                    if outcome != Outcome::GoOn {
                        return Ok(outcome);
                    }
                }
                Record::Close(goodbye) => return Ok(Outcome::Closed(goodbye)),
            }
        }
        Ok(Outcome::GoOn)
    }

    fn forget_confirmed(&mut self, count: usize, out: &mut Outputs) {
        let mut batch = Batch::new();
        self.outbox.drop_front(count, &mut batch);
        out.persist(batch);
        if self.outbox.take_drained() {
            out.notify(News::Drained { peer: self.peer });
        }
    }

    fn handle_segment(
        &mut self,
        now: Time,
        segment: Segment,
        config: &Config,
        out: &mut Outputs,
    ) -> Result<Outcome, FrameError> {
        let Some(attachment) = self.attachment.as_mut() else { return Ok(Outcome::GoOn) };
        attachment.unacknowledged += segment.bytes.len();
        attachment.acknowledge_by(now + config.acknowledge_delay);
        for message in attachment.receiving.take(segment)? {
            match self.inbox.judge(&message) {
                Verdict::Hand => out.notify(News::Message(delivery(self.peer, self.id, message))),
                Verdict::Again => {}
                Verdict::Gap => return Ok(Outcome::Disagreement),
            }
        }
        attachment.receiving.confirm(self.inbox.confirmed());
        Ok(Outcome::GoOn)
    }
}

/// Time.
impl Dialogue {
    pub(crate) fn handle_wake(&mut self, now: Time, config: &Config) -> Wake {
        if now >= self.heard + config.silence_max {
            return Wake::Silent;
        }
        let Some(attachment) = self.attachment.as_mut() else { return Wake::GoOn };
        if now >= attachment.heard + config.link_silence_max {
            return Wake::LinkSilent(attachment.link.id);
        }
        if now >= attachment.said + config.keep_alive {
            attachment.acknowledge_by(now);
        }
        Wake::GoOn
    }

    pub(crate) fn deadline(&self, config: &Config) -> Time {
        let silent = self.heard + config.silence_max;
        let Some(attachment) = self.attachment.as_ref() else { return silent };
        let link = (attachment.heard + config.link_silence_max).min(attachment.said + config.keep_alive);
        let soon = attachment.acknowledge_at.into_iter().chain(attachment.sending.deadline()).min();
        soon.into_iter().fold(silent.min(link), Time::min)
    }
}

impl Attachment {
    fn acknowledge_by(&mut self, time: Time) {
        self.acknowledge_at = Some(self.acknowledge_at.map_or(time, |at| at.min(time)));
    }

    /// An acknowledgement does not wait where the sender may be held back or has lost something.
    fn hasten(&mut self, now: Time) {
        let is_urgent = self.unacknowledged >= ACKNOWLEDGE_BYTES || self.receiving.has_gap();
        if is_urgent && self.acknowledge_at.is_some() {
            self.acknowledge_at = Some(now);
        }
    }

    /// The records of the next frame to send: an acknowledgement if one is owed, and as many segments as fit. A lone
    /// acknowledgement waits until it is due.
    fn next_frame(&mut self, now: Time, outbox: &Outbox) -> Option<Vec<u8>> {
        let mut plain = Writer::new();
        if self.acknowledge_at.is_some() {
            plain.value(&Record::Acknowledgement(self.receiving.acknowledgement()));
        }
        let room = self.link.profile.frame_max() - SEALED_OVERHEAD;
        let mut segments = 0;
        while segments < RECORDS_MAX - 1
            && let Some(segment) = self.sending.poll(now, outbox, room.saturating_sub(plain.len()))
        {
            plain.value(&Record::Segment(segment));
            segments += 1;
        }
        let asks = segments == 0 && self.sending.poll_ask(now);
        if asks {
            plain.value(&Record::Ask);
        }
        // An overdue segment that does not fit beside the acknowledgement lets it go ahead alone.
        let is_overdue = self.sending.deadline().is_some_and(|at| at <= now);
        let is_due = self.acknowledge_at.is_some_and(|at| at <= now || is_overdue);
        if segments == 0 && !asks && !is_due {
            return None;
        }
        self.acknowledge_at = None;
        self.unacknowledged = 0;
        Some(plain.into_bytes())
    }
}

fn delivery(peer: IdentityId, dialogue: DialogueId, message: Message) -> Delivery {
    let Message { durability, ordinal, protocol, bytes } = message;
    Delivery { receipt: Receipt { peer, dialogue, durability, ordinal }, protocol, bytes }
}
