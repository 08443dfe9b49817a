/**
 * Notes of which one wants to be reminded: told when their time has come, while this page is open, and at its next start what came meanwhile.
 *
 * Known are those among the newest of the notes, as many as the node gives at once.
 */

import type { ChatItem } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { PAGE_MAX } from "./timeline";

const KEY = "byway.reminded_ms";
/** A timer is set no further ahead: browsers count its milliseconds in 31 bits. */
const AHEAD_MAX_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Told at the first start, for which nothing is known of what was told before. */
const FIRST_MS = DAY_MS;

/** Those whose time came after `fromMs`, the earliest first. */
export function dueOf(memos: Iterable<ChatItem>, fromMs: number, nowMs: number): ChatItem[] {
  return [...memos].filter(({ remind_ms }) => remind_ms != null && remind_ms > fromMs && remind_ms <= nowMs).sort((a, b) => a.remind_ms! - b.remind_ms!);
}

/** Milliseconds to the next look; null where nothing is to come. */
export function waitOf(memos: Iterable<ChatItem>, nowMs: number): number | null {
  const times = [...memos].flatMap(({ remind_ms }) => (remind_ms != null && remind_ms > nowMs ? [remind_ms] : []));
  return times.length === 0 ? null : Math.min(Math.min(...times) - nowMs, AHEAD_MAX_MS);
}

/** "tomorrow at nine" and the like, as a time; each is in the future. */
export function proposedTimes(nowMs: number): { label: string; atMs: number }[] {
  const at = (days: number, hour: number): number => {
    const date = new Date(nowMs);
    return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days, hour).getTime();
  };
  const toMonday = ((8 - new Date(nowMs).getDay()) % 7) || 7;
  return [{ label: "In an hour", atMs: Math.ceil((nowMs + 3_600_000) / 60_000) * 60_000 }, { label: "This evening", atMs: at(0, 19) }, { label: "Tomorrow morning", atMs: at(1, 9) }, { label: "Monday morning", atMs: at(toMonday, 9) }]
    .filter(({ atMs }) => atMs > nowMs);
}

/** What a field for a day and a time says; null for none, or for what is over. */
export function fieldTime(value: string, nowMs: number): number | null {
  const time = value === "" ? NaN : new Date(value).getTime();
  return Number.isFinite(time) && time > nowMs ? time : null;
}

/** The other way round, in the time of the place where one is. */
export function timeField(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

export class Reminders {
  /** Whose time has come, and that nobody has put aside. */
  shown = $state.raw<ChatItem[]>([]);
  #memos = new Map<string, ChatItem>();
  #toldMs = told() ?? Date.now() - FIRST_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly node: Pick<NodeStore, "call">, private readonly ondue: (item: ChatItem) => void) {}

  /** Those of the notes to oneself. */
  async read(conversation: string): Promise<void> {
    for (const item of await this.node.call("chat_read", { to: conversation, limit: PAGE_MAX })) this.#take(item);
    this.#look();
  }

  note(item: ChatItem): void {
    if (item.kind !== "memo" && !this.#memos.has(item.message)) return;
    this.#take(item);
    this.#look();
  }

  putAside(item: ChatItem): void {
    this.shown = this.shown.filter(({ message }) => message !== item.message);
  }

  #take(item: ChatItem): void {
    if (item.remind_ms != null && !item.deleted) this.#memos.set(item.message, item);
    else this.#memos.delete(item.message);
    this.shown = this.shown.flatMap((known) => (known.message !== item.message ? [known] : item.deleted ? [] : [item]));
  }

  #look(): void {
    const nowMs = Date.now();
    const due = dueOf(this.#memos.values(), this.#toldMs, nowMs);
    this.#toldMs = nowMs;
    if (due.length > 0) {
      this.shown = [...this.shown, ...due];
      for (const item of due) this.ondue(item);
    }
    keepTold(nowMs);
    clearTimeout(this.#timer);
    const wait = waitOf(this.#memos.values(), nowMs);
    if (wait !== null) this.#timer = setTimeout(() => this.#look(), wait + 50);
  }
}

function told(): number | null {
  try {
    return Number(localStorage.getItem(KEY)) || null;
  } catch {
    return null;
  }
}

function keepTold(nowMs: number): void {
  try {
    localStorage.setItem(KEY, String(nowMs));
  } catch {
    // Without storage those of the last day are told again at the next start.
  }
}
