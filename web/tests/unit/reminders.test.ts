/** Reminders: times to choose from. */

import { expect, test } from "vitest";
import type { ChatListEntry } from "@byway/client";
import { movedBy } from "../../src/lib/chat_contents";
import { fieldTime, proposedTimes, timeField } from "../../src/lib/reminders.svelte";

test.each(["2026-03-11T08:30", "2026-03-15T23:59", "2026-03-16T00:00", "2026-12-31T20:00"])("times proposed at %s are all to come, and none twice", (now) => {
  const nowMs = new Date(now).getTime();
  const times = proposedTimes(nowMs);
  expect(times.length).toBeGreaterThanOrEqual(3);
  for (const { atMs } of times) expect([atMs > nowMs, fieldTime(timeField(atMs), nowMs)]).toEqual([true, atMs]);
  expect(new Date(times.find(({ label }) => label === "Monday morning")!.atMs).getDay()).toBe(1);
});

test.each([["", null], ["yesterday", null], ["2020-01-01T09:00", null]])("%j is no time to come", (value, time) => {
  expect(fieldTime(value, Date.UTC(2026, 2, 1))).toBe(time);
});

test("an entry moves by one place, and not beyond the ends", () => {
  const entries = ["a", "b", "c"].map((entry): ChatListEntry => ({ entry, text: entry, done: false }));
  expect([movedBy(entries, "b", -1), movedBy(entries, "c", -1), movedBy(entries, "b", 1), movedBy(entries, "a", -1), movedBy(entries, "c", 1), movedBy(entries, "z", 1)]).toEqual([
    { what: "move", entry: "b" }, { what: "move", entry: "c", behind: "a" }, { what: "move", entry: "b", behind: "c" }, null, null, null]);
});
