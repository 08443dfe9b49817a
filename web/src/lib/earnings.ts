/** What this node earns by selling: by day or month, by client, against its caps, and as a file. Pure. */

import type { EarningsPeriod, ProviderEarnings, ProviderUsage, Session } from "@byway/client";
import { parseAmount, type Amount } from "./amount";
import { csvCell } from "./csv";
import { formatBandwidth } from "./format";

export type Span = ProviderEarnings["by"];

/** How many periods are drawn: a month of days, a year of months. */
export const PERIODS_SHOWN: Record<Span, number> = { day: 30, month: 12 };

/** What the periods that are shown come to. */
export interface EarningsSum {
  earned: Amount;
  settled: Amount;
  /** Handed to the ledger, which found too little in the payers' accounts. */
  bounced: Amount;
  sessions: number;
  bytes: number;
}

export interface EarningsBar {
  fromMs: number;
  label: string;
  earned: Amount;
}

/** What one client brought, as far back as the node keeps its sessions. */
export interface ClientSum {
  client: string;
  sessions: number;
  bytes: number;
  earned: Amount;
  isOpen: boolean;
  lastMs: number;
}

/** Sessions that others have through this node. */
export function servedSessions(sessions: Session[]): Session[] {
  return sessions.filter((session) => session.client);
}

export function isOpen(session: Session): boolean {
  return session.state === "opening" || session.state === "active" || session.state === "paused";
}

/** Beginnings (UTC) of the last `PERIODS_SHOWN` periods, oldest first. */
export function periodStarts(by: Span, nowMs: number): number[] {
  const now = new Date(nowMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  const count = PERIODS_SHOWN[by];
  return Array.from({ length: count }, (_, index) => {
    const back = count - 1 - index;
    return by === "day" ? Date.UTC(year, month, day - back) : Date.UTC(year, month - back, 1);
  });
}

export function periodLabel(fromMs: number, by: Span): string {
  const parts: Intl.DateTimeFormatOptions = by === "day" ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
  return new Date(fromMs).toLocaleDateString("en-GB", { ...parts, timeZone: "UTC" });
}

/** One bar for each period, those without earnings included. */
export function earningsBars({ by, periods }: Pick<ProviderEarnings, "by" | "periods">, nowMs: number): EarningsBar[] {
  const earned = new Map(periods.map((period) => [period.from_ms, parseAmount(period.earned)]));
  return periodStarts(by, nowMs).map((fromMs) => ({ fromMs, label: periodLabel(fromMs, by), earned: earned.get(fromMs) ?? 0n }));
}

export function sumOf(periods: EarningsPeriod[]): EarningsSum {
  const amounts = (pick: (period: EarningsPeriod) => string) => periods.reduce((sum, period) => sum + parseAmount(pick(period)), 0n);
  return {
    earned: amounts((period) => period.earned),
    settled: amounts((period) => period.settled),
    bounced: amounts((period) => period.bounced),
    sessions: periods.reduce((sum, period) => sum + period.sessions, 0),
    bytes: periods.reduce((sum, period) => sum + period.bytes_down + period.bytes_up, 0),
  };
}

/** Whoever brought most first. */
export function clientSums(served: Session[]): ClientSum[] {
  const clients = new Map<string, ClientSum>();
  for (const session of served) {
    const client = session.client ?? "";
    const sum = clients.get(client) ?? { client, sessions: 0, bytes: 0, earned: 0n, isOpen: false, lastMs: 0 };
    sum.sessions += 1;
    sum.bytes += session.bytes_down + session.bytes_up;
    sum.earned += parseAmount(session.cost);
    sum.isOpen ||= isOpen(session);
    sum.lastMs = Math.max(sum.lastMs, session.ended_ms ?? session.started_ms);
    clients.set(client, sum);
  }
  return [...clients.values()].sort((a, b) => (a.earned === b.earned ? b.lastMs - a.lastMs : a.earned > b.earned ? -1 : 1));
}

const COLUMNS = ["period", "service", "sessions", "bytes_up", "bytes_down", "earned_way", "settled_way", "fees_way", "bounced_way"];

/** As `byway provider earnings --csv` writes it: a line for each service of a period, then one for what the ledger moved. */
export function earningsToCsv(periods: EarningsPeriod[]): string {
  const lines = periods.flatMap(({ period, services, settled, fees, bounced }) => [
    ...services.map(({ service, sessions, bytes_up, bytes_down, earned }) => [period, service, sessions, bytes_up, bytes_down, earned, "", "", ""]),
    [period, "", "", "", "", "", settled, fees, bounced],
  ]);
  return [COLUMNS, ...lines].map((cells) => cells.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

/** The rate caps in words; null where there are none. */
export function rateCapWords({ rate_max_bps, client_rate_max_bps }: Pick<ProviderUsage, "rate_max_bps" | "client_rate_max_bps">): string | null {
  const all = rate_max_bps ? `${formatBandwidth(rate_max_bps)} for all clients together` : null;
  const each = client_rate_max_bps ? `${formatBandwidth(client_rate_max_bps)} for each` : null;
  return [all, each].filter((words) => words !== null).join(", ") || null;
}
