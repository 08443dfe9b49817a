/** Payments over several channels: what the page says of them, and of the hub that this node is. */

import type { HubGuarantee, HubPayment, HubStatus } from "@byway/client";
import { parseAmount, type Amount } from "./amount";
import type { Tone } from "./state";

/** Whether there is anything to say. */
export function isOfInterest(status: HubStatus): boolean {
  return status.runs || status.forwarded > 0 || status.on_their_way.length > 0 || status.guarantees.length > 0;
}

/** Whose payment it is, and the lock that says how much. */
export function sideOf({ incoming, outgoing }: HubPayment): { words: string; amount: string; peers: string[]; until_ms: number | null } {
  const lock = outgoing ?? incoming;
  const words = incoming && outgoing ? "for others" : outgoing ? "from you" : "to you";
  const peers = [incoming?.peer, outgoing?.peer].filter((peer) => typeof peer === "string");
  return { words, amount: lock?.amount ?? "0", peers, until_ms: lock?.until_ms ?? null };
}

/** How far it is. */
export function stateWords({ state, incoming }: HubPayment): { label: string; tone: Tone } {
  switch (state) {
    case "locking":
      return { label: "being locked", tone: "busy" };
    case "locked":
      return { label: "waits to be taken", tone: "busy" };
    case "waiting":
      return { label: "awaits the other parts", tone: "busy" };
    case "opened":
      return { label: incoming ? "taken; it is collected" : "taken", tone: "good" };
    case "failing":
      return { label: "comes back", tone: "warn" };
  }
}

/** What this node has put in for others' virtual channels, and so can't use for anything else. */
export function boundBy(guarantees: HubGuarantee[]): Amount {
  return guarantees.flatMap(({ amounts }) => amounts).reduce((sum, amount) => sum + parseAmount(amount), 0n);
}

/** How a guarantee stands. */
export function guaranteeState({ stands, until_ms }: HubGuarantee, nowMs: number): { label: string; tone: Tone } {
  if (!stands) return { label: "being accepted", tone: "busy" };
  return until_ms <= nowMs ? { label: "to be ended", tone: "warn" } : { label: "stands", tone: "good" };
}
