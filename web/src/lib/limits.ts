/** Limits that have stopped something: what the user is asked, and reading how much more is allowed. Pure. */

import type { Spending, SpendingAsk } from "@byway/client";
import { formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";

const DAY_MS = 86_400_000;

/** What is asked where limits have stopped something. */
export interface Question {
  title: string;
  /** For each limit that is reached: what was spent, and what that has stopped. */
  reached: { which: SpendingAsk["which"]; spent: string; stopped: string }[];
  /** What a plain yes does. */
  yes: string;
  /** Whether a yes may name an amount. */
  isOfDay: boolean;
}

/** Null where nothing waits for the user's word. `mainSinceMs`: since when the main way is stopped, or null. */
export function questionOf(spending: Spending, mainSinceMs: number | null): Question | null {
  const reached = (["day", "session"] as const).flatMap((which) => {
    const asks = spending.asks.filter((ask) => ask.which === which);
    if (asks.length === 0) return [];
    const spent = which === "day" ? `${spentToday(spending)} were spent today` : `A session has cost ${highest(asks)} WAY, as much as one may`;
    return [{ which, spent, stopped: stoppedWords(asks, mainSinceMs) }];
  });
  const [first, second] = reached;
  if (!first) return null;
  const isOfDay = first.which === "day";
  const more = isOfDay && spending.day_max ? formatAmountShort(parseAmount(spending.day_max)) : null;
  return {
    title: second ? "Two limits are reached" : isOfDay ? "Today's limit is reached" : "The limit of a session is reached",
    reached,
    yes: more ? `Go on: ${more} WAY more today` : isOfDay ? "Go on" : "Go on with the next session",
    isOfDay,
  };
}

/** One sentence for a screen reader; the same as long as the question is. */
export function questionAnnouncement({ title, reached }: Question): string {
  return `${title}. Stopped: ${reached.map(({ stopped }) => stopped).join("; ")}. On the page Browse you are asked how to go on.`;
}

/** Of today's limit: "5.00 of 5.00 + 5.00 WAY". */
function spentToday({ day_spent, day_max, day_allowed }: Spending): string {
  const spent = formatAmountShort(parseAmount(day_spent));
  return day_max ? `${spent} of ${limitWords(parseAmount(day_max), allowedOf(day_allowed))} WAY` : `${spent} WAY`;
}

function highest(asks: SpendingAsk[]): string {
  return formatAmountShort(asks.map(({ limit }) => parseAmount(limit)).reduce((a, b) => (a > b ? a : b)));
}

/** The main way first; a way that is neither that nor a port's is an opened service's. */
function stoppedWords(asks: SpendingAsk[], mainSinceMs: number | null): string {
  const unnamed = asks.filter(({ proxy }) => !proxy);
  const isMain = unnamed.some(({ since_ms }) => since_ms === mainSinceMs);
  const services = unnamed.length - (isMain ? 1 : 0);
  const ways = [
    ...(isMain ? ["the connection"] : []),
    ...asks.flatMap(({ proxy }) => (proxy ? [`the port ${proxy}`] : [])),
    ...(services === 1 ? ["an opened service"] : services > 1 ? [`${services} opened services`] : []),
  ];
  const last = ways.pop() ?? "";
  return ways.length === 0 ? last : `${ways.join(", ")} and ${last}`;
}

export function allowedOf(allowed: string | null | undefined): Amount {
  return allowed ? parseAmount(allowed) : 0n;
}

/** A limit, and what was allowed beyond it: "5.00 + 5.00". */
export function limitWords(max: Amount, allowed: Amount): string {
  return allowed > 0n ? `${formatAmountShort(max)} + ${formatAmountShort(allowed)}` : formatAmountShort(max);
}

/** What is wrong with an amount to allow, or null. */
export function allowanceProblem(text: string): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  return read.amount === 0n ? "Enter an amount above zero." : null;
}

/** When the limit of a day begins anew: at midnight, UTC. */
export function nextDayMs(nowMs: number): number {
  return (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;
}

/** Tells one ask from the next of the same way. */
export function askKey({ proxy, which, since_ms }: SpendingAsk): string {
  return `${proxy ?? ""} ${which} ${since_ms}`;
}
