/** The methods of the mock node; one function each, after `docs/formats/rpc.md`. */

import { amountToWire, parseAmount, readAmount, type Amount } from "../../src/lib/amount";
import type { Entry, ForwardedPort, GivenInvite, GivenPort, Method, Methods, Offer, PaymentLink } from "@byway/client";
import type { OfferFilter } from "../../src/lib/offers";
import { botHandlers } from "./bots";
import { channelHandlers } from "./channels";
import { chatHandlers } from "./chat";
import { deviceHandlers } from "./devices";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { phoneHandlers } from "./phones";
import { changed, Refused } from "./tunnel";
import { hex } from "./world";

export { MethodError };

/** What the page calls. */
type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

export const handlers: Handlers = {
  ...botHandlers,
  ...channelHandlers,
  ...chatHandlers,
  ...phoneHandlers,
  ...deviceHandlers,
  node_status: ({ world }) => world.status(),
  offer_list: ({ world }, { limit = 200, ...filter }) => matching(world.offersOf(filter), filter).slice(0, limit),
  offer_own: ({ world }) => world.ownOffers,
  offer_publish: (node, terms) => {
    if (!node.world.isRegistered) throw new MethodError(1107, "not_registered", "The identity has no pledge on the ledger. Register it first.");
    const offer = node.world.publish(terms);
    return { offer_id: offer.offer_id, entry: recorded(node, "publish", parseAmount("0.01")) };
  },
  offer_withdraw: (node, { offer_id }) => {
    node.world.ownOffers = node.world.ownOffers.filter((offer) => offer.offer_id !== offer_id);
    return recorded(node, "publish", 0n);
  },
  name_primary: (node, { name }) => {
    node.chat.names.choose(name);
    return recorded(node, "publish", 0n);
  },
  identity_register: (node) => {
    node.world.isRegistered = true;
    node.publishStatus();
    return recorded(node, "pledge", parseAmount("1"));
  },
  offer_prefer: (node, { provider, preferred }) => {
    for (const offer of node.world.offers) if (offer.provider === provider) offer.preferred = preferred;
    node.publishOffers();
    return {};
  },
  connect: async (node, params) => {
    const offer = offerFor(node.world, params);
    const before = node.world.connection;
    node.world.startConnecting(offer);
    node.publishStatus();
    await node.pause(node.connectDelayMs);
    if (node.world.connection.state !== "connecting") throw new MethodError(1106, "superseded", "Another connect took over.");
    node.world.connection = before;
    const previous = node.world.closeSession();
    if (previous) node.publishSession(previous.session);
    const session = node.world.openSession(offer);
    node.world.hops = node.world.hopsOver(offer, params.via ?? []);
    node.publishSession(session);
    node.publishStatus();
    return { ...session };
  },
  disconnect: (node) => {
    const closed = node.world.closeSession();
    node.world.setConnection("disconnected");
    node.world.tunnel = { ...node.world.tunnel, closed: false };
    if (closed) node.publishSession(closed.session);
    if (closed?.entry) node.publishWallet([closed.entry]);
    for (const promise of node.world.promises) node.publishPromise(promise);
    node.publishStatus();
    return {};
  },
  session_list: ({ world }) => world.sessions,
  spending_limits_set: (node, limits) => {
    node.world.limits = { ...node.world.limits, ...limits };
    if (limits.day_max !== undefined) node.world.allowed = 0n;
    if (node.world.asks.length > 0 && node.world.limitReached() === null) node.goOn();
    else node.publishStatus();
    return node.world.status().spending;
  },
  spending_allow: (node, { amount }) => {
    const { world } = node;
    if (amount !== undefined && parseAmount(amount) === 0n) {
      throw new MethodError(1204, "amount_too_small", "The amount is below 0.000000000000000001 WAY. Raise it.", { field: "amount" });
    }
    if (amount === undefined && world.asks.length === 0) {
      throw new MethodError(1216, "nothing_to_allow", "No limit has stopped anything. To allow more today ahead of that, say how much.");
    }
    if (amount !== undefined || world.asks.some(({ which }) => which === "day")) world.allowed += parseAmount(amount ?? world.limits.day_max!);
    node.goOn();
    return world.status().spending;
  },
  tunnel_settings: ({ world }) => world.tunnel,
  tunnel_settings_set: ({ world }, asked) => {
    try {
      return (world.tunnel = changed(world.tunnel, asked));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new MethodError(-32602, "invalid_params", error.message, { field: error.field });
    }
  },
  market_earnings: ({ world }, { by = "day", limit = 200 }) => {
    const earnings = world.earnings(by);
    return { ...earnings, periods: earnings.periods.slice(0, limit) };
  },
  market_blocks: ({ world }) => world.blocks,
  market_ports: ({ world }) => world.givenPorts,
  market_port_close: ({ world }, { port, protocol }) => {
    const isMeant = (given: GivenPort): boolean => given.port === port && (!protocol || given.protocol === protocol);
    const closed = world.givenPorts.filter(isMeant);
    if (closed.length === 0) throw new MethodError(1136, "port_not_given", `No client has port ${port}. \`byway provider ports\` shows what there is.`);
    world.givenPorts = world.givenPorts.filter((given) => !isMeant(given));
    return closed;
  },
  market_block: ({ world }, { destination, for_ms, note }) => {
    if (!/^[a-z0-9.:*/-]+$/i.test(destination)) {
      throw new MethodError(-32602, "invalid_params", "`destination` is not right: it is no domain, address or network.", { field: "destination" });
    }
    const block = { destination: destination.toLowerCase(), since_ms: Date.now(), until_ms: for_ms === undefined ? null : Date.now() + for_ms, note: note ?? null };
    world.blocks = [block, ...world.blocks.filter((known) => known.destination !== block.destination)];
    return block;
  },
  market_unblock: ({ world }, { destination }) => {
    const block = world.blocks.find((known) => known.destination === destination);
    if (!block) throw new MethodError(1118, "block_not_found", "Nothing of this name is blocked. See what is, and take it from there.");
    world.blocks = world.blocks.filter((known) => known !== block);
    return block;
  },
  sub_account_list: ({ world }) => world.subAccounts,
  sub_account_create: ({ world }, { name, limit, per = "never" }) => {
    if (!/^[a-z0-9-]+$/i.test(name)) {
      throw new MethodError(-32602, "invalid_params", "The parameter `name` can't be used: a name has letters, digits and hyphens. Correct it and call again.", { field: "name" });
    }
    const account = { name, limit, per, spent: "0", spent_in_all: "0", created_ms: Date.now(), revoked: false };
    world.subAccounts = [...world.subAccounts, account];
    return { account, token: hex(900, 64) };
  },
  sub_account_revoke: ({ world }, { name }) => {
    const account = world.subAccounts.find((known) => known.name === name);
    if (!account) throw new MethodError(-32602, "invalid_params", "There is no such sub-account.", { field: "name" });
    account.revoked = true;
    return account;
  },
  proxy_port_list: ({ world }) => world.ports,
  proxy_port_open: ({ world }, { listen = "127.0.0.1:41080", pay, ...wish }) => {
    if (world.ports.some((known) => known.listen === listen)) {
      throw new MethodError(1125, "cannot_listen", `Something else listens at ${listen}. Choose another port.`);
    }
    const connection = { state: "idle" as const, since_ms: Date.now(), rate_down_bps: 0, rate_up_bps: 0 };
    const said = pay && pay !== "auto" ? { pay } : {};
    const port = { listen, configured: false, connection, ...wish, ...said };
    world.ports = [...world.ports, port];
    return port;
  },
  proxy_port_close: ({ world }, { listen }) => {
    world.ports = world.ports.filter((known) => known.listen !== listen);
    return {};
  },
  forward_list: ({ world }) => world.forwards,
  forward_open: (node, { to, protocol = "tcp", port, proxy_protocol = false }) => {
    if (to.startsWith("0.0.0.0:")) {
      throw new MethodError(-32602, "invalid_params",
        "The parameter `to` can't be used: it must be where a program listens, such as 127.0.0.1:8080. Correct it and call again.", { field: "to" });
    }
    const waiting = { code: "waiting", message: "the exit is asked for it" };
    const opened = { to, protocol, port: port ?? null, proxy_protocol, public: null, reason: waiting, visitors: 0 };
    node.world.forwards = [...node.world.forwards.filter((known) => known.to !== to || known.protocol !== protocol), opened];
    node.later(200, () => node.world.answerForward(to));
    return opened;
  },
  forward_close: ({ world }, { to, protocol = "tcp" }) => {
    const isIt = (known: ForwardedPort): boolean => known.to === to && known.protocol === protocol;
    if (!world.forwards.some(isIt)) {
      throw new MethodError(1135, "forward_not_open", `No port is forwarded to ${to}. \`byway forward list\` shows those that are.`);
    }
    world.forwards = world.forwards.filter((known) => !isIt(known));
    return {};
  },
  network_link: ({ world }) => ({ link: `byway:net/${hex(77, 400)}`, name: "local", network: world.network }),
  invite_list: ({ world }) => ({ given: world.invites, accepted: world.accepted }),
  invite_new: (node, { coins, pledge = true, within_seconds = 30 * 86_400 }) => {
    const value = taken(node, coins, "wallet");
    node.world.wallet -= value;
    const entry = recorded(node, "send", value);
    const invite = node.world.invite(coins, pledge ? "1" : "0", within_seconds * 1000, entry.transaction_id);
    if (node.invitePayMs === 0) node.world.noteInvite(invite.number, "open");
    else node.later(node.invitePayMs, () => node.world.noteInvite(invite.number, "open"));
    return { ...inviteOf(node.world, invite.number) };
  },
  invite_show: ({ world }, { number }) => {
    const invite = inviteOf(world, number);
    return invite.stage === "open" ? { invite, link: `byway:invite/${hex(number + 500, 560)}` } : { invite };
  },
  invite_take_back: (node, { number }) => {
    const { stage, coins } = inviteOf(node.world, number);
    if (stage !== "open") throw new MethodError(1141, "invite_not_open", "Somebody has taken it already.", { stage });
    node.world.noteInvite(number, "taking_back");
    node.later(300, () => node.world.noteInvite(number, "taken_back"));
    node.world.wallet += parseAmount(coins);
    return recorded(node, "receive", parseAmount(coins));
  },
  service_list: ({ world }) => world.services,
  service_open: ({ world }, { service, listen = "127.0.0.1:42000" }) => {
    if (service !== "http-fetch") throw new MethodError(1101, "no_offer_matches", "Nobody sells that. Look at the name again.");
    const access = { service, listen };
    world.services = { ...world.services, open: [...world.services.open, access] };
    return { access, session: world.sessions[0]! };
  },
  service_close: ({ world }, { listen }) => {
    world.services = { ...world.services, open: world.services.open.filter((known) => known.listen !== listen) };
    return {};
  },
  promise_list: ({ world }) => world.promises,
  promise_settle: (node, { counterparty }) => {
    const open = node.world.promises.filter((promise) =>
      promise.counterparty === counterparty && promise.direction === "in" && promise.amount !== promise.settled);
    if (open.length === 0) throw new MethodError(1206, "nothing_to_settle", "Everything is settled with this counterparty already.");
    const entries = open.map((promise) => node.world.settle(promise));
    for (const promise of open) node.publishPromise(promise);
    node.publishWallet(entries);
    return { entries, asked: true };
  },
  wallet_address: ({ world }) => ({ address: world.address }),
  wallet_view_key: ({ world }, { understood }) => {
    if (understood !== true) throw new MethodError(-32602, "invalid_params", "`understood` is not right: it must be true.", { field: "understood" });
    return { view_key: world.viewKey, address: world.address };
  },
  group_list: ({ world }) => world.groups,
  wallet_balance: ({ world }) => world.balance(),
  wallet_history: ({ world }) => world.history,
  wallet_send: (node, { to, amount, asset }) => {
    if (!to.startsWith("way")) {
      throw new MethodError(1205, "invalid_address", "That is not an address of this network. Ask the receiver to copy it again.", { field: "to" });
    }
    if (asset === node.world.asset.asset) {
      const value = parseAmount(amount);
      node.world.held -= value;
      return recorded(node, "send", value, to, node.world.asset);
    }
    const value = taken(node, amount, "wallet");
    node.world.wallet -= value;
    return recorded(node, "send", value, to);
  },
  wallet_request: ({ world }, { amount, asset, note, expires_ms }) => world.request({ amount, asset: asset ?? "WAY", note, expires_ms }),
  wallet_link: ({ world }, { link }) => linkOf(world, link),
  wallet_pay: (node, { link, amount }) => {
    const asked = linkOf(node.world, link);
    const value = taken(node, asked.amount ?? amount ?? "", "wallet");
    node.world.wallet -= value;
    return recorded(node, "send", value, asked.to);
  },
  wallet_deposit: (node, { amount, asset }) => {
    if (asset === node.world.asset.asset) {
      const moved = parseAmount(amount);
      node.world.held -= moved;
      node.world.heldInAccount += moved;
      node.publishStatus();
      return recorded(node, "deposit", moved, undefined, node.world.asset);
    }
    const value = taken(node, amount, "wallet");
    node.world.wallet -= value;
    node.world.account += value;
    return recorded(node, "deposit", value);
  },
  wallet_withdraw: (node, { amount, to }) => {
    if (to && !to.startsWith("way")) {
      throw new MethodError(1205, "invalid_address", "That is not an address of this network. Ask the receiver to copy it again.", { field: "to" });
    }
    const value = taken(node, amount, "account");
    node.world.account -= value;
    node.world.withdrawing = [...node.world.withdrawing, { amount, available_ms: Date.now() + 600_000, to: to ?? null }];
    return recorded(node, "withdraw", value, to);
  },
  wallet_withdraw_cancel: (node) => {
    const leaving = node.world.withdrawing.reduce((sum, { amount }) => sum + parseAmount(amount), 0n);
    if (leaving === 0n) throw new MethodError(1218, "nothing_to_withdraw", "Nothing is about to leave the account.");
    node.world.withdrawing = [];
    node.world.account += leaving;
    return recorded(node, "withdraw_cancel", leaving);
  },
  kernel_pulse: ({ world }) => world.pulse.view(),
  kernel_status: ({ world }) => world.pulse.status(world.isKernelReachable),
  kernel_members: ({ world }) => world.pulse.members(world.isKernelReachable),
  kernel_transaction: ({ world }, { transaction_id }) => {
    const entry = world.history.find((known) => known.transaction_id === transaction_id);
    if (!entry) throw new MethodError(1303, "transaction_not_found", "No such transaction is known. Check the id.");
    const proof = { certificate: hex(1, 900), range: hex(2, 1_400) };
    return { transaction_id, stage: entry.stage, certified: true, height: 1_200, time_ms: entry.time_ms, position: 51_233, proof };
  },
  kernel_checkpoints: ({ world }, { from, limit = 20 }) => {
    const first = from ?? Math.max(1, world.pulse.height - limit + 1);
    const heights = Array.from({ length: Math.max(0, Math.min(limit, world.pulse.height - first + 1)) }, (_, index) => first + index);
    return heights.map((height) => world.pulse.checkpoint(height));
  },
  kernel_evidence: ({ world }) => world.evidence,
  ledger_transaction: (_, { transaction_id }) => ({ transaction_id, stage: "final", certified: true, height: 1_200, inputs: 2, outputs: 6 }),
  ledger_identity: ({ world }, { id }) => ({
    id, registered: id === world.identity, pledge: id === world.identity ? "1" : null, since_ms: id === world.identity ? Date.now() - 86_400_000 : null,
    account: "12.5", withdrawing: [], offers: world.offers.filter((offer) => offer.provider === id).map((offer) => offer.offer_id), bounces: 0,
  }),
};

function matching(offers: Offer[], filter: OfferFilter): Offer[] {
  const max = filter.max_price === undefined ? null : parseAmount(filter.max_price);
  return offers
    .filter((offer) => !filter.country || offer.exit_country === filter.country)
    .filter((offer) => filter.asn === undefined || offer.asn === filter.asn)
    .filter((offer) => offer.bandwidth_bps >= (filter.min_bandwidth_bps ?? 0))
    .filter((offer) => offer.forwards || !filter.forwards)
    .filter((offer) => max === null || parseAmount(offer.price!.amount) <= max)
    .sort((a, b) => Number(b.preferred) - Number(a.preferred) || rank(a, filter.sort) - rank(b, filter.sort));
}

/** By price where nothing is said, as the node sorts. */
function rank(offer: Offer, sort: OfferFilter["sort"]): number {
  const points = offer.quality?.score ?? 500;
  const price = Number(offer.price!.amount);
  return sort === "quality" ? -points : sort === "both" ? price / (250 + points) : price;
}

function offerFor(world: MockNode["world"], params: Methods["connect"]["params"]): Offer {
  if (params.offer_id) {
    const units = params.unit ? [params.unit] : (["mb", "second"] as const);
    const known = units.flatMap((unit) => ["socks", "tunnel"].flatMap((service) => world.offersOf({ service, unit })));
    const offer = known.find(({ offer_id }) => offer_id === params.offer_id);
    if (!offer) throw new MethodError(1102, "offer_not_found", "This offer is gone. Choose another one.");
    return offer;
  }
  const [offer] = matching(world.offersOf(params), params);
  if (!offer) {
    throw new MethodError(1101, "no_offer_matches", "No offer matches. Raise the highest price or choose another country.");
  }
  return offer;
}

function inviteOf(world: MockNode["world"], number: number): GivenInvite {
  const invite = world.invites.find((known) => known.number === number);
  if (!invite) throw new MethodError(1140, "invite_not_found", "This node gave no invite of that number.");
  return invite;
}

function linkOf(world: MockNode["world"], link: string): PaymentLink {
  const asked = world.readLink(link);
  if (!asked) {
    throw new MethodError(1127, "link_refused", "That link asks for no payment: its end is missing. Copy the whole link again, or ask for a new one.");
  }
  if (asked.expires_ms && asked.expires_ms <= Date.now()) {
    throw new MethodError(1128, "link_expired", "The time of this payment link is over. Ask for a new one.");
  }
  return asked;
}

function taken(node: MockNode, amount: string, from: "wallet" | "account"): Amount {
  const read = readAmount(amount);
  if (!read.ok) throw new MethodError(-32602, "invalid_params", read.problem, { field: "amount" });
  const available = node.world[from];
  if (read.amount > available) {
    const number = from === "wallet" ? 1202 : 1203;
    const rest = amountToWire(available);
    throw new MethodError(number, `insufficient_${from}`, `The ${from} holds ${rest} WAY. Enter at most that.`, { needed: amount, available: rest });
  }
  return read.amount;
}

/** Books an entry that is included first and final a moment later, as the real ledger does. */
function recorded(node: MockNode, kind: Entry["kind"], amount: Amount, counterparty?: string, asset?: Entry["asset"]): Entry {
  const entry = node.world.entry(kind, amountToWire(amount), Date.now(), counterparty);
  if (asset) entry.asset = { asset: asset.asset, symbol: asset.symbol };
  entry.stage = "included";
  node.world.history = [entry, ...node.world.history];
  node.publishWallet([entry]);
  node.later(400, () => {
    entry.stage = "final";
    node.publishWallet([entry]);
    node.publishStatus();
  });
  return { ...entry };
}
