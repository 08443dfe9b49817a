//! All dialogues of one identity: opening, answering, routing frames, timers.
//!
//! Here stand the commands of the layer above and of the driver; `opening` is the initiator's side of the handshake,
//! `answering` the responder's.

mod answering;
mod commit;
mod half_open;
mod links;
mod opening;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Batch, IdentityId, Store, Time, Timer};

pub use commit::{Commit, CommitError};
pub use opening::OpenError;

use crate::config::{Config, IGNORED_MAX};
use crate::dialogue::{Dialogue, Outcome, Wake};
use crate::frame::{Frame, FrameError, Record, Tag, decode_records};
use crate::glare::Stance;
use crate::handshake::{DialogueId, DialogueSecret, Incarnation, Local, Seeds};
use crate::journal::{self, RestoreError, Standing};
use crate::link::{Link, LinkEnd, LinkId, LinkKind};
use crate::news::{ClosedBecause, Goodbye, News, RefusedBecause};
use crate::outputs::{Output, Outputs};
use half_open::HalfOpens;
use links::Links;
use opening::Attempt;

/// Every dialogue of one identity, at most one with each peer (row A8).
///
/// Call order: tell it of links ([`attach`](Self::attach), [`detach`](Self::detach)), hand it frames
/// ([`handle_frame`](Self::handle_frame)) and time ([`handle_wake`](Self::handle_wake)), give commands, and after each of
/// these fetch what it wants done with [`poll`](Self::poll) until there is nothing more. `now` never goes back.
#[derive(Debug)]
pub struct Dialogues {
    config: Config,
    local: Local,
    incarnation: Incarnation,
    links: Links,
    peers: BTreeMap<IdentityId, Peer>,
    half_opens: HalfOpens,
    ignored: BTreeSet<IdentityId>,
    deadlines: BTreeSet<(Time, IdentityId)>,
    out: Outputs,
    /// What the driver's stands at.
    timer: Timer,
}

/// What there is with one peer.
#[derive(Debug, Default)]
struct Peer {
    dialogue: Option<Dialogue>,
    /// A new dialogue that we want, but do not know to be taken up.
    offer: Option<Offer>,
    attempt: Option<Attempt>,
    deadline: Option<Time>,
}

/// A new dialogue before both sides hold it. Every attempt offers the same one, until it is taken up or given up, so that
/// attempts that overlap can't make two.
#[derive(Debug)]
struct Offer {
    secret: DialogueSecret,
    /// When Live was last sent for it. From then on it may be held by the other side, and is on disk here.
    live_at: Option<Time>,
}

/// What went wrong with a frame, by who can have caused it.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Anyone who can put bytes on the link. Over datagrams that is nobody's fault.
    Anyone(FrameError),
    /// The peer itself, under its keys.
    Peer(FrameError),
}

impl Dialogues {
    /// Starts with the dialogues that are on disk; they wait for links. `seed` is fresh randomness.
    pub fn restore(
        config: Config,
        local: Local,
        store: &impl Store,
        now: Time,
        seed: [u8; 32],
    ) -> Result<Self, RestoreError> {
        let drawn = Seeds::new(seed).draw();
        let incarnation = Incarnation(*drawn.first_chunk().expect("32 bytes hold 8"));
        let mut dialogues = Self {
            config,
            local,
            incarnation,
            links: Links::default(),
            peers: BTreeMap::new(),
            half_opens: HalfOpens::default(),
            ignored: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            out: Outputs::default(),
            timer: Timer::default(),
        };
        for (id, saved) in journal::load(store)? {
            let peer = match saved.standing {
                Standing::Offered => {
                    Peer { offer: Some(Offer { secret: saved.secret, live_at: Some(now) }), ..Peer::default() }
                }
                // Which run of the peer it is will be learnt when they meet; no run has this number but by chance.
                Standing::Held => {
                    Peer { dialogue: Some(Dialogue::restore(id, saved, Incarnation([0; 8]), now)), ..Peer::default() }
                }
            };
            dialogues.peers.insert(id, peer);
            dialogues.settle(now, id);
        }
        dialogues.announce();
        Ok(dialogues)
    }

    /// Takes a renewed certificate for what is opened and answered from now on.
    pub fn renew(&mut self, local: Local) {
        assert_eq!(local.identity(), self.local.identity(), "one machine serves one identity");
        self.local = local;
    }

    pub fn identity(&self) -> IdentityId {
        self.local.identity()
    }

    /// The dialogue with `peer`, if there is one.
    pub fn dialogue(&self, peer: IdentityId) -> Option<&Dialogue> {
        self.peers.get(&peer)?.dialogue.as_ref()
    }

    /// All dialogues, by peer.
    pub fn dialogues(&self) -> impl Iterator<Item = &Dialogue> {
        self.peers.values().filter_map(|peer| peer.dialogue.as_ref())
    }

    /// Something to do, if there is anything left.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// A link is there, on which either side may open. Says whether it was taken; it is not where it is known already or
    /// there are too many.
    #[must_use]
    pub fn attach(&mut self, link: Link) -> bool {
        self.links.insert(link)
    }

    /// A link is gone. Dialogues that were on it wait for another.
    pub fn detach(&mut self, now: Time, link: LinkId) {
        self.drop_link(now, link);
        self.announce();
    }

    /// A frame came. `seed` is fresh randomness, for an answer if the frame opens.
    pub fn handle_frame(&mut self, now: Time, link: LinkId, bytes: &[u8], seed: [u8; 32]) {
        let Some(kind) = self.links.link(link).map(|link| link.profile.kind) else { return };
        let handled = match Frame::from_bytes(bytes) {
            Ok(Frame::Hello(message)) => self.handle_hello(now, link, &message, seed),
            Ok(Frame::Welcome { tag, message }) => self.handle_welcome(now, (link, tag), &message),
            Ok(Frame::Sealed { tag, number, sealed }) => self.handle_sealed(now, (link, tag), number, &sealed),
            Err(error) => Err(Fault::Anyone(error)),
        };
        match (handled, kind) {
            (Ok(()), _) | (Err(Fault::Anyone(_)), LinkKind::Datagram) => {}
            (Err(Fault::Anyone(error) | Fault::Peer(error)), _) => {
                self.end_link(now, link, LinkEnd::Malformed(error));
            }
        }
        self.announce();
    }

    /// Time has passed.
    pub fn handle_wake(&mut self, now: Time) {
        self.timer.stop();
        self.half_opens.expire(now);
        let due: Vec<_> = self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, peer)| *peer).collect();
        for peer in due {
            self.wake_peer(now, peer);
            self.settle(now, peer);
        }
        self.announce();
    }

    /// Ends the dialogue with `peer`, and any attempt to open one.
    pub fn close(&mut self, now: Time, peer: IdentityId, goodbye: Goodbye) {
        self.withdraw(peer);
        self.end_dialogue(peer, ClosedBecause::Here(goodbye), Some(goodbye));
        self.settle(now, peer);
        self.announce();
    }

    /// Ends the dialogue with `peer` without a word, and takes no notice of it from now on; it will find only silence.
    /// Kept in memory: tell it again after a restart. False if too many are ignored already.
    #[must_use]
    pub fn ignore(&mut self, now: Time, peer: IdentityId) -> bool {
        if self.ignored.len() >= IGNORED_MAX {
            return false;
        }
        self.ignored.insert(peer);
        self.withdraw(peer);
        self.end_dialogue(peer, ClosedBecause::Ignored, None);
        self.settle(now, peer);
        self.announce();
        true
    }

    /// Takes notice of `peer` again.
    pub fn heed(&mut self, peer: IdentityId) {
        self.ignored.remove(&peer);
    }
}

/// Frames under the keys of a handshake.
impl Dialogues {
    fn handle_sealed(&mut self, now: Time, at: (LinkId, Tag), number: u64, sealed: &[u8]) -> Result<(), Fault> {
        if let Some(half_open) = self.half_opens.find(at.0, at.1) {
            let plain = half_open.session.open(number, sealed).map_err(Fault::Anyone)?;
            let records = decode_records(&plain.unwrap_or_default()).map_err(Fault::Peer)?;
            return self.handle_live(now, at, records);
        }
        let Some(id) = self.links.peer(at.0, at.1) else { return Ok(()) };
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if let Some(session) = peer.attempt.as_mut().and_then(|attempt| attempt.session(at)) {
            let plain = session.open(number, sealed).map_err(Fault::Anyone)?;
            let records = decode_records(&plain.unwrap_or_default()).map_err(Fault::Peer)?;
            return self.handle_ready(now, id, records);
        }
        let Some(dialogue) = peer.dialogue.as_mut().filter(|dialogue| dialogue.is_on(at.0, at.1)) else {
            return Ok(());
        };
        let Some(plain) = dialogue.open(number, sealed).map_err(Fault::Anyone)? else { return Ok(()) };
        let records = decode_records(&plain).map_err(Fault::Peer)?;
        self.handle_records(now, id, records)
    }

    /// Records that came in the dialogue with `peer`, on the link that it is on.
    fn handle_records(&mut self, now: Time, id: IdentityId, records: Vec<Record>) -> Result<(), Fault> {
        let Some(dialogue) = self.peers.get_mut(&id).and_then(|peer| peer.dialogue.as_mut()) else { return Ok(()) };
        let outcome = dialogue.handle_records(now, records, &self.config, &mut self.out).map_err(Fault::Peer)?;
        match outcome {
            Outcome::GoOn => {}
            Outcome::Closed(goodbye) => self.end_dialogue(id, ClosedBecause::There(goodbye), None),
            Outcome::Disagreement => self.disagree(id),
        }
        self.settle(now, id);
        Ok(())
    }
}

/// Endings.
impl Dialogues {
    fn disagree(&mut self, peer: IdentityId) {
        self.end_dialogue(peer, ClosedBecause::Disagreement, Some(Goodbye::Disagreement));
    }

    fn end_dialogue(&mut self, peer: IdentityId, reason: ClosedBecause, say: Option<Goodbye>) {
        let mut batch = Batch::new();
        self.end_dialogue_in(peer, reason, say, &mut batch);
        self.out.persist(batch);
    }

    /// Ends the dialogue with `peer`, if there is one; its deletion goes into `batch`.
    fn end_dialogue_in(&mut self, id: IdentityId, reason: ClosedBecause, say: Option<Goodbye>, batch: &mut Batch) {
        let Some(mut dialogue) = self.peers.get_mut(&id).and_then(|peer| peer.dialogue.take()) else { return };
        // An attempt that is under way would take up the dialogue that ends here.
        self.end_attempt(id, Some(RefusedBecause::Over));
        dialogue.delete(batch);
        if let Some((link, frame)) = say.and_then(|goodbye| dialogue.goodbye(goodbye)) {
            self.out.send(link, frame, dialogue.floor());
        }
        let place = dialogue.place();
        if let Some((link, tag)) = place {
            self.links.remove_session(link, tag);
        }
        let link = place.map(|(link, _)| link);
        self.out.notify(News::Closed { peer: id, dialogue: dialogue.id(), reason, link });
    }

    /// Gives up any attempt and offer.
    fn withdraw(&mut self, id: IdentityId) {
        self.end_attempt(id, None);
        self.half_opens.drop_peer(id);
        let offer = self.peers.get_mut(&id).and_then(|peer| peer.offer.take());
        if offer.is_some_and(|offer| offer.live_at.is_some()) {
            let mut batch = Batch::new();
            journal::delete(&mut batch, id, 1, 0);
            self.out.persist(batch);
        }
    }

    fn end_link(&mut self, now: Time, link: LinkId, reason: LinkEnd) {
        self.drop_link(now, link);
        self.out.notify(News::LinkEnded { link, reason });
    }

    fn drop_link(&mut self, now: Time, link: LinkId) {
        self.half_opens.drop_link(link);
        for id in self.links.remove(link) {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if let Some(dialogue) = peer.dialogue.as_mut().filter(|dialogue| dialogue.link() == Some(link)) {
                dialogue.detach();
                self.out.notify(News::Detached { peer: id, dialogue: dialogue.id() });
            }
            if peer.attempt.as_ref().is_some_and(|attempt| attempt.link() == link) {
                self.end_attempt(id, Some(RefusedBecause::LinkLost));
            }
            self.settle(now, id);
        }
    }
}

/// Timers.
impl Dialogues {
    fn wake_peer(&mut self, now: Time, id: IdentityId) {
        self.wake_attempt(now, id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let is_over = |offer: &Offer| offer.live_at.is_some_and(|at| at + self.config.silence_max <= now);
        if peer.attempt.is_none() && peer.offer.as_ref().is_some_and(is_over) {
            self.withdraw(id);
        }
        let Some(dialogue) = self.peers.get_mut(&id).and_then(|peer| peer.dialogue.as_mut()) else { return };
        match dialogue.handle_wake(now, &self.config) {
            Wake::GoOn => {}
            Wake::LinkSilent(link) => self.end_link(now, link, LinkEnd::Silent),
            Wake::Silent => self.end_dialogue(id, ClosedBecause::Silence, None),
        }
    }

    /// After anything happened with a peer: sends what there is to send, and sets its timer.
    fn settle(&mut self, now: Time, id: IdentityId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(dialogue) = peer.dialogue.as_mut() {
            dialogue.flush(now, &mut self.out);
        }
        let deadline = peer.next_deadline(&self.config);
        if let Some(old) = peer.deadline.take() {
            self.deadlines.remove(&(old, id));
        }
        peer.deadline = deadline;
        match deadline {
            Some(at) => _ = self.deadlines.insert((at, id)),
            None => _ = self.peers.remove(&id),
        }
    }

    /// Asks to be woken, where that is sooner than was asked for.
    fn announce(&mut self) {
        let peers = self.deadlines.first().map(|(at, _)| *at);
        let Some(next) = peers.into_iter().chain(self.half_opens.deadline()).min() else { return };
        if self.timer.set(next) {
            self.out.wake_at(next);
        }
    }
}

impl Peer {
    fn stance(&self) -> Stance {
        match (&self.attempt, &self.offer) {
            (Some(_), _) => Stance::Attempting,
            (None, Some(Offer { secret, live_at: Some(live_at) })) => {
                Stance::Offered { dialogue: secret.id(), live_at: *live_at }
            }
            (None, _) => Stance::Idle,
        }
    }

    /// The secret of the dialogue that is named, if it is held, or offered and perhaps taken up.
    fn secret(&self, id: DialogueId) -> Option<&DialogueSecret> {
        let held = self.dialogue.as_ref().map(Dialogue::secret);
        let offered = self.offer.as_ref().filter(|offer| offer.live_at.is_some()).map(|offer| &offer.secret);
        held.into_iter().chain(offered).find(|secret| secret.id() == id)
    }

    fn next_deadline(&self, config: &Config) -> Option<Time> {
        let dialogue = self.dialogue.as_ref().map(|dialogue| dialogue.deadline(config));
        let attempt = self.attempt.as_ref().map(Attempt::deadline);
        let offer = self.offer.as_ref().filter(|_| self.attempt.is_none());
        let offer = offer.and_then(|offer| offer.live_at).map(|at| at + config.silence_max);
        dialogue.into_iter().chain(attempt).chain(offer).min()
    }
}
