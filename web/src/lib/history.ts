/** The wallet's history: words for its entries, filtering, and a CSV file. Pure. */

import type { Entry } from "@byway/client";
import { csvCell } from "./csv";
import { shortId } from "./format";

/** Which way money went: to us, from us, or between our own pockets. */
export type Direction = "in" | "out" | "own";

const KINDS: Record<Entry["kind"], [words: string, direction: Direction]> = {
  receive: ["Received", "in"],
  send: ["Sent", "out"],
  deposit: ["To the account", "own"],
  withdraw: ["Back to the wallet", "own"],
  withdraw_cancel: ["Withdrawal called off", "own"],
  settle_out: ["Paid an exit", "out"],
  settle_in: ["Earned", "in"],
  pledge: ["Pledge", "own"],
  publish: ["Published an offer", "out"],
  fee: ["Fee", "out"],
  funding: ["First funds", "in"],
  consolidate: ["Merged outputs", "own"],
  asset_register: ["Registered an asset", "out"],
  issue: ["Issued", "in"],
  burn: ["Burned", "out"],
  group_send: ["Sent by a group", "own"],
  node_pledge: ["Pledge of a kernel node", "own"],
  node_reclaim: ["Pledge reclaimed", "own"],
  node_call: ["Call of a kernel node", "own"],
};

export function kindWords({ kind, counterparty }: Pick<Entry, "kind" | "counterparty">): string {
  if (kind === "withdraw" && counterparty) return "Cashed out to";
  return KINDS[kind]?.[0] ?? kind;
}

/** What is withdrawn to an address of somebody has left our pockets. */
export function directionOf({ kind, counterparty }: Pick<Entry, "kind" | "counterparty">): Direction {
  return kind === "withdraw" && counterparty ? "out" : (KINDS[kind]?.[1] ?? "own");
}

/** An id is shortened, words such as "invite 4 taken back" are not. */
export function partyWords(counterparty: string): string {
  return counterparty.includes(" ") ? counterparty : shortId(counterparty, 6, 4);
}

export function signOf(entry: Pick<Entry, "kind" | "counterparty">): "+" | "−" | "" {
  const direction = directionOf(entry);
  return direction === "in" ? "+" : direction === "out" ? "−" : "";
}

export interface HistoryChoice {
  direction: Direction | "all";
  /** Part of a word, a counterparty, a transaction's id or an asset's symbol. */
  search: string;
}

export function chosenEntries(entries: Entry[], choice: HistoryChoice): Entry[] {
  const wanted = choice.search.trim().toLowerCase();
  return entries.filter((entry) => {
    if (choice.direction !== "all" && directionOf(entry) !== choice.direction) return false;
    const texts = [kindWords(entry), entry.counterparty, entry.transaction_id, entry.asset?.symbol, entry.amount];
    return wanted === "" || texts.some((text) => text?.toLowerCase().includes(wanted));
  });
}

const COLUMNS = ["time", "kind", "direction", "amount", "asset", "fee", "counterparty", "stage", "reason", "transaction_id"] as const;

/** Exact amounts, for a spreadsheet (RFC 4180). */
export function entriesToCsv(entries: Entry[]): string {
  const lines = entries.map((entry) => {
    const cells = [
      new Date(entry.time_ms).toISOString(), entry.kind, directionOf(entry), entry.amount, entry.asset?.symbol ?? "WAY", entry.fee,
      entry.counterparty ?? "", entry.stage, entry.reason?.code ?? "", entry.transaction_id,
    ];
    return cells.map(csvCell).join(",");
  });
  return [COLUMNS.join(","), ...lines].join("\r\n") + "\r\n";
}
