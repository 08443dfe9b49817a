/** Files of conversations of the mock node. */

import type { ChatAttachment, Method, Methods } from "@byway/client";
import type { MockChat } from "./chat";
import { once } from "./chat_contents";
import { MethodError } from "./error";
import type { MockNode } from "./node";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

const PART_BYTES = 256 * 1024;

/** A file of a message as tests write it. */
export function attachment(name: string, more: Partial<ChatAttachment> = {}): ChatAttachment {
  return { number: 0, name, media_type: "application/octet-stream", size: 5, fetched: 0, state: "away", cautions: [], ...more };
}

function fileOf(chat: MockChat, message: string, number = 0): Buffer {
  const bytes = chat.files.get(`${message} ${number}`);
  if (!bytes) throw new MethodError(1617, "attachment_not_here", "The file has not been fetched.");
  return bytes;
}

/** As the node does, by the beginning; of the kinds that tests have. */
function shownAs(bytes: Buffer): string | null {
  if (bytes.subarray(1, 4).toString("latin1") === "PNG") return "image/png";
  if (bytes.subarray(0, 2).equals(Buffer.from([0xff, 0xd8]))) return "image/jpeg";
  if (bytes.subarray(0, 4).toString("latin1") === "RIFF" && bytes.subarray(8, 12).toString("latin1") === "WAVE") return "audio/wav";
  return bytes.subarray(0, 4).equals(Buffer.from([0x1a, 0x45, 0xdf, 0xa3])) ? "video/webm" : null;
}

export const fileHandlers: Handlers = {
  chat_upload: ({ chat }, { upload, at, bytes }) => {
    const known = at === 0 ? Buffer.alloc(0) : (chat.uploads.get(upload) ?? Buffer.alloc(0));
    if (known.length !== at) throw new MethodError(1622, "upload_gap", "Another part of the upload is next.", { next: known.length });
    const whole = Buffer.concat([known, Buffer.from(bytes, "base64")]);
    chat.uploads.set(upload, whole);
    return { upload, size: whole.length };
  },
  chat_attach: ({ chat }, { to, files, text = "", reply, thread, levels, idempotency_key }) => {
    const bytes = files.map(({ upload }) => {
      const whole = chat.uploads.get(upload);
      if (!whole) throw new MethodError(1621, "upload_not_found", "Nothing was uploaded under that name.");
      return whole;
    });
    const attachments = files.map(({ name, media_type, width, height, duration_ms }, number) =>
      attachment(name, { number, media_type: media_type ?? "application/octet-stream", width, height, duration_ms, size: bytes[number]!.length, fetched: bytes[number]!.length, state: "here" }));
    const item = once(chat, to, idempotency_key, { text, reply: reply ?? null, thread: thread ?? null, attachments, ...(levels ? { kind: "voice", levels } : {}) });
    bytes.forEach((whole, number) => chat.files.set(`${item.message} ${number}`, whole));
    return item;
  },
  chat_fetch: ({ chat }, { to, message, number = 0 }) => {
    const talk = chat.named(to);
    const item = chat.find(talk, message);
    const wanted = { ...item.attachments![number]!, state: "wanted" as const };
    chat.change(talk, { ...item, attachments: item.attachments!.map((known) => (known.number === number ? wanted : known)) });
    return wanted;
  },
  chat_file: ({ chat }, { message, number, at = 0 }) => {
    const bytes = fileOf(chat, message, number);
    return { at, bytes: bytes.subarray(at, at + PART_BYTES).toString("base64"), size: bytes.length, shown_as: at === 0 ? shownAs(bytes) : null };
  },
};
