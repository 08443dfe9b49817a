/** What this node earned by selling: from its sessions, the promises made to it, and what was settled day by day. Pure. */

import { parseAmount, type Amount } from "./amount";
import type { Entry, Promise as PaymentPromise, Session } from "@byway/client";
import { openOf } from "./promises";

const DAY_MS = 86_400_000;

export interface Earnings {
  /** Paid out on the ledger, as far back as promises and history reach. */
  settled: Amount;
  /** Promised to us and not on the ledger yet. */
  open: Amount;
  sessions: number;
  bytes: number;
}

/** One day (UTC) of earnings. */
export interface EarningsDay {
  dayMs: number;
  earned: Amount;
}

/** Sessions that others have through this node. */
export function servedSessions(sessions: Session[]): Session[] {
  return sessions.filter((session) => session.client);
}

export function isOpen(session: Session): boolean {
  return session.state === "opening" || session.state === "active" || session.state === "paused";
}

export function earningsOf(sessions: Session[], promises: PaymentPromise[], history: Entry[]): Earnings {
  const served = servedSessions(sessions);
  const incoming = promises.filter((promise) => promise.direction === "in");
  const settlements = history.filter((entry) => entry.kind === "settle_in" && entry.stage === "final");
  return {
    settled: settlements.reduce((sum, entry) => sum + parseAmount(entry.amount), 0n),
    open: incoming.reduce((sum, promise) => sum + openOf(promise), 0n),
    sessions: served.length,
    bytes: served.reduce((sum, session) => sum + session.bytes_down + session.bytes_up, 0),
  };
}

/** The last `days` days, oldest first, those without earnings included. */
export function earningsByDay(history: Entry[], nowMs: number, days: number): EarningsDay[] {
  const today = nowMs - (nowMs % DAY_MS);
  const rows = Array.from({ length: days }, (_, index) => ({ dayMs: today - (days - 1 - index) * DAY_MS, earned: 0n }));
  for (const entry of history) {
    if (entry.kind !== "settle_in" || entry.stage !== "final") continue;
    const row = rows.find(({ dayMs }) => entry.time_ms >= dayMs && entry.time_ms < dayMs + DAY_MS);
    if (row) row.earned += parseAmount(entry.amount);
  }
  return rows;
}
