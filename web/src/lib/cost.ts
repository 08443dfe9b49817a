/** What a session costs by the hour and by the gigabyte. Pure. */

import { parseAmount, type Amount } from "./amount";
import type { Price } from "@byway/client";
import { bytesOf, formatDuration, formatQuantity } from "./format";
import type { RateSample } from "./rates";

/** Speeds jump; what an hour would cost is told by the mean of so long. */
const MEAN_SPAN_MS = 10_000;
const BYTES_PER_MB = 1_000_000n;

/** Bytes per second both ways, mean of the last ten seconds. */
export function meanBytesPerSecond(samples: RateSample[]): number {
  const newestMs = samples.at(-1)?.timeMs ?? 0;
  const recent = samples.filter((sample) => sample.timeMs > newestMs - MEAN_SPAN_MS);
  if (recent.length === 0) return 0;
  const bits = recent.reduce((sum, sample) => sum + sample.downBps + sample.upBps, 0);
  return bits / 8 / recent.length;
}

/** What an hour costs at this speed; null where the price counts something else than traffic or time. */
export function costPerHour(price: Price, bytesPerSecond: number): Amount | null {
  const amount = parseAmount(price.amount);
  if (price.unit === "second") return amount * 3600n;
  if (price.unit !== "mb") return null;
  return (BigInt(Math.round(bytesPerSecond * 3600)) * amount) / BYTES_PER_MB;
}

/** How much an amount pays for: "35.7 GB", "4 h 10 min"; null for nothing, and where the price counts something else. */
export function lastsWords(amount: Amount, price: Price): string | null {
  const each = parseAmount(price.amount);
  if (amount === 0n || each === 0n) return null;
  if (price.unit === "second") return formatDuration(Number(amount / each));
  return price.unit === "mb" ? formatQuantity(bytesOf(Number((amount * BYTES_PER_MB) / each))) : null;
}

/** How full a limit is, 0 to 1; 0 without one. */
export function partOf(spent: Amount, limit: Amount | null): number {
  if (limit === null || limit <= 0n) return 0;
  if (spent >= limit) return 1;
  return Number((spent * 10_000n) / limit) / 10_000;
}
