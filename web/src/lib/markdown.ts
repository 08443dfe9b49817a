/**
 * Markdown as messages have it, as a small tree of our own: nothing in it executes, and nothing is fetched (`docs/formats/chat.md`, "How texts read").
 * Pure.
 *
 * HTML is text, and a picture by its address is a link to it. A heading is a strong paragraph, and the end of a line is one. It reads less than
 * CommonMark does (no tables, no references, no indented code), and what it doesn't read stays as it was typed.
 */

import { addressOf, bareAddresses, type Address } from "./chat_links";
import { harmlessText } from "./harmless";

export type Block =
  | { kind: "paragraph"; inlines: Inline[] }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; start: number | null; items: Block[][] }
  | { kind: "code"; code: string };

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "break" }
  | { kind: "emphasis" | "strong" | "strike"; inlines: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "link"; address: Address; text: string }
  | { kind: "mention"; identity: string };

/** How deep they are in one another; what is deeper is text. */
const DEPTH_MAX = 16;
/** Characters; the node takes none that is longer. */
const TEXT_MAX = 16_384;

const FENCE = /^ {0,3}(```+|~~~+)[^`]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^ {0,3}(?:[-*+]|(\d{1,9})[.)])(?: +|$)/;
const HEADING = /^ {0,3}#{1,6}(?: +(.*?))?(?: +#+)? *$/;

export function parseMarkdown(source: string): Block[] {
  return blocksOf(harmlessText(source.slice(0, TEXT_MAX)).split("\n"), 0);
}

function blocksOf(lines: string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const [block, next] = line.trim() === "" ? [null, at + 1] : blockAt(lines, at, depth);
    if (block) blocks.push(block);
    at = next;
  }
  return blocks;
}

/** The block that begins at a line which is not empty, and the line behind it. */
function blockAt(lines: string[], at: number, depth: number): [Block, number] {
  const line = lines[at]!;
  const [, fence] = FENCE.exec(line) ?? [];
  if (fence) return fenced(lines, at, fence);
  if (depth < DEPTH_MAX && QUOTE.test(line)) {
    const end = endOf(lines, at, (text) => QUOTE.test(text));
    return [{ kind: "quote", blocks: blocksOf(lines.slice(at, end).map((text) => text.replace(QUOTE, "")), depth + 1) }, end];
  }
  if (depth < DEPTH_MAX && ITEM.test(line)) return listAt(lines, at, depth);
  const heading = HEADING.exec(line);
  if (heading) return [{ kind: "paragraph", inlines: [{ kind: "strong", inlines: inlinesOf(heading[1] ?? "", 0) }] }, at + 1];
  const end = endOf(lines, at, (text, index) => index === at || (text.trim() !== "" && !beginsBlock(text, depth)));
  return [{ kind: "paragraph", inlines: inlinesOf(lines.slice(at, end).join("\n"), 0) }, end];
}

function beginsBlock(line: string, depth: number): boolean {
  return FENCE.test(line) || HEADING.test(line) || (depth < DEPTH_MAX && (QUOTE.test(line) || ITEM.test(line)));
}

function endOf(lines: string[], from: number, goesOn: (line: string, index: number) => boolean): number {
  let end = from;
  while (end < lines.length && goesOn(lines[end]!, end)) end += 1;
  return end;
}

/** Of a fence that is never closed, all the rest. */
function fenced(lines: string[], at: number, fence: string): [Block, number] {
  const isClose = (line: string): boolean => line.trim().startsWith(fence) && line.trim().replaceAll(fence[0]!, "") === "";
  const end = endOf(lines, at + 1, (line) => !isClose(line));
  return [{ kind: "code", code: lines.slice(at + 1, end).join("\n") }, end + 1];
}

function listAt(lines: string[], at: number, depth: number): [Block, number] {
  const number = ITEM.exec(lines[at]!)?.[1];
  const isSameKind = (line: string): boolean => {
    const item = ITEM.exec(line);
    return item !== null && (item[1] === undefined) === (number === undefined);
  };
  const items: string[][] = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const line = lines[end]!;
    if (isSameKind(line)) items.push([line.replace(ITEM, "")]);
    else if (/^(?: {2,}|\t)\S/.test(line)) items.at(-1)!.push(line.replace(/^(?: {2,4}|\t)/, ""));
    else break;
  }
  return [{ kind: "list", start: number === undefined ? null : Number(number), items: items.map((item) => blocksOf(item, depth + 1)) }, end];
}

/** What opens and closes a span, the longest first. */
const SPANS = [["**", "strong"], ["__", "strong"], ["~~", "strike"], ["*", "emphasis"], ["_", "emphasis"]] as const;

function inlinesOf(text: string, depth: number): Inline[] {
  const found: Inline[] = [];
  let plain = "";
  const flush = (): void => {
    if (plain !== "") found.push(...plainInlines(plain));
    plain = "";
  };
  // A mark that is closed nowhere further on is looked for once, not from each place again.
  const unclosed = new Set<string>();
  let at = 0;
  while (at < text.length) {
    const span = spanAt(text, at, depth, unclosed);
    if (span) {
      flush();
      found.push(span.inline);
      at = span.end;
    } else if (text[at] === "\\" && /[\\`*_{}[\]()#+\-.!~>|<]/.test(text[at + 1] ?? "")) {
      flush();
      found.push({ kind: "text", text: text[at + 1]! });
      at += 2;
    } else {
      // A run of one mark that opens nothing is text as a whole.
      const run = /^(?:\*+|_+|~+|`+|[^*_~`[\]!<\\]+)/.exec(text.slice(at, at + 512))?.[0] ?? text[at]!;
      plain += run;
      at += run.length;
    }
  }
  flush();
  return found;
}

interface Span {
  inline: Inline;
  end: number;
}

function spanAt(text: string, at: number, depth: number, unclosed: Set<string>): Span | null {
  switch (text[at]) {
    case "`":
      return codeAt(text, at, unclosed);
    case "!":
      return text[at + 1] === "[" ? linkAt(text, at + 1) : null;
    case "[":
      return linkAt(text, at);
    case "<":
      return autolinkAt(text, at);
    case "*":
    case "_":
    case "~":
      return depth < DEPTH_MAX ? markedAt(text, at, depth, unclosed) : null;
    default:
      // An address that was typed as it is: marks in it are its own.
      return null;
  }
}

function codeAt(text: string, at: number, unclosed: Set<string>): Span | null {
  const fence = /^`+/.exec(text.slice(at, at + 64))![0];
  if (unclosed.has(fence)) return null;
  for (let close = text.indexOf(fence, at + fence.length); close >= 0; close = text.indexOf(fence, close)) {
    const run = /^`+/.exec(text.slice(close))![0];
    if (run.length === fence.length) {
      const code = text.slice(at + fence.length, close).replaceAll("\n", " ");
      return { inline: { kind: "code", text: /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code }, end: close + fence.length };
    }
    close += run.length;
  }
  unclosed.add(fence);
  return null;
}

function markedAt(text: string, at: number, depth: number, unclosed: Set<string>): Span | null {
  const isWord = (character: string | undefined): boolean => character !== undefined && /[\p{L}\p{N}]/u.test(character);
  for (const [mark, kind] of SPANS) {
    const from = at + mark.length;
    if (!text.startsWith(mark, at) || unclosed.has(mark) || /^\s|^$/.test(text.slice(from, from + 1))) continue;
    // Within a word an underscore is a letter.
    if (mark[0] === "_" && isWord(text[at - 1])) continue;
    for (let close = text.indexOf(mark, from + 1); close >= 0; close = text.indexOf(mark, close + 1)) {
      const isLonger = mark.length === 1 && (text[close + 1] === mark || (text[close - 1] === mark && text[close - 2] !== "\\"));
      if (isLonger || text[close - 1] === "\\" || /\s/.test(text[close - 1]!) || (mark[0] === "_" && isWord(text[close + mark.length]))) continue;
      // Of a longer run the last ones close: `***both***`.
      while (mark.length === 2 && text[close + 2] === mark[0]) close += 1;
      return { inline: { kind, inlines: inlinesOf(text.slice(from, close), depth + 1) }, end: close + mark.length };
    }
    unclosed.add(mark);
  }
  return null;
}

const LINK = /^\[((?:[^[\]\\\n]|\\.){0,1024})\]\(<?([^\s<>]{1,2048}?)>?(?: +"[^"\n]{0,256}")?\)/;
const MENTION = /^mention:([0-9a-f]{40})$/;

function linkAt(text: string, at: number): Span | null {
  const match = LINK.exec(text.slice(at, at + 4_096));
  if (!match) return null;
  const [all, label = "", target = ""] = match;
  const words = label.replace(/\\(.)/g, "$1").replace(/[*_~`]{1,3}(?=\S)|(?<=\S)[*_~`]{1,3}/g, "");
  const [, identity] = MENTION.exec(target) ?? [];
  const end = at + all.length;
  if (identity) return { inline: { kind: "mention", identity }, end };
  const address = addressOf(target);
  // What is no such link is its text.
  if (!address) return { inline: { kind: "text", text: words }, end };
  return { inline: { kind: "link", address, text: words === "" ? target : words }, end };
}

function autolinkAt(text: string, at: number): Span | null {
  const [all, target = ""] = /^<([a-z]+:[^\s<>]{1,2048})>/i.exec(text.slice(at, at + 2_100)) ?? [];
  const address = addressOf(target);
  return all && address ? { inline: { kind: "link", address, text: target }, end: at + all.length } : null;
}

/** Text with the addresses in it as links, and ends of lines as such. */
function plainInlines(text: string): Inline[] {
  const found: Inline[] = [];
  const put = (part: string): void =>
    part.split("\n").forEach((line, index) => {
      if (index > 0) found.push({ kind: "break" });
      const shown = index > 0 ? line.replace(/^ +/, "") : line;
      if (shown !== "") found.push({ kind: "text", text: shown });
    });
  let at = 0;
  for (const { from, to, address } of bareAddresses(text)) {
    put(text.slice(at, from));
    found.push({ kind: "link", address, text: text.slice(from, to) });
    at = to;
  }
  put(text.slice(at));
  return found;
}

/** What a text says without its marks, on one line: for a list, a quotation, a notification. */
export function plainText(blocks: Block[], nameOf: (identity: string) => string): string {
  const inline = (part: Inline): string => {
    switch (part.kind) {
      case "text":
      case "code":
      case "link":
        return part.text;
      case "break":
        return " ";
      case "mention":
        return `@${nameOf(part.identity)}`;
      default:
        return part.inlines.map(inline).join("");
    }
  };
  const block = (part: Block): string => {
    switch (part.kind) {
      case "paragraph":
        return part.inlines.map(inline).join("");
      case "quote":
        return part.blocks.map(block).join(" ");
      case "list":
        return part.items.map((item) => item.map(block).join(" ")).join(" · ");
      default:
        return part.code;
    }
  };
  return blocks.map(block).join(" ").replace(/\s+/g, " ").trim();
}
