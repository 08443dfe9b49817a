/** Sub-accounts: reading a new one as a person types it, and how far one is used up. Pure. */

import type { Methods, SubAccount } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount } from "./amount";
import { partOf } from "./cost";

export interface BudgetInput {
  name: string;
  /** WAY. */
  limit: string;
  per: SubAccount["per"];
}

export interface BudgetProblems {
  name: string | null;
  limit: string | null;
}

/** The node says what else is wrong. */
export function budgetProblems({ name, limit }: BudgetInput, known: SubAccount[]): BudgetProblems {
  const wanted = name.trim();
  const read = readAmount(limit);
  const nameProblem = () => {
    if (wanted === "") return "Give it a name, as in customer-7.";
    return known.some((account) => account.name === wanted) ? "This name is taken; one that was revoked is not given again." : null;
  };
  return { name: nameProblem(), limit: read.ok ? (read.amount === 0n ? "Enter an amount above zero." : null) : read.problem };
}

/** Only for an input without problems. */
export function budgetOf({ name, limit, per }: BudgetInput): Methods["sub_account_create"]["params"] {
  const read = readAmount(limit);
  return { name: name.trim(), limit: amountToWire(read.ok ? read.amount : 0n), per };
}

/** How full it is, 0 to 1. */
export function budgetPart({ spent, limit }: SubAccount): number {
  return partOf(parseAmount(spent), parseAmount(limit));
}

export function budgetWords({ spent, limit, per }: SubAccount): string {
  return `${formatAmountShort(parseAmount(spent), 2, 4)} of ${formatAmountShort(parseAmount(limit), 2, 4)} WAY${per === "day" ? " today" : ""}`;
}

/** Those that hold first, then by name. */
export function sortedBudgets(accounts: SubAccount[]): SubAccount[] {
  return [...accounts].sort((a, b) => Number(a.revoked) - Number(b.revoked) || a.name.localeCompare(b.name, "en"));
}
