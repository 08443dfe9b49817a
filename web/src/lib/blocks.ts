/** Destinations that clients don't get to: reading one as a person types it, and saying how long it holds. Pure. */

import type { Methods, ProviderBlock } from "@byway/client";
import { formatUntil } from "./format";

const DAY_MS = 86_400_000;
/** As the call takes it. */
const NOTE_MAX = 500;

/** How long a block may be made for, from its first choice on. */
export const BLOCK_TIMES: { label: string; ms: number | null }[] = [
  { label: "until I lift it", ms: null },
  { label: "for a day", ms: DAY_MS },
  { label: "for a week", ms: 7 * DAY_MS },
  { label: "for 30 days", ms: 30 * DAY_MS },
];

export interface BlockInput {
  destination: string;
  ms: number | null;
  note: string;
}

/** What is wrong, as a sentence that says what to do. The node says what else is. */
export function blockProblem({ destination, note }: BlockInput): string | null {
  const wanted = destination.trim();
  if (wanted === "") return "Name a domain, an address or a network, as in example.org or 192.0.2.7:22.";
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(wanted)) return `Only the name, without what is before and after it: ${hostOf(wanted)}`;
  if (/\s/.test(wanted)) return "One destination at a time.";
  if (note.length > NOTE_MAX) return `Keep the note below ${NOTE_MAX} characters.`;
  return null;
}

/** The host of an address that was copied out of a complaint. */
function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return "example.org";
  }
}

/** Only for an input without a problem. */
export function blockOf({ destination, ms, note }: BlockInput): Methods["market_block"]["params"] {
  const params: Methods["market_block"]["params"] = { destination: destination.trim() };
  if (ms !== null) params.for_ms = ms;
  if (note.trim() !== "") params.note = note.trim();
  return params;
}

export function endWords({ until_ms }: Pick<ProviderBlock, "until_ms">, nowMs: number): string {
  return until_ms ? `ends ${formatUntil(until_ms, nowMs)}` : "until you lift it";
}
