/** Names in the ledger's directory, in words. Pure; the clock is a parameter. */

import type { NameShown, NameWanted } from "@byway/client";
import { formatAmountShort, parseAmount } from "./amount";
import { formatUntil, shortId } from "./format";

/** What one learns of a name that one asked for. */
export function standingWords(name: NameShown, nowMs: number): string {
  const whose = name.owner ? shortId(name.owner) : "somebody";
  if (name.looks_like) return `${name.name} can't be taken: it looks like ${name.looks_like}, which is ${whose}'s.`;
  switch (name.standing) {
    case "free": return `${name.name} is free. A year costs ${formatAmountShort(parseAmount(name.price_year))} WAY, and the commitment before it ${formatAmountShort(parseAmount(name.price_commit))} WAY.`;
    case "contested": return `${name.name} has just been taken by ${whose}, and leads nowhere before it is settled.`;
    case "in_use": return `${name.name} is ${whose}'s.`;
    case "in_grace": return `The time of ${name.name} is over. Its owner, ${whose}, can renew it; ${name.free_ms == null ? "later" : formatUntil(name.free_ms, nowMs)} anybody can take it.`;
  }
}

/** How far the node is with taking one. */
export function wantedWords(wanted: NameWanted): string {
  switch (wanted.stage) {
    case "committing": return "The commitment is on its way.";
    case "revealing": return "The name is on its way.";
    case "contested": return "Taken. Whoever committed to it earlier could still have it; then it leads to you.";
    case "failed": return `Not taken: ${wanted.reason ?? "nobody knows why"}.`;
  }
}

/** Whether anything of it changes by itself. */
export function isUnderWay(wanted: NameWanted[]): boolean {
  return wanted.some(({ stage }) => stage !== "failed");
}

/** "13 Mar 2027": names last for years. */
export function dayOfYear(timeMs: number): string {
  return new Date(timeMs).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}
