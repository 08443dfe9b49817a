/** What a channel asks of somebody, what the ledger is about to do with it, and what the node does by itself, in sentences. Pure. */

import type { ChannelDispute, ChannelRecord } from "@byway/client";
import { parseAmount } from "./amount";
import { assetCoins, coins, type KnownChannel } from "./channels";
import { formatCount, formatDay, formatDuration, formatUntil, shortId } from "./format";

/** "1 h and 240 commits": both must have passed. */
export function lockWords({ lock_ms, lock_commits }: Pick<ChannelRecord, "lock_ms" | "lock_commits">): string {
  const time = formatDuration(lock_ms / 1000).replace(/ 00 (min|s)$/, "");
  return `${time} and ${formatCount(lock_commits)} ${lock_commits === 1 ? "commit" : "commits"}`;
}

const REMAINDERS: Record<NonNullable<KnownChannel["remainder"]>, string> = {
  ours: "goes to you", theirs: "goes to the peer", halves: "goes half to each",
};

/** Whose what contracts hold is at the end. */
export function remainderWords(remainder: KnownChannel["remainder"]): string {
  return REMAINDERS[remainder ?? "halves"];
}

/** What agreeing to a proposal means. */
export function proposalWords(channel: KnownChannel): string[] {
  const [ours, theirs, reserve] = [parseAmount(channel.ours), parseAmount(channel.theirs), parseAmount(channel.reserve)];
  const { guaranteed } = channel;
  if (guaranteed) {
    const hub = shortId(guaranteed.hub);
    return [
      `It is virtual: the hub ${hub} guarantees it, and the ledger hears nothing of it.`,
      `You put in ${ours === 0n ? "nothing" : `${coins(ours)} out of your channel with the hub`}, and the peer ${coins(theirs)}.`,
      "The hub takes a fee of each of you. Yours is asked for once you accept; your node pays no more than its settings allow, and then nothing comes of it.",
      `It ends on ${formatDay(guaranteed.until_ms)}: then you part, and what is yours is in your channel with the hub again.`,
      "Your node signs by itself whatever leaves you no less than before, and nothing else. Only you pay out of your part.",
      `If you don't agree later, either of you brings it before the ledger. Then each has ${lockWords(channel)} to show something newer, which your node does by itself while it runs.`,
    ];
  }
  return [
    ours === 0n ? `You put in nothing, and the peer ${coins(theirs)}.` : `You put in ${coins(ours)} from your account, and the peer ${coins(theirs)}.`,
    ...(channel.purses ?? []).map((purse) => `You put in ${assetCoins(purse.ours, purse)} too, and the peer ${assetCoins(purse.theirs, purse)}.`),
    `${coins(reserve)} of each side can't be spent in it. They come back at the end, less what the ledger charges.`,
    "Your node signs by itself whatever leaves you no less than before, and nothing else. Only you pay out of your part.",
    `If you don't agree later, either of you closes it alone. Then each has ${lockWords(channel)} to show the ledger something newer, which your node does by itself while it runs.`,
    ...(channel.remainder ? [`What contracts in it still hold at the end ${remainderWords(channel.remainder)}.`] : []),
  ];
}

export interface Countdown {
  leftMs: number;
  commits: number;
  /** 0 to 1: how much of the lock period is over, by whichever takes longer. */
  part: number;
  isOver: boolean;
}

/** What is left of the lock period. The ledger's commits go on between two events about the channel. */
export function countdown(dispute: ChannelDispute, lock: Pick<ChannelRecord, "lock_ms" | "lock_commits">, nowMs: number, commitsNow = 0): Countdown {
  const leftMs = Math.max(0, dispute.until_ms - nowMs);
  const commits = Math.max(0, dispute.until_commits - Math.max(dispute.commits, commitsNow));
  const left = Math.max(leftMs / Math.max(1, lock.lock_ms), commits / Math.max(1, lock.lock_commits));
  return { leftMs, commits, part: Math.min(1, Math.max(0, 1 - left)), isOver: leftMs === 0 && commits === 0 };
}

/** What is left, in words: "42 min 10 s and 120 commits". */
export function countdownWords({ leftMs, commits, isOver }: Countdown): string {
  if (isOver) return "The time is over";
  const left = [...(leftMs > 0 ? [formatDuration(Math.ceil(leftMs / 1000))] : []), ...(commits > 0 ? [`${formatCount(commits)} ${commits === 1 ? "commit" : "commits"}`] : [])];
  return `${left.join(" and ")} left`;
}

export interface DisputeWords {
  began: string;
  /** What this node does by itself. */
  itself: string;
  /** Whether the ledger has an older state than both signed. */
  isOld: boolean;
}

export function disputeWords(channel: KnownChannel, dispute: ChannelDispute): DisputeWords {
  const isOld = dispute.round < channel.round && channel.health === "sound";
  const began = dispute.by === "hub"
    ? `The hub closed it. The ledger has round ${formatCount(dispute.round)}.`
    : dispute.ours
    ? `You closed it. The ledger has round ${formatCount(dispute.round)}.`
    : `The peer closed it, with round ${formatCount(dispute.round)}${isOld ? `. Both of you signed round ${formatCount(channel.round)}, which is newer.` : "."}`;
  return { began, itself: itselfWords(channel, dispute, isOld), isOld };
}

function itselfWords(channel: KnownChannel, dispute: ChannelDispute, isOld: boolean): string {
  if (channel.state === "locked") return "The time to answer is over. Your node has it paid out now: what is yours comes to your account.";
  if (channel.health === "frozen") return "There are two signed states of one round, so your node signs nothing more here. The ledger goes by the highest round that it is shown; your node has it paid out when the time is over.";
  if (channel.health === "unreadable") return "Your node can't read its own records of this channel, so it answers nothing. Restore its folder from a backup, or give the records up for what the ledger has: byway channel restore.";
  if (channel.health === "recovering") return "Your node's own records were old. It asks the peer for what it lacks, and shows the ledger nothing that may be out of date.";
  if (isOld) return "Your node shows the ledger the newer state by itself, which gives both a whole lock period again. Leave it running.";
  const promised = parseAmount(channel.their_lane.promised) > 0n ? "shows what the peer has promised you, and " : "";
  const answers = dispute.ours ? "answers whatever the peer shows that is older, " : "watches what else is shown, ";
  return `Your node ${answers}${promised}has it paid out when the time is over. Leave it running.`;
}

type Guarantee = NonNullable<ChannelRecord["guaranteed"]>;

const GUARANTEES: Record<Guarantee["state"], { label: string; means: string }> = {
  awaited: { label: "the hub has not guaranteed it yet", means: "Both have put their part into the channel with the hub, or are about to. If the hub does not accept that within half an hour, it comes back by itself." },
  stands: { label: "guaranteed", means: "What is yours here is yours in your channel with the hub, whatever the peer or the hub does: each of the three can have the ledger decide." },
  parting: { label: "the hub is to sign how you part", means: "Both have signed what each gets. If the hub doesn't sign within five minutes, your node has the ledger decide, and it comes to the same." },
  on_ledger: { label: "the ledger decides what comes out of it", means: "The channel is before the ledger, which goes by the newest state that it is shown. Your node shows what it has." },
  decided: { label: "decided, and about to be paid", means: "It is decided what each of you gets. Yours is about to be paid in your channel with the hub." },
  over: { label: "over", means: "What was yours is in your channel with the hub." },
};

/** Where a virtual channel stands with its hub, in a few words, and what that means. */
export function guaranteeWords({ state }: Guarantee): { label: string; means: string } {
  return GUARANTEES[state];
}

/** "virtual, over 77abab…5566, for 6 more days": beside a channel's state. */
export function virtualWords({ hub, until_ms, state }: Guarantee, nowMs: number): string {
  const left = state === "over" ? "over" : until_ms <= nowMs ? "its time is over" : `ends ${formatUntil(until_ms, nowMs)}`;
  return `virtual, over ${shortId(hub)} · ${left}`;
}

/** What closing comes to. */
export function closingWords(channel: KnownChannel, isAlone: boolean): string {
  if (channel.guaranteed) {
    return isAlone
      ? `Without the peer: your node brings the newest state before the ledger, for a fee out of your wallet. The peer has ${lockWords(channel)} to answer; what comes out is then yours in the channel with the hub.`
      : "Both sign what each gets, the hub signs it, too, and each has its part in the channel with the hub. The ledger hears nothing. It needs both to be there.";
  }
  return isAlone
    ? `Without the peer: your node shows the ledger the newest state that both signed. The peer has ${lockWords(channel)} to answer; then your node has it paid out, with what was promised to you. It costs more, and takes that long.`
    : "Both sign what each gets, and the ledger pays it out in a moment. It needs the peer to be there.";
}
