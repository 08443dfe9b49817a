//! What people say while a disk is full, and while two nodes run on copies of one folder.

use std::path::Path;
use std::process::Command;

use super::harness::byway::Node;
use super::harness::people::{Person, Place, texts};
use super::harness::process::{Process, write};
use super::harness::small_disk::SmallDisk;
use super::harness::{PATIENCE, Story, eventually, free_ports, turn};

/// Of the disk that is filled, in megabytes.
const DISK: u32 = 512;
/// What is left of it when it is nearly full.
const NEARLY: u64 = 64;

#[test]
fn a_full_disk_ends_a_node_and_nothing_that_was_said_is_lost() {
    let _turn = turn();
    let story = Story::begin("full");
    let place = Place::start();
    let disk = SmallDisk::mount(&place.folder.path().join("Bob"), DISK);
    let [mut alice, mut bob] = two_who_talk(&place);
    story.tell("two people talk, one of them on a small disk");

    disk.fill_but(NEARLY);
    eventually("the node sees that there is little room", PATIENCE, || {
        bob.process.log_since_start().contains("the disk is nearly full").then_some(())
    });
    alice.says("Bob", "is there room?");
    alice.until_contact("Bob", "it waits", |person| person["waiting"] == 1);
    bob.says("Alice", "hardly");
    alice.until_read("what he says", "Bob", |items| (texts(items).last() == Some(&"hardly")).then_some(()));
    bob.until_texts("Alice", &["before", "hardly"]);
    story.tell("there is little room, which is for what he says himself");
    disk.fill();
    let (mut said, mut number) = (["before", "is there room?", "hardly"].map(str::to_owned).to_vec(), 0);
    eventually("the node on the full disk has ended", PATIENCE, || {
        number += 1;
        let (own, other) = (format!("{number} by Bob"), format!("{number} by Alice"));
        // What was answered is to arrive; what was refused, or not answered, may or may not.
        if bob.node.run(&["chat", "send", "Alice", &own]).status.success() {
            said.push(own);
        }
        alice.says("Bob", &other);
        said.push(other);
        (!bob.process.is_running()).then_some(())
    });
    let log = bob.process.log_since_start();
    assert!(log.contains("no room left to write") && log.contains("the node has stopped"), "{log}");
    bob.process.ended();
    story.tell("the disk is full, and the node has said so and ended");

    disk.free();
    bob.process.start_ready();
    for (person, other) in [(&alice, "Bob"), (&bob, "Alice")] {
        person.until_read("all that was said, once", other, |items| {
            let texts = texts(items);
            assert!(texts.iter().all(|text| texts.iter().filter(|other| other == &text).count() == 1), "{texts:?}");
            said.iter().all(|text| texts.contains(&text.as_str())).then_some(())
        });
        person.until_nothing_waits_for(other);
    }
    for person in [&mut alice, &mut bob] {
        assert!(person.process.interrupt().success());
    }
    story.tell("there is room again, and both have everything once");
}

#[test]
fn each_thing_is_with_one_of_two_copies_of_a_folder_and_one_goes_on_once_the_other_has_stopped() {
    let _turn = turn();
    let story = Story::begin("copied");
    let place = Place::start();
    let [mut alice, mut bob] = two_who_talk(&place);
    assert!(bob.process.interrupt().success());
    let mut copy = copied(&place, &bob);
    bob.process.start_ready();
    copy.process.start_ready();
    story.tell("two nodes run on copies of one folder");

    let mut said = vec!["before".to_owned()];
    for number in 0..6 {
        let text = format!("to whichever of the two, {number}");
        alice.says("Bob", &text);
        said.push(text);
        eventually("one of the two has it", PATIENCE, || {
            let has = |node: &Node| {
                let items = node.ask(&["chat", "read", "Alice", "--limit", "200"]).ok()?;
                let items = items.as_array()?.clone();
                texts(&items).contains(&said.last()?.as_str()).then_some(())
            };
            has(&bob.node).or_else(|| has(&copy.node))
        });
    }
    let [with_bob, with_copy] = [&bob, &copy].map(|node| {
        node.until_read("what it was told", "Alice", |items| {
            let texts: Vec<String> = texts(items).into_iter().map(str::to_owned).collect();
            let is_once = |text: &String| texts.iter().filter(|other| *other == text).count() == 1;
            assert!(texts.iter().all(|text| is_once(text) && said.contains(text)), "{texts:?}");
            Some(texts)
        })
    });
    assert!(said.iter().all(|text| with_bob.contains(text) || with_copy.contains(text)), "{with_bob:?} {with_copy:?}");
    story.tell("each thing that was said is with one of the two");

    copy.process.kill();
    alice.says("Bob", "after");
    bob.until_read("what is said now", "Alice", |items| (texts(items).last() == Some(&"after")).then_some(()));
    // What the other one has receipted does not come again.
    bob.until_read("nothing else", "Alice", |items| {
        let texts = texts(items);
        assert!(with_bob.iter().all(|text| texts.contains(&text.as_str())), "{texts:?}");
        Some(())
    });
    // What the other one said took numbers that this one has yet to use: what it says under these is not read.
    let mut number = 0;
    eventually("something that is said now is read", PATIENCE, || {
        number += 1;
        bob.says("Alice", &format!("{number}: only one of us is left"));
        let items = alice.node.ask(&["chat", "read", "Bob", "--limit", "200"]).ok()?;
        texts(items.as_array()?).iter().any(|text| text.ends_with("only one of us is left")).then_some(())
    });
    for person in [&mut alice, &mut bob] {
        assert!(person.process.interrupt().success());
    }
    story.tell("one of the two was stopped, and the other goes on");
}

/// Two contacts, one of whom has said something to the other.
fn two_who_talk(place: &Place) -> [Person; 2] {
    let [mut alice, mut bob] = place.joined(["Alice", "Bob"]);
    alice.process.start_ready();
    bob.process.start_ready();
    bob.meets(&alice);
    alice.says("Bob", "before");
    bob.until_texts("Alice", &["before"]);
    [alice, bob]
}

/// A node on a copy of somebody's folder.
fn copied(place: &Place, of: &Person) -> Person {
    let path = |name: &str| place.folder.path().join(name);
    let (dir, passphrase) = (path("Copy"), path("passphrase"));
    let status = Command::new("cp").arg("-a").arg(path(of.name)).arg(&dir).status().unwrap();
    assert!(status.success());
    listen_elsewhere(&dir.join("config.toml"));
    let (dir_text, file) = (dir.display().to_string(), passphrase.display().to_string());
    let arguments = ["--dir", &dir_text, "--passphrase-file", &file, "run", "--ports", "auto"];
    let process = Process::new("Copy", path("Copy.log"), &arguments);
    Person { name: "Copy", node: Node::new(&dir, Some(&passphrase)), process }
}

fn listen_elsewhere(config: &Path) {
    let text = std::fs::read_to_string(config).unwrap();
    let line = text.lines().find(|line| line.starts_with("listen = \"127.0.0.1:")).unwrap();
    let [port] = free_ports::<1>();
    write(config, &text.replace(line, &format!("listen = \"127.0.0.1:{port}\"")));
}
