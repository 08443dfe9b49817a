/** Cashing out: what is open is settled, payer by payer, and the account is withdrawn to the wallet, or to an address. */

import type { Entry, Methods, Promise as PaymentPromise } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount, type Amount } from "./amount";
import { shortId } from "./format";
import { openDebts } from "./promises";
import { idempotencyKey, RpcError } from "./rpc";

type Call = <M extends "promise_settle" | "wallet_balance" | "wallet_withdraw">(method: M, params: Methods[M]["params"]) => Promise<Methods[M]["result"]>;

export interface CashedOut {
  entries: Entry[];
  /** What leaves the account; nothing where it was empty. */
  amount: Amount;
  /** Empty for the wallet. */
  to: string;
  /** Payers whose promises could not be settled, and why not. */
  unsettled: string[];
}

/** What is wrong with an amount to keep, or null; none is kept where it is empty. */
export function keepProblem(text: string): string | null {
  if (text.trim() === "") return null;
  const read = readAmount(text);
  return read.ok ? null : read.problem;
}

/** A payer who can't pay holds up nobody else's money. To the wallet where `to` is empty. */
export async function cashOut(call: Call, promises: PaymentPromise[], keep: Amount, to: string): Promise<CashedOut> {
  const done: CashedOut = { entries: [], amount: 0n, to, unsettled: [] };
  for (const { counterparty } of openDebts(promises).filter(({ direction }) => direction === "in")) {
    try {
      done.entries.push(...(await call("promise_settle", { counterparty, idempotency_key: idempotencyKey() })).entries);
    } catch (error) {
      if (!(error instanceof RpcError) || error.code === "link_lost") throw error;
      if (error.code !== "nothing_to_settle") done.unsettled.push(error.message);
    }
  }
  const account = parseAmount((await call("wallet_balance", {})).account);
  if (account <= keep) return done;
  done.amount = account - keep;
  const where = to === "" ? {} : { to };
  done.entries.push(await call("wallet_withdraw", { amount: amountToWire(done.amount), ...where, idempotency_key: idempotencyKey() }));
  return done;
}

/** What came of it, as a sentence. */
export function cashedOutWords({ amount, to, unsettled }: CashedOut): string {
  const moved = amount > 0n
    ? `${formatAmountShort(amount)} WAY are on the way to ${to === "" ? "the wallet" : shortId(to)}, where they arrive after the network's notice period.`
    : "There was nothing in the account to withdraw.";
  const failed = unsettled.length === 1 ? "One promise" : `${unsettled.length} promises`;
  return unsettled.length === 0 ? moved : `${moved} ${failed} could not be settled: ${unsettled[0]}`;
}
