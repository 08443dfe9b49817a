/** Polls and lists: what is computed of them. */

import { describe, expect, test } from "vitest";
import type { ChatItem, ChatPoll } from "@byway/client";
import { choicesAfter, linesOf, OPTIONS_MAX, pollProblem, voterCount } from "../../src/lib/chat_contents";
import { excerpt, isShown } from "../../src/lib/chat_words";

const poll = (choices_max: number, chosen: number[]): ChatPoll =>
  ({ question: "When?", closed: false, choices_max, options: [0, 1, 2].map((at) => ({ text: `${at}`, chosen: chosen.includes(at), people: chosen.includes(at) ? ["a", `b${at}`] : [] })) });
const item = (more: Partial<ChatItem>): ChatItem =>
  ({ conversation: "", message: "m", author: "a", place: 0, sent_ms: 0, kind: "text", text: "", edited: false, deleted: false, reactions: [], received: [], read: [], ...more });

describe("a click on an option", () => {
  test.each<[string, number, number[], number, number[]]>([
    ["chooses it", 1, [], 1, [1]],
    ["takes the other back where one is chosen", 1, [0], 1, [1]],
    ["takes it back", 1, [1], 1, []],
    ["adds to those chosen", 2, [2], 0, [0, 2]],
    ["changes nothing beyond what may be chosen", 2, [0, 1], 2, [0, 1]],
    ["takes one of several back", 3, [0, 1, 2], 1, [0, 2]],
  ])("%s", (_, most, chosen, clicked, after) => {
    expect(choicesAfter(poll(most, chosen), clicked)).toEqual(after);
  });
});

test("who has chosen several has voted once", () => {
  expect(voterCount(poll(2, [0, 1]))).toBe(3);
  expect(voterCount(poll(2, []))).toBe(0);
});

test("lines: without what is empty or there twice", () => {
  expect(linesOf(" bread\n\n  wine \nbread\r\n")).toEqual(["bread", "wine"]);
});

test("what is no poll is told before it is asked", () => {
  expect(pollProblem(" ", ["a", "b"])).toMatch(/question/);
  expect(pollProblem("When?", ["a"])).toMatch(/two options/);
  expect(pollProblem("When?", Array.from({ length: OPTIONS_MAX + 1 }, String))).toMatch(/at most 20/);
  expect(pollProblem("When?", ["a", "b"])).toBeNull();
});

test("on one line, a poll is its question and a list its title", () => {
  expect(excerpt(item({ kind: "poll", poll: { ...poll(1, []), question: "When\u202e?" } }), null)).toBe("Poll: When?");
  expect(excerpt(item({ kind: "list", list: { title: "shopping", style: "things", entries: [] } }), null)).toBe("List: shopping");
  expect([isShown(item({ kind: "poll" })), isShown(item({ kind: "poll", poll: poll(1, []) })), isShown(item({ kind: "memo" }))]).toEqual([false, true, true]);
});
