/** What Node needs beside browsers: a WebSocket for Node 20, and finding a node by its folder. */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";

import { BywayClient, type ClientOptions, type Socket } from "./client.js";

export * from "./index.js";

/** As RFC 6455 says. */
const ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const HEADER_MAX = 14;
/** Bytes of a message: more than a node sends. */
const MESSAGE_MAX = 64 * 1024 * 1024;

/** A client of the node that runs in `dir` (`--dir` of `byway`). */
export function clientOf(dir: string, options: Partial<ClientOptions> = {}): BywayClient {
  const run = JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as { rpc: string; token_file: string };
  const token = readFileSync(run.token_file, "utf8").trim();
  return new BywayClient({ rpc: run.rpc, token, openSocket: nodeSocket, ...options });
}

/** A WebSocket over `node:http`, with what a node's API uses of the protocol: text, pings and closing. */
export function nodeSocket(url: string, protocols: string[]): Socket {
  return new NodeSocket(url.replace(/^ws:/, "http:"), protocols);
}

class NodeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  #stream: Duplex | null = null;
  #unread = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #code = 1006;
  #isOver = false;

  constructor(url: string, protocols: string[]) {
    const key = randomBytes(16).toString("base64");
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      "Sec-WebSocket-Protocol": protocols.join(", "),
    };
    const asked = request(url, { headers });
    asked.on("upgrade", (answer, stream, head) => {
      const expected = createHash("sha1").update(key + ACCEPT).digest("base64");
      if (answer.headers["sec-websocket-accept"] !== expected) return stream.destroy();
      this.#stream = stream;
      stream.on("data", (bytes: Buffer) => this.#read(bytes));
      stream.on("error", () => this.#over());
      stream.on("close", () => this.#over());
      this.onopen?.();
      if (head.length > 0) this.#read(head);
    });
    asked.on("response", (answer) => {
      answer.destroy();
      this.#over();
    });
    asked.on("error", () => this.#over());
    asked.end();
  }

  send(text: string): void {
    this.#write(TEXT, Buffer.from(text));
  }

  close(): void {
    this.#write(CLOSE, Buffer.from([0x03, 0xe8]));
    this.#stream?.end();
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream?.destroy();
    this.onclose?.({ code: this.#code });
  }

  /** One frame, masked as a client's must be. */
  #write(kind: number, payload: Buffer): void {
    const [short, length] = lengthOf(payload.length);
    const mask = randomBytes(4);
    const body = Buffer.alloc(payload.length);
    for (let at = 0; at < payload.length; at++) body[at] = payload[at]! ^ mask[at % 4]!;
    this.#stream?.write(Buffer.concat([Buffer.from([0x80 | kind, 0x80 | short]), length, mask, body]));
  }

  #read(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (let frame = this.#frame(); frame; frame = this.#frame()) this.#take(frame);
    if (this.#unread.length > MESSAGE_MAX + HEADER_MAX) this.#over();
  }

  /** The next whole frame of what was read. */
  #frame(): { isLast: boolean; kind: number; payload: Buffer } | null {
    const from = this.#unread;
    if (from.length < 2) return null;
    const short = from[1]! & 0x7f;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (from.length < start) return null;
    const length = short === 126 ? from.readUInt16BE(2) : short === 127 ? Number(from.readBigUInt64BE(2)) : short;
    if (from.length < start + length) return null;
    this.#unread = from.subarray(start + length);
    return { isLast: (from[0]! & 0x80) !== 0, kind: from[0]! & 0x0f, payload: from.subarray(start, start + length) };
  }

  #take(frame: { isLast: boolean; kind: number; payload: Buffer }): void {
    if (frame.kind === PING) return this.#write(PONG, frame.payload);
    if (frame.kind === PONG) return;
    if (frame.kind === CLOSE) {
      if (frame.payload.length >= 2) this.#code = frame.payload.readUInt16BE(0);
      return this.#over();
    }
    this.#parts.push(frame.payload);
    if (!frame.isLast) return;
    const data = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.onmessage?.({ data });
  }
}

/** The seven bits of a length, and what follows them. */
function lengthOf(length: number): [number, Buffer] {
  if (length < 126) return [length, Buffer.alloc(0)];
  if (length < 65_536) {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(length);
    return [126, bytes];
  }
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  return [127, bytes];
}
