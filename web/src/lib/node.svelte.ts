/**
 * All that the page knows of its node, kept current by events; components read it and call its commands.
 *
 * What an event carries replaces what was known whole, so a missed step is never felt. While the link is down
 * everything stays as last known and `isLive` is false.
 */

import { withRecord, withRecords, type KnownChannel } from "./channels";
import { ChatStore } from "./chat.svelte";
import { mergeRounds, type Round } from "./rounds";
import { rpcUrl, type NodeLink } from "./link";
import { withRate, type RateSample } from "./rates";
import type { Asked } from "./requests";
import { upserted } from "./upserted";
import { errorMessage, PHONE_TOPICS, RpcClient, TOPICS, type LinkState, type PageTopic } from "./rpc";
import type {
  ChannelDetail,
  ChannelRecord,
  CheckpointRecord,
  DeviceStatus,
  Entry,
  Events,
  HoldStatus,
  HubOffer,
  HubStatus,
  LedgerContract,
  Method,
  Methods,
  NodeStatus,
  Offer,
  PhoneStatus,
  Promise as PaymentPromise,
  Pulse as KernelPulse,
  Session,
  Spending,
  TunnelSettings,
} from "@byway/client";

/** In whose name a node talks. */
const personOf = ({ person, identity }: NodeStatus): string => person ?? identity.id;

const HISTORY_MAX = 200;
const CHECKPOINTS_MAX = 20;

export class NodeStore {
  link = $state.raw<LinkState>({ kind: "opening" });
  status = $state.raw<NodeStatus | null>(null);
  /** Null until the first answer, so that "loading" and "none" are told apart. */
  offers = $state.raw<Offer[] | null>(null);
  sessions = $state.raw<Session[] | null>(null);
  promises = $state.raw<PaymentPromise[] | null>(null);
  history = $state.raw<Entry[] | null>(null);
  /** Null until the first answer; `channelsProblem` says why there is none. */
  channels = $state.raw<KnownChannel[] | null>(null);
  channelsProblem = $state<string | null>(null);
  /** Payments over several channels, and what this node earns with those of others; looked at with the channels. */
  hub = $state.raw<HubStatus | null>(null);
  /** Hubs on the market; asked for where somebody is to choose one. */
  hubs = $state.raw<HubOffer[]>([]);
  /** Contracts that have left their channels; looked at with the channels. */
  contracts = $state.raw<LedgerContract[]>([]);
  pulse = $state.raw<KernelPulse | null>(null);
  /** The kernel's picture. */
  rounds = $state.raw<Round[]>([]);
  /** By rising height. */
  checkpoints = $state.raw<CheckpointRecord[]>([]);
  rates = $state.raw<RateSample[]>([]);
  /** Phones that are linked. */
  phones = $state.raw<PhoneStatus | null>(null);
  /** Other nodes at which the same person talks. */
  devices = $state.raw<DeviceStatus | null>(null);
  /** Who holds for this node, and what it holds for others. */
  holding = $state.raw<HoldStatus | null>(null);
  /** The request for a payment that was made here last; the node keeps none. */
  asked = $state.raw<Asked | null>(null);

  /** What stays outside a tunnel, and whether the kill switch is on; follows the connection. */
  tunnel = $state.raw<TunnelSettings | null>(null);
  /** The session during which those settings were changed: its tunnel is still the one before. */
  #changedUnder = $state<string | null>(null);
  /** Everything was read once: until then a page would come up in pieces. */
  isKnown = $state(false);

  isLive = $derived(this.link.kind === "open" && this.status !== null);
  connection = $derived(this.status?.connection ?? null);
  /** In whose name one talks: on a linked device not that of the node's own identity. */
  person = $derived(this.status ? personOf(this.status) : "");
  /** The tunnel is older than its settings. */
  isTunnelOlder = $derived(this.tunnel?.closed === true && this.#changedUnder !== null && this.#changedUnder === this.connection?.session_id);
  /** The session the connection is about. */
  session = $derived.by(() => {
    const id = this.connection?.session_id;
    return id ? (this.sessions?.find((session) => session.id === id) ?? null) : null;
  });

  /** People and conversations. */
  readonly chat = new ChatStore(this);

  /** What this phone is called, where the page is one's: it may talk, and look at the wallet. */
  readonly phone: string | null;

  #client: RpcClient;
  #wasRead = false;

  constructor(link: NodeLink) {
    this.phone = link.phone ?? null;
    // A phone is not told of these.
    if (this.phone !== null) this.offers = this.sessions = this.promises = this.channels = [];
    this.#client = new RpcClient({
      url: rpcUrl(link, location),
      token: link.token,
      onState: (state) => (this.link = state),
      onOpen: () => void this.#refresh(),
      onEvent: (topic, data) => this.#handleEvent(topic, data),
    });
  }

  open(): void {
    this.#client.open();
  }

  close(): void {
    this.#client.close();
  }

  retryNow(): void {
    this.#client.retryNow();
  }

  call<M extends Method>(method: M, params: Methods[M]["params"]): Promise<Methods[M]["result"]> {
    return this.#client.call(method, params);
  }

  /** A provider's mark, before the next event tells of it. */
  mark(provider: string, preferred: boolean): void {
    this.offers = this.offers?.map((offer) => (offer.provider === provider ? { ...offer, preferred } : offer)) ?? null;
  }

  async readTunnel(): Promise<void> {
    this.tunnel = await this.call("tunnel_settings", {});
  }

  async setTunnel(settings: Methods["tunnel_settings_set"]["params"]): Promise<void> {
    this.tunnel = await this.call("tunnel_settings_set", settings);
    if (this.tunnel.closed) this.#changedUnder = this.connection?.session_id ?? null;
  }

  /** What may be spent as a call returned it; events replace it later. */
  noteSpending(spending: Spending): void {
    if (this.status) this.status = { ...this.status, spending };
  }

  /** A payment's entry as the call returned it; events replace it later. */
  noteEntry(entry: Entry): void {
    this.#mergeEntries([entry]);
  }

  /** Events tell what happens to channels; which there are no more, only the list. */
  async readChannels(): Promise<void> {
    try {
      const records = await this.call("channel_list", {});
      // What is known by now: events may have come while the node was asked.
      this.channels = withRecords(this.channels, records);
      this.channelsProblem = null;
    } catch (error) {
      this.channelsProblem = errorMessage(error);
    }
  }

  /** No event tells of it. What is known stays where the node does not answer. */
  async readHub(): Promise<void> {
    try {
      this.hub = await this.call("hub_status", {});
    } catch {
      // The channels say what is wrong.
    }
  }

  /** The market is asked anew each time; what is known stays where the node does not answer. */
  async readHubs(): Promise<void> {
    this.hubs = await this.call("hub_list", {}).catch(() => this.hubs);
  }

  /** No event tells of them either. */
  async readContracts(): Promise<void> {
    this.contracts = await this.call("contract_list", {}).catch(() => this.contracts);
  }

  /** A contract on the ledger as a call returned it. */
  noteContract(record: LedgerContract): void {
    this.contracts = upserted(this.contracts, record, (a, b) => a.channel === b.channel && a.contract === b.contract);
  }

  /** One with all that is known of it, which the list doesn't say. */
  async readChannel(channel: string): Promise<void> {
    this.noteChannel(await this.call("channel_show", { channel }));
  }

  /** A channel as a call returned it; events replace it later. */
  noteChannel(record: ChannelRecord | ChannelDetail): void {
    const known = this.channels?.find(({ channel }) => channel === record.channel);
    this.channels = upserted(this.channels, withRecord(known, record), (a, b) => a.channel === b.channel);
  }

  /** Subscribes, and reads what events don't repeat: the past. */
  async #refresh(): Promise<void> {
    const isPhone = this.phone !== null;
    if (!isPhone) void this.#readCheckpoints();
    try {
      await Promise.all([
        this.#client.subscribe(isPhone ? PHONE_TOPICS : TOPICS),
        isPhone || this.#readOwn(),
        this.call("wallet_history", { limit: HISTORY_MAX }).then((entries) => (this.history = entries)),
        this.call("node_status", {}).then((status) => this.chat.read(personOf(status))),
      ]);
      // Status and offers come as events, after the answers.
      this.#wasRead = true;
      this.#look();
    } catch {
      // The link broke or the node is starting. A broken link is opened again, which ends here once more; a node
      // that answers with an error is asked again after a pause.
      setTimeout(() => this.link.kind === "open" && !this.isKnown && void this.#refresh(), 2_000);
    }
  }

  /** What only the owner sees. */
  async #readOwn(): Promise<void> {
    await Promise.all([
      this.call("session_list", {}).then((sessions) => (this.sessions = sessions)),
      this.call("promise_list", {}).then((promises) => (this.promises = promises)),
      this.readChannels(),
      this.readTunnel().catch(() => undefined),
    ]);
  }

  /** Only for looking at: the page is not held up where no kernel node answers. */
  async #readCheckpoints(limit = CHECKPOINTS_MAX): Promise<void> {
    try {
      this.#noteCheckpoints(await this.call("kernel_checkpoints", { limit }));
    } catch {
      // The next ones come as events.
    }
  }

  /** A busy kernel makes more than events are sent; those between are asked for. */
  #handleCheckpoint(checkpoint: CheckpointRecord): void {
    const last = this.checkpoints.at(-1)?.height ?? checkpoint.height;
    this.#noteCheckpoints([checkpoint]);
    if (checkpoint.height > last + 1) void this.#readCheckpoints(Math.min(checkpoint.height - last, CHECKPOINTS_MAX));
  }

  #noteCheckpoints(checkpoints: CheckpointRecord[]): void {
    const known = new Map([...this.checkpoints, ...checkpoints].map((checkpoint) => [checkpoint.height, checkpoint]));
    this.checkpoints = [...known.values()].sort((a, b) => a.height - b.height).slice(-CHECKPOINTS_MAX);
  }

  #handleEvent<T extends PageTopic>(topic: T, data: Events[T]): void {
    const handlers: { [K in PageTopic]: (data: Events[K]) => void } = {
      status: (status) => this.#handleStatus(status),
      session: (session) => (this.sessions = upserted(this.sessions, session, (a, b) => a.id === b.id)),
      offers: (offers) => (this.offers = offers),
      wallet: ({ balance, entries }) => {
        if (this.status) this.status = { ...this.status, balance };
        this.#mergeEntries(entries);
      },
      promise: (promise) => (this.promises = upserted(this.promises, promise, isSamePromise)),
      channel: (channel) => this.noteChannel(channel),
      people: (person) => this.chat.notePerson(person),
      conversation: (conversation) => this.chat.noteConversation(conversation),
      message: (item) => {
        this.chat.noteItem(item);
        this.chat.reminders.noteChange(item);
      },
      sign: (sign) => this.chat.noteSign(sign),
      book: (book) => this.chat.books.note(book),
      reminder: (item) => this.chat.reminders.note(item),
      phone: (phones) => (this.phones = phones),
      device: (devices) => (this.devices = devices),
      holding: (holding) => (this.holding = holding),
      pulse: (pulse) => this.#handlePulse(pulse),
      checkpoint: (checkpoint) => this.#handleCheckpoint(checkpoint),
    };
    handlers[topic]?.(data);
    this.#look();
  }

  #look(): void {
    if (!this.isKnown && this.#wasRead && this.status !== null && this.offers !== null) this.isKnown = true;
  }

  #handleStatus(status: NodeStatus): void {
    // A node that is linked while it is looked at talks in another's name from then on.
    const isAnother = this.status !== null && personOf(this.status) !== personOf(status);
    this.status = status;
    if (isAnother) void this.chat.read(personOf(status));
    const { rate_down_bps, rate_up_bps } = status.connection;
    this.rates = withRate(this.rates, { timeMs: Date.now(), downBps: rate_down_bps, upBps: rate_up_bps });
  }

  #handlePulse(pulse: KernelPulse): void {
    this.pulse = pulse;
    this.rounds = mergeRounds(this.rounds, pulse, Date.now());
  }

  #mergeEntries(entries: Entry[]): void {
    if (entries.length === 0) return;
    let history = this.history ?? [];
    for (const entry of entries) history = upserted(history, entry, (a, b) => a.transaction_id === b.transaction_id);
    this.history = history.slice(0, HISTORY_MAX);
  }
}

function isSamePromise(a: PaymentPromise, b: PaymentPromise): boolean {
  return a.direction === b.direction && a.counterparty === b.counterparty && a.serial === b.serial && a.backing === b.backing;
}
