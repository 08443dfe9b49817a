//! What becomes of messages, case by case; orders at random are in `laws`.

use byway_chat::content::apply::Change;
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::limits::WAITING_MAX;
use byway_chat::content::poll::{Choices, Poll, PollClose, Vote};
use byway_chat::content::post::{Deletion, Edit, Emoji, Reaction};
use byway_chat::content::signs::{ReadMark, Receipt, Settings, Typing};
use byway_chat::content::{Author, Content, Kind, MessageId, Refusal, Rights, Sender, Shown};
use byway_primitives::{Decode, Encode, IdentityId, Span, Time};

use crate::fixed::{self, message, person, post, text};

const ADMIN: u8 = 9;

/// A conversation, and the number of the next content in it.
#[derive(Default)]
struct Talk {
    shown: Shown,
    said: u8,
}

impl Talk {
    /// `who` says it, after all that was said before.
    fn say(&mut self, who: u8, kind: Kind) -> Result<Vec<Change>, Refusal> {
        self.said += 1;
        self.send(who, &Content::new(MessageId([self.said; 16]), Time(self.said.into()), self.said.into(), kind))
    }

    fn send(&mut self, who: u8, content: &Content) -> Result<Vec<Change>, Refusal> {
        let rights = Rights { deletes_others: who == ADMIN, changes_settings: who == ADMIN };
        self.shown.apply(&Sender { author: Author { identity: person(who), device: 0 }, rights }, content)
    }

    fn text(&self, author: u8, id: u8) -> Option<&str> {
        self.shown.items.get(&message(author, id))?.text().map(|text| &*text.source)
    }

    fn reactions(&self, author: u8, id: u8) -> Vec<(&str, Vec<IdentityId>)> {
        let reactions = self.shown.items[&message(author, id)].reactions();
        reactions.into_iter().map(|(emoji, people)| (emoji.as_str(), people)).collect()
    }
}

fn edit(author: u8, id: u8, source: &str) -> Kind {
    Kind::Edit(Edit { of: message(author, id), text: text(source) })
}

fn react(author: u8, id: u8, emoji: &str, is_there: bool) -> Kind {
    Kind::Reaction(Reaction { of: message(author, id), emoji: Emoji::new(emoji).expect("it is one"), is_there })
}

fn delete(author: u8, id: u8) -> Kind {
    Kind::Deletion(Deletion { of: message(author, id) })
}

fn vote(choices: &[usize]) -> Kind {
    Kind::Vote(Vote { poll: message(1, 1), choices: Choices::new(choices.iter().copied()).expect("it fits") })
}

#[test]
fn an_edit_is_its_authors_alone() {
    let mut talk = Talk::default();
    talk.say(1, post("helo")).unwrap();
    assert_eq!(talk.say(2, edit(1, 1, "mine")), Err(Refusal::NotTheirs));
    assert_eq!(talk.say(ADMIN, edit(1, 1, "mine")), Err(Refusal::NotTheirs));
    talk.say(1, edit(1, 1, "hello")).unwrap();
    assert_eq!(talk.text(1, 1), Some("hello"));
    let versions: Vec<_> = talk.shown.items[&message(1, 1)].versions().map(|version| &*version.text.source).collect();
    assert_eq!(versions, ["hello"]);
}

/// Nobody has the id of another's message: who sends one under it has sent a message of their own.
#[test]
fn an_id_belongs_to_its_author() {
    let mut talk = Talk::default();
    talk.say(1, post("hello")).unwrap();
    talk.send(2, &Content::new(MessageId([1; 16]), Time(0), 0, post("goodbye"))).unwrap();
    assert_eq!((talk.text(1, 1), talk.text(2, 1)), (Some("hello"), Some("goodbye")));
    assert_eq!(talk.send(1, &Content::new(MessageId([1; 16]), Time(1), 1, post("hello"))), Ok(Vec::new()));
    talk.send(1, &Content::new(MessageId([1; 16]), Time(1), 1, post("good day"))).unwrap();
    assert!(talk.shown.items[&message(1, 1)].is_disputed() && talk.text(1, 1).is_none());
    assert_eq!(talk.say(2, react(1, 1, "x", true)), Err(Refusal::Gone));
}

#[test]
fn what_is_deleted_leaves_its_place_and_nothing_else() {
    let mut talk = Talk::default();
    talk.say(1, post("hello")).unwrap();
    talk.say(2, react(1, 1, "👍", true)).unwrap();
    assert_eq!(talk.say(2, delete(1, 1)), Err(Refusal::MayNotDelete));
    talk.say(ADMIN, delete(1, 1)).unwrap();
    let item = &talk.shown.items[&message(1, 1)];
    assert_eq!(item.deleted_by(), Some(person(ADMIN)));
    assert_eq!(item.place().map(|place| place.sent), Some(Time(1)));
    assert!(item.content().is_none() && item.reactions().is_empty());
    assert_eq!(talk.say(1, edit(1, 1, "again")), Err(Refusal::Gone));
    assert_eq!(talk.say(1, delete(1, 1)), Ok(Vec::new()), "of two deletions the first stands");
    assert!(!format!("{:?}", talk.shown).contains("hello"), "nothing of the text is kept");
}

#[test]
fn a_reaction_is_one_thing_and_can_be_taken_back() {
    let mut talk = Talk::default();
    talk.say(1, post("hello")).unwrap();
    talk.say(2, react(1, 1, "👍🏽", true)).unwrap();
    talk.say(3, react(1, 1, "🏴󠁧󠁢󠁥󠁮󠁧󠁿", true)).unwrap();
    talk.say(3, react(1, 1, "👍🏽", true)).unwrap();
    assert_eq!(talk.reactions(1, 1), [("👍🏽", vec![person(2), person(3)]), ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", vec![person(3)])]);
    talk.say(2, react(1, 1, "👍🏽", false)).unwrap();
    talk.say(3, react(1, 1, "👍🏽", false)).unwrap();
    assert_eq!(talk.reactions(1, 1), [("🏴󠁧󠁢󠁥󠁮󠁧󠁿", vec![person(3)])]);
    for (emoji, is_one) in [
        ("👩‍❤️‍💋‍👨", true),
        ("7️⃣", true),
        ("é", true),
        ("", false),
        (" ", false),
        ("ab", false),
        ("\u{202e}", false),
        ("e\u{301}\u{302}\u{303}", false),
    ] {
        assert_eq!(Emoji::new(emoji).is_ok(), is_one, "{emoji:?}");
    }
    // What can't be made here can still come.
    let mut bytes = fixed::content(60, react(1, 1, "a", true)).to_bytes();
    let at = bytes.len() - 2;
    bytes[at] = b' ';
    assert_eq!(talk.send(2, &Content::from_bytes(&bytes).unwrap()), Err(Refusal::NotAnEmoji));
}

#[test]
fn a_poll_counts_what_was_chosen_last_and_in_time() {
    let mut talk = Talk::default();
    talk.say(1, Kind::Poll(Poll::new("When?", &["a", "b", "c"], 2, Some(Time(100))).unwrap())).unwrap();
    let chosen = |talk: &Talk| {
        let tally = talk.shown.items[&message(1, 1)].tally().unwrap();
        (tally.chosen.iter().map(Vec::len).collect::<Vec<_>>(), tally.is_closed)
    };
    talk.say(2, vote(&[0, 1])).unwrap();
    talk.say(3, vote(&[1])).unwrap();
    assert_eq!(chosen(&talk), (vec![1, 2, 0], false));
    talk.say(2, vote(&[2])).unwrap();
    talk.say(3, vote(&[])).unwrap();
    assert_eq!(chosen(&talk), (vec![0, 0, 1], false));
    let misfit = Err(Refusal::Misfit { what: "vote", of: "poll" });
    assert_eq!(talk.say(2, vote(&[0, 1, 2])), misfit);
    assert_eq!(talk.say(2, vote(&[3])), misfit);
    let late = Content::new(MessageId([77; 16]), Time(101), 3, vote(&[0]));
    talk.send(2, &late).unwrap();
    assert_eq!(chosen(&talk), (vec![0, 0, 1], false), "after its time");
    let close = || Kind::PollClose(PollClose { poll: message(1, 1) });
    assert_eq!(talk.say(2, close()), Err(Refusal::NotTheirs));
    talk.say(1, close()).unwrap();
    talk.say(2, vote(&[0])).unwrap();
    assert_eq!(chosen(&talk), (vec![0, 0, 1], true), "after its close");
}

/// A story that is told in each of its 5,040 orders.
#[test]
fn every_order_of_a_story_ends_alike() {
    let poll = Kind::Poll(Poll::new("When?", &["a", "b"], 1, None).unwrap());
    let close = Kind::PollClose(PollClose { poll: message(1, 1) });
    let mut answer = Content::new(MessageId([7; 16]), Time(7), 7, post("Sunday"));
    answer.thread = Some(message(1, 1));
    let said = |number: u8, kind| Content::new(MessageId([number; 16]), Time(number.into()), number.into(), kind);
    let story = [
        (1, said(1, poll)),
        (2, said(2, vote(&[0]))),
        (3, said(3, react(1, 1, "x", true))),
        (2, said(4, vote(&[1]))),
        (3, said(5, react(1, 1, "x", false))),
        (1, said(6, close)),
        (2, answer),
    ];
    let mut order: Vec<usize> = (0..story.len()).collect();
    let mut seen = 0;
    permute(&mut order, 0, &mut |order| {
        let mut talk = Talk::default();
        order.iter().for_each(|at| drop(talk.send(story[*at].0, &story[*at].1).unwrap()));
        let item = &talk.shown.items[&message(1, 1)];
        assert_eq!(item.tally().unwrap().chosen, [vec![], vec![person(2)]], "{order:?}");
        assert_eq!((item.reactions().len(), item.replies(), item.is_waiting()), (0, 1, false), "{order:?}");
        seen += 1;
    });
    assert_eq!(seen, 5040);
}

fn permute(order: &mut Vec<usize>, from: usize, see: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        return see(order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        permute(order, from + 1, see);
        order.swap(from, at);
    }
}

#[test]
fn what_does_not_fit_is_refused_or_forgotten() {
    let mut talk = Talk::default();
    talk.say(1, post("hello")).unwrap();
    assert_eq!(talk.say(2, vote(&[0])), Err(Refusal::Misfit { what: "vote", of: "text" }));
    let mut early = Talk::default();
    early.send(2, &Content::new(MessageId([5; 16]), Time(5), 5, vote(&[0]))).unwrap();
    assert!(early.shown.items[&message(1, 1)].is_waiting());
    early.say(1, post("hello")).unwrap();
    early.shown.apply(&sender_of(2), &Content::new(MessageId([5; 16]), Time(5), 5, vote(&[0]))).unwrap_err();
    assert_eq!(early.shown.items[&message(1, 1)], talk.shown.items[&message(1, 1)]);
}

fn sender_of(who: u8) -> Sender {
    Sender { author: Author { identity: person(who), device: 0 }, rights: Rights::default() }
}

#[test]
fn what_is_about_messages_that_have_not_come_waits_within_a_bound() {
    let mut shown = Shown::default();
    let of = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        byway_chat::content::MessageRef { author: person(1), id: MessageId(id) }
    };
    let edit =
        |number| Content::new(MessageId([1; 16]), Time(1), 1, Kind::Edit(Edit { of: of(number), text: text("x") }));
    for number in 0..WAITING_MAX {
        shown.apply(&sender_of(1), &edit(number)).unwrap();
    }
    assert_eq!(shown.apply(&sender_of(1), &edit(WAITING_MAX)), Err(Refusal::Full));
    let receipt = Kind::Receipt(Receipt { messages: BoundedList::new([of(0), of(WAITING_MAX)]).unwrap() });
    let changes = shown.apply(&sender_of(2), &Content::new(MessageId([2; 16]), Time(1), 1, receipt)).unwrap();
    assert_eq!(changes.len(), 1, "one of them has a place already");
    let first = Content::new(of(0).id, Time(1), 1, post("hello"));
    shown.apply(&sender_of(1), &first).unwrap();
    shown.apply(&sender_of(1), &edit(WAITING_MAX)).expect("one that waited has come");
    assert_eq!(shown.items[&of(0)].text().map(|text| &*text.source), Some("x"));
}

#[test]
fn receipts_and_read_marks_are_of_each_message_and_person() {
    let mut talk = Talk::default();
    talk.say(1, post("one")).unwrap();
    talk.say(1, post("two")).unwrap();
    let both = || BoundedList::new([message(1, 1), message(1, 2)]).unwrap();
    assert_eq!(talk.say(2, Kind::Receipt(Receipt { messages: both() })).unwrap().len(), 2);
    talk.say(2, Kind::ReadMark(ReadMark { messages: BoundedList::new([message(1, 2)]).unwrap() })).unwrap();
    let reached = |id| talk.shown.items[&message(1, id)].reached()[&person(2)];
    assert_eq!((reached(1).received, reached(1).read), (Some(Time(3)), None));
    assert_eq!((reached(2).received, reached(2).read), (Some(Time(3)), Some(Time(4))));
}

#[test]
fn a_thread_counts_its_messages_once() {
    let mut talk = Talk::default();
    let mut answer = fixed::content(40, post("yes"));
    answer.thread = Some(message(1, 1));
    talk.send(2, &answer).unwrap();
    talk.send(2, &answer).unwrap();
    talk.say(1, post("who?")).unwrap();
    assert_eq!(talk.shown.items[&message(1, 1)].replies(), 1);
}

#[test]
fn settings_are_the_admins_and_what_is_not_named_stays() {
    let mut talk = Talk::default();
    let title = |title: &str| Some(BoundedText::new(title).unwrap());
    let settings = |title, disappearing| Kind::Settings(Settings { title, disappearing });
    assert_eq!(talk.say(1, settings(title("Mine"), None)), Err(Refusal::MayNotSet));
    talk.say(ADMIN, settings(title("Ours"), None)).unwrap();
    talk.say(ADMIN, settings(None, Some(Span::days(1)))).unwrap();
    let about = &talk.shown.about;
    assert_eq!(about.title.as_ref().map(|title| &*title.value), Some("Ours"));
    assert_eq!(about.disappearing.as_ref().map(|span| span.value), Some(Span::days(1)));
}

#[test]
fn what_is_volatile_leaves_nothing() {
    let mut talk = Talk::default();
    let changes = talk.say(1, Kind::Typing(Typing { is_typing: true })).unwrap();
    assert!(matches!(changes[..], [Change::Typing { is_typing: true, .. }]));
    assert_eq!(talk.shown, Shown::default());
}

#[test]
fn nothing_is_shown_as_sent_in_the_future() {
    let content = fixed::content(1, post("hello"));
    assert_eq!(content.shown_at(Time(5)), Time(5));
    assert_eq!(content.shown_at(fixed::TIME + Span::days(1)), fixed::TIME);
}
