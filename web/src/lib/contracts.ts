/** Contracts in a channel and on the ledger: code out of a file, input as it is typed, and what came back in a form that can be read. Pure. */

import type { ChannelConsent, LedgerContract, LedgerContractReceipt, Methods } from "@byway/client";
import { parseAmount, readAmount, type Amount } from "./amount";
import { coins } from "./channels";
import { formatCount, formatDuration, shortId } from "./format";
import type { Tone } from "./state";

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

/** What looking at a call has shown, to be read. */
export function lookResult({ output, gas_used, returned }: Methods["contract_look"]["result"]): { words: string; isGood: boolean; output: string } {
  return { words: `${returned ? "It would return" : "It would not return"}, for ${formatCount(gas_used)} gas. Nothing was changed.`, isGood: returned, output };
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
  /** How this side says it on the page; null where that takes a file, or it has been said. */
  agree: { label: string; call: Consenting } | null;
}

export type Consenting =
  | { method: "channel_leave"; params: Methods["channel_leave"]["params"] }
  | { method: "channel_remove"; params: Methods["channel_remove"]["params"] };

/** `channel` is the name under which both sides know it. */
export function consentWords(consent: ChannelConsent, channel: string, nowMs: number): ConsentWords {
  const { contract, to_us, to_peer } = consent;
  const [who, name] = [consent.ours ? "You want" : "The peer wants", shortId(contract, 8, 6)];
  const type = `byway channel contract ${consent.wish} ${channel.slice(0, 8)} ${contract.slice(0, 10)}`;
  const named = { channel, contract };
  const agree = (label: string, call: Consenting): ConsentWords["agree"] => (consent.ours ? null : { label, call });
  const left = formatDuration(Math.max(0, Math.ceil((consent.until_ms - nowMs) / 1000)));
  switch (consent.wish) {
    case "upgrade":
      return { what: `${who} to give ${name} other code, with the digest ${shortId(consent.code ?? "", 8, 4)}.`, command: `${type} FILE`, left, agree: null };
    case "leave":
      return { what: `${who} to let ${name} leave the channel for the ledger, with what it has.`, command: type, left,
        agree: agree("Let it leave, too", { method: "channel_leave", params: named }) };
    case "admit": {
      const asset = consent.asset ?? contract;
      const what = consent.ours
        ? `You let in the asset ${shortId(asset)}, of which the channel has none: the peer may put some in.`
        : `The peer wants to put in the asset ${shortId(asset)}, of which the channel has none. With it, what is in the channel is paid out only to who has its state.`;
      return { what, command: `byway channel deposit ${channel.slice(0, 8)} 0 --asset ${asset}`, left, agree: null };
    }
    case "remove": {
      if (to_us === undefined || to_us === null || to_peer === undefined || to_peer === null) {
        return { what: `${who} to remove ${name}; what it has is divided as agreed at the beginning.`, command: type, left,
          agree: agree("Remove it, too", { method: "channel_remove", params: named }) };
      }
      const what = `${who} to remove ${name}: ${coins(parseAmount(to_us))} to you, ${coins(parseAmount(to_peer))} to the peer.`;
      // Whoever types it is "us" there.
      const [ours, theirs] = consent.ours ? [to_peer, to_us] : [to_us, to_peer];
      return { what, command: `${type} --ours ${ours} --theirs ${theirs}`, left,
        agree: agree("Remove it, too", { method: "channel_remove", params: { ...named, ours: to_us, theirs: to_peer } }) };
    }
  }
}

/** A name that no other contract on the ledger has: contracts of several channels may have one address. */
export function nameOnLedger({ channel, contract }: Pick<LedgerContract, "channel" | "contract">): string {
  return `${channel}/${contract}`;
}

/** Why it can't be called from here, in a few words; null where it can. */
export function contentsWords({ contents }: Pick<LedgerContract, "contents">): { label: string; tone: Tone } | null {
  switch (contents) {
    case "here":
      return null;
    case "missed":
      return { label: "calls were missed", tone: "warn" };
    case "missing":
      return { label: "contents missing", tone: "warn" };
  }
}

const OUTCOMES: Record<LedgerContractReceipt["outcome"], string> = {
  returned: "returned", reverted: "was refused by the contract", out_of_gas: "ran out of gas", halted: "was broken off", missing: "touched what was not shown",
};

/** What became of the last call of a contract on the ledger. */
export function receiptWords({ caller, outcome, gas_used }: LedgerContractReceipt): string {
  return `by ${shortId(caller)}, ${OUTCOMES[outcome]}, ${formatCount(gas_used)} gas`;
}

/** What is wrong with what is paid along with a call out of the account; nothing is fine. */
export function valueProblem(text: string, account: Amount): string | null {
  if (text.trim() === "") return null;
  const read = readAmount(text);
  if (!read.ok) return read.problem;
  return read.amount > account ? `Your account holds ${coins(account)}. Enter at most that.` : null;
}
