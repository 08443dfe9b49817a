/**
 * A network of its own for a test file: `byway up` in a new folder.
 *
 * `BYWAY_BINARY` names the program; `cargo xtask test` sets it.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** A passphrase for keystores that hold nothing. */
const PASSPHRASE = "for a test only";

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

export class Network {
  readonly folder = mkdtempSync(join(tmpdir(), "byway-client-"));
  /** Of the node that has the wallet. */
  readonly dir = join(this.folder, "network");
  readonly #running: ChildProcess[] = [];

  private constructor(readonly binary: string) {}

  /** `more`: arguments of `byway up` beside those that every test has. */
  static async start(more: string[] = []): Promise<Network> {
    const binary = process.env.BYWAY_BINARY;
    assert.ok(binary, "BYWAY_BINARY must name the byway program; `cargo xtask test --only client-test` sets it");
    const network = new Network(binary);
    await network.startNode(network.dir, ["up", "--alone", "--ports", "auto", "--providers", "1", ...more]);
    return network;
  }

  /** Runs a node until it is [stopped](stopNode), or the network; it is ready when this is over. */
  async startNode(dir: string, args: string[]): Promise<ChildProcess> {
    const node = spawn(this.binary, ["--dir", dir, ...args], { stdio: ["ignore", "pipe", "inherit"], env: this.environment(dir) });
    this.#running.push(node);
    await said(node, /ready/i);
    return node;
  }

  /** As Ctrl-C does, or with another signal; it is gone when this is over. */
  async stopNode(node: ChildProcess, signal: NodeJS.Signals = "SIGINT"): Promise<void> {
    if (node.exitCode !== null || node.signalCode !== null) return;
    const gone = new Promise((resolve) => node.once("exit", resolve));
    node.kill(signal);
    await gone;
  }

  async stop(): Promise<void> {
    for (const child of this.#running.reverse()) await this.stopNode(child);
    rmSync(this.folder, { recursive: true, force: true });
  }

  environment(dir: string): NodeJS.ProcessEnv {
    return { ...process.env, BYWAY_DIR: dir, BYWAY_PASSPHRASE: PASSPHRASE };
  }

  /** Starts a program that is ended with the network if it has not ended before. */
  launch(program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Launched {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
    this.#running.push(child);
    return new Launched(child);
  }

  /** What a command of the node in `dir` says; it must succeed. */
  async byway(dir: string, args: string[], input = ""): Promise<string> {
    const launched = this.launch(this.binary, args, { env: this.environment(dir) });
    // One that reads nothing may have ended by then; what it says of that counts.
    launched.child.stdin?.on("error", () => undefined).end(input);
    const { code, out, err } = await launched.ended;
    assert.equal(code, 0, `byway ${args.join(" ")}: ${err}`);
    return out.trim();
  }
}

export class Launched {
  #out = "";
  #err = "";
  readonly ended: Promise<Ended>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.on("data", (text) => (this.#out += text));
    child.stderr?.on("data", (text) => (this.#err += text));
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, out: this.#out, err: this.#err }));
    });
  }

  /** The part of what it has printed that matches, as soon as it has; an error if it ends before. */
  async said(pattern: RegExp): Promise<string> {
    return said(this.child, pattern, this.#out);
  }
}

function said(child: ChildProcess, pattern: RegExp, before = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = before;
    const look = (): void => {
      const found = pattern.exec(text);
      if (found) resolve(found[0]);
    };
    (child.stdout as Readable).on("data", (more) => {
      text += more;
      look();
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`it ended with ${code} before it said ${pattern}: ${text}`)));
    look();
  });
}
