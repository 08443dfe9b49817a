/** Channels: whose what is in one, how it stands, and in which order they are listed. Pure. */

import type { ChannelDetail, ChannelPurse, ChannelRecord } from "@byway/client";
import { amountMax, formatAmountShort, parseAmount, type Amount } from "./amount";
import { shortId } from "./format";
import type { Tone } from "./state";

/** As far as it is known: the list has no details, events do. */
export type KnownChannel = ChannelRecord & Partial<Pick<ChannelDetail, "remainder" | "deployed" | "consents" | "log">>;

/** What a record leaves out stays as it was known; all that it has replaces that whole. */
export function withRecord(known: KnownChannel | undefined, record: ChannelRecord | ChannelDetail): KnownChannel {
  return { remainder: known?.remainder, deployed: known?.deployed, consents: known?.consents, log: known?.log, ...record };
}

/** The same of a whole list, which also says which there are. */
export function withRecords(known: KnownChannel[] | null, records: ChannelRecord[]): KnownChannel[] {
  return records.map((record) => withRecord(known?.find(({ channel }) => channel === record.channel), record));
}

export type PartKind = "ours" | "our_lane" | "our_promised" | "contracts" | "their_promised" | "their_lane" | "theirs";

export interface ChannelPart {
  kind: PartKind;
  amount: Amount;
  /** 0 to 1 of all that is in the channel. */
  share: number;
}

/** What is in a channel, from our end to the peer's. What is promised out of a lane stands on the side of whom it is for. */
export function partsOf(record: ChannelRecord): ChannelPart[] {
  const ours = laneOf(record.our_lane);
  const theirs = laneOf(record.their_lane);
  const amounts: [PartKind, Amount][] = [
    ["ours", parseAmount(record.ours)], ["our_lane", ours.free], ["our_promised", ours.promised], ["contracts", parseAmount(record.contracts)],
    ["their_promised", theirs.promised], ["their_lane", theirs.free], ["theirs", parseAmount(record.theirs)],
  ];
  const total = amounts.reduce((sum, [, amount]) => sum + amount, 0n);
  return amounts.map(([kind, amount]) => ({ kind, amount, share: total === 0n ? 0 : Number((amount * 10_000n) / total) / 10_000 }));
}

/** What of a lane is promised, as far as it covers that, and what is left to promise. */
export function laneOf({ capacity, promised }: ChannelRecord["our_lane"]): { promised: Amount; free: Amount } {
  const whole = parseAmount(capacity);
  const said = parseAmount(promised);
  const covered = said > whole ? whole : said;
  return { promised: covered, free: whole - covered };
}

/** What comes back to this node if both part now. */
export function oursAtTheEnd(channel: KnownChannel): Amount {
  const held = parseAmount(channel.contracts);
  const ofContracts = channel.remainder === "ours" ? held : channel.remainder === "halves" ? held / 2n : 0n;
  return parseAmount(channel.ours) + laneOf(channel.our_lane).free + laneOf(channel.their_lane).promised + ofContracts;
}

/** What an update can take from our side: every state leaves the reserve. */
export function spendable(record: ChannelRecord): Amount {
  return amountMax(parseAmount(record.ours) - parseAmount(record.reserve), 0n);
}

const STATES: Record<ChannelRecord["state"], { label: string; tone: Tone }> = {
  proposed: { label: "proposed to you", tone: "warn" },
  asked: { label: "waits for the peer's answer", tone: "busy" },
  accepted: { label: "is being signed", tone: "busy" },
  opening: { label: "on its way to the ledger", tone: "busy" },
  open: { label: "open", tone: "good" },
  closing: { label: "closing", tone: "warn" },
  locked: { label: "about to be paid out", tone: "busy" },
  closed: { label: "closed", tone: "calm" },
};

/** In a few words; what is wrong comes before how far it is. */
export function channelWords({ state, health, dispute }: ChannelRecord): { label: string; tone: Tone } {
  if (state !== "closed" && health === "frozen") return { label: "frozen", tone: "bad" };
  if (state !== "closed" && health === "unreadable") return { label: "records unreadable", tone: "bad" };
  if (state === "open" && health === "recovering") return { label: "recovering", tone: "warn" };
  if (state === "closing") return { label: dispute ? "closing on the ledger" : "both are parting", tone: "warn" };
  return STATES[state];
}

/** Whether it exists on the ledger, or will in a moment, so that there is more to it than terms. */
export function isUnderWay({ state }: ChannelRecord): boolean {
  return state !== "proposed" && state !== "closed";
}

/** Whether the two can make updates: promises and states alike. */
export function isUsable({ state, health }: ChannelRecord): boolean {
  return state === "open" && health === "sound";
}

/** Those that want something done before those that are just there; then by what is in them. */
export function sortedChannels(channels: KnownChannel[]): KnownChannel[] {
  const rank = ({ state, health, waiting }: KnownChannel): number =>
    health === "frozen" || health === "unreadable" ? 0 : state === "closing" || state === "locked" ? 1 : waiting ? 2 : 3;
  return channels.filter(isUnderWay).sort((a, b) => {
    const [ofA, ofB] = [parseAmount(a.total), parseAmount(b.total)];
    return rank(a) - rank(b) || (ofA < ofB ? 1 : ofA > ofB ? -1 : a.channel.localeCompare(b.channel));
  });
}

export function proposals(channels: KnownChannel[]): KnownChannel[] {
  return channels.filter(({ state }) => state === "proposed");
}

/** The virtual channels that stand by what is in contracts of this one, as far as that can be told: those that its peer guarantees. */
export function standingBy(channel: KnownChannel, channels: KnownChannel[]): KnownChannel[] {
  return channel.guaranteed ? [] : channels.filter(({ guaranteed, state }) => guaranteed?.hub === channel.peer && guaranteed.state !== "over" && state !== "proposed");
}

/** Of another asset than WAY: "2.00 ABC". */
export function assetCoins(amount: string, { asset, symbol }: Pick<ChannelPurse, "asset" | "symbol">): string {
  return `${formatAmountShort(parseAmount(amount))} ${symbol ?? shortId(asset)}`;
}

/** "2.00 WAY": for sentences. */
export function coins(amount: Amount): string {
  return `${formatAmountShort(amount)} WAY`;
}
