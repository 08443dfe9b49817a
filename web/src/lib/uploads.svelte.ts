/**
 * Files that are to be sent: brought to the node while one still writes, one after the other, and called off by whoever has chosen them.
 *
 * Pictures go without what the camera wrote into them (`picture_notes.ts`), unless whoever sends them says otherwise, one by one. A picture of which it can't be
 * taken out is not sent before they have said so.
 */

import type { ChatFile } from "@byway/client";
import { base64Of, FILE_BYTES_MAX, FILES_MAX, upload } from "./chat_files";
import { HEAD_BYTES, pictureFormat, withoutNotes } from "./picture_notes";
import type { NodeStore } from "./node.svelte";
import { errorMessage, idempotencyKey } from "./rpc";

/** Pixels and bytes of the small picture that goes with a message. */
const THUMBNAIL_SIDE = 160;
const THUMBNAIL_BYTES_MAX = 30_000;
/** Bytes of a picture that is gone through: it is in memory twice meanwhile. */
const CLEANED_BYTES_MAX = 64 * 1024 * 1024;
const CANT_CLEAN = "What the camera wrote into it, such as the place, can't be taken out.";
/** Bytes of those of one message, as text: they are part of it, and leave room for the longest text and for the names of all files. */
const THUMBNAILS_LENGTH_MAX = 32_000;

export class Upload {
  key = idempotencyKey();
  /** With all that is in it, by whoever sends it. */
  isUntouched = $state(false);
  /** Something was taken out of it, or might have been. */
  isPicture = $state(false);
  /** Bytes that go. */
  size = $state(0);
  /** Bytes that the node has. */
  gone = $state(0);
  isThere = $state(false);
  problem = $state<string | null>(null);
  calling = new AbortController();
  picture: Pick<ChatFile, "width" | "height" | "thumbnail"> = {};

  constructor(readonly file: File) {
    this.size = file.size;
  }

  /** What is said of it in the message. */
  get said(): ChatFile {
    const { name, type } = this.file;
    return { upload: this.key, name: name || "file", ...(type === "" ? {} : { media_type: type }), ...this.picture };
  }
}

export class Uploads {
  /** By conversation, as they were chosen. */
  chosen = $state.raw<Record<string, Upload[]>>({});
  #going: Promise<unknown> = Promise.resolve();

  constructor(private readonly node: Pick<NodeStore, "call">) {}

  of(conversation: string): Upload[] {
    return this.chosen[conversation] ?? [];
  }

  /** Says what can't be taken; null where all are. */
  choose(conversation: string, files: Iterable<File>): string | null {
    const all = [...files];
    const taken = all.filter(({ size }) => size <= FILE_BYTES_MAX).slice(0, FILES_MAX - this.of(conversation).length);
    const uploads = taken.map((file) => new Upload(file));
    this.#put(conversation, [...this.of(conversation), ...uploads]);
    uploads.forEach((one) => this.#begin(one));
    if (taken.length === all.length) return null;
    return all.some(({ size }) => size > FILE_BYTES_MAX) ? "A file has at most 2 GB. What is larger was left out." : `A message has at most ${FILES_MAX} files. The others were left out.`;
  }

  again(one: Upload): void {
    one.problem = null;
    this.#begin(one);
  }

  /** With all that is in it, or without. What of it was brought to the node is brought anew. */
  setUntouched(one: Upload, isUntouched: boolean): void {
    one.calling.abort();
    one.calling = new AbortController();
    one.key = idempotencyKey();
    one.isUntouched = isUntouched;
    one.isThere = false;
    one.gone = 0;
    one.problem = null;
    this.#begin(one);
  }

  callOff(conversation: string, one: Upload): void {
    one.calling.abort();
    this.#put(conversation, this.of(conversation).filter((known) => known !== one));
  }

  /** What was chosen and is with the node, for a message that has it from now on. */
  handOver(conversation: string): ChatFile[] {
    const files = this.of(conversation).map(({ said }) => said);
    this.#put(conversation, []);
    return withRoomForText(files);
  }

  #put(conversation: string, uploads: Upload[]): void {
    const { [conversation]: _, ...rest } = this.chosen;
    this.chosen = uploads.length === 0 ? rest : { ...rest, [conversation]: uploads };
  }

  #begin(one: Upload): void {
    const { signal } = one.calling;
    this.#going = this.#going.then(async () => {
      if (signal.aborted) return;
      try {
        const source = await this.#cleaned(one);
        if (signal.aborted || !source) return;
        one.size = source.size;
        one.picture = await pictureOf(one.file);
        await upload(this.node, one.key, source, one.gone, (gone) => !signal.aborted && (one.gone = gone), signal);
        one.isThere = true;
      } catch (error) {
        if (!signal.aborted) one.problem = errorMessage(error);
      }
    });
  }

  /** What goes of it; null where that is for its sender to say, and why stands beside it. */
  async #cleaned(one: Upload): Promise<Blob | null> {
    const { file } = one;
    const isNamed = /^image\//.test(file.type);
    const format = pictureFormat(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
    one.isPicture = format !== null || isNamed;
    // A drawing of a program and a GIF have no camera.
    if (one.isUntouched || !one.isPicture || /^image\/(gif|svg\+xml|bmp|x-icon)$/.test(file.type)) return file;
    const bare = format && file.size <= CLEANED_BYTES_MAX ? withoutNotes(new Uint8Array(await file.arrayBuffer())) : null;
    if (!bare) one.problem = CANT_CLEAN;
    return bare && new Blob([bare], { type: file.type });
  }
}

/** Of too many small pictures the last ones are left out; the files themselves go all. */
export function withRoomForText(files: ChatFile[]): ChatFile[] {
  let length = 0;
  return files.map((file) => {
    const { thumbnail, ...rest } = file;
    const more = thumbnail?.length ?? 0;
    if (length + more > THUMBNAILS_LENGTH_MAX) return rest;
    length += more;
    return file;
  });
}

/** How large a picture is, and a small one of it; nothing for what the browser can't draw. */
async function pictureOf(file: File): Promise<Pick<ChatFile, "width" | "height" | "thumbnail">> {
  if (!/^image\/(png|jpeg|gif|webp|avif)$/.test(file.type)) return {};
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    const scale = Math.min(1, THUMBNAIL_SIDE / Math.max(width, height));
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const small = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: 0.6 })).arrayBuffer());
    return { width, height, ...(small.length <= THUMBNAIL_BYTES_MAX ? { thumbnail: base64Of(small) } : {}) };
  } catch {
    return {};
  }
}
