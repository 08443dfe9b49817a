/** Conversations: words, and the window of messages. */

import { describe, expect, test } from "vitest";
import type { ChatConversation, ChatItem, ChatPerson } from "@byway/client";
import { alikeWords, dayLabel, excerpt, initials, isEmojiAlone, kindWords, listTime, lookAlikes, markOf, searchedConversations, searchedItems, sortedConversations, titleCount } from "../../src/lib/chat_words";
import { isoMoment } from "../../src/lib/format";
import { firstPage, placeForNewer, rowsOf, unreadPlace, WINDOW_MAX, withChange, withPage } from "../../src/lib/timeline";

const OWN = "aa".repeat(20);
const ADA = "bb".repeat(20);
const BOB = "cc".repeat(20);
const NOON = new Date(2026, 2, 14, 12).getTime();
const MINUTE = 60_000;
const DAY = 86_400_000;

function item(place: number, more: Partial<ChatItem> = {}): ChatItem {
  const author = more.author ?? ADA;
  return { conversation: "01".repeat(32), message: `${author}/${place}`, author, place, sent_ms: NOON + place * MINUTE, kind: "text", text: `text ${place}`, edited: false, deleted: false, reactions: [], received: [], read: [], ...more };
}
const items = (from: number, to: number): ChatItem[] => Array.from({ length: to - from }, (_, at) => item(from + at));
const person = (identity: string, name: string, more: Partial<ChatPerson> = {}): ChatPerson => ({ identity, name, standing: "contact", since_ms: 0, online: false, waiting: 0, safety_number: "", safety_words: "", ...more });
const conversation = (more: Partial<ChatConversation>): ChatConversation => ({ conversation: "01".repeat(32), member: true, members: [OWN, ADA], messages: 1, peer: ADA, since_ms: 0, title: "Ada", unread: 0, ...more });

describe("the window", () => {
  test("a page joins on either side, and the far end goes", () => {
    const window = items(1_000, 1_000 + WINDOW_MAX);
    const older = withPage(window, items(940, 1_000).reverse(), "older");
    expect([older.length, older[0]?.place, older.at(-1)?.place]).toEqual([WINDOW_MAX, 940, 940 + WINDOW_MAX - 1]);
    const newer = withPage(older, items(1_150, 1_250), "newer");
    expect([newer.length, newer.at(-1)?.place]).toEqual([WINDOW_MAX, 1_249]);
  });

  test("a page that overlaps replaces what it has anew", () => {
    const joined = withPage(items(0, 5), [item(4, { text: "edited" }), item(5)], "newer");
    expect(joined.map(({ text }) => text)).toEqual(["text 0", "text 1", "text 2", "text 3", "edited", "text 5"]);
  });

  test("a page behind the last begins right behind it", () => {
    expect(placeForNewer(99)).toBe(160);
  });

  test("a change is taken where the message is there", () => {
    expect(withChange(items(0, 3), item(1, { text: "new" }))?.[1]?.text).toBe("new");
    expect(withChange(items(0, 3), item(7))).toBeNull();
  });

  test("the first page has all that is new, as far as the node gives it", () => {
    expect([firstPage(0), firstPage(40), firstPage(5_000)]).toEqual([60, 100, 200]);
    const mixed = [item(0), item(1, { author: OWN }), item(2), item(3)];
    expect([unreadPlace(mixed, 2, OWN), unreadPlace(mixed, 0, OWN), unreadPlace(mixed, 9, OWN)]).toEqual([2, null, null]);
  });
});

test("rows: days, what is new, and who goes on", () => {
  const list = [item(0), item(1), item(2, { author: OWN }), item(3, { sent_ms: NOON + DAY }), item(4, { sent_ms: NOON + DAY })];
  const shown = rowsOf(list, 4, NOON + DAY).map((row) => (row.kind === "item" ? `${row.item.place}${row.isFirst ? " first" : ""}${row.isLast ? " last" : ""}` : row.kind === "day" ? row.label : "new"));
  expect(shown).toEqual(["Yesterday", "0 first", "1 last", "2 first last", "Today", "3 first last", "new", "4 first last"]);
});

test.each([[0, "Today"], [1, "Yesterday"], [3, "Wednesday"], [20, "22 February 2026"]])("%i days ago", (days, label) => {
  expect(dayLabel(NOON - days * DAY, NOON)).toBe(label);
});

test("times in the list", () => {
  expect([0, 1, 3, 20, 400].map((days) => listTime(NOON - days * DAY, NOON))).toEqual(["12:00", "Yesterday", "Wed", "22 Feb", "Feb 2025"]);
});

test("a mark says what holds for all", () => {
  const group = [OWN, ADA, BOB];
  expect(markOf(item(0), group, OWN)).toBe("kept");
  expect(markOf(item(0, { received: [ADA], read: [ADA] }), group, OWN)).toBe("kept");
  expect(markOf(item(0, { received: [ADA, BOB], read: [ADA] }), group, OWN)).toBe("received");
  expect(markOf(item(0, { received: [BOB], read: [ADA] }), group, OWN)).toBe("received");
  expect(markOf(item(0, { read: [ADA, BOB] }), group, OWN)).toBe("read");
  expect(markOf(item(0), [OWN], OWN)).toBe("kept");
});

test("excerpts", () => {
  expect(excerpt(item(0, { text: `**Hi** [@x](mention:${ADA})\n> quoted` }), [person(ADA, "Ada")])).toBe("Hi @Ada quoted");
  expect(excerpt(item(0, { deleted: true }), null)).toBe("Deleted message");
  expect(excerpt(item(0, { kind: "poll", text: "" }), null)).toBe("A poll");
  expect(kindWords("a message of a newer kind")).toBe("A message of a newer kind");
});

test("searching folds letters, and wants every word", () => {
  const people = [person(ADA, "Ádá Lovelace")];
  const talks = [conversation({ title: "Ádá Lovelace", newest: item(0, { text: "the **engine**" }) }), conversation({ title: "Bob", members: [OWN, BOB], peer: BOB })];
  expect(searchedConversations(talks, people, "ada ENGINE")).toEqual([talks[0]]);
  expect(searchedConversations(talks, people, "ada bob")).toEqual([]);
  expect(searchedConversations(talks, people, " ")).toEqual(talks);
  expect(searchedItems([item(0, { text: "Café *noir*" }), item(1, { text: "cafe", deleted: true }), item(2)], people, "cafe noir").map(({ place }) => place)).toEqual([0]);
  expect(searchedItems([item(0, { text: "東京の花火" })], people, "花火")).toHaveLength(1);
});

test("names that look alike are those of which the node says so", () => {
  const looks_like = { identity: OWN, name: "carol", in_directory: true };
  const all = [person(ADA, "Carol", { looks_like }), person(BOB, "Bob"), person(OWN, "Carol", { looks_like: { identity: ADA, name: "Carol", in_directory: false } })];
  expect([...lookAlikes(all)]).toEqual([ADA, OWN]);
  expect(alikeWords(all[0]!)).toContain("In the directory, carol is somebody else");
  expect(alikeWords(all[1]!)).toBeNull();
  expect(alikeWords(all[2]!)).toContain("Somebody else in your list");
});

test.each([["Ada Lovelace", "AL"], ["\u2068ليلى\u2069", "ل"], ["", "?"], ["🌱", "?"]])("initials of %j", (name, expected) => expect(initials(name)).toBe(expected));

test.each([["🎉", true], ["❤️", true], ["👩‍👧 🇸🇪", true], ["👍🏽", true], ["12", false], ["ok 👍", false], ["", false]])("%j alone: %j", (text, expected) => expect(isEmojiAlone(text)).toBe(expected));

test("what could be read as emoji in many ways is looked through once", () => {
  expect(isEmojiAlone("⌚".repeat(39) + "x")).toBe(false);
  expect(isEmojiAlone("⌚".repeat(40))).toBe(true);
});

test("a moment that is none has no name", () => {
  expect(isoMoment(0)).toBe("1970-01-01T00:00:00.000Z");
  expect(isoMoment(2 ** 64)).toBeUndefined();
});

test("what nobody has looked at stands in the title", () => {
  expect(titleCount(null, null, NOON)).toBe("");
  expect(titleCount([conversation({ unread: 2 })], [person(BOB, "Bob", { standing: "asking" })], NOON)).toBe("(3) ");
  expect(titleCount([conversation({ unread: 500 })], [], NOON)).toBe("(99+) ");
  expect(titleCount([conversation({ unread: 2, muted_until_ms: NOON + 1 }), conversation({ marked_unread: true })], [], NOON)).toBe("(1) ");
  expect(titleCount([conversation({ unread: 2, muted_until_ms: NOON })], [], NOON)).toBe("(2) ");
});

test("the conversation with the newest message is first", () => {
  const quiet = conversation({ since_ms: NOON, newest: null });
  const lively = conversation({ newest: item(5) });
  expect(sortedConversations([quiet, lively])).toEqual([lively, quiet]);
});


