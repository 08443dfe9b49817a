//! Lists that several people change at once; the laws are in `laws`.

use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::limits::{ENTRY_TAGS_MAX, LIST_ENTRIES_MAX, POSITION_BYTES_MAX};
use byway_chat::content::lists::{Entries, EntryId, EntryTag, ListChange, ListFull, NoRoom, Position};
use byway_chat::content::{Author, Stamp};
use byway_primitives::{Decode, Encode};
use proptest::prelude::*;

use crate::fixed::{person, put};

fn stamp(lamport: u64, who: u8) -> Stamp {
    Stamp { lamport, author: Author { identity: person(who), device: 0 }, digest: [who << 4 | lamport as u8; 16] }
}

fn first() -> Position {
    Position::between(None, None).expect("there is room")
}

fn texts(entries: &Entries) -> Vec<&str> {
    entries.shown().into_iter().map(|(_, entry)| entry.text()).collect()
}

#[test]
fn whoever_puts_an_entry_on_the_list_wins_over_who_takes_it_off_meanwhile() {
    let mut ada = Entries::default();
    ada.change(&[put(1, &first(), "bread")], stamp(1, 1)).unwrap();
    let mut bob = ada.clone();
    let off = ada.take_off(EntryId([1; 16])).unwrap();
    ada.change(&[off], stamp(2, 1)).unwrap();
    assert!(texts(&ada).is_empty() && ada.take_off(EntryId([1; 16])).is_none());
    bob.change(&[put(1, &first(), "rye bread")], stamp(2, 2)).unwrap();
    let (before, off_again) =
        (ada.clone(), ListChange::Write { entry: EntryId([1; 16]), text: BoundedText::default() });
    ada.join(&bob).unwrap();
    assert_eq!(texts(&ada), ["rye bread"]);
    bob.join(&before).unwrap();
    assert_eq!(ada, bob);
    // To write to an entry does not put it back.
    let mut gone = before;
    gone.change(&[off_again], stamp(3, 1)).unwrap();
    assert!(texts(&gone).is_empty());
}

#[test]
fn entries_stand_by_their_places_and_can_be_moved() {
    let mut list = Entries::default();
    let add = |list: &mut Entries, id: u8, behind: Option<u8>, lamport| {
        let place = list.place_behind(behind.map(|id| EntryId([id; 16]))).unwrap();
        list.change(&[put(id, &place, &id.to_string())], stamp(lamport, 1)).unwrap();
    };
    for (lamport, (id, behind)) in [(1, None), (2, Some(1)), (3, Some(1)), (4, None)].into_iter().enumerate() {
        add(&mut list, id, behind, lamport as u64);
    }
    assert_eq!(texts(&list), ["4", "1", "3", "2"]);
    let (entry, place) = (EntryId([4; 16]), list.place_behind(Some(EntryId([2; 16]))).unwrap());
    list.change(&[ListChange::Move { entry, place }], stamp(9, 1)).unwrap();
    assert_eq!(texts(&list), ["1", "3", "2", "4"]);
    // At one and the same place, the entry's id decides, and what is put behind one of them is behind both.
    let place = list.get(EntryId([1; 16])).unwrap().place().unwrap().clone();
    list.change(&[put(0, &place, "0")], stamp(10, 2)).unwrap();
    assert_eq!(texts(&list), ["0", "1", "3", "2", "4"]);
    add(&mut list, 5, Some(0), 11);
    assert_eq!(texts(&list), ["0", "1", "5", "3", "2", "4"]);
}

#[test]
fn a_full_list_takes_all_of_a_change_or_nothing() {
    let id = |number: usize| EntryId((number as u128).to_be_bytes());
    let mut list = Entries::default();
    let put = |number| ListChange::Put { entry: id(number), place: first(), text: BoundedText::default() };
    for number in 0..LIST_ENTRIES_MAX - 1 {
        list.change(&[put(number)], stamp(1, 1)).unwrap();
    }
    let before = list.clone();
    assert_eq!(list.change(&[put(LIST_ENTRIES_MAX), put(LIST_ENTRIES_MAX + 1)], stamp(2, 1)), Err(ListFull));
    assert_eq!(list, before);
    list.change(&[put(LIST_ENTRIES_MAX), put(0)], stamp(2, 1)).unwrap();
    let tags: Vec<_> = (0..ENTRY_TAGS_MAX as u8).map(|tag| EntryTag([tag; 16])).collect();
    let off = |seen: Vec<EntryTag>| ListChange::TakeOff { entry: id(1), seen: BoundedList::new(seen).unwrap() };
    list.change(&[off(tags)], stamp(3, 1)).unwrap();
    assert_eq!(list.change(&[off(vec![EntryTag([200; 16])])], stamp(4, 1)), Err(ListFull));
}

#[test]
fn there_is_room_for_thousands_at_the_ends_and_hundreds_between_two() {
    let (mut last, mut top) = (first(), first());
    for _ in 0..10_000 {
        last = Position::between(Some(&last), None).unwrap();
        top = Position::between(None, Some(&top)).unwrap();
    }
    let (low, mut high) = (first(), Position::between(Some(&first()), None).unwrap());
    let mut between = 0;
    while let Ok(place) = Position::between(Some(&low), Some(&high)) {
        high = place;
        between += 1;
    }
    assert!(between >= POSITION_BYTES_MAX * 7, "{between}");
    assert_eq!(Position::between(Some(&low), Some(&low)), Err(NoRoom));
    assert_eq!(Position::between(Some(&high), Some(&low)), Err(NoRoom));
}

proptest! {
    /// Wherever one is put, it is there, and can be written down.
    #[test]
    fn a_place_is_between_its_neighbours(steps in prop::collection::vec(any::<prop::sample::Index>(), 1..120)) {
        let mut places: Vec<Position> = Vec::new();
        for step in steps {
            let at = step.index(places.len() + 1);
            let place = Position::between(at.checked_sub(1).map(|at| &places[at]), places.get(at)).unwrap();
            prop_assert_eq!(Position::from_bytes(&place.to_bytes()), Ok(place.clone()));
            places.insert(at, place);
        }
        prop_assert!(places.is_sorted_by(|one, other| one < other));
    }
}
