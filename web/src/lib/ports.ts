/** Proxy ports that lead to one place each: reading a new one as a person types it, and how one stands. Pure. */

import type { Connection, Methods, ProxyPort } from "@byway/client";
import { amountToWire, readAmount } from "./amount";
import { countryName, withoutCommand } from "./format";

const MB_PER_GB = 1000n;

export interface PortInput {
  /** ISO code; empty for wherever it is best. */
  country: string;
  /** WAY per GB; empty for any price. */
  maxPrice: string;
  /** Empty for a free one. */
  port: string;
}

export interface PortProblems {
  maxPrice: string | null;
  port: string | null;
}

export function isPort(text: string): boolean {
  return /^\s*\d{1,5}\s*$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

export function portProblems({ maxPrice, port }: PortInput): PortProblems {
  const price = maxPrice.trim() === "" ? null : readAmount(maxPrice);
  const isFree = port.trim() === "" || isPort(port);
  return { maxPrice: price && !price.ok ? price.problem : null, port: isFree ? null : "A number from 1 to 65535, or none for a free one." };
}

/** Only for an input without problems. */
export function portOf({ country, maxPrice, port }: PortInput): Methods["proxy_port_open"]["params"] {
  const params: Methods["proxy_port_open"]["params"] = {};
  if (country !== "") params.country = country;
  const price = readAmount(maxPrice);
  if (price.ok) params.max_price = amountToWire(price.amount / MB_PER_GB);
  if (port.trim() !== "") params.listen = `127.0.0.1:${Number(port)}`;
  return params;
}

export function portPlace({ country, asn, pay }: ProxyPort): string {
  const place = country ? countryName(country) : "wherever it is best";
  const paid = pay === "channel" ? ", paid out of a channel" : "";
  return asn ? `${place}, AS${asn}${paid}` : `${place}${paid}`;
}

const STATES: Record<Connection["state"], string> = {
  idle: "connects when it is used", connecting: "connecting…", connected: "connected", paused: "paused", disconnected: "connects when it is used",
  failed: "failed",
};

/** How it stands, and the reason where it doesn't work. */
export function portWords({ connection, reason }: ProxyPort): string {
  const why = connection?.reason ?? reason;
  const state = connection ? STATES[connection.state] : "closed";
  return why ? `${state}: ${withoutCommand(why.message)}` : state;
}
