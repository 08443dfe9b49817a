/** The page *Network* in a real browser against the mock node. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { MethodError } from "../mock/methods";
import { MockNode } from "../mock/node";
import { Browser, DIST } from "./browser";

let node: MockNode;
let browser: Browser;
let page: Page;

beforeEach(async () => {
  node = await MockNode.start({ dist: DIST });
  browser = await Browser.start("desktop", "light");
});
afterEach(async () => {
  await browser?.stop();
  await node?.stop();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" });

describe("the network", () => {
  async function openNetwork(): Promise<void> {
    page = await browser.page(node.link);
    await page.getByRole("link", { name: "Network", exact: true }).click();
    await page.getByRole("button", { name: /Live picture of the kernel: 7 nodes, newest round/ }).waitFor();
  }

  test("its nodes are shown with pledge and health, and the picture can be read as a table", async () => {
    await openNetwork();
    const row = (name: string) => page.getByRole("row", { name: new RegExp(`^${name} `) });
    await row("alder").getByText("In step").waitFor();
    await row("fir").getByText("Out of reach").waitFor();
    await row("alder").getByText("10,000", { exact: true }).waitFor();
    await page.getByText("6 of 7 in step, 5 needed").waitFor();
    await page.getByText("As a table").click();
    const rounds = page.getByRole("table", { name: "The newest rounds, newest first" });
    await expect.poll(() => rounds.getByRole("row").count()).toBe(9);
    await rounds.getByRole("cell", { name: "fir" }).first().waitFor();
  });

  test("something is drawn, and goes on", async () => {
    await openNetwork();
    const picture = () => page.evaluate(() => {
      const canvas = document.querySelector("canvas")!;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return data.reduce((sum, value, index) => (sum * 31 + value * (index % 7)) % 1_000_003, 0);
    });
    const first = await picture();
    await expect.poll(picture, { timeout: 5_000 }).not.toBe(first);
  });

  test("a transaction, an identity, an offer and a checkpoint are found by what they look like", async () => {
    await openNetwork();
    const look = async (text: string) => {
      await page.getByLabel("Transaction, identity, offer or height").fill(text);
      await button("Look up").click();
    };
    const found = (name: string) => page.getByRole("heading", { level: 2, name, exact: true });
    await look(node.world.history[0]!.transaction_id);
    await found("Transaction").waitFor();
    await page.getByText(/a quorum signed it, checked by your node/).waitFor();
    await look(node.world.identity);
    await found("Identity").waitFor();
    await look(node.world.offers[0]!.offer_id);
    await found("Offer").waitFor();
    await button(node.world.offers[0]!.provider).click();
    await found("Identity").waitFor();
    await look("1,200");
    await found("Checkpoint").waitFor();
    await look("ab".repeat(32));
    await page.getByText("Nothing of this name is known.").waitFor();
    await look("hello");
    await page.getByText("Ids are made of the digits").waitFor();
    expect(browser.faults).toEqual([]);
  });

  test("the picture is held, walked through with the keys, and goes on", async () => {
    await openNetwork();
    const picture = page.getByRole("button", { name: /Live picture of the kernel/ });
    await picture.focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowDown");
    await page.getByText(/^birch, round .* transactions? · references/).waitFor();
    const heldAt = await picture.getAttribute("aria-label");
    await page.keyboard.press("ArrowLeft");
    const round = node.world.pulse.round;
    await expect.poll(() => node.world.pulse.round).toBeGreaterThan(round + 1);
    expect(await picture.getAttribute("aria-label")).toBe(heldAt);
    await button("Go on").click();
    await expect.poll(() => picture.getAttribute("aria-label")).not.toBe(heldAt);
  });

  test("a kernel that stands still is said to", async () => {
    await openNetwork();
    expect(await page.getByRole("alert").count()).toBe(0);
    node.world.isKernelReachable = false;
    await page.getByRole("alert").getByText("nothing was committed for 2 min 05 s").waitFor();
  });

  test("a node that signed twice is named", async () => {
    node.world.evidence = [{ kind: "signed_twice", member: 2, round: 38_001, first: "ab".repeat(32), second: "cd".repeat(32), seen_ms: Date.now() }];
    await openNetwork();
    await page.getByText("signed twice for round 38,001").waitFor();
  });

  test("the link by which others join is shown when asked for, or why there is none", async () => {
    await openNetwork();
    node.failNext("network_link", new MethodError(1005, "not_supported", "This node has no link. Give it a relay."));
    await button("Show the link").click();
    await page.getByText("This node has no link. Give it a relay.").waitFor();
    await button("Show the link").click();
    await page.getByRole("img", { name: "QR code of the network's link" }).waitFor();
    await page.getByText(/^byway:net\/[0-9a-f]{400}$/).waitFor();
  });
});
