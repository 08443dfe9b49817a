/** The page in every combination of size and theme: nothing sticks out, nothing is broken, and a picture of each state. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { MockNode } from "../mock/node";
import { Browser, DIST, shoot, type Scheme, type Viewport } from "./browser";

const COMBINATIONS: [Viewport, Scheme][] = [["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]];

describe.each(COMBINATIONS)("%s, %s", (viewport, scheme) => {
  let node: MockNode;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    node = await MockNode.start({ dist: DIST });
    browser = await Browser.start(viewport, scheme);
    page = await browser.page(node.link);
  });
  afterAll(async () => {
    await browser?.stop();
    await node?.stop();
  });

  test("idle", async () => {
    await page.getByRole("heading", { name: "Not connected" }).waitFor();
    await page.getByRole("list", { name: "Offers" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-idle`);
  });

  test("connected", async () => {
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("Connected through", { exact: true }).waitFor();
    await page.getByText("Cost so far").waitFor();
    await page.waitForFunction(() => Number(document.querySelector("[data-testid=cost] span")?.textContent) > 0.02);
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-connected`);
  });

  test("forms", async () => {
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByLabel("Amount, WAY").fill("9999");
    await page.getByLabel("Amount, WAY").blur();
    await page.getByText("Enter at most that").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-send`);
    await page.getByRole("button", { name: "Receive", exact: true }).click();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-receive`);
  });

  test("network", async () => {
    await page.getByRole("link", { name: "Network" }).click();
    await page.getByRole("row", { name: /alder/ }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll("#checkpoints tbody tr").length > 2);
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-network`);
    await page.getByRole("link", { name: "Home" }).click();
  });

  test("link lost", async () => {
    node.setRpcUp(false);
    await page.getByText("The link to your node is lost.").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-lost`);
  });

  test("no link", async () => {
    await page.evaluate(() => (localStorage.clear(), sessionStorage.clear()));
    await page.reload();
    await page.getByRole("heading", { name: "Open the link from your node" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-no-link`);
  });
});

/** No sideways scrolling, and no text or control wider than the page. */
async function expectFits(page: Page): Promise<void> {
  const { scroll, inner } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth, inner: document.documentElement.clientWidth,
  }));
  expect(scroll).toBeLessThanOrEqual(inner);
}
