/** Services that plug in: reading which one a person wants, and how a program that is sold does. Pure. */

import type { Methods, ServiceProgram } from "@byway/client";
import { amountToWire, readAmount } from "./amount";
import { portProblems } from "./ports";

const MB_PER_GB = 1000n;

export interface ServiceInput {
  service: string;
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

export function serviceProblems({ service, maxPrice, port }: ServiceInput): ServiceProblems {
  const isName = /^[a-z0-9]+(-[a-z0-9]+)+$/.test(service.trim());
  return { service: isName ? null : "A name in small letters with a hyphen, as in http-fetch.", ...portProblems({ country: "", maxPrice, port }) };
}

/** Only for an input without problems. */
export function serviceOf({ service, maxPrice, port }: ServiceInput): Methods["service_open"]["params"] {
  const params: Methods["service_open"]["params"] = { service: service.trim() };
  const price = readAmount(maxPrice);
  if (price.ok) params.max_price = amountToWire(price.amount / MB_PER_GB);
  if (port.trim() !== "") params.listen = `127.0.0.1:${Number(port)}`;
  return params;
}

export function programWords({ state, sessions, restarts, version, reason }: ServiceProgram): { text: string; tone: "good" | "warn" | "bad" } {
  const again = restarts === 0 ? "" : restarts === 1 ? ", restarted once" : `, restarted ${restarts} times`;
  if (state === "failed") return { text: `failed${again}${reason ? `: ${reason}` : ""}`, tone: "bad" };
  if (state === "starting") return { text: `starting${again}`, tone: "warn" };
  const used = sessions === 1 ? "1 session" : `${sessions} sessions`;
  return { text: `running${version ? ` version ${version}` : ""}, ${used}${again}`, tone: "good" };
}
