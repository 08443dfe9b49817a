/**
 * What of a conversation is on the page: a window of messages that stand one behind the other, since a conversation may have hundreds of thousands.
 * Pure.
 */

import type { ChatItem } from "@byway/client";
import { dayLabel, isSameDay } from "./chat_words";

/** Messages that are asked for at once: a few screens. */
export const PAGE = 60;
/** Messages on the page at most; beyond that the far end goes. Enough that a page fits in on either side of what is seen. */
export const WINDOW_MAX = 240;
/** What one person says within this time stands together. */
const TOGETHER_MS = 5 * 60_000;

/** A page is put to the window, where it joins; `keep` is the end that stays if it grows too long. */
export function withPage(window: ChatItem[], page: ChatItem[], keep: "older" | "newer"): ChatItem[] {
  const byPlace = new Map([...window, ...page].map((item) => [item.place, item]));
  const all = [...byPlace.values()].sort((a, b) => a.place - b.place);
  return keep === "older" ? all.slice(0, WINDOW_MAX) : all.slice(-WINDOW_MAX);
}

/** A message as it stands now, if it is in the window; null if it isn't. */
export function withChange(window: ChatItem[], item: ChatItem): ChatItem[] | null {
  const index = window.findIndex((known) => known.message === item.message);
  return index < 0 ? null : [...window.slice(0, index), item, ...window.slice(index + 1)];
}

/** The place that a page of `PAGE` is asked for before, to go on behind `last`. */
export function placeForNewer(last: number): number {
  return last + 1 + PAGE;
}

export type Row =
  | { kind: "day"; key: string; label: string }
  | { kind: "unread"; key: string }
  /** `isFirst` and `isLast` of what one person said in one go. */
  | { kind: "item"; key: string; item: ChatItem; isFirst: boolean; isLast: boolean };

/** Days, the line above what is new, and messages. */
export function rowsOf(items: ChatItem[], unreadFrom: number | null, nowMs: number): Row[] {
  const rows: Row[] = [];
  items.forEach((item, index) => {
    const before = items[index - 1];
    const after = items[index + 1];
    const isNewDay = !before || !isSameDay(before.sent_ms, item.sent_ms);
    if (isNewDay) rows.push({ kind: "day", key: `day ${item.place}`, label: dayLabel(item.sent_ms, nowMs) });
    const isUnread = unreadFrom !== null && item.place >= unreadFrom && (!before || before.place < unreadFrom);
    if (isUnread) rows.push({ kind: "unread", key: "unread" });
    rows.push({
      kind: "item", key: item.message, item,
      isFirst: isNewDay || isUnread || !isTogether(before, item),
      isLast: !after || !isTogether(item, after) || !isSameDay(item.sent_ms, after.sent_ms) || after.place === unreadFrom,
    });
  });
  return rows;
}

function isTogether(a: ChatItem, b: ChatItem): boolean {
  return a.author === b.author && Math.abs(b.sent_ms - a.sent_ms) < TOGETHER_MS;
}

/** Messages that the node gives at once. */
export const PAGE_MAX = 200;
/** Pages that are looked through for where what is new begins: a second's work at most. */
export const LOOKED_MAX = 20;

/** Messages of the first page: all that are new, with what one said oneself in between and some before them, as far as the node gives them at once. */
export function firstPage(unread: number): number {
  return Math.min(Math.max(PAGE, 2 * unread + 20), PAGE_MAX);
}

/** Where what is new begins: the first of the newest `unread` messages of others; null if that is further up. */
export function unreadPlace(items: ChatItem[], unread: number, own: string): number | null {
  if (unread === 0) return null;
  const others = items.filter(({ author }) => author !== own);
  return others.at(-unread)?.place ?? null;
}
