/** What people type about channels, checked before the node is asked. Pure. */

import type { AssetBalance, ChannelPurse, ChannelRecord, Methods } from "@byway/client";
import { amountToWire, formatAmountShort, parseAmount, readAmount, type Amount, type ReadAmount } from "./amount";
import { laneOf, spendable } from "./channels";

export type Remainder = NonNullable<Methods["channel_open"]["params"]["remainder"]>;

/** Of another asset than WAY, which both may put in. */
export interface AssetInput {
  asset: string;
  ours: string;
  theirs: string;
}

export interface OpenInput {
  peer: string;
  deposit: string;
  /** Empty for the node's own choice, as are reserve, time and days. */
  theirDeposit: string;
  reserve: string;
  lockMinutes: string;
  remainder: Remainder;
  /** Where it is to be virtual: over which hub, and for how long. */
  isVirtual: boolean;
  hub: string;
  days: string;
  assets: AssetInput[];
}

export const OPEN_EMPTY: OpenInput = {
  peer: "", deposit: "", theirDeposit: "", reserve: "", lockMinutes: "", remainder: "halves", isVirtual: false, hub: "", days: "", assets: [],
};

/** As many as a channel has beside WAY. */
export const ASSETS_MAX = 4;

export interface AssetProblems {
  asset: string | null;
  ours: string | null;
  theirs: string | null;
}

export type OpenProblems = Record<"peer" | "deposit" | "theirDeposit" | "reserve" | "lockMinutes" | "hub" | "days", string | null> & { assets: AssetProblems[] };

/** What can be put in: of WAY in the account, or in the channel with the chosen hub (null where that is not known), and of other assets in the account. */
export interface Means {
  account: Amount;
  withHub: Amount | null;
  assets: AssetBalance[];
}

export function openProblems(input: OpenInput, means: Means): OpenProblems {
  const { isVirtual } = input;
  return {
    peer: peerProblem(input.peer),
    deposit: isVirtual ? amountProblem(input.deposit, means.withHub, "In the channel with the hub you have") : amountProblem(input.deposit, means.account, "Your account holds"),
    theirDeposit: optionalProblem(input.theirDeposit),
    reserve: optionalProblem(input.reserve),
    lockMinutes: /^\s*([1-9]\d{0,5})?\s*$/.test(input.lockMinutes) ? null : "Whole minutes, or none for what is usual.",
    hub: isVirtual ? hubProblem(input.hub, input.peer) : null,
    days: isVirtual && !/^\s*([1-9]\d{0,3})?\s*$/.test(input.days) ? "Whole days, or none for seven." : null,
    assets: isVirtual ? [] : input.assets.map((row, at) => assetProblems(row, input.assets.slice(0, at), means.assets)),
  };
}

export function hasProblem({ assets, ...single }: OpenProblems): boolean {
  return [...Object.values(single), ...assets.flatMap((row) => Object.values(row))].some((problem) => problem !== null);
}

function hubProblem(text: string, peer: string): string | null {
  const hub = text.trim();
  if (hub === "") return "Choose a hub, or paste its identity.";
  if (!/^[0-9a-f]{40}$/i.test(hub)) return "An identity has 40 digits, 0 to 9 and a to f. Copy it again.";
  return hub.toLowerCase() === peer.trim().toLowerCase() ? "The hub is neither of the two. Choose another one." : null;
}

function assetProblems({ asset, ours, theirs }: AssetInput, before: AssetInput[], held: AssetBalance[]): AssetProblems {
  const id = asset.trim().toLowerCase();
  const isAgain = before.some((other) => other.asset.trim().toLowerCase() === id);
  const [mine, its] = [readAmount(ours), readAmount(theirs)];
  const isNothing = (!mine.ok || mine.amount === 0n) && (!its.ok || its.amount === 0n);
  const balance = held.find((one) => one.asset === id);
  const name = balance?.symbol ?? "this asset";
  const account = parseAmount(balance?.account ?? "0");
  const unread = (text: string, read: ReadAmount): string | null => (text.trim() === "" || read.ok ? null : read.problem);
  return {
    asset: !/^[0-9a-f]{64}$/.test(id) ? "Choose one, or paste its 64 digits." : isAgain ? "It is there already." : null,
    ours: unread(ours, mine) ?? (isNothing ? "One of the two puts some in." : mine.ok && mine.amount > account ? `Your account holds ${formatAmountShort(account)} of ${name}.` : null),
    theirs: unread(theirs, its),
  };
}

/** What the account lacks of an asset and the wallet has, so that it can be moved there. */
export function toMove({ asset, ours }: AssetInput, held: AssetBalance[]): Amount {
  const balance = held.find((one) => one.asset === asset.trim().toLowerCase());
  const wanted = readAmount(ours);
  if (!balance || !wanted.ok) return 0n;
  const lacking = wanted.amount - parseAmount(balance.account);
  return lacking > 0n && lacking <= parseAmount(balance.wallet) ? lacking : 0n;
}

/** Only the shape: whether somebody is there is for the node to say. */
function peerProblem(text: string): string | null {
  const peer = text.trim();
  if (peer === "") return "Paste the peer's identity or card.";
  if (/\s/.test(peer)) return "It has no spaces or line breaks. Copy it again.";
  if (/^byway:/i.test(peer) && !/^byway:peer\//i.test(peer)) return "That is another kind of link. Ask the peer for its card, which begins with byway:peer/.";
  return null;
}

function amountProblem(text: string, available: Amount | null, holds: string, unit = "WAY"): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  if (read.amount === 0n) return "Enter an amount above zero.";
  return available !== null && read.amount > available ? `${holds} ${formatAmountShort(available)} ${unit}. Enter at most that.` : null;
}

function optionalProblem(text: string): string | null {
  const read = readAmount(text);
  return text.trim() === "" || read.ok ? null : read.problem;
}

function wire(text: string): string {
  const read = readAmount(text);
  return amountToWire(read.ok ? read.amount : 0n);
}

/** Only for an input without problems. */
export function openOf(input: OpenInput, key: string): Methods["channel_open"]["params"] {
  const optional = <K extends string>(name: K, text: string): Partial<Record<K, string>> => (text.trim() === "" ? {} : { [name]: wire(text) } as Record<K, string>);
  const assets = input.isVirtual ? [] : input.assets.map(({ asset, ours, theirs }) => ({ asset: asset.trim().toLowerCase(), ...optional("ours", ours), ...optional("theirs", theirs) }));
  return {
    peer: input.peer.trim(), deposit: wire(input.deposit), ...optional("their_deposit", input.theirDeposit), ...optional("reserve", input.reserve),
    ...(input.lockMinutes.trim() === "" ? {} : { lock_seconds: Number(input.lockMinutes) * 60 }),
    ...(assets.length > 0 ? { assets } : {}),
    ...(input.isVirtual ? { via: input.hub.trim().toLowerCase(), days: daysOf(input) } : {}),
    remainder: input.remainder, idempotency_key: key,
  };
}

/** What the hub is asked before: what it takes, and whether it would. */
export function askOf(input: OpenInput): Methods["hub_ask"]["params"] {
  // Left out, the peer puts in what the reserve is, and that is nothing then.
  const theirs = input.theirDeposit.trim() === "" ? input.reserve : input.theirDeposit;
  return { hub: input.hub.trim().toLowerCase(), deposit: wire(input.deposit), their_deposit: wire(theirs), days: daysOf(input) };
}

function daysOf({ days }: OpenInput): number {
  return days.trim() === "" ? DAYS_DEFAULT : Number(days);
}

/** How long a virtual channel goes on where nobody says. */
const DAYS_DEFAULT = 7;

export type MoveKind = "pay" | "promise" | "lane" | "deposit" | "withdraw";

/** What is wrong with an amount, or null. */
export function moveProblem(kind: MoveKind, text: string, channel: ChannelRecord, account: Amount): string | null {
  switch (kind) {
    case "pay":
    case "withdraw":
      return amountProblem(text, spendable(channel), "Above the reserve your part has");
    case "promise":
      return amountProblem(text, laneOf(channel.our_lane).free, "You have set aside, and not promised yet,");
    case "deposit":
      return amountProblem(text, account, "Your account holds");
    case "lane":
      return laneProblem(text, channel);
  }
}

function laneProblem(text: string, channel: ChannelRecord): string | null {
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  const promised = laneOf(channel.our_lane).promised;
  if (read.amount < promised) return `${formatAmountShort(promised)} WAY of it are promised. Enter at least that.`;
  const most = spendable(channel) + parseAmount(channel.our_lane.capacity);
  return read.amount > most ? `You can set aside ${formatAmountShort(most)} WAY in all. Enter at most that.` : null;
}

/** What is wrong with an amount that is paid of another asset, or null. */
export function pursePaymentProblem(text: string, purse: ChannelPurse): string | null {
  return amountProblem(text, parseAmount(purse.ours), "In this channel you have", purse.symbol ?? "of it");
}
