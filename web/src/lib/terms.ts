/** Reading the terms of an offer as a person types them. Pure. */

import { amountToWire, readAmount } from "./amount";
import type { Methods } from "@byway/client";

/** What is on offer, as the node takes it. */
export type OfferTerms = Omit<Methods["offer_publish"]["params"], "idempotency_key">;

export interface TermsInput {
  country: string;
  asn: string;
  /** WAY per GB; empty where it is sold by time alone. */
  price: string;
  /** WAY per hour; empty where it is sold by traffic alone. */
  hourPrice: string;
  mbitPerSecond: string;
}

export type TermsProblems = Record<keyof TermsInput, string | null>;

const MB_PER_GB = 1000n;
const SECONDS_PER_HOUR = 3600n;

/** What is wrong with each field, as a sentence that says what to do. */
export function termsProblems(input: TermsInput): TermsProblems {
  const speed = Number(input.mbitPerSecond);
  return {
    country: /^[A-Za-z]{2}$/.test(input.country.trim()) ? null : "Two letters, as in DE.",
    asn: /^(AS)?[1-9]\d{0,9}$/i.test(input.asn.trim()) ? null : "The number of your network, as in 64496.",
    price: input.price.trim() === "" && input.hourPrice.trim() !== "" ? null : priceProblem(input.price, MB_PER_GB),
    // What is named by the hour is cut off to whole units by the second.
    hourPrice: input.hourPrice.trim() === "" ? null : priceProblem(input.hourPrice, 1n),
    mbitPerSecond: speed > 0 && speed <= 1_000_000 ? null : "Megabits per second, as in 100.",
  };
}

function priceProblem(text: string, pieces: bigint): string | null {
  const price = readAmount(text);
  if (!price.ok) return price.problem;
  return price.amount % pieces === 0n ? null : "Use fewer decimals.";
}

/** Only for an input without problems. */
export function termsOf(input: TermsInput): OfferTerms {
  const [price, hourPrice] = [readAmount(input.price), readAmount(input.hourPrice)];
  return {
    country: input.country.trim().toUpperCase(),
    asn: Number(input.asn.trim().replace(/^AS/i, "")),
    ...(price.ok ? { price_per_mb: amountToWire(price.amount / MB_PER_GB) } : {}),
    ...(hourPrice.ok ? { price_per_second: amountToWire(hourPrice.amount / SECONDS_PER_HOUR) } : {}),
    bandwidth_bps: Math.round(Number(input.mbitPerSecond) * 1e6),
  };
}
