import { expect, test } from "vitest";
import { csvCell, sessionsToCsv } from "../../src/lib/csv";
import {
  bytesOf, countryName, formatAgo, formatBandwidth, formatDuration, formatLatency, formatQuantity, formatUntil, rateOf, reasonSentence,
  shortId, withoutCommand, withShortIds } from "../../src/lib/format";
import { goesToAddress, paymentProblems } from "../../src/lib/payment";
import { announcement, stateWords } from "../../src/lib/state";

test.each([
  [0, "0 B"], [999, "999 B"], [1000, "1.00 kB"], [31_700_000, "31.7 MB"], [834_100_000, "834 MB"],
  [999_600_000, "1.00 GB"], [9_996_000, "10.0 MB"], [-5, "0 B"],
])("%i bytes", (bytes, text) => expect(formatQuantity(bytesOf(bytes))).toBe(text));

test.each([[0, "0 bit/s"], [942_000, "942 kbit/s"], [18_800_000, "18.8 Mbit/s"]])("%i bps", (bps, text) =>
  expect(formatQuantity(rateOf(bps))).toBe(text));

test.each([[1_000_000_000, "1 Gbit/s"], [50_000_000, "50 Mbit/s"], [1_500_000, "1.5 Mbit/s"], [200_000_000, "200 Mbit/s"]])(
  "bandwidth %i", (bps, text) => expect(formatBandwidth(bps)).toBe(text));

test.each([[0, "0 s"], [59.9, "59 s"], [61, "1 min 01 s"], [7_415, "2 h 03 min"], [200_000, "2 d 7 h"]])(
  "%d seconds", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

test.each([[1_000, "just now"], [40_000, "40 s ago"], [3_600_000 * 2, "2 h ago"], [-9_000, "just now"]])(
  "%i ms ago", (ago, text) => expect(formatAgo(1e12 - ago, 1e12)).toBe(text));

test.each([[-1, "any moment"], [30_000, "in 30 s"], [540_000, "in 9 min"], [86_400_000 * 9, "in 9 days"]])(
  "in %i ms", (left, text) => expect(formatUntil(1e12 + left, 1e12)).toBe(text));

test("latency has its unit, or a dash", () => {
  expect(formatQuantity(formatLatency(42.4))).toBe("42 ms");
  expect(formatQuantity(formatLatency(1240))).toBe("1.24 s");
  expect(formatLatency(null).value).toBe("–");
});

test("ids are shortened only when that helps", () => {
  expect(shortId("0123456789abcdef")).toBe("012345…cdef");
  expect(shortId("0123456789a")).toBe("0123456789a");
});

test("countries that a provider made up do no harm", () => {
  expect(countryName("DE")).toBe("Germany");
  expect(countryName("<script>")).toBe("<script>");
  expect(countryName("a very long country")).toBe("a very l");
  expect(countryName(null)).toBe("somewhere undeclared");
});

test("a CSV cell can't end its cell or run as a formula", () => {
  expect(csvCell('a "quoted", text')).toBe('"a ""quoted"", text"');
  expect(csvCell("=HYPERLINK(1)")).toBe("'=HYPERLINK(1)");
  expect(csvCell(-5)).toBe("-5");
});

test("the CSV keeps amounts exact", () => {
  const csv = sessionsToCsv([{
    id: "ab", offer_id: "cd", provider: "ef", service: "socks", country: "DE", bytes_up: 1, bytes_down: 2, seconds: 3, seconds_served: 3,
    price: { unit: "mb", amount: "0.0004", asset: "WAY", min_reputation: 0 }, cost: "0.000000000400000001", paid: "0",
    state: "closed", started_ms: 0, ended_ms: 3000,
  }]);
  const [head, row] = csv.split("\r\n");
  expect(row?.split(",")).toHaveLength(head?.split(",").length ?? 0);
  expect(row).toContain("0.000000000400000001");
});

test("payment problems: the right pocket, and only an address that could be one", () => {
  const available = 5n * 10n ** 18n;
  expect(paymentProblems("withdraw", { amount: "1", to: "" }, available).to).toBeNull();
  expect(paymentProblems("withdraw", { amount: "1", to: "way12" }, available).to).toContain("139 characters");
  expect(["", "way12"].map((to) => [goesToAddress("deposit", to), goesToAddress("withdraw", to), goesToAddress("send", to)]))
    .toEqual([[false, false, true], [false, true, true]]);
  expect(paymentProblems("withdraw", { amount: "6", to: "" }, available).amount).toContain("Your account holds 5.00 WAY");
  expect(paymentProblems("deposit", { amount: "5", to: "" }, available)).toEqual({ amount: null, to: null });
  expect(paymentProblems("deposit", { amount: "0.0", to: "" }, available).amount).toContain("above zero");
  const cents = { symbol: "TEST", decimals: 2 };
  expect(paymentProblems("send", { amount: "1.005", to: "way1" }, available, cents).amount).toContain("TEST has 2 digits");
  expect(paymentProblems("send", { amount: "1.25", to: `way${"ab".repeat(68)}` }, available, cents)).toEqual({ amount: null, to: null });
  expect(paymentProblems("send", { amount: "6", to: "way1" }, available, cents).amount).toContain("holds 5.00 TEST");
  expect(paymentProblems("send", { amount: "1", to: "two words" }, available).to).toContain("no spaces");
  expect(paymentProblems("send", { amount: "1", to: ` way${"ab".repeat(68)} ` }, available).to).toBeNull();
});

test("every state has words, and the reason is announced with it", () => {
  const base = { since_ms: 0, rate_down_bps: 0, rate_up_bps: 0 };
  expect(stateWords({ ...base, state: "connected", country: "SE" }).headline).toBe("Sweden");
  expect(announcement({ ...base, state: "connected", country: "SE" })).toBe("Connected through Sweden");
  expect(announcement({ ...base, state: "paused", country: "SE", reason: { code: "x", message: "Limit reached." } }))
    .toBe("Paused: Sweden. Limit reached.");
  const stopped = { ...base, state: "paused" as const, reason: { code: "spending_limit", message: "today's limit is reached; `byway limit allow` goes on" } };
  expect(announcement(stopped)).toBe("Paused: Limit reached. Today's limit is reached.");
});

test.each([
  ["there is no exit; `byway connect`", "there is no exit", "There is no exit."], ["Try again.", "Try again.", "Try again."],
  ["the port is taken; choose another", "the port is taken; choose another", "The port is taken; choose another."],
])("a reason: %s", (message, without, sentence) => expect([withoutCommand(message), reasonSentence(message)]).toEqual([without, sentence]));

test("ids and addresses within a text are cut short, and nothing else is", () => {
  expect(withShortIds(`we call 0x${"ab".repeat(20)} for ${"cd".repeat(32)}.`)).toBe("we call 0xababab…abab for cdcdcd…cdcd.");
  expect(withShortIds("round 1234567890 is deadbeef")).toBe("round 1234567890 is deadbeef");
});
