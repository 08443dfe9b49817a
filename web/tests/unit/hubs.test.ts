/** What the page says of payments over several channels. */

import { expect, test } from "vitest";
import type { HubPayment, HubStatus } from "@byway/client";
import { isOfInterest, sideOf, stateWords } from "../../src/lib/hubs";

const [NEAR, FAR] = ["ab".repeat(20), "cd".repeat(20)];
const lock = (peer: string | undefined, amount: string, until_ms: number) => ({ channel: "c1", amount, until_ms, ...(peer ? { peer } : {}) });
const incoming = lock(NEAR, "0.5006", 20);
const outgoing = lock(FAR, "0.5", 10);
const payment = (more: Partial<HubPayment>): HubPayment => ({ hash: "h", state: "locked", ...more });

test.each([
  [{ incoming, outgoing }, { words: "for others", amount: "0.5", peers: [NEAR, FAR], until_ms: 10 }],
  [{ outgoing }, { words: "from you", amount: "0.5", peers: [FAR], until_ms: 10 }],
  [{ incoming }, { words: "to you", amount: "0.5006", peers: [NEAR], until_ms: 20 }],
  [{ outgoing: lock(undefined, "1", 5) }, { words: "from you", amount: "1", peers: [], until_ms: 5 }],
])("whose a payment is, how much, with whom and until when", (locks, expected) => {
  expect(sideOf(payment(locks))).toEqual(expected);
});

test("each state has words of its own", () => {
  const states: HubPayment["state"][] = ["locking", "locked", "waiting", "opened", "failing"];
  expect(new Set(states.map((state) => stateWords(payment({ state })).label)).size).toBe(5);
  expect(stateWords(payment({ state: "opened", incoming })).label).not.toBe(stateWords(payment({ state: "opened", outgoing })).label);
});

test("whoever neither is a hub nor pays over one sees nothing of it", () => {
  const none = { runs: false, forwarded: 0, on_their_way: [] } as unknown as HubStatus;
  expect(isOfInterest(none)).toBe(false);
  for (const more of [{ runs: true }, { forwarded: 1 }, { on_their_way: [payment({ outgoing })] }]) expect(isOfInterest({ ...none, ...more })).toBe(true);
});
