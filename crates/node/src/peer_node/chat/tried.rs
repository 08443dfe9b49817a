//! Who was asked for a file in vain: others are asked before them.

use std::collections::BTreeMap;

use byway_chat::chats::FileRef;
use byway_primitives::{IdentityId, Time};

/// When those who were asked in vain may be asked again.
#[derive(Debug, Default)]
pub(super) struct Tried(BTreeMap<(FileRef, IdentityId), Time>);

impl Tried {
    pub fn note(&mut self, file: FileRef, from: IdentityId, again: Time) {
        self.0.insert((file, from), again);
    }

    /// Keeps what is known of these files only.
    pub fn retain(&mut self, is_meant: impl Fn(&FileRef) -> bool) {
        self.0.retain(|(file, _), _| is_meant(file));
    }

    /// Of these sources those that may be asked now: first who was not asked before, then who was longest ago.
    pub fn order(&self, file: FileRef, mut sources: Vec<IdentityId>, now: Time) -> Vec<IdentityId> {
        let again = |from: &IdentityId| self.0.get(&(file, *from)).copied();
        sources.retain(|from| again(from).is_none_or(|again| again <= now));
        sources.sort_by_key(again);
        sources
    }
}

#[cfg(test)]
mod tests {
    use byway_chat::content::{MessageId, MessageRef};
    use byway_chat::mls::RoomId;
    use byway_primitives::Span;

    use super::*;

    #[test]
    fn who_does_not_have_a_file_is_asked_last() {
        let [author, one, other] = [3, 1, 2].map(|byte| IdentityId([byte; 20]));
        let of = MessageRef { author, id: MessageId([0; 16]) };
        let file = |number| FileRef { room: RoomId([0; 32]), of, number };
        let (mut tried, mut now) = (Tried::default(), Time(1000));
        let order = |tried: &Tried, now| tried.order(file(0), vec![author, one, other], now);
        assert_eq!(order(&tried, now), [author, one, other]);
        tried.note(file(0), author, now + Span::seconds(60));
        assert_eq!(order(&tried, now), [one, other], "it is not asked at once again");
        assert_eq!(tried.order(file(1), vec![author, one], now), [author, one], "for another file it is");
        now = now + Span::seconds(61);
        assert_eq!(order(&tried, now), [one, other, author]);
        tried.note(file(0), one, now);
        assert_eq!(order(&tried, now), [other, author, one]);
        tried.retain(|of| *of != file(0));
        assert_eq!(order(&tried, now), [author, one, other]);
    }
}
