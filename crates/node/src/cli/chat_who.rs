//! Whom somebody means who types a name, and for whom a name could be taken.

use byway_primitives::IdentityId;

use crate::api::*;
use crate::client::Client;

/// An identity by itself, by what people are called here, or by a name in the ledger's directory.
pub async fn identity(client: &Client, text: &str) -> anyhow::Result<IdentityId> {
    let text = text.trim();
    if let Ok(identity) = text.parse() {
        return Ok(identity);
    }
    let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
    let is_called = |person: &&ChatPerson| {
        let names = [Some(&person.name), person.primary_name.as_ref()];
        names.into_iter().flatten().any(|name| name.to_lowercase() == text.to_lowercase())
    };
    let mut named = people.iter().filter(is_called);
    match (named.next(), named.next()) {
        (Some(person), None) => return Ok(person.identity),
        (Some(_), Some(_)) => {
            anyhow::bail!("Several people go by the name {text}; give an identity (`byway chat contacts`).")
        }
        (None, _) => {}
    }
    let shown: NameShown = client.call("name_show", &NameShow { name: text.to_owned() }).await?;
    match shown {
        NameShown { standing: NameStanding::InUse, looks_like: None, owner: Some(owner), .. } => Ok(owner),
        NameShown { name, .. } => anyhow::bail!(
            "{name} is nobody's name here, and leads to nobody in the directory (`byway name show {name}`)."
        ),
    }
}

/// What to beware of with somebody's name.
pub fn caution(person: &ChatPerson) -> Option<String> {
    let ChatLookAlike { identity, name, in_directory } = person.looks_like.as_ref()?;
    let who = person.identity;
    Some(if *in_directory {
        format!("Beware: {} ({who}) is called like {name}, who is {identity} in the directory.", person.name)
    } else {
        format!("Beware: {} ({who}) and {name} ({identity}) can be taken for each other.", person.name)
    })
}

/// Somebody whom one knows, after it was noted whether what is to be compared with them is alike.
pub async fn verify(client: &Client, who: &str, noted: Option<bool>) -> anyhow::Result<ChatPerson> {
    let who = identity(client, who).await?;
    if let Some(matches) = noted {
        return Ok(client.call("chat_verify", &ChatVerify { who, matches }).await?);
    }
    let people: Vec<ChatPerson> = client.call("chat_people", &Nothing {}).await?;
    let known = people.into_iter().find(|person| person.identity == who);
    known.ok_or_else(|| anyhow::anyhow!("{who} is nobody whom this node knows; see `byway chat contacts`."))
}

/// What to compare with somebody.
pub fn safety(person: &ChatPerson) -> String {
    let name = super::chat::called(person);
    let noted = match person.verified_ms {
        Some(_) => format!("You have compared it with {name}, and it was alike."),
        None => format!(
            "Compare the number or the words with {name} by voice, or when you meet. If they are alike: byway chat verify {} --matches",
            person.identity
        ),
    };
    format!("{}\n{}\n\n{noted}\n", person.safety_number, person.safety_words)
}
