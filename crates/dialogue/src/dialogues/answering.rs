//! The responder's side of the handshake.

use byway_primitives::{Decode, Encode, IdentityId, Time};

use super::half_open::HalfOpen;
use super::{Dialogues, Fault};
use crate::frame::{Credential, Early, Frame, FrameError, Positions, Record, Tag};
use crate::glare;
use crate::handshake::{
    Answer, DialogueId, DialogueSecret, HelloPayload, Role, Seeds, WelcomePayload, check_certificate,
};
use crate::link::{LinkEnd, LinkId, LinkKind};
use crate::news::{News, Refusal, RefusedBecause};
use crate::session::Session;

impl Dialogues {
    /// Somebody opens. Answering is idempotent: the same Hello again gets the same answer, and none changes any dialogue.
    pub(super) fn handle_hello(
        &mut self,
        now: Time,
        link: LinkId,
        message: &[u8],
        seed: [u8; 32],
    ) -> Result<(), Fault> {
        let tag = Tag::of(message);
        if let Some(half_open) = self.half_opens.find(link, tag) {
            self.out.send(link, half_open.welcome.clone(), None);
            return Ok(());
        }
        if self.links.peer(link, tag).is_some() {
            return Ok(());
        }
        if !self.links.admits_hello(link, now) {
            if self.links.link(link).is_some_and(|link| link.profile.kind == LinkKind::Stream) {
                self.end_link(now, link, LinkEnd::Flooded);
            }
            return Ok(());
        }
        self.answer(now, (link, tag), message, seed)
    }

    fn answer(&mut self, now: Time, at: (LinkId, Tag), message: &[u8], seed: [u8; 32]) -> Result<(), Fault> {
        let failed = Fault::Anyone(FrameError::Handshake);
        let Some(link) = self.links.link(at.0) else { return Ok(()) };
        let seed = Seeds::new(seed).draw();
        let mut handshake = self.local.respond(self.config.network, link, &seed).map_err(|_| failed)?;
        let payload = handshake.read(message).map_err(|_| failed)?;
        let hello = HelloPayload::from_bytes(&payload).map_err(|error| Fault::Anyone(error.into()))?;
        let peer = hello.certificate.identity;
        if peer == self.identity() || self.ignored.contains(&peer) {
            return Ok(());
        }
        let proved = handshake.remote_static();
        let answer = match check_certificate(&hello.certificate, proved, self.config.network, now) {
            Ok(()) => self.answer_to(now, peer, hello.dialogue),
            Err(_) => Answer::Refused(Refusal::Certificate),
        };
        let welcome = WelcomePayload { certificate: *self.local.certificate(), incarnation: self.incarnation, answer };
        let message = handshake.write(&welcome.to_bytes()).map_err(|_| failed)?;
        let welcome = Frame::Welcome { tag: at.1, message }.to_bytes();
        self.out.send(at.0, welcome.clone(), None);
        if !matches!(answer, Answer::Refused(_)) {
            let transport = handshake.into_numbered_transport().map_err(|_| failed)?;
            let session = Session::new(at.0, at.1, transport);
            let (dialogue, incarnation) = (hello.dialogue, hello.incarnation);
            self.half_opens.insert(HalfOpen {
                peer,
                certificate: hello.certificate,
                session,
                dialogue,
                incarnation,
                welcome,
                since: now,
            });
        }
        Ok(())
    }

    fn answer_to(&self, now: Time, id: IdentityId, dialogue: DialogueId) -> Answer {
        let known = self.peers.get(&id).is_some_and(|peer| peer.secret(dialogue).is_some());
        if self.insists(now, id, dialogue) {
            Answer::Refused(Refusal::Glare)
        } else if self.half_opens.is_full() || (self.dialogue(id).is_none() && self.is_full()) {
            Answer::Refused(Refusal::Full)
        } else if known {
            Answer::Known
        } else {
            Answer::Unknown
        }
    }

    fn insists(&self, now: Time, id: IdentityId, dialogue: DialogueId) -> bool {
        let stance = self.peers.get(&id).map(super::Peer::stance);
        stance.is_some_and(|stance| glare::insists(self.identity(), id, stance, dialogue, now))
    }

    /// A frame under the keys of a half-open: it must begin with Live, and then the initiator is there, now.
    pub(super) fn handle_live(&mut self, now: Time, at: (LinkId, Tag), records: Vec<Record>) -> Result<(), Fault> {
        let mut records = records.into_iter();
        let Some(Record::Live { positions, credential }) = records.next() else { return Ok(()) };
        let Some(half_open) = self.half_opens.take(at.0, at.1) else { return Ok(()) };
        let id = half_open.peer;
        if self.insists(now, id, half_open.dialogue) {
            return Ok(());
        }
        let Some(secret) = self.admit(&half_open, credential)? else { return Ok(()) };
        self.end_attempt(id, Some(RefusedBecause::Overtaken));
        self.begin(now, half_open, &secret, &positions);
        let mut records: Vec<Record> = records.collect();
        // Of a Live that comes again, with or without it, nothing is taken but that Ready was lost.
        let is_early = matches!(records.first(), Some(Record::Early(_)));
        if let Some(Record::Early(Early { protocol, bytes })) = is_early.then(|| records.remove(0))
            && self.dialogue(id).is_some_and(|dialogue| dialogue.is_on(at.0, at.1))
        {
            self.out.notify(News::Early { peer: id, protocol, bytes });
        }
        self.handle_records(now, id, records)
    }

    /// The secret of the dialogue that the initiator may use by this credential, if any.
    fn admit(&self, half_open: &HalfOpen, credential: Credential) -> Result<Option<DialogueSecret>, Fault> {
        let wrong = Fault::Peer(FrameError::Handshake);
        match credential {
            Credential::New(secret) if secret.id() != half_open.dialogue => Err(wrong),
            Credential::New(secret) => {
                let has_room = self.dialogue(half_open.peer).is_some() || !self.is_full();
                Ok(has_room.then_some(secret))
            }
            Credential::Resume(proof) => {
                let peer = self.peers.get(&half_open.peer);
                // It may have ended since we answered; the initiator will learn that when it opens again.
                let Some(secret) = peer.and_then(|peer| peer.secret(half_open.dialogue)) else { return Ok(None) };
                let expected = secret.proof(Role::Initiator, half_open.session.binding());
                if proof == expected { Ok(Some(secret.clone())) } else { Err(wrong) }
            }
        }
    }

    fn begin(&mut self, now: Time, half_open: HalfOpen, secret: &DialogueSecret, theirs: &Positions) {
        let HalfOpen { peer: id, certificate, session, incarnation, .. } = half_open;
        let is_new = self.hold(now, id, secret, incarnation);
        if let Some(dialogue) = self.peers.get_mut(&id).and_then(|peer| peer.dialogue.as_mut()) {
            dialogue.meet(incarnation);
            dialogue.is_shown(certificate);
        }
        self.take_link(now, id, (session, Role::Responder), theirs, is_new);
        if let Some(dialogue) = self.peers.get_mut(&id).and_then(|peer| peer.dialogue.as_mut()) {
            dialogue.say_ready(now, &mut self.out);
        }
    }
}
