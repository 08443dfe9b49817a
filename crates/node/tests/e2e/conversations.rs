//! People who talk, each with a node of its own: what is said while one is away, and a group of which one is removed and one killed.

use serde_json::Value;

use super::harness::network::{Network, Reach};
use super::harness::people::{GROUP, Person, Place, texts};
use super::harness::{PATIENCE, SOON, Story, turn};

const NAMES: [&str; 5] = ["Alice", "Bob", "Carol", "Dave", "Erin"];
/// What is held costs this, in WAY for a megabyte and a day, and what is paid for it at most.
const HOLDING_PRICE: &str = "0.0001";
const HOLDING_PRICE_MAX: &str = "0.0002";
const PICTURE_BYTES: usize = 300_000;

#[test]
fn what_is_said_to_somebody_who_is_away_is_held_and_comes_once() {
    let _turn = turn();
    let story = Story::begin("held");
    let mut place = Place::start();
    let [mut alice, mut bob, mut holder] = place.joined(["Alice", "Bob", "Heidi"]);
    for person in [&mut alice, &mut bob, &mut holder] {
        person.process.start();
    }
    for person in [&mut alice, &mut bob, &mut holder] {
        person.process.wait_ready();
    }
    story.tell("a network, two people and one who holds are there");
    bob.meets(&alice);
    talk(&place, &alice, &bob);
    story.tell("they have exchanged messages, a picture and a poll");
    have_held(&place, &bob, &holder);
    alice.until_nothing_waits_for("Bob");
    story.tell("one of them is held for");

    assert!(bob.process.interrupt().success());
    let said = ["hello **Bob**", "from the lake", "", "one", "two", "three"];
    for text in &said[3..] {
        alice.says("Bob", text);
    }
    let holders = holder.node.clone();
    let held = |count: usize| {
        let is_so = move |status: &Value| {
            let clients = status["clients"].as_array()?;
            let held = clients.iter().map(|client| client["held"].as_u64().unwrap()).sum::<u64>();
            (if count == 0 { held == 0 } else { held >= count as u64 }).then_some(())
        };
        holders.until(&format!("{count} are held"), PATIENCE, &["hold", "status"], is_so);
    };
    held(3);
    assert!(alice.process.interrupt().success());
    story.tell("one is away, the other has said three things and is away too");

    bob.process.start_ready();
    bob.until_texts("Alice", &[said[0], "hello Alice", said[1], said[2], "one", "two", "three"]);
    held(0);
    assert!(bob.process.interrupt().success());
    story.tell("the first is back, has all of it, and is away again");
    // Nobody but the holder is there to say so.
    alice.process.start_ready();
    alice.until_nothing_waits_for("Bob");
    story.tell("the sender is back, and hears that it has arrived");
    hold_through_a_crash(&alice, &mut bob, &mut holder, held);
    story.tell("what was held came though its holder was killed");

    bob.says("Alice", "thank you");
    let whole = [said[0], "hello Alice", said[1], said[2], "one", "two", "three", "four", "thank you"];
    for (person, other) in [(&alice, "Bob"), (&bob, "Alice")] {
        person.until_texts(other, &whole);
        person.until_nothing_waits_for(other);
    }
    for person in [&mut alice, &mut bob, &mut holder] {
        assert!(person.process.interrupt().success());
    }
    assert!(place.up.interrupt().success());
    story.tell("both have everything once, and everything stopped");
}

/// Messages, a picture and a poll, with both there.
fn talk(place: &Place, alice: &Person, bob: &Person) {
    alice.says("Bob", "hello **Bob**");
    bob.until_texts("Alice", &["hello **Bob**"]);
    bob.says("Alice", "hello Alice");
    alice.until_texts("Bob", &["hello **Bob**", "hello Alice"]);
    let (picture, copy) = (place.folder.path().join("lake.png"), place.folder.path().join("copy.png"));
    let bytes: Vec<u8> =
        b"\x89PNG\r\n\x1a\n".iter().copied().chain((0..PICTURE_BYTES).map(|at| (at * at) as u8)).collect();
    std::fs::write(&picture, &bytes).unwrap();
    alice.node.json(&["chat", "attach", "Bob", picture.to_str().unwrap(), "--text", "from the lake"]);
    let with_picture = bob.until_read("of the lake", "Alice", |items| {
        let item = items.iter().find(|item| item["text"] == "from the lake")?;
        assert_eq!(item["attachments"][0]["name"], "lake.png");
        Some(item["message"].as_str().unwrap().to_owned())
    });
    let to = copy.to_str().unwrap();
    let fetch = ["chat", "fetch", "Alice", &with_picture, "--out", to];
    bob.node.until("the picture is here", SOON, &fetch, |file| (file["state"] == "here").then_some(()));
    assert!(std::fs::read(&copy).unwrap() == bytes, "the picture is as it was sent");

    alice.node.json(&["chat", "poll", "ask", "Bob", "When?", "at eight", "at nine"]);
    let poll = bob.until_read("the poll", "Alice", |items| {
        let item = items.iter().find(|item| item["poll"]["question"] == "When?")?;
        Some(item["message"].as_str().unwrap().to_owned())
    });
    bob.node.json(&["chat", "poll", "vote", "Alice", &poll, "2"]);
    alice.until_read("what Bob has chosen", "Bob", |items| {
        let options = items.iter().find(|item| item["message"] == poll.as_str())?["poll"]["options"].as_array()?;
        (options[1]["people"].as_array()?.len() == 1 && options[0]["people"].as_array()?.is_empty()).then_some(())
    });
}

/// Has somebody hold for Bob, as both type it.
fn have_held(place: &Place, bob: &Person, holder: &Person) {
    place.register(holder);
    holder.node.json(&["hold", "offer", "--price", HOLDING_PRICE, "--publish"]);
    place.register(bob);
    bob.node.json(&["wallet", "deposit", "2", "--wait"]);
    let has_offer = |offers: &Value| (offers.as_array()?.len() == 1).then_some(());
    bob.node.until("the one who holds is on the market", PATIENCE, &["hold", "find"], has_offer);
    bob.node.json(&["hold", "use", "--price-max", HOLDING_PRICE_MAX]);
    let identity = holder.identity();
    bob.node.until("it holds, and the ledger says so", PATIENCE, &["hold", "status"], |status| {
        let [used] = &status["holders"].as_array()?[..] else { return None };
        assert_eq!(used["holder"], identity.as_str());
        (used["holding"] == true && used["named"] == true).then_some(())
    });
}

/// The holder is killed with what it holds, and hands it over all the same.
fn hold_through_a_crash(alice: &Person, bob: &mut Person, holder: &mut Person, held: impl Fn(usize)) {
    alice.says("Bob", "four");
    held(1);
    holder.process.kill();
    holder.process.start_ready();
    held(1);
    bob.process.start_ready();
    bob.until_read("what was said last", "Alice", |items| (texts(items).last() == Some(&"four")).then_some(()));
}

#[test]
fn a_group_of_five_survives_a_removed_member_and_a_crash() {
    let _turn = turn();
    let story = Story::begin("group");
    let mut place = Place::start();
    let mut people = place.joined(NAMES);
    people.iter_mut().for_each(|person| person.process.start());
    people.iter_mut().for_each(|person| person.process.wait_ready());
    for other in &people[1..] {
        other.meets(&people[0]);
    }
    story.tell("one of five knows the others, who don't know each other");
    people[0].node.json(&[&["chat", "group", "create", GROUP], &NAMES[1..]].concat());
    let mut all: Vec<String> = Vec::new();
    for person in &people {
        person.until_members(5);
    }
    for person in &people {
        say(person, &format!("{} is here", person.name), &mut all);
    }
    for person in &people {
        person.until_all(GROUP, &all);
    }
    story.tell("five are in a group, and have heard each other");

    for number in 0..10 {
        let from = &people[number % 2];
        say(from, &format!("number {number}"), &mut all);
        if number == 4 {
            people[2].process.kill();
        }
    }
    for who in [0, 1, 3, 4] {
        people[who].until_all(GROUP, &all);
    }
    story.tell("one was killed while two talked");
    let heard = all.clone();
    removed(&people);
    for who in [1, 3] {
        people[who].until_members(4);
    }
    for who in [0, 1, 3] {
        say(&people[who], &format!("{} speaks without Erin", NAMES[who]), &mut all);
    }
    story.tell("one was removed, and the others went on");

    people[2].process.start_ready();
    people[2].until_members(4);
    say(&people[2], "Carol is back", &mut all);
    for who in [0, 1, 2, 3] {
        people[who].until_all(GROUP, &all);
        people[who].until_members(4);
    }
    // She was there all the time, and whatever came to her she can't read.
    people[4].until_all(GROUP, &heard);
    for person in &mut people {
        assert!(person.process.interrupt().success());
    }
    // Whatever was kept is read again.
    people[4].process.start_ready();
    people[4].until_all(GROUP, &heard);
    people[4].process.kill();
    assert!(place.up.interrupt().success());
    story.tell("four have everything once, and the one who was removed nothing of what was said since");
}

fn say(person: &Person, text: &str, all: &mut Vec<String>) {
    person.says(GROUP, text);
    all.push(text.to_owned());
}

/// Erin is removed, who may not do that herself, and can say nothing more.
fn removed(people: &[Person; 5]) {
    let refused = people[4].node.failure(&["chat", "group", "remove", GROUP, "Alice"]);
    assert!(refused.contains("Your role in that group does not allow this"), "{refused}");
    people[0].node.json(&["chat", "group", "remove", GROUP, "Erin"]);
    people[0].until_members(4);
    people[4].node.until("she hears that she is out", PATIENCE, &["chat", "group", "members", GROUP], |talk| {
        (talk["member"] == false).then_some(())
    });
    let refused = people[4].node.failure(&["chat", "send", GROUP, "hello?"]);
    assert!(refused.contains("You are not in that group any more"), "{refused}");
}

#[test]
fn a_person_talks_from_two_nodes_until_one_is_taken_away() {
    let _turn = turn();
    let story = Story::begin("devices");
    let mut place = Place::start();
    let [mut alice, mut bob, mut laptop] = place.joined(["Alice", "Bob", "Laptop"]);
    for person in [&mut alice, &mut bob, &mut laptop] {
        person.process.start();
    }
    for person in [&mut alice, &mut bob, &mut laptop] {
        person.process.wait_ready();
    }
    bob.meets(&alice);
    alice.says("Bob", "before");
    bob.until_texts("Alice", &["before"]);
    link_though_it_was_killed(&alice, &mut laptop);
    story.tell("two people talk, and one of them has a second node, which was killed with its token shown");

    // Whoever has read this has heard of the device that said it.
    laptop.says("Bob", "from the laptop");
    bob.until_texts("Alice", &["before", "from the laptop"]);
    alice.until_texts("Bob", &["before", "from the laptop"]);
    alice.process.kill();
    bob.says("Alice", "which one are you?");
    laptop.until_texts("Bob", &["before", "from the laptop", "which one are you?"]);
    laptop.says("Bob", "the other one");
    bob.until_texts("Alice", &["before", "from the laptop", "which one are you?", "the other one"]);
    alice.process.start_ready();
    let all = ["before", "from the laptop", "which one are you?", "the other one"].map(str::to_owned);
    alice.until_all("Bob", &all);
    let me = alice.identity();
    for node in [&alice, &laptop] {
        let is_mine = |item: &&Value| item["author"] == me.as_str();
        let said =
            node.until_read("whose it is", "Bob", |items| Some(items.iter().filter(|item| is_mine(item)).count()));
        assert_eq!(said, 3, "what either device said is its person's at {}", node.name);
    }
    story.tell("the first was killed meanwhile, and has everything");

    alice.node.json(&["device", "remove", "Laptop"]);
    let is_out = |status: &Value| (status["role"] == "removed").then_some(());
    laptop.node.until("it hears that it is out", PATIENCE, &["device", "list"], is_out);
    alice.says("Bob", "I have lost it");
    bob.until_read("of the loss", "Alice", |items| (texts(items).last() == Some(&"I have lost it")).then_some(()));
    bob.says("Alice", "what a pity");
    alice.until_read("the answer", "Bob", |items| (texts(items).last() == Some(&"what a pity")).then_some(()));
    bob.until_nothing_waits_for("Alice");
    laptop.until_texts("Bob", &["before", "from the laptop", "which one are you?", "the other one"]);
    let refused = laptop.node.failure(&["device", "token"]);
    assert!(refused.contains("only a new one can be linked"), "{refused}");
    for person in [&mut alice, &mut bob, &mut laptop] {
        assert!(person.process.interrupt().success());
    }
    assert!(place.up.interrupt().success());
    story.tell("the second was taken away, and hears nothing more");
}

/// The new node is a device of Alice's, and has her conversation.
fn link_though_it_was_killed(alice: &Person, laptop: &mut Person) {
    let shown = laptop.node.json(&["device", "token"]);
    laptop.process.kill();
    laptop.process.start_ready();
    let linked = alice.node.json(&["device", "link", shown["token"].as_str().unwrap(), "--name", "Laptop"]);
    assert_eq!(linked["name"], "Laptop");
    let whose = alice.identity();
    laptop.node.until("it is a device of hers", PATIENCE, &["device", "list"], |status| {
        (status["role"] == "linked" && status["person"] == whose.as_str()).then_some(())
    });
    // Beside it there are the notes, as on every device.
    let is_there = |talks: &Value| {
        talks.as_array()?.iter().any(|talk| talk["title"] == "Bob" && talk["member"] == true).then_some(())
    };
    laptop.node.until("it has her conversation", PATIENCE, &["chat", "conversations"], is_there);
}

#[test]
fn people_whom_only_a_relay_brings_together_talk_by_it() {
    let _turn = turn();
    let story = Story::begin("relayed");
    let mut network = Network::make();
    network.configure_provider(Reach::RelayOnly);
    network.start();
    network.prepare_client("1");
    let people = [(&network.client_node, "Alice"), (&network.provider_node, "Bob")];
    let [alice, bob] = people.map(|(node, name)| Person::of(name, node.clone()));
    let [alices, bobs] = [&alice, &bob].map(Person::identity);
    let invite = bob.node.json(&["chat", "invite"]);
    alice.node.json(&["chat", "accept", invite["link"].as_str().unwrap()]);
    for (person, other) in [(&alice, &bobs), (&bob, &alices)] {
        let what = format!("{} has a contact", person.name);
        person.node.until(&what, PATIENCE, &["chat", "contacts"], |people| {
            let of = |one: &Value| one["identity"] == other.as_str() && one["standing"] == "contact";
            people.as_array()?.iter().any(|one| of(one) && one["conversation"].is_string()).then_some(())
        });
    }
    story.tell("two whose sockets can't reach each other are contacts");
    alice.says(&bobs, "by the relay");
    bob.until_texts(&alices, &["by the relay"]);
    bob.says(&alices, "so it seems");
    alice.until_texts(&bobs, &["by the relay", "so it seems"]);

    network.relay.kill();
    alice.says(&bobs, "into the dark");
    bob.says(&alices, "nobody there");
    network.relay.start_ready();
    let all = ["by the relay", "so it seems", "into the dark", "nobody there"].map(str::to_owned);
    alice.until_all(&bobs, &all);
    bob.until_all(&alices, &all);
    story.tell("the relay was killed between them, and what was said meanwhile has come");
    let picture = network.path("picture.png");
    let bytes: Vec<u8> = (0..PICTURE_BYTES).map(|at| (at * at) as u8).collect();
    std::fs::write(&picture, &bytes).unwrap();
    let message = alice.node.json(&["chat", "attach", &bobs, picture.to_str().unwrap()])["message"].clone();
    bob.until_read("of the picture", &alices, |items| {
        items
            .iter()
            .any(|item| item["message"] == message && item["attachments"][0]["name"] == "picture.png")
            .then_some(())
    });
    let (copy, message) = (network.path("copy.png"), message.as_str().unwrap());
    let fetch = ["chat", "fetch", &alices, message, "--out", copy.to_str().unwrap()];
    bob.node.until("the picture is here", SOON, &fetch, |file| (file["state"] == "here").then_some(()));
    assert!(std::fs::read(&copy).unwrap() == bytes, "the picture is as it was sent");
    network.stop();
    story.tell("a file came by it as well");
}
