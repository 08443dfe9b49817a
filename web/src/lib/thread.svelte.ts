/** One thread: the message that it began with, and what was said in it, read from the conversation's end back to where it began. */

import type { ChatItem } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { errorMessage } from "./rpc";
import { LOOKED_MAX, PAGE_MAX } from "./timeline";

/** How many answers each thread has among such messages, by the message that it began with. */
export function answersOf(items: ChatItem[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { thread } of items) if (thread) counts.set(thread, (counts.get(thread) ?? 0) + 1);
  return counts;
}

/** The answers with one more, or with one as it stands now, by rising place. */
export function withAnswer(answers: ChatItem[], item: ChatItem): ChatItem[] {
  return [...answers.filter(({ message }) => message !== item.message), item].sort((a, b) => a.place - b.place);
}

export class Thread {
  root = $state.raw<ChatItem | null>(null);
  /** By rising place. */
  answers = $state.raw<ChatItem[]>([]);
  isRead = $state(false);
  /** It began further up than is looked through, so answers may be missing. */
  isCut = $state(false);
  problem = $state<string | null>(null);

  constructor(private readonly node: Pick<NodeStore, "call">, readonly conversation: string, readonly message: string) {}

  async read(): Promise<void> {
    try {
      this.note(await this.node.call("chat_show", { to: this.conversation, message: this.message }));
      await this.#readAnswers(this.root?.place ?? 0);
      this.isRead = true;
      this.problem = null;
    } catch (error) {
      this.problem = errorMessage(error);
    }
  }

  note(item: ChatItem): void {
    if (item.message === this.message) this.root = item;
    else if (item.thread === this.message) this.answers = withAnswer(this.answers, item);
  }

  async #readAnswers(first: number): Promise<void> {
    let before: number | undefined;
    for (let looked = 0; looked < LOOKED_MAX; looked += 1) {
      const page: ChatItem[] = await this.node.call("chat_read", { to: this.conversation, limit: PAGE_MAX, ...(before === undefined ? {} : { before }) });
      for (const item of page) this.note(item);
      const last = page.at(-1);
      if (!last || last.place <= first) return;
      before = last.place;
    }
    this.isCut = true;
  }
}
