/** Files on the page *Messages*: sent by a button, dropped and pasted; pictures where they stand, and everything else as a card. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { MethodError } from "../mock/error";
import type { Talk } from "../mock/chat";
import { attachment } from "../mock/chat_files";
import { give, Stage } from "./stage";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const stage = new Stage();
const newest = (): Locator => stage.newest();
const chosen = (): Locator => stage.page.getByRole("list", { name: "Files to send" }).getByRole("listitem");
const field = (): Locator => stage.page.getByRole("textbox", { name: "Message to Ada" });

async function choose(...files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
  await stage.button("Files, polls, lists").click();
  const [chooser] = await Promise.all([stage.page.waitForEvent("filechooser"), stage.page.getByRole("menuitem", { name: "Files…" }).click()]);
  await chooser.setFiles(files);
}

test("a picture is uploaded, sent with words, and shown where it stands", async () => {
  const { talk: with_ada } = await stage.talk();
  await choose({ name: "lake.png", mimeType: "image/png", buffer: PNG });
  await chosen().getByText("lake.png").waitFor();
  await field().fill("from the lake");
  await stage.button("Send").click();
  const picture = newest().getByRole("img", { name: "lake.png", exact: true });
  await picture.waitFor();
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
  expect(await picture.getAttribute("src")).toMatch(/^blob:http:\/\/127\.0\.0\.1/);
  expect(stage.lastCall("chat_attach")).toMatchObject({
    to: with_ada.conversation.conversation, text: "from the lake", files: [{ name: "lake.png", media_type: "image/png", width: 1, height: 1, thumbnail: expect.stringMatching(/^[A-Za-z0-9+/=]+$/) }],
  });
  expect(await chosen().count()).toBe(0);
  await newest().getByRole("button", { name: "Show lake.png large" }).click();
  await stage.page.getByRole("dialog", { name: "lake.png" }).getByRole("img").waitFor();
  expect(stage.browser.faults).toEqual([]);
});

/** A picture of a camera that was held upright: 40 by 20 pixels that are to be turned, and where it was. */
async function photo(): Promise<Buffer> {
  const bare = await stage.page.evaluate(async () => {
    const canvas = new OffscreenCanvas(40, 20);
    canvas.getContext("2d")!.fillRect(0, 0, 20, 20);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer())];
  });
  const notes = Buffer.concat([Buffer.from("Exif\0\0MM\0*"), Buffer.from([0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]), Buffer.from("GPS 52.5200 N")]);
  return Buffer.concat([Buffer.from(bare.slice(0, 2)), Buffer.from([0xff, 0xe1, 0, notes.length + 2]), notes, Buffer.from(bare.slice(2))]);
}

const sent = (talk: Talk, number = 0): Buffer => stage.node.chat.files.get(`${stage.node.chat.at(talk, talk.conversation.messages - 1).message} ${number}`)!;

test("a picture goes without the place and stands upright; as it is only where that was said", async () => {
  const { talk: with_ada } = await stage.talk();
  const buffer = await photo();
  await choose({ name: "photo.jpg", mimeType: "image/jpeg", buffer });
  await expect.poll(() => stage.button("Send").isEnabled()).toBe(true);
  await stage.button("Send").click();
  const picture = newest().getByRole("img", { name: "photo.jpg", exact: true });
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual([20, 40]);
  expect(stage.lastCall("chat_attach")).toMatchObject({ files: [{ width: 20, height: 40 }] });
  expect([buffer.includes("GPS"), sent(with_ada).includes("GPS"), sent(with_ada).length > 100]).toEqual([true, false, true]);
  await choose({ name: "photo.jpg", mimeType: "image/jpeg", buffer });
  await stage.page.getByRole("checkbox", { name: "Send photo.jpg untouched" }).check();
  await expect.poll(() => stage.button("Send").isEnabled()).toBe(true);
  await stage.button("Send").click();
  await expect.poll(() => with_ada.conversation.messages).toBe(4);
  expect(sent(with_ada).equals(buffer)).toBe(true);
});

test("a picture of which nothing can be taken out waits for its sender to say so", async () => {
  const { talk: with_ada } = await stage.talk();
  const buffer = Buffer.concat([(await photo()).subarray(0, 60), Buffer.from("GPS")]);
  await choose({ name: "broken.jpg", mimeType: "image/jpeg", buffer }, { name: "new.heic", mimeType: "image/heic", buffer: Buffer.from("....ftypheic") });
  await expect.poll(() => chosen().getByText("can't be taken out").count()).toBe(2);
  expect(await stage.button("Send").isEnabled()).toBe(false);
  await stage.button("Leave out new.heic").click();
  await stage.page.getByRole("checkbox", { name: "Send broken.jpg untouched" }).check();
  await expect.poll(() => stage.button("Send").isEnabled()).toBe(true);
  await stage.button("Send").click();
  await newest().getByText("broken.jpg").waitFor();
  expect(sent(with_ada).equals(buffer)).toBe(true);
});

test("an upload that fails is tried again, another is called off, and nothing is sent before all are there", async () => {
  const { talk: with_ada } = await stage.talk();
  const large = Buffer.alloc(600_000, 7);
  stage.node.failNext("chat_upload", new MethodError(1618, "attachments_full", "No more is kept of files."));
  await choose({ name: "large.bin", mimeType: "", buffer: large });
  await chosen().getByRole("alert").getByText("No more is kept of files.").waitFor();
  await field().fill("here it is");
  expect(await stage.button("Send").isEnabled()).toBe(false);
  await chosen().getByRole("button", { name: "Try again" }).click();
  await expect.poll(() => stage.button("Send").isEnabled()).toBe(true);
  stage.node.holdNext("chat_upload");
  await choose({ name: "stuck.bin", mimeType: "", buffer: Buffer.from("2") });
  await chosen().getByRole("progressbar", { name: /stuck/ }).waitFor();
  expect(await stage.button("Send").isEnabled()).toBe(false);
  await stage.button("Leave out stuck.bin").click();
  await stage.button("Send").click();
  await newest().getByText("large.bin").waitFor();
  expect(stage.lastCall("chat_attach")).toMatchObject({ text: "here it is", files: [{ name: "large.bin" }] });
  expect(stage.node.chat.files.get(`${stage.node.chat.at(with_ada, 2).message} 0`)?.equals(large)).toBe(true);
});

test("what is dropped and pasted is chosen, and text that is pasted with a picture of it is text", async () => {
  await stage.talk();
  await give(newest(), "drop", "dropped.txt");
  await chosen().getByText("dropped.txt").waitFor();
  await give(field(), "paste", "pasted.txt");
  await chosen().getByText("pasted.txt").waitFor();
  await give(field(), "paste", "table.png", "1\t2");
  await give(stage.page.getByRole("list", { name: "Conversations" }), "drop", "beside.txt");
  await stage.button("Leave out dropped.txt").click();
  await chosen().getByText("dropped.txt").waitFor({ state: "detached" });
  expect(await chosen().allTextContents()).toEqual([expect.stringContaining("pasted.txt")]);
  await expect.poll(() => stage.button("Send").isEnabled()).toBe(true);
  await field().press("Enter");
  await newest().getByText("pasted.txt").waitFor();
});

test("a file of somebody else is fetched by a click, shows how far it is, and is saved as it is", async () => {
  const { ada, talk: with_ada } = await stage.talk();
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 256));
  const said = stage.node.chat.tell(with_ada, { text: "", attachments: [attachment("report.pdf", { size: bytes.length })] }, ada);
  await newest().getByText(/^300 kB · not fetched$/).waitFor();
  await newest().getByRole("button", { name: "Fetch" }).click();
  await newest().getByText(/comes when somebody who has it is there/).waitFor();
  const at = (more: Parameters<typeof attachment>[1]) => stage.node.chat.change(with_ada, { ...said, attachments: [attachment("report.pdf", { size: bytes.length, ...more })] });
  at({ state: "coming", fetched: 150_000 });
  await newest().getByText(/150 kB have come/).waitFor();
  stage.node.chat.files.set(`${said.message} 0`, bytes);
  at({ state: "here", fetched: bytes.length });
  const [saved] = await Promise.all([stage.page.waitForEvent("download"), newest().getByRole("button", { name: "Save report.pdf" }).click()]);
  expect(saved.suggestedFilename()).toBe("report.pdf");
  expect((await readFile((await saved.path())!)).equals(bytes)).toBe(true);
  at({ state: "untrue" });
  await newest().getByText(/what was sent as it is another file/).waitFor();
});

test("hostile names, types and pictures are text, and nothing is opened or fetched by itself", async () => {
  const { ada, talk: with_ada } = await stage.talk();
  const asked: string[] = [];
  stage.page.on("request", (request) => !request.url().startsWith("data:") && asked.push(request.url()));
  const script = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'></svg>");
  const attachments = [
    attachment("<img src=https://evil.example/p.png onerror=document.title=1>", { media_type: "text/html\"><script>document.title=2</script>", cautions: ["place", "hidden"] }),
    attachment("invoice.pdf.exe", { number: 1, media_type: "image/png", state: "here", size: script.length, fetched: script.length, cautions: ["two_endings"], thumbnail: "https://evil.example/t.png" }),
    attachment("drawing.svg", { number: 2, media_type: "image/svg+xml", state: "here", size: script.length, fetched: script.length, thumbnail: "data:image/svg+xml;base64,AAAA" }),
  ];
  const place = with_ada.conversation.messages;
  const said = stage.node.chat.item(with_ada.conversation.conversation, place, { text: "" }, ada.identity);
  for (const number of [1, 2]) stage.node.chat.files.set(`${said.message} ${number}`, script);
  stage.node.chat.tell(with_ada, { text: "", attachments }, ada);
  await newest().getByText("<img src=https://evil.example/p.png onerror=document.title=1>").waitFor();
  await newest().getByText("It looks like a document, and opening it runs a program.").waitFor();
  // What says that it is a picture was asked for, and is none.
  await newest().getByRole("button", { name: "Save invoice.pdf.exe" }).waitFor();
  expect(stage.lastCall("chat_file")).toMatchObject({ number: 1 });
  expect(await newest().locator("img, script, iframe, object, embed, a, video, audio").count()).toBe(0);
  expect(asked).toEqual([]);
  expect(await stage.page.title()).toContain("Messages");
  expect(stage.browser.faults).toEqual([]);
  expect(stage.node.calls.some(({ method }) => method === "chat_fetch")).toBe(false);
});
