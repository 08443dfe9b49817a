/** What `examples/` and the guide for integrators tell people to run, run against a real node. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

import { type BywayClient, clientOf } from "../src/node.js";
import { type Ended, Network } from "./network.js";

/** From where this is compiled to. */
const ROOT = resolve(import.meta.dirname, "../../../..");
const GUIDE = readFileSync(join(ROOT, "docs/guide/integrators.md"), "utf8");
/** An example that waits for what never comes fails instead of waiting on. */
const PATIENCE = { timeout: 300_000 };
const AGAIN_MS = 200;

let network: Network;
let client: BywayClient;
let bin: string;

before(async () => {
  network = await Network.start();
  client = clientOf(network.dir);
  bin = join(network.folder, "bin");
  mkdirSync(bin);
  symlinkSync(resolve(network.binary), join(bin, "byway"));
});

after(async () => {
  client?.close();
  await network?.stop();
});

/** As somebody has it who follows the guide: `byway` is found, and the node's folder named. */
function environment(): NodeJS.ProcessEnv {
  return { ...network.environment(network.dir), PATH: `${bin}:${process.env.PATH}`, DIR: network.dir, rpc: run().rpc };
}

function run(): { rpc: string } {
  return JSON.parse(readFileSync(join(network.dir, "run.json"), "utf8")) as { rpc: string };
}

function shell(script: string): Promise<Ended> {
  return network.launch("sh", ["-eu", "-c", script], { cwd: network.dir, env: environment() }).ended;
}

/** A block of the guide that begins with these words. */
function block(beginning: string): string {
  const found = [...GUIDE.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text!).find((text) => text.startsWith(beginning));
  assert.ok(found, `the guide has no block that begins with ${beginning}`);
  return found;
}

/** Another node of the network, with a wallet that holds `coins`. */
async function payer(coins: string): Promise<string> {
  const dir = join(network.folder, "payer");
  await network.byway(dir, ["join", "-"], await network.byway(network.dir, ["network", "link"]));
  await network.startNode(dir, ["run", "--ports", "auto"]);
  await network.byway(network.dir, ["wallet", "send", await network.byway(dir, ["wallet", "address"]), coins, "--wait"]);
  const its = clientOf(dir);
  while ((await its.call("wallet_balance")).wallet !== coins) await new Promise((done) => setTimeout(done, AGAIN_MS));
  its.close();
  return dir;
}

test("resell.sh makes a sub-account, whose token does what it may and nothing else", PATIENCE, async () => {
  const script = join(ROOT, "examples/bash/resell.sh");
  const { code, out, err } = await network.launch("sh", [script, "customer-1"], { env: environment() }).ended;
  assert.equal(code, 0, err);
  type Answer = { result?: Record<string, unknown> & unknown[]; error?: { code: number } };
  const [offers, session, account, balance, end, ...more] = out.trim().split("\n").map((line) => JSON.parse(line) as Answer);
  assert.equal(offers?.result?.length, 1);
  assert.equal(session?.result?.state, "active");
  assert.equal(account?.result?.name, "customer-1");
  assert.equal(balance?.error?.code, 1130);
  assert.deepEqual(end?.result, {});
  assert.equal(more.length, 0);
});

test("resell.sh says why where it can't make one", PATIENCE, async () => {
  const script = join(ROOT, "examples/bash/resell.sh");
  const { code, err } = await network.launch("sh", [script, "customer-1"], { env: environment() }).ended;
  assert.equal(code, 1);
  assert.match(err, /"code":"/);
});

test("invoice.py prints a link, and says when it is paid", PATIENCE, async () => {
  const dir = await payer("3");
  const example = network.launch("python3", [join(ROOT, "examples/python/invoice.py"), "0.25", "Invoice 271"], { env: environment() });
  const link = await example.said(/^byway:pay\?.*$/m);
  await network.byway(dir, ["wallet", "pay", link, "--wait"]);
  const { code, out, err } = await example.ended;
  assert.equal(code, 0, err);
  const [, paid] = /^paid: ([0-9a-f]{64})$/m.exec(out) ?? [];
  const entry = (await client.call("wallet_history", { limit: 50 })).find(({ transaction_id, kind }) => transaction_id === paid && kind === "receive");
  assert.equal(entry?.amount, "0.25");
});

test("watch.ts prints the session that it opened, and closes it when it is stopped", PATIENCE, async () => {
  const built = join(network.folder, "built");
  const options = ["--rootDir", ROOT, "--outDir", built, "--target", "ES2022", "--module", "ESNext", "--moduleResolution", "bundler", "--strict",
    "--skipLibCheck", "--types", "node", "--typeRoots", join(ROOT, "web/node_modules/@types")];
  const compiler = join(ROOT, "web/node_modules/.bin/tsc");
  const compiled = await network.launch(compiler, [join(ROOT, "examples/typescript/watch.ts"), ...options], { cwd: network.folder }).ended;
  assert.equal(compiled.code, 0, compiled.out);
  writeFileSync(join(built, "package.json"), '{"type":"module"}');
  const example = network.launch(process.execPath, [join(built, "examples/typescript/watch.js")], { env: environment() });
  await example.said(/^connected through DE for [0-9.]+ per MB$/m);
  await example.said(/^[0-9a-f]{8} active: \d+ bytes down for [0-9.]+ WAY$/m);
  example.child.kill("SIGINT");
  assert.equal((await example.ended).code, 0);
  assert.equal((await client.call("node_status")).connection.state, "disconnected");
});

test("the guide's first call is answered", PATIENCE, async () => {
  const { code, out, err } = await shell(block('curl "http://$rpc/"'));
  assert.equal(code, 0, err);
  assert.equal((JSON.parse(out) as { result: { network_name: string } }).result.network_name, "local");
});

test("the guide's payment link is made, shown and paid", PATIENCE, async () => {
  const [request, show, pay, ...more] = block("byway wallet request").trim().split("\n");
  assert.equal(more.length, 0);
  const link = (await shell(request!)).out.trim();
  assert.match(link, /^byway:pay\?network=[0-9a-f]+&to=way[0-9a-f]+&amount=2\.5&note=Invoice%20271&expires=\d+&check=[0-9a-f]{8}$/);
  const withLink = (line: string): string => {
    assert.ok(line.includes("byway:pay?…"), line);
    return line.replace("byway:pay?…", link);
  };
  const shown = await shell(withLink(show!));
  assert.match(shown.out, /^amount +2\.5 WAY$/m);
  assert.match(shown.out, /^note +Invoice 271$/m);
  const paid = await shell(withLink(pay!));
  assert.equal(paid.code, 0, paid.err);
  assert.match(paid.out, /2\.5 WAY: final/);
});

test("the guide's sub-account is made, listed and revoked", PATIENCE, async () => {
  const { code, out, err } = await shell(block("byway account create"));
  assert.equal(code, 0, err);
  assert.match(out, /[0-9a-f]{64}/, "the token");
  const account = (await client.call("sub_account_list")).find(({ name }) => name === "customer-7");
  assert.deepEqual([account?.limit, account?.per, account?.revoked], ["5", "day", true]);
});

test("the guide's every call is one that the node describes", () => {
  const documents = ["openrpc.json", "openrpc-peer.json"].map((name) => JSON.parse(readFileSync(join(ROOT, "docs/formats", name), "utf8")));
  const known = new Set(documents.flatMap((document: { methods: { name: string }[] }) => document.methods.map(({ name }) => name)));
  const table = GUIDE.slice(GUIDE.indexOf("## Commands and calls"));
  const calls = [...table.matchAll(/^\| `.*\| (`.*`) +\|$/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
  assert.ok(calls.length > 40, `only ${calls.length} calls were found`);
  assert.deepEqual(calls.filter((name) => !known.has(name)), []);
});
