/** Reading the terms of an offer as a person types them. Pure. */

import { amountToWire, readAmount } from "./amount";
import type { Methods } from "@byway/client";

/** What is on offer, as the node takes it. */
export type OfferTerms = Omit<Methods["offer_publish"]["params"], "idempotency_key">;

export interface TermsInput {
  country: string;
  asn: string;
  /** WAY per GB. */
  price: string;
  mbitPerSecond: string;
}

export type TermsProblems = Record<keyof TermsInput, string | null>;

const MB_PER_GB = 1000n;

/** What is wrong with each field, as a sentence that says what to do. */
export function termsProblems(input: TermsInput): TermsProblems {
  const price = readAmount(input.price);
  const speed = Number(input.mbitPerSecond);
  return {
    country: /^[A-Za-z]{2}$/.test(input.country.trim()) ? null : "Two letters, as in DE.",
    asn: /^(AS)?[1-9]\d{0,9}$/i.test(input.asn.trim()) ? null : "The number of your network, as in 64496.",
    price: price.ok ? (price.amount % MB_PER_GB === 0n ? null : "Use fewer decimals.") : price.problem,
    mbitPerSecond: speed > 0 && speed <= 1_000_000 ? null : "Megabits per second, as in 100.",
  };
}

/** Only for an input without problems. */
export function termsOf(input: TermsInput): OfferTerms {
  const price = readAmount(input.price);
  return {
    country: input.country.trim().toUpperCase(),
    asn: Number(input.asn.trim().replace(/^AS/i, "")),
    price_per_mb: amountToWire((price.ok ? price.amount : 0n) / MB_PER_GB),
    bandwidth_bps: Math.round(Number(input.mbitPerSecond) * 1e6),
  };
}
