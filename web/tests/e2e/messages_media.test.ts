/** Recordings and videos on the page *Messages*: played where they stand, after a click; and voice notes that are recorded. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import type { ChatItem, ChatPerson } from "@byway/client";
import type { Talk } from "../mock/chat";
import { attachment } from "../mock/chat_files";
import { MethodError } from "../mock/error";
import { Stage } from "./stage";

const stage = new Stage();
const newest = (): Locator => stage.newest();
const asked = (method: string): number => stage.node.calls.filter((call) => call.method === method).length;

/** So many seconds of a tone, 8,000 samples of a byte each. */
function wav(seconds: number): Buffer {
  const samples = Buffer.from(Array.from({ length: 8_000 * seconds }, (_, at) => Math.round(128 + 60 * Math.sin(at / 3))));
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write("WAVEfmt ", 8);
  [[16, 16], [24, 8_000], [28, 8_000], [40, samples.length]].forEach(([at, value]) => head.writeUInt32LE(value!, at!));
  [[20, 1], [22, 1], [32, 1], [34, 8]].forEach(([at, value]) => head.writeUInt16LE(value!, at!));
  head.write("data", 36);
  return Buffer.concat([head, samples]);
}

function tell(talk: Talk, by: ChatPerson, bytes: Buffer, name: string, media_type: string, more: Partial<ChatItem> = {}, duration_ms = 0): ChatItem {
  const place = talk.conversation.messages;
  const { message } = stage.node.chat.item(talk.conversation.conversation, place, { text: "" }, by.identity);
  stage.node.chat.files.set(`${message} 0`, bytes);
  return stage.node.chat.tell(talk, { text: "", ...more, attachments: [attachment(name, { media_type, state: "here", size: bytes.length, fetched: bytes.length, duration_ms: duration_ms || null })] }, by);
}

/** The page's own `<audio>` or `<video>`. */
const element = <T>(read: (media: HTMLMediaElement) => T): Promise<T> => newest().locator("audio, video").evaluate(read as never);

test("a voice note is read and plays after a click, is gone to a moment of, and hastened", async () => {
  const { ada, talk } = await stage.talk();
  tell(talk, ada, wav(20), "voice.wav", "audio/wav", { kind: "voice", levels: [0, 90, 255, 40] }, 20_000);
  await newest().getByRole("img", { name: "Voice note, 20 s" }).waitFor();
  expect([await newest().locator("audio").count(), asked("chat_file")]).toEqual([0, 0]);
  await newest().getByRole("button", { name: "Play voice.wav" }).click();
  await newest().getByRole("button", { name: "Pause voice.wav" }).waitFor();
  await expect.poll(() => element((media) => media.currentTime)).toBeGreaterThan(0.05);
  expect(await element((media) => media.src)).toMatch(/^blob:http:\/\/127\.0\.0\.1/);
  await newest().getByRole("button", { name: "Pause voice.wav" }).click();
  const bar = newest().getByRole("slider", { name: "Where it plays" });
  await bar.fill("12");
  await expect.poll(() => element((media) => Math.round(media.currentTime))).toBe(12);
  await expect.poll(() => bar.getAttribute("aria-valuetext")).toBe("0:12 of 0:20");
  await newest().getByRole("button", { name: "Speed, 1 times" }).click();
  expect(await element((media) => media.playbackRate)).toBe(1.5);
  expect(stage.browser.faults).toEqual([]);
});

test("one plays at a time, and what is played is none that only says so", async () => {
  const { ada, talk } = await stage.talk();
  tell(talk, ada, wav(30), "first.wav", "audio/wav", {}, 30_000);
  await newest().getByRole("button", { name: "Play first.wav" }).click();
  await newest().getByRole("button", { name: "Pause first.wav" }).waitFor();
  tell(talk, ada, wav(30), "second.wav", "audio/wav", {}, 30_000);
  await stage.button("Play second.wav").click();
  await stage.button("Pause second.wav").waitFor();
  await stage.button("Play first.wav").waitFor();
  tell(talk, ada, Buffer.from("<script>alert(1)</script>"), "hostile.mp3", "audio/mpeg");
  await stage.button("Play hostile.mp3").click();
  await newest().getByText("This browser can't play it.").waitFor();
  // It begins as a recording does, and is none.
  tell(talk, ada, Buffer.concat([wav(0), Buffer.from("x")]).subarray(0, 20), "broken.wav", "audio/wav");
  await stage.button("Play broken.wav").click();
  await newest().getByText("This browser can't play it.").waitFor();
  await newest().getByRole("button", { name: "Save broken.wav" }).waitFor();
});

test("a video plays where it stands", async () => {
  const { ada, talk } = await stage.talk();
  const film = await stage.page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [64, 48];
    const context = canvas.getContext("2d")!;
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const ended = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    for (let at = 0; at < 20; at += 1) {
      context.fillStyle = `hsl(${at * 18} 80% 50%)`;
      context.fillRect(0, 0, 64, 48);
      await new Promise((done) => setTimeout(done, 40));
    }
    recorder.stop();
    await ended;
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  tell(talk, ada, Buffer.from(film), "film.webm", "video/webm");
  await newest().getByRole("button", { name: "Play film.webm" }).click();
  await expect.poll(() => element((media) => [(media as HTMLVideoElement).videoWidth, media.currentTime > 0])).toEqual([64, true]);
  expect(await element((media) => media.controls)).toBe(true);
  expect(stage.browser.faults).toEqual([]);
});

test("a small voice note of a contact is fetched by itself, once, and not played", async () => {
  const { ada, talk } = await stage.talk();
  stage.node.chat.tell(talk, { text: "", kind: "voice", levels: [9], attachments: [attachment("voice.ogg", { media_type: "audio/ogg", size: 9_000, duration_ms: 1_000 })] }, ada);
  await newest().getByText(/comes when somebody who has it is there/).waitFor();
  expect([asked("chat_fetch"), asked("chat_file")]).toEqual([1, 0]);
});

test("a voice note is recorded, heard, and sent; another one is thrown away", async () => {
  const { talk } = await stage.talk();
  await stage.browser.context.grantPermissions(["microphone"]);
  await stage.button("Files, polls, lists").click();
  await stage.page.getByRole("menuitem", { name: "Voice note" }).click();
  const made = stage.page.getByRole("group", { name: "Voice note" });
  await expect.poll(() => made.getByRole("timer").textContent()).toBe("0:01");
  await made.getByRole("button", { name: "Stop" }).click();
  await made.getByRole("button", { name: "Play your voice note" }).click();
  await expect.poll(() => made.locator("audio").evaluate((media: HTMLAudioElement) => media.currentTime)).toBeGreaterThan(0);
  // A refusal loses nothing, and what was brought is not brought again.
  stage.node.failNext("chat_attach", new MethodError(1002, "busy", "The node has too much to do."));
  await made.getByRole("button", { name: "Send" }).click();
  await made.getByRole("alert").getByText("too much to do").waitFor();
  const uploads = asked("chat_upload");
  await made.getByRole("button", { name: "Send" }).click();
  await newest().getByRole("button", { name: "Play voice-note.webm" }).waitFor();
  expect(stage.lastCall("chat_attach")).toMatchObject({ to: talk.conversation.conversation, files: [{ name: "voice-note.webm", media_type: "audio/webm" }] });
  const { levels, files } = stage.lastCall("chat_attach") as { levels: number[]; files: { duration_ms: number }[] };
  expect([levels.length > 4 && levels.length <= 64, Math.max(...levels) > 0, files[0]!.duration_ms >= 1_000]).toEqual([true, true, true]);
  expect(asked("chat_upload") - uploads).toBeLessThanOrEqual(1);
  await newest().getByRole("button", { name: "Play voice-note.webm" }).click();
  await expect.poll(() => element((media) => media.currentTime)).toBeGreaterThan(0);
  const before = asked("chat_attach");
  await stage.button("Files, polls, lists").click();
  await stage.page.getByRole("menuitem", { name: "Voice note" }).click();
  await made.getByRole("timer").waitFor();
  await stage.page.keyboard.press("Escape");
  await stage.page.getByRole("textbox", { name: "Message to Ada" }).waitFor();
  expect(asked("chat_attach")).toBe(before);
  expect(stage.browser.faults).toEqual([]);
});

test("who does not let the page hear the microphone is told what to do", async () => {
  await stage.talk();
  await stage.page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await stage.button("Files, polls, lists").click();
  await stage.page.getByRole("menuitem", { name: "Voice note" }).click();
  await stage.page.getByRole("alert").getByText("does not let this page hear the microphone").waitFor();
  await stage.button("Close").click();
  await stage.page.getByRole("textbox", { name: "Message to Ada" }).waitFor();
});
