//! What there is with one holder.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_primitives::Time;

use super::Of;
use crate::delivery::letter::PART_MAX;
use crate::delivery::outbox::WINDOW;
use crate::holding::envelope::EnvelopeId;
use crate::holding::message::{ANNOUNCED_MAX, HoldRefusal};
use crate::holding::{ASK_AGAIN, SAY_AGAIN};

/// How far an envelope is that was announced and of which the holder has not said what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Announced,
    Wanted,
    /// All of it, so many bytes.
    Sent(usize),
}

/// Parts of an envelope that are under way.
pub(super) struct Current {
    pub of: Of,
    pub envelope: EnvelopeId,
    pub bytes: Vec<u8>,
    pub sent: usize,
    /// As far as the holder has said.
    pub got: usize,
}

/// A holder: each envelope that is for it is either under way or on the agenda.
#[derive(Default)]
pub(super) struct Way {
    pub is_there: bool,
    /// Since when; no more than [`ANNOUNCED_MAX`].
    under_way: BTreeMap<Of, (Stage, Time)>,
    /// When each of the others is announced, and the same in the order of time.
    times: BTreeMap<Of, Time>,
    agenda: BTreeSet<(Time, Of)>,
    wanted: VecDeque<Of>,
    pub current: Option<Current>,
}

impl Way {
    /// That of a holder who has just come.
    pub fn there() -> Self {
        Self { is_there: true, ..Self::default() }
    }

    /// Has it announced then.
    pub fn plan(&mut self, of: Of, at: Time) {
        self.forget(of);
        self.times.insert(of, at);
        self.agenda.insert((at, of));
    }

    /// It is not brought here any more.
    pub fn forget(&mut self, of: Of) {
        self.under_way.remove(&of);
        self.wanted.retain(|other| *other != of);
        self.current.take_if(|current| current.of == of);
        if let Some(at) = self.times.remove(&of) {
            self.agenda.remove(&(at, of));
        }
    }

    /// Whether anything is to be announced.
    pub fn is_due(&self, now: Time) -> bool {
        self.agenda.first().is_some_and(|(at, _)| *at <= now)
    }

    /// The next that is to be announced, if as many as may be are not under way.
    pub fn next_due(&self, now: Time) -> Option<Of> {
        let (at, of) = self.agenda.first()?;
        (*at <= now && self.under_way.len() < ANNOUNCED_MAX).then_some(*of)
    }

    pub fn begin(&mut self, now: Time, of: Of) {
        self.forget(of);
        self.under_way.insert(of, (Stage::Announced, now));
    }

    pub fn set(&mut self, now: Time, of: Of, stage: Stage) {
        self.under_way.insert(of, (stage, now));
    }

    /// The holder is gone: what was under way begins anew when it is back.
    pub fn stop(&mut self) {
        (self.is_there, self.current) = (false, None);
        self.wanted.clear();
        let under_way: Vec<Of> = self.under_way.keys().copied().collect();
        under_way.into_iter().for_each(|of| self.plan(of, Time::ZERO));
    }

    /// Has announced anew what the holder has said nothing of for long.
    pub fn give_up(&mut self, now: Time) {
        let silent = self.under_way.iter().filter(|(_, (_, at))| *at + SAY_AGAIN <= now).map(|(of, _)| *of);
        silent.collect::<Vec<Of>>().into_iter().for_each(|of| self.plan(of, now));
    }

    /// The parts from `next` on may come.
    pub fn wanted(&mut self, now: Time, of: Of, next: u16) {
        if next == 0 {
            if matches!(self.under_way.get(&of), Some((Stage::Announced, _))) {
                self.set(now, of, Stage::Wanted);
                self.wanted.push_back(of);
            }
        } else if let Some(current) = self.current.as_mut().filter(|current| current.of == of) {
            current.got = current.got.max(usize::from(next) * PART_MAX).min(current.sent);
            self.set(now, of, Stage::Wanted);
        }
    }

    /// It is held, or why it is not. It is asked again later.
    pub fn has_said(&mut self, now: Time, of: Of, refusal: Option<HoldRefusal>) {
        let is_soon = matches!(refusal, Some(HoldRefusal::Busy | HoldRefusal::Damaged));
        // Words on what is not brought here say nothing.
        if self.under_way.contains_key(&of) || self.times.contains_key(&of) {
            self.plan(of, now + if is_soon { SAY_AGAIN } else { ASK_AGAIN });
        }
    }

    pub fn next_wanted(&mut self) -> Option<Of> {
        self.wanted.pop_front()
    }

    /// Whether as much is under way as may be without a word.
    pub fn is_full(&self) -> bool {
        let whole = self.under_way.values().map(|(stage, _)| if let Stage::Sent(length) = stage { *length } else { 0 });
        let begun = self.current.as_ref().map_or(0, |current| current.sent - current.got);
        whole.sum::<usize>() + begun >= WINDOW
    }
}
