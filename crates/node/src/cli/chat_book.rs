//! Address books of groups: `byway chat book`.

use super::args::ChatBookCommand;
use super::wallet::show;
use super::{Globals, Table};
use crate::api::*;
use crate::client::Client;

pub async fn book(globals: &Globals, client: &Client, command: ChatBookCommand) -> anyhow::Result<()> {
    let book: ChatBook = match command {
        ChatBookCommand::Show { group } => client.call("chat_book", &ChatBookShow { to: group }).await?,
        ChatBookCommand::Add { group, who, name, note } => {
            let request = ChatBookChange { to: group, what: ChatBookWhat::Put, who, name, note };
            client.call("chat_book_change", &request).await?
        }
        ChatBookCommand::Remove { group, who } => {
            let request = ChatBookChange { to: group, what: ChatBookWhat::Remove, who, name: None, note: None };
            client.call("chat_book_change", &request).await?
        }
    };
    show(globals, &book, |book| {
        let mut table = Table::new(&["name", "in the directory", "identity", "", "note"]);
        for person in &book.people {
            let directory = person.primary_name.clone().unwrap_or_default();
            let (name, identity) = (person.name.clone(), person.identity.to_string());
            table.row([name, directory, identity, standing(person).to_owned(), person.note.clone()]);
        }
        let cautions: Vec<String> = book.people.iter().filter_map(caution).collect();
        let text = table.text("Nobody yet. `byway chat book add GROUP WHO` puts somebody in, for all in the group.");
        if cautions.is_empty() { text } else { format!("{text}\n{}\n", cautions.join("\n")) }
    })
}

fn standing(person: &ChatBookPerson) -> &'static str {
    match (person.standing, person.member, person.reachable) {
        (Some(ChatStanding::Contact), ..) => "your contact",
        (Some(ChatStanding::Asked), ..) => "asked by you",
        (Some(ChatStanding::Asking), ..) => "asks you",
        (Some(ChatStanding::Blocked), ..) => "blocked",
        (None, true, _) => "in the group",
        (None, false, true) => "",
        (None, false, false) => "can't be reached",
    }
}

fn caution(person: &ChatBookPerson) -> Option<String> {
    let ChatLookAlike { identity, name, in_directory } = person.looks_like.as_ref()?;
    let where_ = if *in_directory { " in the directory" } else { "" };
    let (called, who) = (&person.name, person.identity);
    Some(format!("Beware: {called} ({who}) and {name} ({identity}{where_}) can be taken for each other."))
}
