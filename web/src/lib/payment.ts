/** Checks of what a person typed into a payment form, before the node is asked. Pure. */

import { formatAmountShort, readAmount, type Amount } from "./amount";
import type { Entry } from "@byway/client";

export type PaymentKind = "deposit" | "withdraw" | "send";

export interface PaymentInput {
  amount: string;
  to: string;
}

export interface PaymentProblems {
  amount: string | null;
  to: string | null;
}

/** Which balance a payment takes from. */
export function sourceOf(kind: PaymentKind): "wallet" | "account" {
  return kind === "withdraw" ? "account" : "wallet";
}

/** What an amount is in: its name, and how many digits it has after the point. */
export interface Denomination {
  symbol: string;
  decimals: number;
}

export const WAY: Denomination = { symbol: "WAY", decimals: 18 };

export function paymentProblems(kind: PaymentKind, input: PaymentInput, available: Amount, unit: Denomination = WAY): PaymentProblems {
  return { amount: amountProblem(kind, input.amount, available, unit), to: toProblem(kind, input.to) };
}

function toProblem(kind: PaymentKind, to: string): string | null {
  if (kind === "deposit") return null;
  return kind === "send" ? addressProblem(to) : addressProblemIfAny(to);
}

/** What goes to an address can't be taken back; a withdrawal that names none goes to the wallet. */
export function goesToAddress(kind: PaymentKind, to: string): boolean {
  return kind === "send" || (kind === "withdraw" && to.trim() !== "");
}

function amountProblem(kind: PaymentKind, text: string, available: Amount, unit: Denomination): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  if (read.amount === 0n) return "Enter an amount above zero.";
  if (read.amount % 10n ** BigInt(18 - unit.decimals) !== 0n) return `${unit.symbol} has ${unit.decimals} digits after the point.`;
  if (read.amount > available) return `Your ${sourceOf(kind)} holds ${formatAmountShort(available)} ${unit.symbol}. Enter at most that.`;
  return null;
}

/** "way", two keys and a checksum in hex. */
const ADDRESS_LENGTH = 139;

/** What is wrong with an address that may be left out, or null. */
export function addressProblemIfAny(text: string): string | null {
  return text.trim() === "" ? null : addressProblem(text);
}

/** Only the shape: whether it is an address of this network is for the node to say. */
function addressProblem(text: string): string | null {
  const trimmed = text.trim();
  if (trimmed === "") return "Paste the receiver's address.";
  if (!/^[\x21-\x7e]{1,2048}$/.test(trimmed)) return "An address has no spaces or line breaks. Copy it again.";
  if (/^way(view|group)/.test(trimmed)) return "That is a view key, which opens a wallet to look into. Ask for an address instead.";
  if (/^way[0-9a-f]*$/.test(trimmed) && trimmed.length !== ADDRESS_LENGTH) {
    return `An address has ${ADDRESS_LENGTH} characters, and this has ${trimmed.length}. Copy all of it again.`;
  }
  return null;
}

/** An address cut into pieces that two people can read to each other. */
export function addressPieces(address: string): string[] {
  return address.trim().match(/.{1,8}/g) ?? [];
}

/** How far a payment has come. Only what is final is paid, and only that is shown as good news. */
export function stageWords(what: string, done: string, entry: Pick<Entry, "stage" | "reason">): { tone: "bad" | "warn" | "good"; text: string } {
  switch (entry.stage) {
    case "final":
      return { tone: "good", text: `${what} ${done}.` };
    case "rejected":
      return { tone: "bad", text: entry.reason?.message ?? "The ledger rejected it. Nothing was moved." };
    case "included":
      return { tone: "warn", text: `${what} included by the kernel, not final yet.` };
    default:
      return { tone: "warn", text: `${what} handed to the kernel, not final yet.` };
  }
}
