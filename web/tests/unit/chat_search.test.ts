/** Search in all that was said: what is typed, what is marked, and what is done without the node. */

import { describe, expect, test, vi } from "vitest";
import type { ChatConversation, ChatItem, ChatPerson } from "@byway/client";
import { onlyOnce, partsOf, pendingPart, piecesOf, proposals, searchLoaded, withFilter, withoutPart, withValue } from "../../src/lib/chat_search";
import { ChatSearch } from "../../src/lib/chat_search.svelte";
import { RpcError } from "../../src/lib/rpc";

const item = (place: number, text: string, more: Partial<ChatItem> = {}): ChatItem =>
  ({ conversation: "c", message: `a/${place}`, author: "ada", place, sent_ms: new Date(2026, 2, 1 + place).getTime(), kind: "text", text, edited: false, deleted: false, reactions: [], received: [], read: [], ...more });
const person = (identity: string, name: string): ChatPerson => ({ identity, name, standing: "contact", since_ms: 0, online: false, waiting: 0, safety_number: "", safety_words: "" });
const talk = (conversation: string, title: string): ChatConversation =>
  ({ conversation, title, members: [], member: true, since_ms: 0, messages: 0, unread: 0 });

test.each<[string, [string | null, string][]]>([
  ["budget \"next year\" from:Ada in:\"the office\"", [[null, "budget"], [null, "next year"], ["from", "Ada"], ["in", "the office"]]],
  ["from: has:file FROM:x", [["from", ""], ["has", "file"], ["from", "x"]]],
  ["https://a.example xfrom:b \"open", [[null, "https://a.example"], [null, "xfrom:b"], [null, "open"]]],
  ["", []],
  ["  \t ", []],
])("%j is taken apart", (query, parts) => {
  expect(partsOf(query).map(({ filter, value }) => [filter, value])).toEqual(parts);
});

test.each<[string, string | null]>([["a from:", "from"], ["from:ad", "from"], ["in:\"the of", "in"], ["in:\"the office\"", null], ["from:ad ", null], ["ada", null], ["", null]])("%j waits for the rest of %j", (query, filter) => {
  expect(pendingPart(query)?.filter ?? null).toBe(filter);
});

test("filters are put in, filled in and taken out", () => {
  expect([withFilter("", "from"), withFilter("tea  ", "has")]).toEqual(["from:", "tea has:"]);
  expect(withValue("tea in:of", pendingPart("tea in:of")!, "The \"of\u2068fice\u2069\"")).toBe("tea in:\"The office\" ");
  expect(withoutPart("tea from:ada cup", partsOf("tea from:ada cup")[1]!)).toBe("tea cup");
});

test("names are proposed, those that begin so first", () => {
  const part = { filter: "from" as const, value: "an", from: 0, to: 7 };
  expect(proposals(part, [person("1", "Jan"), person("2", "Änne"), person("3", ""), person("4", "Bob"), person("5", "Jan")], [])).toEqual(["Änne", "Jan"]);
  expect(proposals({ ...part, filter: "has", value: "p" }, [], [])).toEqual(["picture", "poll"]);
  expect(proposals({ ...part, filter: "before", value: "" }, [person("1", "Jan")], [])).toEqual([]);
});

describe("what is marked", () => {
  const shown = (text: string, marks: number[][]): string => piecesOf(text, marks).map(({ text: piece, isMarked }) => (isMarked ? `[${piece}]` : piece)).join("");

  test.each<[string, number[][], string]>([
    ["the lake", [[4, 8]], "the [lake]"],
    ["abc", [[1, 2], [0, 2], [2, 3]], "[abc]"],
    ["a\n\n b", [], "a b"],
    // What a node must not say comes to nothing.
    ["abc", [[-1, 2], [2, 1], [1.5, 2], [NaN, 3], [9, 12], [], [0, 0]], "abc"],
    ["abc", [[1, 1e9]], "a[bc]"],
    // No character is cut in two, and none that can't be seen comes through.
    ["😀😀", [[1, 3]], "[😀😀]"],
    ["a\u202eb\u0000c", [[1, 4]], "a[b]c"],
    ["<b>x</b>", [[0, 3]], "[<b>]x</b>"],
  ])("%j by %j", (text, marks, expected) => {
    expect(shown(text, marks)).toBe(expected);
  });

  test("is shown of a long text, with what stands around it", () => {
    const pieces = shown(`${"x".repeat(1_000)}lake${"y".repeat(1_000)}`, [[1_000, 1_004]]);
    expect(pieces).toBe(`…${"x".repeat(40)}[lake]${"y".repeat(196)}…`);
    expect(shown("z".repeat(20_000), Array.from({ length: 20_000 }, (_, at) => [at, at + 1])).length).toBeLessThan(300);
  });
});

describe("without the node", () => {
  const people = [person("ada", "Ada"), person("bob", "Bob")];
  const conversations = [talk("c", "Ada"), talk("g", "Garden")];
  const items = [
    item(0, "tea at the lake"), item(1, "TEA again https://a.example", { author: "bob", conversation: "g" }), item(2, "", { deleted: true }),
    item(3, "", { kind: "voice", attachments: [{ number: 0, name: "tea.ogg", media_type: "audio/ogg", size: 1, fetched: 0, state: "here", cautions: [] }] }),
    item(4, "", { kind: "poll", poll: { question: "Tea?", choices_max: 1, closed: false, options: [] } }),
  ];
  const find = (query: string, to: string | null = null): number[] => searchLoaded(query, to, { items, conversations, people }).hits.map(({ item: { place } }) => place);

  test.each<[string, number[]]>([
    ["tea", [4, 3, 1, 0]], ["tea lake", [0]], ["from:bob", [1]], ["tea in:garden", [1]], ["has:link", [1]], ["has:voice", [3]], ["has:poll tea", [4]], ["has:file", [3]], ["has:list", []], ["has:picture", []],
    ["before:2026-03-02", [0]], ["after:2026-03-03", [4, 3]], ["tea after:2026-03", []], ["before:2026", []], ["", []], ["\"\"", []],
  ])("%j", (query, places) => {
    expect(find(query)).toEqual(places);
  });

  test("one conversation, people by name, and what can't be read", () => {
    expect(find("tea", "g")).toEqual([1]);
    expect(searchLoaded("bo", null, { items, conversations, people }).people.map(({ name }) => name)).toEqual(["Bob"]);
    for (const query of ["has:dog", "before:soon", "from:"]) expect(() => find(query)).toThrow(RpcError);
  });
});

test("a hit stands once, and two conversations may have messages of one name", () => {
  const hit = (conversation: string, text: string) => ({ to: conversation, item: item(1, text, { conversation }), marks: [] });
  expect(onlyOnce([hit("c", "a"), hit("d", "b"), hit("c", "again")]).map(({ item: { text } }) => text)).toEqual(["a", "b"]);
});

describe("asking", () => {
  test("only what was typed last is asked for, and an answer that comes late replaces nothing", async () => {
    vi.useFakeTimers();
    const answers: ((texts: string[]) => void)[] = [];
    const asked: unknown[] = [];
    const call = (_: string, params: unknown): Promise<unknown> => {
      asked.push(params);
      return new Promise((done) => answers.push((texts) => done({ hits: texts.map((text, at) => ({ to: "c", item: item(at, text, { message: text }), marks: [] })), people: [], next: "n" })));
    };
    const search = new ChatSearch({ call } as never, () => ({ items: [], conversations: [], people: [] }));
    search.ask("t");
    search.ask("te");
    await vi.runAllTimersAsync();
    search.ask("tea", "c");
    await vi.runAllTimersAsync();
    expect(asked).toMatchObject([{ query: "te", limit: 40 }, { query: "tea", limit: 40, to: "c" }]);
    answers[1]!(["tea"]);
    await vi.runAllTimersAsync();
    answers[0]!(["te"]);
    await vi.runAllTimersAsync();
    expect([search.found, search.hits.map((hit) => hit.item.text), search.isBusy]).toEqual(["tea", ["tea"], false]);
    void search.more();
    answers[2]!(["older"]);
    await vi.runAllTimersAsync();
    expect([asked[2], search.hits.map((hit) => hit.item.text)]).toMatchObject([{ query: "tea", limit: 40, to: "c", before: "n" }, ["tea", "older"]]);
    search.ask(" ");
    expect([search.found, search.hits]).toEqual([null, []]);
    vi.useRealTimers();
  });
});
