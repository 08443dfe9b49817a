/** Sums over promises. Pure. */

import { parseAmount, type Amount } from "./amount";
import type { Promise as PaymentPromise } from "@byway/client";

/** What is promised but not settled. */
export function openOf(promise: PaymentPromise): Amount {
  return parseAmount(promise.amount) - parseAmount(promise.settled);
}

/** What we owe a counterparty, or everybody when none is named. */
export function openWith(promises: PaymentPromise[], counterparty: string | undefined): Amount {
  return promises
    .filter((promise) => promise.direction === "out" && (!counterparty || promise.counterparty === counterparty))
    .reduce((sum, promise) => sum + openOf(promise), 0n);
}

/** Time of the newest settlement, or null. */
export function lastSettlement(promises: PaymentPromise[]): number | null {
  const times = promises.map((promise) => promise.settled_ms ?? 0);
  const newest = Math.max(0, ...times);
  return newest > 0 ? newest : null;
}

export interface Debt {
  direction: "out" | "in";
  counterparty: string;
  open: Amount;
  updatedMs: number;
}

/** Open promises summed per counterparty and direction, newest change first. */
export function openDebts(promises: PaymentPromise[]): Debt[] {
  const debts = new Map<string, Debt>();
  for (const promise of promises) {
    const open = openOf(promise);
    if (open <= 0n) continue;
    const key = `${promise.direction}/${promise.counterparty}`;
    const known = debts.get(key);
    debts.set(key, {
      direction: promise.direction,
      counterparty: promise.counterparty,
      open: open + (known?.open ?? 0n),
      updatedMs: Math.max(promise.updated_ms, known?.updatedMs ?? 0),
    });
  }
  return [...debts.values()].sort((a, b) => b.updatedMs - a.updatedMs);
}
