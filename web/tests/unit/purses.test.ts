/** Other assets in a channel, and what contracts may take of them. */

import { expect, test } from "vitest";
import type { ChannelPurse, ContractRecord } from "@byway/client";
import { allowanceInput, approvable, approveInput, purseParts, readAllowance } from "../../src/lib/purses";

const WAY = 10n ** 18n;
const purse = (more: Partial<ChannelPurse> = {}): ChannelPurse => ({ asset: "cd".repeat(32), symbol: "ABC", contract: `0x${"ef".repeat(20)}`, ours: "5", contracts: "2", theirs: "3", ...more });
const contract = (digits: string): ContractRecord => ({ contract: `0x${digits.repeat(20)}`, balance: "0", code: "00", code_bytes: 1 });

test("the parts of an asset are all of it", () => {
  expect(purseParts(purse()).map(({ kind, share }) => [kind, share])).toEqual([["ours", 0.5], ["contracts", 0.2], ["theirs", 0.3]]);
  expect(purseParts(purse({ ours: "0", contracts: "0", theirs: "0" })).every(({ share }) => share === 0)).toBe(true);
});

test("calls of a purse are those of an ERC-20 token", () => {
  const [owner, spender] = ["12".repeat(20), `0x${"AB".repeat(20)}`];
  const padding = "00".repeat(12);
  expect(allowanceInput(owner, spender)).toBe(`0xdd62ed3e${padding}${owner}${padding}${"ab".repeat(20)}`);
  expect(approveInput(spender, WAY)).toBe(`0x095ea7b3${padding}${"ab".repeat(20)}${"de0b6b3a7640000".padStart(64, "0")}`);
  expect(approveInput(spender, 0n)).toMatch(/0{64}$/);
});

test("what a purse says is read, and what says nothing is nothing", () => {
  expect(readAllowance(`0x${"de0b6b3a7640000".padStart(64, "0")}`)).toBe(WAY);
  expect(readAllowance(`0x${"f".repeat(64)}`)).toBe(2n ** 256n - 1n);
  expect(["0x", "", "0x01", `0x${"g".repeat(64)}`].map(readAllowance)).toEqual([0n, 0n, 0n, 0n]);
});

test("a purse itself is no contract that takes anything, and there is a bound on how many are looked at", () => {
  const one = contract("11");
  expect(approvable([purse()], [contract("ef"), one])).toEqual([{ purse: purse(), contract: one.contract }]);
  const many = Array.from({ length: 40 }, (_, at) => contract((at + 16).toString(16)));
  expect(approvable([purse()], many)).toHaveLength(16);
});
