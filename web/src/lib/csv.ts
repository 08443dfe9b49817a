/** Sessions as a CSV file (RFC 4180), exact amounts, for a spreadsheet. */

import type { Session } from "@byway/client";

const COLUMNS = [
  "id", "started", "ended", "state", "reason", "service", "country", "provider", "client", "offer_id", "seconds",
  "bytes_down", "bytes_up", "price", "unit", "asset", "cost", "paid",
] as const;

/**
 * One cell. A provider chooses some of these texts, and a spreadsheet runs a cell that starts like a formula, so
 * such a start is defused with an apostrophe.
 */
export function csvCell(value: string | number): string {
  const text = String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function cells(session: Session): Record<(typeof COLUMNS)[number], string | number> {
  return {
    id: session.id,
    started: new Date(session.started_ms).toISOString(),
    ended: session.ended_ms ? new Date(session.ended_ms).toISOString() : "",
    state: session.state,
    reason: session.reason?.code ?? "",
    service: session.service,
    country: session.country ?? "",
    provider: session.provider,
    client: session.client ?? "",
    offer_id: session.offer_id,
    seconds: session.seconds,
    bytes_down: session.bytes_down,
    bytes_up: session.bytes_up,
    price: session.price.amount,
    unit: session.price.unit,
    asset: session.price.asset,
    cost: session.cost,
    paid: session.paid,
  };
}

export function sessionsToCsv(sessions: Session[]): string {
  const lines = sessions.map((session) => {
    const row = cells(session);
    return COLUMNS.map((column) => csvCell(row[column])).join(",");
  });
  return [COLUMNS.join(","), ...lines].join("\r\n") + "\r\n";
}

/** Hands a text to the browser as a download. */
export function download(name: string, text: string, type: string): void {
  hand(name, new Blob([text], { type }));
}

/** The same of bytes. */
export function hand(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(url);
}
