/** What the page says of payments over several channels. */

import { expect, test } from "vitest";
import type { HubGuarantee, HubOffer, HubPayment, HubStatus } from "@byway/client";
import type { KnownChannel } from "../../src/lib/channels";
import { choiceWords, hubChoices } from "../../src/lib/hub_choices";
import { boundBy, guaranteeState, isOfInterest, sideOf, stateWords } from "../../src/lib/hubs";

const [NEAR, FAR] = ["ab".repeat(20), "cd".repeat(20)];
const lock = (peer: string | undefined, amount: string, until_ms: number) => ({ channel: "c1", amount, until_ms, ...(peer ? { peer } : {}) });
const incoming = lock(NEAR, "0.5006", 20);
const outgoing = lock(FAR, "0.5", 10);
const payment = (more: Partial<HubPayment>): HubPayment => ({ hash: "h", state: "locked", ...more });

const guarantee = (more: Partial<HubGuarantee>): HubGuarantee => ({ channel: "v1", peers: [NEAR, FAR], amounts: ["0.5", "1"], stands: true, until_ms: 100, ...more });

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
  const none = { runs: false, forwarded: 0, on_their_way: [], guarantees: [] } as unknown as HubStatus;
  expect(isOfInterest(none)).toBe(false);
  for (const more of [{ runs: true }, { forwarded: 1 }, { on_their_way: [payment({ outgoing })] }, { guarantees: [guarantee({})] }]) expect(isOfInterest({ ...none, ...more })).toBe(true);
});

test("what a hub has put in is counted on both sides, and whose time is over is to be ended", () => {
  expect(boundBy([guarantee({}), guarantee({ amounts: ["0.25", "0"] })])).toBe((175n * 10n ** 18n) / 100n);
  expect([guarantee({}), guarantee({ stands: false }), guarantee({ until_ms: 50 })].map((one) => guaranteeState(one, 60).label)).toEqual(["stands", "being accepted", "to be ended"]);
});

test("hubs are those on the market and the peers of channels that could guarantee one, those with most room first", () => {
  const offer = (hub: string): HubOffer => ({ hub, fee_base: "0.001", connected: true, channels: 1 });
  const with_ = (peer: string, ours: string, more: Partial<KnownChannel> = {}) =>
    ({ channel: peer + ours, peer, state: "open", health: "sound", connected: true, ours, reserve: "0.01", ...more }) as KnownChannel;
  const [far, third, fourth] = [FAR, "ef".repeat(20), "12".repeat(20)];
  const channels = [with_(NEAR, "1"), with_(NEAR, "3"), with_(far, "9"), with_(third, "5", { state: "closing" }), with_(fourth, "5", { guaranteed: { hub: NEAR, until_ms: 1, state: "stands" } })];
  const choices = hubChoices([offer(NEAR), offer(third)], channels);
  expect(choices.map(({ hub, room }) => [hub, room])).toEqual([[NEAR, (299n * 10n ** 18n) / 100n], [far, (899n * 10n ** 18n) / 100n], [third, null]]);
  expect(choices.map(choiceWords)).toEqual(["ababab…abab · 2.99 WAY to put in", "cdcdcd…cdcd · 8.99 WAY to put in · not on the market", "efefef…efef · no channel with it"]);
  expect(choiceWords({ ...choices[0]!, isConnected: false })).toContain("not connected");
});
