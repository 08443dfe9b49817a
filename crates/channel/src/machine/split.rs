//! Parting without the state, by a split that both users name.
//!
//! ```text
//! user names a split ─ Split(close) ─▶ its user names the same: signs, never signs an update again
//! checks, signs, hands it in ◀─ Split(close, signature) ─
//! ```
//!
//! Where both have lost what stands under the root, neither can say what is whose: the ledger would wait for a year and give back
//! what was put in. But it pays what both sign. So each user types the numbers, and nothing is signed where they differ in one of
//! them. A side that knows where the two stand, since it has the contents and has heard its peer, names and signs none: it parts by
//! what it knows. What a user has named counts for ten minutes and not after a restart.

use byway_crypto::IdentitySignature;
use byway_primitives::{Amount, Encode, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Agreed as _, ChannelAssets, Cosigned, MutualClose};

use super::{CLOSING_TIME_MAX, ChannelMachine, Link, in_order};
use crate::consent::CONSENT_TIME_MAX;
use crate::journal::{Health, Life};
use crate::message::ChannelMessage;
use crate::news::{ChannelNews, CloseError, PeerFault};
use crate::signer::Signer;

/// How often our user is told that the peer's asks for another split.
const ASKED_EVERY: Span = Span::minutes(1);

/// What each gets of all that is in a channel, in the order of the parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    pub balances: [Amount; 2],
    /// Of each asset beside WAY.
    pub assets: ChannelAssets,
}

/// What the two users want who part without the state.
#[derive(Debug, Clone, Default)]
pub(super) struct Splitting {
    /// What ours has named, and until when that counts.
    named: Option<(Split, Time)>,
    /// What the peer last asked for.
    asked: Option<MutualClose>,
    /// Of what our user was last told that it was asked for, and when.
    told: Option<(Split, Time)>,
}

impl Split {
    fn of(close: &MutualClose) -> Self {
        Self { balances: close.balances, assets: close.assets }
    }
}

impl<S: Signer> ChannelMachine<S> {
    /// Our user names how the two part who have both lost the state. Signed once the peer's has named the same.
    ///
    /// # Errors
    /// If this side knows where the two stand, or that is not all that is in the channel.
    pub fn close_split(&mut self, now: Time, split: Split) -> Result<(), CloseError> {
        self.begin(now);
        self.may_split()?;
        if !self.divides_all(&split) {
            return Err(CloseError::Split);
        }
        self.splitting.named = Some((split, now + CONSENT_TIME_MAX));
        match self.splitting.asked.take_if(|asked| Split::of(asked) == split && now < asked.expires) {
            Some(close) => self.sign_split(now, close),
            None => self.say_split(now),
        }
        Ok(())
    }

    /// What our user has named, and until when it counts.
    pub fn named_split(&self, now: Time) -> Option<(Split, Time)> {
        self.splitting.named.filter(|(_, until)| now <= *until)
    }

    /// What the peer's user has named last, and until when this side can sign that.
    pub fn asked_split(&self, now: Time) -> Option<(Split, Time)> {
        let asked = self.splitting.asked.as_ref().filter(|asked| now < asked.expires);
        asked.map(|asked| (Split::of(asked), asked.expires))
    }

    /// Whether there was one. What was signed counts until its time is over.
    pub(super) fn take_split_back(&mut self) -> bool {
        self.splitting.named.take().is_some()
    }

    /// On a connection after the one on which it was said, or where nobody was there.
    pub(super) fn say_split(&mut self, now: Time) {
        if let Some((Split { balances, assets }, _)) = self.named_split(now) {
            let (network, channel) = (self.record.ground.network, self.record.id);
            let close = MutualClose { network, channel, balances, assets, expires: now + CLOSING_TIME_MAX };
            self.send(ChannelMessage::Split { close, signature: None });
        }
    }

    pub(super) fn handle_split(
        &mut self,
        now: Time,
        close: MutualClose,
        signature: Option<IdentitySignature>,
    ) -> Result<(), PeerFault> {
        if (close.network, close.channel) != (self.record.ground.network, self.record.id) {
            return Err(PeerFault::OutOfPlace);
        }
        let split = Split::of(&close);
        let is_in_time = now < close.expires && close.expires <= now + CLOSING_TIME_MAX + CLOSING_TIME_MAX;
        if self.link == Link::Disconnected || !is_in_time || self.may_split().is_err() || !self.divides_all(&split) {
            return Ok(());
        }
        let is_ours = self.named_split(now).is_some_and(|(named, _)| named == split);
        match signature {
            _ if !is_ours => {
                self.splitting.asked = Some(close);
                self.tell_asked(now, split);
            }
            None => self.sign_split(now, close),
            Some(theirs) => {
                let checked = theirs.verify(self.peer(), MutualClose::PURPOSE, close.network, &close.to_bytes());
                checked.map_err(|_| PeerFault::Signature)?;
                self.end_updates(now);
                let signatures = in_order(self.record.side, self.signer.sign_close(&close), theirs);
                let (body, parties) = (close, self.record.ground.terms.parties);
                self.notify(ChannelNews::Submit(ChannelsCall::CloseMutual(Cosigned { body, parties, signatures })));
            }
        }
        Ok(())
    }

    /// A peer can ask for another split with each message; the last one is always shown.
    fn tell_asked(&mut self, now: Time, split: Split) {
        if self.splitting.told.is_none_or(|(told, at)| told != split && now.since(at) >= ASKED_EVERY) {
            self.splitting.told = Some((split, now));
            self.notify(ChannelNews::AskedToSplit(split));
        }
    }

    fn sign_split(&mut self, now: Time, close: MutualClose) {
        self.end_updates(now);
        let signature = Some(self.signer.sign_close(&close));
        self.send(ChannelMessage::Split { close, signature });
    }

    /// The peer can hand in what is signed as long as its time is not over: nothing is signed beside it.
    fn end_updates(&mut self, now: Time) {
        if self.record.life == Life::Open {
            self.begin_closing(now);
        }
    }

    /// Whether this side may part by what two people say: it doesn't know better.
    fn may_split(&self) -> Result<(), CloseError> {
        if !matches!(self.record.life, Life::Open | Life::Closing) {
            return Err(CloseError::NotOpen);
        }
        if self.record.backing.is_some() {
            return Err(CloseError::Virtual);
        }
        if self.record.health == Health::Sound && self.has_heard {
            return Err(CloseError::Known);
        }
        if self.record.fund.is_some() || !self.record.released.is_empty() { Err(CloseError::Busy) } else { Ok(()) }
    }

    /// Whether the ledger takes a split: it is of all that is in the channel, and leaves each the reserve.
    fn divides_all(&self, split: &Split) -> bool {
        let (held, reserve) = (&self.record.held, self.record.ground.terms.reserve);
        Amount::checked_sum(split.balances) == Some(held.total)
            && split.balances.iter().all(|balance| *balance >= reserve)
            && held.assets.is_divided_by(&split.assets)
    }
}
