//! Groups: founding them, and changing who is in them.

use byway_chat::chats::{ChatError, Chats};
use byway_chat::mls::RoomId;
use byway_chat::people::Standing;
use byway_driver::disk::Journal;
use byway_primitives::{IdentityId, Pending, Time};

use super::super::Actor;
use crate::api::*;

impl Actor {
    pub(in super::super) fn create_chat_group(&mut self, request: &ChatGroupCreate) -> Answer<ChatConversation> {
        let title = title(Some(&request.title))?;
        let with = self.people_named("with", &request.with)?;
        let founded = self.with_chats(|chats, now, seed, store| chats.found_group(now, seed, title, &with, store));
        let room = founded.map_err(ApiError::chat)?;
        self.chat_group(room)
    }

    pub(in super::super) fn change_chat_group(&mut self, request: &ChatGroupChange) -> Answer<ChatConversation> {
        let room = self.room_named(&request.to)?;
        let is_about_people = !matches!(request.what, ChatGroupWhat::Rename | ChatGroupWhat::Leave);
        if is_about_people == request.who.is_empty() {
            let why = if is_about_people { "nobody is named" } else { "it is about nobody" };
            return Err(ApiError::invalid_params("who", why));
        }
        let who = self.people_named("who", &request.who)?;
        match request.what {
            ChatGroupWhat::Add => {
                self.in_group(|chats, (now, seed), store| chats.add_to_group(now, seed, room, &who, store))?
            }
            ChatGroupWhat::Remove => {
                self.in_group(|chats, (now, seed), store| chats.remove_from_group(now, seed, room, &who, store))?
            }
            ChatGroupWhat::Promote | ChatGroupWhat::Demote => {
                let is_admin = request.what == ChatGroupWhat::Promote;
                for of in who {
                    self.in_group(|chats, (now, seed), store| {
                        chats.set_group_role(now, seed, room, (of, is_admin), store)
                    })?;
                }
            }
            ChatGroupWhat::Rename => {
                let title = title(request.title.as_deref())?;
                self.in_group(|chats, (now, seed), store| chats.rename_group(now, seed, room, title, store))?;
            }
            ChatGroupWhat::Leave => {
                self.in_group(|chats, (now, seed), store| chats.leave_group(now, seed, room, store))?;
            }
        }
        self.chat_group(room)
    }

    fn in_group(
        &mut self,
        what: impl FnOnce(&mut Chats, (Time, [u8; 32]), &Pending<'_, Journal>) -> Result<(), ChatError>,
    ) -> Answer<()> {
        self.with_chats(|chats, now, seed, store| what(chats, (now, seed), store)).map_err(ApiError::chat)
    }

    fn chat_group(&mut self, room: RoomId) -> Answer<ChatConversation> {
        self.reach_channel_peers();
        let view = self.chats().talk(room).ok_or_else(ApiError::chat_not_found)?;
        Ok(self.conversation(&view))
    }

    /// People by their identities, or by names that only one contact has.
    fn people_named(&self, parameter: &'static str, names: &[String]) -> Answer<Vec<IdentityId>> {
        let named = |name: &String| {
            if let Ok(peer) = name.trim().parse::<IdentityId>() {
                return Ok(peer);
            }
            let people = self.chats().people().iter().filter(|(_, person)| person.standing == Standing::Contact);
            let people = people.filter(|(_, person)| person.shown_name().eq_ignore_ascii_case(name.trim()));
            match people.map(|(peer, _)| peer).collect::<Vec<_>>()[..] {
                [peer] => Ok(peer),
                [] => Err(ApiError::invalid_params(
                    parameter,
                    format_args!("no contact is called {name:?}; give an identity"),
                )),
                _ => {
                    let why = format_args!("several contacts are called {name:?}; give an identity");
                    Err(ApiError::invalid_params(parameter, why))
                }
            }
        };
        names.iter().map(named).collect()
    }
}

fn title(title: Option<&str>) -> Answer<&str> {
    let limit = byway_chat::content::limits::NAME_BYTES_MAX;
    let title = title.map(str::trim).filter(|title| !title.is_empty() && title.len() <= limit);
    title.ok_or_else(|| ApiError::invalid_params("title", format_args!("it has from 1 to {limit} bytes")))
}
