/** A conversation of 100,000 messages: what is on the page is bounded, and what is looked at stays where it is. */

import { describe, expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { WINDOW_MAX } from "../../src/lib/timeline";
import { Stage } from "./stage";

const stage = new Stage();
const MANY = 100_000;
const lines = (): Locator => stage.page.locator("[data-message]");
const scroller = (): Locator => stage.page.locator(".scroll");

async function openMany(unread = 0): Promise<ReturnType<typeof stage.node.chat.talk>> {
  const talk = stage.node.chat.talk(stage.node.chat.person("Ada", { online: true }), MANY, (place) => `Message ${place}: ${"words ".repeat(1 + (place * 7) % 40)}`);
  talk.conversation.unread = unread;
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link").click();
  await lines().last().waitFor();
  return talk;
}

/** Places of the first and the last message on the page. */
async function ends(): Promise<[number, number]> {
  const texts = await lines().evaluateAll((all) => [all[0], all.at(-1)].map((line) => /Message (\d+)/.exec(line?.textContent ?? "")?.[1]));
  return [Number(texts[0]), Number(texts[1])];
}

/** The message in the middle of what is seen, and where it stands. */
const middle = (): Promise<{ text: string; top: number }> => scroller().evaluate((box) => {
  const { top, height } = box.getBoundingClientRect();
  const line = [...box.querySelectorAll("[data-message]")].find((known) => known.getBoundingClientRect().bottom > top + height / 2)!;
  return { text: /Message \d+/.exec(line.textContent ?? "")![0], top: line.getBoundingClientRect().top };
});
const topOf = (text: string): Promise<number | null> => scroller().evaluate((box, wanted) => {
  const line = [...box.querySelectorAll("[data-message]")].find((known) => known.textContent?.includes(`${wanted}:`));
  return line ? line.getBoundingClientRect().top : null;
}, text);
const distanceToEnd = (): Promise<number> => scroller().evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);

describe("100,000 messages", () => {
  test("open at the newest, in one page", async () => {
    await openMany();
    expect(await ends()).toEqual([MANY - 60, MANY - 1]);
    expect(await distanceToEnd()).toBeLessThan(2);
    expect(stage.node.chat.reads).toBe(1);
  });

  test("reading on upwards keeps what is looked at where it is, and the page small", async () => {
    await openMany();
    for (let [first] = await ends(); first > MANY - 1_500; ) {
      await scroller().evaluate((box) => (box.scrollTop = 1_000));
      const seen = await middle();
      // Near the edge more is asked for; the eye is on `seen` meanwhile.
      await scroller().evaluate((box) => (box.scrollTop -= 150));
      await expect.poll(async () => (await ends())[0]).toBeLessThan(first);
      expect(Math.abs((await topOf(seen.text))! - (seen.top + 150))).toBeLessThanOrEqual(1);
      expect(await lines().count()).toBeLessThanOrEqual(WINDOW_MAX);
      [first] = await ends();
    }
    const [, last] = await ends();
    expect(last).toBeLessThan(MANY - 1);
    await stage.button(/Newest$/).click();
    await expect.poll(async () => (await ends())[1]).toBe(MANY - 1);
    expect(await distanceToEnd()).toBeLessThan(2);
  });

  test("reading on downwards comes to the end again without a gap", async () => {
    await openMany();
    for (let [first] = await ends(); first > MANY - 600; [first] = await ends()) {
      const before = first;
      await scroller().evaluate((box) => (box.scrollTop = 0));
      await expect.poll(async () => (await ends())[0]).toBeLessThan(before);
    }
    for (let [, last] = await ends(); last < MANY - 1; [, last] = await ends()) {
      const before = last;
      await scroller().evaluate((box) => (box.scrollTop = box.scrollHeight));
      await expect.poll(async () => (await ends())[1]).toBeGreaterThan(before);
      const [first, now] = await ends();
      expect(await lines().count()).toBe(now - first + 1);
    }
  });

  test("what comes while one reads further up moves nothing, and is a click away", async () => {
    const talk = await openMany();
    await scroller().evaluate((box) => (box.scrollTop -= 700));
    await stage.button("↓ Newest").waitFor();
    const seen = await middle();
    stage.node.chat.tell(talk, { text: "Message new: hello" }, stage.node.chat.people[0]!);
    await stage.button("↓ 1 new").waitFor();
    expect(Math.abs((await topOf(seen.text))! - seen.top)).toBeLessThanOrEqual(1);
    expect(stage.lastCall("chat_mark")).toBeUndefined();
    await stage.button("↓ 1 new").click();
    await expect.poll(() => stage.lastCall("chat_mark")).toBeDefined();
    expect(await distanceToEnd()).toBeLessThan(2);
  });

  test("who is at the end stays there", async () => {
    const talk = await openMany();
    stage.node.chat.tell(talk, { text: `Message new: ${"long ".repeat(200)}` }, stage.node.chat.people[0]!);
    await lines().filter({ hasText: "Message new" }).waitFor();
    await expect.poll(distanceToEnd).toBeLessThan(2);
    await stage.page.getByRole("textbox", { name: "Message to Ada" }).fill("a\nb\nc\nd\ne");
    await expect.poll(distanceToEnd).toBeLessThan(2);
  });

  test.each([40, 100, 1_000])("with %i new ones, open at the line above them, and nothing is read before it was seen", async (unread) => {
    const talk = await openMany(unread);
    const line = stage.page.getByText("New messages", { exact: true });
    await line.waitFor();
    const [top, box] = await Promise.all([line.evaluate((element) => element.getBoundingClientRect().top), scroller().evaluate((element) => element.getBoundingClientRect().top)]);
    expect(top - box).toBeGreaterThanOrEqual(0);
    expect(top - box).toBeLessThan(120);
    const first = await line.evaluate((element) => Number(/Message (\d+)/.exec(element.closest("li")!.nextElementSibling!.textContent ?? "")![1]));
    const added = Array.from({ length: MANY - first }, (_, at) => stage.node.chat.at(talk, first + at)).filter(({ author }) => author !== stage.node.world.identity);
    expect(added).toHaveLength(unread);
    expect(stage.lastCall("chat_mark")).toBeUndefined();
    await stage.button(/^↓/).click();
    await expect.poll(() => stage.lastCall("chat_mark")).toBeDefined();
  });

  test("an answer leads to what it answers, far up, and back", async () => {
    const talk = await openMany();
    for (let [first] = await ends(); first > MANY - 400; [first] = await ends()) {
      const before = first;
      await scroller().evaluate((box) => (box.scrollTop = 0));
      await expect.poll(async () => (await ends())[0]).toBeLessThan(before);
    }
    const old = stage.node.chat.at(talk, MANY - 380);
    stage.node.chat.tell(talk, { text: "Message new: as I said", reply: old.message }, stage.node.chat.people[0]!);
    await stage.button(/^↓/).click();
    await lines().filter({ hasText: "as I said" }).getByRole("button", { name: /answers/ }).click();
    await stage.page.locator(".pointed", { hasText: `Message ${MANY - 380}:` }).waitFor();
    await stage.button(/^↓/).click();
    await expect.poll(distanceToEnd).toBeLessThan(2);
  });
});
