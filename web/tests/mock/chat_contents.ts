/** Polls, lists and notes of the mock node. */

import type { ChatItem, ChatListEdit, ChatListEntry, Method, Methods } from "@byway/client";
import type { MockChat, Said } from "./chat";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { hex } from "./world";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

/** Under a key something is said once. */
const keys = new Map<string, ChatItem>();

/** Says something as the node does for a call. */
export function once(chat: MockChat, to: string, key: string | undefined, said: Said): ChatItem {
  const known = keys.get(key ?? "");
  if (known) return known;
  const talk = chat.named(to);
  const item = chat.say(talk, said);
  keys.set(key ?? "", item);
  chat.publish("message", item);
  chat.tellConversation(talk);
  return item;
}

let entries = 0;
export function entry(text: string, done = false): ChatListEntry {
  entries += 1;
  return { entry: hex(5_000 + entries, 32), text, done };
}

function changed(list: ChatListEntry[], { what, entry: of, text = "", assignee, behind }: ChatListEdit): ChatListEntry[] {
  if (what === "add") return [...list, entry(text ?? "")];
  if (what === "remove") return list.filter((known) => known.entry !== of);
  if (what === "move") {
    const rest = list.filter((known) => known.entry !== of);
    const at = rest.findIndex((known) => known.entry === behind) + 1;
    return [...rest.slice(0, at), ...list.filter((known) => known.entry === of), ...rest.slice(at)];
  }
  if (what === "assign") return list.map((known) => (known.entry === of ? { ...known, assignee: assignee ?? null } : known));
  const change: Partial<ChatListEntry> = what === "write" ? { text: text ?? "" } : { done: what === "check" };
  return list.map((known) => (known.entry === of ? { ...known, ...change } : known));
}

export const contentHandlers: Handlers = {
  chat_poll: ({ chat }, { to, question, options, choices_max = 1, closes_ms, idempotency_key }) =>
    once(chat, to, idempotency_key, { text: "", kind: "poll", poll: { question, choices_max, closes_ms, closed: false, options: options.map((text) => ({ text, people: [], chosen: false })) } }),
  chat_vote: ({ chat }, { to, message, choices }) => {
    const talk = chat.named(to);
    const item = chat.find(talk, message);
    if (!item.poll) throw new MethodError(1624, "message_of_another_kind", "The message is no poll.");
    if (item.poll.closed) throw new MethodError(1625, "poll_closed", "The poll is closed.");
    const options = item.poll.options.map((option, index) => {
      const others = option.people.filter((person) => person !== chat.own);
      const chosen = choices.includes(index);
      return { ...option, chosen, people: chosen ? [...others, chat.own] : others };
    });
    return chat.change(talk, { ...item, poll: { ...item.poll, options } });
  },
  chat_list: ({ chat }, { to, title, style = "tasks", entries: texts = [], idempotency_key }) =>
    once(chat, to, idempotency_key, { text: "", kind: "list", list: { title, style, entries: texts.map((text) => entry(text)) } }),
  chat_list_change: ({ chat }, { to, message, changes }) => {
    const talk = chat.named(to);
    const item = chat.find(talk, message);
    if (!item.list) throw new MethodError(1624, "message_of_another_kind", "The message is no list.");
    return chat.change(talk, { ...item, list: { ...item.list, entries: changes.reduce(changed, item.list.entries) } });
  },
  chat_memo: ({ chat }, { text, remind_ms, idempotency_key }) => once(chat, chat.notes().conversation.conversation, idempotency_key, { text, kind: "memo", remind_ms: remind_ms ?? null }),
};
