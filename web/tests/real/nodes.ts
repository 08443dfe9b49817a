/** Nodes for the tests over a real network: one that has the wallet, and others that have joined it. */

import type { ChildProcess } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createSocket } from "node:dgram";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { vi } from "vitest";
import type { Balance, ChannelRecord } from "@byway/client";
import { parseAmount } from "../../src/lib/amount";
import { Network } from "../../../clients/typescript/test/network";
import type { Browser } from "../e2e/browser";

/** What is waited for comes when it comes: a slow machine fails nothing. */
export const PATIENCE = { timeout: 120_000, interval: 250 };

/** Waits until something is as it is to be, and can be looked at; an error says what was awaited, and what was there at the end. */
export async function awaited<T>(what: string, look: () => Promise<T>, isIt: (seen: T) => boolean): Promise<T> {
  let [seen, cause]: [T | undefined, unknown] = [undefined, undefined];
  const isSo = async (): Promise<boolean> => {
    try {
      [seen, cause] = [await look(), undefined];
      return isIt(seen);
    } catch (error) {
      cause = error;
      return false;
    }
  };
  await vi.waitUntil(isSo, PATIENCE).catch(() => {
    throw new Error(`not so within ${PATIENCE.timeout / 1000} s: ${what}; at the end there was ${cause ? String(cause) : JSON.stringify(seen)}`, { cause });
  });
  return seen as T;
}

/** A port for links that is free now. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

export class RealNode {
  #process: ChildProcess | undefined;

  private constructor(readonly network: Network, readonly dir: string) {}

  static first(network: Network): RealNode {
    return new RealNode(network, network.dir);
  }

  /** Joins, runs with these lines added to its configuration, and has so much in its wallet; nothing where none is named. */
  static async join(network: Network, name: string, config: string, coins?: string): Promise<RealNode> {
    const node = new RealNode(network, join(network.folder, name));
    await network.byway(node.dir, ["join", "-"], await network.byway(network.dir, ["network", "link"]));
    const file = join(node.dir, "config.toml");
    // It is found where it was when it has been away.
    writeFileSync(file, readFileSync(file, "utf8").replace('listen = "0.0.0.0:0"', `listen = "127.0.0.1:${await freePort()}"`));
    appendFileSync(file, `\n${config}`);
    await node.start();
    if (coins === undefined) return node;
    await network.byway(network.dir, ["wallet", "send", await node.says("wallet", "address"), coins, "--wait"]);
    // A hub pays for the code that it needs on the ledger as soon as it can.
    await vi.waitUntil(async () => parseAmount((await node.json<Balance>("wallet", "balance")).wallet) > 0n, PATIENCE);
    return node;
  }

  async start(): Promise<void> {
    this.#process = await this.network.startNode(this.dir, ["run", "--ports", "auto"]);
  }

  async stop(): Promise<void> {
    if (this.#process) await this.network.stopNode(this.#process);
  }

  /** As a machine does that loses its power. */
  async kill(): Promise<void> {
    if (this.#process) await this.network.stopNode(this.#process, "SIGKILL");
  }

  /** Waits until a command's answer shows something. */
  until<T>(isIt: (answer: T) => boolean, ...args: string[]): Promise<T> {
    return awaited(`what \`byway ${args.join(" ")}\` says is so`, () => this.json<T>(...args), isIt);
  }

  /** Has the node registered, which coins in its wallet allow. */
  async register(): Promise<void> {
    await this.says("identity", "register");
    await this.until<{ identity: { registered: boolean } }>(({ identity }) => identity.registered, "status");
  }

  /** What a command prints. */
  says(...args: string[]): Promise<string> {
    return this.network.byway(this.dir, args);
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.says(...args, "--json")) as T;
  }

  /** Moves it from the wallet into the account. */
  async deposit(amount: string, ...more: string[]): Promise<void> {
    await this.says("wallet", "deposit", amount, ...more, "--wait");
  }

  channels(): Promise<ChannelRecord[]> {
    return this.json<ChannelRecord[]>("channel", "list");
  }

  /** The channel of which this holds, as soon as there is one. */
  async channel(isIt: (channel: ChannelRecord) => boolean): Promise<ChannelRecord> {
    return vi.waitUntil(async () => (await this.channels()).find(isIt), PATIENCE);
  }

  /** What the page of this node is opened with. */
  link(): Promise<string> {
    return this.says("status", "--link");
  }
}

/** A page of a node. `BYWAY_DIST` names a folder with a built page whose script and styles are taken in place of those in the program. */
export async function openPage(browser: Browser, node: RealNode, part: string): Promise<Page> {
  const link = await node.link();
  const folder = process.env.BYWAY_DIST && join(process.env.BYWAY_DIST, "assets");
  if (folder) {
    // What stands around them stays the node's: a page made up wholly may speak to no address of this machine.
    await browser.context.route(`${new URL(link).origin}/assets/*`, async (route) => {
      const ending = route.request().url().split(".").at(-1)!;
      const name = (await readdir(folder)).find((known) => known.endsWith(`.${ending}`))!;
      await route.fulfill({ body: await readFile(join(folder, name)), contentType: ending === "js" ? "text/javascript" : "text/css" });
    });
  }
  const page = await browser.page(link);
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  await page.evaluate((hash) => (location.hash = hash), part);
  return page;
}
