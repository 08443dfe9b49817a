import { describe, expect, it } from "vitest";
import { heldWords } from "../../src/lib/held_words";
import type { HoldRecord, HoldStatus } from "@byway/client";

const holder: HoldRecord = {
  holder: "78".repeat(20),
  holding: true,
  named: true,
  price_max: "0.00001",
  megabytes: 10,
  days: 30,
  spent: "0.003",
  handed_over: 2,
  missed: 0,
  faults: 0,
  failing: false,
  replaceable: true,
};
const status: HoldStatus = { accepts: false, price: "0.00001", room_mb: 1000, client_mb: 50, clients: [], earned: "0", holders: [], bringing: 0 };

describe("what is told of holders", () => {
  const rows: [string, Partial<HoldStatus>, string | null, boolean][] = [
    ["nothing where there are none", {}, null, false],
    ["those who hold", { holders: [holder, holder], bringing: 1 }, "2 nodes hold your messages while you are away; 1 message waits for people who are away.", false],
    ["one that fails and is changed", { holders: [{ ...holder, failing: true }] }, "Nobody holds your messages now while you are away; 1 fails, and another is sought.", true],
    ["one that was named and fails", { holders: [holder, { ...holder, failing: true, replaceable: false, problem: "it fails" }] }, "1 node holds your messages while you are away; 1 fails: have another hold.", true],
    ["what is wrong otherwise", { holders: [{ ...holder, problem: "little is left" }] }, "1 node holds your messages while you are away; little is left.", true],
    ["who is held for", { clients: [{ client: "55".repeat(20), held: 3, bytes: 1536, used: "0" }] }, "you hold for 1 other.", false],
  ];
  it.each(rows)("%s", (_, change, words, isBad) => {
    const told = heldWords({ ...status, ...change });
    expect(told?.words ?? null).toBe(words);
    expect(told?.isBad ?? false).toBe(isBad);
  });
});
