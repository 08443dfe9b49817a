import { expect, test } from "vitest";
import type { Pulse as KernelPulse, PulseCommit, PulseSnapshot } from "@byway/client";
import {
  dotRadius, eased, edgeOf, glow, isCrowded, laneY, markAt, markBeside, markOf, mergeRounds, placeX, ROUNDS_MAX, scaleOf, type Round,
} from "../../src/lib/rounds";

const snapshot = (author: number, round: number, commit: number | null = null): PulseSnapshot => ({
  author, round, time_ms: round * 1000, transactions: 0, hash: `${author}/${round}`, references: [0, 1], commit,
});
const leads = (leader: number, round: number): PulseCommit => ({ index: 9, time_ms: 0, transactions: 0, leader, round });
const pulse = (snapshots: PulseSnapshot[], commits: PulseCommit[] = []): KernelPulse => ({ snapshots, commits, finality_ms: {}, tps: 0 });
const rounds = (list: number[], known: Round[] = []) => mergeRounds(known, pulse(list.map((round) => snapshot(0, round))), 0);
const seats = (count: number) => Array.from({ length: count }, (_, index) => index);
const lit = (list: Round[]) => list.flatMap((round) => round.marks.map((mark) => mark.litAtMs));

test("columns stand side by side, and where rounds were left out a gap says how many", () => {
  const list = rounds([4, 5, 9]);
  expect(list.map(({ round, place, skipped }) => [round, place, skipped])).toEqual([[4, 0, 0], [5, 1, 0], [9, 2.9, 3]]);
});

test("another epoch's rounds go on where those before it ended", () => {
  const epoch = 2 ** 40;
  const list = rounds([5, 6, epoch + 1, epoch + 4]);
  expect(list.map(({ place, skipped }) => [place, skipped])).toEqual([[0, 0], [1, 0], [2, 0], [3.9, 2]]);
});

test("a free seat has no lane, and who has lost a seat is not drawn", () => {
  const scale = scaleOf(760, [1, 2, 5]);
  expect([1, 2, 5].map((seat) => laneY(seat, scale))).toEqual([1, 3, 5].map((part) => (part * scale.height) / 6));
  expect(laneY(0, scale)).toBeLessThan(0);
});

test("what is drawn stays where it is", () => {
  const first = rounds([4, 5, 9]);
  // Another kernel node left out other rounds.
  const second = rounds([5, 6, 7, 9, 10], first);
  expect(second.slice(0, 3).map((round) => [round.round, round.place])).toEqual(first.map((round) => [round.round, round.place]));
  expect(second.map((round) => round.round)).toEqual([4, 5, 9, 10]);
});

test("a snapshot that comes late takes its place in a round that is shown", () => {
  const list = mergeRounds(rounds([4, 5]), pulse([snapshot(3, 4), snapshot(1, 4)]), 0);
  expect(list[0]!.marks.map((mark) => mark.author)).toEqual([0, 1, 3]);
});

test("a snapshot lights up when it gains a commit, and keeps the time it did", () => {
  const first = mergeRounds([], pulse([snapshot(0, 1), snapshot(1, 1)]), 100);
  expect(lit(first)).toEqual([null, null]);
  const second = mergeRounds(first, pulse([snapshot(0, 1, 9), snapshot(1, 1)], [leads(0, 1)]), 200);
  expect(second[0]!.marks.map((mark) => [mark.litAtMs, mark.isLeader])).toEqual([[200, true], [null, false]]);
  const third = mergeRounds(second, pulse([snapshot(0, 1, 9)]), 300);
  expect(third[0]!.marks[0]).toMatchObject({ litAtMs: 200, isLeader: true });
});

test("what was committed before the picture began doesn't flash", () => {
  const [round] = mergeRounds([], pulse([snapshot(0, 1, 5)]), 5_000);
  expect(glow(round!.marks[0]!, 5_000)).toBe(0);
});

test("there is a bound on what is kept", () => {
  const list = rounds(Array.from({ length: 500 }, (_, index) => index + 1));
  expect([list.length, list.at(-1)!.round]).toEqual([ROUNDS_MAX, 500]);
});

test("a network that begins again from below begins a new picture", () => {
  expect(rounds([3, 4], rounds([900, 901])).map((round) => round.round)).toEqual([3, 4]);
});

test("lanes share the height evenly, the newest column is near the right edge", () => {
  const scale = scaleOf(760, seats(7));
  expect(laneY(0, scale)).toBe(scale.height / 14);
  expect(laneY(6, scale)).toBe(scale.height - scale.height / 14);
  const list = rounds([1, 2, 3]);
  expect(placeX(2, edgeOf(list), scale)).toBeCloseTo(760 - 0.8 * scale.column);
  expect(placeX(2, 2, scale) - placeX(1, 2, scale)).toBe(scale.column);
  expect(scaleOf(760, seats(50)).height).toBe(650);
  expect(dotRadius(scaleOf(760, seats(50)))).toBeLessThan(dotRadius(scale));
});

test("the picture arrives where it is going, jumps far ahead and never goes back", () => {
  let edge = 0;
  for (let frame = 0; frame < 400; frame += 1) {
    const next = eased(edge, 10, 16);
    expect(next).toBeGreaterThanOrEqual(edge);
    edge = next;
  }
  expect(edge).toBe(10);
  expect(eased(0, 1_000, 16)).toBe(1_000);
  expect(eased(50, 3, 16)).toBe(3);
});

test("a snapshot is found near where it is drawn, and nothing far from all", () => {
  const list = rounds([1, 2, 3]);
  const scale = scaleOf(760, seats(7));
  const [x, y] = [placeX(1, edgeOf(list), scale), laneY(0, scale)];
  expect(markAt(list, x + 3, y - 3, edgeOf(list), scale)?.round).toBe(2);
  expect(markAt(list, x, y + 60, edgeOf(list), scale)).toBeNull();
});

test("a glow fades to nothing", () => {
  const [round] = mergeRounds(mergeRounds([], pulse([snapshot(0, 1)]), 0), pulse([snapshot(0, 1, 5)]), 1_000);
  const mark = round!.marks[0]!;
  expect([glow(mark, 1_000), glow(mark, 9_000)]).toEqual([1, 0]);
  expect(glow(mark, 1_450)).toBeCloseTo(0.5);
});

test("the keys go from snapshot to snapshot, over rounds that an author left out, and stop at the ends", () => {
  const list = mergeRounds([], pulse([[0, 1], [2, 1], [0, 2], [2, 3]].map(([author, round]) => snapshot(author!, round!))), 0);
  const go = (from: string | null, direction: "left" | "right" | "up" | "down") =>
    markBeside(list, from === null ? null : markOf(list, from), direction)?.hash;
  expect(go(null, "left")).toBe("2/3");
  expect(go("2/3", "left")).toBe("2/1");
  expect(go("2/1", "up")).toBe("0/1");
  expect(go("0/1", "down")).toBe("2/1");
  expect(go("0/1", "right")).toBe("0/2");
  for (const [at, direction] of [["0/1", "left"], ["0/1", "up"], ["0/2", "right"], ["2/3", "down"]] as const) expect(go(at, direction)).toBe(at);
  expect(markBeside([], null, "left")).toBe(null);
});

test("a round that nearly everyone leads is crowded", () => {
  const led = (count: number) => mergeRounds([], pulse(seats(5).map((seat) => snapshot(seat, 1)), seats(count).map((seat) => leads(seat, 1))), 0)[0]!;
  expect([2, 3].map((count) => isCrowded(led(count)))).toEqual([false, true]);
});
