/** What the pages Browse, Wallet and Provide compute. */

import { expect, test } from "vitest";
import type { Entry, Price, Session } from "@byway/client";
import { costPerHour, meanBytesPerSecond, partOf } from "../../src/lib/cost";
import { earningsByDay, earningsOf } from "../../src/lib/earnings";
import { chosenEntries, entriesToCsv, signOf } from "../../src/lib/history";
import { addressPieces, paymentProblems } from "../../src/lib/payment";
import { outsideFrom } from "../../src/lib/split";
import { termsOf, termsProblems } from "../../src/lib/terms";
import { landPath, MAP_HEIGHT, MAP_WIDTH, placeOf } from "../../src/lib/world_map";

const WAY = 10n ** 18n;
const DAY_MS = 86_400_000;
const perMb: Price = { unit: "mb", amount: "0.0005", asset: "WAY", min_reputation: 0 };

function entry(kind: Entry["kind"], amount: string, time_ms: number, more: Partial<Entry> = {}): Entry {
  return { transaction_id: `${kind}${time_ms}`, time_ms, kind, amount, fee: "0", stage: "final", ...more };
}

test("an hour's cost is the mean speed of ten seconds, both ways, at the price", () => {
  const at = (timeMs: number, downBps: number) => ({ timeMs, downBps, upBps: 0 });
  expect(meanBytesPerSecond([])).toBe(0);
  const speed = meanBytesPerSecond([at(0, 8e9), at(11_000, 8e6), at(15_000, 24e6)]);
  expect(speed).toBe(2e6);
  expect(costPerHour(perMb, speed)).toBe((36n * WAY) / 10n);
  expect(costPerHour({ ...perMb, unit: "second" }, 0)).toBe((18n * WAY) / 10n);
  expect(costPerHour({ ...perMb, unit: "call" }, speed)).toBeNull();
});

test.each([[5n, null, 0], [5n, 0n, 0], [0n, 10n, 0], [5n, 10n, 0.5], [12n, 10n, 1]])("%s of %s is %s", (spent, limit, part) =>
  expect(partOf(spent, limit)).toBe(part));

test("history is filtered by direction and by any word, and exported with exact amounts", () => {
  const entries = [
    entry("receive", "1.5", 1), entry("send", "0.000000000000000001", 2, { counterparty: "=way1" }), entry("deposit", "3", 3),
    entry("send", "2", 4, { asset: { asset: "ab", symbol: "TEST" } }),
  ];
  const kinds = (direction: "all" | "in" | "out" | "own", search = "") => chosenEntries(entries, { direction, search }).map(({ time_ms }) => time_ms);
  expect(kinds("all")).toEqual([1, 2, 3, 4]);
  expect(kinds("in")).toEqual([1]);
  expect(kinds("own")).toEqual([3]);
  expect(kinds("out", "test")).toEqual([4]);
  expect(kinds("all", "ACCOUNT")).toEqual([3]);
  expect(["receive", "send", "deposit", "what"].map((kind) => signOf(kind as Entry["kind"]))).toEqual(["+", "−", "", ""]);
  const [head, , second] = entriesToCsv(entries).split("\r\n");
  expect(head).toBe("time,kind,direction,amount,asset,fee,counterparty,stage,reason,transaction_id");
  expect(second).toBe("1970-01-01T00:00:00.002Z,send,out,0.000000000000000001,WAY,0,'=way1,final,,send2");
});

test("earnings: what is settled, what is open, and day by day", () => {
  const now = 100 * DAY_MS + 5;
  const session: Session = {
    id: "a", offer_id: "b", provider: "c", client: "d", service: "socks", bytes_up: 1, bytes_down: 2, seconds: 3, price: perMb,
    cost: "1", paid: "1", state: "closed", started_ms: 0,
  };
  const promise = { counterparty: "d", serial: "1", amount: "3", settled: "1", backing: "account" as const, updated_ms: 0 };
  const history = [
    entry("settle_in", "2", now), entry("settle_in", "1", now - DAY_MS), entry("settle_in", "4", now - 9 * DAY_MS),
    entry("settle_in", "8", now, { stage: "rejected" }), entry("send", "16", now),
  ];
  const sum = earningsOf([session, { ...session, client: null }], [{ ...promise, direction: "in" }, { ...promise, direction: "out" }], history);
  expect(sum).toEqual({ settled: 7n * WAY, open: 2n * WAY, sessions: 1, bytes: 3 });
  expect(earningsByDay(history, now, 3)).toEqual([
    { dayMs: 98 * DAY_MS, earned: 0n }, { dayMs: 99 * DAY_MS, earned: WAY }, { dayMs: 100 * DAY_MS, earned: 2n * WAY },
  ]);
});

test.each([
  ["", "Paste the receiver's address."],
  ["way12", "An address has 139 characters, and this has 5. Copy all of it again."],
  [`wayview${"a".repeat(136)}`, "That is a view key, which opens a wallet to look into. Ask for an address instead."],
  [`way${"a".repeat(136)}`, null],
  ["way2of3-abcdef", null],
])("address %s", (to, problem) => expect(paymentProblems("send", { amount: "1", to }, WAY).to).toBe(problem));

test("an address is cut into pieces that make it up", () => {
  expect(addressPieces(" abcdefghij ")).toEqual(["abcdefgh", "ij"]);
});

test("networks outside: one a line, and a wrong one is named", () => {
  expect(outsideFrom("192.0.2.0/24\n 2001:db8::/32, 10.0.0.1\n")).toEqual({ networks: ["192.0.2.0/24", "2001:db8::/32", "10.0.0.1"], problem: null });
  expect(outsideFrom("").networks).toEqual([]);
  expect(outsideFrom("printer").problem).toContain("“printer”");
  expect(outsideFrom("10.0.0.1 ".repeat(65)).problem).toContain("at most 64");
});

test("terms of an offer: priced by the gigabyte, sold by the megabyte", () => {
  const good = { country: "de", asn: "AS64496", price: "0.5", mbitPerSecond: "100" };
  expect(Object.values(termsProblems(good))).toEqual([null, null, null, null]);
  expect(termsOf(good)).toEqual({ country: "DE", asn: 64_496, price_per_mb: "0.0005", bandwidth_bps: 100e6 });
  const bad = termsProblems({ country: "Germany", asn: "0", price: "0,5", mbitPerSecond: "-1" });
  expect(Object.values(bad).every((problem) => problem !== null)).toBe(true);
  expect(termsProblems({ ...good, price: "0.000000000000000001" }).price).toBe("Use fewer decimals.");
});

test("the map: every place lies in the picture, and land is where it should be", () => {
  for (const code of ["DE", "SG", "NZ", "US", "JP", "ZA", "HK"]) {
    const place = placeOf(code)!;
    expect(place.x > 0 && place.x < MAP_WIDTH && place.y > 0 && place.y < MAP_HEIGHT).toBe(true);
  }
  expect(placeOf("DE")!.x).toBeLessThan(placeOf("JP")!.x);
  expect(placeOf("NZ")!.y).toBeGreaterThan(placeOf("SE")!.y);
  expect(placeOf("AQ")).toBeNull();
  expect(placeOf("XX")).toBeNull();
  expect(landPath().split("M").length).toBeGreaterThan(1_500);
});
