/** Pictures without what was written into them beside the picture. */

import { describe, expect, test } from "vitest";
import { crc32, orientationOf, pictureFormat, withoutNotes } from "../../src/lib/picture_notes";

const text = (words: string): number[] => [...new TextEncoder().encode(words)];
const SECRET = "GPS 52.5200 N";

/** Notes of a camera: which way up, and the place. */
function tiff(orientation: number, isLittle = true): number[] {
  const short = (value: number): number[] => (isLittle ? [value & 255, value >> 8] : [value >> 8, value & 255]);
  const long = (value: number): number[] => (isLittle ? [...short(value & 0xffff), ...short(value >>> 16)] : [...short(value >>> 16), ...short(value & 0xffff)]);
  return [...text(isLittle ? "II" : "MM"), ...short(42), ...long(8), ...short(2), ...short(0x010f), ...short(2), ...long(SECRET.length), ...long(38), ...short(0x0112), ...short(3), ...long(1), ...short(orientation), 0, 0, ...long(0), ...text(SECRET)];
}

const segment = (marker: number, content: number[]): number[] => [0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255, ...content];
const JFIF = [...text("JFIF\0"), 1, 1, 0, 0, 72, 0, 72, 2, 1, ...text("thumbs")];
const SCAN = [...segment(0xda, [1, 1, 0, 0, 63, 0]), 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4];
const jpeg = (...segments: number[][]): Uint8Array => Uint8Array.from([0xff, 0xd8, ...segments.flat(), ...SCAN, ...segment(0xc4, [7]), ...SCAN, 0xff, 0xd9, ...text(`a film follows ${SECRET}`)]);

function chunk(name: string, content: number[]): number[] {
  const size = content.length;
  const crc = crc32(Uint8Array.from([...text(name), ...content]));
  return [size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255, ...text(name), ...content, crc >>> 24, (crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255];
}
const png = (...chunks: number[][]): Uint8Array => Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, ...chunk("IHDR", Array(13).fill(1)), ...chunks.flat(), ...chunk("IDAT", [5, 6]), ...chunk("IEND", []), ...text(SECRET)]);

const part = (name: string, content: number[]): number[] => [...text(name), content.length & 255, content.length >> 8, 0, 0, ...content, ...(content.length % 2 ? [0] : [])];
function webp(...parts: number[][]): Uint8Array {
  const body = parts.flat();
  return Uint8Array.from([...text("RIFF"), (body.length + 4) & 255, (body.length + 4) >> 8, 0, 0, ...text("WEBP"), ...body, ...text(SECRET)]);
}
const VP8X = (flags: number): number[] => part("VP8X", [flags, 0, 0, 0, 9, 0, 0, 9, 0, 0]);

const has = (bytes: Uint8Array | null, words: string): boolean => Buffer.from(bytes ?? []).includes(words);

const PICTURES: [string, Uint8Array][] = [
  ["jpeg", jpeg(segment(0xe0, JFIF), segment(0xe1, [...text("Exif\0\0"), ...tiff(6)]), segment(0xe1, text(`http://ns.adobe.com/xap/1.0/\0${SECRET}`)), segment(0xe2, text(`MPF\0${SECRET}`)), segment(0xe2, text("ICC_PROFILE\0colours")), segment(0xed, text(SECRET)), segment(0xfe, text(SECRET)), segment(0xdb, [1]), segment(0xc0, [2]))],
  ["png", png(chunk("gAMA", [0, 0, 0, 1]), chunk("eXIf", tiff(6, false)), chunk("tEXt", text(`Comment\0${SECRET}`)), chunk("iTXt", text(SECRET)), chunk("tIME", text(SECRET)), chunk("prVt", text(SECRET)))],
  ["webp", webp(VP8X(0x2c), part("ICCP", text("colours")), part("VP8 ", [1, 2, 3]), part("EXIF", tiff(6)), part("XMP ", text(SECRET)), part("????", text(SECRET)))],
];

describe.each(PICTURES)("%s", (format, bytes) => {
  const bare = withoutNotes(bytes);

  test("goes without its notes, and stays which way up it is", () => {
    expect(pictureFormat(bytes)).toBe(format);
    expect(has(bytes, SECRET)).toBe(true);
    expect([has(bare, SECRET), has(bare, "thumbs"), pictureFormat(bare!)]).toEqual([false, false, format]);
    // The notes that are left say which way up, and nothing else.
    const at = Buffer.from(bare!).indexOf("MM\0*");
    expect([at > 0, orientationOf(bare!.subarray(at))]).toEqual([true, 6]);
    // Once more it is the same.
    expect(withoutNotes(bare!)).toEqual(bare);
  });

  test("is refused or gone through wherever it is cut or changed, and never throws", () => {
    for (let at = 0; at < bytes.length; at += 1) {
      withoutNotes(bytes.subarray(0, at));
      for (const value of [0, 1, 0x7f, 0xd9, 0xff]) {
        const bent = bytes.slice();
        bent[at] = value;
        const kept = withoutNotes(bent);
        expect(kept === null || kept.length <= bytes.length).toBe(true);
      }
    }
    expect(withoutNotes(bytes.subarray(0, 30))).toBeNull();
  });
});

test("what is of the picture stays as it was", () => {
  const [[, photo], [, drawing], [, web]] = PICTURES as [[string, Uint8Array], [string, Uint8Array], [string, Uint8Array]];
  const ends = Buffer.from([...SCAN, ...segment(0xc4, [7]), ...SCAN, 0xff, 0xd9]);
  const bare = Buffer.from(withoutNotes(photo)!);
  expect([bare.subarray(-ends.length).equals(ends), bare.includes("colours"), bare.includes("JFIF")]).toEqual([true, true, true]);
  expect(withoutNotes(png())).toEqual(png().subarray(0, -SECRET.length));
  expect(Buffer.from(withoutNotes(drawing)!).includes("gAMA")).toBe(true);
  const shown = withoutNotes(web)!;
  // The flags say what is there: colours and the way up, and no other notes.
  expect([shown[20]! & 0x2c, Buffer.from(shown).includes("colours")]).toEqual([0x28, true]);
  expect(withoutNotes(webp(part("VP8 ", [1, 2])))).toEqual(webp(part("VP8 ", [1, 2])).subarray(0, -SECRET.length));
});

test.each<[string, Uint8Array]>([
  ["nothing", new Uint8Array()], ["a GIF", Uint8Array.from(text("GIF89a.........."))], ["a JPEG without pixels", Uint8Array.from([0xff, 0xd8, 0xff, 0xd9])],
  ["a JPEG that does not end", jpeg().subarray(0, 20)], ["a segment longer than the file", Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff, 1])], ["a segment of no length", Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0, 0, 0xff, 0xd9])],
  ["a PNG with a chunk that nobody knows and everybody needs", png(chunk("SECR", [1]))], ["a PNG that begins otherwise", Uint8Array.from([...png().subarray(0, 8), ...chunk("IDAT", [1]), ...chunk("IEND", [])])],
  ["a WebP longer than its file", webp(part("VP8 ", [1])).subarray(0, 20)], ["a WebP of notes alone", webp(part("EXIF", tiff(1)))],
])("%s gives nothing", (_, bytes) => {
  expect(withoutNotes(bytes)).toBeNull();
});

test.each<[string, number[], number]>([
  ["as it lies", tiff(1), 1], ["turned", tiff(8), 8], ["turned, the other way round", tiff(3, false), 3], ["no way that there is", tiff(9), 1], ["none", [], 1], ["no notes", text("XX*.........."), 1],
  ["further on than there is", [...text("II*\0"), 255, 255, 255, 255], 1], ["more entries than there are", [...text("II*\0"), 8, 0, 0, 0, 255, 255, 1], 1],
])("which way up: %s", (_, notes, way) => {
  expect(orientationOf(Uint8Array.from(notes))).toBe(way);
});
