/** Threads: what is counted, what is kept, and how far back is looked. */

import { expect, test } from "vitest";
import type { ChatItem } from "@byway/client";
import { answersOf, Thread, withAnswer } from "../../src/lib/thread.svelte";

const item = (place: number, thread: string | null = null): ChatItem =>
  ({ conversation: "c", message: `a/${place}`, author: "a", place, sent_ms: place, kind: "text", text: "", edited: false, deleted: false, reactions: [], received: [], read: [], thread });

/** A conversation of so many messages, of which those of `answers` answer the first. */
function thread(messages: number, answers: number[]): { thread: Thread; reads: () => number } {
  let reads = 0;
  const at = (place: number): ChatItem => item(place, answers.includes(place) ? "a/0" : null);
  const call = async (method: string, { before = messages, limit = 0 }: { before?: number; limit?: number }): Promise<unknown> => {
    if (method === "chat_show") return at(0);
    reads += 1;
    const first = Math.max(0, before - limit);
    return Array.from({ length: before - first }, (_, index) => at(before - 1 - index));
  };
  return { thread: new Thread({ call } as never, "c", "a/0"), reads: () => reads };
}

test("answers are counted by the message that their thread began with", () => {
  expect([...answersOf([item(0), item(1, "a/0"), item(2, "a/9"), item(3, "a/0")])]).toEqual([["a/0", 2], ["a/9", 1]]);
});

test("an answer is put where it was said, and one that changed stands once", () => {
  const answers = withAnswer(withAnswer([], item(5, "a/0")), item(3, "a/0"));
  expect(withAnswer(answers, { ...item(5, "a/0"), text: "new" }).map(({ place, text }) => [place, text])).toEqual([[3, ""], [5, "new"]]);
});

test("a thread is read back to where it began, over several pages", async () => {
  const { thread: read, reads } = thread(450, [3, 201, 449]);
  await read.read();
  expect([read.answers.map(({ place }) => place), read.isCut, reads()]).toEqual([[3, 201, 449], false, 3]);
  read.note(item(450, "a/7"));
  expect(read.answers.length).toBe(3);
});

test("one that began long ago is read as far as is looked, and says so", async () => {
  const { thread: read, reads } = thread(100_000, [3, 99_999]);
  await read.read();
  expect([read.answers.map(({ place }) => place), read.isCut, reads()]).toEqual([[99_999], true, 20]);
});
