/** Files of conversations: parts that go and come, and what is said of them. */

import { describe, expect, test } from "vitest";
import type { ChatAttachment, ChatFile, ChatItem, Method, Methods } from "@byway/client";
import { base64Of, bytesOfBase64, cautionWords, filesWords, isFetchedUnasked, isPicture, mediaKind, PART_BYTES, playedAs, shownSize, stateWords, take, thumbnailUrl, upload, type Source } from "../../src/lib/chat_files";
import { RpcError } from "../../src/lib/rpc";
import { withRoomForText } from "../../src/lib/uploads.svelte";

const bytes = (length: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length }, (_, at) => (at * 7) % 251);
const source = (all: Uint8Array<ArrayBuffer>): Source => ({ size: all.length, slice: (from, to) => ({ arrayBuffer: () => Promise.resolve(all.slice(from, to).buffer) }) });
const file = (more: Partial<ChatAttachment> = {}): ChatAttachment => ({ number: 0, name: "a", media_type: "image/png", size: 5, fetched: 0, state: "here", cautions: [], ...more });
const item: ChatItem = { conversation: "c", message: "m", author: "a", place: 0, sent_ms: 0, kind: "text", text: "", edited: false, deleted: false, reactions: [], received: [], read: [] };

/** A node that has what was uploaded; `fail` may refuse a part before it is taken, or after. */
function nodeWith(fail: (at: number, isTaken: boolean) => void = () => undefined) {
  let has = new Uint8Array();
  const call = <M extends Method>(_: M, params: Methods[M]["params"]): Promise<Methods[M]["result"]> => {
    const { upload: key, at, bytes: part } = params as Methods["chat_upload"]["params"];
    try {
      if (at !== has.length) throw new RpcError("upload_gap", "", 1622, { next: has.length });
      fail(at, false);
      has = Uint8Array.from(Buffer.concat([has, bytesOfBase64(part)]));
      fail(at, true);
    } catch (error) {
      return Promise.reject(error);
    }
    return Promise.resolve({ upload: key, size: has.length } as Methods[M]["result"]);
  };
  return { call, has: () => has };
}

describe("a file that is uploaded", () => {
  const all = bytes(2 * PART_BYTES + 3);

  test("goes in parts, and says how far it is", async () => {
    const node = nodeWith();
    const gone: number[] = [];
    await upload(node, "key", source(all), 0, (at) => gone.push(at), new AbortController().signal);
    expect(gone).toEqual([PART_BYTES, 2 * PART_BYTES, all.length]);
    expect(node.has()).toEqual(all);
  });

  test("goes on where it was cut, also where the node has more than was heard", async () => {
    let fails = true;
    const node = nodeWith((at, isTaken) => {
      if (at === PART_BYTES && isTaken && fails) throw new RpcError("link_lost", "lost");
    });
    let at = 0;
    await expect(upload(node, "key", source(all), 0, (gone) => (at = gone), new AbortController().signal)).rejects.toThrow("lost");
    expect(at).toBe(PART_BYTES);
    fails = false;
    await upload(node, "key", source(all), at, () => undefined, new AbortController().signal);
    expect(node.has()).toEqual(all);
  });

  test("goes no further when it is called off", async () => {
    const calling = new AbortController();
    const node = nodeWith();
    await expect(upload(node, "key", source(all), 0, () => calling.abort(), calling.signal)).rejects.toThrow();
    expect(node.has().length).toBe(PART_BYTES);
  });

  test("is brought though it is empty", async () => {
    let calls = 0;
    await upload(nodeWith(() => (calls += 1)), "key", source(bytes(0)), 0, () => undefined, new AbortController().signal);
    expect(calls).toBe(2);
  });
});

test("a file that is here is taken whole", async () => {
  const all = bytes(PART_BYTES + 9);
  const call = <M extends Method>(_: M, params: Methods[M]["params"]): Promise<Methods[M]["result"]> => {
    const { at = 0 } = params as Methods["chat_file"]["params"];
    return Promise.resolve({ at, bytes: base64Of(all.slice(at, at + PART_BYTES)), size: all.length, shown_as: at === 0 ? "image/png" : null } as Methods[M]["result"]);
  };
  const taken = await take({ call }, item, 0, () => undefined, new AbortController().signal);
  expect(taken.parts.flatMap((part) => [...part])).toEqual([...all]);
  expect(mediaKind(taken.shownAs)).toBe("picture");
});

test.each<[string | null, string | null]>([
  ["image/webp", "picture"], ["audio/ogg", "audio"], ["video/webm", "video"], [null, null], ["image/svg+xml", null], ["text/html", null], ["image/png;x", null], ["video/x-msvideo", null], ["audio/ogg\n", null],
])("%j is shown as %s", (shownAs, kind) => {
  expect(mediaKind(shownAs)).toBe(kind);
});

test.each<[string, string | null]>([
  ["audio/webm", "audio"], ["audio/webm;codecs=opus", "audio"], ["video/mp4", "video"], ["application/ogg", null], ["audio/midi", null], ["video/mp4x", null], ["image/png", null], ["text/audio/ogg", null],
])("%j is played as %s", (media_type, kind) => {
  expect(playedAs(file({ media_type }))).toBe(kind);
  expect(playedAs(file({ media_type, size: 200 * 1024 * 1024 }))).toBeNull();
});

test("a small voice note of a contact is fetched unasked, and nothing else", () => {
  const voice = { ...item, kind: "voice" };
  const away = file({ state: "away" });
  expect(isFetchedUnasked(voice, away, true)).toBe(true);
  expect([isFetchedUnasked(voice, away, false), isFetchedUnasked(item, away, true), isFetchedUnasked(voice, file({ state: "untrue" }), true), isFetchedUnasked(voice, file({ state: "away", size: 5e6 }), true)]).toEqual([false, false, false, false]);
});

test.each<[string | null, boolean]>([["data:image/webp;base64,AAAA", true], ["data:image/svg+xml;base64,AAAA", false], ["https://evil.example/p.png", false], ["data:image/png;base64,AA\"><script>", false], [null, false]])("the small picture %s", (thumbnail, is) => {
  expect(thumbnailUrl(file({ thumbnail }))).toBe(is ? thumbnail : null);
});

test("what stands beside a file", () => {
  expect([isPicture(file()), isPicture(file({ media_type: "image/svg+xml" })), isPicture(file({ size: 17 * 1024 * 1024 }))]).toEqual([true, false, false]);
  expect([shownSize(4000, 3000), shownSize(10, 1), shownSize(null, 5)]).toEqual([{ width: 320, height: 240 }, { width: 60, height: 60 }, { width: 240, height: 180 }]);
  expect(stateWords(file({ state: "coming", size: 2_000_000, fetched: 1_000_000 }))).toBe("2.00 MB · 1.00 MB have come");
  expect(cautionWords(file({ cautions: ["two_endings", "something new"] }))).toEqual(["It looks like a document, and opening it runs a program.", "Something is wrong with its name."]);
  expect([filesWords([{ name: "a\u202eb" }]), filesWords([{ name: "a" }, { name: "b" }, { name: "c" }])]).toEqual(["ab", "a and 2 more"]);
});

describe("small pictures of a message", () => {
  const chosen = (thumbnail?: string): ChatFile => ({ upload: "u", name: "a.png", ...(thumbnail === undefined ? {} : { thumbnail }) });

  test("are left out where there are too many, and the files go all", () => {
    const [small, large] = ["a".repeat(1_000), "b".repeat(31_500)];
    const sent = withRoomForText([chosen(small), chosen(large), chosen(), chosen(small)]);
    expect(sent.map(({ thumbnail }) => thumbnail)).toEqual([small, undefined, undefined, small]);
    expect(sent.map(({ name }) => name)).toEqual(Array(4).fill("a.png"));
  });
});
