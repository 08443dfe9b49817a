import { expect, test } from "vitest";
import type { Snapshot } from "../../src/lib/contract";
import { dotRadius, glow, laneY, mergeMarks, spanOf, SPAN_MAX_MS, timeX, type Area } from "../../src/lib/lanes";

const area: Area = { width: 760, height: 154, lanes: 7 };
const snapshot = (author: number, round: number, commit: number | null = null): Snapshot => ({
  author, round, time_ms: round * 1000, transactions: 0, hash: "00", commit,
});

test("lanes share the height evenly and stay inside it", () => {
  const places = Array.from({ length: 7 }, (_, author) => laneY(author, area));
  expect(places[0]).toBe(11);
  expect(places[6]).toBe(143);
  expect(laneY(0, { ...area, lanes: 0 })).toBe(77);
});

test("the newest time is at the right edge, the oldest at the left", () => {
  expect(timeX(50_000, 50_000, area)).toBe(760);
  expect(timeX(50_000 - spanOf(area), 50_000, area)).toBeCloseTo(0);
});

test("dots move at one pace on every width, up to the longest span", () => {
  expect(spanOf({ ...area, width: 190 })).toBe(5_000);
  expect(spanOf({ ...area, width: 100_000 })).toBe(SPAN_MAX_MS);
});

test("a snapshot lights up when it gains a commit, and keeps the time it did", () => {
  const first = mergeMarks([], [snapshot(0, 1), snapshot(1, 1)], new Set(), 100, 1000);
  expect(first.map((mark) => mark.litAtMs)).toEqual([null, null]);
  const second = mergeMarks(first, [snapshot(0, 1, 9), snapshot(1, 1)], new Set(["0/1"]), 200, 1000);
  expect(second.map((mark) => [mark.litAtMs, mark.isLeader])).toEqual([[200, true], [null, false]]);
  const third = mergeMarks(second, [snapshot(0, 1, 9)], new Set(), 300, 1000);
  expect(third[0]).toMatchObject({ litAtMs: 200, isLeader: true });
  expect(third).toHaveLength(2);
});

test("what left the picture is forgotten, and there is a bound on what is kept", () => {
  const old = mergeMarks([], [snapshot(0, 1)], new Set(), 0, 1000);
  expect(mergeMarks(old, [snapshot(0, 60)], new Set(), 0, 60_000)).toHaveLength(1);
  const many = Array.from({ length: 5_000 }, (_, round) => ({ ...snapshot(0, round), time_ms: 60_000 }));
  expect(mergeMarks([], many, new Set(), 0, 60_000)).toHaveLength(3_000);
});

test("dots shrink when there are many, within bounds", () => {
  const marks = (count: number) => mergeMarks([], Array.from({ length: count }, (_, i) => ({ ...snapshot(i % 7, i), time_ms: 1 })), new Set(), 0, 1);
  expect(dotRadius(marks(7), area)).toBe(4);
  expect(dotRadius(marks(2_800), area)).toBe(1.2);
  expect(dotRadius([], area)).toBe(4);
});

test("a glow fades to nothing", () => {
  const [mark] = mergeMarks([], [snapshot(0, 1, 5)], new Set(), 1_000, 1000);
  expect(glow(mark!, 1_000)).toBe(1);
  expect(glow(mark!, 1_450)).toBeCloseTo(0.5);
  expect(glow(mark!, 9_000)).toBe(0);
});
