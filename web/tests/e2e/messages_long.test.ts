/** A conversation of a hundred thousand messages: what is on the page is bounded, stands one behind the other, and is read a page at a time. */

import { expect, test } from "vitest";
import { WINDOW_MAX } from "../../src/lib/timeline";
import { Stage } from "./stage";

const stage = new Stage();

test("it is gone through without growing, wherever one is", async () => {
  stage.node.chat.talk(stage.node.chat.person("Ada", { online: true }), 100_000);
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
  const messages = stage.page.getByRole("list", { name: "Messages" });
  await messages.getByText("Message 99999", { exact: true }).waitFor();
  /** Numbers of the messages on the page. */
  const there = (): Promise<number[]> => messages.locator(".said").evaluateAll((all) => all.map((said) => Number(/Message (\d+)/.exec(said.textContent ?? "")?.[1])));
  const nodes = (): Promise<number> => stage.page.evaluate(() => document.querySelectorAll("*").length);
  const scroll = (to: "up" | "down"): Promise<number> => stage.page.locator(".scroll").evaluate((box, way) => (box.scrollTop = way === "up" ? 0 : box.scrollHeight), to);
  const before = stage.node.chat.reads;
  let [first, most] = [(await there())[0]!, 0];
  for (let step = 0; step < 12; step += 1) {
    const known = first;
    await scroll("up");
    await expect.poll(async () => (first = (await there())[0]!)).toBeLessThan(known);
    const all = await there();
    expect(all.length).toBeLessThanOrEqual(WINDOW_MAX);
    expect(all).toEqual(all.map((_, at) => all[0]! + at));
    most = Math.max(most, await nodes());
  }
  expect(first).toBeLessThanOrEqual(100_000 - 12 * 60);
  // As many pages as were gone through, and one or two ahead.
  expect(stage.node.chat.reads - before).toBeLessThanOrEqual((100_000 - first) / 60 + 2);
  const far = first;
  await expect.poll(async () => {
    await scroll("down");
    return (await there()).at(-1);
  }).toBe(99_999);
  expect((await there())[0]).toBeGreaterThan(far);
  expect(await nodes()).toBeLessThanOrEqual(most + 500);
});
