import { expect, test } from "vitest";
import { logLines } from "../../src/lib/channel_log";

test("what happened and what was said are one list, the newest first", () => {
  const happened = (time_ms: number, message: string, round?: number) => ({ time_ms, channel: "a1", round, what: { code: "updated", message } });
  const said = (time_ms: number, ours: boolean, message: string, times = 1) => ({ time_ms, ours, message, round: 7, bytes: 1_156, times });
  const lines = logLines([happened(10, "the ledger has the channel"), happened(30, "we pay 1 WAY", 7)], [said(20, true, "funding_created"), said(30, false, "promise", 3)]);
  expect(lines.map(({ text }) => text)).toEqual([
    "We pay 1 WAY.",
    "The peer says promise: 1,156 bytes, 3 in a row.",
    "You say funding created: 1,156 bytes.",
    "The ledger has the channel.",
  ]);
  expect(lines.map(({ isMessage }) => isMessage)).toEqual([false, true, true, false]);
  expect(logLines([], [])).toEqual([]);
});
