/** Other assets in a channel: they lie in contracts that are called as ERC-20 tokens are. Pure. */

import type { ChannelPurse, ContractRecord } from "@byway/client";
import { parseAmount, type Amount } from "./amount";

/** `allowance(address,address)` and `approve(address,uint256)`. */
const ALLOWANCE = "dd62ed3e";
const APPROVE = "095ea7b3";
/** What is looked up at once: four assets and so many contracts. */
export const APPROVED_CONTRACTS_MAX = 16;

export interface PursePart {
  kind: "ours" | "contracts" | "theirs";
  amount: Amount;
  /** 0 to 1 of all that is there of the asset. */
  share: number;
}

/** Whose what is of an asset, from our end to the peer's. */
export function purseParts(purse: ChannelPurse): PursePart[] {
  const amounts: [PursePart["kind"], Amount][] = [["ours", parseAmount(purse.ours)], ["contracts", parseAmount(purse.contracts)], ["theirs", parseAmount(purse.theirs)]];
  const total = amounts.reduce((sum, [, amount]) => sum + amount, 0n);
  return amounts.map(([kind, amount]) => ({ kind, amount, share: total === 0n ? 0 : Number((amount * 10_000n) / total) / 10_000 }));
}

/** Asks a purse how much `spender` may take of what `owner` has: identity or address, forty digits. */
export function allowanceInput(owner: string, spender: string): string {
  return `0x${ALLOWANCE}${addressWord(owner)}${addressWord(spender)}`;
}

/** Lets `spender` take so much and no more; nothing takes it back. */
export function approveInput(spender: string, amount: Amount): string {
  return `0x${APPROVE}${addressWord(spender)}${amount.toString(16).padStart(64, "0")}`;
}

/** What a purse said. Tokens are often approved without bound; what there can't be so much of is said as it is. */
export function readAllowance(output: string): Amount {
  return /^0x[0-9a-f]{64}$/i.test(output) ? BigInt(output) : 0n;
}

/** A contract that may take something of ours. */
export interface Approval {
  purse: ChannelPurse;
  contract: string;
  amount: Amount;
}

/** What can be approved, pair by pair. */
export function approvable(purses: ChannelPurse[], deployed: ContractRecord[]): { purse: ChannelPurse; contract: string }[] {
  const addresses = new Set(purses.map(({ contract }) => contract));
  const spenders = deployed.filter(({ contract }) => !addresses.has(contract)).slice(0, APPROVED_CONTRACTS_MAX);
  return purses.flatMap((purse) => spenders.map(({ contract }) => ({ purse, contract })));
}

function addressWord(address: string): string {
  return address.replace(/^0x/i, "").toLowerCase().padStart(64, "0");
}
