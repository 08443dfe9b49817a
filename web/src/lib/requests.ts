/** Payment links: asking for a payment, and what one that was pasted asks for. Pure. */

import type { Entry, Methods, PaymentLink } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount } from "./amount";
import { formatUntil } from "./format";
import { WAY, type Denomination } from "./payment";

const HOUR_MS = 3_600_000;
/** As the call takes it. */
const NOTE_MAX = 80;

/** How long a link may be paid, the first choice to begin with. */
export const REQUEST_TIMES: { label: string; ms: number | null }[] = [
  { label: "a day", ms: 24 * HOUR_MS },
  { label: "an hour", ms: HOUR_MS },
  { label: "a week", ms: 7 * 24 * HOUR_MS },
  { label: "for ever", ms: null },
];

export interface RequestInput {
  /** Empty where the payer says how much. */
  amount: string;
  /** Empty for WAY. */
  asset: string;
  note: string;
  ms: number | null;
}

export interface RequestProblems {
  amount: string | null;
  note: string | null;
}

export function requestProblems({ amount, note }: RequestInput, unit: Denomination): RequestProblems {
  return { amount: amount.trim() === "" ? null : amountProblem(amount, unit), note: noteProblem(note.trim()) };
}

function amountProblem(text: string, unit: Denomination): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  if (read.amount === 0n) return "Enter an amount above zero, or none for the payer to choose.";
  return read.amount % 10n ** BigInt(WAY.decimals - unit.decimals) === 0n ? null : `${unit.symbol} has ${unit.decimals} digits after the point.`;
}

/** Letters that look like others could make a note look like what it isn't. */
function noteProblem(note: string): string | null {
  if (note.length > NOTE_MAX) return `At most ${NOTE_MAX} characters, and this has ${note.length}.`;
  return /^[\x20-\x7e]*$/.test(note) ? null : "Only plain letters, digits and signs, without accents.";
}

/** Only for an input without problems. */
export function requestOf({ amount, asset, note, ms }: RequestInput, nowMs: number): Methods["wallet_request"]["params"] {
  const params: Methods["wallet_request"]["params"] = {};
  const read = readAmount(amount);
  if (read.ok) params.amount = amountToWire(read.amount);
  if (asset !== "") params.asset = asset;
  if (note.trim() !== "") params.note = note.trim();
  if (ms !== null) params.expires_ms = nowMs + ms;
  return params;
}

/** A request that was made here, and when. */
export interface Asked {
  link: PaymentLink;
  madeMs: number;
}

/**
 * The payment that a request brought, as far as can be told: a payment carries no word of what it is for, so the first
 * since the request that is of its amount is taken for it.
 */
export function answerTo({ link, madeMs }: Asked, history: Entry[]): Entry | null {
  const fits = (entry: Entry) =>
    entry.kind === "receive" && entry.stage !== "rejected" && entry.time_ms >= madeMs && (entry.asset?.asset ?? "WAY") === link.asset
    && (!link.amount || parseAmount(entry.amount) === parseAmount(link.amount));
  return history.filter(fits).sort((a, b) => a.time_ms - b.time_ms)[0] ?? null;
}

export function isOver({ expires_ms }: PaymentLink, nowMs: number): boolean {
  return typeof expires_ms === "number" && expires_ms <= nowMs;
}

/** Whether a text is meant to be a link; whether it is a good one is for the node to say. */
export function isPaymentLink(text: string): boolean {
  return /^byway:pay\?/i.test(text.trim());
}

/** "2.50 WAY, ends in 1 h". */
export function linkWords(link: PaymentLink, symbol: string, nowMs: number): string {
  const what = link.amount ? `${formatAmountShort(parseAmount(link.amount))} ${symbol}` : `any amount of ${symbol}`;
  if (isOver(link, nowMs)) return `${what}, over`;
  return link.expires_ms ? `${what}, ends ${formatUntil(link.expires_ms, nowMs)}` : what;
}
