/** Address books of groups, as far as somebody has looked at them; kept current by events. */

import type { ChatBook, ChatBookPerson, Methods } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { upserted } from "./upserted";

/** Bytes of a name, and of a note. */
const NAME_BYTES_MAX = 128;
const NOTE_BYTES_MAX = 512;

export class ChatBooks {
  #all = $state.raw<ChatBook[] | null>(null);

  constructor(private readonly node: Pick<NodeStore, "call">) {}

  /** Null until it was read. */
  of(conversation: string): ChatBookPerson[] | null {
    return this.#all?.find((book) => book.conversation === conversation)?.people ?? null;
  }

  async read(conversation: string): Promise<void> {
    this.#put(await this.node.call("chat_book", { to: conversation }));
  }

  async change(to: string, what: Omit<Methods["chat_book_change"]["params"], "to">): Promise<void> {
    this.#put(await this.node.call("chat_book_change", { to, ...what }));
  }

  /** One that nobody has looked at is read when somebody does. */
  note(book: ChatBook): void {
    if (this.of(book.conversation) !== null) this.#put(book);
  }

  #put(book: ChatBook): void {
    this.#all = upserted(this.#all, book, (a, b) => a.conversation === b.conversation);
  }
}

/** What is wrong with what is to be written; null where nothing is. */
export function entryProblem(who: string, name: string, note: string): string | null {
  const bytes = (text: string): number => new TextEncoder().encode(text.trim()).length;
  if (who.trim() === "") return "Write whom: a contact's name, an identity, a card, or a name in the directory.";
  if (bytes(name) > NAME_BYTES_MAX) return "That is too long for a name.";
  return bytes(note) > NOTE_BYTES_MAX ? "That is too long for a note." : null;
}
