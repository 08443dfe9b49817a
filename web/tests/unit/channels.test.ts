/** What the page *Channels* computes. */

import { expect, test, vi } from "vitest";
import type { ChannelDispute, ChannelGuarantee, ChannelRecord } from "@byway/client";
import { Attempt } from "../../src/lib/attempt";
import { askOf, hasProblem, moveProblem, OPEN_EMPTY, openOf, openProblems, pursePaymentProblem, toMove, type Means, type MoveKind, type OpenInput } from "../../src/lib/channel_input";
import { closingWords, countdown, countdownWords, disputeWords, guaranteeWords, lockWords, proposalWords, virtualWords } from "../../src/lib/channel_words";
import { channelWords, isUsable, laneOf, oursAtTheEnd, partsOf, proposals, sortedChannels, spendable, standingBy, withRecord, withRecords, type KnownChannel } from "../../src/lib/channels";
import { RpcError } from "../../src/lib/rpc";

const WAY = 10n ** 18n;
const HOUR_MS = 3_600_000;

function channel(more: Partial<KnownChannel> = {}): KnownChannel {
  return {
    channel: "c1", peer: "ab".repeat(20), initiated: true, state: "open", connected: true, health: "sound", total: "40", ours: "18", theirs: "12",
    our_lane: { capacity: "4", promised: "1" }, their_lane: { capacity: "2", promised: "0.5" }, contracts: "4", reserve: "0.01", round: 27,
    lock_ms: HOUR_MS, lock_commits: 7_200, ...more,
  };
}

test("the parts of a channel are all that is in it, and their shares the whole", () => {
  const parts = partsOf(channel());
  expect(parts.map(({ kind }) => kind)).toEqual(["ours", "our_lane", "our_promised", "contracts", "their_promised", "their_lane", "theirs"]);
  expect(parts.reduce((sum, { amount }) => sum + amount, 0n)).toBe(40n * WAY);
  expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 3);
  const none = { capacity: "0", promised: "0" };
  expect(partsOf(channel({ ours: "0", theirs: "0", contracts: "0", our_lane: none, their_lane: none })).every(({ share }) => share === 0)).toBe(true);
});

test("a lane owes no more than it covers", () => {
  expect(laneOf({ capacity: "4", promised: "1" })).toEqual({ promised: WAY, free: 3n * WAY });
  expect(laneOf({ capacity: "4", promised: "9" })).toEqual({ promised: 4n * WAY, free: 0n });
});

test.each<[KnownChannel["remainder"], bigint]>([
  ["ours", 255n], ["halves", 235n], ["theirs", 215n], [undefined, 215n],
])("what comes back to us where contracts' coins go to %s", (remainder, tenths) => {
  expect(oursAtTheEnd(channel({ remainder }))).toBe((tenths * WAY) / 10n);
});

test("above the reserve there is the rest, and never less than nothing", () => {
  expect([spendable(channel({ ours: "1" })), spendable(channel({ ours: "0" }))]).toEqual([(99n * WAY) / 100n, 0n]);
});

test.each<[Partial<ChannelRecord>, string, string]>([
  [{}, "open", "good"],
  [{ health: "frozen" }, "frozen", "bad"],
  [{ health: "recovering" }, "recovering", "warn"],
  [{ state: "closing" }, "both are parting", "warn"],
  [{ state: "closing", dispute: { ours: true, by: "us", round: 1, until_ms: 1, until_commits: 1, commits: 0 } }, "closing on the ledger", "warn"],
  [{ state: "closed", health: "frozen" }, "closed", "calm"],
  [{ state: "asked" }, "waits for the peer's answer", "busy"],
])("%j is %s", (more, label, tone) => expect(channelWords(channel(more))).toEqual({ label, tone }));

test("what is wrong comes first, then the largest; proposals and closed ones stand elsewhere", () => {
  const all = [
    channel({ channel: "small", total: "9" }), channel({ channel: "large", total: "10" }), channel({ channel: "waiting", total: "1", waiting: 28 }),
    channel({ channel: "closing", state: "closing" }), channel({ channel: "frozen", health: "frozen" }),
    channel({ channel: "proposed", state: "proposed" }), channel({ channel: "closed", state: "closed" }),
  ];
  expect(sortedChannels(all).map((known) => known.channel)).toEqual(["frozen", "closing", "waiting", "large", "small"]);
  expect(proposals(all).map((known) => known.channel)).toEqual(["proposed"]);
  expect([channel(), channel({ health: "recovering" }), channel({ state: "closing" })].map(isUsable)).toEqual([true, false, false]);
});

test("a record replaces all that it has, and leaves the details as they were known", () => {
  const known = channel({ remainder: "ours", deployed: [], waiting: 28 });
  const { remainder: _, deployed: __, waiting: ___, ...record } = channel({ round: 29, remainder: "ours", deployed: [], waiting: 28 });
  expect(withRecord(known, record)).toMatchObject({ remainder: "ours", deployed: [], round: 29 });
  expect(withRecord(known, record).waiting).toBeUndefined();
  expect(withRecords([known, channel({ channel: "gone" })], [record]).map(({ channel, remainder }) => [channel, remainder])).toEqual([["c1", "ours"]]);
  expect(withRecords(null, [record])[0]!.remainder).toBeUndefined();
});

test("a proposal says what it takes, and what it leaves to the node", () => {
  const words = proposalWords(channel({ state: "proposed", ours: "5", theirs: "20", remainder: "theirs" }));
  expect(words[0]).toBe("You put in 5.00 WAY from your account, and the peer 20.00 WAY.");
  expect(words.join(" ")).toContain("Then each has 1 h and 7,200 commits to show the ledger something newer");
  expect(words.at(-1)).toBe("What contracts in it still hold at the end goes to the peer.");
  expect(proposalWords(channel({ ours: "0", theirs: "20" }))[0]).toBe("You put in nothing, and the peer 20.00 WAY.");
  expect(proposalWords(channel())).toHaveLength(4);
  const purse = { asset: "cd".repeat(32), contract: `0x${"ef".repeat(20)}`, ours: "10", theirs: "0", contracts: "0" };
  expect(proposalWords(channel({ purses: [{ ...purse, symbol: "ABC" }] }))[1]).toBe("You put in 10.00 ABC too, and the peer 0.00 ABC.");
  expect(proposalWords(channel({ purses: [purse] }))[1]).toContain("10.00 cd");
});

test.each([
  [HOUR_MS, 7_200, "1 h and 7,200 commits"], [90 * 60_000, 1, "1 h 30 min and 1 commit"], [5 * 60_000, 60, "5 min and 60 commits"], [3 * 24 * HOUR_MS, 2, "3 d 0 h and 2 commits"],
])("a lock period of %i ms and %i commits is %s", (lock_ms, lock_commits, words) => expect(lockWords({ lock_ms, lock_commits })).toBe(words));

const dispute: ChannelDispute = { ours: false, by: "peer", round: 14, until_ms: HOUR_MS, until_commits: 7_200, commits: 0 };

test("both time and commits count down, and the slower of them says how far it is", () => {
  expect(countdown(dispute, channel(), HOUR_MS / 2, 1_800)).toEqual({ leftMs: HOUR_MS / 2, commits: 5_400, part: 0.25, isOver: false });
  // The status tells of commits that no event about the channel did, and never of fewer.
  expect(countdown({ ...dispute, commits: 7_000 }, channel(), HOUR_MS, 10).commits).toBe(200);
  expect(countdown(dispute, channel(), 2 * HOUR_MS, 7_199).isOver).toBe(false);
  expect(countdown(dispute, channel(), HOUR_MS - 1, 9_000).isOver).toBe(false);
  expect(countdown(dispute, channel(), HOUR_MS, 7_200)).toEqual({ leftMs: 0, commits: 0, part: 1, isOver: true });
});

test.each<[number, number, string]>([
  [HOUR_MS - 90_000, 7_000, "1 min 30 s and 200 commits left"], [HOUR_MS, 7_199, "1 commit left"], [HOUR_MS - 500, 7_200, "1 s left"], [HOUR_MS, 7_200, "The time is over"],
])("at %i with %i commits: %s", (now, commits, words) => expect(countdownWords(countdown(dispute, channel(), now, commits))).toBe(words));

test("an old state is told of, and answered by the node itself", () => {
  const old = disputeWords(channel({ state: "closing", round: 17 }), dispute);
  expect(old.began).toBe("The peer closed it, with round 14. Both of you signed round 17, which is newer.");
  expect([old.isOld, old.itself]).toEqual([true, expect.stringContaining("Your node shows the ledger the newer state by itself")]);
  const newest = disputeWords(channel({ state: "closing", round: 14 }), dispute);
  expect([newest.isOld, newest.began]).toEqual([false, "The peer closed it, with round 14."]);
  expect(newest.itself).toContain("shows what the peer has promised you, and has it paid out");
  const own = disputeWords(channel({ state: "closing", round: 14, their_lane: { capacity: "0", promised: "0" } }), { ...dispute, ours: true, by: "us" });
  expect([own.began, own.itself]).toEqual(["You closed it. The ledger has round 14.", expect.not.stringContaining("promised")]);
});

test("a node that does not know enough is not said to answer", () => {
  for (const [health, word] of [["frozen", "signs nothing more"], ["recovering", "may be out of date"]] as const) {
    const words = disputeWords(channel({ state: "closing", round: 17, health }), dispute);
    expect([words.isOld, words.itself]).toEqual([false, expect.stringContaining(word)]);
  }
  expect(disputeWords(channel({ state: "locked" }), dispute).itself).toContain("paid out now");
});

test("closing alone says how long it takes", () => {
  expect(closingWords(channel(), true)).toContain("1 h and 7,200 commits");
  expect(closingWords(channel(), false)).not.toContain("commits");
});

const means = (account: bigint): Means => ({ account, withHub: 3n * WAY, assets: [] });

test("what is wrong with a proposal, and what the node is asked for", () => {
  const input = { ...OPEN_EMPTY, peer: " byway:peer/ab ", deposit: "10.50" };
  expect(hasProblem(openProblems(input, means(25n * WAY)))).toBe(false);
  expect(openOf(input, "k")).toEqual({ peer: "byway:peer/ab", deposit: "10.5", remainder: "halves", idempotency_key: "k" });
  const full = { ...input, theirDeposit: "0", reserve: "0.1", lockMinutes: " 90 ", remainder: "ours" as const };
  expect(openOf(full, "k")).toEqual({ peer: "byway:peer/ab", deposit: "10.5", their_deposit: "0", reserve: "0.1", lock_seconds: 5_400, remainder: "ours", idempotency_key: "k" });
  const { assets: _, hub: __, days: ___, ...bad } = openProblems({ ...OPEN_EMPTY, deposit: "26", theirDeposit: "x", reserve: "1,5", lockMinutes: "0" }, means(25n * WAY));
  expect(bad.deposit).toBe("Your account holds 25.00 WAY. Enter at most that.");
  expect(Object.values(bad).every((problem) => problem !== null)).toBe(true);
  expect(["", "a b", "byway:net/ab", "BYWAY:PEER/AB", "ab".repeat(20)].map((peer) => openProblems({ ...input, peer }, means(WAY)).peer === null)).toEqual([false, false, false, true, true]);
});

test("a virtual channel is proposed over a hub for some days, out of the channel with it", () => {
  const hub = "77".repeat(20);
  const input = { ...OPEN_EMPTY, peer: "byway:peer/ab", deposit: "1", isVirtual: true, hub: ` ${hub.toUpperCase()} `, assets: [{ asset: "", ours: "", theirs: "" }] };
  expect(hasProblem(openProblems(input, means(0n)))).toBe(false);
  expect(openOf(input, "k")).toEqual({ peer: "byway:peer/ab", deposit: "1", via: hub, days: 7, remainder: "halves", idempotency_key: "k" });
  expect(askOf(input)).toEqual({ hub, deposit: "1", their_deposit: "0", days: 7 });
  // The peer puts in as much as the reserve where nobody says more.
  expect(askOf({ ...input, reserve: "0.2", days: "3" })).toMatchObject({ their_deposit: "0.2", days: 3 });
  expect(openProblems({ ...input, deposit: "3.1" }, means(25n * WAY)).deposit).toBe("In the channel with the hub you have 3.00 WAY. Enter at most that.");
  // Of a hub that was typed it is not known.
  expect(openProblems({ ...input, deposit: "3.1" }, { ...means(0n), withHub: null }).deposit).toBeNull();
  expect(["", "77ab", `byway:peer/${hub}`].map((typed) => openProblems({ ...input, hub: typed }, means(0n)).hub === null)).toEqual([false, false, false]);
  expect(openProblems({ ...input, peer: hub }, means(0n)).hub).toContain("neither of the two");
  expect(["0", "1.5", "x"].every((days) => openProblems({ ...input, days }, means(0n)).days !== null)).toBe(true);
});

test("other assets are put in out of the account, and what is missing there can be moved", () => {
  const asset = "cd".repeat(32);
  const held = [{ asset, symbol: "ABC", name: "abc", decimals: 2, account: "5", wallet: "10", pending: "0" }];
  const input = (ours: string, theirs: string, id = asset) => ({ ...OPEN_EMPTY, peer: "byway:peer/ab", deposit: "1", assets: [{ asset: id, ours, theirs }] });
  const problems = (of: OpenInput) => openProblems(of, { account: WAY, withHub: null, assets: held }).assets;
  expect(problems(input("5", ""))).toEqual([{ asset: null, ours: null, theirs: null }]);
  expect(openOf(input("5", ""), "k").assets).toEqual([{ asset, ours: "5" }]);
  expect(openOf(input("", "2.50"), "k").assets).toEqual([{ asset, theirs: "2.5" }]);
  expect(problems(input("5.1", ""))[0]!.ours).toBe("Your account holds 5.00 of ABC.");
  expect(problems(input("", "0"))[0]!.ours).toBe("One of the two puts some in.");
  expect(problems(input("1", "x"))[0]!.theirs).not.toBeNull();
  expect(problems(input("1", "", "cd"))[0]!.asset).not.toBeNull();
  const twice = input("1", "");
  expect(problems({ ...twice, assets: [...twice.assets, ...twice.assets] }).map(({ asset }) => asset)).toEqual([null, "It is there already."]);
  expect(["7.5", "15", "15.1", "5", "x"].map((ours) => toMove({ asset, ours, theirs: "" }, held))).toEqual([5n * WAY / 2n, 10n * WAY, 0n, 0n, 0n]);
});

test("an asset is paid out of what is in its purse", () => {
  const purse = { asset: "cd".repeat(32), contract: `0x${"ef".repeat(20)}`, symbol: "ABC", ours: "10", theirs: "0", contracts: "0" };
  expect([pursePaymentProblem("10", purse), pursePaymentProblem("10.1", purse)]).toEqual([null, "In this channel you have 10.00 ABC. Enter at most that."]);
  expect(pursePaymentProblem("0", purse)).not.toBeNull();
});

const guaranteed = (state: ChannelGuarantee["state"]): ChannelGuarantee => ({ hub: "77".repeat(20), until_ms: 5 * 24 * HOUR_MS, state });

test("a virtual channel says over which hub it is, until when, and where that stands", () => {
  expect(virtualWords(guaranteed("stands"), 0)).toBe("virtual, over 777777…7777 · ends in 5 days");
  expect(virtualWords(guaranteed("stands"), 5 * 24 * HOUR_MS)).toContain("its time is over");
  expect(virtualWords(guaranteed("over"), 0)).toMatch(/· over$/);
  const states: ChannelGuarantee["state"][] = ["awaited", "stands", "parting", "on_ledger", "decided", "over"];
  expect(new Set(states.map((state) => guaranteeWords(guaranteed(state)).label)).size).toBe(6);
  const words = proposalWords(channel({ state: "proposed", ours: "0.5", theirs: "1", guaranteed: guaranteed("awaited") })).join(" ");
  expect(words).toContain("You put in 0.50 WAY out of your channel with the hub, and the peer 1.00 WAY.");
  expect(words).not.toContain("account");
  expect(closingWords(channel({ guaranteed: guaranteed("stands") }), false)).toContain("the hub signs it, too");
  expect(closingWords(channel({ guaranteed: guaranteed("stands") }), true)).toContain("out of your wallet");
});

test.each<[MoveKind, string, string | null]>([
  ["pay", "17.99", null], ["pay", "18", "Above the reserve your part has 17.99 WAY. Enter at most that."], ["pay", "0", "Enter an amount above zero."],
  ["promise", "3", null], ["promise", "3.01", "You have set aside, and not promised yet, 3.00 WAY. Enter at most that."],
  ["lane", "1", null], ["lane", "0.99", "1.00 WAY of it are promised. Enter at least that."], ["lane", "22", "You can set aside 21.99 WAY in all. Enter at most that."],
  ["deposit", "25", null], ["deposit", "25.1", "Your account holds 25.00 WAY. Enter at most that."], ["withdraw", "18", "Above the reserve your part has 17.99 WAY. Enter at most that."],
  ["lane", "", "Enter an amount."],
])("%s %j: %s", (kind, text, problem) => expect(moveProblem(kind, text, channel(), 25n * WAY)).toBe(problem));

test("a lane from which nothing is promised can be taken down to nothing", () => {
  expect(moveProblem("lane", "0", channel({ our_lane: { capacity: "4", promised: "0" } }), 0n)).toBeNull();
});

test("a key stays while nobody knows what came of it, and no longer", async () => {
  const attempt = new Attempt();
  const keys: string[] = [];
  const act = (outcome?: Error) => vi.fn(async (key: string) => {
    keys.push(key);
    if (outcome) throw outcome;
  });
  await expect(attempt.make("a", act(new RpcError("link_lost", "Gone.")))).rejects.toThrow("Gone.");
  await expect(attempt.make("a", act(new RpcError("timeout", "Late.")))).rejects.toThrow("Late.");
  await attempt.make("a", act());
  await expect(attempt.make("a", act(new RpcError("peer_silent", "Silent.")))).rejects.toThrow("Silent.");
  await expect(attempt.make("a", act(new RpcError("link_lost", "Gone.")))).rejects.toThrow("Gone.");
  await attempt.make("b", act());
  expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
  expect(new Set(keys).size).toBe(4);
});

test("a channel with a hub leads to the virtual ones that stand by it", () => {
  const parent = channel({ channel: "parent", peer: "77".repeat(20) });
  const [stands, over, elsewhere] = [
    channel({ channel: "v1", guaranteed: guaranteed("stands") }), channel({ channel: "v2", state: "closed", guaranteed: guaranteed("over") }),
    channel({ channel: "v3", guaranteed: { ...guaranteed("stands"), hub: "88".repeat(20) } }),
  ];
  expect(standingBy(parent, [parent, stands, over, elsewhere]).map((one) => one.channel)).toEqual(["v1"]);
  expect(standingBy(stands, [parent, stands])).toEqual([]);
});
