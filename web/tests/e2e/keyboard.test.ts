/** By keyboard alone: forms close with Escape, the focus is never lost or hidden, and nothing moves where that isn't wanted. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { MockNode } from "../mock/node";
import { Browser, DIST, type Viewport } from "./browser";

type Shown = "browse" | "wallet" | "channels" | "a channel" | "provide";

let node: MockNode;
let browser: Browser;
let page: Page;

beforeEach(async () => {
  node = await MockNode.start({ dist: DIST });
  node.world.sellForDays();
  node.channels.begin(node.world.pulse.commits);
});
afterEach(async () => {
  await browser?.stop();
  await node?.stop();
});

async function open(viewport: Viewport, hash: Shown = "browse", motion: "reduce" | "no-preference" = "no-preference"): Promise<void> {
  browser = await Browser.start(viewport, "light", motion);
  page = await browser.page(node.link);
  await page.getByRole("list", { name: "Countries" }).waitFor();
  await page.evaluate((hash) => (location.hash = hash), hash === "a channel" ? `channels/${node.channels.list[0]!.channel}` : hash);
}

const focused = () => page.evaluate(() => document.activeElement?.textContent?.replace(/\u00a0/g, " ").trim());

/** Waits until the focus is on what has this text; a focus that is elsewhere is told. */
const focusOn = (name: string) => expect.poll(focused).toBe(name);

const FORMS: [page: Shown, form: string, opener: string][] = [
  ["browse", "Spending limits", "Change limits"],
  ["browse", "New port", "New port"],
  ["browse", "New forwarded port", "New forwarded port"],
  ["browse", "Open a service", "Open a service"],
  ["browse", "Split tunnel", "Change"],
  ["browse", "Filters", "Filters"],
  ["wallet", "New invite", "New invite"],
  ["wallet", "New sub-account", "New sub-account"],
  ["channels", "Open a channel", "Open a channel"],
  ["a channel", "Add a contract", "Add a contract"],
  ["a channel", "Let a contract take some", "Let a contract take some"],
  ["a channel", "Close the channel", "Close the channel"],
  ["provide", "Block a destination", "Block a destination"],
  ["provide", "Change terms", "Change terms"],
];

test.each(FORMS)("on %s, Escape closes the form %s and leads back to its button", async (name, formName, opener) => {
  await open("desktop", name);
  const form = page.getByRole("form", { name: formName, exact: true });
  await page.getByRole("button", { name: opener, exact: true }).focus();
  await page.keyboard.press("Enter");
  await form.waitFor();
  await form.locator("input, select").first().focus();
  await page.keyboard.press("Escape");
  await form.waitFor({ state: "hidden" });
  await focusOn(opener);
});

describe("what leaves this machine", () => {
  test("what was typed isn't thrown away by Escape", async () => {
    await open("desktop");
    await page.locator("#protection").getByRole("button", { name: "Change", exact: true }).click();
    const field = page.getByLabel("Sites and networks past the tunnel");
    await field.fill("bank.example");
    await page.keyboard.press("Escape");
    expect(await field.inputValue()).toBe("bank.example");
    await field.fill("");
    await page.keyboard.press("Escape");
    await field.waitFor({ state: "detached" });
  });

  test("after saving the focus is on the button that opened the form", async () => {
    await open("desktop");
    await page.locator("#protection").getByRole("button", { name: "Change", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    await page.getByLabel("Sites and networks through the tunnel").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("blocked.example");
    await page.keyboard.press("Tab");
    await focusOn("Save");
    await page.keyboard.press("Enter");
    await page.getByText("Saved. It holds from the next tunnel on.").waitFor();
    await focusOn("Change");
    expect(node.world.tunnel).toMatchObject({ inside_domains: ["blocked.example"], partial: true });
  });
});

test("on a narrow page the focus is never beneath the bar", async () => {
  await open("phone");
  await page.getByLabel("Search").focus();
  let reached = 0;
  while (await page.evaluate(() => document.activeElement !== document.body)) {
    const { name, bottom, bar } = await page.evaluate(() => {
      const element = document.activeElement!;
      return { name: element.textContent, bottom: element.getBoundingClientRect().bottom, bar: document.querySelector("nav")!.getBoundingClientRect().top };
    });
    expect(bottom, name ?? "").toBeLessThanOrEqual(bar);
    reached += 1;
    await page.keyboard.press("Tab");
  }
  expect(reached).toBeGreaterThan(20);
});

test("who wants less motion sees nothing that goes on moving", async () => {
  node.connectDelayMs = 60_000;
  const endless = () => page.evaluate(() => document.getAnimations().filter(({ effect }) => effect?.getTiming().iterations === Infinity).length);
  await open("desktop");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByRole("button", { name: "Cancel" }).waitFor();
  expect(await endless()).toBeGreaterThan(0);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await expect.poll(endless).toBe(0);
});
