//! Encodings frozen by digest, and bytes that are no message.

use byway_channel::ChannelMessage;
use byway_channel::watching::{Kept, WatchMessage};
use byway_primitives::hash::Context;
use byway_primitives::{Decode, Encode};
use proptest::prelude::*;

use crate::fixed;

const FROZEN: Context = Context("byway test frozen encoding");

#[test]
fn messages_are_frozen() {
    let line = |(name, message): &(&str, ChannelMessage)| {
        let bytes = message.to_bytes();
        assert_eq!(ChannelMessage::from_bytes(&bytes).as_ref(), Ok(message), "{name}");
        format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[&bytes]).to_string()[..16])
    };
    let found: Vec<_> = fixed::messages().iter().map(line).collect();
    assert_eq!(found, FROZEN_MESSAGES);
}

#[test]
fn what_is_said_and_kept_of_watching_is_frozen() {
    let line =
        |name: &str, bytes: &[u8]| format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[bytes]).to_string()[..16]);
    let said = fixed::watch_messages().into_iter().map(|(name, message)| {
        let bytes = message.to_bytes();
        assert_eq!(WatchMessage::from_bytes(&bytes), Ok(message), "{name}");
        line(name, &bytes)
    });
    let (packet, kept) = fixed::packet();
    assert_eq!(Kept::from_bytes(&kept.to_bytes()).as_ref(), Ok(&kept));
    let found: Vec<_> = said.chain([line("packet", &packet.to_bytes()), line("on disk", &kept.to_bytes())]).collect();
    assert_eq!(found, FROZEN_WATCHING);
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let messages = fixed::messages();
        let mut bytes = messages[which.index(messages.len())].1.to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(message) = ChannelMessage::from_bytes(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}

const FROZEN_MESSAGES: [&str; 35] = [
    "open: 148 97896ca29100067b",
    "accept opening: 33 a91fe036859ee700",
    "funding created: 72 a5d497d9f14e9268",
    "funding signed: 66 b44ca099f1a2b5f3",
    "reestablish: 109 0353339994422ea9",
    "reestablish, co-signed: 239 2404c5a4b15683a6",
    "accept: 68 e5d6aa7534afb553",
    "fetch: 3 fb6e2b40ba7b111c",
    "whole: 7 8cba9574ab8b8bf2",
    "shutdown: 1 cbc5dbbb634edc5a",
    "closing signed: 72 78e28bb42523f66a",
    "decline: 1 375a8553cf770bcc",
    "error: 4 00097454c2fc039b",
    "text: 20 c87c0e63e6a927ab",
    "data: 8 b73c068aacc10eeb",
    "promise: 179 eab2f799a9d53f8d",
    "propose funding: 131 884a8c6c516dbddd",
    "propose funding of an asset: 163 8560fe5c6855583b",
    "accept funding: 196 7774c02527044fc8",
    "refuse funding: 4 65b76140d3e12aaa",
    "refuse funding, too large: 4 34bc533411c315a1",
    "refuse: 156 392e79448cc141d6",
    "open virtual: 186 e87482b97fff0e12",
    "split: 77 7dcc55f6b6f18e81",
    "split, signed: 142 8723fcf5c06b85e4",
    "nothing: 153 75edd12c96581a18",
    "transfer: 156 bc229e36a21fd95e",
    "call with evidence: 254 d314bf64b2a56764",
    "call: 218 ee07b289069f1d94",
    "create: 164 7c6f74debbc00486",
    "lane: 156 321b5d66808ec2de",
    "absorb: 157 da8a97d460e9f338",
    "upgrade: 176 87a3e2ac1041c581",
    "remove: 174 ee237cad786bc8e8",
    "remove, divided: 177 fb4a3116add1beb4",
];

const FROZEN_WATCHING: [&str; 15] = [
    "ask: 37 54db7682462b1423",
    "keep: 293 0528a60d9f81af96",
    "forget: 33 d2108bef16ea5bbc",
    "has nothing: 35 768f72a2b4684a5c",
    "has: 297 6b7c318828109d0f",
    "kept: 53 6f70fa40a149e8a1",
    "unwilling: 42 723e691478f8ab68",
    "full: 42 fee5385e2fd27e9e",
    "not delegate: 42 f312da30ba2b827b",
    "unpaid: 42 eabfa5dc307916a9",
    "old: 48 267f16e393df2453",
    "forgotten: 34 02fc6893f37a812c",
    "forgotten, answered: 40 c78e21d1dca43e3c",
    "packet: 256 5e63a58468a29473",
    "on disk: 272 4ecd6097d9b42c26",
];
