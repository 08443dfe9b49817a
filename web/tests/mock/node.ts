/**
 * A mock node: serves the built page and answers the contract over WebSocket, with traffic that moves.
 *
 * Tests steer it from the same process: break links, make methods fail, change the world. It checks the token
 * and the origin as the contract says, and sends the page's headers, so that a policy that breaks the page is
 * found here.
 */

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { WebSocketServer, type WebSocket } from "ws";
import type { ChannelDetail, ChatItem, Entry, Events, Method, Promise as PaymentPromise, Session, SpendingAsk } from "@byway/client";
import { parseAmount } from "../../src/lib/amount";
import { CLOSE_BAD_TOKEN, SUBPROTOCOL, TOPICS, type PageTopic } from "../../src/lib/rpc";
import { MockBots } from "./bots";
import { MockChannels } from "./channels";
import { MockChat } from "./chat";
import { HOLDING } from "./holding";
import { handlers, MethodError } from "./methods";
import { MockDevices } from "./devices";
import { MockPhones } from "./phones";
import { hex, World } from "./world";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; " +
  "connect-src ws://127.0.0.1:* ws://localhost:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Offers that an event carries. */
const EVENT_MAX = 200;

/** Methods of the contract, and those of the socket itself. */
type Asked = Method | "subscribe" | "unsubscribe";

export interface MockOptions {
  /** Folder of the built page; without it only the RPC is served. */
  dist?: string;
  /** `"any"` for the development server, whose port is its own. */
  webOrigins?: "own" | "any";
}

export class MockNode {
  readonly world = new World();
  readonly channels = new MockChannels();
  readonly chat = new MockChat(this.world.identity, (topic, data) => this.#publish(topic, data));
  readonly bots = new MockBots();
  readonly phones = new MockPhones((status) => this.#publish("phone", status));
  readonly devices = new MockDevices(this.world.identity, (status) => this.#publish("device", status));
  readonly token = hex(7, 64);
  /** How long `connect` takes, so that "connecting" can be seen. */
  connectDelayMs = 700;
  /** How long an invite is being paid for; 0 where it is open by the time of the answer. */
  invitePayMs = 300;
  /** Traffic of the open session per second; 0 for none. */
  bytesPerSecond = 6_000_000;
  webPort = 0;
  rpcPort = 0;
  /** Every call received, for tests. */
  readonly calls: { method: string; params: unknown }[] = [];
  #failures = new Map<string, MethodError>();
  #held = new Set<Method>();
  #subscriptions = new Map<WebSocket, { id: string; topics: PageTopic[] }>();
  #webServer: Server | null = null;
  #rpcServer: Server = createServer((_, response) => void response.writeHead(405).end());
  #sockets: WebSocketServer;
  #timers: NodeJS.Timeout[] = [];
  #isRpcUp = true;

  private constructor(readonly options: MockOptions) {
    this.#sockets = new WebSocketServer({ noServer: true, handleProtocols: (names) => (names.has(SUBPROTOCOL) ? SUBPROTOCOL : false) });
    this.#rpcServer.on("upgrade", (request, socket, head) => {
      const host = request.headers.host ?? "";
      if (!this.#isRpcUp || !/^(127\.0\.0\.1|localhost):/.test(host) || !this.#isOriginAllowed(request.headers.origin)) {
        socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, request));
    });
  }

  static async start(options: MockOptions = {}): Promise<MockNode> {
    const node = new MockNode(options);
    node.rpcPort = await listen(node.#rpcServer);
    if (options.dist) {
      const dist = options.dist;
      node.#webServer = createServer((request, response) => void serveFile(dist, request, response));
      node.webPort = await listen(node.#webServer);
    }
    node.#timers.push(setInterval(() => node.#tickTraffic(), 1000), setInterval(() => node.#tickKernel(), 550));
    return node;
  }

  async stop(): Promise<void> {
    this.#timers.forEach(clearInterval);
    this.#sockets.clients.forEach((socket) => socket.terminate());
    await Promise.all([this.#rpcServer, this.#webServer].map((server) => server && new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    })));
  }

  get link(): string {
    return `http://127.0.0.1:${this.webPort}/#token=${this.token}&rpc=${this.rpcPort}`;
  }

  /** The next call of a method fails so. */
  failNext(method: Method, error: MethodError): void {
    this.#failures.set(method, error);
  }

  /** The next call of a method is received and never answered. */
  holdNext(method: Method): void {
    this.#held.add(method);
  }

  /** Breaks all links; while `isUp` is false new ones are refused, as by a node that isn't running. */
  setRpcUp(isUp: boolean): void {
    this.#isRpcUp = isUp;
    if (!isUp) this.#sockets.clients.forEach((socket) => socket.terminate());
  }

  pause(ms: number): Promise<void> {
    return new Promise((done) => setTimeout(done, ms));
  }

  later(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }

  publishStatus(): void {
    this.#publish("status", this.world.status());
  }
  publishSession(session: Session): void {
    this.#publish("session", session);
  }
  publishOffers(): void {
    this.#publish("offers", this.world.offers.slice(0, EVENT_MAX));
  }
  publishPromise(promise: PaymentPromise): void {
    this.#publish("promise", promise);
  }
  publishChannel(channel: ChannelDetail): void {
    this.#publish("channel", channel);
  }
  publishWallet(entries: Entry[]): void {
    this.#publish("wallet", { balance: this.world.balance(), entries });
  }

  /** A limit stops the main way, or that of a proxy port. */
  stopAtLimit(which: SpendingAsk["which"], proxy?: string): void {
    const ended = this.world.stopAtLimit(which, proxy);
    if (ended) this.publishSession(ended);
    this.publishStatus();
  }

  /** What limits have stopped goes on. */
  goOn(): void {
    const session = this.world.goOn();
    if (session) this.publishSession(session);
    this.publishStatus();
  }

  /** A payment from somebody, which is final a moment later. */
  receive(amount: string): void {
    const entry = this.world.entry("receive", amount, Date.now());
    entry.stage = "included";
    this.world.wallet += parseAmount(amount);
    this.world.history = [entry, ...this.world.history];
    this.publishWallet([entry]);
    this.later(400, () => {
      entry.stage = "final";
      this.publishWallet([entry]);
    });
  }

  #isOriginAllowed(origin: string | undefined): boolean {
    if (this.options.webOrigins === "any" || origin === undefined) return true;
    return origin === `http://127.0.0.1:${this.webPort}` || origin === `http://localhost:${this.webPort}`;
  }

  #accept(socket: WebSocket, request: IncomingMessage): void {
    const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    if (!protocols.includes(`byway.token.${this.token}`)) {
      socket.close(CLOSE_BAD_TOKEN, "bad_token");
      return;
    }
    socket.on("message", (data) => void this.#answer(socket, String(data)));
    socket.on("close", () => this.#subscriptions.delete(socket));
  }

  async #answer(socket: WebSocket, text: string): Promise<void> {
    const { id, method, params } = JSON.parse(text) as { id: number; method: Asked; params: never };
    this.calls.push({ method, params });
    if (this.#held.delete(method as Method)) return;
    const reply = (body: object) => socket.send(JSON.stringify({ jsonrpc: "2.0", id, ...body }));
    try {
      reply({ result: await this.#run(socket, method, params) });
      if (method === "subscribe") this.#sendCurrent(socket);
    } catch (error) {
      if (!(error instanceof MethodError)) throw error;
      reply({ error: { code: error.number, message: error.message, data: { code: error.code, ...error.data } } });
    }
  }

  async #run(socket: WebSocket, method: Asked, params: never): Promise<unknown> {
    const failure = this.#failures.get(method);
    if (failure) {
      this.#failures.delete(method);
      throw failure;
    }
    if (method === "subscribe") {
      this.#subscriptions.set(socket, { id: "a1", topics: (params as { topics: PageTopic[] }).topics });
      return "a1";
    }
    if (method === "unsubscribe") return {};
    const handler = handlers[method] as ((node: MockNode, params: never) => unknown) | undefined;
    if (!handler) throw new MethodError(-32601, "method_not_found", "There is no such method.");
    return handler(this, params);
  }

  #sendCurrent(socket: WebSocket): void {
    const send = <T extends PageTopic>(topic: T, data: Events[T]) => this.#send(socket, topic, data);
    send("status", this.world.status());
    send("offers", this.world.offers.slice(0, EVENT_MAX));
    send("pulse", this.world.pulse.view());
    send("checkpoint", this.world.pulse.checkpoint(this.world.pulse.height));
    send("phone", this.phones.status());
    send("device", this.devices.status());
    send("holding", HOLDING);
    send("wallet", { balance: this.world.balance(), entries: [] });
    for (const person of this.chat.people) send("people", person);
    for (const conversation of this.chat.list()) send("conversation", conversation);
    for (const item of this.chat.reminders()) send("reminder", item);
    if (this.world.session) send("session", this.world.session);
  }

  #publish<T extends PageTopic>(topic: T, data: Events[T]): void {
    if (topic === "message") this.#remind(data as Events["message"]);
    for (const socket of this.#sockets.clients) this.#send(socket, topic, data);
  }

  /** Tells of a note when its time comes. */
  #remind(item: ChatItem): void {
    const wait = (item.remind_ms ?? 0) - Date.now();
    if (wait > 0 && wait < 60_000) setTimeout(() => this.#publish("reminder", item), wait).unref();
  }

  #send<T extends PageTopic>(socket: WebSocket, topic: T, data: Events[T]): void {
    const subscription = this.#subscriptions.get(socket);
    if (!subscription?.topics.includes(topic) || !TOPICS.includes(topic)) return;
    socket.send(JSON.stringify({ jsonrpc: "2.0", method: "event", params: { subscription: subscription.id, topic, data } }));
  }

  #tickTraffic(): void {
    if (this.world.connection.state === "connected" && this.bytesPerSecond > 0) {
      const wave = 0.62 + 0.3 * Math.sin(Date.now() / 4_300) + 0.12 * Math.sin(Date.now() / 1_100);
      this.world.carry(Math.round(this.bytesPerSecond * wave), Math.round(this.bytesPerSecond * 0.05 * wave), 1000);
      this.publishSession(this.world.session!);
      if (this.world.openPromise) this.publishPromise(this.world.openPromise);
      const reached = this.world.limitReached();
      if (reached) this.stopAtLimit(reached);
    }
    this.publishStatus();
  }

  #tickKernel(): void {
    if (!this.world.isKernelReachable) return;
    const { height } = this.world.pulse;
    this.world.pulse.advance(Date.now() - 140, this.world.connection.state === "connected" ? 0.8 : 0.2);
    this.#publish("pulse", this.world.pulse.view());
    if (this.world.pulse.height > height) this.#publish("checkpoint", this.world.pulse.checkpoint(this.world.pulse.height));
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(0, "127.0.0.1", () => done((server.address() as AddressInfo).port));
  });
}

async function serveFile(dist: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? "/", "http://localhost").pathname;
  const file = normalize(path === "/" ? "/index.html" : path);
  try {
    const body = await readFile(join(dist, file));
    response.writeHead(200, {
      "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", "Content-Security-Policy": POLICY,
      "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
      "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}
