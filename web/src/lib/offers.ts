/** Choosing among offers on the page: what the filters leave, in which order. Pure. */

import { parseAmount, readAmount, type Amount } from "./amount";
import type { Offer, OfferFilter } from "./contract";

export interface OfferChoice {
  country: string;
  /** As typed; empty for none. */
  maxPrice: string;
  preferredOnly: boolean;
  order: "cheapest" | "dearest";
}

export const CHOICE_DEFAULT: OfferChoice = { country: "", maxPrice: "", preferredOnly: false, order: "cheapest" };

/** Prices in different units are never ranked against each other; megabytes come first. */
const UNIT_ORDER = ["mb", "second", "cell", "byte_hour", "call", "fixed"];

function unitRank(offer: Offer): number {
  const rank = offer.price ? UNIT_ORDER.indexOf(offer.price.unit) : -1;
  return rank < 0 ? UNIT_ORDER.length : rank;
}

function priceOf(offer: Offer): Amount | null {
  return offer.price ? parseAmount(offer.price.amount) : null;
}

/** Problem with the highest price as typed, or null. */
export function maxPriceProblem(choice: OfferChoice): string | null {
  if (choice.maxPrice.trim() === "") return null;
  const read = readAmount(choice.maxPrice);
  return read.ok ? null : read.problem;
}

function maxPriceOf(choice: OfferChoice): Amount | null {
  const read = readAmount(choice.maxPrice);
  return read.ok ? read.amount : null;
}

export function isChosen(offer: Offer, choice: OfferChoice): boolean {
  if (choice.country && offer.exit_country !== choice.country) return false;
  if (choice.preferredOnly && !offer.preferred) return false;
  const max = maxPriceOf(choice);
  if (max === null) return true;
  const price = priceOf(offer);
  return price !== null && offer.price?.unit === "mb" && price <= max;
}

/** Preferred providers first, then by unit, then by price. */
export function chosenOffers(offers: Offer[], choice: OfferChoice, nowMs: number): Offer[] {
  const direction = choice.order === "cheapest" ? 1 : -1;
  return offers
    .filter((offer) => offer.expires_ms > nowMs && isChosen(offer, choice))
    .sort((a, b) => {
      if (a.preferred !== b.preferred) return a.preferred ? -1 : 1;
      const units = unitRank(a) - unitRank(b);
      if (units !== 0) return units;
      const difference = (priceOf(a) ?? 0n) - (priceOf(b) ?? 0n);
      if (difference !== 0n) return difference < 0n ? -direction : direction;
      return a.offer_id < b.offer_id ? -1 : 1;
    });
}

/** The node's filter for "connect to the cheapest of what is shown". */
export function filterOf(choice: OfferChoice): OfferFilter {
  const filter: OfferFilter = {};
  if (choice.country) filter.country = choice.country;
  if (maxPriceOf(choice) !== null) {
    filter.unit = "mb";
    filter.max_price = choice.maxPrice.trim().replace(/^\./, "0.");
  }
  return filter;
}

export function countriesOf(offers: Offer[]): string[] {
  return [...new Set(offers.map((offer) => offer.exit_country))].sort();
}
