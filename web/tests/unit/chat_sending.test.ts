/** What is sent is shown once: as on its way until the node has it, then as said. */

import { beforeAll, expect, test, vi } from "vitest";
import type { ChatItem } from "@byway/client";
import { ChatStore } from "../../src/lib/chat.svelte";
import type { NodeStore } from "../../src/lib/node.svelte";
import { errorMessage } from "../../src/lib/rpc";

const OWN = "aa".repeat(20);
const TALK = "01".repeat(32);

beforeAll(() => void vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined, removeItem: () => undefined }));

const said = (place: number, text: string, thread?: string): ChatItem =>
  ({ conversation: TALK, message: `${OWN}/${place}`, author: OWN, place, sent_ms: place, kind: "text", text, thread, edited: false, deleted: false, reactions: [], received: [], read: [] });

/** A node whose answers come when they are let go. */
class Held {
  readonly asked: { text: string; answer: (item: ChatItem) => void; fail: (error: Error) => void }[] = [];
  readonly #waiting: (() => void)[] = [];

  readonly node = {
    call: (method: string, params: { text?: string }) => {
      if (method !== "chat_send") return Promise.resolve([]);
      const call = new Promise((answer, fail) => this.asked.push({ text: params.text!, answer: answer as (item: ChatItem) => void, fail }));
      for (const wake of this.#waiting.splice(0)) wake();
      return call;
    },
  } as unknown as Pick<NodeStore, "call">;

  async have(calls: number): Promise<void> {
    while (this.asked.length < calls) await new Promise<void>((wake) => this.#waiting.push(wake));
  }
}

async function begun(...texts: string[]): Promise<{ held: Held; chat: ChatStore }> {
  const held = new Held();
  const chat = new ChatStore(held.node);
  await chat.read(OWN);
  for (const text of texts) chat.send(TALK, text, null);
  await held.have(1);
  return { held, chat };
}

const shown = (chat: ChatStore): [string, string | null][] => chat.outgoing.map(({ text, problem }) => [text, problem]);

test("told of before it is answered, it is no longer on its way", async () => {
  const { held, chat } = await begun("one", "two");
  chat.noteItem(said(0, "one"));
  expect(shown(chat)).toEqual([["two", null]]);
  held.asked[0]!.answer(said(0, "one"));
  await held.have(2);
  expect(shown(chat)).toEqual([["two", null]]);
});

test("the same said twice is on its way twice", async () => {
  const { held, chat } = await begun("yes", "yes");
  held.asked[0]!.answer(said(0, "yes"));
  await held.have(2);
  expect(shown(chat)).toEqual([["yes", null]]);
});

test("what stands elsewhere or says something else is not it", async () => {
  const { chat } = await begun("one");
  chat.noteItem(said(0, "other"));
  chat.noteItem(said(1, "one", `${OWN}/0`));
  chat.noteItem({ ...said(2, "one"), conversation: "02".repeat(32) });
  expect(shown(chat)).toEqual([["one", null]]);
});

test("what fails after all is there again, before what was sent later", async () => {
  const { held, chat } = await begun("one", "two");
  chat.noteItem(said(0, "one"));
  held.asked[0]!.fail(new Error("gone"));
  await held.have(2);
  expect(shown(chat)).toEqual([["one", errorMessage(new Error("gone"))], ["two", null]]);
});
