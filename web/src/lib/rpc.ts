/**
 * The page's line to its node: JSON-RPC 2.0 over one WebSocket that is opened again whenever it breaks.
 *
 * A call made while the link is down fails at once with `link_lost`: nothing is queued, since a payment that
 * goes out minutes after the click is worse than an error. Subscriptions belong to a connection, so the owner
 * makes them anew in `onOpen`. A link that is open but dead is found by asking `node_status` after a silence.
 *
 * That is also why it is not `BywayClient` of `clients/typescript`, which keeps calls for programs that nobody
 * watches; the types of calls and events are those made for it. Clock, timers and the socket are those of the
 * platform; tests replace the socket and use fake timers.
 */

import type { Events, Method, Methods, Topic } from "@byway/client";

/** All that the node tells of by itself. */
export const TOPICS = ["status", "session", "offers", "wallet", "promise", "channel", "people", "conversation", "message", "sign", "book", "reminder", "phone", "device", "holding", "pulse", "checkpoint"] as const satisfies Topic[];

/** What of that a phone is told. */
export const PHONE_TOPICS = ["status", "wallet", "people", "conversation", "message", "sign", "book", "reminder"] as const satisfies Topic[];

/** One of those. */
export type PageTopic = (typeof TOPICS)[number];
/** Close code of a WebSocket whose token is missing or wrong. */
export const CLOSE_BAD_TOKEN = 4401;
/** First of the two subprotocols; the second is `byway.token.HEX`. */
export const SUBPROTOCOL = "byway.v1";

const CALL_TIMEOUT_MS = 15_000;
const MINUTE_MS = 60_000;
/** Calls that take longer: they try several providers, or wait for a peer, a person there, or the ledger. */
const TIMEOUTS_MS: Partial<Record<Method, number>> = {
  chat_ask: MINUTE_MS,
  connect: MINUTE_MS, service_open: MINUTE_MS, device_link: MINUTE_MS,
  channel_pay: MINUTE_MS, channel_lane: MINUTE_MS, channel_absorb: MINUTE_MS, channel_update: MINUTE_MS, channel_cancel: MINUTE_MS, channel_deploy: MINUTE_MS, channel_call: MINUTE_MS,
  channel_upgrade: MINUTE_MS, channel_remove: MINUTE_MS,
  channel_leave: 5 * MINUTE_MS, contract_call: 5 * MINUTE_MS,
  channel_fund: 5 * MINUTE_MS, channel_force: 5 * MINUTE_MS, channel_close: 6 * MINUTE_MS,
  channel_accept: 15 * MINUTE_MS, channel_open: 25 * MINUTE_MS,
};
/** An upgrade on loopback takes a millisecond; this is for a node that is stuck. */
const OPEN_TIMEOUT_MS = 8_000;
const SILENCE_MAX_MS = 10_000;
const PROBE_TIMEOUT_MS = 10_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 15_000;

export type LinkState =
  | { kind: "opening" }
  | { kind: "open" }
  /** Broken; the next attempt is at `retryAtMs`. `everOpen` tells a lost link from one that never was. */
  | { kind: "waiting"; retryAtMs: number; attempt: number; everOpen: boolean }
  | { kind: "refused" }
  | { kind: "closed" };

/** An error of a call: the node's, or the link's (`link_lost`, `timeout`). `message` is meant for people. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  constructor(
    readonly code: string,
    message: string,
    readonly number: number = 0,
    readonly data: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** Any thrown thing as a sentence for a person. */
export function errorMessage(error: unknown): string {
  if (error instanceof RpcError) return error.code === "invalid_params" ? inFields(error.message) : error.message;
  return "Something on this page went wrong. Reload it and try again.";
}

/** A refused parameter in words for somebody who sees fields and knows of no calls. */
function inFields(message: string): string {
  const [, why] = /^The parameter `[^`]*` can't be used: (.+)\. Correct it and call again\.$/.exec(message) ?? [];
  return why ? `${why[0]?.toUpperCase()}${why.slice(1)}. Correct it and try again.` : message;
}

/** The part of the browser's WebSocket that is used; tests bring their own. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface RpcOptions {
  url: string;
  token: string;
  onState: (state: LinkState) => void;
  onOpen: () => void;
  onEvent: <T extends PageTopic>(topic: T, data: Events[T]) => void;
  openSocket?: (url: string, protocols: string[]) => Socket;
  /** 0..1, for the jitter of retries. */
  random?: () => number;
}

interface Pending {
  resolve: (result: never) => void;
  reject: (error: RpcError) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** Wait before attempt `attempt` (1, 2, …): doubles up to the bound, less up to a quarter of jitter. */
export function retryDelayMs(attempt: number, random: number): number {
  const full = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 16));
  return Math.round(full * (1 - 0.25 * random));
}

export class RpcClient {
  #options: RpcOptions;
  #socket: Socket | null = null;
  #isOpen = false;
  #everOpen = false;
  #isClosed = false;
  #attempt = 0;
  #idNext = 1;
  #pending = new Map<number, Pending>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RpcOptions) {
    this.#options = options;
  }

  open(): void {
    if (this.#isClosed || this.#socket) return;
    clearTimeout(this.#timer);
    this.#options.onState({ kind: "opening" });
    const protocols = [SUBPROTOCOL, `byway.token.${this.#options.token}`];
    const openSocket = this.#options.openSocket ?? ((url, list) => new WebSocket(url, list) as unknown as Socket);
    const socket = openSocket(this.#options.url, protocols);
    this.#socket = socket;
    // A socket that was given up may still report later; only the current one is listened to.
    socket.onopen = () => this.#socket === socket && this.#handleOpen();
    socket.onmessage = (event) => this.#socket === socket && this.#handleMessage(event.data);
    socket.onclose = (event) => this.#socket === socket && this.#handleClose(event.code);
    this.#timer = setTimeout(() => this.#abandon(), OPEN_TIMEOUT_MS);
  }

  /** Ends the link for good. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
    this.#options.onState({ kind: "closed" });
  }

  /** Tries again now instead of at the end of the wait. */
  retryNow(): void {
    if (!this.#socket) this.open();
  }

  call<M extends Method>(method: M, params: Methods[M]["params"]): Promise<Methods[M]["result"]> {
    return this.#send(method, params, TIMEOUTS_MS[method] ?? CALL_TIMEOUT_MS);
  }

  /** From now on events come; it ends with the socket. */
  async subscribe(topics: readonly PageTopic[]): Promise<void> {
    await this.#send("subscribe", { topics }, CALL_TIMEOUT_MS);
  }

  #send<T>(method: string, params: object, timeout_ms: number): Promise<T> {
    const socket = this.#socket;
    if (!socket || !this.#isOpen) return Promise.reject(linkLost());
    const id = this.#idNext++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#expire(id), timeout_ms);
      this.#pending.set(id, { resolve: resolve as (result: never) => void, reject, timer });
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  #handleOpen(): void {
    this.#isOpen = true;
    clearTimeout(this.#timer);
    this.#heard();
    // The attempt count falls only with a first message: a node that accepts and closes at once (a wrong
    // token, too many connections) must not be asked again without a pause.
    this.#options.onState({ kind: "open" });
    this.#options.onOpen();
  }

  #handleMessage(data: unknown): void {
    this.#heard();
    this.#attempt = 0;
    this.#everOpen = true;
    const message = parseMessage(data);
    if (!message) return;
    if (message.method === "event") {
      const params = message.params as { topic?: PageTopic; data?: never } | undefined;
      if (params?.topic && params.data !== undefined) this.#options.onEvent(params.topic, params.data);
      return;
    }
    const pending = typeof message.id === "number" ? this.#pending.get(message.id) : undefined;
    if (!pending) return;
    this.#pending.delete(message.id as number);
    clearTimeout(pending.timer);
    if (message.error !== undefined) pending.reject(nodeError(message.error));
    else pending.resolve(message.result as never);
  }

  #handleClose(code: number): void {
    if (code === CLOSE_BAD_TOKEN) {
      this.#isClosed = true;
      this.#drop();
      this.#options.onState({ kind: "refused" });
      return;
    }
    this.#abandon();
  }

  /** Gives the socket up and waits for the next attempt. */
  #abandon(): void {
    this.#drop();
    if (this.#isClosed) return;
    this.#attempt += 1;
    const delay_ms = retryDelayMs(this.#attempt, (this.#options.random ?? Math.random)());
    this.#options.onState({
      kind: "waiting",
      retryAtMs: Date.now() + delay_ms,
      attempt: this.#attempt,
      everOpen: this.#everOpen,
    });
    this.#timer = setTimeout(() => this.open(), delay_ms);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of lost) {
      clearTimeout(pending.timer);
      pending.reject(linkLost());
    }
  }

  #expire(id: number): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.reject(new RpcError("timeout", "The node did not answer in time. See whether it still runs, then try again."));
  }

  /** Something came over the link: restarts the watch for silence. */
  #heard(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#probe(), SILENCE_MAX_MS);
  }

  #probe(): void {
    if (!this.#isOpen) return;
    this.#timer = setTimeout(() => this.#abandon(), PROBE_TIMEOUT_MS);
    // Any answer counts, errors too, and is noticed in #handleMessage.
    this.call("node_status", {}).catch(() => undefined);
  }
}

function linkLost(): RpcError {
  return new RpcError("link_lost", "The link to your node is down. It is being restored; try again in a moment.");
}

function nodeError(error: unknown): RpcError {
  const { code, message, data } = (error ?? {}) as { code?: unknown; message?: unknown; data?: unknown };
  const details = typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
  const number = typeof code === "number" ? code : 0;
  const name = typeof details.code === "string" ? details.code : number === -32601 ? "method_not_found" : "unknown";
  const text = typeof message === "string" && message !== "" ? message : "The node refused without a reason.";
  return new RpcError(name, text, number, details);
}

interface Message {
  id?: unknown;
  method?: unknown;
  params?: unknown;
  result?: unknown;
  error?: unknown;
}

function parseMessage(data: unknown): Message | null {
  if (typeof data !== "string") return null;
  try {
    const message: unknown = JSON.parse(data);
    return typeof message === "object" && message !== null ? message : null;
  } catch {
    return null;
  }
}

/** A fresh key that makes a writing call safe to repeat. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
