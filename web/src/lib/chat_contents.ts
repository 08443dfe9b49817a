/** Polls, lists and notes: what is asked of the node for them, and what is computed of them. The last part is pure. */

import type { ChatItem, ChatListEdit, ChatListEntry, ChatPoll } from "@byway/client";
import { Attempt } from "./attempt";
import type { NodeStore } from "./node.svelte";

/** Options of a poll, and entries that a list begins with, as the node takes them. */
export const OPTIONS_MAX = 20;
export const ENTRIES_MAX = 64;

export interface PollWanted {
  question: string;
  options: string[];
  choicesMax: number;
  closesMs: number | null;
}

/** Each call throws what went wrong; what it gives is noted by `note`. */
export class ChatContents {
  #making = new Attempt();

  constructor(private readonly node: Pick<NodeStore, "call">, private readonly note: (item: ChatItem) => void) {}

  async ask(to: string, { question, options, choicesMax, closesMs }: PollWanted): Promise<void> {
    const poll = { to, question, options, choices_max: choicesMax, ...(closesMs === null ? {} : { closes_ms: closesMs }) };
    this.note(await this.#making.make(JSON.stringify(poll), (key) => this.node.call("chat_poll", { ...poll, idempotency_key: key })));
  }

  async vote(item: ChatItem, choices: number[]): Promise<void> {
    this.note(await this.node.call("chat_vote", { to: item.conversation, message: item.message, choices }));
  }

  async close(item: ChatItem): Promise<void> {
    this.note(await this.node.call("chat_about", { to: item.conversation, message: item.message, what: "close" }));
  }

  async begin(to: string, title: string, style: "tasks" | "things", entries: string[]): Promise<void> {
    const list = { to, title, style, entries };
    this.note(await this.#making.make(JSON.stringify(list), (key) => this.node.call("chat_list", { ...list, idempotency_key: key })));
  }

  async change(item: ChatItem, change: ChatListEdit): Promise<void> {
    this.note(await this.node.call("chat_list_change", { to: item.conversation, message: item.message, changes: [change] }));
  }

  /** Into the conversation with oneself, which begins with it. */
  async memo(text: string, remindMs: number | null = null): Promise<ChatItem> {
    const memo = { text, ...(remindMs === null ? {} : { remind_ms: remindMs }) };
    const item = await this.#making.make(JSON.stringify(memo), (key) => this.node.call("chat_memo", { ...memo, idempotency_key: key }));
    this.note(item);
    return item;
  }
}

/** One's choices after a click on an option: of one choice the other goes, and what is chosen is taken back. */
export function choicesAfter(poll: ChatPoll, option: number): number[] {
  const chosen = poll.options.flatMap(({ chosen: is }, index) => (is ? [index] : []));
  if (chosen.includes(option)) return chosen.filter((index) => index !== option);
  if (poll.choices_max === 1) return [option];
  return chosen.length < poll.choices_max ? [...chosen, option].sort((a, b) => a - b) : chosen;
}

/** An entry one place up or down; null where it is at that end. */
export function movedBy(entries: ChatListEntry[], entry: string, by: -1 | 1): ChatListEdit | null {
  const at = entries.findIndex((known) => known.entry === entry);
  if (at < 0 || !entries[at + by]) return null;
  const behind = entries[by < 0 ? at - 2 : at + 1]?.entry;
  return { what: "move", entry, ...(behind === undefined ? {} : { behind }) };
}

/** How many people have voted, each once. */
export function voterCount(poll: ChatPoll): number {
  return new Set(poll.options.flatMap(({ people }) => people)).size;
}

/** What somebody has typed line by line, without what is empty or there twice. */
export function linesOf(text: string): string[] {
  return [...new Set(text.split("\n").map((line) => line.trim()).filter((line) => line !== ""))];
}

/** Why no poll can be made of it, or null. */
export function pollProblem(question: string, options: string[]): string | null {
  if (question.trim() === "") return "Write the question.";
  if (options.length < 2) return "Write at least two options that differ.";
  return options.length > OPTIONS_MAX ? `A poll has at most ${OPTIONS_MAX} options.` : null;
}
