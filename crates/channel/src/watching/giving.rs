//! What a client gives its watchtowers: packets, and money. Nothing is given before it is known what they have.

use byway_primitives::hash::Context;
use byway_primitives::{Amount, Effect, IdentityId, Span, Time};
use byway_records::channel::{ChannelState, Cosigned};
use byway_records::promise::ChannelId;

use super::client::{Standing, WatchedChannels, WatchedNews};
use super::message::{Bill, Pays, WatchMessage, WatchRefusal};
use super::packet::{Packet, RANDOM_BYTES, Unopened};
use super::watch::{Has, is_time};
use super::{PERIOD, days_ahead};
use crate::machine::SUBMIT_AGAIN;

/// How far ahead of our clock the number of a packet can be that a watchtower says it has: clocks go back by hours, not by more.
const NUMBER_AHEAD_MAX: Span = Span::days(2);
const RANDOM: Context = Context("byway 1 channel packet nonce");

impl WatchedChannels {
    pub(super) fn pack(&mut self, now: Time, channel: ChannelId, standing: Standing, state: &Cosigned<ChannelState>) {
        let number = self.last.saturating_add(1).max(now.0);
        let random = self.draw();
        let Some(watched) = self.channels.get_mut(&channel) else { return };
        watched.round = Some(state.body.position.round);
        match Packet::seal(standing.secret, standing.side, number, random, state) {
            Ok(packet) => (watched.newest, watched.error, self.last) = (Some(packet), None, number),
            // What the watchtowers have stays: it is better than nothing.
            Err(error) => watched.error = Some(error),
        }
    }

    fn draw(&mut self) -> [u8; RANDOM_BYTES] {
        self.drawn += 1;
        *RANDOM.hash(&[&self.seed, &self.drawn.to_be_bytes()]).0.first_chunk().expect("a digest is longer")
    }

    pub(super) fn refused(
        &mut self,
        now: Time,
        channel: ChannelId,
        tower: IdentityId,
        refusal: WatchRefusal,
        bill: Bill,
    ) {
        let is_ours = self.with(channel, tower, |watch| {
            // It is asked again after a while.
            (watch.refusal, watch.until, watch.has, watch.asked) = (Some(refusal), None, Has::Unknown, Some(now));
            watch.bill = Some(bill);
        });
        if is_ours.is_none() {
            return;
        }
        self.note_used(channel, tower, bill);
        match refusal {
            WatchRefusal::Old { number } => self.number_above(now, channel, number),
            WatchRefusal::Unpaid => self.pay(now, channel, tower),
            _ => {}
        }
    }

    /// What the watchtower was given earlier has this number: the next packet gets one that it takes.
    pub(super) fn number_above(&mut self, now: Time, channel: ChannelId, number: u64) {
        self.note_number(now, number);
        let Some(watched) = self.channels.get_mut(&channel) else { return };
        if number > self.last || watched.newest.is_none_or(|newest| newest.number() > number) {
            return;
        }
        let standing = watched.standing;
        if let Some((standing, state)) = standing.and_then(|standing| Some((standing, standing.state?))) {
            self.pack(now, channel, standing, &state);
        }
    }

    /// A watchtower has a packet with this number: ours are above it from now on.
    pub(super) fn note_number(&mut self, now: Time, number: u64) {
        if number <= now.0.saturating_add(NUMBER_AHEAD_MAX.0) {
            self.last = self.last.max(number);
        }
    }

    /// With a lost or an old disk we know less of what was paid than the watchtower. Its word moves no money: what it is told
    /// goes on from there.
    pub(super) fn note_used(&mut self, channel: ChannelId, tower: IdentityId, bill: Bill) {
        let spent = self.spent.entry(tower).or_default();
        if bill.used > spent.said {
            spent.said = bill.used;
            self.write(channel, tower);
        }
    }

    /// Spends what is missing to the end of the days that are to be paid ahead, once no more than half of them are left.
    pub(super) fn pay(&mut self, now: Time, channel: ChannelId, tower: IdentityId) {
        let Some(watch) = self.channels.get_mut(&channel).and_then(|watched| watched.towers.get_mut(&tower)) else {
            return;
        };
        let (Some(bill), is_unpaid) = (watch.bill, watch.refusal == Some(WatchRefusal::Unpaid)) else { return };
        let Some(until) = watch.until.or(is_unpaid.then_some(Time::ZERO)) else { return };
        // Who was paid for what is still to come, and says that it was not, gets nothing more for that.
        if is_unpaid && watch.paid_until > now {
            return;
        }
        let ahead = days_ahead(watch.days, bill.days_max);
        let half = Span(ahead.0 / 2);
        if bill.price > watch.price_max || until > now + half || watch.paid_until > now + half {
            return;
        }
        let missing = (now + ahead).since(until.max(watch.paid_until).max(now));
        let periods = (missing.0.saturating_add(PERIOD.0 / 2) / PERIOD.0).max(1);
        let Some(cost) = Amount::cost(bill.price, periods, 1) else { return };
        watch.paid_until = watch.paid_until.max(now) + Span(PERIOD.0.saturating_mul(periods));
        watch.asked = None;
        let spent = self.spent.entry(tower).or_default();
        for sum in [&mut spent.here, &mut spent.said] {
            *sum = sum.checked_add(cost).unwrap_or(Amount::MAX);
        }
        let total = spent.here;
        self.write(channel, tower);
        self.effects.push(Effect::Notify(WatchedNews::Spent { tower, total }));
        self.ask(now, channel, tower);
    }

    /// Says what is spent, and wants to know what the watchtower has.
    pub(super) fn ask(&mut self, now: Time, channel: ChannelId, tower: IdentityId) {
        let is_connected = self.connected.contains(&tower);
        let spent = self.spent.get(&tower).map(|spent| spent.said).unwrap_or_default();
        let watch = self.channels.get_mut(&channel).and_then(|watched| watched.towers.get_mut(&tower));
        let Some(watch) = watch.filter(|watch| is_connected && is_time(watch.asked, now)) else { return };
        watch.asked = Some(now);
        let pays = Pays { spent, days: watch.days };
        let token = self.write(channel, tower);
        let message = WatchMessage::Ask { channel, pays };
        self.effects.push(Effect::Send { to: tower, message, after: Some(token) });
    }

    /// The newest packet, unless the watchtower has it, one is on its way, or this side does not know that its own is no older than
    /// what is there.
    pub(super) fn send(&mut self, now: Time, channel: ChannelId, tower: IdentityId) {
        if !self.connected.contains(&tower) || !self.may_replace(now, channel, tower) {
            return;
        }
        let spent = self.spent.get(&tower).map(|spent| spent.said).unwrap_or_default();
        let Some(watched) = self.channels.get_mut(&channel) else { return };
        let (Some(packet), Some(watch)) = (watched.newest, watched.towers.get_mut(&tower)) else { return };
        if watch.has == Has::Ours(packet.number()) || watch.sent.is_some_and(|(_, at)| now.since(at) < SUBMIT_AGAIN) {
            return;
        }
        watch.sent = Some((packet.number(), now));
        let pays = Pays { spent, days: watch.days };
        let token = self.write(channel, tower);
        let message = WatchMessage::Keep { channel, pays, packet };
        self.effects.push(Effect::Send { to: tower, message, after: Some(token) });
    }

    /// Whether what a watchtower has may be replaced. A disk of last week must not make it forget what it was given since.
    pub(super) fn may_replace(&mut self, now: Time, channel: ChannelId, tower: IdentityId) -> bool {
        let Some(watched) = self.channels.get_mut(&channel) else { return false };
        let (standing, entry, round, newest) =
            (watched.standing, watched.entry.as_ref(), watched.round, watched.newest);
        let Some(watch) = watched.towers.get_mut(&tower) else { return false };
        let (packet, is_told) = match watch.has {
            Has::Unknown => {
                self.ask(now, channel, tower);
                return false;
            }
            Has::Nothing | Has::Ours(_) => return true,
            Has::Shown { packet, is_told } => (packet, is_told),
        };
        let Some((standing, entry)) = standing.zip(entry) else { return false };
        let opened = packet.open(standing.secret, standing.side, self.network, channel, entry);
        match opened {
            Ok(state) if Some(state.body.position.round) == round && newest.is_some() => {
                watch.has = newest.map_or(Has::Nothing, |newest| Has::Ours(newest.number()));
                return true;
            }
            Ok(state) if round.is_none_or(|round| state.body.position.round > round) => {
                watch.has = Has::Shown { packet, is_told: true };
                if !is_told {
                    let state = Box::new(state);
                    self.effects.push(Effect::Notify(WatchedNews::Newer { channel, state }));
                }
                return false;
            }
            // What nobody can read any more is worth nothing, where the peer has said that ours is the newest.
            Err(Unopened::Unreadable) if !standing.is_heard => return false,
            // The ledger has not seen all yet that was put in or taken out, or we have forgotten it.
            Err(Unopened::OtherTotal { round: theirs }) if round.is_none_or(|round| theirs > round) => return false,
            _ => {}
        }
        self.number_above(now, channel, packet.number());
        true
    }
}
