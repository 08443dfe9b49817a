/**
 * Channels of the mock node: a few believable ones, and what the calls about them do.
 *
 * No coin is lost or made: what leaves one place in a channel comes to another, or to the account.
 */

import { amountToWire, parseAmount, type Amount } from "../../src/lib/amount";
import type { ChannelDetail, ChannelPurse, ChannelRecord, ChannelUpdated, ContractRecord, HubOffer, HubStatus, LedgerContractDetail, Method, Methods } from "@byway/client";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { hex } from "./world";

const HOUR_MS = 3_600_000;
/** Ends with its reason: any input with this selector does. */
const REVERTS = "0xdeadbeef";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

/** How the peers behave. */
export class MockChannels {
  list: ChannelDetail[] = [];
  /** How long the peer of a proposal thinks about it. */
  openMs = 300;
  /** Payments over several channels, and what others' have brought in. */
  hub: HubStatus = { runs: false, terms: { fee_base: "0.0001", fee_per_million: 1_000, amount_min: "0.00056", peer_amount_max: "5", amount_max: "50", guarantees: false,
    guarantee_fee_base: "0.001", guarantee_fee_per_million: 1_000, guarantee_days_max: 30 }, forwarded: 0, amount: "0",
    fees: "0", peers: [], on_their_way: [], guarantees: [], refused: [] };
  /** Hubs on the market. */
  hubs: HubOffer[] = [];
  /** Whatever is asked for beyond that a hub does not guarantee. */
  guaranteeDaysMax = 30;
  /** Contracts that have left their channels. */
  onLedger: LedgerContractDetail[] = [];
  /** What contracts may take, by purse and contract. */
  approved = new Map<string, string>();
  /** Peers sign nothing. */
  isSilent = false;
  #made = 0;

  /** One of each kind that a person may come upon. */
  begin(commits: number): void {
    const now_ms = Date.now();
    const open = this.add({ ours: "18.25", theirs: "12.5", our_lane: { capacity: "4", promised: "1.2" }, their_lane: { capacity: "2", promised: "0.35" }, contracts: "3.25", round: 27,
      purses: [{ asset: hex(880, 64), symbol: "ABC", contract: `0x${hex(881, 40)}`, ours: "120", theirs: "40.5", contracts: "9.5" }],
      watched_by: [hex(870, 40)], watched_until_ms: now_ms + 29 * 24 * HOUR_MS });
    open.deployed = [
      { contract: `0x${hex(810, 40)}`, balance: "3", code: hex(811, 64), code_bytes: 2_561 },
      { contract: `0x${hex(812, 40)}`, balance: "0.25", code: hex(813, 64), code_bytes: 1_740 },
    ];
    open.consents = [{ ours: false, wish: "leave", contract: open.deployed[1]!.contract, until_ms: now_ms + 8 * 60_000 }];
    this.note(open, "opened", "the ledger has the channel", now_ms - 3 * HOUR_MS);
    this.note(open, "updated", "the peer pays 2.5 WAY", now_ms - 2.2 * HOUR_MS, 25);
    this.note(open, "updated", "we make a contract", now_ms - 1.4 * HOUR_MS, 26);
    this.note(open, "promised", "the peer promises 0.35 WAY more", now_ms - 0.6 * HOUR_MS);
    this.note(open, "updated", `we call 0x${hex(812, 40)}`, now_ms - 0.2 * HOUR_MS, 27);
    this.add({ state: "proposed", initiated: false, ours: "5", theirs: "20", round: 0, id: undefined });
    const old = this.add({ state: "closing", ours: "7.6", theirs: "2.4", round: 17, connected: false, lock_commits: 7_200, dispute: {
      ours: false, by: "peer", round: 14, until_ms: now_ms + 0.7 * HOUR_MS, until_commits: commits + 5_200, commits,
    } });
    this.note(old, "closing", "it is being closed", now_ms - 0.3 * HOUR_MS);
    this.note(old, "handed_in", "the ledger is handed a newer state than it was shown", now_ms - 0.3 * HOUR_MS + 2_000);
    const frozen = this.add({ health: "frozen", connected: false, ours: "1.5", theirs: "3.5", round: 41 });
    this.note(frozen, "frozen", "there are two signed states of one round; nothing is signed any more", now_ms - 30 * HOUR_MS);
    this.add({ ours: "1", theirs: "1", reserve: "0", round: 2, guaranteed: { hub: hex(871, 40), until_ms: now_ms + 72 * HOUR_MS, state: "stands" } });
    this.add({ state: "closed", connected: false, ours: "0", theirs: "0", round: 9 });
  }

  /** It sends payments of others on, and has some of its own on their way. */
  beginHub(): void {
    const [first, second] = [this.list[0]!, this.list[2]!];
    const lock = (of: ChannelDetail, amount: string, minutes: number) => ({ channel: of.id!, peer: of.peer, amount, until_ms: Date.now() + minutes * 60_000 });
    const room = (of: ChannelDetail, to_peer: string, from_peer: string, connected: boolean) =>
      ({ peer: of.peer, connected, channels: 1, to_peer, from_peer, rooms: [{ channel: of.id!, to_peer, from_peer }] });
    this.hub = { ...this.hub, runs: true, forwarded: 1_284, amount: "731.25", fees: "0.85965", peers: [room(first, "18.24", "12.49", true), room(second, "0.004", "9.9", false)],
      on_their_way: [
        { hash: hex(901, 64), state: "locked", incoming: lock(first, "0.5006", 21), outgoing: lock(second, "0.5", 11) },
        { hash: hex(902, 64), state: "waiting", incoming: lock(first, "1.5", 9) },
        { hash: hex(903, 64), state: "failing", outgoing: lock(second, "2.002", 4) },
      ] };
  }

  /** And guarantees channels of others, of which it has declined one. */
  beginGuaranteeing(): void {
    const [first, second] = [this.list[0]!, this.list[2]!];
    const guarantee = (at: number, amounts: string[], stands: boolean, hours: number) =>
      ({ channel: hex(905 + at, 64), peers: [first.peer, second.peer], amounts, stands, until_ms: Date.now() + hours * HOUR_MS });
    const refused = (peer: string, amount: string, minutes: number, message: string) => ({ at_ms: Date.now() - minutes * 60_000, peer, amount, reason: { code: "room", message } });
    this.hub = { ...this.hub, terms: { ...this.hub.terms, guarantees: true }, guarantees: [guarantee(0, ["0.5", "1"], true, 70), guarantee(1, ["2", "0.25"], false, 160)],
      refused: [refused(second.peer, "40", 3, "it has not enough room for that"), refused(first.peer, "0.0001", 90, "asked for a way: it is less than this hub sends on")] };
  }

  /** One that can be called, and one whose contents are not here. */
  leave(): void {
    const [first, second] = [this.list[0]!, this.list[2]!];
    const own = hex(1, 40);
    const left = (at: number, of: ChannelDetail, more: Partial<LedgerContractDetail>): LedgerContractDetail =>
      ({ channel: of.id!, contract: `0x${hex(910 + at, 40)}`, parties: [own, of.peer], balance: "2.5", code: hex(912 + at, 64), calls: 0, contents: "here", contents_bytes: 320, recent: [], ...more });
    this.onLedger = [
      left(0, first, { calls: 2, receipt: { caller: first.peer, outcome: "reverted", gas_used: 22_018 }, recent: [
        { number: 1, caller: first.peer, value: "0", input: "0x4e71d92d" }, { number: 2, caller: own, value: "0.5", input: `0xd09de08a${hex(1, 64)}` },
      ] }),
      left(1, second, { balance: "0", contents: "missing", contents_bytes: null }),
    ];
  }

  add(more: Partial<ChannelDetail>): ChannelDetail {
    this.#made += 1;
    const none = { capacity: "0", promised: "0" };
    const channel: ChannelDetail = {
      channel: hex(820 + this.#made, 32), id: hex(840 + this.#made, 64), peer: hex(860 + this.#made, 40), initiated: true, state: "open", connected: true,
      health: "sound", total: "0", ours: "10", theirs: "0.01", our_lane: none, their_lane: none, contracts: "0", reserve: "0.01", round: 0,
      lock_ms: HOUR_MS, lock_commits: 5, remainder: "halves", deployed: [], consents: [], log: [], ...more,
    };
    channel.total = amountToWire([channel.ours, channel.theirs, channel.our_lane.capacity, channel.their_lane.capacity, channel.contracts]
      .reduce((sum, amount) => sum + parseAmount(amount), 0n));
    this.list = [...this.list, channel];
    return channel;
  }

  note(channel: ChannelDetail, code: string, message: string, time_ms = Date.now(), round?: number): void {
    channel.log = [...channel.log, { time_ms: Math.round(time_ms), channel: channel.channel, what: { code, message }, ...(round === undefined ? {} : { round }) }];
  }

  named(name: string): ChannelDetail {
    const found = this.list.filter(({ channel, id }) => channel.startsWith(name) || id?.startsWith(name));
    if (found.length !== 1) {
      throw new MethodError(1501, "channel_not_found", `There is no channel \`${name}\`, or more than one begins with it. \`byway channel list\` shows all of them.`);
    }
    return found[0]!;
  }
}

function recordOf({ remainder: _, deployed: __, consents: ___, log: ____, ...record }: ChannelDetail): ChannelRecord {
  return record;
}

/** A round that both sign; a silent peer leaves it waiting. */
function updated(node: MockNode, channel: ChannelDetail, what: string, change: () => Partial<ChannelUpdated> | void): ChannelUpdated {
  if (channel.state !== "open") throw new MethodError(1504, "channel_not_ready", "The channel can't do that now: it is not open. `byway channel show` says how it stands.");
  if (channel.waiting) {
    throw new MethodError(1504, "channel_not_ready", `The channel can't do that now: round ${channel.waiting} waits for the peer. \`byway channel show\` says how it stands.`);
  }
  if (node.channels.isSilent) {
    channel.waiting = channel.round + 1;
    node.publishChannel(channel);
    throw new MethodError(1506, "peer_silent", `The peer has not signed round ${channel.waiting} in time; it may still do so. `
      + "Wait, take it back (`byway channel cancel`), have the ledger execute it (`byway channel force`), or close.", { round: channel.waiting });
  }
  const more = change() ?? {};
  channel.round += 1;
  node.channels.note(channel, "updated", what, Date.now(), channel.round);
  node.publishChannel(channel);
  return { ...recordOf(channel), update_round: channel.round, ...more };
}

/** Moves an amount from one place in a channel to another; without so much there the peer would not sign. */
function taken(channel: ChannelDetail, amount: Amount): void {
  const rest = parseAmount(channel.ours) - amount;
  if (rest < parseAmount(channel.reserve)) {
    throw new MethodError(1503, "update_refused", "The update was not made: it would take the reserve. The state before it is still good; correct it and try again.");
  }
  channel.ours = amountToWire(rest);
}

function plus(amount: string, more: Amount): string {
  return amountToWire(parseAmount(amount) + more);
}

/** On the ledger a moment later. */
async function onLedger(node: MockNode, channel: ChannelDetail): Promise<void> {
  channel.state = "opening";
  node.publishChannel(channel);
  await node.pause(node.channels.openMs);
  channel.state = "open";
  channel.id ??= hex(899, 64);
  node.channels.note(channel, "opened", "the ledger has the channel");
  node.world.account -= parseAmount(channel.ours);
  node.publishChannel(channel);
  node.publishStatus();
}

function parentOf({ channels }: MockNode, hub: string): ChannelDetail {
  return channels.list.find(({ peer, guaranteed, state }) => peer === hub && !guaranteed && state === "open")!;
}

/** Guaranteed by the hub, in the channel with which our part lies in a contract from now on. */
function opened(node: MockNode, channel: ChannelDetail, parent: ChannelDetail): void {
  channel.state = "open";
  channel.id ??= hex(898, 64);
  channel.guaranteed = { ...channel.guaranteed!, state: "stands" };
  parent.ours = plus(parent.ours, -parseAmount(channel.ours));
  parent.theirs = plus(parent.theirs, -parseAmount(channel.theirs));
  parent.contracts = plus(plus(parent.contracts, parseAmount(channel.ours)), parseAmount(channel.theirs));
  node.channels.note(channel, "opened", "the hub guarantees the channel");
  for (const changed of [channel, parent]) node.publishChannel(changed);
}

function onLedgerNamed({ channels }: MockNode, name: string): LedgerContractDetail {
  const found = channels.onLedger.find(({ channel, contract }) => `${channel}/${contract}` === name);
  if (!found) throw new MethodError(1545, "contract_not_found", `The ledger has no contract \`${name}\`, or more than one begins so. \`byway contract list\` shows those that this node knows.`);
  return found;
}

/** What a call leads to: a number, a refusal, or nothing. */
function outputOf(input: string): { output: string; gas_used: number; returned: boolean } {
  if (input.startsWith(REVERTS)) {
    const text = Buffer.from("it is not your move").toString("hex");
    const words = ["20", "13"].map((word) => word.padStart(64, "0")).join("");
    return { output: `0x08c379a0${words}${text.padEnd(64, "0")}`, gas_used: 21_912, returned: false };
  }
  return { output: `0x${"2a".padStart(64, "0")}${hex(810, 40).padStart(64, "0")}`, gas_used: 23_410, returned: true };
}

/** An asset's purse is called as an ERC-20 token: what may be taken, and letting somebody take some. */
function purseCalled(node: MockNode, { contract, input }: { contract: string; input: string }): string {
  const spender = (at: number): string => `${contract} 0x${input.slice(10 + 64 * at + 24, 10 + 64 * (at + 1))}`;
  if (input.startsWith("0x095ea7b3")) {
    node.channels.approved.set(spender(0), input.slice(-64));
    return `0x${"1".padStart(64, "0")}`;
  }
  return `0x${node.channels.approved.get(spender(1)) ?? "0".repeat(64)}`;
}

function isPurse({ purses }: ChannelDetail, contract: string): boolean {
  return (purses ?? []).some((purse) => purse.contract === contract);
}

function called(node: MockNode, params: Methods["channel_call"]["params"], isForced = false): ChannelUpdated {
  const channel = node.channels.named(params.channel);
  if (isPurse(channel, params.contract)) {
    return updated(node, channel, `we call ${params.contract}`, () => ({ contract: params.contract, output: purseCalled(node, params), gas_used: 31_004 }));
  }
  const contract = contractOf(channel, params.contract);
  const { output, gas_used, returned } = outputOf(params.input);
  if (!returned) throw new MethodError(1507, "call_failed", "The contract does not return: it is not your move. Nothing was sent; correct the call and try again.");
  const change = (): Partial<ChannelUpdated> => {
    const value = parseAmount(params.value ?? "0");
    taken(channel, value);
    contract.balance = plus(contract.balance, value);
    channel.contracts = plus(channel.contracts, value);
    return { contract: contract.contract, output, gas_used };
  };
  if (!isForced) return updated(node, channel, `we call ${contract.contract}`, change);
  const more = change();
  channel.round += 1;
  channel.waiting = null;
  node.channels.note(channel, "forced", "the ledger has executed a call", Date.now(), channel.round);
  node.publishChannel(channel);
  return { ...recordOf(channel), update_round: channel.round, ...more };
}

function contractOf(channel: ChannelDetail, address: string): ContractRecord {
  const contract = channel.deployed.find((known) => known.contract === address);
  if (!contract) throw new MethodError(1504, "channel_not_ready", `The channel can't do that now: there is no contract ${address} in it. \`byway channel show\` says how it stands.`);
  return contract;
}

export const channelHandlers: Handlers = {
  hub_status: ({ channels }) => channels.hub,
  channel_list: ({ channels }) => channels.list.map(recordOf),
  channel_show: ({ channels }, { channel }) => channels.named(channel),
  hub_list: ({ channels }) => channels.hubs,
  hub_ask: async ({ channels }, { hub, deposit = "0", their_deposit = "0", days = 7 }) => {
    const parent = channels.list.find(({ peer, guaranteed, state }) => peer === hub && !guaranteed && state === "open");
    if (!parent) {
      throw new MethodError(1555, "no_channel_with_hub", `There is no open channel with ${hub} in which a virtual one could be guaranteed. Open one first; the peer needs one too.`, { hub });
    }
    const fee = parseAmount("0.001") + parseAmount(their_deposit) / 1_000n;
    const available = parseAmount(parent.ours) - parseAmount(parent.reserve);
    const needed = parseAmount(deposit) + fee;
    const unfit = days > channels.guaranteeDaysMax ? { code: "too_long", message: `the hub guarantees none for more than ${channels.guaranteeDaysMax} days` }
      : needed > available ? { code: "too_little", message: `with the fee ${amountToWire(needed)} WAY are needed, and the channel with the hub has ${amountToWire(available)} WAY to put in` } : null;
    return { hub, fee: amountToWire(fee), fee_max: "0.01", available: amountToWire(available), days_max: channels.guaranteeDaysMax, amount_max: "5", ...(unfit ? { unfit } : {}) };
  },
  channel_log: ({ channels }, { channel: name }) => {
    const { channel, state, log, round } = channels.named(name);
    const time_ms = log.at(-1)?.time_ms ?? 0;
    const messages = [
      { time_ms, ours: true, message: "propose", round, bytes: 156, times: 1 },
      { time_ms, ours: false, message: "accept", round, bytes: 68, times: 1 },
    ];
    return { channel, state, log, messages };
  },
  channel_open: async (node, { peer, deposit, their_deposit, via, days = 7, assets = [], reserve = via ? "0" : "0.01", lock_seconds = 3_600, remainder }) => {
    if (!peer.startsWith("byway:peer/")) {
      throw new MethodError(1505, "peer_unreachable", `${peer} can't be reached: it sells nothing. Ask for its card (\`byway identity card\` there), or wait until it is back.`);
    }
    const purses = assets.map(({ asset, ours, theirs }, at): ChannelPurse =>
      ({ asset, symbol: node.world.asset.asset === asset ? node.world.asset.symbol : null, contract: `0x${hex(920 + at, 40)}`, ours: ours ?? "0", theirs: theirs ?? "0", contracts: "0" }));
    const guaranteed = via ? { hub: via, until_ms: Date.now() + days * 24 * HOUR_MS, state: "awaited" as const } : null;
    const channel = node.channels.add({ state: "asked", ours: deposit, theirs: their_deposit ?? reserve, reserve, lock_ms: lock_seconds * 1000, remainder: remainder ?? "halves", id: undefined,
      ...(purses.length > 0 ? { purses } : {}), ...(guaranteed ? { guaranteed } : {}) });
    node.publishChannel(channel);
    await node.pause(node.channels.openMs);
    if (node.channels.isSilent) {
      node.channels.list = node.channels.list.filter((known) => known !== channel);
      throw new MethodError(1502, "channel_not_opened", "The channel was not opened: the peer declined. No money has moved; ask the peer, or propose other terms.");
    }
    if (guaranteed) opened(node, channel, parentOf(node, guaranteed.hub));
    else await onLedger(node, channel);
    return recordOf(channel);
  },
  channel_accept: async (node, { channel: name }) => {
    const channel = node.channels.named(name);
    await onLedger(node, channel);
    return recordOf(channel);
  },
  channel_decline: ({ channels }, { channel: name }) => {
    const declined = channels.named(name);
    channels.list = channels.list.filter((known) => known !== declined);
    return {};
  },
  contract_list: ({ channels }) => channels.onLedger.map(({ receipt: _, recent: __, ...contract }) => contract),
  contract_show: (node, { contract }) => onLedgerNamed(node, contract),
  contract_look: (node, { contract, input }) => {
    onLedgerNamed(node, contract);
    return outputOf(input);
  },
  contract_call: (node, { contract: name, input, value = "0" }) => {
    const contract = onLedgerNamed(node, name);
    const { output, gas_used, returned } = outputOf(input);
    if (!returned) throw new MethodError(1507, "call_failed", "The contract does not return: it is not your move. Nothing was sent; correct the call and try again.");
    contract.calls += 1;
    contract.balance = plus(contract.balance, parseAmount(value));
    node.world.account -= parseAmount(value);
    contract.receipt = { caller: hex(1, 40), outcome: "returned", gas_used };
    contract.recent = [...contract.recent, { number: contract.calls, caller: hex(1, 40), value, input }];
    node.publishStatus();
    const { receipt: _, recent: __, ...record } = contract;
    return { ...record, transaction_id: hex(930, 64), output, gas_used };
  },
  channel_pay: (node, { channel: name, amount, asset, lane = false }) => {
    const channel = node.channels.named(name);
    const value = parseAmount(amount);
    const purse = channel.purses?.find((known) => known.asset === asset);
    if (purse) {
      return updated(node, channel, `we call ${purse.contract}`, () => {
        channel.purses = channel.purses!.map((known) => (known === purse ? { ...known, ours: plus(known.ours, -value), theirs: plus(known.theirs, value) } : known));
      });
    }
    if (!lane) {
      return updated(node, channel, `we pay ${amount} WAY`, () => {
        taken(channel, value);
        channel.theirs = plus(channel.theirs, value);
      });
    }
    if (parseAmount(channel.our_lane.promised) + value > parseAmount(channel.our_lane.capacity)) {
      throw new MethodError(1508, "lane_too_small", "The lane does not cover it. Put more into it (`byway channel lane`), or pay by an update.");
    }
    channel.our_lane = { ...channel.our_lane, promised: plus(channel.our_lane.promised, value) };
    node.channels.note(channel, "promised", `you promise ${amount} WAY more`);
    node.publishChannel(channel);
    return { ...recordOf(channel), update_round: channel.round };
  },
  channel_lane: (node, { channel: name, capacity }) => {
    const channel = node.channels.named(name);
    return updated(node, channel, `we set aside ${capacity} WAY for promises`, () => {
      taken(channel, parseAmount(capacity) - parseAmount(channel.our_lane.capacity));
      channel.our_lane = { ...channel.our_lane, capacity };
    });
  },
  channel_absorb: (node, { channel: name }) => {
    const channel = node.channels.named(name);
    return updated(node, channel, "the peer promised what is in the balance now", () => {
      const promised = parseAmount(channel.their_lane.promised);
      channel.ours = plus(channel.ours, promised);
      channel.their_lane = { capacity: plus(channel.their_lane.capacity, -promised), promised: "0" };
    });
  },
  channel_cancel: (node, { channel: name }) => {
    const channel = node.channels.named(name);
    channel.round = (channel.waiting ?? channel.round) + 1;
    channel.waiting = null;
    node.channels.note(channel, "updated", "the earlier state again: what was proposed since is worthless", Date.now(), channel.round);
    node.publishChannel(channel);
    return { ...recordOf(channel), update_round: channel.round };
  },
  channel_fund: (node, { channel: name, movement, amount }) => {
    const channel = node.channels.named(name);
    const value = movement === "deposit" ? parseAmount(amount) : -parseAmount(amount);
    return updated(node, channel, `we ${movement === "deposit" ? "put in" : "take out"} ${amount} WAY`, () => {
      taken(channel, -value);
      channel.total = plus(channel.total, value);
      node.world.account -= value;
      node.publishStatus();
    });
  },
  channel_close: (node, { channel: name, alone = false }) => {
    const channel = node.channels.named(name);
    channel.state = "closing";
    const commits = node.world.pulse.commits;
    if (alone) channel.dispute = { ours: true, by: "us", round: channel.round, until_ms: Date.now() + channel.lock_ms, until_commits: commits + channel.lock_commits, commits };
    node.channels.note(channel, "closing", "it is being closed");
    node.publishChannel(channel);
    return recordOf(channel);
  },
  channel_deploy: (node, { channel: name, code, value = "0" }) => {
    const channel = node.channels.named(name);
    const contract: ContractRecord = { contract: `0x${hex(870 + channel.round, 40)}`, balance: value, code: hex(871 + channel.round, 64), code_bytes: (code.length - 2) / 2 };
    return updated(node, channel, "we make a contract", () => {
      taken(channel, parseAmount(value));
      channel.contracts = plus(channel.contracts, parseAmount(value));
      channel.deployed = [...channel.deployed, contract];
      return { contract: contract.contract, gas_used: 480_112 };
    });
  },
  channel_call: (node, params) => called(node, params),
  channel_upgrade: (node, { channel: name, contract, code }) => {
    const channel = node.channels.named(name);
    const known = contractOf(channel, contract);
    return updated(node, channel, "both give a contract other code", () => {
      known.code_bytes = (code.length - 2) / 2;
      return {};
    });
  },
  channel_remove: (node, { channel: name, contract, ours = "0", theirs = "0" }) => {
    const channel = node.channels.named(name);
    const known = contractOf(channel, contract);
    return updated(node, channel, "both remove a contract", () => {
      channel.deployed = channel.deployed.filter((other) => other !== known);
      channel.ours = plus(channel.ours, parseAmount(ours));
      channel.theirs = plus(channel.theirs, parseAmount(theirs));
      return {};
    });
  },
  channel_leave: (node, { channel: name, contract }) => {
    const channel = node.channels.named(name);
    const known = contractOf(channel, contract);
    updated(node, channel, "both let a contract leave", () => {
      channel.consents = channel.consents.filter((consent) => consent.contract !== contract);
      channel.deployed = channel.deployed.filter((other) => other !== known);
      channel.contracts = plus(channel.contracts, -parseAmount(known.balance));
      channel.total = plus(channel.total, -parseAmount(known.balance));
    });
    return recordOf(channel);
  },
  channel_force: (node, params) => called(node, params, true),
  channel_look: (node, { channel, contract, input }) => {
    const { channels } = node;
    if (isPurse(channels.named(channel), contract)) return { output: purseCalled(node, { contract, input }), gas_used: 3_012, returned: true };
    contractOf(channels.named(channel), contract);
    return outputOf(input);
  },
  identity_card: () => ({ card: `byway:peer/${hex(880, 320)}`, expires_ms: Date.now() + 24 * HOUR_MS }),
};
