/** The client against a real node. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { type BywayClient, BywayError, clientOf, nodeSocket, type Socket } from "../src/node.js";
import { Network } from "./network.js";

let network: Network | undefined;
let dir: string;
let client: BywayClient;
/** The links that the client has opened, to be cut by tests. */
const sockets: Socket[] = [];

before(async () => {
  network = await Network.start();
  dir = network.dir;
  const openSocket = (url: string, protocols: string[]): Socket => {
    const socket = nodeSocket(url, protocols);
    sockets.push(socket);
    return socket;
  };
  client = clientOf(dir, { openSocket });
});

after(async () => {
  client?.close();
  await network?.stop();
});

test("calls are answered", async () => {
  const status = await client.call("node_status");
  assert.equal(status.network_name, "local");
  const offers = await client.call("offer_list", { limit: 5 });
  assert.equal(offers.length, 1);
  const kernel = await client.call("kernel_status");
  assert.ok(kernel);
});

test("errors are typed", async () => {
  const unknown = "00".repeat(32);
  await assert.rejects(client.call("connect", { offer_id: unknown }), (error) => {
    assert.ok(error instanceof BywayError);
    assert.equal(error.code, "offer_not_found");
    assert.equal(error.number, 1102);
    return true;
  });
});

test("a payment is made once, and events tell of it", async () => {
  const { address } = await client.call("wallet_address");
  const heard = new Promise<string>((resolve) => {
    const stop = client.on("wallet", (change) => {
      const sent = change.entries.find((entry) => entry.kind === "send");
      if (!sent) return;
      stop();
      resolve(sent.transaction_id);
    });
  });
  const key = "one-payment-only";
  const params = { to: address, amount: "1", idempotency_key: key };
  const [first, second] = await Promise.all([client.call("wallet_send", params), client.call("wallet_send", params)]);
  assert.equal(first.transaction_id, second.transaction_id);
  assert.equal(await heard, first.transaction_id);
  const made = await client.call("wallet_send", { to: address, amount: "1" });
  assert.notEqual(made.transaction_id, first.transaction_id, "without a key of the caller's each call is its own");
});

test("a link that is cut is opened again, and what has a key goes on", async () => {
  await client.call("wallet_balance");
  const before = sockets.length;
  const { address } = await client.call("wallet_address");
  const states = new Promise<void>((resolve) => {
    const stop = client.on("status", () => {
      if (sockets.length > before) {
        stop();
        resolve();
      }
    });
  });
  const paid = client.call("wallet_send", { to: address, amount: "2" });
  const asked = client.call("ledger_audit");
  sockets.at(-1)?.close();
  await assert.rejects(asked, (error) => error instanceof BywayError && error.code === "link_lost");
  const entry = await paid;
  assert.equal(entry.amount, "2");
  await states;
  const history = await client.call("wallet_history", { limit: 50 });
  assert.equal(history.filter((line) => line.kind === "send" && line.amount === "2").length, 1, "and happened once");
});

test("a wrong token is refused", async () => {
  const stranger = clientOf(dir, { token: "00".repeat(32) });
  await assert.rejects(stranger.call("node_status"), (error) => error instanceof BywayError && error.code === "bad_token");
  stranger.close();
});
