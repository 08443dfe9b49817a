/** What is shown and played, as addresses: read once, held while it is looked at, and revoked when it is too much. */

import { expect, test } from "vitest";
import type { ChatItem } from "@byway/client";
import { base64Of } from "../../src/lib/chat_files";
import { Media } from "../../src/lib/media";
import { barsOf, loudness, plainType, playTime, speedAfter, voiceName } from "../../src/lib/voice";

const item = (message: string): ChatItem =>
  ({ conversation: "c", message, author: "a", place: 0, sent_ms: 0, kind: "text", text: "", edited: false, deleted: false, reactions: [], received: [], read: [] });
const KEPT_MAX = 1_000;
const signal = new AbortController().signal;

/** A node whose files are all of so many bytes and one type, and a browser that counts addresses. */
function stage(bytes: number, shownAs: string | null = "image/png") {
  let reads = 0;
  const open = new Set<string>();
  const call = async (_: string, { at }: { at: number }): Promise<unknown> => {
    if (at === 0) reads += 1;
    const part = new Uint8Array(Math.min(bytes - at, 400));
    return { at, size: bytes, bytes: base64Of(part), shown_as: shownAs };
  };
  let made = 0;
  const addresses = { createObjectURL: () => (open.add(`blob:${(made += 1)}`), `blob:${made}`), revokeObjectURL: (url: string) => void open.delete(url) };
  return { media: new Media({ call } as never, addresses, KEPT_MAX), open, reads: () => reads };
}

test("what was let go of is there again without being read, until it is too much", async () => {
  const { media, open, reads } = stage(KEPT_MAX / 2 - 1);
  const names = ["1", "2", "3"];
  const held = await Promise.all(names.map((name) => media.hold(item(name), 0, signal)));
  // What is held stays, however much it is.
  expect([open.size, reads()]).toEqual([3, 3]);
  held.slice(0, 2).forEach((one) => one!.release());
  held[0]!.release();
  expect(open.size).toBe(3);
  const again = await media.hold(item("1"), 0, signal);
  expect([again!.url, reads()]).toEqual([held[0]!.url, 3]);
  again!.release();
  held[2]!.release();
  // Two fit in; the one that was let go of first is gone.
  expect([...open].sort()).toEqual([held[0]!.url, held[2]!.url].sort());
  await media.hold(item("2"), 0, signal);
  expect(reads()).toBe(4);
});

test("two who ask at once have one address, and what is no picture has none", async () => {
  const { media, open } = stage(9);
  const [a, b] = await Promise.all([media.hold(item("1"), 0, signal), media.hold(item("1"), 0, signal)]);
  expect([a!.url === b!.url, open.size]).toEqual([true, 1]);
  const other = stage(9, "image/svg+xml");
  expect([await other.media.hold(item("1"), 0, signal), other.open.size]).toEqual([null, 0]);
});

test("who goes away while it is read leaves no address that is held", async () => {
  const { media, open } = stage(KEPT_MAX + 1);
  const calling = new AbortController();
  const asked = media.hold(item("1"), 0, calling.signal, (bytes) => bytes > KEPT_MAX && calling.abort());
  await expect(asked).rejects.toThrow();
  expect(open.size).toBe(0);
});

test("voice in numbers", () => {
  expect([loudness(new Uint8Array([128, 128])), loudness(new Uint8Array([0])), loudness(new Uint8Array([160, 100])), loudness(new Uint8Array())]).toEqual([0, 255, 128, 0]);
  expect([barsOf([]), barsOf([3, 4]), barsOf([1, 9, 2, 3, 4, 5], 3)]).toEqual([[0], [3, 4], [9, 3, 5]]);
  expect(barsOf(Array.from({ length: 18_000 }, () => 7)).length).toBe(64);
  expect([playTime(7.9), playTime(65), playTime(3_725), playTime(Infinity), playTime(-1)]).toEqual(["0:07", "1:05", "1:02:05", "0:00", "0:00"]);
  expect([1, 1.5, 2].map(speedAfter)).toEqual([1.5, 2, 1]);
  expect([plainType("audio/webm;codecs=opus"), plainType(""), voiceName("audio/ogg"), voiceName("audio/x")]).toEqual(["audio/webm", "audio/webm", "voice-note.ogg", "voice-note.webm"]);
});
