/** What is true of people for a moment: that they write, or are there. Pure; the clock is a parameter. */

import type { ChatSign } from "@byway/client";

/** How often it is said again that one writes, and that one is there: half as long as others show it. */
export const TYPING_AGAIN_MS = 5_000;
export const PRESENCE_AGAIN_MS = 150_000;
/** How long one looks elsewhere before one is away. */
export const AWAY_AFTER_MS = 60_000;

const subject = ({ typing }: ChatSign): string => (typing === null || typing === undefined ? "presence" : "typing");

/** A sign replaces the one of its conversation, person and subject; those that are over go. */
export function withSign(signs: ChatSign[], sign: ChatSign, nowMs: number): ChatSign[] {
  const isSame = (known: ChatSign): boolean => known.conversation === sign.conversation && known.person === sign.person && subject(known) === subject(sign);
  const rest = signs.filter((known) => known.until_ms > nowMs && !isSame(known));
  return sign.typing === false ? rest : [...rest, sign];
}

/** Whoever has said something writes no more. */
export function withoutTyping(signs: ChatSign[], conversation: string, person: string): ChatSign[] {
  return signs.filter((known) => !(known.typing && known.conversation === conversation && known.person === person));
}

export function typingIn(signs: ChatSign[], conversation: string, nowMs: number): string[] {
  return signs.filter((known) => known.typing && known.conversation === conversation && known.until_ms > nowMs).map(({ person }) => person);
}

export function presenceIn(signs: ChatSign[], conversation: string, person: string | null | undefined, nowMs: number): ChatSign["presence"] {
  return signs.find((known) => known.presence && known.conversation === conversation && known.person === person && known.until_ms > nowMs)?.presence ?? null;
}

/** "is writing…", with names where there are several people. */
export function typingWords(names: string[]): string {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is writing…`;
  return names.length === 2 ? `${names[0]} and ${names[1]} are writing…` : `${names.length} people are writing…`;
}

export interface PresenceSaid {
  what: "here" | "away";
  saidMs: number;
  /** Since when nobody looks; null while somebody does. */
  lostMs: number | null;
}

/** What is to be said of one's being there, if anything, and what was said afterwards. */
export function presenceDue(before: PresenceSaid, isThere: boolean, nowMs: number): { say: "here" | "away" | null; after: PresenceSaid } {
  if (isThere) {
    const isDue = before.what === "away" || nowMs - before.saidMs >= PRESENCE_AGAIN_MS;
    return { say: isDue ? "here" : null, after: { what: "here", saidMs: isDue ? nowMs : before.saidMs, lostMs: null } };
  }
  const lostMs = before.lostMs ?? nowMs;
  const isDue = before.what === "here" && nowMs - lostMs >= AWAY_AFTER_MS;
  return { say: isDue ? "away" : null, after: { what: isDue ? "away" : before.what, saidMs: isDue ? nowMs : before.saidMs, lostMs } };
}
