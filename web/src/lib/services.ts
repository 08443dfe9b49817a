/** Services that plug in: reading which one a person wants, and how a program that is sold does. Pure. */

import type { Methods, Offer, ServiceProgram } from "@byway/client";
import { amountToWire, readAmount } from "./amount";
import { byCountry, priceWords } from "./offers";
import { portProblems } from "./ports";

const MB_PER_GB = 1000n;

export interface ServiceInput {
  service: string;
  /** ISO code; empty for wherever it is cheapest. */
  country: string;
  /** WAY per GB; empty for any price. */
  maxPrice: string;
  /** Empty for a free one. */
  port: string;
}

export interface ServiceProblems {
  service: string | null;
  maxPrice: string | null;
  port: string | null;
}

/** Small letters with a hyphen between them. */
export function isServiceName(text: string): boolean {
  return /^[a-z0-9]+(-[a-z0-9]+)+$/.test(text.trim());
}

export function serviceProblems({ service, maxPrice, port }: ServiceInput): ServiceProblems {
  return { service: isServiceName(service) ? null : "A name in small letters with a hyphen, as in http-fetch.", ...portProblems({ country: "", maxPrice, port }) };
}

/** Only for an input without problems. */
export function serviceOf({ service, country, maxPrice, port }: ServiceInput): Methods["service_open"]["params"] {
  const params: Methods["service_open"]["params"] = { service: service.trim() };
  if (country !== "") params.country = country;
  const price = readAmount(maxPrice);
  if (price.ok) params.max_price = amountToWire(price.amount / MB_PER_GB);
  if (port.trim() !== "") params.listen = `127.0.0.1:${Number(port)}`;
  return params;
}

/** Where a service is sold, as choices: the cheapest country first. */
export function sellersByCountry(offers: Offer[]): { code: string; label: string }[] {
  return byCountry(offers, "price").flatMap(({ code, name, cheapest }) => {
    const price = cheapest && priceWords(cheapest);
    return price ? [{ code, label: `${name}, from ${price.amount} ${price.unit}` }] : [];
  });
}

/** Who sells it, as a sentence; `offers` as the node gives them, the cheapest first. */
export function marketWords(name: string, offers: Offer[]): string {
  const price = offers[0]?.price && priceWords(offers[0].price);
  if (!price) return `Nobody sells ${name} now. Look at the name again, or come back later.`;
  return `${offers.length === 1 ? "1 provider sells" : `${offers.length} providers sell`} ${name}, from ${price.amount} ${price.unit}.`;
}

export function programWords({ state, sessions, restarts, version, reason }: ServiceProgram): { text: string; tone: "good" | "warn" | "bad" } {
  const again = restarts === 0 ? "" : restarts === 1 ? ", restarted once" : `, restarted ${restarts} times`;
  if (state === "failed") return { text: `failed${again}${reason ? `: ${reason}` : ""}`, tone: "bad" };
  if (state === "starting") return { text: `starting${again}`, tone: "warn" };
  const used = sessions === 1 ? "1 session" : `${sessions} sessions`;
  return { text: `running${version ? ` version ${version}` : ""}, ${used}${again}`, tone: "good" };
}
