/** Code, input and output of contracts in channels. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { consentWords, contentsWords, gasProblem, nameOnLedger, readCode, readHex, readOutput, receiptWords, valueProblem, withArguments } from "../../src/lib/contracts";

const word = (hex: string): string => hex.padStart(64, "0");

test.each<[string, string | null]>([
  ["0xABcd", "0xabcd"], ["ab cd\nef", "0xabcdef"], ["", "0x"], ["0x", "0x"], ["0xabc", null], ["xyz", null], ["60__$ab$__", null], ["ab".repeat(48 * 1024), `0x${"ab".repeat(48 * 1024)}`],
  ["ab".repeat(48 * 1024 + 1), null],
])("hex", (text, hex) => {
  const read = readHex(text, "The input");
  expect(read.ok ? read.hex : null).toBe(hex);
  if (!read.ok) expect(read.problem).toMatch(/\.$/);
});

test.each<[string, string | null]>([
  ["6001", "0x6001"], ["0x6001\n", "0x6001"], ['{"create": "6001", "runtime": "60"}', "0x6001"], ['{"bytecode": "0x6002"}', "0x6002"],
  ['{"bytecode": {"object": "6003"}}', "0x6003"], ['{"evm": {"bytecode": {"object": "6004"}}}', "0x6004"], ['"6005"', "0x6005"], ['{"bin": "6006"}', "0x6006"],
  ['{"abi": []}', null], ['{"bytecode": "0x"}', null], ["{", null], ["", null], ["hello", null],
])("the code in %j is %s", (text, hex) => {
  const read = readCode(text);
  expect(read.ok ? read.hex : null).toBe(hex);
});

test("the contracts of the repository are read as their script writes them", () => {
  for (const name of ["HiddenMoves", "Subscription"]) {
    const text = readFileSync(new URL(`../../../examples/contracts/compiled/${name}.json`, import.meta.url), "utf8");
    const read = readCode(text);
    expect(read.ok && read.hex).toBe(`0x${(JSON.parse(text) as { create: string }).create}`);
  }
});

test("what the constructor takes stands behind the code", () => {
  expect(withArguments("0x6001", " 0xAB ")).toEqual({ ok: true, hex: "0x6001ab" });
  expect(withArguments("0x6001", "")).toEqual({ ok: true, hex: "0x6001" });
  expect(withArguments("0x6001", "a")).toMatchObject({ ok: false });
  expect(withArguments(`0x${"ab".repeat(48 * 1024)}`, "ab")).toMatchObject({ ok: false });
});

test("gas is a whole number or left out", () => {
  expect(["", " ", "2000000", "0", "1.5", "-1", "x"].map((text) => gasProblem(text) === null)).toEqual([true, true, true, false, false, false, false]);
});

test("what came back is cut into words that say what they may mean", () => {
  const address = "ab".repeat(20);
  const text = Buffer.from("hello").toString("hex").padEnd(64, "0");
  const { reason, words } = readOutput(`0x${word("2a")}${word(address)}${text}${"ff".repeat(32)}ab`);
  expect(reason).toBeNull();
  expect(words.map(({ meanings }) => meanings)).toEqual([["42"], [`0x${address}`], ["“hello”"], [], []]);
  expect(words.map(({ hex }) => hex).join("")).toBe(`${word("2a")}${word(address)}${text}${"ff".repeat(32)}ab`);
  expect(readOutput("0x")).toEqual({ reason: null, words: [] });
});

test("a refusal with a sentence is that sentence, and one cut off is none", () => {
  const said = "it is not your move";
  const output = `0x08c379a0${word("20")}${word("13")}${Buffer.from(said).toString("hex").padEnd(64, "0")}`;
  expect(readOutput(output).reason).toBe(said);
  expect(readOutput(output.slice(0, 170)).reason).toBeNull();
  expect(readOutput("0x08c379a0").reason).toBeNull();
});

test("what waits for the other side says what is done, how it is asked for, and how long", () => {
  const [contract, until_ms] = [`0x${"91".repeat(20)}`, 400_000];
  const words = (more: object) => consentWords({ ours: false, wish: "leave", contract, until_ms, ...more }, "a1".repeat(16), 100_000);
  expect(words({}).what).toMatch(/^The peer wants to let 0x919191…919191 leave/);
  expect(words({}).agree?.call).toEqual({ method: "channel_leave", params: { channel: "a1".repeat(16), contract } });
  expect(words({ wish: "remove", to_us: "1", to_peer: "2" }).agree?.call.params).toMatchObject({ ours: "1", theirs: "2" });
  expect([words({ ours: true }).agree, words({ wish: "upgrade", code: "ab" }).agree]).toEqual([null, null]);
  expect(words({})).toMatchObject({ command: "byway channel contract leave a1a1a1a1 0x91919191", left: "5 min 00 s" });
  expect(words({ wish: "upgrade", code: "c0".repeat(32) }).command).toBe("byway channel contract upgrade a1a1a1a1 0x91919191 FILE");
  const shares = { wish: "remove", to_us: "0.25", to_peer: "1" };
  expect(words(shares).what).toContain("0.25 WAY to you, 1.00 WAY to the peer");
  expect(words(shares).command).toMatch(/--ours 0.25 --theirs 1$/);
  expect(words({ ...shares, ours: true }).command).toMatch(/--ours 1 --theirs 0.25$/);
  expect(words({ wish: "remove", ours: true }).what).toContain("as agreed at the beginning");
});

test("a contract on the ledger is named by its channel too, and says why it can't be called", () => {
  expect(nameOnLedger({ channel: "ab", contract: "0x91" })).toBe("ab/0x91");
  expect((["here", "missed", "missing"] as const).map((contents) => contentsWords({ contents })?.label)).toEqual([undefined, "calls were missed", "contents missing"]);
  const words = (["returned", "reverted", "out_of_gas", "halted", "missing"] as const).map((outcome) => receiptWords({ caller: "ab".repeat(20), outcome, gas_used: 21_000 }));
  expect(new Set(words).size).toBe(5);
  expect(words[1]).toBe("by ababab…abab, was refused by the contract, 21,000 gas");
});

test("what is paid along with a call on the ledger comes out of the account", () => {
  const account = 10n ** 18n;
  expect(["", " ", "0", "1", "1.1", "x"].map((text) => valueProblem(text, account))).toEqual([null, null, null, null, "Your account holds 1.00 WAY. Enter at most that.", expect.any(String)]);
});
