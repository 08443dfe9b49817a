/** The search of the mock node: words that stand in a text as they are, and the filters that tests have. */

import type { ChatFound, ChatHit, Methods } from "@byway/client";
import { partsOf } from "../../src/lib/chat_search";
import { MethodError } from "./error";
import type { MockNode } from "./node";

function hitOf(item: ChatHit["item"], words: string[]): ChatHit | null {
  const text = [item.text, ...(item.attachments ?? []).map(({ name }) => name), item.poll?.question ?? ""].join("\n").toLowerCase();
  if (item.deleted || !words.every((word) => text.includes(word))) return null;
  const marks = words.flatMap((word): [number, number][] => {
    const at = item.text.toLowerCase().indexOf(word);
    return at < 0 ? [] : [[at, at + word.length]];
  });
  return { to: item.conversation, item, marks };
}

export const searchHandlers = {
  chat_search: ({ chat }: MockNode, { query, to, before, limit = 50 }: Methods["chat_search"]["params"]): ChatFound => {
    const parts = partsOf(query);
    const bad = parts.find(({ filter, value }) => filter === "has" && !["file", "poll"].includes(value));
    if (bad) throw new MethodError(1646, "query_not_understood", `"has:${bad.value}" is not known; there are has:file and has:poll.`);
    const words = parts.filter(({ filter }) => filter === null).map(({ value }) => value.toLowerCase());
    const has = parts.filter(({ filter }) => filter === "has").map(({ value }) => value);
    const from = parts.find(({ filter }) => filter === "from")?.value.toLowerCase();
    const authors = chat.people.filter(({ name }) => name.toLowerCase().includes(from ?? "")).map(({ identity }) => identity);
    const all = chat.list().filter(({ conversation }) => to === undefined || conversation === to)
      .flatMap(({ conversation, messages }) => Array.from({ length: messages }, (_, place) => chat.at(chat.named(conversation), place)))
      .filter((item) => (from === undefined || authors.includes(item.author)) && has.every((what) => (what === "poll" ? !!item.poll : (item.attachments ?? []).length > 0)))
      .sort((a, b) => b.sent_ms - a.sent_ms || b.place - a.place).flatMap((item) => hitOf(item, words) ?? []);
    const first = Number(before ?? 0);
    return {
      hits: all.slice(first, first + limit), next: all.length > first + limit ? String(first + limit) : null,
      people: from !== undefined || has.length > 0 || to !== undefined || first > 0 ? [] : chat.people.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word))),
    };
  },
};
