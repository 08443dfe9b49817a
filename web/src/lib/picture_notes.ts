/**
 * Pictures without what cameras and programs write into them beside the picture: the place, the time, whose camera it was, small pictures of what was cut off.
 * Pure.
 *
 * JPEG, PNG and WebP are gone through piece by piece, and only pieces that are known to be of the picture stay (its pixels, colours and animation); the file ends
 * where the picture does. Which way up it is stands among those notes and is written anew, alone. What can't be gone through gives nothing: it is for the sender
 * to say whether it goes as it is.
 */

export type PictureFormat = "jpeg" | "png" | "webp";

/** Bytes of the beginning that say what it is. */
export const HEAD_BYTES = 12;

export function pictureFormat(head: Uint8Array): PictureFormat | null {
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "jpeg";
  if (PNG_BEGIN.every((byte, at) => head[at] === byte)) return "png";
  return nameAt(head, 0) === "RIFF" && nameAt(head, 8) === "WEBP" ? "webp" : null;
}

/** The picture alone; null where it can't be read as one of these. */
export function withoutNotes(bytes: Uint8Array): Uint8Array<ArrayBuffer> | null {
  const format = pictureFormat(bytes);
  const pieces = format && { jpeg: jpegPieces, png: pngPieces, webp: webpPieces }[format](bytes);
  return pieces ? joined(pieces) : null;
}

function joined(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function nameAt(bytes: Uint8Array, at: number, length = 4): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

const ORIENTATION = 0x0112;

/** Which way up it is, 1 to 8, by notes in TIFF as all three have them; 1 where they say nothing that can be read. */
export function orientationOf(tiff: Uint8Array): number {
  const view = viewOf(tiff);
  if (tiff.length < 8) return 1;
  const isLittle = nameAt(tiff, 0, 2) === "II";
  if (!isLittle && nameAt(tiff, 0, 2) !== "MM") return 1;
  const first = view.getUint32(4, isLittle);
  if (first + 2 > tiff.length) return 1;
  const count = view.getUint16(first, isLittle);
  for (let at = first + 2, left = count; left > 0 && at + 12 <= tiff.length; at += 12, left -= 1) {
    if (view.getUint16(at, isLittle) !== ORIENTATION) continue;
    const value = view.getUint16(at + 8, isLittle);
    return view.getUint16(at + 2, isLittle) === 3 && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Such notes with nothing in them but which way up it is. */
function notesOf(orientation: number): Uint8Array {
  return Uint8Array.of(0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0);
}

const EXIF_NAME = "Exif\0\0";
const encoder = new TextEncoder();

/** A segment with its marker and length. */
function segment(marker: number, content: Uint8Array): Uint8Array {
  return joined([Uint8Array.of(0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 0xff), content]);
}

/** What stays of a segment of a JPEG; null for what goes. */
function keptSegment(marker: number, content: Uint8Array): Uint8Array | null {
  const isTable = marker === 0xdb || marker === 0xdd || (marker >= 0xc0 && marker <= 0xcf);
  if (isTable) return segment(marker, content);
  // The sizes and colours that it is to have, without the small picture that may stand there.
  if (marker === 0xe0 && nameAt(content, 0, 5) === "JFIF\0" && content.length >= 14) return segment(marker, joined([content.subarray(0, 12), Uint8Array.of(0, 0)]));
  if (marker === 0xe2 && nameAt(content, 0, 12) === "ICC_PROFILE\0") return segment(marker, content);
  return marker === 0xee && nameAt(content, 0, 5) === "Adobe" ? segment(marker, content) : null;
}

const SOS = 0xda;
const EOI = 0xd9;

function jpegPieces(bytes: Uint8Array): Uint8Array[] | null {
  const pieces: Uint8Array[] = [];
  let orientation: number | null = null;
  let hasScan = false;
  let at = 2;
  for (;;) {
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at += 1;
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === undefined || marker < 0xc0) return null;
    if (marker === EOI) break;
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) return null;
    const content = bytes.subarray(at + 4, end);
    if (marker === 0xe1 && nameAt(content, 0, 6) === EXIF_NAME) orientation ??= orientationOf(content.subarray(6));
    at = end;
    if (marker === SOS) {
      at = scanEnd(bytes, end);
      hasScan = true;
      pieces.push(segment(marker, content), bytes.subarray(end, at));
    } else {
      const kept = keptSegment(marker, content);
      if (kept) pieces.push(kept);
    }
  }
  if (!hasScan) return null;
  const turned = (orientation ?? 1) > 1 ? [segment(0xe1, joined([encoder.encode(EXIF_NAME), notesOf(orientation ?? 1)]))] : [];
  // JFIF is first, where it is.
  const isJfif = pieces[0]?.[1] === 0xe0;
  return [Uint8Array.of(0xff, 0xd8), ...(isJfif ? pieces.slice(0, 1) : []), ...turned, ...pieces.slice(isJfif ? 1 : 0), Uint8Array.of(0xff, EOI)];
}

/** Where the pixels of a scan end: at a marker that is none of theirs. */
function scanEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; at + 1 < bytes.length; at += 1) {
    if (bytes[at] !== 0xff) continue;
    const next = bytes[at + 1]!;
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  return bytes.length;
}

const PNG_BEGIN = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_NEEDED = ["IHDR", "PLTE", "IDAT", "IEND"];
const PNG_KEPT = [...PNG_NEEDED, "tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "sBIT", "pHYs", "bKGD", "hIST", "cICP", "mDCV", "cLLI", "acTL", "fcTL", "fdAT"];

function pngPieces(bytes: Uint8Array): Uint8Array[] | null {
  const view = viewOf(bytes);
  const pieces: Uint8Array[] = [bytes.subarray(0, 8)];
  let orientation = 1;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    const name = nameAt(bytes, at + 4);
    if (end > bytes.length || (/^[A-Z]/.test(name) && !PNG_NEEDED.includes(name)) || (name === "IHDR") !== (at === 8)) return null;
    if (name === "eXIf") orientation = orientationOf(bytes.subarray(at + 8, end - 4));
    if (PNG_KEPT.includes(name)) pieces.push(bytes.subarray(at, end));
    if (name === "IEND") return orientation > 1 ? [...pieces.slice(0, 2), pngChunk("eXIf", notesOf(orientation)), ...pieces.slice(2)] : pieces;
    at = end;
  }
  return null;
}

function pngChunk(name: string, content: Uint8Array): Uint8Array {
  const chunk = joined([new Uint8Array(4), encoder.encode(name), content, new Uint8Array(4)]);
  viewOf(chunk).setUint32(0, content.length);
  viewOf(chunk).setUint32(chunk.length - 4, crc32(chunk.subarray(4, -4)));
  return chunk;
}

/** As PNG has it (ISO 3309). */
export function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

const WEBP_KEPT = ["VP8X", "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP"];
/** Bits of the first byte of `VP8X` that say what else is there. */
const HAS_EXIF = 0x08;
const HAS_XMP = 0x04;

function webpPieces(bytes: Uint8Array): Uint8Array[] | null {
  const view = viewOf(bytes);
  const whole = bytes.length < 12 ? 0 : view.getUint32(4, true) + 8;
  if (whole < 20 || whole > bytes.length) return null;
  const pieces: Uint8Array[] = [];
  let orientation = 1;
  for (let at = 12; at < whole; ) {
    if (at + 8 > whole) return null;
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size;
    if (end > whole) return null;
    const name = nameAt(bytes, at);
    const content = bytes.subarray(at + 8, end);
    // Some write what JPEG has in front of it.
    if (name === "EXIF") orientation = orientationOf(nameAt(content, 0, 6) === EXIF_NAME ? content.subarray(6) : content);
    if (WEBP_KEPT.includes(name)) pieces.push(webpChunk(name, content));
    at = end + (size % 2);
  }
  const extended = pieces[0] && nameAt(pieces[0], 0) === "VP8X" ? pieces[0] : null;
  const isTurned = extended !== null && orientation > 1;
  if (extended) extended[8] = (extended[8]! & ~(HAS_EXIF | HAS_XMP)) | (isTurned ? HAS_EXIF : 0);
  if (isTurned) pieces.push(webpChunk("EXIF", notesOf(orientation)));
  const head = joined([encoder.encode("RIFF"), new Uint8Array(4), encoder.encode("WEBP")]);
  viewOf(head).setUint32(4, 4 + pieces.reduce((sum, { length }) => sum + length, 0), true);
  return pieces.length === 0 ? null : [head, ...pieces];
}

function webpChunk(name: string, content: Uint8Array): Uint8Array {
  const chunk = joined([encoder.encode(name), new Uint8Array(4), content, new Uint8Array(content.length % 2)]);
  viewOf(chunk).setUint32(4, content.length, true);
  return chunk;
}
