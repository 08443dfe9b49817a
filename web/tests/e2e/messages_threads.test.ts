/** Threads on the page *Messages*: beside the conversation, on a phone in its place. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { MockNode } from "../mock/node";
import { Browser, DIST, RESULTS, type Scheme, type Viewport } from "./browser";
import { give, Stage } from "./stage";

const stage = new Stage();

test("a thread is opened by keyboard, answered in, counted, linked to, and closed with Escape", async () => {
  const ada = stage.node.chat.person("Ada", { online: true });
  const talk = stage.node.chat.talk(ada, 2);
  const root = stage.node.chat.at(talk, 1).message;
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
  const line = stage.page.getByRole("list", { name: "Messages", exact: true }).locator(`[data-message="${root}"]`);
  await line.focus();
  await stage.page.keyboard.press("t");
  const pane = stage.page.getByRole("region", { name: "Thread", exact: true });
  const field = pane.getByRole("textbox", { name: "Answer in the thread" });
  await field.fill("in here");
  await field.press("Enter");
  await pane.getByText("in here").waitFor();
  expect(stage.lastCall("chat_send")).toMatchObject({ to: talk.conversation.conversation, text: "in here", thread: root });
  await line.getByRole("button", { name: "1 answer", exact: true }).waitFor();
  stage.node.chat.tell(talk, { text: "and I too", thread: root }, ada);
  await pane.getByText("and I too").waitFor();
  stage.node.chat.tell(talk, { text: "of something else" }, ada);
  await stage.page.getByText("of something else").first().waitFor();
  expect(await pane.locator("li.message").count()).toBe(3);
  await line.getByRole("button", { name: "2 answers" }).waitFor();
  await stage.page.reload();
  await pane.getByText("and I too").waitFor();
  await field.press("Escape");
  await pane.waitFor({ state: "detached" });
  expect(new URL(stage.page.url()).hash).toBe(`#messages/${talk.conversation.conversation}`);
  expect(stage.browser.faults).toEqual([]);
});

test("files that are chosen, dropped or pasted in a thread go into it, and those of the conversation don't", async () => {
  const ada = stage.node.chat.person("Ada", { online: true });
  const talk = stage.node.chat.talk(ada, 2);
  const root = stage.node.chat.at(talk, 1).message;
  await stage.openPage("Messages");
  await stage.page.evaluate((hash) => (location.hash = hash), `messages/${talk.conversation.conversation}/${root}`);
  const pane = stage.page.getByRole("region", { name: "Thread", exact: true });
  const field = pane.getByRole("textbox", { name: "Answer in the thread" });
  const send = pane.getByRole("button", { name: "Send to the thread" });
  const chosen = pane.getByRole("list", { name: "Files to send" }).getByRole("listitem");
  await pane.locator(`[data-message="${root}"]`).waitFor();
  expect(await send.isEnabled()).toBe(false);
  const [chooser] = await Promise.all([stage.page.waitForEvent("filechooser"), pane.getByRole("button", { name: "Files for the thread" }).click()]);
  await chooser.setFiles({ name: "chosen.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await give(field, "paste", "pasted.txt");
  await give(field, "drop", "dropped.txt");
  await give(stage.page.getByRole("textbox", { name: "Message to Ada" }), "paste", "beside.txt");
  await chosen.nth(2).waitFor();
  expect(await chosen.allTextContents()).toEqual(["chosen.txt", "pasted.txt", "dropped.txt"].map((name) => expect.stringContaining(name)));
  await expect.poll(() => send.isEnabled()).toBe(true);
  await field.fill("three of them");
  await field.press("Enter");
  await pane.locator("li.message", { hasText: "three of them" }).getByText("dropped.txt").waitFor();
  const names = (stage.lastCall("chat_attach") as { files: { name: string }[] }).files.map(({ name }) => name);
  expect(names).toEqual(["chosen.txt", "pasted.txt", "dropped.txt"]);
  expect(stage.lastCall("chat_attach")).toMatchObject({ text: "three of them", thread: root });
  await expect.poll(() => chosen.count()).toBe(0);
  expect(await stage.page.getByRole("form", { name: "Write to Ada" }).getByRole("listitem").allTextContents()).toEqual([expect.stringContaining("beside.txt")]);
  // Without words, too.
  await give(field, "paste", "alone.txt");
  await expect.poll(() => send.isEnabled()).toBe(true);
  await send.click();
  await pane.getByText("alone.txt").waitFor();
  await stage.page.locator(`ol [data-message="${root}"]`).first().getByRole("button", { name: "2 answers" }).waitFor();
  expect(stage.browser.faults).toEqual([]);
});

test.each([["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]] as [Viewport, Scheme][])("a thread, %s, %s", async (viewport, scheme) => {
  const node = await MockNode.start({ dist: DIST });
  const browser = await Browser.start(viewport, scheme);
  try {
    const ada = node.chat.person("Ada", { online: true });
    const talk = node.chat.talk(ada, 5);
    const root = node.chat.at(talk, 1).message;
    node.chat.say(talk, { text: `a long answer ${"W".repeat(90)}`, thread: root }, ada);
    node.chat.say(talk, { text: "a short one", thread: root });
    const page = await browser.page(node.link);
    await page.getByRole("list", { name: "Countries" }).waitFor();
    await page.evaluate((hash) => (location.hash = hash), `messages/${talk.conversation.conversation}/${root}`);
    const pane = page.getByRole("region", { name: "Thread", exact: true });
    await pane.getByText("a short one").waitFor();
    await page.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-messages-thread.png`) });
    expect(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)).toBe(false);
    // On a phone there is one field, and the edit of an answer opens the other.
    expect(await page.getByRole("textbox", { name: "Message to Ada" }).isVisible()).toBe(viewport === "desktop");
    const box = (await pane.boundingBox())!;
    expect(box.x + box.width).toBeLessThanOrEqual(page.viewportSize()!.width);
    await pane.getByText("a short one").locator("xpath=ancestor::li[@data-message]").focus();
    await page.keyboard.press("e");
    await expect.poll(() => page.getByRole("textbox", { name: "Message to Ada" }).inputValue()).toBe("a short one");
    expect(await pane.isVisible()).toBe(viewport === "desktop");
  } finally {
    await browser.stop();
    await node.stop();
  }
});
