/** Drafts that the node keeps, and what is true for a moment. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ChatConversation, ChatSign } from "@byway/client";
import { AWAY_AFTER_MS, presenceDue, PRESENCE_AGAIN_MS, presenceIn, TYPING_AGAIN_MS, typingIn, typingWords, withoutTyping, withSign, type PresenceSaid } from "../../src/lib/chat_signs";
import { sortedConversations } from "../../src/lib/chat_words";
import { Drafts, NO_DRAFT } from "../../src/lib/drafts.svelte";
import { Signs } from "../../src/lib/signs.svelte";
import { Timeline } from "../../src/lib/timeline.svelte";

describe("drafts", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** With a node that has texts, and may fail. */
  function drafts() {
    const node = { kept: [] as [string, string][], isUp: true };
    const made = new Drafts((conversation, text) => {
      if (!node.isUp) return Promise.reject(new Error("down"));
      node.kept.push([conversation, text]);
      return Promise.resolve();
    });
    return { node, made };
  }

  test("are kept by the node once nothing more is typed, and stand there afterwards", async () => {
    const { node, made } = drafts();
    for (const text of ["h", "he", "hello"]) made.set("a", { ...NO_DRAFT, text });
    expect(node.kept).toEqual([]);
    await vi.runAllTimersAsync();
    expect(node.kept).toEqual([["a", "hello"]]);
    expect(made.of("a", "changed elsewhere").text).toBe("changed elsewhere");
  });

  test("what was sent is none at once, whatever was to be kept before", async () => {
    const { node, made } = drafts();
    made.set("a", { ...NO_DRAFT, text: "hello" });
    made.set("a", NO_DRAFT);
    expect(made.of("a", "hello").text).toBe("");
    await vi.runAllTimersAsync();
    expect(node.kept).toEqual([["a", ""]]);
  });

  test("stay on the page with what they answer, and while the node has them not", async () => {
    const { node, made } = drafts();
    made.set("a", { ...NO_DRAFT, text: "hello", reply: "x/1" });
    node.isUp = false;
    made.set("b", { ...NO_DRAFT, text: "there" });
    await vi.runAllTimersAsync();
    expect([made.of("a", "").reply, made.of("b", "").text]).toEqual(["x/1", "there"]);
  });

  test("an edit is none, and the draft before it comes back", async () => {
    const { node, made } = drafts();
    made.set("a", { ...NO_DRAFT, text: "half a thou" });
    made.set("a", { ...NO_DRAFT, text: "said before", editing: "x/1" });
    made.set("a", { ...NO_DRAFT, text: "said otherwise", editing: "x/1" });
    await vi.runAllTimersAsync();
    expect(node.kept).toEqual([["a", "half a thou"]]);
    expect(made.of("a", "half a thou").text).toBe("said otherwise");
    made.drop("a");
    expect(made.of("a", "half a thou").text).toBe("half a thou");
  });

  test("are brought to the node when the page is left", async () => {
    const { node, made } = drafts();
    made.set("a", { ...NO_DRAFT, text: "hello" });
    made.keepAll();
    await Promise.resolve();
    expect(node.kept).toEqual([["a", "hello"]]);
  });
});

describe("signs", () => {
  const sign = (more: Partial<ChatSign>): ChatSign => ({ conversation: "c", person: "ada", until_ms: 1_000, ...more });

  test("each replaces the one of its subject, and is over when it is", () => {
    const signs = [sign({ typing: true }), sign({ presence: "busy" }), sign({ person: "bob", typing: true, until_ms: 500 })].reduce((all, one) => withSign(all, one, 0), [] as ChatSign[]);
    expect([typingIn(signs, "c", 0), typingIn(signs, "c", 600), typingIn(signs, "d", 0)]).toEqual([["ada", "bob"], ["ada"], []]);
    expect([presenceIn(signs, "c", "ada", 0), presenceIn(signs, "c", "ada", 1_000), presenceIn(signs, "c", "bob", 0)]).toEqual(["busy", null, null]);
    expect(typingIn(withSign(signs, sign({ typing: false }), 0), "c", 0)).toEqual(["bob"]);
    expect(typingIn(withoutTyping(signs, "c", "bob"), "c", 0)).toEqual(["ada"]);
    expect(presenceIn(withoutTyping(signs, "c", "ada"), "c", "ada", 0)).toBe("busy");
  });

  test.each([[[], ""], [["Ada"], "Ada is writing…"], [["Ada", "Bob"], "Ada and Bob are writing…"], [["a", "b", "c"], "3 people are writing…"]])("%j", (names, words) => {
    expect(typingWords(names)).toBe(words);
  });

  test("that one writes is said again only after a while, and its end only where it was said", async () => {
    vi.useFakeTimers();
    const said: unknown[] = [];
    let typing = true;
    const call = ((method: string, params: { typing?: boolean }) => {
      if (method === "chat_typing") said.push(params.typing);
      return Promise.resolve({ typing, presence: false, read_marks: true });
    }) as never;
    const signs = new Signs({ call });
    signs.type("c", true);
    await signs.read();
    signs.type("c", false);
    signs.type("c", true);
    vi.advanceTimersByTime(TYPING_AGAIN_MS - 1);
    signs.type("c", true);
    vi.advanceTimersByTime(1);
    signs.type("c", true);
    signs.type("c", false);
    signs.type("c", false);
    typing = false;
    await signs.read();
    signs.type("c", true);
    vi.useRealTimers();
    expect(said).toEqual([true, true, false]);
  });

  test("one is here at once and again while one looks, and away only after a while", () => {
    const said: string[] = [];
    let state: PresenceSaid = { what: "away", saidMs: 0, lostMs: null };
    const look = (isThere: boolean, nowMs: number): void => {
      const { say, after } = presenceDue(state, isThere, nowMs);
      if (say) said.push(`${say} ${nowMs}`);
      state = after;
    };
    look(false, 1);
    look(true, 10);
    look(true, 10 + PRESENCE_AGAIN_MS - 1);
    look(true, 10 + PRESENCE_AGAIN_MS);
    look(false, 200_000);
    look(true, 200_000 + AWAY_AFTER_MS - 1);
    look(false, 300_000);
    look(false, 300_000 + AWAY_AFTER_MS);
    look(false, 900_000);
    expect(said).toEqual(["here 10", `here ${10 + PRESENCE_AGAIN_MS}`, `away ${300_000 + AWAY_AFTER_MS}`]);
  });
});

test("pinned conversations stand above the others", () => {
  const conversation = (id: string, since_ms: number, pinned: boolean): ChatConversation => ({ conversation: id, member: true, members: [], messages: 0, since_ms, title: id, unread: 0, pinned });
  expect(sortedConversations([conversation("a", 3, false), conversation("b", 1, true), conversation("c", 2, true)]).map(({ title }) => title)).toEqual(["c", "b", "a"]);
});

test("a message that is quoted is asked for once, and follows its changes", async () => {
  const asked: unknown[] = [];
  const item = { conversation: "c", message: "ada/1", author: "ada", place: 3, sent_ms: 0, kind: "text", text: "once", edited: false, deleted: false, reactions: [], received: [], read: [] };
  const call = ((_: string, params: unknown) => (asked.push(params), Promise.resolve(item))) as never;
  const timeline = new Timeline({ call }, "c", "me");
  await Promise.all([timeline.show("ada/1"), timeline.show("ada/1")]);
  expect(asked).toEqual([{ to: "c", message: "ada/1" }]);
  expect(timeline.quoted("ada/1")?.text).toBe("once");
  timeline.note({ ...item, text: "edited" });
  expect([timeline.quoted("ada/1")?.text, timeline.quoted("ada/2")]).toEqual(["edited", null]);
});
