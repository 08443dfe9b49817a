//! What others have to say is taken while the disk has room for it. A node that can't write any more ends, and anybody who is heard could
//! have it end; so what is left of a disk that is nearly full is for what its user does.

use super::super::Actor;
use crate::files;

/// With less on the disk, in bytes, nothing is taken any more…
const ROOM_MIN: u64 = 128 << 20;
/// … until there is so much.
const ROOM_AGAIN: u64 = 192 << 20;

impl Actor {
    /// Looks how full the disk is.
    pub(in super::super) fn tend_room(&mut self) {
        let Some(free) = files::disk_free(&self.config.directory) else { return };
        let had_room = self.chats().has_room();
        let has_room = free >= if had_room { ROOM_MIN } else { ROOM_AGAIN };
        if has_room == had_room {
            return;
        }
        if has_room {
            tracing::info!(free, "the disk has room again: what others say is taken");
        } else {
            tracing::warn!(free, "the disk is nearly full: what others say stays with them until there is room");
        }
        self.with_chats(|chats, _, _, _| chats.set_has_room(has_room));
    }
}
