import { expect, test } from "vitest";
import type { Spending, SpendingAsk } from "@byway/client";
import { allowanceProblem, askKey, limitWords, nextDayMs, questionAnnouncement, questionOf } from "../../src/lib/limits";

const WAY = 10n ** 18n;

function ask(which: SpendingAsk["which"], since_ms: number, more: Partial<SpendingAsk> = {}): SpendingAsk {
  return { which, limit: which === "day" ? "5" : "1", since_ms, ...more };
}

function spending(asks: SpendingAsk[], more: Partial<Spending> = {}): Spending {
  return { session_max: "1", day_max: "5", day_spent: "5.004", asks, ...more };
}

test("nothing is asked where nothing is stopped", () => expect(questionOf(spending([]), null)).toBeNull());

test("of a day: what was spent, with what was allowed beyond the limit, and as much again for a yes", () => {
  expect(questionOf(spending([ask("day", 7)]), 7)).toEqual({
    title: "Today's limit is reached", yes: "Go on: 5.00 WAY more today", isOfDay: true,
    reached: [{ which: "day", spent: "5.004 of 5.00 WAY were spent today", stopped: "the connection" }],
  });
  const again = questionOf(spending([ask("day", 7, { limit: "7.5" })], { day_spent: "7.5", day_allowed: "2.5" }), 7);
  expect([again?.reached[0]?.spent, again?.yes]).toEqual(["7.50 of 5.00 + 2.50 WAY were spent today", "Go on: 5.00 WAY more today"]);
  // The limit was taken away meanwhile.
  const free = questionOf(spending([ask("day", 7)], { day_max: null }), 7);
  expect([free?.reached[0]?.spent, free?.yes]).toEqual(["5.004 WAY were spent today", "Go on"]);
});

test("of a session: the next one is asked for, and no amount", () => {
  expect(questionOf(spending([ask("session", 7), ask("session", 8, { proxy: "127.0.0.1:1090", limit: "2" })]), 7)).toEqual({
    title: "The limit of a session is reached", yes: "Go on with the next session", isOfDay: false,
    reached: [{ which: "session", spent: "A session has cost 2.00 WAY, as much as one may", stopped: "the connection and the port 127.0.0.1:1090" }],
  });
});

test.each([
  [[ask("day", 7)], 7, "the connection"], [[ask("day", 7)], null, "an opened service"], [[ask("day", 7), ask("day", 7)], 7, "the connection and an opened service"],
  [[ask("day", 1), ask("day", 2), ask("day", 3, { proxy: "[::1]:1090" })], null, "the port [::1]:1090 and 2 opened services"],
  [[ask("day", 7, { proxy: "127.0.0.1:1" }), ask("day", 7), ask("day", 9)], 7, "the connection, the port 127.0.0.1:1 and an opened service"],
  [[ask("day", 7, { proxy: "127.0.0.1:1" })], 7, "the port 127.0.0.1:1"],
])("%j, the main way since %s: %s", (asks, main, stopped) => expect(questionOf(spending(asks), main)?.reached[0]?.stopped).toBe(stopped));

test("two limits are told apart, and a yes is for the day", () => {
  const question = questionOf(spending([ask("session", 7), ask("day", 8, { proxy: "127.0.0.1:1090" })]), 7)!;
  expect([question.title, question.yes]).toEqual(["Two limits are reached", "Go on: 5.00 WAY more today"]);
  expect(question.reached.map(({ which, stopped }) => [which, stopped])).toEqual([["day", "the port 127.0.0.1:1090"], ["session", "the connection"]]);
  expect(questionAnnouncement(question)).toBe(
    "Two limits are reached. Stopped: the port 127.0.0.1:1090; the connection. On the page Browse you are asked how to go on.");
});

test("what is read out stays the same while other ways go on spending", () => {
  const [before, after] = ["5.004", "5.2"].map((day_spent) => questionAnnouncement(questionOf(spending([ask("day", 7)], { day_spent }), 7)!));
  expect(before).toBe(after);
});

test.each([["", /^Enter an amount/], ["0", /above zero/], ["1,5", /point/], ["0.5", null]])("allowing %j", (text, problem) => {
  if (problem === null) expect(allowanceProblem(text)).toBeNull();
  else expect(allowanceProblem(text)).toMatch(problem);
});

test("a limit with what was allowed beyond it", () => {
  expect([limitWords(5n * WAY, 0n), limitWords(5n * WAY, WAY / 2n)]).toEqual(["5.00", "5.00 + 0.50"]);
});

test("a day ends at midnight, UTC", () => {
  const midnight = Date.UTC(2026, 2, 2);
  expect([nextDayMs(midnight - 1), nextDayMs(midnight)]).toEqual([midnight, Date.UTC(2026, 2, 3)]);
});

test("asks are told apart by way, limit and time", () => {
  const asks = [ask("day", 7), ask("day", 8), ask("session", 7), ask("day", 7, { proxy: "127.0.0.1:1090" })];
  expect(new Set(asks.map(askKey)).size).toBe(4);
});
