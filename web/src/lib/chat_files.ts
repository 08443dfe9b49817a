/**
 * Files of conversations: brought to the node and taken from it in parts, and what is said of them in words.
 *
 * A file's name and type are its sender's words: they are shown as text, and decide nothing. What is shown in its place is decided by the node, which looks at
 * the file's beginning: pictures, recordings and videos.
 */

import type { ChatAttachment, ChatFile, ChatItem } from "@byway/client";
import { bytesOf, formatQuantity } from "./format";
import { harmlessLine } from "./harmless";
import type { NodeStore } from "./node.svelte";
import { RpcError } from "./rpc";

/** Bytes of a part, as the node takes and gives them at most. */
export const PART_BYTES = 256 * 1024;
/** Files of one message. */
export const FILES_MAX = 32;
/** Bytes of a file; the node seals it, which takes a little more. */
export const FILE_BYTES_MAX = 2_147_000_000;
/** Bytes of a picture that is shown: what the node fetches by itself. */
export const PICTURE_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of a recording or video that is played in its place: it is in the browser's memory whole. */
export const PLAYED_BYTES_MAX = 128 * 1024 * 1024;
/** Bytes of a contact's voice note that is fetched without a click: a quarter of an hour of speech. */
const VOICE_BYTES_MAX = 4 * 1024 * 1024;
/** Pixels of a picture in its message, either way. */
const PICTURE_MAX = 320;
const PICTURE_MIN = 60;

type Node = Pick<NodeStore, "call">;

/** The part of a file that is uploaded; the browser's `File` is one. */
export interface Source {
  size: number;
  slice(from: number, to: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

export function base64Of(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 8_192) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8_192)));
  return btoa(pieces.join(""));
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

/** From `at` on, where an upload was cut; `ongone` hears how far it is. Throws what went wrong, also where it is called off. */
export async function upload(node: Node, key: string, source: Source, at: number, ongone: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  do {
    signal.throwIfAborted();
    const bytes = new Uint8Array(await source.slice(at, Math.min(at + PART_BYTES, source.size)).arrayBuffer());
    signal.throwIfAborted();
    at = await putPart(node, key, at, bytes);
    ongone(at);
  } while (at < source.size);
}

/** Where the next part begins. A part whose answer was lost is there already. */
async function putPart(node: Node, key: string, at: number, bytes: Uint8Array): Promise<number> {
  try {
    return (await node.call("chat_upload", { upload: key, at, bytes: base64Of(bytes) })).size;
  } catch (error) {
    const next = error instanceof RpcError && error.code === "upload_gap" ? Number(error.data.next) : NaN;
    if (!Number.isSafeInteger(next) || next === at) throw error;
    return next;
  }
}

export interface Taken {
  parts: Uint8Array<ArrayBuffer>[];
  /** What it may be shown as, by the node's judgement. */
  shownAs: string | null;
}

/** The whole of a file that is here. */
export async function take(node: Node, item: ChatItem, number: number, ontaken: (bytes: number) => void, signal: AbortSignal): Promise<Taken> {
  const taken: Taken = { parts: [], shownAs: null };
  for (let at = 0, size = 1; at < size; ) {
    signal.throwIfAborted();
    const part = await node.call("chat_file", { to: item.conversation, message: item.message, number, at });
    const bytes = bytesOfBase64(part.bytes);
    if (at === 0) taken.shownAs = part.shown_as ?? null;
    if (bytes.length === 0) break;
    taken.parts.push(bytes);
    [at, size] = [at + bytes.length, part.size];
    ontaken(at);
  }
  return taken;
}

export type MediaKind = "picture" | "audio" | "video";

/** What is shown or played of such a type, which the node has judged; null for anything else. */
export function mediaKind(shownAs: string | null): MediaKind | null {
  if (/^image\/(png|jpeg|gif|webp|avif)$/.test(shownAs ?? "")) return "picture";
  if (/^audio\/(ogg|mpeg|wav|flac)$/.test(shownAs ?? "")) return "audio";
  return /^video\/(mp4|webm)$/.test(shownAs ?? "") ? "video" : null;
}

/** What it says that it is, of a size that is played. Whether it is that is seen when it is here. */
export function playedAs({ media_type, size }: ChatAttachment): "audio" | "video" | null {
  const [kind] = size > PLAYED_BYTES_MAX ? [] : (/^(?:audio|video)(?=\/(?:mp4|x-m4a|webm|ogg|mpeg|mp3|wav|x-wav|vnd\.wave|flac|x-flac)(?:;|$))/.exec(media_type) ?? []);
  return (kind as "audio" | "video" | undefined) ?? null;
}

/** Whether a voice note is fetched before somebody asks for it. */
export function isFetchedUnasked(item: ChatItem, { state, size }: ChatAttachment, isContact: boolean): boolean {
  return item.kind === "voice" && isContact && state === "away" && size <= VOICE_BYTES_MAX;
}

/** The small picture that came with the message, if it is one of the kinds that are none but pictures. */
export function thumbnailUrl(attachment: ChatAttachment): string | null {
  const url = attachment.thumbnail ?? "";
  return /^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/=]*$/.test(url) ? url : null;
}

/** Whether it says that it is a picture, of a size that is shown. Whether it is one is seen when it is here. */
export function isPicture({ media_type, size }: ChatAttachment): boolean {
  return /^image\/(png|jpeg|gif|webp|avif)$/.test(media_type) && size <= PICTURE_BYTES_MAX;
}

/** Pixels of the place that a picture has in its message, before it is there. */
export function shownSize(width: number | null | undefined, height: number | null | undefined): { width: number; height: number } {
  if (!width || !height) return { width: 240, height: 180 };
  const scale = Math.min(1, PICTURE_MAX / width, PICTURE_MAX / height);
  const fit = (side: number): number => Math.max(PICTURE_MIN, Math.round(side * scale));
  return { width: fit(width), height: fit(height) };
}

const CAUTIONS: Record<string, string> = {
  place: "Its name was to lead to another folder.",
  hidden: "Its name had characters in it that can't be seen.",
  runs: "Opening it runs a program.",
  two_endings: "It looks like a document, and opening it runs a program.",
};

/** What to know before it is saved. */
export function cautionWords({ cautions }: ChatAttachment): string[] {
  return cautions.map((caution) => CAUTIONS[caution] ?? "Something is wrong with its name.");
}

/** "1.20 MB · here", on one line below its name. */
export function stateWords({ size, fetched, state }: ChatAttachment): string {
  const whole = formatQuantity(bytesOf(size));
  const words: Record<ChatAttachment["state"], string> = {
    away: "not fetched",
    wanted: "comes when somebody who has it is there",
    coming: `${formatQuantity(bytesOf(fetched))} have come`,
    here: "here",
    untrue: "what was sent as it is another file, and was not kept",
    too_large: "larger than your node takes",
  };
  return `${whole} · ${words[state]}`;
}

/** A file without a type of its own is of any. */
export function mediaWords({ media_type }: ChatAttachment): string {
  return media_type === "application/octet-stream" ? "" : harmlessLine(media_type);
}

/** What is said of files that are attached, on one line. */
export function filesWords(files: Pick<ChatFile, "name">[]): string {
  const [first] = files;
  if (!first) return "";
  const name = harmlessLine(first.name) || "a file";
  return files.length === 1 ? name : `${name} and ${files.length - 1} more`;
}

/** Bars of a voice note, as a path in a box of so many units by 24. */
export function levelsPath(levels: number[]): string {
  return levels.map((level, at) => {
    const half = 1 + (Math.min(Math.max(level, 0), 255) / 255) * 11;
    return `M${at * 2 + 1} ${(12 - half).toFixed(1)}V${(12 + half).toFixed(1)}`;
  }).join("");
}
