/** Bots on the market, in words. Pure. */

import type { BotHire, BotOffer } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";

const way = (wire: string): string => `${formatAmountShort(parseAmount(wire))} WAY`;

/** How many answers one is allowed where nobody says. */
export const ANSWERS_DEFAULT = 10n;

/** What it costs, and what it answers. */
export function offerWords({ price, commands }: BotOffer): string {
  return `${way(price)} an answer${commands.length > 0 ? ` · ${commands.join(", ")}` : ""}`;
}

/** What it has cost so far. */
export function hireWords({ answered, asked, spent, limit, waiting }: BotHire): string {
  const waits = waiting > 0 ? `, ${waiting} wait` : "";
  return `${answered} of ${asked} ${asked === 1 ? "message" : "messages"} answered${waits} · ${way(spent)} of ${way(limit)} spent`;
}

/** What is spent on it at most; a sentence where that is no amount, or no answer is to be had for it. */
export function limitOf(typed: string, offer: BotOffer, spent: Amount): { limit: string } | { problem: string } {
  const price = parseAmount(offer.price);
  if (typed.trim() === "") return { limit: amountToWire(spent + price * ANSWERS_DEFAULT) };
  const read = readAmount(typed);
  if (!read.ok) return { problem: "An amount of WAY, as in 0.5." };
  return read.amount < spent + price ? { problem: `An answer costs ${way(offer.price)}: allow that much at least.` } : { limit: amountToWire(read.amount) };
}
