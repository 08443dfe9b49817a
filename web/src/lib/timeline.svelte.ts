/** The window of one conversation: asks the node for what is looked at, and takes what is told. */

import type { ChatItem } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { errorMessage } from "./rpc";
import { firstPage, LOOKED_MAX, PAGE, PAGE_MAX, placeForNewer, unreadPlace, withChange, withPage } from "./timeline";

/** Messages that quotations are taken from after they have left the window. */
const SEEN_MAX = 2_000;

export class Timeline {
  /** By rising place, one behind the other. */
  items = $state.raw<ChatItem[]>([]);
  /** Read once: until then "none" is not known. */
  isRead = $state(false);
  isBusy = $state(false);
  problem = $state<string | null>(null);
  /** Place of the newest message that is known of. */
  newest = $state(-1);
  /** Where what was new began, when the conversation was opened or came out of sight. */
  unreadFrom = $state<number | null>(null);
  /** The newest message is on the screen, and somebody looks. */
  isLookedAt = $state(false);
  /** The message at which it was opened, where it was not at its end or at what is new. */
  openedAt: string | null = null;
  hasOlder = $derived((this.items[0]?.place ?? 0) > 0);
  hasNewer = $derived((this.items.at(-1)?.place ?? this.newest) < this.newest);

  /** Messages that are quoted and stand further up than was read. */
  #shown = $state.raw<Record<string, ChatItem>>({});
  #asked = new Set<string>();
  #seen = new Map<string, ChatItem>();
  /** Counts what replaces the window whole, so that a page that comes later doesn't. */
  #epoch = 0;

  constructor(private readonly node: Pick<NodeStore, "call">, readonly conversation: string, private readonly own: string) {}

  /** At what is new, where anything is; otherwise at its end. */
  async open(unread: number): Promise<void> {
    if (firstPage(unread) < PAGE_MAX) return this.readNewest(unread);
    const place = await this.#placeOfUnread(unread);
    if (place === null) return this.readNewest();
    this.unreadFrom = place;
    await this.readAround(place);
    this.isRead = true;
  }

  /** At a message, wherever it stands. */
  async openAt({ message, place }: ChatItem): Promise<void> {
    this.openedAt = message;
    // How far the conversation goes on is known before anything of it is shown.
    await this.#ask({ limit: 1 }, ([newest]) => (this.newest = Math.max(this.newest, newest?.place ?? -1)));
    if (!this.problem) await this.readAround(place);
    this.isRead = true;
  }

  /** The newest messages; `unread` of them are new. */
  async readNewest(unread = 0): Promise<void> {
    const epoch = (this.#epoch += 1);
    await this.#ask({ limit: firstPage(unread) }, (page) => {
      if (epoch !== this.#epoch) return;
      this.items = withPage([], page, "newer");
      this.newest = Math.max(this.newest, this.items.at(-1)?.place ?? -1);
      if (unread > 0) this.unreadFrom = unreadPlace(this.items, unread, this.own);
      this.isRead = true;
    });
  }

  async readOlder(): Promise<void> {
    const [first] = this.items;
    if (this.isBusy || !first || !this.hasOlder) return;
    const epoch = this.#epoch;
    await this.#ask({ before: first.place }, (page) => epoch === this.#epoch && (this.items = withPage(this.items, page, "older")));
  }

  async readNewer(): Promise<void> {
    const last = this.items.at(-1);
    if (this.isBusy || !last || !this.hasNewer) return;
    const epoch = this.#epoch;
    await this.#ask({ before: placeForNewer(last.place) }, (page) => epoch === this.#epoch && (this.items = withPage(this.items, page, "newer")));
  }

  /** What is around a message that was seen before. */
  async readAround(place: number): Promise<void> {
    const epoch = (this.#epoch += 1);
    await this.#ask({ before: place + PAGE / 2 }, (page) => epoch === this.#epoch && (this.items = withPage([], page, "newer")));
  }

  /** What may have been missed while the link was down: what is in the window may have changed, too. */
  async catchUp(): Promise<void> {
    const isAtEnd = !this.hasNewer;
    const last = this.items.at(-1)?.place;
    if (isAtEnd || last === undefined) return this.readNewest();
    await this.#ask({ before: last + 1 }, (page) => (this.items = withPage(this.items, page, "newer")));
  }

  /** A message as it is told: in its place, at the end, or known to be further on. */
  note(item: ChatItem): void {
    this.#remember([item]);
    if (this.#shown[item.message]) this.#shown = { ...this.#shown, [item.message]: item };
    const changed = withChange(this.items, item);
    const isNext = !changed && this.isRead && !this.hasNewer && item.place === (this.items.at(-1)?.place ?? -1) + 1;
    const isGap = !changed && this.isRead && !this.hasNewer && item.place > (this.items.at(-1)?.place ?? -1) + 1;
    if (changed) this.items = changed;
    else if (isNext) this.items = withPage(this.items, [item], "newer");
    if (!changed && item.author !== this.own && !this.isLookedAt) this.unreadFrom ??= item.place;
    this.newest = Math.max(this.newest, item.place);
    if (isGap) void this.readNewest();
  }

  /** A message by its name, if it was seen here. */
  seen(message: string): ChatItem | null {
    return this.#seen.get(message) ?? null;
  }

  /** A message that is quoted, wherever it stands; null where it is not known yet. */
  quoted(message: string): ChatItem | null {
    return this.items.find((item) => item.message === message) ?? this.#shown[message] ?? this.seen(message);
  }

  /** Asks for one that is quoted, once. */
  async show(message: string): Promise<void> {
    if (this.#asked.has(message)) return;
    this.#asked.add(message);
    try {
      const item = await this.node.call("chat_show", { to: this.conversation, message });
      this.#shown = { ...this.#shown, [message]: item };
    } catch {
      // It was said before one was in the conversation, or is not here yet.
    }
  }

  /** Where so many messages of others begin, which is further up than a page reaches; null if it is too far. */
  async #placeOfUnread(unread: number): Promise<number | null> {
    let [left, before]: [number, number | undefined] = [unread, undefined];
    for (let looked = 0; looked < LOOKED_MAX && before !== 0; looked += 1) {
      const page: ChatItem[] = await this.node.call("chat_read", { to: this.conversation, limit: PAGE_MAX, ...(before === undefined ? {} : { before }) }).catch(() => []);
      if (page.length === 0) return null;
      this.newest = Math.max(this.newest, page[0]!.place);
      const others = page.filter(({ author }) => author !== this.own);
      if (others.length >= left) return others[left - 1]!.place;
      left -= others.length;
      before = page.at(-1)!.place;
    }
    return null;
  }

  async #ask(where: { before?: number; limit?: number }, take: (page: ChatItem[]) => unknown): Promise<void> {
    this.isBusy = true;
    try {
      const page = await this.node.call("chat_read", { to: this.conversation, limit: PAGE, ...where });
      this.#remember(page);
      take(page);
      this.problem = null;
    } catch (error) {
      this.problem = errorMessage(error);
    } finally {
      this.isBusy = false;
    }
  }

  #remember(items: ChatItem[]): void {
    for (const item of items) {
      this.#seen.delete(item.message);
      this.#seen.set(item.message, item);
    }
    for (const message of this.#seen.keys()) {
      if (this.#seen.size <= SEEN_MAX) break;
      this.#seen.delete(message);
    }
  }
}
