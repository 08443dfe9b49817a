/** Address books, and what a first message costs, in words. */

import { describe, expect, test } from "vitest";
import type { ChatBook, ChatPerson, Method } from "@byway/client";
import { footingWords, priceOf, refusalWords } from "../../src/lib/chat_asks";
import { ChatBooks, entryProblem } from "../../src/lib/chat_books.svelte";
import type { NodeStore } from "../../src/lib/node.svelte";
import { RpcError } from "../../src/lib/rpc";

const book = (conversation: string, names: string[]): ChatBook =>
  ({ conversation, people: names.map((name) => ({ identity: name, name, by: "me", reachable: true, member: false })) });
const person = (more: Partial<ChatPerson>): ChatPerson =>
  ({ identity: "a", name: "Ada", standing: "asking", since_ms: 0, online: false, waiting: 0, safety_number: "", safety_words: "", ...more });

test("a book is kept current once somebody has looked at it, and not before", async () => {
  const calls: Method[] = [];
  const call = ((method: Method) => {
    calls.push(method);
    return Promise.resolve(book("one", method === "chat_book" ? ["Ada"] : ["Ada", "Bob"]));
  }) as NodeStore["call"];
  const books = new ChatBooks({ call });
  books.note(book("one", ["Zoe"]));
  expect(books.of("one")).toBeNull();
  await books.read("one");
  expect(books.of("one")?.map(({ name }) => name)).toEqual(["Ada"]);
  await books.change("one", { what: "put", who: "Bob" });
  expect(books.of("one")?.length).toBe(2);
  books.note(book("one", []));
  books.note(book("two", ["Ada"]));
  expect([books.of("one"), books.of("two")]).toEqual([[], null]);
  expect(calls).toEqual(["chat_book", "chat_book_change"]);
});

test("what is written names somebody, and is not too long", () => {
  const table: [string, string, string][] = [["", "", ""], ["a", "é".repeat(65), ""], ["a", "", "é".repeat(257)], ["a", "é".repeat(64), "é".repeat(256)]];
  expect(table.map((entry) => entryProblem(...entry) === null)).toEqual([false, false, false, true]);
});

test("only a price is one", () => {
  expect(priceOf(new RpcError("first_message_costs", "", 1656, { price: "0.01" }))).toBe("0.01");
  for (const error of [new RpcError("first_message_costs", "", 1656), new RpcError("asked_too_often", "", 1657, { price: "0.01" }), new Error("0.01")]) {
    expect(priceOf(error)).toBeNull();
  }
});

describe("in words", () => {
  test("why somebody is not heard", () => {
    expect(refusalWords(person({}), 0)).toBeNull();
    expect(refusalWords(person({ refused: { reason: "price", price: "0.5", text: "" } }), 0)).toContain("0.5 WAY");
    const later = person({ refused: { reason: "later", again_ms: 5, text: "" } });
    expect([refusalWords(later, 4), refusalWords(later, 5)].map((words) => words?.includes("You can try again"))).toEqual([false, true]);
  });

  test("on what footing somebody asks", () => {
    expect(footingWords(person({ introduced_by: "01", paid: "1" }), "Bakers")).toContain("in Bakers with you");
    expect(footingWords(person({ paid: "0.01" }), null)).toContain("0.01 WAY");
    expect(footingWords(person({ registered: true }), null)).toContain("pledge");
    expect(footingWords(person({}), null)).toContain("not registered");
  });
});
