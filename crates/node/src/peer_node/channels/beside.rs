//! What is said in a channel beside its state: to the peer, by the peer, and of broken rules; and which messages there were.

use byway_channel::{ChannelKey, Inband, InbandError, SaidError};

use super::{Actor, MESSAGES_MAX};
use crate::api::{
    Answer, ApiError, ChannelFaultRecord, ChannelLog, ChannelLogEntry, ChannelMessageRecord, ChannelMessageSay,
    ChannelRecord, ChannelSaid, ContractBytes, Reason,
};

/// The name of a promise among messages.
const PROMISE: &str = "promise";

impl Actor {
    /// Says something to the peer of a channel, which must be there.
    pub(in super::super) fn say_in_channel(&mut self, request: ChannelMessageSay) -> Answer<ChannelLogEntry> {
        let ChannelMessageSay { channel, text, kind, data } = request;
        let (key, now) = (self.channel_named(&channel)?, self.clock.now());
        let inband = match (text, data) {
            (Some(text), _) => Inband::Text(text),
            (None, data) => {
                Inband::Data { kind: kind.unwrap_or_default(), bytes: data.map(|data| data.0).unwrap_or_default() }
            }
        };
        let entry = said(true, &inband);
        let said = self.market.with_channel(now, key, &self.market_journal, |channel| channel.say(now, inband));
        said.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?.map_err(|error| match error {
            InbandError::Disconnected => ApiError::peer_unreachable(key.peer, error),
            InbandError::Length => ApiError::invalid_params("text", error),
            InbandError::TooMany => ApiError::channel_not_ready(error),
        })?;
        Ok(self.log_said(key, entry))
    }

    /// The peer has said something.
    pub(super) fn heard_in_channel(&mut self, key: ChannelKey, inband: &Inband) {
        self.log_said(key, said(false, inband));
    }

    fn log_said(&mut self, key: ChannelKey, said: ChannelSaid) -> ChannelLogEntry {
        let who = if said.ours { "we say" } else { "the peer says" };
        let message = match (&said.text, said.kind) {
            (Some(text), _) => format!("{who}: {}", printable(text)),
            (None, kind) => {
                let bytes = said.data.as_ref().map_or(0, |data| data.0.len());
                format!("{who} {bytes} bytes of kind {}", kind.unwrap_or_default())
            }
        };
        self.add_to_log(key, None, "said", message);
        let log = self.channels.logs.get_mut(&key).and_then(std::collections::VecDeque::back_mut);
        let entry = log.expect("it was just put there");
        entry.said = Some(said);
        entry.clone()
    }

    /// One more message was said. Promises come by the thousand, so those in a row are one entry.
    pub(in super::super) fn note_message(
        &mut self,
        key: ChannelKey,
        ours: bool,
        message: &str,
        round: Option<u64>,
        bytes: usize,
    ) {
        if self.market.channels().get(key).is_none() {
            return;
        }
        let (time_ms, bytes) = (self.clock.now(), bytes as u64);
        let messages = self.channels.messages.entry(key).or_default();
        if let Some(last) = messages.back_mut().filter(|last| (last.ours, &*last.message) == (ours, message))
            && message == PROMISE
        {
            (last.time_ms, last.bytes, last.times) = (time_ms, bytes, last.times.saturating_add(1));
            return;
        }
        if messages.len() >= MESSAGES_MAX {
            messages.pop_front();
        }
        messages.push_back(ChannelMessageRecord { time_ms, ours, message: message.to_owned(), round, bytes, times: 1 });
        self.channels.changed.insert(key);
    }

    /// What happened and what was said lately in a channel.
    pub(in super::super) fn channel_log(&self, name: &str) -> Answer<ChannelLog> {
        let detail = self.channel_shown(name)?;
        let of = |key: &&ChannelKey| hex::encode(key.handle.0) == detail.record.channel;
        let key = self.channels.messages.keys().find(of);
        let messages = key.and_then(|key| self.channels.messages.get(key)).into_iter().flatten().cloned().collect();
        let ChannelRecord { channel, state, .. } = detail.record;
        Ok(ChannelLog { channel, state, log: detail.log, messages })
    }

    /// What each side last found in the other.
    pub(super) fn faults_in(&self, key: ChannelKey) -> Vec<ChannelFaultRecord> {
        let errors = self.market.channels().get(key).map(|channel| channel.errors()).unwrap_or_default();
        let faults = errors.into_iter().zip([false, true]);
        faults.filter_map(|(error, ours)| error.map(|error| fault(error, ours))).collect()
    }
}

fn said(ours: bool, inband: &Inband) -> ChannelSaid {
    match inband {
        Inband::Text(text) => ChannelSaid { ours, text: Some(text.clone()), kind: None, data: None },
        Inband::Data { kind, bytes } => {
            ChannelSaid { ours, text: None, kind: Some(*kind), data: Some(ContractBytes(bytes.clone())) }
        }
    }
}

fn fault(error: SaidError, ours: bool) -> ChannelFaultRecord {
    let SaidError { code, round } = error;
    ChannelFaultRecord { ours, round, what: Reason::new(code.word(), code.to_string()) }
}

/// A peer's text in a terminal or a log: nothing in it moves the cursor, or turns letters round.
fn printable(text: &str) -> String {
    let is_hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_moves_no_cursor() {
        for (said, shown) in [
            ("what about lunch?", "what about lunch?"),
            ("\u{1b}[2J\rpaid", "\u{fffd}[2J\u{fffd}paid"),
            ("pay \u{202e}01", "pay \u{fffd}01"),
            ("ж, 中, 🙂", "ж, 中, 🙂"),
        ] {
            assert_eq!(printable(said), shown);
        }
    }
}
