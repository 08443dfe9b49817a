//! The address book of a group.

use byway_chat::chats::{ChatError, ChatNews};
use byway_chat::content::book::{BookCard, BookChange, BookChanges};
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::limits::{BOOK_CHANGES_MAX, BOOK_MAX};
use byway_chat::content::{Kind, Refusal};
use byway_chat::mls::{RoomId, SealError};
use byway_primitives::IdentityId;

use super::groups::{DAVE, five};
use super::rig::World;
use super::{ALICE, BOB, CAROL};

fn person(number: usize) -> IdentityId {
    let mut bytes = [7; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    IdentityId(bytes)
}

impl World {
    fn write(&mut self, who: usize, room: RoomId, people: &[(usize, Option<&str>)]) -> Result<(), ChatError> {
        let card = |name: &str| BookCard { name: BoundedText::new(name).unwrap(), ..BookCard::default() };
        let change = |(of, name): &(usize, Option<&str>)| BookChange { who: person(*of), card: name.map(card) };
        let changes = BoundedList::new(people.iter().map(change).collect::<Vec<_>>()).unwrap();
        let kind = Kind::Book(BookChanges(changes));
        self.with(who, |chats, now, seed, store| chats.say(now, seed, room, kind.into(), store)).map(drop)
    }

    /// Who is in the book, and under which name.
    fn book(&self, who: usize, room: RoomId) -> Vec<(IdentityId, String)> {
        let book = self.people[who].chats.book(room, &self.people[who].disk).into_iter();
        book.filter_map(|(who, entry)| Some((who, entry.value?.name.to_string()))).collect()
    }
}

#[test]
fn all_in_a_group_have_the_same_book_whoever_writes_in_it_at_once() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.write(ALICE, room, &[(1, Some("one")), (2, Some("two"))]).unwrap();
    world.carry();
    assert!(world.people[BOB].news.contains(&ChatNews::Book { room }));
    // Each writes before hearing of the other.
    world.write(BOB, room, &[(1, None), (3, Some("three"))]).unwrap();
    world.write(CAROL, room, &[(1, Some("uno")), (2, Some("due"))]).unwrap();
    world.carry();
    let book = world.book(ALICE, room);
    assert!(book.contains(&(person(2), "due".to_owned())) && book.contains(&(person(3), "three".to_owned())));
    for who in [BOB, CAROL] {
        assert_eq!(world.book(who, room), book, "{who}");
        world.people[who].restart();
        assert_eq!(world.book(who, room), book, "it is kept");
    }
    // It is no message, and nothing of another group.
    assert_eq!(world.people[BOB].chats.talk(room).unwrap().messages, 0);
    let other = world.found(ALICE, &[BOB]);
    assert_eq!(world.book(BOB, other), []);
}

#[test]
fn who_comes_later_has_what_was_written_before_and_who_has_gone_writes_nothing() {
    let mut world = five();
    let room = world.found(ALICE, &[BOB, CAROL]);
    world.write(BOB, room, &[(1, Some("one")), (2, Some("two"))]).unwrap();
    world.write(BOB, room, &[(2, None)]).unwrap();
    world.carry();
    world.add(ALICE, room, DAVE).unwrap();
    world.carry();
    let book = [(person(1), "one".to_owned())];
    assert_eq!([ALICE, BOB, CAROL, DAVE].map(|who| world.book(who, room)), [(); 4].map(|()| book.to_vec()));
    world.remove(ALICE, room, BOB).unwrap();
    world.carry();
    assert_eq!(world.write(BOB, room, &[(3, Some("three"))]), Err(ChatError::Seal(SealError::NotMember)));
    assert_eq!(world.book(ALICE, room), book);
}

#[test]
fn a_book_has_an_end() {
    let mut world = World::new(&["alice", "bob"]);
    world.acquaint(ALICE, BOB);
    let room = world.found(ALICE, &[BOB]);
    let all: Vec<(usize, Option<&str>)> = (0..BOOK_MAX).map(|number| (number, Some("x"))).collect();
    for people in all.chunks(BOOK_CHANGES_MAX) {
        world.write(ALICE, room, people).unwrap();
    }
    world.carry();
    assert_eq!(world.book(BOB, room).len(), BOOK_MAX);
    let one_more = world.write(ALICE, room, &[(0, Some("y")), (BOOK_MAX, Some("x"))]);
    assert_eq!(one_more, Err(ChatError::Refused(Refusal::BookFull)));
    assert_eq!(world.book(ALICE, room)[0].1, "x", "all of it or nothing");
    // Who is taken out makes no room, and can come back.
    world.write(ALICE, room, &[(0, None)]).unwrap();
    assert!(world.write(ALICE, room, &[(BOOK_MAX, Some("x"))]).is_err());
    world.write(ALICE, room, &[(0, Some("z"))]).unwrap();
    world.carry();
    assert_eq!(world.book(BOB, room)[0], (person(0), "z".to_owned()));
}
