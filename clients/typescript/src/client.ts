/**
 * A client of a node: calls and events over one WebSocket that is opened again whenever it breaks.
 *
 * What becomes of a call when the link breaks: one that takes a key against repetition was given one, and is sent again
 * with the same key, so that it happens once; any other fails with `link_lost`, since nobody knows whether it happened.
 * Subscriptions are made anew after each opening, and the node begins each with the state as of then.
 */

import { type ErrorCode, type Events, KEYED, type Method, type Methods, type Topic } from "./contract.js";

const SUBPROTOCOL = "byway.v1";
const CLOSE_BAD_TOKEN = 4401;
const CALL_WAIT_MS = 15_000;
/** These try several providers, or wait for the ledger, before they answer. */
const SLOW_WAIT_MS = 60_000;
const SLOW: ReadonlySet<string> = new Set(["connect", "service_open", "promise_settle", "ledger_audit"]);
/** Those about channels that ask nobody; the others wait for the peer, for the ledger, or for both. */
const CHANNEL_WAIT_MS = 120_000;
const CHANNEL_QUICK: ReadonlySet<string> = new Set(["channel_list", "channel_show", "channel_log", "channel_message", "channel_look", "channel_decline"]);
/** How long nothing may be heard before the node is asked whether it is there. */
const SILENCE_MAX_MS = 10_000;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 15_000;
/** What may wait for an answer at one time: as many as the node takes from one connection. */
const CALLS_MAX = 32;

/** The part of a WebSocket that is used; browsers bring theirs, `node.ts` one for Node 20. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

export type ClientState = "opening" | "open" | "waiting" | "closed";

export interface ClientOptions {
  /** Where the node's API listens, such as `127.0.0.1:7071`. */
  rpc: string;
  /** 64 hex digits. */
  token: string;
  openSocket?: (url: string, protocols: string[]) => Socket;
  /** Hears of each change. */
  onState?: (state: ClientState) => void;
}

/**
 * An error of a call. `code` is the stable word: one of `ErrorCode`, a later one, or one of this client's own: `link_lost`,
 * `timeout`, `closed`, `busy`. `message` is for people.
 */
export class BywayError extends Error {
  override readonly name = "BywayError";

  constructor(
    readonly code: ErrorCode | (string & {}),
    message: string,
    readonly number = 0,
    readonly data: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

interface Pending {
  method: Method;
  text: string;
  wasSent: boolean;
  resolve: (result: never) => void;
  reject: (error: BywayError) => void;
  timer: ReturnType<typeof setTimeout>;
}

type Listener = (data: never) => void;

export class BywayClient {
  readonly #options: ClientOptions;
  #socket: Socket | null = null;
  #state: ClientState = "waiting";
  #attempt = 0;
  #next = 1;
  #pending = new Map<number, Pending>();
  #listeners = new Map<Topic, Set<Listener>>();
  /** Requests for subscriptions, and what they gave; both belong to the link. */
  #asked = new Map<number, Topic>();
  #subscribed = new Map<Topic, string>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#open();
  }

  get state(): ClientState {
    return this.#state;
  }

  /**
   * Calls a method. A key against repetition is made where the method takes one and none is given. Rejects with a
   * `BywayError`.
   */
  call<M extends Method>(method: M, params?: Methods[M]["params"]): Promise<Methods[M]["result"]> {
    if (this.#state === "closed") return Promise.reject(new BywayError("closed", "This client was closed."));
    if (this.#pending.size >= CALLS_MAX) {
      return Promise.reject(new BywayError("busy", "Too many calls are waiting for answers; wait for some."));
    }
    const key = KEYED.has(method) ? { idempotency_key: randomKey() } : {};
    const id = this.#next++;
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...key, ...params } });
    return new Promise((resolve, reject) => {
      const wait = waitOf(method);
      const timer = setTimeout(() => this.#fail(id, new BywayError("timeout", "The node did not answer in time.")), wait);
      const call: Pending = { method, text, wasSent: false, resolve: resolve as Pending["resolve"], reject, timer };
      this.#pending.set(id, call);
      this.#send(call);
    });
  }

  /** Hears of a topic from now on, first its state as it is. Gives what ends that. */
  on<T extends Topic>(topic: T, listener: (data: Events[T]) => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set<Listener>();
    const isFirst = listeners.size === 0;
    listeners.add(listener as Listener);
    this.#listeners.set(topic, listeners);
    if (isFirst) this.#subscribe(topic);
    return () => {
      if (listeners.delete(listener as Listener) && listeners.size === 0) this.#unsubscribe(topic);
    };
  }

  /** Ends it for good; calls that wait fail with `closed`. */
  close(): void {
    this.#set("closed");
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#socket?.close();
    this.#socket = null;
    for (const id of [...this.#pending.keys()]) this.#fail(id, new BywayError("closed", "This client was closed."));
  }

  #set(state: ClientState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #open(): void {
    this.#set("opening");
    const protocols = [SUBPROTOCOL, `byway.token.${this.#options.token}`];
    const openSocket = this.#options.openSocket ?? ((url, list) => new WebSocket(url, list) as unknown as Socket);
    const socket = openSocket(`ws://${this.#options.rpc}/`, protocols);
    this.#socket = socket;
    // One that was given up may still report; only the current one is listened to.
    socket.onopen = () => this.#socket === socket && this.#opened();
    socket.onmessage = (event) => this.#socket === socket && this.#heard(event.data);
    socket.onclose = (event) => this.#socket === socket && this.#lost(event.code);
  }

  #opened(): void {
    this.#set("open");
    this.#listen();
    for (const [topic, listeners] of this.#listeners) if (listeners.size > 0) this.#subscribe(topic);
    for (const call of this.#pending.values()) this.#send(call);
  }

  #send(call: Pending): void {
    if (this.#state !== "open" || !this.#socket) return;
    call.wasSent = true;
    this.#socket.send(call.text);
  }

  #subscribe(topic: Topic): void {
    if (this.#state !== "open") return;
    const id = this.#next++;
    this.#asked.set(id, topic);
    this.#say(id, "subscribe", { topics: [topic] });
  }

  #unsubscribe(topic: Topic): void {
    const subscription = this.#subscribed.get(topic);
    // One that is not answered yet is ended when it is.
    if (subscription === undefined || this.#state !== "open") return;
    this.#subscribed.delete(topic);
    this.#say(this.#next++, "unsubscribe", { subscription });
  }

  #say(id: number, method: string, params: object): void {
    this.#socket?.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  }

  /** A link that is open but dead is noticed by its silence. */
  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#say(this.#next++, "kernel_members", {});
      this.#silence = setTimeout(() => this.#abandon(), SILENCE_MAX_MS);
    }, SILENCE_MAX_MS);
  }

  #abandon(): void {
    const socket = this.#socket;
    this.#lost(1006);
    socket?.close();
  }

  #heard(data: unknown): void {
    this.#listen();
    this.#attempt = 0;
    let message: Record<string, any>;
    try {
      message = JSON.parse(String(data));
    } catch {
      return this.#abandon();
    }
    if (message.method === "event") {
      const { topic, data } = message.params ?? {};
      this.#listeners.get(topic)?.forEach((listener) => listener(data as never));
    } else if (message.error) {
      const { code, message: said, data } = message.error;
      this.#fail(message.id, new BywayError(data?.code ?? "internal", said, code, data));
    } else {
      const topic = this.#asked.get(message.id);
      if (topic === undefined) return this.#take(message.id)?.resolve(message.result as never);
      this.#asked.delete(message.id);
      this.#subscribed.set(topic, String(message.result));
      if (!this.#listeners.get(topic)?.size) this.#unsubscribe(topic);
    }
  }

  #lost(code: number): void {
    clearTimeout(this.#silence);
    this.#socket = null;
    this.#asked.clear();
    this.#subscribed.clear();
    if (this.#state === "closed") return;
    const refused = code === CLOSE_BAD_TOKEN;
    for (const [id, call] of [...this.#pending]) {
      if (refused) this.#fail(id, new BywayError("bad_token", "The node does not know this token."));
      else if (call.wasSent && !KEYED.has(call.method)) {
        this.#fail(id, new BywayError("link_lost", "The link to the node was lost before it answered."));
      }
    }
    this.#set("waiting");
    const full = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#attempt++, 10));
    this.#retry = setTimeout(() => this.#open(), refused ? RETRY_MAX_MS : full * (1 - 0.25 * Math.random()));
  }

  #take(id: unknown): Pending | undefined {
    const call = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (call) {
      clearTimeout(call.timer);
      this.#pending.delete(id as number);
    }
    return call;
  }

  #fail(id: unknown, error: BywayError): void {
    this.#take(id)?.reject(error);
  }
}

/** 128 random bits as hex. */
function waitOf(method: string): number {
  if (method.startsWith("channel_") && !CHANNEL_QUICK.has(method)) return CHANNEL_WAIT_MS;
  return SLOW.has(method) ? SLOW_WAIT_MS : CALL_WAIT_MS;
}

function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
