/** Choosing among offers on the page: what the filters leave, in which order, country by country. Pure. */

import { amountToWire, DECIMALS, formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";
import type { Methods, Offer, Price, Quality } from "@byway/client";
import { countryName, unitName } from "./format";
import { countryCodes } from "./world_map";

/** Which offers the node is to look at; what comes first is the node's own choice where `sort` is left out. */
export type OfferFilter = Omit<Methods["connect"]["params"], "offer_id" | "via">;

/** What is carried: programs that use the proxy, or the whole machine. */
export type ServiceChoice = "socks" | "tunnel";

/** What a session is paid by: the traffic, or the time that it is open. */
export type PaidBy = "mb" | "second";

export interface OfferChoice {
  service: ServiceChoice;
  per: PaidBy;
  /** Part of a country's name, its code, or a network such as AS24940. */
  search: string;
  /** WAY per GB or per hour, as `per` says, as typed; empty for none. */
  maxPrice: string;
  /** Points that a provider must be known to have; 0 for whoever. */
  minQuality: number;
  minBandwidthBps: number;
  preferredOnly: boolean;
  /** Only exits that give ports to their clients. */
  forwards: boolean;
  order: "both" | "price" | "quality" | "name" | "exits";
  /** Hops before the exit, each the best that is left; null: as the node is configured. */
  hops: number | null;
}

/** Hops before an exit at most. */
export const HOPS_MAX = 3;

export const CHOICE_DEFAULT: OfferChoice = {
  service: "socks", per: "mb", search: "", maxPrice: "", minQuality: 0, minBandwidthBps: 0, preferredOnly: false, forwards: false, order: "both", hops: null,
};

/** The choice without what leaves offers out. */
export function unfiltered(choice: OfferChoice): OfferChoice {
  return { ...CHOICE_DEFAULT, service: choice.service, per: choice.per, order: choice.order, hops: choice.hops };
}

/** How many filters hold, the search aside. */
export function filtersOn(choice: OfferChoice): number {
  return [choice.maxPrice.trim() !== "", choice.minQuality > 0, choice.minBandwidthBps > 0, choice.preferredOnly, choice.forwards].filter(Boolean).length;
}

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

/** What people compare prices by, and how many of the node's units that is: the gigabyte, and the hour. */
const COMPARED: Record<PaidBy, { name: string; units: bigint }> = { mb: { name: "GB", units: 1000n }, second: { name: "hour", units: 3600n } };
/** Digits after the point of a price. */
const PRICE_DECIMALS = 9;

function isPaidBy(unit: Price["unit"]): unit is PaidBy {
  return unit in COMPARED;
}

function assetName({ asset }: Price): string {
  return asset === "WAY" ? "WAY" : "of another asset";
}

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

/** A price as people compare it: by the gigabyte where it is by the megabyte, by the hour where it is by the second. */
export function priceWords(price: Price): { amount: string; unit: string } {
  const name = isPaidBy(price.unit) ? COMPARED[price.unit].name : unitName(price.unit);
  return { amount: formatAmountShort(comparedAmount(price), 2, PRICE_DECIMALS), unit: `${assetName(price)} per ${name}` };
}

/** What the gigabyte or the hour costs; what was named by the hour need not be whole by the second, and comes out as it was named. */
export function comparedAmount(price: Price): Amount {
  const units = isPaidBy(price.unit) ? COMPARED[price.unit].units : 1n;
  const amount = parseAmount(price.amount) * units;
  return price.unit === "second" ? roundedUp(amount) : amount;
}

/** A price as the node counts it, exact: "0.0001 WAY per second". */
export function priceExact(price: Price): string {
  return `${price.amount} ${assetName(price)} per ${unitName(price.unit)}`;
}

/** A price never looks lower than it is. */
function roundedUp(amount: Amount): Amount {
  const step = 10n ** BigInt(DECIMALS - PRICE_DECIMALS);
  return ((amount + step - 1n) / step) * step;
}

/** The offer's price by the other one of traffic and time, for a client of no reputation; null where it has none. */
export function otherPrice(offer: Offer, per: PaidBy): Price | null {
  const others = offer.prices.filter(({ unit, asset, min_reputation }) => unit !== per && isPaidBy(unit) && asset === "WAY" && min_reputation === 0);
  return others[0] ?? null;
}

/** Problem with the highest price as typed, or null. */
export function maxPriceProblem(choice: OfferChoice): string | null {
  if (choice.maxPrice.trim() === "") return null;
  const read = readAmount(choice.maxPrice);
  return read.ok ? null : read.problem;
}

/** As the node counts: per megabyte or per second. */
function maxPriceOf(choice: OfferChoice): Amount | null {
  const read = readAmount(choice.maxPrice);
  return read.ok ? read.amount / COMPARED[choice.per].units : null;
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
  if (choice.forwards && !offer.forwards) return false;
  if (choice.minQuality > 0 && (offer.quality?.score ?? 0) < choice.minQuality) return false;
  if (offer.bandwidth_bps < choice.minBandwidthBps) return false;
  if (!isFound(offer, choice.search)) return false;
  const max = maxPriceOf(choice);
  if (max === null) return true;
  return offer.price?.unit === choice.per && parseAmount(offer.price.amount) <= max;
}

/** By what the node is to sort, so that it takes first what is shown first. */
export function sortOf({ order }: OfferChoice): "both" | "price" | "quality" {
  return order === "name" || order === "exits" ? "both" : order;
}

/** What an offer is worth its price by: `price × 750 ÷ (250 + quality)`, without what is the same for all. */
function weighed(offer: Offer): number {
  return Number(parseAmount(offer.price?.amount ?? "0")) / (250 + qualityScore(offer.quality));
}

/** Preferred providers first, then by unit, then as the choice says, then the fastest: as the node would take them. */
export function chosenOffers(offers: Offer[], choice: OfferChoice, nowMs: number): Offer[] {
  const sort = sortOf(choice);
  const compared = (a: Offer, b: Offer): number => {
    if (sort === "quality") return qualityScore(b.quality) - qualityScore(a.quality);
    return sort === "price" ? comparePrices(a.price, b.price) : weighed(a) - weighed(b);
  };
  return offers
    .filter((offer) => offer.expires_ms > nowMs && isChosen(offer, choice))
    .sort((a, b) => {
      if (a.preferred !== b.preferred) return a.preferred ? -1 : 1;
      return unitRank(a.price) - unitRank(b.price) || compared(a, b) || b.bandwidth_bps - a.bandwidth_bps || (a.offer_id < b.offer_id ? -1 : 1);
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

function qualityScore(quality: Quality | null | undefined): number {
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

/** How many offers are tried one after another where the node can't choose among them itself. */
const TRIES_MAX = 3;

/** The node knows no filter for these, so it is told which offers to try. */
function isLocal(choice: OfferChoice): boolean {
  return choice.preferredOnly || choice.minQuality > 0;
}

/** What to ask the node for, one after another until one is open: to connect to the best of what is shown, in one country where one is named. */
export function targetsOf(choice: OfferChoice, chosen: Offer[], country?: string): Methods["connect"]["params"][] {
  if (!isLocal(choice)) return [{ ...filterOf(choice, country), ...viaOf(choice) }];
  const fitting = chosen.filter((offer) => offer.price && (!country || offer.exit_country === country));
  return fitting.slice(0, TRIES_MAX).map((offer) => ({ ...targetOf(offer, choice.per), ...viaOf(choice) }));
}

/** Over what the node is to go to the exit. */
export function viaOf({ hops }: OfferChoice): Pick<Methods["connect"]["params"], "via"> {
  return hops === null ? {} : { via: Array.from({ length: hops }, () => "best") };
}

/** To connect to exactly this offer. The node buys by the megabyte where that can be had and nothing is said. */
export function targetOf({ offer_id }: Offer, per: PaidBy): Methods["connect"]["params"] {
  return per === "second" ? { offer_id, unit: per } : { offer_id };
}

/** The country or the network that a search can mean alone, for the node to look for. */
function placeSearched(search: string): Pick<OfferFilter, "country" | "asn"> {
  const wanted = search.trim().toLowerCase();
  const asn = /^as(\d{1,10})$/.exec(wanted)?.[1];
  if (asn) return { asn: Number(asn) };
  const isNamed = (code: string) => code.toLowerCase() === wanted || countryName(code).toLowerCase() === wanted;
  const found = wanted.length < 2 ? [] : countryCodes().filter((code) => isNamed(code) || countryName(code).toLowerCase().includes(wanted));
  const code = found.find(isNamed) ?? (found.length === 1 ? found[0] : undefined);
  return code ? { country: code } : {};
}

/** For a market that is larger than what the node gives at once: what is looked for is looked for there. */
export function queryOf(choice: OfferChoice): OfferFilter {
  return { ...filterOf(choice), ...placeSearched(choice.search) };
}

/** The node's filter for "the best of what is shown", in one country where one is named. */
export function filterOf(choice: OfferChoice, country?: string): OfferFilter {
  const filter: OfferFilter = { sort: sortOf(choice) };
  if (choice.minBandwidthBps > 0) filter.min_bandwidth_bps = choice.minBandwidthBps;
  if (choice.forwards) filter.forwards = true;
  if (choice.service === "tunnel") filter.service = "tunnel";
  if (country) filter.country = country;
  const max = maxPriceOf(choice);
  // By the megabyte is what the node takes where nothing is said.
  if (choice.per === "second" || max !== null) filter.unit = choice.per;
  if (max !== null) filter.max_price = amountToWire(max);
  return filter;
}
