/** What the pages Browse, Wallet and Provide compute. */

import { expect, test } from "vitest";
import type { EarningsPeriod, Entry, Price, ProxyPort, ServiceProgram, Session, SubAccount } from "@byway/client";
import { blockOf, blockProblem, endWords } from "../../src/lib/blocks";
import { budgetOf, budgetPart, budgetProblems, budgetWords, sortedBudgets } from "../../src/lib/budgets";
import { cashedOutWords, cashOut, keepProblem } from "../../src/lib/cash_out";
import { costPerHour, lastsWords, meanBytesPerSecond, partOf } from "../../src/lib/cost";
import { clientSums, earningsBars, earningsToCsv, rateCapWords, servedSessions, sumOf } from "../../src/lib/earnings";
import { chosenEntries, directionOf, entriesToCsv, kindWords, partyWords, signOf } from "../../src/lib/history";
import { addressPieces, addressProblemIfAny, paymentProblems } from "../../src/lib/payment";
import { portOf, portPlace, portProblems, portWords } from "../../src/lib/ports";
import { answerTo, isPaymentLink, linkWords, requestOf, requestProblems } from "../../src/lib/requests";
import { RpcError } from "../../src/lib/rpc";
import { programWords, serviceOf, serviceProblems } from "../../src/lib/services";
import { termsOf, termsProblems } from "../../src/lib/terms";
import { landPath, MAP_HEIGHT, MAP_WIDTH, placeOf } from "../../src/lib/world_map";

const WAY = 10n ** 18n;
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

test("how far an account goes", () => {
  expect(lastsWords(25n * WAY, { ...perMb, amount: "0.0004" })).toBe("62.5 GB");
  expect(lastsWords(0n, perMb)).toBeNull();
  expect(lastsWords(WAY, { ...perMb, amount: "0" })).toBeNull();
  expect(lastsWords(WAY, { ...perMb, unit: "second", amount: "0.0001" })).toBe("2 h 46 min");
  expect(lastsWords(WAY, { ...perMb, unit: "call" })).toBeNull();
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
  expect([kindWords({ kind: "withdraw" }), kindWords({ kind: "withdraw", counterparty: "way1" })]).toEqual(["Back to the wallet", "Cashed out to"]);
  expect(kinds("all", "ACCOUNT")).toEqual([3]);
  expect(["receive", "send", "deposit", "what"].map((kind) => signOf({ kind: kind as Entry["kind"] }))).toEqual(["+", "−", "", ""]);
  expect([signOf({ kind: "withdraw", counterparty: "way1" }), directionOf({ kind: "withdraw", counterparty: "way1" })]).toEqual(["−", "out"]);
  expect([partyWords("0123456789abcdef"), partyWords("invite 4 taken back")]).toEqual(["012345…cdef", "invite 4 taken back"]);
  const [head, , second] = entriesToCsv(entries).split("\r\n");
  expect(head).toBe("time,kind,direction,amount,asset,fee,counterparty,stage,reason,transaction_id");
  expect(second).toBe("1970-01-01T00:00:00.002Z,send,out,0.000000000000000001,WAY,0,'=way1,final,,send2");
});

test("earnings: bars for every day or month, the rest added up", () => {
  const now = Date.UTC(2026, 2, 2, 13);
  const period = (from_ms: number, earned: string, more: Partial<EarningsPeriod> = {}): EarningsPeriod => ({
    period: new Date(from_ms).toISOString().slice(0, 10), from_ms, sessions: 2, bytes_up: 1, bytes_down: 10, earned, settled: "1", fees: "0.1", bounced: "0",
    services: [{ service: "socks", sessions: 2, bytes_up: 1, bytes_down: 10, earned }], ...more,
  });
  const periods = [period(Date.UTC(2026, 2, 2), "2"), period(Date.UTC(2026, 1, 28), "0.5", { bounced: "3" })];
  const days = earningsBars({ by: "day", periods }, now);
  expect(days).toHaveLength(30);
  expect(days.slice(-3).map(({ label, earned }) => [label, earned])).toEqual([["28 Feb", WAY / 2n], ["1 Mar", 0n], ["2 Mar", 2n * WAY]]);
  const months = earningsBars({ by: "month", periods: [period(Date.UTC(2025, 11, 1), "7")] }, now);
  expect(months).toHaveLength(12);
  expect(months.slice(-4).map(({ label, earned }) => [label, earned])).toEqual([["Dec 2025", 7n * WAY], ["Jan 2026", 0n], ["Feb 2026", 0n], ["Mar 2026", 0n]]);
  expect(sumOf(periods)).toEqual({ earned: (5n * WAY) / 2n, settled: 2n * WAY, bounced: 3n * WAY, sessions: 4, bytes: 22 });
  expect(earningsToCsv(periods).split("\r\n").slice(0, 3)).toEqual([
    "period,service,sessions,bytes_up,bytes_down,earned_way,settled_way,fees_way,bounced_way",
    "2026-03-02,socks,2,1,10,2,,,", "2026-03-02,,,,,,1,0.1,0",
  ]);
});

test("clients: what each brought, whoever brought most first", () => {
  const session = (client: string | null, cost: string, more: Partial<Session> = {}): Session => ({
    id: "a", offer_id: "b", provider: "c", client, service: "socks", bytes_up: 1, bytes_down: 2, seconds: 3, seconds_served: 3, price: perMb, cost, paid: cost,
    state: "closed", started_ms: 5, ended_ms: 9, ...more,
  });
  const sessions = [session("x", "1"), session(null, "8"), session("y", "3", { state: "paused", ended_ms: null }), session("x", "1.5", { started_ms: 20, ended_ms: 21 })];
  expect(clientSums(servedSessions(sessions))).toEqual([
    { client: "y", sessions: 1, bytes: 3, earned: 3n * WAY, isOpen: true, lastMs: 5 },
    { client: "x", sessions: 2, bytes: 6, earned: (5n * WAY) / 2n, isOpen: false, lastMs: 21 },
  ]);
});

test.each([
  [{}, null], [{ rate_max_bps: 500e6 }, "500 Mbit/s for all clients together"],
  [{ rate_max_bps: 1e9, client_rate_max_bps: 50e6 }, "1 Gbit/s for all clients together, 50 Mbit/s for each"],
])("rate caps %j", (usage, words) => expect(rateCapWords(usage)).toBe(words));

test.each([
  ["", /^Name a domain/], ["https://scanned.example/a?b", /: scanned\.example$/], ["a b", /^One destination/],
  ["*:25", null], ["[2001:db8::1]:22", null], ["bücher.example", null],
])("block %s", (destination, problem) => {
  const found = blockProblem({ destination, ms: null, note: "" });
  if (problem === null) expect(found).toBeNull();
  else expect(found).toMatch(problem);
});

test("a block is asked for without what was left empty", () => {
  expect(blockOf({ destination: " a.example ", ms: null, note: " " })).toEqual({ destination: "a.example" });
  expect(blockOf({ destination: "a.example", ms: 5, note: "why" })).toEqual({ destination: "a.example", for_ms: 5, note: "why" });
  expect(blockProblem({ destination: "a.example", ms: null, note: "x".repeat(501) })).toContain("500");
  expect([endWords({ until_ms: null }, 0), endWords({ until_ms: 60_000 }, 0)]).toEqual(["until you lift it", "ends in 1 min"]);
});

test.each([
  ["", "Paste the receiver's address."],
  ["way12", "An address has 139 characters, and this has 5. Copy all of it again."],
  [`wayview${"a".repeat(136)}`, "That is a view key, which opens a wallet to look into. Ask for an address instead."],
  [`way${"a".repeat(136)}`, null],
  ["way2of3-abcdef", null],
])("address %s", (to, problem) => expect(paymentProblems("send", { amount: "1", to }, WAY).to).toBe(problem));

test("an address that may be left out", () => {
  expect([addressProblemIfAny(" "), addressProblemIfAny("way12")]).toEqual([null, expect.stringContaining("139 characters")]);
});

test("an address is cut into pieces that make it up", () => {
  expect(addressPieces(" abcdefghij ")).toEqual(["abcdefgh", "ij"]);
});

test("terms of an offer: priced by the gigabyte, sold by the megabyte", () => {
  const good = { country: "de", asn: "AS64496", price: "0.5", hourPrice: "", mbitPerSecond: "100" };
  expect(Object.values(termsProblems(good))).toEqual([null, null, null, null, null]);
  expect(termsOf(good)).toEqual({ country: "DE", asn: 64_496, price_per_mb: "0.0005", bandwidth_bps: 100e6 });
  const bad = termsProblems({ country: "Germany", asn: "0", price: "0,5", hourPrice: "-1", mbitPerSecond: "-1" });
  expect(Object.values(bad).every((problem) => problem !== null)).toBe(true);
  expect(termsProblems({ ...good, price: "0.000000000000000001" }).price).toBe("Use fewer decimals.");
  const timed = { ...good, price: "", hourPrice: "0.36" };
  expect(Object.values(termsProblems(timed))).toEqual([null, null, null, null, null]);
  expect(termsOf(timed)).toEqual({ country: "DE", asn: 64_496, price_per_second: "0.0001", bandwidth_bps: 100e6 });
  expect(termsOf({ ...good, hourPrice: "0.36" })).toMatchObject({ price_per_mb: "0.0005", price_per_second: "0.0001" });
  expect(termsProblems({ ...good, price: "" }).price).toBe("Enter an amount.");
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

test("a payment is asked for without what was left empty", () => {
  const input = { amount: "", asset: "", note: " ", ms: null };
  expect(requestOf(input, 0)).toEqual({});
  expect(requestOf({ amount: "2.50", asset: "ab", note: " Invoice 271 ", ms: 5 }, 7)).toEqual({ amount: "2.5", asset: "ab", note: "Invoice 271", expires_ms: 12 });
  expect(requestProblems(input, { symbol: "WAY", decimals: 18 })).toEqual({ amount: null, note: null });
  const wrong = requestProblems({ ...input, amount: "0.005", note: "Кот" }, { symbol: "TEST", decimals: 2 });
  expect([wrong.amount, wrong.note]).toEqual(["TEST has 2 digits after the point.", "Only plain letters, digits and signs, without accents."]);
  expect(requestProblems({ ...input, amount: "0", note: "x".repeat(81) }, { symbol: "WAY", decimals: 18 }))
    .toEqual({ amount: expect.stringContaining("above zero"), note: expect.stringContaining("this has 81") });
});

test("a request is answered by the first payment since of its amount and asset", () => {
  const link = { link: "byway:pay?x", to: "way1", asset: "WAY", amount: "2.5" };
  const paid = (amount: string, time: number, more: Partial<Entry> = {}) => entry("receive", amount, time, more);
  const history = [paid("2.5", 1), paid("2.500", 30), paid("2.5", 20), paid("1", 11), paid("2.5", 12, { stage: "rejected" }), paid("2.5", 13, { asset: { asset: "ab", symbol: "T" } })];
  expect(answerTo({ link, madeMs: 10 }, history)?.time_ms).toBe(20);
  expect(answerTo({ link: { ...link, amount: null }, madeMs: 10 }, history)?.time_ms).toBe(11);
  expect(answerTo({ link, madeMs: 31 }, history)).toBeNull();
  expect([linkWords(link, "WAY", 0), linkWords({ ...link, amount: null, expires_ms: 60_000 }, "WAY", 0), linkWords({ ...link, expires_ms: 5 }, "WAY", 5)])
    .toEqual(["2.50 WAY", "any amount of WAY, ends in 1 min", "2.50 WAY, over"]);
  expect([" byway:pay?a", "BYWAY:pay?a", "byway:pay", "wayabc"].map(isPaymentLink)).toEqual([true, true, false, false]);
});

test("sub-accounts: what is wrong with a new one, and how far one is used up", () => {
  const account: SubAccount = { name: "a", limit: "5", spent: "1.25", spent_in_all: "9", per: "day", created_ms: 0, revoked: false };
  expect(budgetProblems({ name: " ", limit: "0", per: "day" }, [])).toEqual({ name: expect.stringContaining("name"), limit: "Enter an amount above zero." });
  expect(budgetProblems({ name: "a", limit: "5", per: "day" }, [account]).name).toContain("taken");
  expect(budgetOf({ name: " b ", limit: "5.50", per: "never" })).toEqual({ name: "b", limit: "5.5", per: "never" });
  expect([budgetPart(account), budgetWords(account), budgetWords({ ...account, per: "never" })]).toEqual([0.25, "1.25 of 5.00 WAY today", "1.25 of 5.00 WAY"]);
  expect(sortedBudgets([{ ...account, name: "c" }, { ...account, revoked: true }, { ...account, name: "b" }]).map(({ name }) => name)).toEqual(["b", "c", "a"]);
});

test("a port: what is wrong with a new one, what the node is asked for, and how one stands", () => {
  expect(portProblems({ country: "", maxPrice: "", port: "" })).toEqual({ maxPrice: null, port: null });
  expect(["0", "65536", "x", "-1", " 1080 "].map((port) => portProblems({ country: "", maxPrice: "", port }).port === null)).toEqual([false, false, false, false, true]);
  expect(portProblems({ country: "", maxPrice: "1,5", port: "" }).maxPrice).toContain("point");
  expect(portOf({ country: "", maxPrice: " ", port: "" })).toEqual({});
  expect(portOf({ country: "SE", maxPrice: "0.5", port: "01080" })).toEqual({ country: "SE", max_price: "0.0005", listen: "127.0.0.1:1080" });
  const port: ProxyPort = { listen: "127.0.0.1:1080", configured: false, asn: 7, reason: { code: "cannot_listen", message: "It is taken." } };
  expect([portPlace(port), portPlace({ ...port, asn: null, country: "SE" }), portWords(port)]).toEqual(["wherever it is best, AS7", "Sweden", "closed: It is taken."]);
  expect(portWords({ ...port, reason: null, connection: { state: "connected", since_ms: 0, rate_down_bps: 0, rate_up_bps: 0 } })).toBe("connected");
});

test("cashing out: who can't pay holds up nobody; a lost link ends it; what is kept stays", async () => {
  const promise = (counterparty: string, direction: "in" | "out" = "in") =>
    ({ counterparty, direction, serial: "1", amount: "3", settled: "1", backing: "account" as const, updated_ms: 0 });
  const calls: [string, unknown][] = [];
  const node = (answers: Record<string, unknown>) => (async (method: string, params: unknown) => {
    calls.push([method, params]);
    const answer = answers[(params as { counterparty?: string }).counterparty ?? method];
    if (answer instanceof Error) throw answer;
    return answer;
  }) as Parameters<typeof cashOut>[0];
  const paid = entry("settle_in", "2", 1);
  const out = entry("withdraw", "9", 2);
  const refusal = new RpcError("insufficient_account", "The payer's account is empty.");
  const answers = { a: refusal, b: { entries: [paid], asked: true }, d: new RpcError("nothing_to_settle", "All is settled."), wallet_balance: { account: "10" }, wallet_withdraw: out };
  const done = await cashOut(node(answers), [promise("a"), promise("b"), promise("c", "out"), promise("d")], WAY, "");
  expect(done).toEqual({ entries: [paid, out], amount: 9n * WAY, to: "", unsettled: ["The payer's account is empty."] });
  expect(calls.at(-1)).toEqual(["wallet_withdraw", { amount: "9", idempotency_key: expect.any(String) }]);
  expect(cashedOutWords(done)).toMatch(/^9\.00 WAY are on the way .* One promise could not be settled: The payer's account is empty\.$/);
  const away = await cashOut(node(answers), [], WAY, "way0123456789abcdef");
  expect(calls.at(-1)).toEqual(["wallet_withdraw", { amount: "9", to: "way0123456789abcdef", idempotency_key: expect.any(String) }]);
  expect(cashedOutWords(away)).toMatch(/^9\.00 WAY are on the way to way012…cdef, where/);
  const nothing = await cashOut(node({ wallet_balance: { account: "1" } }), [], WAY, "way1");
  expect(cashedOutWords(nothing)).toBe("There was nothing in the account to withdraw.");
  await expect(cashOut(node({ a: new RpcError("link_lost", "Gone.") }), [promise("a")], 0n, "")).rejects.toThrow("Gone.");
  expect([keepProblem(""), keepProblem("1"), keepProblem("x")]).toEqual([null, null, expect.any(String)]);
});

test("services: their names, what the node is asked for, and how a program does", () => {
  expect(["http-fetch", "a-b-c", "http", "Http-fetch", "-a", ""].map((service) => serviceProblems({ service, country: "", maxPrice: "", port: "" }).service === null))
    .toEqual([true, true, false, false, false, false]);
  expect(serviceOf({ service: " a-b ", country: "", maxPrice: "2", port: "9000" })).toEqual({ service: "a-b", max_price: "0.002", listen: "127.0.0.1:9000" });
  expect(serviceOf({ service: "a-b", country: "NL", maxPrice: "", port: "" })).toEqual({ service: "a-b", country: "NL" });
  const program: ServiceProgram = { name: "a-b", service: "service-5", price_per_mb: "1", state: "running", sessions: 1, restarts: 0, version: "2" };
  expect([programWords(program), programWords({ ...program, state: "starting", restarts: 1 }), programWords({ ...program, state: "failed", restarts: 2, reason: "why" })])
    .toEqual([
      { text: "running version 2, 1 session", tone: "good" }, { text: "starting, restarted once", tone: "warn" }, { text: "failed, restarted 2 times: why", tone: "bad" },
    ]);
});
