/**
 * Pictures, recordings and videos of conversations as addresses of the browser's own (`blob:`), which nothing but this page can read.
 *
 * What is on the page is held; of what is not, the newest are kept up to a bound, so that scrolling back asks for none twice. Whatever is kept no longer is
 * revoked, and its memory is free again.
 */

import type { ChatItem } from "@byway/client";
import { mediaKind, take, type MediaKind } from "./chat_files";
import type { NodeStore } from "./node.svelte";

/** Bytes that are kept of what nobody holds. */
const KEPT_MAX = 48 * 1024 * 1024;

/** One that is held until it is let go of. */
export interface Held {
  url: string;
  kind: MediaKind;
  release: () => void;
}

interface Kept {
  url: string;
  kind: MediaKind;
  bytes: number;
  holders: number;
}

/** The browser's own; tests bring others. */
export interface Addresses {
  createObjectURL(blob: Blob): string;
  revokeObjectURL(url: string): void;
}

export class Media {
  /** The one let go of last is the last. */
  #kept = new Map<string, Kept>();

  constructor(private readonly node: Pick<NodeStore, "call">, private readonly addresses: Addresses = URL, private readonly keptMax = KEPT_MAX) {}

  /** Null where the file is none that is shown or played. Whoever gets one lets go of it. */
  async hold(item: ChatItem, number: number, signal: AbortSignal, ontaken: (bytes: number) => void = () => undefined): Promise<Held | null> {
    const name = `${item.conversation} ${item.message} ${number}`;
    const known = this.#kept.get(name);
    if (known) return this.#held(name, known);
    const { parts, shownAs } = await take(this.node, item, number, ontaken, signal);
    const kind = mediaKind(shownAs);
    if (!kind) return null;
    // Somebody else may have asked for the same, and was first.
    const first = this.#kept.get(name);
    if (first) return this.#held(name, first);
    const blob = new Blob(parts, { type: shownAs! });
    const kept = { url: this.addresses.createObjectURL(blob), kind, bytes: blob.size, holders: 0 };
    this.#kept.set(name, kept);
    const held = this.#held(name, kept);
    if (!signal.aborted) return held;
    held.release();
    throw signal.reason;
  }

  #held(name: string, kept: Kept): Held {
    kept.holders += 1;
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      kept.holders -= 1;
      this.#kept.delete(name);
      this.#kept.set(name, kept);
      this.#clear();
    };
    return { url: kept.url, kind: kept.kind, release };
  }

  #clear(): void {
    const free = [...this.#kept].filter(([, { holders }]) => holders === 0);
    let sum = free.reduce((all, [, { bytes }]) => all + bytes, 0);
    for (const [name, { bytes, url }] of free) {
      if (sum <= this.keptMax) return;
      this.addresses.revokeObjectURL(url);
      this.#kept.delete(name);
      sum -= bytes;
    }
  }
}
