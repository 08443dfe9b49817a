import { describe, expect, test } from "vitest";
import { amountBetween, amountToWire, costOf, formatAmount, formatAmountShort, parseAmount, readAmount } from "../../src/lib/amount";

const WAY = 10n ** 18n;

test.each([
  ["0", 0n], ["1", WAY], ["0.5", WAY / 2n], ["0.000000000000000001", 1n], ["1000000", 1_000_000n * WAY],
  ["12.345678901234567891", 12_345_678_901_234_567_891n], ["1.50", (3n * WAY) / 2n],
])("parses %s", (text, amount) => {
  expect(parseAmount(text)).toBe(amount);
});

test.each(["", "-1", "+1", "01", "1.", "1e3", "0x1", "1,5", "NaN", "1 000", "0.0000000000000000001", "9".repeat(22), "١"])("refuses %j", (text) => {
  expect(() => parseAmount(text)).toThrow(RangeError);
});

test.each([
  ["", "Enter an amount."], ["1,5", "Use a point"], ["-3", "above zero"], ["abc", "plain number"],
  [`0.${"1".repeat(19)}`, "at most 18 decimals"], ["9".repeat(22), "more than there is"],
])("says what to do about %j", (text, problem) => {
  const read = readAmount(text);
  expect(read.ok).toBe(false);
  expect(!read.ok && read.problem).toContain(problem);
});

test("forgives what is clear", () => {
  expect(readAmount(" 1.5 ")).toEqual({ ok: true, amount: (3n * WAY) / 2n });
  expect(readAmount(".5")).toEqual({ ok: true, amount: WAY / 2n });
});

test("wire form is exact and comes back the same", () => {
  let amount = 1n;
  for (let step = 0; step < 60; step += 1) {
    expect(parseAmount(amountToWire(amount))).toBe(amount);
    expect(amountToWire(amount)).not.toMatch(/\.\d*0$|\.$/);
    amount = amount * 3n + BigInt(step);
    if (amount >= 10n ** 39n) amount = 7n;
  }
  expect(amountToWire(25n * WAY)).toBe("25");
  expect(() => amountToWire(-1n)).toThrow(RangeError);
});

describe("showing", () => {
  test.each([
    [1_234_567n * WAY, 2, "1,234,567.00"], [999_999_999_999_999_999n, 2, "0.99"], [1n, 6, "0.000000"],
    [123n * WAY, 0, "123"], [-WAY, 2, "−1.00"],
  ])("%s with %i decimals cuts and never rounds up", (amount, decimals, text) => {
    expect(formatAmount(amount, decimals)).toBe(text);
  });

  test.each([
    [0n, "0.00"], [WAY, "1.00"], [parseAmount("0.0004"), "0.0004"], [parseAmount("0.33364"), "0.33364"],
    [1n, "<0.000001"], [parseAmount("1200.5"), "1,200.50"],
  ])("%s in short", (amount, text) => {
    expect(formatAmountShort(amount)).toBe(text);
  });
});

test("a run between two amounts starts and ends exactly, and never passes the end", () => {
  const from = 5n;
  const to = 10n ** 20n + 3n;
  expect(amountBetween(from, to, 0)).toBe(from);
  expect(amountBetween(from, to, 1)).toBe(to);
  let before = from;
  for (let part = 0; part <= 1.2; part += 0.01) {
    const now = amountBetween(from, to, part);
    expect(now >= before && now <= to).toBe(true);
    before = now;
  }
});

test("cost is the ceiling of the cumulative count", () => {
  const price = parseAmount("0.0004");
  expect(costOf(1_000_000, price)).toBe(price);
  expect(costOf(0, price)).toBe(0n);
  expect(costOf(1, 1n)).toBe(1n);
});
