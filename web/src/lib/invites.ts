/** Invites: first coins for somebody else, as a link. Pure. */

import type { AcceptedInvite, GivenInvite, Methods } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";
import { formatAgo, formatUntil } from "./format";

const DAY_SECONDS = 86_400;

/** How long an invite can be taken, the first choice to begin with. */
export const INVITE_TIMES: { label: string; seconds: number }[] = [
  { label: "30 days", seconds: 30 * DAY_SECONDS },
  { label: "a week", seconds: 7 * DAY_SECONDS },
  { label: "a day", seconds: DAY_SECONDS },
  { label: "an hour", seconds: 3_600 },
];

export interface InviteInput {
  coins: string;
  /** Whoever is registered needs no pledge. */
  pledge: boolean;
  seconds: number;
}

/** What is wrong with the coins, or null. What the pledge and the fee take beside them, the node knows. */
export function coinsProblem(text: string, wallet: Amount): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  if (read.amount === 0n) return "Enter an amount above zero.";
  return read.amount > wallet ? `Your wallet holds ${formatAmountShort(wallet)} WAY. Enter less than that.` : null;
}

/** Only for an input without problems. */
export function inviteOf({ coins, pledge, seconds }: InviteInput, key: string): Methods["invite_new"]["params"] {
  const read = readAmount(coins);
  return { coins: amountToWire(read.ok ? read.amount : 0n), pledge, within_seconds: seconds, idempotency_key: key };
}

/** "20.00 WAY and the pledge of 1.00 WAY". */
export function inviteSum({ coins, pledge }: GivenInvite): string {
  const first = `${formatAmountShort(parseAmount(coins))} WAY`;
  const locked = parseAmount(pledge);
  return locked === 0n ? first : `${first} and the pledge of ${formatAmountShort(locked)} WAY`;
}

const STAGES: Record<GivenInvite["stage"], string> = {
  paying: "being paid for", open: "open", taken: "taken", taking_back: "being taken back", taken_back: "taken back",
  failed: "not paid: the coins are in the wallet",
};

/** How it stands, and since when or until when. */
export function inviteWords({ stage, ended_ms, expires_ms }: GivenInvite, nowMs: number): string {
  if (ended_ms) return `${STAGES[stage]}, ${formatAgo(ended_ms, nowMs)}`;
  return stage === "open" && expires_ms ? `open; your node takes it back ${formatUntil(expires_ms, nowMs)}` : STAGES[stage];
}

export function acceptedWords({ stage, reason }: AcceptedInvite): string {
  switch (stage) {
    case "claiming":
      return "being taken";
    case "depositing":
      return "in the wallet, on the way to the account";
    case "done":
      return "taken";
    default:
      return reason ? `lost: ${reason}` : "lost";
  }
}

/** The newest first. */
export function sortedInvites(given: GivenInvite[]): GivenInvite[] {
  return [...given].sort((a, b) => b.number - a.number);
}
