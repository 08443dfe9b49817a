/** Contracts in a channel: code out of a file, input as it is typed, and what came back in a form that can be read. Pure. */

import type { ChannelConsent } from "@byway/client";
import { parseAmount } from "./amount";
import { coins } from "./channels";
import { formatDuration, shortId } from "./format";

/** What a contract takes at once, as the node has it. */
const INPUT_BYTES_MAX = 48 * 1024;
const WORD_DIGITS = 64;

export type ReadHex = { ok: true; hex: string } | { ok: false; problem: string };

/** Bytes in hex, with or without `0x`, with spaces and line breaks between. */
export function readHex(text: string, what: string): ReadHex {
  const digits = text.replace(/\s+/g, "").replace(/^0x/i, "");
  if (/__\$?/.test(digits)) return { ok: false, problem: "It needs a library that isn't linked. Link it with the compiler, and take what that gives." };
  if (!/^[0-9a-f]*$/i.test(digits)) return { ok: false, problem: `${what} is hex digits: 0 to 9 and a to f.` };
  if (digits.length % 2 === 1) return { ok: false, problem: `${what} has two hex digits for each byte, and one is missing.` };
  if (digits.length > 2 * INPUT_BYTES_MAX) return { ok: false, problem: `${what} has more than the ${INPUT_BYTES_MAX.toLocaleString("en-US")} bytes that a contract takes.` };
  return { ok: true, hex: `0x${digits.toLowerCase()}` };
}

/** What creates a contract, out of a file: bare hex, or the JSON of a compiler. */
export function readCode(text: string): ReadHex {
  const trimmed = text.trim();
  if (trimmed === "") return { ok: false, problem: "The file is empty." };
  if (!/^[{["]/.test(trimmed)) return notEmpty(readHex(trimmed, "Code"));
  try {
    const found = codeIn(JSON.parse(trimmed));
    return found ? notEmpty(readHex(found, "Code")) : { ok: false, problem: "There is no code in this file. Choose the one that the compiler wrote for the contract." };
  } catch {
    return { ok: false, problem: "The file is neither hex nor the JSON of a compiler." };
  }
}

function notEmpty(read: ReadHex): ReadHex {
  return read.ok && read.hex === "0x" ? { ok: false, problem: "There is no code in this file. An interface has none." } : read;
}

/** Where compilers and our own script put it. */
function codeIn(file: unknown): string | null {
  if (typeof file === "string") return file;
  if (typeof file !== "object" || file === null) return null;
  const { create, bytecode, bin, object, evm } = file as Record<string, unknown>;
  for (const place of [create, bin, object]) if (typeof place === "string") return place;
  for (const place of [bytecode, evm]) if (place !== undefined) return codeIn(place);
  return null;
}

/** Arguments of a constructor stand behind the code. */
export function withArguments(code: string, text: string): ReadHex {
  const read = readHex(text, "What the constructor takes");
  return read.ok ? readHex(`${code}${read.hex.slice(2)}`, "Code with what the constructor takes") : read;
}

/** What is wrong with a highest gas that may be left out, or null. */
export function gasProblem(text: string): string | null {
  return /^\s*([1-9]\d{0,8})?\s*$/.test(text) ? null : "A whole number, or none for what is usual.";
}

export interface OutputWord {
  hex: string;
  /** What else it may be: a number, an address, letters. */
  meanings: string[];
}

/** What came back, in words of 32 bytes. A refusal with a sentence is that sentence. */
export function readOutput(output: string): { reason: string | null; words: OutputWord[] } {
  const digits = output.replace(/^0x/, "");
  const words = digits.match(new RegExp(`.{1,${WORD_DIGITS}}`, "g")) ?? [];
  return { reason: reasonIn(digits), words: words.map((hex) => ({ hex, meanings: meaningsOf(hex) })) };
}

function meaningsOf(hex: string): string[] {
  if (hex.length !== WORD_DIGITS) return [];
  const number = BigInt(`0x${hex}`);
  const address = hex.slice(24);
  const isAddress = /^0{24}/.test(hex) && !/^0{8}/.test(address);
  const text = textOf(hex);
  return [...(text ? [`“${text}”`] : []), ...(isAddress ? [`0x${address}`] : number < 1n << 128n ? [number.toLocaleString("en-US")] : [])];
}

/** Letters, filled up with zeros behind. */
function textOf(hex: string): string | null {
  const bytes = bytesOf(hex.replace(/(00)+$/, ""));
  return bytes.length >= 3 && bytes.every((byte) => byte >= 0x20 && byte < 0x7f) ? String.fromCharCode(...bytes) : null;
}

/** `Error(string)`, as `require` and `revert` of Solidity say it. */
function reasonIn(digits: string): string | null {
  if (!digits.startsWith("08c379a0")) return null;
  const length = Number.parseInt(digits.slice(8 + WORD_DIGITS, 8 + 2 * WORD_DIGITS), 16);
  const text = digits.slice(8 + 2 * WORD_DIGITS, 8 + 2 * WORD_DIGITS + 2 * length);
  return Number.isSafeInteger(length) && length > 0 && text.length === 2 * length ? new TextDecoder().decode(new Uint8Array(bytesOf(text))) : null;
}

function bytesOf(hex: string): number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

/** What one side wants to be done to a contract, and how the other says that it wants that too. */
export interface ConsentWords {
  what: string;
  /** What the peer types, or this side. */
  command: string;
  left: string;
}

/** `channel` is the name under which both sides know it. */
export function consentWords(consent: ChannelConsent, channel: string, nowMs: number): ConsentWords {
  const { contract, to_us, to_peer } = consent;
  const [who, name] = [consent.ours ? "You want" : "The peer wants", shortId(contract, 8, 6)];
  const type = `byway channel contract ${consent.wish} ${channel.slice(0, 8)} ${contract.slice(0, 10)}`;
  const left = formatDuration(Math.max(0, Math.ceil((consent.until_ms - nowMs) / 1000)));
  switch (consent.wish) {
    case "upgrade":
      return { what: `${who} to give ${name} other code, with the digest ${shortId(consent.code ?? "", 8, 4)}.`, command: `${type} FILE`, left };
    case "leave":
      return { what: `${who} to let ${name} leave the channel for the ledger, with what it has.`, command: type, left };
    case "remove": {
      if (to_us === undefined || to_us === null || to_peer === undefined || to_peer === null) {
        return { what: `${who} to remove ${name}; what it has is divided as agreed at the beginning.`, command: type, left };
      }
      const what = `${who} to remove ${name}: ${coins(parseAmount(to_us))} to you, ${coins(parseAmount(to_peer))} to the peer.`;
      // Whoever types it is "us" there.
      const [ours, theirs] = consent.ours ? [to_peer, to_us] : [to_us, to_peer];
      return { what, command: `${type} --ours ${ours} --theirs ${theirs}`, left };
    }
  }
}
