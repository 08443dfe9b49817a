//! Notes of which one wants to be reminded: whoever watches is told of each when its time has come.
//!
//! Which there are is read once after a start, a page with each tick, and kept as the conversation with oneself tells of them. Up to when they were told
//! is on the disk, so that what came while the node was down is told once when it is there again.

use std::collections::BTreeMap;

use byway_chat::chats::Shown;
use byway_chat::content::{Kind, MessageRef};
use byway_driver::disk::Journal;
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Batch, Space, Span, Store, Time};

use super::super::Actor;
use crate::api::*;

/// Up to when reminders were told: one value.
const TOLD: Space = Space("chat-reminded");
/// Its key: an empty one is not kept.
const KEY: &[u8] = b"told";
/// Notes that are looked through with one tick.
const PAGE: usize = 256;
/// For how long one whose time has come is shown to whoever comes to watch.
const SHOWN_FOR: Span = Span::days(1);

/// How far the notes were read back.
enum Reading {
    /// What is left stands before this place; none is their end.
    Before(Option<u64>),
    Done,
}

/// What is known of notes with a time.
pub(in super::super) struct RemindDesk {
    /// Those whose time is to come, or came lately.
    times: BTreeMap<MessageRef, Time>,
    reading: Reading,
    /// Nothing where none was ever to be told.
    told: Option<Time>,
}

impl RemindDesk {
    pub fn open(journal: &Journal) -> Self {
        // Nothing else writes here. What can't be read is as if nothing had been told.
        let kept = journal.scan_prefix(TOLD, KEY).into_iter().next();
        let told = kept.and_then(|(_, value)| Time::from_bytes(&value).ok());
        Self { times: BTreeMap::new(), reading: Reading::Before(None), told }
    }

    /// Whose time came after `from` and up to `now`, the earliest first.
    fn due(&self, from: Time, now: Time) -> Vec<MessageRef> {
        let mut due: Vec<_> = self.times.iter().filter(|(_, at)| from < **at && **at <= now).collect();
        due.sort_by_key(|(of, at)| (**at, **of));
        due.into_iter().map(|(of, _)| *of).collect()
    }

    /// Forgets those that were told, up to `told`, and are not shown any more.
    fn forget(&mut self, told: Time, now: Time) {
        self.times.retain(|_, at| told < *at || shown_from(now) < *at);
    }
}

/// After which time those have come that are shown.
fn shown_from(now: Time) -> Time {
    Time(now.0.saturating_sub(SHOWN_FOR.0))
}

impl Actor {
    /// A note as it stands now.
    pub(super) fn note_reminder(&mut self, shown: &Shown) {
        let remind = match shown.item.content().map(|content| &content.kind) {
            Some(Kind::Memo(memo)) => memo.remind,
            _ => None,
        };
        match remind {
            Some(at) => self.reminding.times.insert(shown.item.of, at),
            None => self.reminding.times.remove(&shown.item.of),
        };
    }

    /// Notes have come that nothing was told of one by one: they are read again.
    pub(super) fn read_notes_again(&mut self) {
        self.reminding.reading = Reading::Before(None);
    }

    /// Tells of those whose time has come.
    pub(in super::super) fn tend_reminders(&mut self) {
        let now = self.clock.now();
        // A clock that was ahead for a while keeps nothing from being told now.
        let Some(told) = self.reminding.told.map(|told| told.min(now)) else {
            // What was to be told before anything was noted down is not told.
            return self.note_told(now);
        };
        if let Reading::Before(before) = self.reminding.reading {
            self.read_reminders(before);
            return self.reminding.forget(told, now);
        }
        let due = self.reminding.due(told, now);
        if due.is_empty() {
            return;
        }
        for item in self.reminders_of(&due) {
            self.tell(Event::ChatReminder(Box::new(item)));
        }
        self.note_told(now);
        self.reminding.forget(now, now);
    }

    /// Those whose time came within the last day, the earliest first.
    pub(in super::super) fn chat_reminders(&self) -> Vec<ChatItem> {
        let now = self.clock.now();
        self.reminders_of(&self.reminding.due(shown_from(now), now))
    }

    fn reminders_of(&self, due: &[MessageRef]) -> Vec<ChatItem> {
        let Some(room) = self.chats().own_room() else { return Vec::new() };
        let shown = due.iter().filter_map(|of| self.chat_item(room, of));
        shown.map(|shown| self.chat_shown(room, &shown)).collect()
    }

    fn note_told(&mut self, told: Time) {
        self.reminding.told = Some(told);
        let mut batch = Batch::new();
        batch.put(TOLD, KEY.to_vec(), told.to_bytes());
        self.write_ledger(batch);
    }

    /// Reads one more page of notes.
    fn read_reminders(&mut self, before: Option<u64>) {
        let page = match self.chats().own_room() {
            Some(room) => self.chat_page(room, before, PAGE),
            // What is noted from now on is told of.
            None => Vec::new(),
        };
        for shown in &page {
            self.note_reminder(shown);
        }
        let last = page.last().filter(|_| page.len() == PAGE);
        self.reminding.reading = last.map_or(Reading::Done, |last| Reading::Before(Some(last.place)));
    }
}

#[cfg(test)]
mod tests {
    use byway_chat::content::MessageId;
    use byway_primitives::IdentityId;

    use super::*;

    #[test]
    fn those_are_due_whose_time_came_since_they_were_told_and_are_kept_for_a_day() {
        let of = |number: u8| MessageRef { author: IdentityId([1; 20]), id: MessageId([number; 16]) };
        let at = |days: u64, more: u64| Time(SHOWN_FOR.0 * days + more);
        let times = [(1, at(1, 5)), (2, at(1, 0)), (3, at(1, 6)), (4, at(1, 9)), (5, Time(u64::MAX))];
        let times = times.into_iter().map(|(number, at)| (of(number), at)).collect();
        let mut desk = RemindDesk { times, reading: Reading::Done, told: None };
        assert_eq!(desk.due(at(1, 0), at(1, 6)), [of(1), of(3)], "what came while the node was down, too");
        desk.forget(at(1, 6), at(2, 5));
        assert_eq!(desk.times.keys().copied().collect::<Vec<_>>(), [of(3), of(4), of(5)]);
        desk.forget(at(1, 6), at(9, 0));
        assert_eq!(desk.due(at(1, 6), at(9, 0)), [of(4)], "and what came long ago, if it was not told");
    }
}
