import { expect, test } from "vitest";
import type { KernelMember } from "@byway/client";
import { formatRound } from "../../src/lib/format";
import { healthOf, healthSummary } from "../../src/lib/health";
import { stageWords } from "../../src/lib/payment";
import { wantedOf } from "../../src/lib/search";

const id = "ab".repeat(32);

test.each([
  ["", { kind: "none" }],
  [`  ${id.toUpperCase()}\n`, { kind: "hash", id }],
  [`0x${"cd".repeat(20)}`, { kind: "identity", id: "cd".repeat(20) }],
  ["1,204", { kind: "height", height: 1204 }],
])("%j is looked for as what it looks like", (text, wanted) => {
  expect(wantedOf(text)).toEqual(wanted);
});

test.each(["0", "abc", "hello", id.slice(1), "9".repeat(30)])("%j says what is wrong", (text) => {
  expect(wantedOf(text)).toMatchObject({ kind: "unclear", problem: expect.stringMatching(/\.$/) });
});

const member = (more: Partial<KernelMember>): KernelMember => ({
  index: 0, name: "alder", key: id, owner: "", address: "", standing: "counting", since_epoch: 0, pledge: "10000", reachable: true, round: 9, rounds_behind: 0, signed_last: true, ...more,
});

test("health is told by reach first, then by rounds", () => {
  expect(healthOf(member({ rounds_behind: 3 }))).toMatchObject({ word: "In step", tone: "good" });
  expect(healthOf(member({ rounds_behind: 300 }))).toMatchObject({ word: "300 rounds behind", tone: "warn" });
  expect(healthOf(member({ reachable: false, rounds_behind: 300 }))).toMatchObject({ word: "Out of reach", tone: "bad" });
  expect(healthOf(member({ standing: "candidate" }))).toMatchObject({ word: "Catching up", tone: "warn" });
  expect(healthOf(member({ standing: "left", reachable: false }))).toMatchObject({ word: "Has left", tone: "quiet" });
  expect(healthOf(member({ standing: "marked" }))).toMatchObject({ word: "Marked", tone: "bad" });
  const four = [member({}), member({}), member({}), member({ reachable: false })];
  expect(healthSummary(four, 3)).toBe("3 of 4 in step, 3 needed");
  expect(healthSummary([...four.slice(0, 2), member({ reachable: false }), member({ reachable: false })], 3)).toContain("1 more needed");
  expect(healthSummary([...four, member({ standing: "candidate" })], 3)).toBe("3 of 4 in step, 3 needed; 1 that doesn't count");
});

test("rounds are told by their place in their epoch", () => {
  expect(formatRound(1_234)).toBe("1,234");
  expect(formatRound(3 * 2 ** 40 + 12)).toBe("12");
});

test("only what is final is good news", () => {
  const tones = (["sent", "included", "final", "rejected"] as const).map((stage) => stageWords("1 WAY", "sent", { stage }).tone);
  expect(tones).toEqual(["warn", "warn", "good", "bad"]);
  expect(stageWords("1 WAY", "sent", { stage: "included" }).text).toContain("not final yet");
});
