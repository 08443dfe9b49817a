/**
 * The state behind the mock node: a small pretended network whose figures move when `tick` is called.
 *
 * It keeps the promises of `docs/formats/rpc.md` that the page relies on (cost never falls, cost is the ceiling
 * of bytes × price, money is conserved between wallet and account) and none of the machinery.
 */

import { amountToWire, costOf, parseAmount, type Amount } from "../../src/lib/amount";
import type {
  AcceptedInvite,
  Balance,
  Connection,
  Entry,
  Evidence as EvidenceRecord,
  ForwardedPort,
  EarningsPeriod,
  GivenInvite, GivenPort,
  GroupRecord,
  Hop,
  NodeStatus,
  PaymentLink,
  Offer,
  Price,
  Promise as PaymentPromise,
  ProviderBlock,
  ProviderEarnings,
  ProviderUsage,
  ProxyPort,
  ServiceList,
  Session,
  SpendingAsk,
  SubAccount,
  TunnelSettings,
} from "@byway/client";
import type { OfferFilter } from "../../src/lib/offers";
import type { OfferTerms } from "../../src/lib/terms";
import { Pulse } from "./pulse";
import { EVERYTHING } from "./tunnel";

export const WAY: Amount = 10n ** 18n;
const DAY_MS = 86_400_000;

/** Hex that looks random but is the same in every run. */
export function hex(seed: number, digits: number): string {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  let text = "";
  while (text.length < digits) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += (state >>> 8).toString(16).padStart(6, "0");
  }
  return text.slice(0, digits);
}

type OfferRow = [country: string, asn: number, mbps: number, price: string, preferred?: boolean];
const OFFER_ROWS: OfferRow[] = [
  ["DE", 24940, 200, "0.0004"],
  ["NL", 60781, 500, "0.00055"],
  ["SE", 42708, 1000, "0.0007", true],
  ["JP", 2516, 100, "0.0012"],
  ["BR", 28573, 50, "0.0003"],
  ["CH", 51852, 300, "0.0009"],
  ["US", 7922, 400, "0.00062"],
  ["SG", 4657, 250, "0.00145"],
  ["DE", 3320, 100, "0.00052"],
  ["DE", 51167, 1000, "0.0008"],
  ["US", 14061, 1000, "0.00071"],
  ["FR", 16276, 300, "0.00058"],
  ["CA", 16509, 250, "0.00066"],
  ["AU", 1221, 100, "0.0013"],
  ["ZA", 3741, 50, "0.0006"],
];
/** Networks whose exits give ports to their clients. */
const FORWARDING = [42708, 51167, 2516];
const TUNNEL_ROWS: OfferRow[] = [
  ["SE", 42708, 1000, "0.0008"],
  ["DE", 24940, 500, "0.0005"],
];

/** Sold by the second: the price of one. */
const TIMED_ROWS: OfferRow[] = [
  ["FI", 16086, 500, "0.0001"],
  ["DE", 29066, 300, "0.00025"],
];

export class World {
  readonly startedMs = Date.now();
  readonly identity = hex(1, 40);
  /** In whose name it talks, where it is a linked device. */
  person: string | null = null;
  readonly network = hex(2, 64);
  readonly address = `way${hex(3, 136)}`;
  offers: Offer[];
  readonly tunnels: Offer[];
  /** Sold by the second alone. */
  timed: Offer[];
  /** Of services that plug in. */
  plugged: Offer[] = [];
  /** What this node sells itself. */
  ownOffers: Offer[] = [];
  isRegistered = true;
  readonly viewKey = `wayview${hex(6, 136)}`;
  groups: GroupRecord[] = [];
  tunnel: TunnelSettings = EVERYTHING;
  sessions: Session[] = [];
  promises: PaymentPromise[] = [];
  history: Entry[] = [];
  hops: Hop[] = [];
  connection: Connection = { state: "idle", since_ms: Date.now(), rate_down_bps: 0, rate_up_bps: 0 };
  wallet: Amount = 412n * WAY + 500_000_000_000_000_000n;
  account: Amount = 25n * WAY;
  limits: { session_max: string | null; day_max: string | null } = { session_max: "5", day_max: "20" };
  /** Beyond the limit of the day. */
  allowed: Amount = 0n;
  /** What a limit has stopped. */
  asks: SpendingAsk[] = [];
  /** By sessions of today that are over. */
  spent: Amount = 0n;
  withdrawing: Balance["withdrawing"] = [];
  /** One asset beside WAY, with two digits after the point. */
  readonly asset = { asset: hex(4, 64), symbol: "TEST", name: "test coin", decimals: 2 };
  held: Amount = 250n * WAY;
  heldInAccount: Amount = 0n;
  invites: GivenInvite[] = [];
  accepted: AcceptedInvite[] = [];
  isKernelReachable = true;
  evidence: EvidenceRecord[] = [];
  blocks: ProviderBlock[] = [];
  subAccounts: SubAccount[] = [];
  services: ServiceList = { open: [], sold: [] };
  /** One is named by the configuration. */
  ports: ProxyPort[] = [];
  /** Ports at the exit. */
  forwards: ForwardedPort[] = [];
  /** Ports of this exit that its clients have. */
  givenPorts: GivenPort[] = [];
  /** Days of selling, the newest first. */
  earned: EarningsPeriod[] = [];
  /** The caps of the configuration. */
  caps: Pick<ProviderUsage, "clients_max" | "month_max_bytes" | "rate_max_bps" | "client_rate_max_bps"> = {};
  readonly pulse = new Pulse();
  #serial = 4;
  #entries = 100;

  constructor() {
    const now_ms = Date.now();
    this.offers = OFFER_ROWS.map((row, index) => offerFrom(row, index, now_ms));
    [720, 540, 905, null, 130, 610].forEach((score, index) => {
      if (score !== null) this.offers[index]!.quality = { score, own_sessions: index, attesters: 7 - index, own_score: null };
    });
    this.tunnels = TUNNEL_ROWS.map((row, index) => ({ ...offerFrom(row, index + 40, now_ms), service: "tunnel" }));
    this.timed = TIMED_ROWS.map((row, index) => timedFrom(row, index + 60, now_ms));
    // One that sells by both.
    this.offers[8]!.prices.push({ unit: "second", amount: "0.0002", asset: "WAY", min_reputation: 0 });
    this.sessions = [
      this.#pastSession(0, now_ms - 0.11 * DAY_MS, 1_930, 812_400_000, 21_700_000, "closed"),
      this.#pastSession(2, now_ms - 1.3 * DAY_MS, 7_415, 2_310_800_000, 96_100_000, "closed"),
      this.#pastSession(3, now_ms - 2.2 * DAY_MS, 41, 1_204_000, 88_000, "failed"),
      this.#pastSession(1, now_ms - 3.6 * DAY_MS, 3_004, 640_900_000, 12_500_000, "closed"),
    ];
    this.history = [
      this.entry("settle_out", "0.333640", now_ms - 0.1 * DAY_MS, this.offers[0]?.provider),
      this.entry("deposit", "25", now_ms - 1.4 * DAY_MS),
      this.entry("pledge", "1", now_ms - 4 * DAY_MS),
      this.entry("funding", "440", now_ms - 4.1 * DAY_MS),
    ];
    this.promises = [
      {
        direction: "out", counterparty: this.offers[0]!.provider, serial: "1", amount: "0.33364", settled: "0.33364",
        backing: "account", updated_ms: now_ms - 0.1 * DAY_MS, settled_ms: now_ms - 0.1 * DAY_MS,
      },
    ];
  }

  #pastSession(offer: number, started_ms: number, seconds: number, down: number, up: number, state: Session["state"]): Session {
    const chosen = this.offers[offer]!;
    const cost = amountToWire(costOf(down + up, parseAmount(chosen.price!.amount)));
    return {
      id: hex(started_ms % 100_000, 32), offer_id: chosen.offer_id, provider: chosen.provider, service: "socks",
      country: chosen.exit_country, bytes_up: up, bytes_down: down, seconds, seconds_served: seconds, price: chosen.price!, cost, paid: cost,
      state, started_ms: Math.round(started_ms), ended_ms: Math.round(started_ms + seconds * 1000),
      reason: state === "failed" ? { code: "link_lost", message: "The provider stopped answering." } : null,
    };
  }

  invite(coins: string, pledge: string, span_ms: number, transaction_id: string): GivenInvite {
    const now_ms = Date.now();
    const number = this.invites.length + 1;
    this.invites = [...this.invites, { number, coins, pledge, stage: "paying", created_ms: now_ms, expires_ms: now_ms + span_ms, transaction_id }];
    return this.invites.at(-1)!;
  }

  noteInvite(number: number, stage: GivenInvite["stage"]): void {
    const ended_ms = stage === "taken" || stage === "taken_back" ? Date.now() : null;
    this.invites = this.invites.map((known) => (known.number === number ? { ...known, stage, ended_ms } : known));
  }

  /** A market of so many offers: Germany has most of them, the dearest are in Iceland. */
  crowd(count: number): void {
    const now_ms = Date.now();
    this.offers = Array.from({ length: count }, (_, index) => {
      const country = index >= count - 2 ? "IS" : index % 3 === 0 ? "DE" : OFFER_ROWS[index % OFFER_ROWS.length]![0];
      const offer = offerFrom([country, 64_496 + (index % 40), 100, `0.${String(1_000 + index).padStart(6, "0")}`], index + 2_000, now_ms);
      return { ...offer, expires_ms: now_ms + 10 * DAY_MS };
    });
  }

  /** With the price by what is asked for, as the node gives them; without a unit by the megabyte. */
  offersOf({ service = "socks", unit = "mb" }: OfferFilter): Offer[] {
    return [...this.offers, ...this.tunnels, ...this.timed, ...this.plugged]
      .filter((offer) => (offer.service_name ?? offer.service) === service)
      .map((offer) => ({ ...offer, price: offer.prices.find((price) => price.unit === unit) ?? null }))
      .filter((offer) => offer.price !== null);
  }

  /** Programs of others that can be opened, by name. */
  sellPlugged(name: string): void {
    const rows: OfferRow[] = [["NL", 60781, 100, "0.002"], ["DE", 24940, 100, "0.0025"], ["DE", 3320, 100, "0.003"]];
    this.plugged = rows.map((row, index) => ({ ...offerFrom(row, index + 70, Date.now()), service: "service-4660", service_name: name }));
  }

  publish(terms: OfferTerms): Offer {
    const row: OfferRow = [terms.country ?? "DE", terms.asn ?? 64_496, (terms.bandwidth_bps ?? 1e8) / 1e6, terms.price_per_mb ?? "0"];
    const prices: Price[] = [];
    if (terms.price_per_mb) prices.push({ unit: "mb", amount: terms.price_per_mb, asset: "WAY", min_reputation: 0 });
    if (terms.price_per_second) prices.push({ unit: "second", amount: terms.price_per_second, asset: "WAY", min_reputation: 0 });
    const offer = { ...offerFrom(row, 0, Date.now()), prices, offer_id: hex(90 + this.ownOffers.length, 64), provider: this.identity, service: terms.service ?? "socks" };
    this.ownOffers = [...this.ownOffers.filter((known) => known.service !== offer.service), offer];
    return offer;
  }

  /** As of a node that has sold for some days: sessions, promises and settlements. */
  sellForDays(): void {
    this.publish({ country: "DE", asn: 64_496, price_per_mb: "0.0005", bandwidth_bps: 100e6 });
    const now_ms = Date.now();
    const clients = [1, 2, 3].map((number) => hex(600 + number, 40));
    const served = clients.map((client, index): Session => ({
      ...this.#pastSession(0, now_ms - (index * 0.4 + 0.01) * DAY_MS, 820 + index * 400, 210_000_000 * (index + 1), 9_000_000, "closed"),
      id: hex(700 + index, 32), client, provider: this.identity, state: index === 0 ? "active" : "closed", ended_ms: index === 0 ? null : now_ms,
    }));
    this.sessions = [...served, ...this.sessions].sort((a, b) => b.started_ms - a.started_ms);
    this.promises = [...this.promises, {
      direction: "in", counterparty: clients[0]!, serial: "1", amount: "0.1095", settled: "0", backing: "account", updated_ms: now_ms, settled_ms: null,
    }];
    const settled = [0.2, 1.1, 2.3, 4.2, 5.1, 5.3, 8.4].map((days, index) =>
      this.entry("settle_in", `0.${(index * 37 + 21) % 90}`, now_ms - days * DAY_MS, clients[index % 3]));
    this.history = [...settled, ...this.history].sort((a, b) => b.time_ms - a.time_ms);
    this.earned = [0, 1, 2, 4, 5, 8, 9, 13, 17, 25].map((days, index) => periodFrom(now_ms - days * DAY_MS, (index * 37 + 21) % 90));
    this.caps = { clients_max: 10, month_max_bytes: 50e9, rate_max_bps: 200e6, client_rate_max_bps: 50e6 };
  }

  /** Months are as the days of them come to. */
  earnings(by: ProviderEarnings["by"]): ProviderEarnings {
    const open = this.promises.filter(({ direction }) => direction === "in");
    const unsettled = open.reduce((sum, promise) => sum + parseAmount(promise.amount) - parseAmount(promise.settled), 0n);
    const served = this.sessions.filter((session) => session.client);
    const usage = {
      month: new Date().toISOString().slice(0, 7), month_bytes: this.earned.reduce((sum, period) => sum + period.bytes_down + period.bytes_up, 0),
      clients: served.filter((session) => session.state === "active").length, ...this.caps,
    };
    const periods = by === "day" ? this.earned : this.earned.slice(0, 1).map((period) => ({
      ...period, period: period.period.slice(0, 7), from_ms: Date.parse(`${period.period.slice(0, 7)}-01T00:00:00Z`),
    }));
    return { by, periods, unsettled: amountToWire(unsettled), usage };
  }

  request(asked: Omit<PaymentLink, "link" | "to">): PaymentLink {
    const fields = [["network", this.network], ["to", this.address], ["amount", asked.amount], ["asset", asked.asset === "WAY" ? null : asked.asset],
      ["note", asked.note && encodeURIComponent(asked.note)], ["expires", asked.expires_ms]];
    const text = `byway:pay?${fields.filter(([, value]) => value).map(([name, value]) => `${name}=${value}`).join("&")}`;
    return { ...asked, to: this.address, link: `${text}&check=${checkOf(text)}` };
  }

  /** Null for one that is not whole. */
  readLink(link: string): PaymentLink | null {
    const [text, check] = link.split("&check=");
    if (!text || check !== checkOf(text)) return null;
    const fields = new URLSearchParams(text.replace("byway:pay?", ""));
    const expires = fields.get("expires");
    return {
      link, to: fields.get("to")!, amount: fields.get("amount"), asset: fields.get("asset") ?? "WAY", note: fields.get("note"),
      expires_ms: expires === null ? null : Number(expires),
    };
  }

  entry(kind: Entry["kind"], amount: string, time_ms: number, counterparty?: string): Entry {
    this.#entries += 1;
    return {
      transaction_id: hex(this.#entries, 64), time_ms: Math.round(time_ms), kind, amount, fee: "0",
      counterparty: counterparty ?? null, stage: "final",
    };
  }

  get session(): Session | undefined {
    return this.sessions.find((session) => session.id === this.connection.session_id);
  }

  get openPromise(): PaymentPromise | undefined {
    const provider = this.session?.provider;
    return this.promises.find((promise) => promise.counterparty === provider && promise.serial === String(this.#serial));
  }

  balance(): Balance {
    return {
      wallet: amountToWire(this.wallet), account: amountToWire(this.account), reserved: "0", pending: "0",
      withdrawing: this.withdrawing,
      assets: [{ ...this.asset, wallet: amountToWire(this.held), account: amountToWire(this.heldInAccount), pending: "0" }],
    };
  }

  status(): NodeStatus {
    const now_ms = Date.now();
    return {
      version: "0.1.0", network: this.network, network_name: "local", role: "user",
      uptime_seconds: Math.floor((now_ms - this.startedMs) / 1000),
      ledger: {
        height: this.pulse.height, commits: this.pulse.commits, time_ms: now_ms - 200, lag_ms: this.isKernelReachable ? 0 : null,
        kernel_nodes: this.pulse.nodes(this.isKernelReachable), finality_ms_p50: 43,
      },
      identity: { id: this.identity, name: "browsing", registered: this.isRegistered },
      ...(this.person !== null && { person: this.person }),
      balance: this.balance(),
      proxy: { address: "127.0.0.1:1080", accepting: this.connection.state !== "disconnected" },
      connection: this.connection,
      ...(this.hops.length > 0 ? { hops: this.hops } : {}),
      spending: {
        ...this.limits, day_allowed: this.allowed > 0n ? amountToWire(this.allowed) : null, day_spent: amountToWire(this.spentToday), asks: this.asks,
      },
    };
  }

  setConnection(state: Connection["state"], more: Partial<Connection> = {}): void {
    this.connection = { state, since_ms: Date.now(), rate_down_bps: 0, rate_up_bps: 0, ...more };
  }

  /** Hops as the node would choose them: of other providers than the exit's, each another one. */
  hopsOver(exit: Offer, via: string[]): Hop[] {
    const others = this.offers.filter(({ provider, service }) => provider !== exit.provider && service === "socks");
    const providers = [...new Map(others.map((offer) => [offer.provider, offer])).values()];
    return via.map((wish, place) => {
      const offer = providers[place];
      if (!offer) return { wish, state: "failed", cost: "0" };
      return { wish, state: "connected", provider: offer.provider, country: offer.exit_country, asn: offer.asn, cost: "0.0042" };
    });
  }

  startConnecting(offer: Offer): void {
    this.setConnection("connecting", exitOf(offer));
  }

  openSession(offer: Offer): Session {
    this.#serial += 1;
    const session: Session = {
      id: hex(Date.now() % 1_000_000, 32), offer_id: offer.offer_id, provider: offer.provider, service: offer.service,
      country: offer.exit_country, bytes_up: 0, bytes_down: 0, seconds: 0, seconds_served: 0, price: offer.price!, cost: "0", paid: "0",
      state: "active", started_ms: Date.now(),
    };
    this.sessions = [session, ...this.sessions];
    this.tunnel = { ...this.tunnel, closed: offer.service === "tunnel" };
    this.setConnection("connected", { session_id: session.id, ...exitOf(offer) });
    return session;
  }

  get spentToday(): Amount {
    return this.spent + parseAmount(this.session?.cost ?? "0");
  }

  /** A limit stops a way: that of a proxy port, or else the main one with its session. Gives the session that it ended. */
  stopAtLimit(which: SpendingAsk["which"], proxy?: string): Session | null {
    const limit = which === "session" ? parseAmount(this.limits.session_max!) : parseAmount(this.limits.day_max!) + this.allowed;
    const since_ms = Date.now();
    const words = which === "session" ? `the limit of ${amountToWire(limit)} WAY per session` : `today's spending limit of ${amountToWire(limit)} WAY`;
    const reason = { code: "spending_limit", message: `${words} is reached; \`byway limit allow\` goes on for as much again` };
    this.asks = [...this.asks, { which, limit: amountToWire(limit), since_ms, ...(proxy ? { proxy } : {}) }];
    if (proxy) {
      const connection: Connection = { state: "paused", since_ms, reason, rate_down_bps: 0, rate_up_bps: 0 };
      this.ports = this.ports.map((port) => (port.listen === proxy ? { ...port, connection } : port));
      return null;
    }
    const closed = this.closeSession();
    this.setConnection("paused", { since_ms, reason });
    return closed?.session ?? null;
  }

  /** The user's yes. Gives the session that the main way has now, where it was stopped. */
  goOn(): Session | null {
    const isMain = this.asks.some(({ proxy }) => !proxy);
    const connection: Connection = { state: "connected", since_ms: Date.now(), country: "SE", rate_down_bps: 0, rate_up_bps: 0 };
    this.ports = this.ports.map((port) => (this.asks.some(({ proxy }) => proxy === port.listen) ? { ...port, connection } : port));
    this.asks = [];
    const last = this.sessions.find((session) => !session.client);
    const offer = this.offers.find(({ offer_id }) => offer_id === last?.offer_id) ?? this.offers[0]!;
    return isMain ? this.openSession(offer) : null;
  }

  /** The limit that the open session has reached. */
  limitReached(): SpendingAsk["which"] | null {
    const { day_max, session_max } = this.limits;
    if (session_max && parseAmount(this.session?.cost ?? "0") >= parseAmount(session_max)) return "session";
    return day_max && this.spentToday >= parseAmount(day_max) + this.allowed ? "day" : null;
  }

  /** The exit of the main way says whether it gives a port. */
  answerForward(to: string): void {
    const offer = this.offers.find(({ offer_id }) => offer_id === this.connection.offer_id);
    const without = (code: string, message: string) => ({ public: null, reason: { code, message } });
    this.forwards = this.forwards.map((known) => {
      if (known.to !== to) return known;
      if (!offer) return { ...known, ...without("not_connected", "there is no exit to have it at; `byway connect`") };
      if (!offer.forwards) return { ...known, ...without("refused", "this exit forwards no ports; connect to one that does") };
      return { ...known, public: `203.0.113.7:${known.port ?? 40_017}`, reason: null };
    });
  }

  /** Closes the open session, if any, and settles what it promised. Returns the settlement. */
  closeSession(state: "closed" | "failed" = "closed"): { session: Session; entry: Entry | null } | null {
    const session = this.session;
    if (!session) return null;
    session.state = state;
    session.ended_ms = Date.now();
    this.spent += parseAmount(session.cost);
    const promise = this.openPromise;
    if (!promise) return { session, entry: null };
    return { session, entry: this.settle(promise) };
  }

  settle(promise: PaymentPromise): Entry {
    const due = parseAmount(promise.amount) - parseAmount(promise.settled);
    const isOut = promise.direction === "out";
    this.account += isOut ? -due : due;
    promise.settled = promise.amount;
    promise.settled_ms = promise.updated_ms = Date.now();
    const entry = this.entry(isOut ? "settle_out" : "settle_in", amountToWire(due), Date.now(), promise.counterparty);
    this.history = [entry, ...this.history];
    return entry;
  }

  /** Moves the open session on by a second's traffic. */
  carry(down: number, up: number, span_ms: number): void {
    const session = this.session;
    if (!session || session.state !== "active") return;
    session.bytes_down += down;
    session.bytes_up += up;
    session.seconds = session.seconds_served = Math.round((Date.now() - session.started_ms) / 1000);
    const price = parseAmount(session.price.amount);
    session.cost = amountToWire(session.price.unit === "second" ? price * BigInt(session.seconds) : costOf(session.bytes_down + session.bytes_up, price));
    session.paid = session.cost;
    this.connection = {
      ...this.connection,
      rate_down_bps: Math.round((down * 8000) / span_ms), rate_up_bps: Math.round((up * 8000) / span_ms),
    };
    let promise = this.openPromise;
    if (!promise) {
      promise = {
        direction: "out", counterparty: session.provider, serial: String(this.#serial), amount: "0", settled: "0",
        backing: "account", updated_ms: 0, settled_ms: null,
      };
      this.promises = [promise, ...this.promises];
    }
    promise.amount = session.paid;
    promise.updated_ms = Date.now();
  }
}

function checkOf(text: string): string {
  return hex([...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_003, 7), 8);
}

/** A day on which a hundredth of a coin was earned `hundredths` times. */
function periodFrom(time_ms: number, hundredths: number): EarningsPeriod {
  const from_ms = time_ms - (time_ms % DAY_MS);
  const earned = amountToWire((WAY / 100n) * BigInt(hundredths));
  const carried = { sessions: 2, bytes_up: hundredths * 1e6, bytes_down: hundredths * 19e6 };
  return {
    period: new Date(from_ms).toISOString().slice(0, 10), from_ms, ...carried, earned, settled: earned, fees: "0.001", bounced: "0",
    services: [{ service: "socks", ...carried, earned }],
  };
}

function timedFrom(row: OfferRow, index: number, now_ms: number): Offer {
  const offer = offerFrom(row, index, now_ms);
  const price: Price = { ...offer.price!, unit: "second" };
  return { ...offer, prices: [price], price };
}

function exitOf(offer: Offer): Pick<Connection, "offer_id" | "provider" | "country" | "asn"> {
  return { offer_id: offer.offer_id, provider: offer.provider, country: offer.exit_country, asn: offer.asn };
}

function offerFrom([country, asn, mbps, amount, preferred]: OfferRow, index: number, now_ms: number): Offer {
  const price: Price = { unit: "mb", amount, asset: "WAY", min_reputation: 0 };
  return {
    offer_id: hex(50 + index, 64), provider: hex(20 + index, 40), serial: "1", service: "socks", country,
    exit_country: country, asn, bandwidth_bps: mbps * 1_000_000, prices: [price], price, exit_policy: [],
    contacts: [{ protocol: "iroh", data: hex(80 + index, 64) }], published_ms: now_ms - (index + 1) * 7_200_000,
    expires_ms: now_ms + 10 * DAY_MS - (index + 1) * 7_200_000, preferred: preferred ?? false,
    forwards: FORWARDING.includes(asn),
  };
}
