/** Choosing among offers on the page: what the filters leave, in which order, country by country. Pure. */

import { amountToWire, formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";
import type { Methods, Offer, Price, Quality } from "@byway/client";
import { countryName, unitName } from "./format";

/** Which offers the node is to look at; what comes first is the node's own choice where `sort` is left out. */
export type OfferFilter = Omit<Methods["connect"]["params"], "offer_id">;

/** What is carried: programs that use the proxy, or the whole machine. */
export type ServiceChoice = "socks" | "tunnel";

export interface OfferChoice {
  service: ServiceChoice;
  /** Part of a country's name, its code, or a network such as AS24940. */
  search: string;
  /** WAY per GB as typed; empty for none. */
  maxPrice: string;
  preferredOnly: boolean;
  order: "price" | "quality" | "name" | "exits";
}

export const CHOICE_DEFAULT: OfferChoice = { service: "socks", search: "", maxPrice: "", preferredOnly: false, order: "price" };

/** The exits in one country, the best first. */
export interface CountryOffers {
  code: string;
  name: string;
  offers: Offer[];
  /** What the cheapest asks; null where this node can't buy from any. */
  cheapest: Price | null;
  bandwidthMaxBps: number;
  /** Of the best exit; null where nothing is known of any. */
  quality: Quality | null;
}

/** Points of whoever nothing is known of. */
const QUALITY_MIDDLE = 500;

/** Prices in different units are never ranked against each other; megabytes come first. */
const UNIT_ORDER = ["mb", "second", "cell", "byte_hour", "call", "fixed"];
const MB_PER_GB = 1000n;

function unitRank(price: Price | null | undefined): number {
  const rank = price ? UNIT_ORDER.indexOf(price.unit) : -1;
  return rank < 0 ? UNIT_ORDER.length : rank;
}

/** Negative where `a` is cheaper than `b`. */
function comparePrices(a: Price | null | undefined, b: Price | null | undefined): number {
  const units = unitRank(a) - unitRank(b);
  if (units !== 0 || !a || !b) return units;
  const difference = parseAmount(a.amount) - parseAmount(b.amount);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** A price as people compare it: by the gigabyte where it is by the megabyte. */
export function priceWords(price: Price): { amount: string; unit: string } {
  const isByMb = price.unit === "mb";
  const amount = parseAmount(price.amount) * (isByMb ? MB_PER_GB : 1n);
  const asset = price.asset === "WAY" ? "WAY" : "of another asset";
  return { amount: formatAmountShort(amount, 2, 9), unit: `${asset} per ${isByMb ? "GB" : unitName(price.unit)}` };
}

/** Problem with the highest price as typed, or null. */
export function maxPriceProblem(choice: OfferChoice): string | null {
  if (choice.maxPrice.trim() === "") return null;
  const read = readAmount(choice.maxPrice);
  return read.ok ? null : read.problem;
}

/** Per megabyte. */
function maxPriceOf(choice: OfferChoice): Amount | null {
  const read = readAmount(choice.maxPrice);
  return read.ok ? read.amount / MB_PER_GB : null;
}

function isFound(offer: Offer, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  if (wanted === "") return true;
  const asn = /^as?(\d+)$/.exec(wanted)?.[1] ?? (/^\d+$/.test(wanted) ? wanted : null);
  if (asn !== null && String(offer.asn).startsWith(asn)) return true;
  const code = offer.exit_country.toLowerCase();
  return code === wanted || countryName(offer.exit_country).toLowerCase().includes(wanted);
}

export function isChosen(offer: Offer, choice: OfferChoice): boolean {
  if (choice.preferredOnly && !offer.preferred) return false;
  if (!isFound(offer, choice.search)) return false;
  const max = maxPriceOf(choice);
  if (max === null) return true;
  return offer.price?.unit === "mb" && parseAmount(offer.price.amount) <= max;
}

/** Preferred providers first, then by unit, then by price: as the node would take them. */
export function chosenOffers(offers: Offer[], choice: OfferChoice, nowMs: number): Offer[] {
  return offers
    .filter((offer) => offer.expires_ms > nowMs && isChosen(offer, choice))
    .sort((a, b) => {
      if (a.preferred !== b.preferred) return a.preferred ? -1 : 1;
      return comparePrices(a.price, b.price) || (a.offer_id < b.offer_id ? -1 : 1);
    });
}

/** Chosen offers by country, countries in the order that the choice names. */
export function byCountry(chosen: Offer[], order: OfferChoice["order"]): CountryOffers[] {
  const countries = new Map<string, CountryOffers>();
  for (const offer of chosen) {
    const code = offer.exit_country;
    const known = countries.get(code) ?? { code, name: countryName(code), offers: [], cheapest: null, bandwidthMaxBps: 0, quality: null };
    known.offers.push(offer);
    known.bandwidthMaxBps = Math.max(known.bandwidthMaxBps, offer.bandwidth_bps);
    if (comparePrices(offer.price, known.cheapest) < 0) known.cheapest = offer.price ?? null;
    if (offer.quality && offer.quality.score > (known.quality?.score ?? -1)) known.quality = offer.quality;
    countries.set(code, known);
  }
  const rows = [...countries.values()];
  if (order === "name") rows.sort((a, b) => a.name.localeCompare(b.name, "en"));
  if (order === "quality") rows.sort((a, b) => qualityScore(b.quality) - qualityScore(a.quality));
  if (order === "exits") rows.sort((a, b) => b.offers.length - a.offers.length);
  return rows;
}

function qualityScore(quality: Quality | null): number {
  return quality?.score ?? QUALITY_MIDDLE;
}

/** Quality in a word, how many of four bars that is, and where it comes from. */
export function qualityWords(quality: Quality): { word: string; bars: number; source: string } {
  const words = ["poor", "fair", "good", "very good"];
  const bars = Math.min(4, Math.floor(quality.score / 250) + 1);
  const sessions = quality.own_sessions === 1 ? "1 session of yours" : `${quality.own_sessions} sessions of yours`;
  const others = quality.attesters === 1 ? "1 other" : `${quality.attesters} others`;
  return { word: words[bars - 1] ?? "", bars, source: `${quality.score} of 1000 points, by ${sessions} and ${others}` };
}

/** The node's filter for "connect to the best of what is shown", in one country where one is named. */
export function filterOf(choice: OfferChoice, country?: string): OfferFilter {
  const filter: OfferFilter = {};
  if (choice.service === "tunnel") filter.service = "tunnel";
  if (country) filter.country = country;
  const max = maxPriceOf(choice);
  if (max !== null) {
    filter.unit = "mb";
    filter.max_price = amountToWire(max);
  }
  return filter;
}
