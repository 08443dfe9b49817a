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
  await page.getByRole("list", { name: "Countries" }).waitFor();
}

async function openPage(name: "Wallet" | "Provide"): Promise<void> {
  await open();
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
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

  test("one click on a country connects to the best exit there, and the row says so", async () => {
    await open();
    await button("Connect to Germany, from 0.40 WAY per GB").click();
    await heading("Germany").waitFor();
    await page.getByRole("list", { name: "Countries" }).getByText("Connected").waitFor();
    const connect = node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ country: "DE" });
  });

  test("what an hour costs follows the speed", async () => {
    await open();
    const perHour = () => page.getByTestId("per-hour").textContent();
    expect(await perHour()).toBe("–");
    await button(/^Connect to Germany/).click();
    await expect.poll(async () => Number(await perHour())).toBeGreaterThan(0.1);
    await page.getByText("0.40 WAY per GB").first().waitFor();
  });

  test("a click on the map connects, too", async () => {
    await open();
    const marks = page.locator("#countries figure g.mark");
    expect(await marks.count()).toBe(12);
    await marks.first().hover();
    await page.locator("#countries figcaption").getByText("Sweden").waitFor();
    await marks.first().click();
    await heading("Sweden").waitFor();
  });

  test("the whole machine: tunnels are listed, taken, and the kill switch is said to be on", async () => {
    await open();
    await page.getByText("Kill switch off.").waitFor();
    await page.getByRole("radio", { name: "Whole machine" }).check();
    await button("Connect to Germany, from 0.50 WAY per GB").click();
    await page.getByText("Kill switch on.").waitFor();
    await page.getByText("the whole machine").waitFor();
    const connect = node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ service: "tunnel", country: "DE" });
    await button("Disconnect").click();
    await page.getByText("Kill switch off.").waitFor();
    await button("Connect this machine").waitFor();
  });

  test("what stays outside the tunnel is changed, and a wrong network is named", async () => {
    await open();
    await page.locator("#protection").getByRole("button", { name: "Change" }).click();
    await page.getByLabel("Reach the local network").check();
    await page.getByRole("radio", { name: /^All but some/ }).check();
    await page.getByLabel("Networks past the tunnel").fill("printer");
    await button("Save").click();
    await page.getByText("“printer” is not a network.").waitFor();
    await page.getByLabel("Networks past the tunnel").fill("192.0.2.0/24\n2001:db8::/32");
    await button("Save").click();
    await page.getByText("It holds from the next tunnel on.").waitFor();
    expect(node.world.tunnel).toEqual({ closed: false, local_network: true, outside: ["192.0.2.0/24", "2001:db8::/32"], programs: "all-but-outside" });
  });

  test("a single exit of a country takes that very offer", async () => {
    await open();
    await button(/^Germany/).click();
    await page.getByRole("list", { name: "Exits in Germany" }).getByRole("button", { name: /0\.52 WAY per GB/ }).click();
    await heading("Germany").waitFor();
    await page.getByRole("list", { name: "Exits in Germany" }).getByText("In use").waitFor();
    const connect = node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ offer_id: node.world.offers[8]!.offer_id });
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
  const countries = () => page.getByRole("list", { name: "Countries" }).locator(".name")
    .evaluateAll((names) => names.map((name) => (name.textContent ?? "").split(/[★,\u00a0]/)[0]!.trim()));

  test("filters, order and preference change the list; the hero connects within the filter", async () => {
    await open();
    expect((await countries()).slice(0, 3)).toEqual(["Sweden", "Brazil", "Germany"]);
    await page.getByLabel("Order").selectOption({ label: "By name" });
    expect((await countries()).slice(0, 2)).toEqual(["Australia", "Brazil"]);
    await page.getByLabel("Order").selectOption({ label: "Best first" });
    expect((await countries()).slice(0, 2)).toEqual(["Sweden", "Germany"]);
    await page.getByLabel("Order").selectOption({ label: "Most exits first" });
    expect((await countries())[0]).toBe("Germany");
    await page.getByLabel("At most").fill("0.4");
    expect(await countries()).toEqual(["Brazil", "Germany"]);
    await button("Connect").click();
    await heading("Brazil").waitFor();
    expect(node.calls.find((call) => call.method === "connect")?.params).toEqual({ unit: "mb", max_price: "0.0004" });
    await page.getByLabel("At most").fill("0,4");
    await page.getByText("Use a point for decimals").waitFor();
    await page.getByLabel("At most").fill("0.0001");
    await button("Clear them").click();
    await expect.poll(async () => (await countries()).length).toBe(8);
    await button("Show 4 more").click();
    expect((await countries()).length).toBe(12);
  });

  test("by keyboard alone: slash, a few letters, enter; or down the list with the arrows", async () => {
    await open();
    await page.keyboard.press("/");
    await page.keyboard.type("jap");
    expect(await countries()).toEqual(["Japan"]);
    await page.keyboard.press("Enter");
    await heading("Japan").waitFor();
    await page.getByText("Connected through", { exact: true }).waitFor();
    await page.getByLabel(/^Search/).first().fill("");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toMatch(/^Connect to Brazil/);
    await page.keyboard.press("Enter");
    await heading("Brazil").waitFor();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("country-search");
  });

  test("a star is kept by the node, and given back when the node refuses", async () => {
    await open();
    await button(/^Brazil/).click();
    const star = button(/^Prefer the provider .* in Brazil$/);
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

describe("the wallet", () => {
  test("problems are told before the node is asked, and by the node after", async () => {
    await openPage("Wallet");
    await button("Review").click();
    await page.getByText("Paste the receiver's address.").waitFor();
    await page.getByText("Enter an amount.").waitFor();
    expect(node.calls.some((call) => call.method === "wallet_send")).toBe(false);
    await page.getByLabel("To", { exact: true }).fill(node.world.address.slice(0, 100));
    await page.getByLabel("Amount, WAY").fill("1.5");
    await page.getByLabel("Amount, WAY").press("Enter");
    await page.getByText("An address has 139 characters, and this has 100.").waitFor();
    await page.getByLabel("To", { exact: true }).fill("nonsense");
    await page.getByLabel("Amount, WAY").press("Enter");
    await button("Send it").click();
    await page.getByText("That is not an address of this network.").waitFor();
  });

  test("a payment is shown once more before it is sent, and can be changed", async () => {
    await openPage("Wallet");
    await page.getByLabel("To", { exact: true }).fill(node.world.address);
    await page.getByLabel("Amount, WAY").fill("1.5");
    await page.getByLabel("Amount, WAY").press("Enter");
    const check = page.getByRole("group", { name: "Check the payment" });
    await check.getByText(node.world.address.slice(0, 8), { exact: true }).waitFor();
    expect(node.calls.some((call) => call.method === "wallet_send")).toBe(false);
    await button("Change it").click();
    await page.getByLabel("Amount, WAY").fill("2");
    await page.getByLabel("Amount, WAY").press("Enter");
    await check.getByText("2 WAY").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("2.00 WAY sent.").waitFor();
    const call = node.calls.find(({ method }) => method === "wallet_send");
    expect(call?.params).toMatchObject({ amount: "2", to: node.world.address });
  });

  test("the view key is shown only to who knows what it opens, and hidden again", async () => {
    await openPage("Wallet");
    expect(await button("Show the view key").isDisabled()).toBe(true);
    await page.getByLabel("I know that it can't be taken back.").check();
    await button("Show the view key").click();
    await page.getByText(node.world.viewKey).waitFor();
    await button("Hide").click();
    expect(await page.getByText(node.world.viewKey).count()).toBe(0);
    expect(await button("Show the view key").isDisabled()).toBe(true);
  });

  test("the history is filtered, and exported as it is filtered", async () => {
    await openPage("Wallet");
    const entries = page.getByRole("list", { name: "Entries" }).getByRole("listitem");
    expect(await entries.count()).toBe(4);
    await page.getByRole("radio", { name: "Own moves" }).check();
    expect(await entries.count()).toBe(2);
    await page.getByLabel("Search the history").fill("pledge");
    expect(await entries.count()).toBe(1);
    const [download] = await Promise.all([page.waitForEvent("download"), button("Export CSV").click()]);
    const lines = (await readFile(await download.path(), "utf8")).split("\r\n");
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain("pledge,own,1,WAY");
    await page.getByLabel("Search the history").fill("nothing like it");
    await button("Show all").click();
    expect(await entries.count()).toBe(4);
  });

  test("groups are listed where there are any", async () => {
    node.world.groups = [{ address: `way2of3-${"ab".repeat(40)}`, threshold: 2, members: 3, number: 0, balances: [{ amount: "7.5", asset: "WAY" }] }];
    await openPage("Wallet");
    await page.locator("#groups").getByText("2 of 3").waitFor();
    await page.locator("#groups").getByText("7.50 WAY").waitFor();
  });

  test("an asset beside WAY is shown and sent, no finer than it is counted", async () => {
    await openPage("Wallet");
    const { asset, symbol } = node.world.asset;
    await page.getByRole("list", { name: "Other assets" }).getByText("250.00 TEST").waitFor();
    await page.getByLabel("Asset", { exact: true }).selectOption(asset);
    await page.getByLabel("To", { exact: true }).fill(node.world.address);
    await page.getByLabel(`Amount, ${symbol}`).fill("1.005");
    await page.getByLabel(`Amount, ${symbol}`).press("Enter");
    await page.getByText("TEST has 2 digits after the point.").waitFor();
    expect(node.calls.some((call) => call.method === "wallet_send")).toBe(false);
    await page.getByLabel(`Amount, ${symbol}`).fill("12.25");
    await page.getByLabel(`Amount, ${symbol}`).press("Enter");
    await button("Send it").click();
    await page.getByText(/^12\.25 TEST (handed to the kernel|included by the kernel|sent)/).first().waitFor();
    await page.getByRole("list", { name: "Other assets" }).getByText("237.75 TEST").waitFor();
    const call = node.calls.find(({ method }) => method === "wallet_send");
    expect(call?.params).toMatchObject({ amount: "12.25", asset });
  });

  test("a deposit moves the money and becomes final", async () => {
    await openPage("Wallet");
    await button("Deposit").click();
    await page.getByLabel("Amount, WAY").fill("12.25");
    await page.getByLabel("Amount, WAY").press("Enter");
    await page.getByText("12.25 WAY moved to the account.").waitFor();
    await page.getByTitle("37.25 WAY", { exact: true }).waitFor();
    const call = node.calls.find(({ method }) => method === "wallet_deposit");
    expect(call?.params).toMatchObject({ amount: "12.25", idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
  });

  test("a payment repeated after an unsure outcome carries the same key", async () => {
    await openPage("Wallet");
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
    await page.getByText("Connected through", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Wallet", exact: true }).click();
    await page.getByText("not settled yet", { exact: true }).waitFor();
    expect(await button(/^Settle with/).count()).toBe(0);
    await page.getByRole("link", { name: "Provide", exact: true }).click();
    await button(/^Settle with/).waitFor();
    await button(/^Settle with/).click();
    await page.getByText("Settled on the ledger.").waitFor();
    expect(await button(/^Settle with/).count()).toBe(0);
    await page.getByRole("link", { name: "Wallet", exact: true }).click();
    await page.getByRole("list", { name: "Entries" }).getByText("Earned").first().waitFor();
  });

  test("spending limits are shown and can be changed or removed", async () => {
    await open();
    await button("Change limits").click();
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
    await openPage("Wallet");
    await button("Receive").click();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await page.getByText(node.world.address).waitFor();
  });
});

describe("providing", () => {
  test("selling is begun, changed and ended", async () => {
    node.world.isRegistered = false;
    await openPage("Provide");
    await button("Register this identity").click();
    await page.getByText("Registered. The pledge is locked on the ledger.").waitFor();
    await button("Start selling").click();
    await button("Publish the offer").click();
    await page.getByText("Two letters, as in DE.").waitFor();
    expect(node.calls.some((call) => call.method === "offer_publish")).toBe(false);
    await page.getByLabel("Country").fill("de");
    await page.getByLabel("Network (AS number)").fill("64496");
    await page.getByLabel("Price, WAY per GB").fill("0.5");
    await page.getByLabel("Mbit/s for a session").fill("100");
    await button("Publish the offer").click();
    const offers = page.getByRole("list", { name: "Your offers" });
    await offers.getByText("Proxy, Germany").waitFor();
    const call = node.calls.find(({ method }) => method === "offer_publish");
    expect(call?.params).toMatchObject({ country: "DE", asn: 64_496, price_per_mb: "0.0005", bandwidth_bps: 100e6 });
    await button("Change terms").click();
    expect(await page.getByLabel("Price, WAY per GB").inputValue()).toBe("0.5");
    await page.getByLabel("Price, WAY per GB").fill("0.6");
    await button("Publish the change").click();
    await offers.getByText("0.60").waitFor();
    await button("Stop selling").click();
    await button("Keep it").click();
    await button("Stop selling").click();
    await button("Stop selling it").click();
    await page.getByText("This node sells nothing.").waitFor();
  });

  test("what was served and earned is added up, day by day", async () => {
    node.world.sellForDays();
    await openPage("Provide");
    await page.locator("#earnings").getByText("0.1095").waitFor();
    expect(await page.getByRole("table", { name: "Settled per day" }).getByRole("row").count()).toBe(14);
    const served = page.locator("#served tbody tr");
    await served.first().getByText("open now").waitFor();
    expect(await served.count()).toBe(3);
    await page.getByRole("link", { name: "Browse", exact: true }).click();
    const used = page.locator("#sessions tbody tr");
    await used.first().waitFor();
    expect(await used.count()).toBe(4);
  });

  test("a refusal to publish is shown in the node's words", async () => {
    await openPage("Provide");
    await button("Start selling").click();
    for (const [label, text] of [["Country", "DE"], ["Network (AS number)", "1"], ["Price, WAY per GB", "1"], ["Mbit/s for a session", "10"]] as const) {
      await page.getByLabel(label).fill(text);
    }
    node.failNext("offer_publish", new MethodError(1005, "not_supported", "Others can't reach this node. Open its UDP port."));
    await button("Publish the offer").click();
    await page.getByText("Others can't reach this node.").waitFor();
  });
});

test("each page has its address, and going back goes back", async () => {
  await open();
  await page.getByRole("link", { name: "Wallet", exact: true }).click();
  await page.getByRole("link", { name: "Provide", exact: true }).click();
  expect(await page.title()).toBe("Provide · Byway");
  expect(await page.getByRole("link", { name: "Provide", exact: true }).getAttribute("aria-current")).toBe("page");
  await page.goBack();
  expect(await page.title()).toBe("Wallet · Byway");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Wallet" }).waitFor();
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
  for (let step = 0; step < 20; step += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return { name: element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "", outline: getComputedStyle(element).outlineStyle };
    });
    expect(focus.outline).not.toBe("none");
    names.push(focus.name);
  }
  const connect = button("Connect");
  await connect.focus();
  await page.keyboard.press("Enter");
  await page.getByText("Connected through", { exact: true }).waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Disconnect");
  expect(names.some((name) => name === "Connect")).toBe(true);
  expect(names.some((name) => name.startsWith("Connect to"))).toBe(true);
});

test("the page keeps within its policy, asks no other host and logs no errors", async () => {
  const hosts = new Set<string>();
  browser.context.on("request", (request) => hosts.add(new URL(request.url()).host));
  await open();
  await button("Connect").click();
  await page.getByText("Cost so far").waitFor();
  await page.getByRole("link", { name: "Wallet", exact: true }).click();
  await button("Receive").click();
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  expect([...hosts]).toEqual([`127.0.0.1:${node.webPort}`]);
  expect(browser.faults).toEqual([]);
});
