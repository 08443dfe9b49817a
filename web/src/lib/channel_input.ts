/** What people type about channels, checked before the node is asked. Pure. */

import type { ChannelRecord, Methods } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";
import { laneOf, spendable } from "./channels";

export type Remainder = NonNullable<Methods["channel_open"]["params"]["remainder"]>;

export interface OpenInput {
  peer: string;
  deposit: string;
  /** Empty for the node's own choice, as are reserve and time. */
  theirDeposit: string;
  reserve: string;
  lockMinutes: string;
  remainder: Remainder;
}

export const OPEN_EMPTY: OpenInput = { peer: "", deposit: "", theirDeposit: "", reserve: "", lockMinutes: "", remainder: "halves" };

export type OpenProblems = Record<"peer" | "deposit" | "theirDeposit" | "reserve" | "lockMinutes", string | null>;

export function openProblems(input: OpenInput, account: Amount): OpenProblems {
  return {
    peer: peerProblem(input.peer),
    deposit: amountProblem(input.deposit, account, "Your account holds"),
    theirDeposit: optionalProblem(input.theirDeposit),
    reserve: optionalProblem(input.reserve),
    lockMinutes: /^\s*([1-9]\d{0,5})?\s*$/.test(input.lockMinutes) ? null : "Whole minutes, or none for an hour.",
  };
}

/** Only the shape: whether somebody is there is for the node to say. */
function peerProblem(text: string): string | null {
  const peer = text.trim();
  if (peer === "") return "Paste the peer's identity or card.";
  if (/\s/.test(peer)) return "It has no spaces or line breaks. Copy it again.";
  if (/^byway:/i.test(peer) && !/^byway:peer\//i.test(peer)) return "That is another kind of link. Ask the peer for its card, which begins with byway:peer/.";
  return null;
}

function amountProblem(text: string, available: Amount, holds: string): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  if (read.amount === 0n) return "Enter an amount above zero.";
  return read.amount > available ? `${holds} ${formatAmountShort(available)} WAY. Enter at most that.` : null;
}

function optionalProblem(text: string): string | null {
  const read = readAmount(text);
  return text.trim() === "" || read.ok ? null : read.problem;
}

/** Only for an input without problems. */
export function openOf(input: OpenInput, key: string): Methods["channel_open"]["params"] {
  const wire = (text: string): string => {
    const read = readAmount(text);
    return amountToWire(read.ok ? read.amount : 0n);
  };
  return {
    peer: input.peer.trim(), deposit: wire(input.deposit),
    ...(input.theirDeposit.trim() === "" ? {} : { their_deposit: wire(input.theirDeposit) }),
    ...(input.reserve.trim() === "" ? {} : { reserve: wire(input.reserve) }),
    ...(input.lockMinutes.trim() === "" ? {} : { lock_seconds: Number(input.lockMinutes) * 60 }),
    remainder: input.remainder, idempotency_key: key,
  };
}

export type MoveKind = "pay" | "promise" | "lane" | "deposit" | "withdraw";

/** What is wrong with an amount, or null. */
export function moveProblem(kind: MoveKind, text: string, channel: ChannelRecord, account: Amount): string | null {
  switch (kind) {
    case "pay":
    case "withdraw":
      return amountProblem(text, spendable(channel), "Above the reserve your part has");
    case "promise":
      return amountProblem(text, laneOf(channel.our_lane).free, "You have set aside, and not promised yet,");
    case "deposit":
      return amountProblem(text, account, "Your account holds");
    case "lane":
      return laneProblem(text, channel);
  }
}

function laneProblem(text: string, channel: ChannelRecord): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  const promised = laneOf(channel.our_lane).promised;
  if (read.amount < promised) return `${formatAmountShort(promised)} WAY of it are promised. Enter at least that.`;
  const most = spendable(channel) + parseAmount(channel.our_lane.capacity);
  return read.amount > most ? `You can set aside ${formatAmountShort(most)} WAY in all. Enter at most that.` : null;
}
