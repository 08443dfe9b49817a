/** What the page does, in a real browser against the mock node. */

import { readFile } from "node:fs/promises";
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
  node.connectDelayMs = 150;
  browser = await Browser.start("desktop", "light");
});
afterEach(async () => {
  await browser?.stop();
  await node?.stop();
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" });
const heading = (name: string) => page.getByRole("heading", { level: 1, name });

async function open(): Promise<void> {
  page = await browser.page(node.link);
  await page.getByRole("list", { name: "Offers" }).waitFor();
}

async function costShown(): Promise<number> {
  return Number(await page.locator("[data-testid=cost] .visually-hidden").textContent());
}

describe("the link", () => {
  test("its token leaves the address bar, survives a reload and never reaches the web server", async () => {
    await open();
    expect(page.url()).toBe(`http://127.0.0.1:${node.webPort}/`);
    await page.reload();
    await heading("Not connected").waitFor();
    const second = await browser.page(`http://127.0.0.1:${node.webPort}/`);
    await second.getByRole("heading", { level: 1, name: "Not connected" }).waitFor();
  });

  test("without a token the page says where to get it", async () => {
    page = await browser.page(`http://127.0.0.1:${node.webPort}/`);
    await heading("Open the link from your node").waitFor();
    await page.getByText("byway status --link").waitFor();
    expect(node.calls).toEqual([]);
  });

  test("a wrong token is said to be wrong, forgotten, and a right one pasted later works", async () => {
    page = await browser.page(node.link.replace(node.token, "ab".repeat(32)));
    await heading("This link no longer opens your node").waitFor();
    expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
    await page.evaluate((hash) => (location.hash = hash), new URL(node.link).hash);
    await heading("Not connected").waitFor();
  });

  test("is restored by itself after it broke, and nothing can be clicked meanwhile", async () => {
    await open();
    node.setRpcUp(false);
    await page.getByText("The link to your node is lost.").waitFor();
    expect(await button("Connect").isDisabled()).toBe(true);
    node.setRpcUp(true);
    await page.getByText("The link to your node is lost.").waitFor({ state: "detached" });
    await button("Connect").click();
    await heading("Sweden").waitFor();
  });
});

describe("browsing", () => {
  test("connect, watch the cost grow, disconnect, see the session with its exact cost", async () => {
    await open();
    await button("Connect").click();
    await page.getByText("Connected through", { exact: true }).waitFor();
    await page.getByText("Cost so far").waitFor();
    await expect.poll(costShown, { timeout: 10_000 }).toBeGreaterThan(0);
    const first = await costShown();
    await expect.poll(costShown, { timeout: 10_000 }).toBeGreaterThan(first);
    node.bytesPerSecond = 0;
    await button("Disconnect").click();
    await heading("Disconnected").waitFor();
    const { cost } = node.world.sessions[0]!;
    await page.locator(`td[title="${cost}"]`).waitFor();
    await page.getByText("The proxy refuses connections until you connect again.").waitFor();
  });

  test("connecting from a row takes that very offer, and the row says so", async () => {
    await open();
    await button(/Connect through Germany/).click();
    await heading("Germany").waitFor();
    await page.getByRole("listitem").filter({ hasText: "Germany" }).getByText("Connected").waitFor();
    const connect = node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ offer_id: node.world.offers[0]!.offer_id });
  });

  test("a refusal is shown in the node's words and can be dismissed", async () => {
    await open();
    node.failNext("connect", new MethodError(1104, "provider_unreachable", "None of 3 providers answered. Try again in a minute."));
    await button("Connect").click();
    const alert = page.getByRole("alert").filter({ hasText: "None of 3 providers answered." });
    await alert.waitFor();
    await alert.getByRole("button", { name: "Dismiss" }).click();
    await alert.waitFor({ state: "detached" });
    expect(await button("Connect").isEnabled()).toBe(true);
  });

  test("an attempt can be cancelled", async () => {
    node.connectDelayMs = 2_000;
    await open();
    await button("Connect").click();
    await button("Cancel").click();
    await heading("Disconnected").waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test("a pause says why", async () => {
    await open();
    node.world.setConnection("paused", { country: "NL", reason: { code: "spending_limit", message: "Today's limit of 20 WAY is reached." } });
    node.publishStatus();
    await page.getByText("Today's limit of 20 WAY is reached.", { exact: true }).waitFor();
  });
});

describe("choosing", () => {
  const countries = () => page.getByRole("list", { name: "Offers" }).locator(".country").allTextContents();

  test("filters, order and preference change the list; the hero connects within the filter", async () => {
    await open();
    expect((await countries()).slice(0, 3)).toEqual(["Sweden", "Brazil", "Germany"]);
    await page.getByLabel("Order").selectOption({ label: "Highest price first" });
    expect((await countries()).slice(0, 2)).toEqual(["Sweden", "Singapore"]);
    await page.getByLabel("At most").fill("0.0004");
    expect(await countries()).toEqual(["Germany", "Brazil"]);
    await page.getByLabel("At most").fill("0,4");
    await page.getByText("Use a point for decimals").waitFor();
    await page.getByLabel("At most").fill("0.0001");
    await button("Clear them").click();
    await page.getByLabel("Country").selectOption("JP");
    await button("Connect to Japan").click();
    await heading("Japan").waitFor();
  });

  test("a star is kept by the node, and given back when the node refuses", async () => {
    await open();
    const star = button("Prefer this provider in Brazil");
    await star.click();
    await expect.poll(() => node.world.offers.find((offer) => offer.country === "BR")?.preferred).toBe(true);
    await expect.poll(async () => (await countries())[0]).toBe("Brazil");
    node.failNext("offer_prefer", new MethodError(1008, "storage_failed", "The disk is full. Free some space."));
    await star.click();
    await page.getByText("The disk is full. Free some space.").waitFor();
    expect(await star.getAttribute("aria-pressed")).toBe("true");
  });

  test("no offers at all is a state of its own", async () => {
    node.world.offers = [];
    page = await browser.page(node.link);
    await page.getByText("No offers yet.").waitFor();
  });
});

describe("money", () => {
  test("problems are told before the node is asked, and by the node after", async () => {
    await open();
    await button("Send").click();
    await page.getByRole("form", { name: "Send" }).getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText("Paste the receiver's address.").waitFor();
    await page.getByText("Enter an amount.").waitFor();
    expect(node.calls.some((call) => call.method === "wallet_send")).toBe(false);
    await page.getByLabel("To", { exact: true }).fill("nonsense");
    await page.getByLabel("Amount, WAY").fill("1.5");
    await page.getByLabel("Amount, WAY").press("Enter");
    await page.getByText("That is not an address of this network.").waitFor();
  });

  test("an asset beside WAY is shown and sent, no finer than it is counted", async () => {
    await open();
    const { asset, symbol } = node.world.asset;
    await page.getByRole("list", { name: "Other assets" }).getByText("250.00 TEST").waitFor();
    await button("Send").click();
    await page.getByLabel("Asset", { exact: true }).selectOption(asset);
    await page.getByLabel("To", { exact: true }).fill(node.world.address);
    await page.getByLabel(`Amount, ${symbol}`).fill("1.005");
    await page.getByLabel(`Amount, ${symbol}`).press("Enter");
    await page.getByText("TEST has 2 digits after the point.").waitFor();
    expect(node.calls.some((call) => call.method === "wallet_send")).toBe(false);
    await page.getByLabel(`Amount, ${symbol}`).fill("12.25");
    await page.getByLabel(`Amount, ${symbol}`).press("Enter");
    await page.getByText(/^12\.25 TEST (handed to the kernel|included by the kernel|sent)/).first().waitFor();
    await page.getByRole("list", { name: "Other assets" }).getByText("237.75 TEST").waitFor();
    const call = node.calls.find(({ method }) => method === "wallet_send");
    expect(call?.params).toMatchObject({ amount: "12.25", asset });
  });

  test("a deposit moves the money and becomes final", async () => {
    await open();
    await button("Deposit").click();
    await page.getByLabel("Amount, WAY").fill("12.25");
    await page.getByLabel("Amount, WAY").press("Enter");
    await page.getByText("12.25 WAY moved to the account.").waitFor();
    await page.getByTitle("37.25 WAY", { exact: true }).waitFor();
    const call = node.calls.find(({ method }) => method === "wallet_deposit");
    expect(call?.params).toMatchObject({ amount: "12.25", idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });

  test("a payment repeated after an unsure outcome carries the same key", async () => {
    await open();
    await button("Deposit").click();
    await page.getByLabel("Amount, WAY").fill("1");
    node.holdNext("wallet_deposit");
    await page.getByLabel("Amount, WAY").press("Enter");
    await expect.poll(() => node.calls.some(({ method }) => method === "wallet_deposit")).toBe(true);
    node.setRpcUp(false);
    await page.getByText("The link to your node is down.").waitFor();
    node.setRpcUp(true);
    const submit = page.getByRole("form", { name: "Deposit" }).getByRole("button", { name: "Deposit", exact: true });
    await submit.click();
    await page.getByText("1.00 WAY moved to the account.").waitFor();
    const keys = node.calls.filter(({ method }) => method === "wallet_deposit")
      .map(({ params }) => (params as { idempotency_key: string }).idempotency_key);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
  });

  test("what is owed to us can be settled; what we owe is for its payee to settle", async () => {
    const payer = "77".repeat(20);
    node.world.promises = [...node.world.promises, {
      direction: "in", counterparty: payer, serial: "1", amount: "0.25", settled: "0", backing: "account",
      updated_ms: Date.now(), settled_ms: null,
    }];
    await open();
    await button("Connect").click();
    await page.getByText("not settled yet", { exact: true }).waitFor();
    expect(await button(/^Settle with/).count()).toBe(1);
    await button(/^Settle with/).click();
    await page.getByText("Settled on the ledger.").waitFor();
    await page.getByText("Earned", { exact: false }).first().waitFor();
    expect(await button(/^Settle with/).count()).toBe(0);
  });

  test("spending limits are shown and can be changed or removed", async () => {
    await open();
    await button("Limits").click();
    await page.getByLabel("A day at most").fill("7,5");
    await button("Save limits").click();
    await page.getByText("Use a point for decimals").waitFor();
    await page.getByLabel("A day at most").fill("7.5");
    await page.getByLabel("A session at most").fill("");
    await button("Save limits").click();
    await page.getByText("of 7.50 WAY").waitFor();
    expect(node.world.limits).toEqual({ day_max: "7.5", session_max: null });
  });

  test("the address is shown with its code", async () => {
    await open();
    await button("Receive").click();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await page.getByText(node.world.address).waitFor();
  });
});

test("sessions are exported with exact amounts", async () => {
  await open();
  const [download] = await Promise.all([page.waitForEvent("download"), button("Export CSV").click()]);
  const text = await readFile(await download.path(), "utf8");
  expect(download.suggestedFilename()).toMatch(/^byway-sessions-.*\.csv$/);
  expect(text.split("\r\n")).toHaveLength(1 + node.world.sessions.length + 1);
  expect(text).toContain(node.world.sessions[0]!.cost);
});

test("the theme can be turned, is kept, and comes with the first paint", async () => {
  await open();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await button("Use the dark theme").click();
  const dark = await ground();
  expect(dark).not.toBe(light);
  await page.reload();
  expect(await ground()).toBe(dark);
});

test("everything can be reached by keyboard, in order, with a visible focus", async () => {
  await open();
  const names: string[] = [];
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return { name: element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "", outline: getComputedStyle(element).outlineStyle };
    });
    expect(focus.outline).not.toBe("none");
    names.push(focus.name);
  }
  expect(names.some((name) => name === "Connect")).toBe(true);
  expect(names.some((name) => name.startsWith("Connect through"))).toBe(true);
});

test("the page keeps within its policy, asks no other host and logs no errors", async () => {
  const hosts = new Set<string>();
  browser.context.on("request", (request) => hosts.add(new URL(request.url()).host));
  await open();
  await button("Connect").click();
  await page.getByText("Cost so far").waitFor();
  await button("Receive").click();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  expect([...hosts]).toEqual([`127.0.0.1:${node.webPort}`]);
  expect(browser.faults).toEqual([]);
});

describe("the network", () => {
  async function openNetwork(): Promise<void> {
    await open();
    await page.getByRole("link", { name: "Network" }).click();
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
});
