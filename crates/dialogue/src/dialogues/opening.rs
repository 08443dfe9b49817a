//! The initiator's side of the handshake.

use byway_crypto::noise::{Handshake, StaticKey};
use byway_primitives::{Batch, Decode, Encode, IdentityId, Time, Token, Writer};

use super::{Dialogues, Fault, Offer};
use crate::certificate::{CertificateError, StaticCertificate};
use crate::config::EARLY_MAX;
use crate::dialogue::sending::resend_after;
use crate::dialogue::{Dialogue, Disagreement};
use crate::frame::{Credential, Early, Frame, FrameError, Positions, Record, SEALED_OVERHEAD, Tag};
use crate::glare;
use crate::handshake::{
    Answer, DialogueSecret, HelloPayload, Incarnation, Role, Seeds, WelcomePayload, check_certificate,
};
use crate::journal::{self, Standing};
use crate::link::{LinkId, LinkKind};
use crate::message::ProtocolId;
use crate::news::{ClosedBecause, News, Refusal, RefusedBecause};
use crate::session::Session;

/// An attempt to open, on one link.
#[derive(Debug)]
pub(super) struct Attempt {
    link: LinkId,
    responder: StaticKey,
    secret: DialogueSecret,
    seeds: Seeds,
    stage: Stage,
    /// Goes along with Live.
    early: Option<Early>,
    /// How often the present stage's frame was sent, and when to send it next.
    times: u32,
    resend_at: Option<Time>,
    expires: Time,
}

#[derive(Debug)]
enum Stage {
    /// Hello was sent.
    Hello { tag: Tag, handshake: Box<Handshake>, frame: Vec<u8> },
    /// Live was sent.
    Live { session: Box<Session>, live: Vec<u8>, incarnation: Incarnation, after: Option<Token> },
    /// Refused for glare: another Hello will be sent.
    Paused,
}

/// Why an attempt was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("there is no such link")]
    UnknownLink,
    #[error("a node does not open a dialogue with itself")]
    Myself,
    #[error("this peer is ignored; heed it first")]
    Ignored,
    #[error("the peer's certificate is not good: {0}")]
    Certificate(#[from] CertificateError),
    #[error("there are as many dialogues as allowed; close one or raise `dialogues_max`")]
    Full,
    #[error("the peer's static key is unusable")]
    StaticKey,
}

impl Attempt {
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// The keys, where the handshake is that one and has got so far.
    pub fn session(&mut self, at: (LinkId, Tag)) -> Option<&mut Session> {
        match &mut self.stage {
            Stage::Live { session, .. } if (session.link, session.tag) == at => Some(session),
            _ => None,
        }
    }

    pub fn deadline(&self) -> Time {
        self.resend_at.map_or(self.expires, |at| at.min(self.expires))
    }

    fn tag(&self) -> Option<Tag> {
        match &self.stage {
            Stage::Hello { tag, .. } => Some(*tag),
            Stage::Live { session, .. } => Some(session.tag),
            Stage::Paused => None,
        }
    }
}

impl Dialogues {
    /// Opens towards `peer` on a link, or moves the dialogue with it there, or takes it up again after a crash. The
    /// certificate is from the peer's offer or contact. An attempt that is under way elsewhere is given up for this one.
    /// Ends in [`News::Opened`], [`News::Resumed`], [`News::Closed`] (as forgotten) or [`News::Refused`]. `seed` is fresh
    /// randomness.
    pub fn open(
        &mut self,
        now: Time,
        peer: IdentityId,
        certificate: &StaticCertificate,
        link: LinkId,
        seed: [u8; 32],
    ) -> Result<(), OpenError> {
        self.check_open(now, peer, certificate, link)?;
        let mut seeds = Seeds::new(seed);
        let entry = self.peers.entry(peer).or_default();
        let secret = match (&entry.dialogue, &entry.offer) {
            (Some(dialogue), _) => dialogue.secret().clone(),
            (None, Some(offer)) => offer.secret.clone(),
            (None, None) => {
                let secret = DialogueSecret::derive(&seeds.draw());
                entry.offer = Some(Offer { secret: secret.clone(), live_at: None });
                secret
            }
        };
        self.end_attempt(peer, Some(RefusedBecause::Overtaken));
        let attempt = Attempt {
            link,
            responder: certificate.static_key,
            secret,
            seeds,
            stage: Stage::Paused,
            early: None,
            times: 0,
            resend_at: None,
            expires: now + self.config.attempt_max,
        };
        self.peers.entry(peer).or_default().attempt = Some(attempt);
        let begun = self.say_hello(now, peer);
        if begun.is_err() {
            self.end_attempt(peer, None);
        }
        self.settle(now, peer);
        self.announce();
        begun
    }

    /// Has the attempt towards `peer` say something along with its proof of being live, so that the peer hears it one round
    /// trip sooner than any message. It may be lost, and says nothing about what else was said. False where there is no
    /// attempt, or it is too late, or the message too long.
    pub fn say_early(&mut self, peer: IdentityId, protocol: ProtocolId, bytes: Vec<u8>) -> bool {
        let attempt = self.peers.get_mut(&peer).and_then(|peer| peer.attempt.as_mut());
        match attempt {
            Some(attempt) if bytes.len() <= EARLY_MAX && !matches!(attempt.stage, Stage::Live { .. }) => {
                attempt.early = Some(Early { protocol, bytes });
                true
            }
            _ => false,
        }
    }

    fn check_open(
        &self,
        now: Time,
        peer: IdentityId,
        certificate: &StaticCertificate,
        link: LinkId,
    ) -> Result<(), OpenError> {
        if peer == self.identity() {
            return Err(OpenError::Myself);
        }
        if self.ignored.contains(&peer) {
            return Err(OpenError::Ignored);
        }
        if certificate.identity != peer {
            let found = certificate.identity;
            return Err(CertificateError::Identity { expected: peer, found }.into());
        }
        certificate.verify(self.config.network, now)?;
        if self.links.link(link).is_none() {
            return Err(OpenError::UnknownLink);
        }
        match self.dialogue(peer).is_none() && self.is_full() {
            true => Err(OpenError::Full),
            false => Ok(()),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.dialogues().count() >= self.config.dialogues_max
    }

    /// Begins a handshake for the attempt that is there.
    fn say_hello(&mut self, now: Time, id: IdentityId) -> Result<(), OpenError> {
        let Some(attempt) = self.peers.get_mut(&id).and_then(|peer| peer.attempt.as_mut()) else { return Ok(()) };
        let link = self.links.link(attempt.link).ok_or(OpenError::UnknownLink)?;
        let payload = HelloPayload {
            certificate: *self.local.certificate(),
            dialogue: attempt.secret.id(),
            incarnation: self.incarnation,
        };
        let seed = attempt.seeds.draw();
        let handshake = self.local.initiate(self.config.network, link, attempt.responder, &seed);
        let mut handshake = handshake.map_err(|_| OpenError::StaticKey)?;
        let message = handshake.write(&payload.to_bytes()).map_err(|_| OpenError::StaticKey)?;
        let tag = Tag::of(&message);
        let frame = Frame::Hello(message).to_bytes();
        self.out.send(attempt.link, frame.clone(), None);
        attempt.times = 1;
        let repeats = link.profile.kind == LinkKind::Datagram;
        attempt.resend_at = repeats.then(|| now + resend_after(link.profile.round_trip, 1));
        attempt.stage = Stage::Hello { tag, handshake: Box::new(handshake), frame };
        self.links.insert_session(attempt.link, tag, id);
        Ok(())
    }

    /// The answer to our Hello.
    pub(super) fn handle_welcome(&mut self, now: Time, at: (LinkId, Tag), message: &[u8]) -> Result<(), Fault> {
        let Some(id) = self.links.peer(at.0, at.1) else { return Ok(()) };
        let attempt = self.peers.get_mut(&id).and_then(|peer| peer.attempt.as_mut());
        let Some(attempt) = attempt.filter(|attempt| attempt.link == at.0) else { return Ok(()) };
        let Stage::Hello { tag, handshake, .. } = &mut attempt.stage else { return Ok(()) };
        if *tag != at.1 {
            return Ok(());
        }
        let payload = handshake.read(message).map_err(|_| Fault::Anyone(FrameError::Handshake))?;
        let welcome = WelcomePayload::from_bytes(&payload).map_err(|error| Fault::Peer(error.into()))?;
        let proved = handshake.remote_static();
        let mut checked = check_certificate(&welcome.certificate, proved, self.config.network, now);
        if checked.is_ok() && welcome.certificate.identity != id {
            checked = Err(CertificateError::Identity { expected: id, found: welcome.certificate.identity });
        }
        match (checked, welcome.answer) {
            (Err(error), _) => self.end_attempt(id, Some(RefusedBecause::Certificate(error))),
            (_, Answer::Refused(Refusal::Glare)) => self.pause(now, id),
            (_, Answer::Refused(refusal)) => self.end_attempt(id, Some(RefusedBecause::There(refusal))),
            (_, answer) => self.prove_live(now, id, answer, welcome.incarnation),
        }
        self.settle(now, id);
        Ok(())
    }

    /// The other side's attempt goes first. Ours stays, and is repeated in case that one fails.
    fn pause(&mut self, now: Time, id: IdentityId) {
        let Some(attempt) = self.peers.get_mut(&id).and_then(|peer| peer.attempt.as_mut()) else { return };
        let Some(link) = self.links.link(attempt.link) else { return };
        attempt.resend_at = Some(now + resend_after(link.profile.round_trip, 2));
        if let Some(tag) = attempt.tag() {
            self.links.remove_session(attempt.link, tag);
        }
        attempt.stage = Stage::Paused;
    }

    /// The responder has answered: shows it that we are there, unless it has forgotten what we hold.
    fn prove_live(&mut self, now: Time, id: IdentityId, answer: Answer, incarnation: Incarnation) {
        let holds = self.dialogue(id).is_some();
        if holds && answer == Answer::Unknown {
            self.end_attempt(id, None);
            self.end_dialogue(id, ClosedBecause::Forgotten, None);
            return;
        }
        let floor = self.offered_on_disk(now, id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let positions = match peer.dialogue.as_mut() {
            Some(dialogue) => {
                dialogue.meet(incarnation);
                dialogue.positions()
            }
            None => Positions { durable: 0, incarnation, volatile: 0 },
        };
        let Some(attempt) = peer.attempt.as_mut() else { return };
        let (tag, handshake) = match std::mem::replace(&mut attempt.stage, Stage::Paused) {
            Stage::Hello { tag, handshake, .. } => (tag, handshake),
            other => {
                attempt.stage = other;
                return;
            }
        };
        let Ok(transport) = handshake.into_numbered_transport() else { return };
        let mut session = Box::new(Session::new(attempt.link, tag, transport));
        let credential = match answer {
            Answer::Known => Credential::Resume(attempt.secret.proof(Role::Initiator, session.binding())),
            _ => Credential::New(attempt.secret.clone()),
        };
        let mut live = Writer::new();
        live.value(&Record::Live { positions, credential });
        let profile = self.links.link(attempt.link).map(|link| link.profile);
        let room = profile.map_or(0, |profile| profile.frame_max().saturating_sub(SEALED_OVERHEAD));
        if let Some(early) = attempt.early.take() {
            let early = Record::Early(early).to_bytes();
            // What does not fit is said as a message, later.
            if live.len() + early.len() <= room {
                live.raw(&early);
            }
        }
        let live = live.into_bytes();
        let frame = session.seal_plain(&live);
        self.out.send(attempt.link, frame, floor);
        attempt.times = 1;
        let repeats = profile.filter(|profile| profile.kind == LinkKind::Datagram);
        attempt.resend_at = repeats.map(|profile| now + resend_after(profile.round_trip, 1));
        attempt.stage = Stage::Live { session, live, incarnation, after: floor };
    }

    /// Before Live leaves: the offered dialogue must be on disk, since the other side may take it up; and what a held one
    /// tells as confirmed must be durable. Gives the batch to wait for.
    fn offered_on_disk(&mut self, now: Time, id: IdentityId) -> Option<Token> {
        let peer = self.peers.get_mut(&id)?;
        if let Some(dialogue) = &peer.dialogue {
            return dialogue.floor();
        }
        let offer = peer.offer.as_mut()?;
        offer.live_at = Some(now);
        let mut batch = Batch::new();
        journal::put_record(&mut batch, id, Standing::Offered, &offer.secret);
        self.out.persist(batch)
    }

    /// A frame under the attempt's keys: it must begin with Ready, and then the link is ours to use.
    pub(super) fn handle_ready(&mut self, now: Time, id: IdentityId, records: Vec<Record>) -> Result<(), Fault> {
        let mut records = records.into_iter();
        let (positions, proof) = match records.next() {
            Some(Record::Ready { positions, proof }) => (positions, proof),
            // It did not take the link into use but ended the dialogue over our positions.
            Some(Record::Close(goodbye)) => {
                self.end_attempt(id, None);
                self.end_dialogue(id, ClosedBecause::There(goodbye), None);
                self.settle(now, id);
                return Ok(());
            }
            // Frames that overtook Ready will be sent again.
            _ => return Ok(()),
        };
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(attempt) = peer.attempt.take() else { return Ok(()) };
        let Stage::Live { session, incarnation, .. } = attempt.stage else { return Ok(()) };
        if proof != attempt.secret.proof(Role::Responder, session.binding()) {
            self.links.remove_session(session.link, session.tag);
            self.out.notify(News::Refused { peer: id, link: session.link, reason: RefusedBecause::Proof });
            self.settle(now, id);
            return Ok(());
        }
        if glare::is_lower(self.local.identity(), id) {
            self.half_opens.drop_peer(id);
        }
        let is_new = self.hold(now, id, &attempt.secret, incarnation);
        self.take_link(now, id, (*session, Role::Initiator), &positions, is_new);
        self.handle_records(now, id, records.collect())
    }

    /// Makes the dialogue with this secret the one that is held with the peer; says whether it was not before.
    pub(super) fn hold(
        &mut self,
        now: Time,
        id: IdentityId,
        secret: &DialogueSecret,
        incarnation: Incarnation,
    ) -> bool {
        let mut batch = Batch::new();
        if self.dialogue(id).is_some_and(|dialogue| dialogue.secret() == secret) {
            self.peers.entry(id).or_default().offer = None;
            return false;
        }
        self.end_dialogue_in(id, ClosedBecause::Replaced, None, &mut batch);
        journal::put_record(&mut batch, id, Standing::Held, secret);
        let token = self.out.persist(batch);
        let mut dialogue = Dialogue::new(id, secret.clone(), incarnation, now);
        dialogue.rely_on(token);
        let peer = self.peers.entry(id).or_default();
        peer.offer = None;
        peer.dialogue = Some(dialogue);
        true
    }

    /// Moves the dialogue with `id` to the link of a finished handshake.
    pub(super) fn take_link(
        &mut self,
        now: Time,
        id: IdentityId,
        place: (Session, Role),
        theirs: &Positions,
        is_new: bool,
    ) {
        let (session, role) = place;
        let (at, link) = ((session.link, session.tag), self.links.link(session.link).cloned());
        let dialogue = self.peers.get_mut(&id).and_then(|peer| peer.dialogue.as_mut());
        let (Some(dialogue), Some(link)) = (dialogue, link) else { return };
        let left = dialogue.place();
        dialogue.attach(now, link, session, role);
        let rewound = dialogue.rewind(theirs, self.incarnation);
        let dialogue_id = dialogue.id();
        if let Some(left) = left {
            self.links.remove_session(left.0, left.1);
        }
        self.links.remove_session(at.0, at.1);
        self.links.insert_session(at.0, at.1, id);
        match rewound {
            Ok(batch) => _ = self.out.persist(batch),
            Err(Disagreement) => return self.disagree(id),
        }
        self.out.notify(match is_new {
            true => News::Opened { peer: id, dialogue: dialogue_id, link: at.0 },
            false => News::Resumed { peer: id, dialogue: dialogue_id, link: at.0 },
        });
    }

    /// Ends the attempt towards `id`, if there is one, and tells why where the layer above does not know it.
    pub(super) fn end_attempt(&mut self, id: IdentityId, reason: Option<RefusedBecause>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(attempt) = peer.attempt.take() else { return };
        if peer.offer.as_ref().is_some_and(|offer| offer.live_at.is_none()) && reason != Some(RefusedBecause::Overtaken)
        {
            peer.offer = None;
        }
        if let Some(tag) = attempt.tag() {
            self.links.remove_session(attempt.link, tag);
        }
        if let Some(reason) = reason {
            self.out.notify(News::Refused { peer: id, link: attempt.link, reason });
        }
    }

    /// Repeats or gives up.
    pub(super) fn wake_attempt(&mut self, now: Time, id: IdentityId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(attempt) = peer.attempt.as_mut() else { return };
        if now >= attempt.expires {
            return self.end_attempt(id, Some(RefusedBecause::NoAnswer));
        }
        if attempt.resend_at.is_none_or(|at| now < at) {
            return;
        }
        let (frame, after) = match &mut attempt.stage {
            Stage::Hello { frame, .. } => (frame.clone(), None),
            Stage::Live { session, live, after, .. } => {
                if let Some(offer) = peer.offer.as_mut() {
                    offer.live_at = Some(now);
                }
                (session.seal_plain(live), *after)
            }
            Stage::Paused => {
                if self.say_hello(now, id).is_err() {
                    self.end_attempt(id, Some(RefusedBecause::LinkLost));
                }
                return;
            }
        };
        attempt.times += 1;
        let round_trip = self.links.link(attempt.link).map(|link| link.profile.round_trip).unwrap_or_default();
        attempt.resend_at = Some(now + resend_after(round_trip, attempt.times));
        self.out.send(attempt.link, frame, after);
    }
}
