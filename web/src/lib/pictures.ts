/** Pictures of conversations as addresses, kept while they are few, so that scrolling back asks for none twice. */

import type { ChatItem } from "@byway/client";
import { pictureUrl, take } from "./chat_files";
import type { NodeStore } from "./node.svelte";

/** Characters of addresses that are kept. */
const KEPT_MAX = 60_000_000;

export class Pictures {
  #kept = new Map<string, string>();

  constructor(private readonly node: Pick<NodeStore, "call">) {}

  /** Null where the file is none that is shown. */
  async of(item: ChatItem, number: number, signal: AbortSignal): Promise<string | null> {
    const name = `${item.conversation} ${item.message} ${number}`;
    const known = this.#kept.get(name);
    if (known) return known;
    const url = pictureUrl(await take(this.node, item, number, () => undefined, signal));
    if (url) this.#keep(name, url);
    return url;
  }

  #keep(name: string, url: string): void {
    this.#kept.set(name, url);
    let sum = [...this.#kept.values()].reduce((all, { length }) => all + length, 0);
    for (const [oldest, { length }] of this.#kept) {
      if (sum <= KEPT_MAX) break;
      this.#kept.delete(oldest);
      sum -= length;
    }
  }
}
