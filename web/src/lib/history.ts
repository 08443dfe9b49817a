/** The wallet's history: words for its entries, filtering, and a CSV file. Pure. */

import type { Entry } from "@byway/client";
import { csvCell } from "./csv";

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

export function directionOf(kind: Entry["kind"]): Direction {
  return KINDS[kind]?.[1] ?? "own";
}

export function signOf(kind: Entry["kind"]): "+" | "−" | "" {
  const direction = directionOf(kind);
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
    if (choice.direction !== "all" && directionOf(entry.kind) !== choice.direction) return false;
    const texts = [kindWords(entry), entry.counterparty, entry.transaction_id, entry.asset?.symbol, entry.amount];
    return wanted === "" || texts.some((text) => text?.toLowerCase().includes(wanted));
  });
}

const COLUMNS = ["time", "kind", "direction", "amount", "asset", "fee", "counterparty", "stage", "reason", "transaction_id"] as const;

/** Exact amounts, for a spreadsheet (RFC 4180). */
export function entriesToCsv(entries: Entry[]): string {
  const lines = entries.map((entry) => {
    const cells = [
      new Date(entry.time_ms).toISOString(), entry.kind, directionOf(entry.kind), entry.amount, entry.asset?.symbol ?? "WAY", entry.fee,
      entry.counterparty ?? "", entry.stage, entry.reason?.code ?? "", entry.transaction_id,
    ];
    return cells.map(csvCell).join(",");
  });
  return [COLUMNS.join(","), ...lines].join("\r\n") + "\r\n";
}
