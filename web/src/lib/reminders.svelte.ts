/** Notes of which one wants to be reminded: shown when the node says that their time has come, in each browser once. */

import type { ChatItem } from "@byway/client";

const KEY = "byway.reminded";
/** More than come within the day for which the node tells of them. */
const TOLD_MAX = 256;

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
  #told = told();

  constructor(private readonly ondue: (item: ChatItem) => void) {}

  /** The node says that its time has come: now, or before this page was there. */
  note(item: ChatItem): void {
    const name = `${item.message} ${item.remind_ms}`;
    if (this.#told.includes(name)) return;
    this.#told = [...this.#told, name].slice(-TOLD_MAX);
    keepTold(this.#told);
    this.shown = [...this.shown, item];
    this.ondue(item);
  }

  /** A message as it stands now: a note that was deleted is not shown any more. */
  noteChange(item: ChatItem): void {
    if (!this.shown.some(({ message }) => message === item.message)) return;
    this.shown = this.shown.flatMap((known) => (known.message !== item.message ? [known] : item.deleted ? [] : [item]));
  }

  putAside(item: ChatItem): void {
    this.shown = this.shown.filter(({ message }) => message !== item.message);
  }
}

function told(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

function keepTold(names: string[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(names));
  } catch {
    // Without storage those of the last day are shown again at the next start.
  }
}
