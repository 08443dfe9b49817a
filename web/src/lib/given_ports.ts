/** Ports that this node gives to its clients, as words. Pure. */

import type { GivenPort } from "@byway/client";
import { bytesOf, formatQuantity, formatWhen, shortId } from "./format";

/** The number and what it is for: one number may be two clients'. */
export function portName({ port, protocol }: GivenPort): string {
  return `${port} (${protocol.toUpperCase()})`;
}

/** Whose it is, since when, and what went through it. */
export function portWords({ client, since_ms, open, bytes_down, bytes_up }: GivenPort, nowMs: number): string {
  const carried = (bytes: number): string => formatQuantity(bytesOf(bytes));
  const kept = open ? [] : ["kept for it, its connection broke"];
  return [shortId(client), `since ${formatWhen(since_ms, nowMs)}`, `${carried(bytes_down)} in, ${carried(bytes_up)} out`, ...kept].join(" · ");
}

/** What closing did, as a sentence. */
export function closedWords(closed: GivenPort[]): string {
  const clients = [...new Set(closed.map(({ client }) => shortId(client)))].join(", ");
  return `${closed.map(portName).join(" and ")} ${closed.length === 1 ? "is" : "are"} closed. ${clients} gets no port here for a day.`;
}
