import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { errorMessage, retryDelayMs, RpcClient, RpcError, type LinkState, type Socket } from "../../src/lib/rpc";

class FakeSocket implements Socket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: { id: number; method: string; params: unknown }[] = [];
  isClosed = false;
  constructor(readonly url: string, readonly protocols: string[]) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.isClosed = true;
  }
  open(): void {
    this.onopen?.(undefined as never);
  }
  say(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
  breakOff(code = 1006): void {
    this.onclose?.({ code });
  }
}

let sockets: FakeSocket[];
let states: LinkState[];
let events: [string, unknown][];
let client: RpcClient;
let opened: number;

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  states = [];
  events = [];
  opened = 0;
  client = new RpcClient({
    url: "ws://127.0.0.1:7071/",
    token: "abc123",
    onState: (state) => states.push(state),
    onOpen: () => (opened += 1),
    onEvent: (topic, data) => events.push([topic, data]),
    openSocket: (url, protocols) => {
      const socket = new FakeSocket(url, protocols);
      sockets.push(socket);
      return socket;
    },
    random: () => 0,
  });
  client.open();
});
afterEach(() => vi.useRealTimers());

const last = () => sockets.at(-1)!;
const kind = () => states.at(-1)?.kind;

test("offers the version and the token as subprotocols, and says when it is open", () => {
  expect(last().protocols).toEqual(["byway.v1", "byway.token.abc123"]);
  expect(kind()).toBe("opening");
  last().open();
  expect(kind()).toBe("open");
  expect(opened).toBe(1);
});

describe("calls", () => {
  test("answers are matched by id in any order", async () => {
    last().open();
    const first = client.call("wallet_address", {});
    const second = client.call("session_list", { limit: 5 });
    const [a, b] = last().sent;
    expect(b).toMatchObject({ jsonrpc: "2.0", method: "session_list", params: { limit: 5 } });
    last().say({ jsonrpc: "2.0", id: b!.id, result: [] });
    last().say({ jsonrpc: "2.0", id: a!.id, result: { address: "way1" } });
    expect(await first).toEqual({ address: "way1" });
    expect(await second).toEqual([]);
  });

  test("an error carries the node's code, sentence and details", async () => {
    last().open();
    const call = client.call("connect", {});
    last().say({ id: last().sent[0]!.id, error: { code: 1101, message: "No offer matches.", data: { code: "no_offer_matches", tried: 2 } } });
    await expect(call).rejects.toMatchObject({ code: "no_offer_matches", number: 1101, message: "No offer matches.", data: { tried: 2 } });
  });

  test.each([[{ code: -32601, message: "no" }, "method_not_found"], [null, "unknown"], ["x", "unknown"]])(
    "an odd error %j is still an error", async (error, code) => {
      last().open();
      const call = client.call("disconnect", {});
      last().say({ id: last().sent[0]!.id, error });
      await expect(call).rejects.toMatchObject({ code });
    });

  test("time out, and a late answer does nothing", async () => {
    last().open();
    const call = client.call("node_status", {});
    const rejected = expect(call).rejects.toMatchObject({ code: "timeout" });
    const { id } = last().sent[0]!;
    for (let second = 0; second < 15; second += 5) {
      last().say({ method: "event", params: { topic: "status", data: {} } });
      vi.advanceTimersByTime(5_000);
    }
    await rejected;
    last().say({ id, result: {} });
    expect(kind()).toBe("open");
  });

  test.each([["node_status", 15], ["channel_pay", 60], ["channel_open", 25 * 60]] as const)(
    "%s waits for as long as whom it asks may take", async (method, ends) => {
      last().open();
      const call = client.call(method, {} as never);
      let isOver = false;
      void call.catch(() => (isOver = true));
      for (let second = 0; second < ends; second += 1) {
        last().say({ method: "event", params: { topic: "status", data: {} } });
        await vi.advanceTimersByTimeAsync(1_000);
        expect(isOver, `after ${second + 1} s`).toBe(second + 1 >= ends);
      }
    });

  test("fail at once while the link is down, and are not queued", async () => {
    await expect(client.call("disconnect", {})).rejects.toMatchObject({ code: "link_lost" });
    last().open();
    expect(last().sent).toEqual([]);
  });

  test("in flight when the link breaks fail", async () => {
    last().open();
    const call = client.call("wallet_send", { to: "x", amount: "1", idempotency_key: "k" });
    last().breakOff();
    await expect(call).rejects.toMatchObject({ code: "link_lost" });
  });
});

test("events reach the owner; rubbish does no harm", () => {
  last().open();
  for (const rubbish of ["{", "null", "[]", '"x"', '{"method":"event"}', '{"id":99,"result":1}']) last().say(rubbish);
  last().onmessage?.({ data: new ArrayBuffer(2) });
  last().say({ method: "event", params: { subscription: "a", topic: "offers", data: [] } });
  expect(events).toEqual([["offers", []]]);
});

describe("a broken link", () => {
  test("is opened again after growing pauses, which a first message ends", () => {
    last().open();
    last().say({ method: "event", params: { topic: "offers", data: [] } });
    for (const pause of [500, 1_000, 2_000, 4_000]) {
      last().breakOff();
      expect(states.at(-1)).toMatchObject({ kind: "waiting", everOpen: true, retryAtMs: Date.now() + pause });
      const before = sockets.length;
      vi.advanceTimersByTime(pause - 1);
      expect(sockets).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(sockets).toHaveLength(before + 1);
    }
    last().open();
    expect(opened).toBe(2);
    last().say({ method: "event", params: { topic: "offers", data: [] } });
    last().breakOff();
    expect(states.at(-1)).toMatchObject({ kind: "waiting", attempt: 1 });
  });

  test("that opens and closes without a word is not hammered", () => {
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      last().open();
      last().breakOff(4429);
      expect(states.at(-1)).toMatchObject({ kind: "waiting", attempt });
      vi.advanceTimersToNextTimer();
    }
  });

  test("can be tried at once, and only one attempt runs", () => {
    last().breakOff();
    client.retryNow();
    client.retryNow();
    expect(sockets).toHaveLength(2);
    vi.advanceTimersByTime(1_000);
    expect(sockets).toHaveLength(2);
  });

  test("that hangs while opening is given up", () => {
    vi.advanceTimersByTime(8_000);
    expect(kind()).toBe("waiting");
    expect(sockets[0]!.isClosed).toBe(true);
  });

  test("that is silent is asked, and given up without an answer", () => {
    last().open();
    vi.advanceTimersByTime(10_000);
    expect(last().sent.at(-1)?.method).toBe("node_status");
    last().say({ id: last().sent.at(-1)!.id, result: {} });
    vi.advanceTimersByTime(9_999);
    expect(kind()).toBe("open");
    vi.advanceTimersByTime(1);
    expect(last().sent).toHaveLength(2);
    vi.advanceTimersByTime(10_000);
    expect(kind()).toBe("waiting");
  });

  test("a socket that was given up is not listened to any more", () => {
    const old = last();
    old.open();
    old.breakOff();
    vi.advanceTimersByTime(500);
    expect(old.onmessage).toBeNull();
  });
});

test("a wrong token ends it: no further attempts", () => {
  last().open();
  last().breakOff(4401);
  expect(kind()).toBe("refused");
  vi.advanceTimersByTime(100_000);
  client.retryNow();
  expect(sockets).toHaveLength(1);
});

test("closing ends it", () => {
  last().open();
  client.close();
  expect(kind()).toBe("closed");
  vi.advanceTimersByTime(100_000);
  expect(sockets).toHaveLength(1);
});

test.each([
  [new RpcError("invalid_params", "The parameter `destination` can't be used: no such name. Correct it and call again."), "No such name. Correct it and try again."],
  [new RpcError("invalid_params", "Something else."), "Something else."],
  [new RpcError("busy", "The parameter `a` can't be used: b. Correct it and call again."), "The parameter `a` can't be used: b. Correct it and call again."],
  [new TypeError("x"), "Something on this page went wrong. Reload it and try again."],
])("%s is told so", (error, words) => expect(errorMessage(error)).toBe(words));

test("pauses double up to a bound, with jitter below", () => {
  expect([1, 2, 3, 10, 1_000].map((attempt) => retryDelayMs(attempt, 0))).toEqual([500, 1_000, 2_000, 15_000, 15_000]);
  expect(retryDelayMs(10, 1)).toBe(11_250);
});
